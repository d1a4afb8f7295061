//! Positions and identities: plain values without a connection.

use std::fmt;
use std::ops::Add;
use std::str::FromStr;

/// A position in the write-ahead log: a count of bytes since the cluster was initialised.
///
/// Written as PostgreSQL's `pg_lsn` writes it: two hexadecimal numbers of up to 32 bits, `16/B374D848`.
/// Positions are comparable only within one system identifier, and after a promotion only up to the point where
/// the timelines part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// How many bytes of log this position lacks to reach `other`; zero when it is there or beyond.
    pub fn bytes_behind(self, other: Self) -> u64 {
        other.0.saturating_sub(self.0)
    }
}

/// The position this many bytes further on.
impl Add<u64> for Lsn {
    type Output = Self;

    fn add(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lsn({self})")
    }
}

/// The text is not an LSN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a WAL position: expected two hexadecimal numbers such as 16/B374D848")]
pub struct ParseLsnError;

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Self, ParseLsnError> {
        let (high, low) = text.split_once('/').ok_or(ParseLsnError)?;
        let half = |digits| hex_u32(digits).map(u64::from).ok_or(ParseLsnError);
        Ok(Self(half(high)? << 32 | half(low)?))
    }
}

/// One to eight hexadecimal digits and nothing else: `from_str_radix` alone would take a sign.
fn hex_u32(digits: &str) -> Option<u32> {
    let plain = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// The timeline of a server's history. It goes up at each promotion and never down: our fencing token.
///
/// Shown in decimal, as PostgreSQL's own messages and `pg_control_checkpoint()` show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeline(pub u32);

impl Timeline {
    /// The timeline in the name of a WAL file: its first 8 of 24 hexadecimal digits.
    pub fn from_wal_file_name(name: &str) -> Result<Self, ParseTimelineError> {
        let well_formed = name.len() == 24 && name.bytes().all(|b| b.is_ascii_hexdigit());
        let digits = well_formed.then(|| name.get(..8)).flatten().ok_or(ParseTimelineError)?;
        // PostgreSQL starts at 1 and uses 0 for "none".
        hex_u32(digits).filter(|id| *id != 0).map(Self).ok_or(ParseTimelineError)
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is not the name of a WAL file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a WAL file: expected 24 hexadecimal digits such as 00000001000000000000000A")]
pub struct ParseTimelineError;

/// The number `initdb` gives to a cluster. A primary and all its physical replicas share it; a dump and restore
/// or a major upgrade makes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemId(pub u64);

impl fmt::Display for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "client")]
mod sql {
    //! The wire format of `pg_lsn`: a 64-bit integer.

    use std::error::Error;

    use bytes::BytesMut;
    use tokio_postgres::types::{FromSql, IsNull, PgLsn, ToSql, Type, accepts, to_sql_checked};

    use super::Lsn;

    impl<'a> FromSql<'a> for Lsn {
        fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
            PgLsn::from_sql(ty, raw).map(|lsn| Self(u64::from(lsn)))
        }

        accepts!(PG_LSN);
    }

    impl ToSql for Lsn {
        fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
            PgLsn::from(self.0).to_sql(ty, out)
        }

        accepts!(PG_LSN);
        to_sql_checked!();
    }
}

#[cfg(test)]
mod tests {
    use super::{Lsn, ParseLsnError, ParseTimelineError, SystemId, Timeline};

    #[test]
    fn an_lsn_reads_and_prints_as_pg_lsn_does() {
        for (text, value) in [
            ("0/0", 0),
            ("0/1", 1),
            ("16/B374D848", 0x16_B374_D848),
            ("FFFFFFFF/FFFFFFFF", u64::MAX),
            ("1/0", 1 << 32),
        ] {
            assert_eq!(text.parse::<Lsn>(), Ok(Lsn(value)));
            assert_eq!(Lsn(value).to_string(), text);
        }
        assert_eq!("16/b374d848".parse(), Ok(Lsn(0x16_B374_D848)));
        assert_eq!("00000016/0000000A".parse(), Ok(Lsn(0x16_0000_000A)));
        assert_eq!(format!("{:?}", Lsn(0x16_B374_D848)), "Lsn(16/B374D848)");
    }

    #[test]
    fn what_is_no_lsn_is_refused() {
        for text in [
            "",
            "/",
            "1",
            "1/",
            "/1",
            "1/2/3",
            "+1/2",
            "1/-2",
            " 1/2",
            "1/2 ",
            "100000000/0",
            "0/123456789",
            "G/0",
            "\u{ff11}/0",
        ] {
            assert_eq!(text.parse::<Lsn>(), Err(ParseLsnError), "{text:?}");
        }
    }

    #[test]
    fn lsns_are_ordered_by_position_and_not_by_text() {
        let parse = |text: &str| text.parse::<Lsn>().unwrap();
        assert!(parse("0/FFFFFFFF") < parse("1/0"));
        assert!(parse("9/0") < parse("10/0"));
    }

    #[test]
    fn bytes_behind_counts_up_to_the_other_and_never_below_zero() {
        assert_eq!(Lsn(10).bytes_behind(Lsn(15)), 5);
        assert_eq!(Lsn(15).bytes_behind(Lsn(10)), 0);
        assert_eq!(Lsn(10) + 5, Lsn(15));
        assert_eq!(Lsn(u64::MAX) + 5, Lsn(u64::MAX));
    }

    #[test]
    fn the_timeline_is_the_first_eight_digits_of_a_wal_file_name() {
        assert_eq!(Timeline::from_wal_file_name("000000010000000000000003"), Ok(Timeline(1)));
        assert_eq!(Timeline::from_wal_file_name("0000000A0000000100000003"), Ok(Timeline(10)));
        assert_eq!(Timeline(10).to_string(), "10");
        assert_eq!(SystemId(7).to_string(), "7");
    }

    #[test]
    fn what_is_no_wal_file_name_is_refused() {
        for name in [
            "",
            "00000001",
            "00000002.history",
            "000000010000000000000003.partial",
            "000000000000000000000003",
            "+00000010000000000000003",
            "\u{e9}0000010000000000000003",
        ] {
            assert_eq!(Timeline::from_wal_file_name(name), Err(ParseTimelineError), "{name:?}");
        }
    }
}
