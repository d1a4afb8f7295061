//! The id of a request, and the trace it belongs to.

use std::cell::Cell;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The header with the id, in both directions.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id taken over from a client.
const MAX_LENGTH: usize = 64;

/// The id that the client sent, if it is harmless in a log, or a new one of 32 hexadecimal digits.
pub(super) fn of(headers: &HeaderMap) -> HeaderValue {
    match headers.get(X_REQUEST_ID) {
        Some(sent) if is_harmless(sent.as_bytes()) => sent.clone(),
        _ => fresh(),
    }
}

fn is_harmless(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Ids must be unique, not secret: each thread counts on from random beginnings, which costs no system call.
fn fresh() -> HeaderValue {
    thread_local! {
        static NEXT: Cell<u128> = Cell::new(u128::from_be_bytes(crate::random::bytes()));
    }
    // An odd constant with mixed bits (the golden ratio's) spreads neighbours over the whole range.
    let number = NEXT.get().wrapping_add(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    NEXT.set(number);
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    HeaderValue::from_bytes(&text).expect("hexadecimal digits may stand in a header")
}

/// The trace id of a valid `traceparent` (W3C Trace Context, section 3.2).
pub(super) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = value.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |text: &str| text.bytes().all(|b| b == b'0');
    let more = parts.next().is_some();
    let valid = is_hex(version, 2)
        && version != "ff"
        && !(version == "00" && more)
        && is_hex(trace, 32)
        && !is_zero(trace)
        && is_hex(parent, 16)
        && !is_zero(parent)
        && is_hex(flags, 2);
    valid.then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn an_id_from_the_client_is_kept_if_it_is_harmless() {
        assert_eq!(of(&headers("x-request-id", "a-B_9.z")), "a-B_9.z");
        let long = "a".repeat(65);
        for bad in ["", "a b", "a\"b", "a;b", &long] {
            let id = of(&headers("x-request-id", bad));
            assert!(id.len() == 32 && id != bad, "{bad:?}");
        }
    }

    #[test]
    fn fresh_ids_differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| fresh()).collect();
        assert_eq!(ids.len(), 1000);
    }

    #[test]
    fn the_trace_id_of_a_valid_traceparent_is_taken() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let valid = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(trace_id(&headers("traceparent", &valid)), Some(trace));
        assert_eq!(
            trace_id(&headers("traceparent", &format!("cc-{trace}-00f067aa0ba902b7-01-x"))),
            Some(trace)
        );
        for bad in [
            format!("{valid}-x"),
            valid.replace("00-4", "ff-4"),
            valid.to_uppercase(),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{trace}-0000000000000000-01"),
            "00".to_owned(),
        ] {
            assert_eq!(trace_id(&headers("traceparent", &bad)), None, "{bad}");
        }
    }
}
