//! Finds requests whose length is ambiguous, by looking at the bytes before hyper does.
//!
//! hyper follows `Transfer-Encoding` where `Content-Length` is there too, and takes equal lengths for one. Both are legal
//! for a server, but a proxy in front may read such a request differently (request smuggling), so we refuse it
//! (RFC 9112, section 6.3). hyper no longer shows such a header, hence this scan.

/// Follows the heads of the requests on one connection.
///
/// It knows just enough of HTTP/1.1 to tell heads from bodies: header lines up to the empty line, then as many bytes as
/// `Content-Length` says. After a chunked body it stops following; such a connection serves no further request
/// ([`HeadScan::must_close`]).
#[derive(Debug, Default)]
pub(super) struct HeadScan {
    state: State,
    line: Line,
    lengths: u8,
    chunked: bool,
    content_length: u64,
    ambiguous: bool,
}

#[derive(Debug, Default)]
enum State {
    /// Before or in the request line.
    #[default]
    RequestLine,
    /// In the header lines.
    Headers,
    /// This many bytes of a body are still to come.
    Body(u64),
    /// In a chunked body, or behind one: nothing more is looked at.
    Unknown,
}

/// The beginning of the line that is being read, long enough for the headers that matter and a number behind them.
#[derive(Debug)]
struct Line {
    start: [u8; 48],
    length: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { start: [0; 48], length: 0 }
    }
}

impl Line {
    fn extend(&mut self, bytes: &[u8]) {
        if let Some(free) = self.start.get_mut(self.length..) {
            let count = free.len().min(bytes.len());
            free[..count].copy_from_slice(&bytes[..count]);
        }
        self.length = self.length.saturating_add(bytes.len());
    }

    /// Whether the line is longer than what is kept of it.
    fn is_cut(&self) -> bool {
        self.length > self.start.len()
    }

    /// The line without its end.
    fn text(&self) -> &[u8] {
        let text = &self.start[..self.length.min(self.start.len())];
        text.strip_suffix(b"\r").unwrap_or(text)
    }
}

impl HeadScan {
    /// Takes in the next bytes of the connection.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Unknown => return,
                State::Body(remaining) => {
                    let skipped = usize::try_from(*remaining).unwrap_or(usize::MAX).min(bytes.len());
                    *remaining -= skipped as u64;
                    if *remaining == 0 {
                        self.state = State::RequestLine;
                    }
                    bytes = &bytes[skipped..];
                }
                State::RequestLine | State::Headers => match bytes.iter().position(|b| *b == b'\n') {
                    None => {
                        self.line.extend(bytes);
                        return;
                    }
                    Some(end) => {
                        self.line.extend(&bytes[..end]);
                        self.end_of_line();
                        bytes = &bytes[end + 1..];
                    }
                },
            }
        }
    }

    /// Whether a request with an ambiguous length has come. It stays so: nothing behind it can be trusted.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// Whether the next request cannot be followed.
    pub(super) fn must_close(&self) -> bool {
        matches!(self.state, State::Unknown)
    }

    /// Whether the bytes so far end within a head.
    pub(super) fn is_within_head(&self) -> bool {
        match self.state {
            State::RequestLine => self.line.length > 0,
            State::Headers => true,
            State::Body(_) | State::Unknown => false,
        }
    }

    fn end_of_line(&mut self) {
        let is_empty = self.line.text().is_empty();
        match (&self.state, is_empty) {
            // Empty lines before a request are allowed (RFC 9112, section 2.2).
            (State::RequestLine, true) => {}
            (State::RequestLine, false) => self.state = State::Headers,
            (_, false) => self.header(),
            (_, true) => self.end_of_head(),
        }
        self.line.length = 0;
    }

    fn header(&mut self) {
        let text = self.line.text();
        let Some(colon) = text.iter().position(|b| *b == b':') else { return };
        let (name, value) = (&text[..colon], &text[colon + 1..]);
        if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths = self.lengths.saturating_add(1);
            // hyper refuses what is not a number; a list of equal lengths is two lengths. A line so long that its number
            // is out of our sight could make hyper see a body where we see heads.
            if value.contains(&b',') || self.line.is_cut() {
                self.lengths = self.lengths.saturating_add(1);
            }
            self.content_length =
                std::str::from_utf8(value.trim_ascii()).ok().and_then(|v| v.parse().ok()).unwrap_or(0);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // hyper takes any list that ends in `chunked`, and leaves the other codings to us, who know none.
            let is_chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked") && !self.line.is_cut();
            self.ambiguous |= self.chunked || !is_chunked;
            self.chunked = true;
        }
    }

    fn end_of_head(&mut self) {
        self.ambiguous |= self.lengths > 1 || (self.lengths > 0 && self.chunked);
        self.state = match (self.chunked, self.content_length) {
            (true, _) => State::Unknown,
            (false, 0) => State::RequestLine,
            (false, length) => State::Body(length),
        };
        self.lengths = 0;
        self.chunked = false;
        self.content_length = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(text: &str) -> HeadScan {
        let mut scan = HeadScan::default();
        scan.feed(text.as_bytes());
        scan
    }

    #[test]
    fn ordinary_requests_are_fine() {
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let put = "PUT /hello/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        for text in [get.to_owned(), put.to_owned(), format!("{get}{put}{get}"), format!("\r\n{get}")] {
            let scan = scan(&text);
            assert!(!scan.is_ambiguous() && !scan.must_close(), "{text:?}");
        }
    }

    #[test]
    fn two_lengths_and_other_codings_are_ambiguous() {
        for headers in [
            "Content-Length: 5\r\nContent-Length: 5",
            "content-length: 5\r\nHost: a\r\nCONTENT-LENGTH: 6",
            "Content-Length: 5, 5",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: gzip, chunked",
        ] {
            assert!(scan(&format!("PUT / HTTP/1.1\r\n{headers}\r\n\r\n")).is_ambiguous(), "{headers:?}");
        }
    }

    #[test]
    fn a_length_too_far_to_the_right_to_be_read_is_ambiguous() {
        for (padding, ambiguous) in [(30, false), (40, true), (400, true)] {
            let text = format!("PUT / HTTP/1.1\r\nContent-Length:{}5\r\n\r\n", " ".repeat(padding));
            assert_eq!(scan(&text).is_ambiguous(), ambiguous, "{padding}");
        }
    }

    #[test]
    fn it_is_known_whether_a_head_has_begun() {
        let put = "PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\n";
        for (text, within) in [
            (String::new(), false),
            ("\r\n".to_owned(), false),
            ("G".to_owned(), true),
            ("GET / HTTP/1.1\r\n".to_owned(), true),
            (put.to_owned(), false),
            (format!("{put}ab"), false),
            (format!("{put}abGET"), true),
        ] {
            assert_eq!(scan(&text).is_within_head(), within, "{text:?}");
        }
    }

    #[test]
    fn a_body_is_not_taken_for_a_head() {
        let body = "Content-Length: 1\r\nContent-Length: 1\r\n\r\n";
        let text =
            format!("PUT / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}GET / HTTP/1.1\r\n\r\n", body.len());
        assert!(!scan(&text).is_ambiguous());
    }

    #[test]
    fn a_pipelined_ambiguous_request_is_found() {
        let text = "PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n";
        assert!(scan(text).is_ambiguous());
    }

    #[test]
    fn a_chunked_body_ends_the_connection() {
        assert!(scan("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").must_close());
    }

    #[test]
    fn a_very_long_header_line_is_no_trouble() {
        let text = format!(
            "GET / HTTP/1.1\r\nX: {}\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
            "y".repeat(100_000)
        );
        assert!(scan(&text).is_ambiguous());
    }

    proptest! {
        #[test]
        fn the_cuts_between_reads_make_no_difference(
            text in "(GET / HTTP/1.1\r\n|Content-Length: [0-9]{1,2}\r\n|Transfer-Encoding: chunked\r\n|Host: a\r\n|\r\n|ab){0,20}",
            cut in 1_usize..20,
        ) {
            let whole = scan(&text);
            let mut parts = HeadScan::default();
            for part in text.as_bytes().chunks(cut) {
                parts.feed(part);
            }
            prop_assert_eq!(whole.is_ambiguous(), parts.is_ambiguous());
            prop_assert_eq!(whole.must_close(), parts.must_close());
        }
    }
}
