//! `healthcheck`: asks a running service whether it is healthy. A container from scratch has no curl to do it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::config::{HealthcheckConfig, HttpUrl};

/// The whole check, name resolution included: short, so that it ends by itself before whoever runs it gives up.
const DEADLINE: Duration = Duration::from_secs(3);
/// More than the first line of any answer.
const MAX_STATUS_LINE_BYTES: usize = 1024;

/// Asks, and says on standard output what the answer was. An error says why the service is not healthy.
pub fn run(config: &HealthcheckConfig) -> anyhow::Result<()> {
    let url = config.url.clone();
    // In a thread, since resolving a name has no deadline of its own.
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let deadline = Instant::now() + DEADLINE;
        // Nobody receives any more if the deadline has passed.
        let _ = sender.send(ask(&url, deadline));
    });
    let url = &config.url;
    let status = receiver
        .recv_timeout(DEADLINE)
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|error| match error.kind() {
            // A socket's read timeout is reported as either, by platform.
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                anyhow::anyhow!("no answer within {} s", DEADLINE.as_secs())
            }
            _ => error.into(),
        })
        .with_context(|| format!("{url} cannot be asked"))?;
    if status != 200 {
        bail!("{url} answered {status}");
    }
    // A closed standard output does not make the service less healthy.
    let _ = writeln!(io::stdout(), "{url} answered 200");
    Ok(())
}

/// The status of the answer.
fn ask(url: &HttpUrl, deadline: Instant) -> io::Result<u16> {
    let mut stream = connect(url, deadline)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: hello-you-healthcheck\r\nConnection: close\r\n\r\n",
        url.path,
        url.authority()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; MAX_STATUS_LINE_BYTES];
    while !answer.contains(&b'\n') && answer.len() < MAX_STATUS_LINE_BYTES {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut part)? {
            0 => break,
            length => answer.extend_from_slice(&part[..length]),
        }
    }
    status_of(&answer).ok_or_else(|| io::Error::other("the answer is not HTTP"))
}

fn connect(url: &HttpUrl, deadline: Instant) -> io::Result<TcpStream> {
    let mut last_error = io::Error::other("the name has no address");
    for address in addresses(url)? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

/// The addresses of the host. `localhost` is known without the resolver, which an image from scratch has no files for.
fn addresses(url: &HttpUrl) -> io::Result<Vec<SocketAddr>> {
    let port = url.port;
    if url.host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
    }
    match url.host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![(address, port).into()]),
        Err(_) => Ok((url.host.as_str(), port).to_socket_addrs()?.collect()),
    }
}

/// The time until the deadline, or the error that it has passed.
fn left(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

/// The status of an answer that begins with these bytes: `HTTP/1.1 200 OK`.
fn status_of(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let line = str::from_utf8(line).ok()?;
    let status = line.strip_prefix("HTTP/1.")?.split_ascii_whitespace().nth(1)?;
    (status.len() == 3).then(|| status.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_stands_in_the_first_line() {
        assert_eq!(status_of(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"), Some(200));
        assert_eq!(status_of(b"HTTP/1.0 503\r\n"), Some(503));
    }

    #[test]
    fn what_is_not_http_has_no_status() {
        for answer in [
            &b""[..],
            b"\n",
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/1.1 2x0 OK\r\n",
            b"HTTP/1.1 20 OK\r\n",
            b"\xff\xff",
        ] {
            assert_eq!(status_of(answer), None);
        }
    }
}
