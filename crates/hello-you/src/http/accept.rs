//! What a client takes: the lists with weights in `Accept` and `Accept-Encoding` (RFC 9110, section 12.4.2).

use hyper::header::{HeaderMap, HeaderName};

/// Whether the header names exactly this, with a weight above zero. A wildcard does not count as naming it.
pub(super) fn accepts(headers: &HeaderMap, header: &HeaderName, wanted: &str) -> bool {
    let lists = headers.get_all(header).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let is_wanted = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        is_wanted && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

#[cfg(test)]
mod tests {
    use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue};

    use super::*;

    fn with(header: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_browser_takes_html_and_a_program_that_takes_anything_does_not_ask_for_it() {
        for accept in ["text/html", "application/xml, TEXT/HTML;q=0.9, */*;q=0.8", "text/html; charset=utf-8"]
        {
            assert!(accepts(&with(ACCEPT, accept), &ACCEPT, "text/html"), "{accept}");
        }
        for accept in
            ["*/*", "application/json", "text/html;q=0", "text/html;q=0.000", "text/*", "", "text/htmlx"]
        {
            assert!(!accepts(&with(ACCEPT, accept), &ACCEPT, "text/html"), "{accept}");
        }
        assert!(!accepts(&HeaderMap::new(), &ACCEPT, "text/html"));
    }

    #[test]
    fn an_encoding_is_taken_only_where_it_is_named() {
        for accept in ["gzip", "deflate, gzip;q=1.0, *;q=0.5", "br,GZIP"] {
            assert!(accepts(&with(ACCEPT_ENCODING, accept), &ACCEPT_ENCODING, "gzip"), "{accept}");
        }
        for accept in ["", "br", "gzip;q=0", "gzip; Q=0", "*", "identity", "gzip;q=x"] {
            assert!(!accepts(&with(ACCEPT_ENCODING, accept), &ACCEPT_ENCODING, "gzip"), "{accept}");
        }
    }
}
