//! A date of birth.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::Date;

const UNIX_EPOCH: Date = Date::constant(1970, 1, 1);
const SECONDS_PER_DAY: i64 = 86_400;

/// A real calendar date from 0001-01-01 to 9999-12-31 (proleptic Gregorian calendar).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BirthDate(Date);

/// Why a text is not a date of birth; the sentence is meant for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BirthDateError {
    /// Not four digits, a hyphen, two digits, a hyphen, two digits.
    #[error("The date of birth must be written as YYYY-MM-DD, for example 1990-12-31.")]
    Format,
    /// The right form, but no such day, such as 2023-02-29, or the year 0000.
    #[error("There is no such day in the calendar.")]
    NoSuchDay,
}

impl BirthDate {
    /// Parses exactly `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Result<Self, BirthDateError> {
        let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else {
            return Err(BirthDateError::Format);
        };
        let number = |digits: &[u8]| {
            digits.iter().try_fold(0_i16, |n, b| b.is_ascii_digit().then(|| n * 10 + i16::from(b - b'0')))
        };
        let narrow = |digits: &[u8]| number(digits).and_then(|n| i8::try_from(n).ok());
        let (Some(year), Some(month), Some(day)) =
            (number(&[y1, y2, y3, y4]), narrow(&[m1, m2]), narrow(&[d1, d2]))
        else {
            return Err(BirthDateError::Format);
        };
        Self::from_ymd(year, month, day).ok_or(BirthDateError::NoSuchDay)
    }

    /// The date of a year (1 to 9999), month and day, if there is such a day.
    pub fn from_ymd(year: i16, month: i8, day: i8) -> Option<Self> {
        if !(1..=9999).contains(&year) {
            return None;
        }
        Date::new(year, month, day).ok().map(Self)
    }

    /// The days since 1970-01-01; how both stores keep a date.
    pub fn days_since_unix_epoch(self) -> i32 {
        let days = self.0.duration_since(UNIX_EPOCH).as_secs() / SECONDS_PER_DAY;
        i32::try_from(days).expect("ten thousand years have fewer days than an i32 holds")
    }

    /// The date that many days after 1970-01-01, if it is from year 1 to 9999.
    pub fn from_days_since_unix_epoch(days: i32) -> Option<Self> {
        let since_epoch = SignedDuration::from_secs(i64::from(days) * SECONDS_PER_DAY);
        let date = UNIX_EPOCH.checked_add(since_epoch).ok()?;
        (date.year() >= 1).then_some(Self(date))
    }

    /// The calendar date.
    pub fn date(self) -> Date {
        self.0
    }
}

/// `YYYY-MM-DD`.
impl fmt::Display for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

/// A date of birth is personal data: debug output, which may reach a log, does not show it.
impl fmt::Debug for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BirthDate(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_date_is_accepted_and_printed_as_it_came() {
        for text in ["1990-12-31", "2024-02-29", "0001-01-01", "9999-12-31", "1582-10-10"] {
            assert_eq!(BirthDate::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let cases = [
            ("2024-02-30", BirthDateError::NoSuchDay),
            ("2023-02-29", BirthDateError::NoSuchDay),
            ("1900-02-29", BirthDateError::NoSuchDay),
            ("2023-13-01", BirthDateError::NoSuchDay),
            ("2023-00-10", BirthDateError::NoSuchDay),
            ("0000-01-01", BirthDateError::NoSuchDay),
            ("20240230", BirthDateError::Format),
            ("2024-2-3", BirthDateError::Format),
            ("2024-02-03T00:00:00Z", BirthDateError::Format),
            (" 2024-02-03", BirthDateError::Format),
            ("+024-02-03", BirthDateError::Format),
            ("-001-02-03", BirthDateError::Format),
            ("２024-02-03", BirthDateError::Format),
            ("", BirthDateError::Format),
        ];
        for (text, reason) in cases {
            assert_eq!(BirthDate::parse(text), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn days_since_the_unix_epoch_go_there_and_back_for_every_day() {
        assert_eq!(BirthDate::parse("1970-01-01").unwrap().days_since_unix_epoch(), 0);
        assert_eq!(BirthDate::parse("2000-01-01").unwrap().days_since_unix_epoch(), 10_957);
        let first = BirthDate::parse("0001-01-01").unwrap().days_since_unix_epoch();
        let last = BirthDate::parse("9999-12-31").unwrap().days_since_unix_epoch();
        for days in first..=last {
            assert_eq!(BirthDate::from_days_since_unix_epoch(days).unwrap().days_since_unix_epoch(), days);
        }
        assert_eq!(BirthDate::from_days_since_unix_epoch(first - 1), None);
        assert_eq!(BirthDate::from_days_since_unix_epoch(last + 1), None);
        assert_eq!(BirthDate::from_days_since_unix_epoch(i32::MAX), None);
        assert_eq!(BirthDate::from_days_since_unix_epoch(i32::MIN), None);
    }
}
