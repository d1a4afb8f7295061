//! Points in time as log lines have them: RFC 3339, UTC, microseconds.

use std::cell::Cell;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// `2026-11-24T08:21:33.123456Z`.
const LENGTH: usize = 27;
/// The part that changes once a second.
const SECOND_LENGTH: usize = 19;

thread_local! {
    /// The second that was written last, since formatting a date costs more than all the rest of a line.
    static LAST_SECOND: Cell<(i64, [u8; SECOND_LENGTH])> = const { Cell::new((i64::MIN, [0; SECOND_LENGTH])) };
}

/// The text of a point in time. Times outside the years 0000 to 9999 show as the nearest one inside.
pub(super) fn rfc3339(time: SystemTime) -> [u8; LENGTH] {
    let (second, microseconds) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_micros()),
        // A clock before 1970 is wrong anyway; its fractions do not matter.
        Err(before) => (i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds), 0),
    };
    let (last, mut text) = LAST_SECOND.get();
    if last != second {
        text = format_second(second);
        LAST_SECOND.set((second, text));
    }
    let mut whole = *b"YYYY-MM-DDTHH:MM:SS.000000Z";
    whole[..SECOND_LENGTH].copy_from_slice(&text);
    let mut rest = microseconds;
    for digit in whole[SECOND_LENGTH + 1..LENGTH - 1].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    whole
}

fn format_second(second: i64) -> [u8; SECOND_LENGTH] {
    /// 0000-01-01T00:00:00Z: years before it have a sign, and no place in the format.
    const FIRST: i64 = -62_167_219_200;
    let last = jiff::Timestamp::MAX.as_second();
    let timestamp = jiff::Timestamp::from_second(second.clamp(FIRST, last)).unwrap_or(jiff::Timestamp::MAX);
    let text = timestamp.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    text.as_bytes().try_into().unwrap_or(*b"9999-12-31T00:00:00")
}

/// The clock of `tracing`'s lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let text = rfc3339(SystemTime::now());
        writer.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn text(time: SystemTime) -> String {
        String::from_utf8(rfc3339(time).to_vec()).unwrap()
    }

    #[test]
    fn microseconds_have_six_digits() {
        let time = UNIX_EPOCH + Duration::new(1_795_508_493, 42_999);
        assert_eq!(text(time), "2026-11-24T08:21:33.000042Z");
        assert_eq!(text(time + Duration::from_secs(1)), "2026-11-24T08:21:34.000042Z");
    }

    #[test]
    fn a_clock_far_off_is_written_nevertheless() {
        assert_eq!(text(UNIX_EPOCH - Duration::from_secs(1)), "1969-12-31T23:59:59.000000Z");
        for time in [
            UNIX_EPOCH.checked_add(Duration::from_secs(1 << 50)),
            UNIX_EPOCH.checked_sub(Duration::from_secs(1 << 50)),
        ] {
            assert!(text(time.unwrap()).ends_with('Z'));
        }
    }
}
