//! Ports for servers that must know their port before they start, and keep it over a restart.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which Linux takes the ports of outgoing connections and of listeners on port 0 (32768 and
/// up). A port from there could be taken by anybody while its server is down for a restart.
const FIRST: u32 = 10_240;
const COUNT: u32 = 32_768 - FIRST;

/// A prime that does not divide [`COUNT`], so that stepping by it visits every port.
const STEP: u32 = 7_919;

/// A TCP port on 127.0.0.1 that nobody listens on at this moment.
///
/// It is not reserved: start the server at once, and try another port if this one was taken in between.
///
/// # Panics
/// When no port is free.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes start at different places, so that parallel test programs rarely meet.
    let start = std::process::id().wrapping_mul(104_729);
    (0..COUNT)
        .map(|_| {
            let nth = NEXT.fetch_add(1, Ordering::Relaxed);
            FIRST + start.wrapping_add(nth.wrapping_mul(STEP)) % COUNT
        })
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("one of 22528 ports is free")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::free_port;

    #[test]
    fn ports_are_distinct_and_outside_the_ephemeral_range() {
        let ports: Vec<u16> = (0..50).map(|_| free_port()).collect();
        assert!(ports.iter().all(|port| (10_240..32_768).contains(port)), "{ports:?}");
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), ports.len());
    }
}
