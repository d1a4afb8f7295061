//! The time zone that says what "today" is.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// UTC, or a zone of the IANA database that is compiled into the binary.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

/// No zone of the IANA database has that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The time zone is not one of the IANA database, such as Europe/Dublin.")]
pub struct UnknownZone;

impl Zone {
    /// The longest name looked up; the longest of the database has 32 characters.
    const MAX_NAME_BYTES: usize = 64;

    /// Coordinated Universal Time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of that IANA name, in any case.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        if name.len() > Self::MAX_NAME_BYTES {
            return Err(UnknownZone);
        }
        // `Etc/Unknown` is a word of its own for jiff, and no zone of the database.
        let zone = TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown());
        zone.map(Self).ok_or(UnknownZone)
    }

    /// The date of the calendar in this zone at that time, kept within the years 1 to 9999.
    pub fn date_at(&self, now: SystemTime) -> Date {
        let now = Timestamp::try_from(now).unwrap_or(Timestamp::MAX);
        self.0.to_datetime(now).date().max(Date::constant(1, 1, 1))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn at(text: &str) -> SystemTime {
        SystemTime::try_from(text.parse::<Timestamp>().unwrap()).unwrap()
    }

    #[test]
    fn today_depends_on_the_zone() {
        let now = at("2026-03-01T01:30:00Z");
        assert_eq!(Zone::UTC.date_at(now), date(2026, 3, 1));
        assert_eq!(Zone::named("America/New_York").unwrap().date_at(now), date(2026, 2, 28));
        assert_eq!(
            Zone::named("Pacific/Kiritimati").unwrap().date_at(at("2026-02-28T10:00:00Z")),
            date(2026, 3, 1)
        );
    }

    #[test]
    fn names_are_found_in_any_case() {
        for name in ["Europe/Dublin", "europe/dublin", "EUROPE/DUBLIN", "utc", "Etc/UTC"] {
            assert!(Zone::named(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        let long = "a".repeat(1000);
        for name in [
            "",
            "Mars/Olympus",
            "Etc/Unknown",
            "etc/unknown",
            "Europe/Dublin ",
            "+02:00",
            "EST5EDT,M3.2.0,M11.1.0",
            "../etc/passwd",
            &long,
        ] {
            assert_eq!(Zone::named(name).unwrap_err(), UnknownZone, "{name:?}");
        }
    }

    #[test]
    fn clocks_change_without_moving_the_date() {
        let dublin = Zone::named("Europe/Dublin").unwrap();
        assert_eq!(dublin.date_at(at("2026-03-29T00:59:59Z")), date(2026, 3, 29));
        assert_eq!(dublin.date_at(at("2026-03-29T01:00:00Z")), date(2026, 3, 29));
        assert_eq!(dublin.date_at(at("2026-03-28T23:59:59Z")), date(2026, 3, 28));
        assert_eq!(dublin.date_at(at("2026-06-30T23:00:00Z")), date(2026, 7, 1));
    }

    #[test]
    fn samoa_had_no_30_december_2011() {
        let apia = Zone::named("Pacific/Apia").unwrap();
        assert_eq!(apia.date_at(at("2011-12-30T09:59:59Z")), date(2011, 12, 29));
        assert_eq!(apia.date_at(at("2011-12-30T10:00:00Z")), date(2011, 12, 31));
    }

    #[test]
    fn a_clock_far_outside_the_calendar_does_not_panic() {
        let far = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 50);
        assert_eq!(Zone::UTC.date_at(far).year(), 9999);
    }
}
