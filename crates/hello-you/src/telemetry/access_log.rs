//! One line per request: what was asked in general terms, how it ended, how long it took. No personal data.
//!
//! The lines look like those of `tracing`, but are formatted by hand into one reused buffer per thread: at a hundred
//! thousand requests per second a line must cost far less than a request (`benches/access_log.rs` measures it).

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use hyper::{Method, StatusCode};
use tracing::Level;
use tracing_subscriber::filter::Targets;

use super::buffer::LogBuffer;
use super::logging::Form;
use super::metrics::method_label;
use super::timestamp::rfc3339;
use crate::http::Route;

/// What the filter calls these lines.
const TARGET: &str = "hello_you::access";
/// More than a line ever needs, so that the buffer grows once.
const LINE_BYTES: usize = 512;

thread_local! {
    static LINE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(LINE_BYTES));
}

/// What is told of a request.
#[derive(Debug, Clone, Copy)]
pub struct AccessRecord<'a> {
    /// The method; one that is not standard shows as `OTHER`.
    pub method: &'a Method,
    /// The route, since the path may hold a name.
    pub route: Route,
    /// The answer.
    pub status: StatusCode,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// The id that the client was told.
    pub request_id: &'a str,
    /// The trace it belongs to, where the client said so.
    pub trace_id: Option<&'a str>,
}

/// Writes the lines.
#[derive(Debug, Clone)]
pub struct AccessLog {
    /// Absent where the filter lets no line through.
    lines: Option<(LogBuffer, Form)>,
}

impl AccessLog {
    /// A log that writes nothing.
    pub fn disabled() -> Self {
        Self { lines: None }
    }

    pub(super) fn new(buffer: &LogBuffer, form: Form, filter: &Targets) -> Self {
        let wanted = filter.would_enable(TARGET, &Level::INFO);
        Self { lines: wanted.then(|| (buffer.clone(), form)) }
    }

    /// Writes one line.
    pub fn write(&self, record: &AccessRecord<'_>) {
        let Some((buffer, form)) = &self.lines else {
            return;
        };
        LINE.with_borrow_mut(|line| {
            line.clear();
            match form {
                Form::Json => json_line(line, record),
                Form::Human { colour } => human_line(line, record, *colour),
            }
            buffer.push(line);
        });
    }
}

fn json_line(line: &mut Vec<u8>, record: &AccessRecord<'_>) {
    let (_, method) = method_label(record.method);
    line.extend_from_slice(b"{\"timestamp\":\"");
    line.extend_from_slice(&rfc3339(SystemTime::now()));
    line.extend_from_slice(b"\",\"level\":\"INFO\",\"message\":\"request\",\"method\":\"");
    line.extend_from_slice(method.as_bytes());
    line.extend_from_slice(b"\",\"route\":\"");
    line.extend_from_slice(record.route.template().as_bytes());
    line.extend_from_slice(b"\",\"status\":");
    line.extend_from_slice(record.status.as_str().as_bytes());
    line.extend_from_slice(b",\"duration_ms\":");
    push_milliseconds(line, record.duration);
    line.extend_from_slice(b",\"request_id\":\"");
    push_escaped(line, record.request_id);
    if let Some(trace_id) = record.trace_id {
        line.extend_from_slice(b"\",\"trace_id\":\"");
        push_escaped(line, trace_id);
    }
    line.extend_from_slice(b"\",\"target\":\"hello_you::access\"}\n");
}

fn human_line(line: &mut Vec<u8>, record: &AccessRecord<'_>, colour: bool) {
    let (_, method) = method_label(record.method);
    let (dim, green, reset): (&[u8], &[u8], &[u8]) =
        if colour { (b"\x1b[2m", b"\x1b[32m", b"\x1b[0m") } else { (b"", b"", b"") };
    let timestamp = rfc3339(SystemTime::now());
    for part in
        [dim, &timestamp, reset, b" ", green, b" INFO", reset, b" ", dim, TARGET.as_bytes(), b":", reset]
    {
        line.extend_from_slice(part);
    }
    line.extend_from_slice(b" request method=");
    line.extend_from_slice(method.as_bytes());
    line.extend_from_slice(b" route=");
    line.extend_from_slice(record.route.template().as_bytes());
    line.extend_from_slice(b" status=");
    line.extend_from_slice(record.status.as_str().as_bytes());
    line.extend_from_slice(b" duration_ms=");
    push_milliseconds(line, record.duration);
    line.extend_from_slice(b" request_id=");
    push_escaped(line, record.request_id);
    if let Some(trace_id) = record.trace_id {
        line.extend_from_slice(b" trace_id=");
        push_escaped(line, trace_id);
    }
    line.push(b'\n');
}

/// Milliseconds with three digits behind the point.
fn push_milliseconds(line: &mut Vec<u8>, duration: Duration) {
    let mut rest = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    // The digits of a u64, and the point.
    let mut digits = [0; 21];
    let mut first = digits.len();
    loop {
        if digits.len() - first == 3 {
            first -= 1;
            digits[first] = b'.';
        }
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        // At least one digit before the point.
        if rest == 0 && digits.len() - first > 4 {
            break;
        }
    }
    line.extend_from_slice(&digits[first..]);
}

/// Text that came from a client, as the inside of a JSON string. In human lines this keeps control characters out.
fn push_escaped(line: &mut Vec<u8>, text: &str) {
    const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
            0..0x20 | 0x7f => {
                line.extend_from_slice(b"\\u00");
                line.extend_from_slice(&[
                    HEXADECIMAL[usize::from(byte >> 4)],
                    HEXADECIMAL[usize::from(byte & 15)],
                ]);
            }
            _ => line.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::buffer;
    use super::super::buffer::tests::{Output, counter};
    use super::*;

    const RECORD: AccessRecord<'static> = AccessRecord {
        method: &Method::GET,
        route: Route::Hello,
        status: StatusCode::OK,
        duration: Duration::from_micros(1_412),
        request_id: "0192f0c1",
        trace_id: None,
    };

    fn written(form: Form, filter: &str, record: &AccessRecord<'_>) -> String {
        let output = Output::default();
        let (buffer, writer) = buffer::start(Box::new(output.clone()), counter());
        AccessLog::new(&buffer, form, &filter.parse().unwrap()).write(record);
        drop(writer);
        output.text()
    }

    fn milliseconds(duration: Duration) -> String {
        let mut text = Vec::new();
        push_milliseconds(&mut text, duration);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_json_line_has_the_shape_of_the_other_lines() {
        let text = written(Form::Json, "info", &RECORD);
        assert!(text.starts_with("{\"timestamp\":\"2"), "{text}");
        let rest = &text["{\"timestamp\":\"2026-11-24T08:21:33.123456Z".len()..];
        assert_eq!(
            rest,
            "\",\"level\":\"INFO\",\"message\":\"request\",\"method\":\"GET\",\"route\":\"/hello/{username}\",\
             \"status\":200,\"duration_ms\":1.412,\"request_id\":\"0192f0c1\",\"target\":\"hello_you::access\"}\n"
        );
    }

    #[test]
    fn a_trace_id_is_written_where_there_is_one() {
        let record = AccessRecord { trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"), ..RECORD };
        let line: serde_json::Value = serde_json::from_str(&written(Form::Json, "info", &record)).unwrap();
        assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(
            written(Form::Human { colour: false }, "info", &record)
                .ends_with("trace_id=4bf92f3577b34da6a3ce929d0e0e4736\n")
        );
    }

    #[test]
    fn a_human_line_reads_like_the_other_lines() {
        let text = written(Form::Human { colour: false }, "info", &RECORD);
        assert_eq!(
            &text["2026-11-24T08:21:33.123456Z".len()..],
            "  INFO hello_you::access: request method=GET route=/hello/{username} status=200 duration_ms=1.412 \
             request_id=0192f0c1\n"
        );
    }

    #[test]
    fn what_a_client_sends_cannot_break_a_line() {
        let record = AccessRecord { request_id: "a\"b\\c\nd\u{7f}é", ..RECORD };
        let text = written(Form::Json, "info", &record);
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["request_id"], record.request_id);
        assert_eq!(written(Form::Human { colour: false }, "info", &record).lines().count(), 1);
    }

    #[test]
    fn a_method_of_the_clients_own_is_not_repeated() {
        let method = Method::from_bytes(b"JOSE").unwrap();
        let text = written(Form::Json, "info", &AccessRecord { method: &method, ..RECORD });
        assert!(text.contains("\"method\":\"OTHER\""), "{text}");
    }

    #[test]
    fn the_filter_can_switch_the_lines_off() {
        assert_eq!(written(Form::Json, "warn", &RECORD), "");
        assert_eq!(written(Form::Json, "info,hello_you::access=off", &RECORD), "");
    }

    #[test]
    fn milliseconds_have_three_digits_behind_the_point() {
        assert_eq!(milliseconds(Duration::ZERO), "0.000");
        assert_eq!(milliseconds(Duration::from_micros(7)), "0.007");
        assert_eq!(milliseconds(Duration::from_micros(999)), "0.999");
        assert_eq!(milliseconds(Duration::from_millis(1)), "1.000");
        assert_eq!(milliseconds(Duration::from_secs(12)), "12000.000");
        assert_eq!(milliseconds(Duration::MAX), "18446744073709551.615");
    }
}
