//! When the next birthday is, and the sentence about it.

use jiff::civil::Date;

use super::{BirthDate, Username};

/// On which day a person born on 29 February has the birthday in a year that is not a leap year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeapDay {
    /// 28 February.
    #[default]
    Feb28,
    /// 1 March.
    Mar01,
}

/// Days of the calendar from `today` to the next birthday; 0 on the day itself.
///
/// Month and day alone count, also where the year of birth is still to come. Days are those of the calendar: a day that
/// a zone skipped (Samoa, 30 December 2011) is counted as any other, since a date of the calendar lies that far ahead.
pub fn days_until_birthday(birth: BirthDate, today: Date, leap_day: LeapDay) -> i16 {
    let this_year = day_of_year_of_birthday(birth, is_leap(today.year()), leap_day);
    let today_of_year = today.day_of_year();
    if this_year >= today_of_year {
        return this_year - today_of_year;
    }
    // By day of the year and not as a date: on the last days of 9999 the next birthday lies in a year no date holds.
    let next_year = day_of_year_of_birthday(birth, is_leap(today.year() + 1), leap_day);
    today.days_in_year() - today_of_year + next_year
}

/// The greeting of a user, `days` before the birthday.
pub fn greeting(username: &Username, days: i16) -> String {
    let name = username.as_str();
    if days == 0 {
        format!("Hello, {name}! Happy birthday!")
    } else {
        format!("Hello, {name}! Your birthday is in {days} day(s)")
    }
}

fn day_of_year_of_birthday(birth: BirthDate, leap_year: bool, leap_day: LeapDay) -> i16 {
    const DAYS_BEFORE_MONTH: [i16; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let (month, day) = (birth.date().month(), birth.date().day());
    if (month, day) == (2, 29) && !leap_year {
        return match leap_day {
            LeapDay::Feb28 => 59,
            LeapDay::Mar01 => 60,
        };
    }
    let month_index = usize::from(month.unsigned_abs()) - 1;
    DAYS_BEFORE_MONTH[month_index] + i16::from(day) + i16::from(leap_year && month > 2)
}

/// The Gregorian rule, for years up to 10000.
fn is_leap(year: i16) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn days(birth: &str, today: Date, leap_day: LeapDay) -> i16 {
        days_until_birthday(BirthDate::parse(birth).unwrap(), today, leap_day)
    }

    #[test]
    fn the_birthday_itself_is_zero_days_away() {
        assert_eq!(days("1990-06-15", date(2026, 6, 15), LeapDay::Feb28), 0);
    }

    #[test]
    fn the_day_after_the_birthday_is_a_year_away() {
        assert_eq!(days("1990-06-15", date(2026, 6, 16), LeapDay::Feb28), 364);
        assert_eq!(days("1990-01-15", date(2024, 1, 16), LeapDay::Feb28), 365);
        assert_eq!(days("1992-02-29", date(2024, 3, 1), LeapDay::Feb28), 364);
    }

    #[test]
    fn someone_born_on_29_february_has_the_birthday_on_the_chosen_day() {
        assert_eq!(days("2000-02-29", date(2026, 2, 28), LeapDay::Feb28), 0);
        assert_eq!(days("2000-02-29", date(2026, 2, 28), LeapDay::Mar01), 1);
        assert_eq!(days("2000-02-29", date(2026, 3, 1), LeapDay::Mar01), 0);
        assert_eq!(days("2000-02-29", date(2024, 2, 28), LeapDay::Feb28), 1);
        assert_eq!(days("2000-02-29", date(2024, 2, 29), LeapDay::Mar01), 0);
        assert_eq!(days("2000-02-29", date(2023, 3, 1), LeapDay::Feb28), 365);
    }

    #[test]
    fn the_last_year_of_the_calendar_has_a_next_birthday_too() {
        assert_eq!(days("1990-01-01", date(9999, 12, 31), LeapDay::Feb28), 1);
        assert_eq!(days("1990-12-30", date(9999, 12, 31), LeapDay::Feb28), 365);
    }

    #[test]
    fn someone_not_yet_born_is_counted_by_month_and_day_alone() {
        assert_eq!(days("2050-06-15", date(2026, 6, 10), LeapDay::Feb28), 5);
    }

    #[test]
    fn the_sentence_says_the_days_or_congratulates() {
        let ana = Username::parse("Ana").unwrap();
        assert_eq!(greeting(&ana, 5), "Hello, Ana! Your birthday is in 5 day(s)");
        assert_eq!(greeting(&ana, 0), "Hello, Ana! Happy birthday!");
    }

    /// An independent way to the same number: walk forward day by day until the calendar shows the birthday.
    fn days_by_walking(birth: BirthDate, today: Date, leap_day: LeapDay) -> i16 {
        let born_on_leap_day = (birth.date().month(), birth.date().day()) == (2, 29);
        let mut day = today;
        for walked in 0_i16.. {
            let stand_in = match leap_day {
                LeapDay::Feb28 => (2, 28),
                LeapDay::Mar01 => (3, 1),
            };
            let birthday = if born_on_leap_day && !day.in_leap_year() {
                stand_in
            } else {
                (birth.date().month(), birth.date().day())
            };
            if (day.month(), day.day()) == birthday {
                return walked;
            }
            day = day.tomorrow().unwrap();
        }
        unreachable!("a birthday comes within a year")
    }

    proptest! {
        #[test]
        fn the_days_left_are_those_found_by_walking_the_calendar(
            birth_days in -719_162_i32..=2_932_896,
            today_days in -719_162_i32..=2_932_500,
            feb28 in any::<bool>(),
        ) {
            let birth = BirthDate::from_days_since_unix_epoch(birth_days).unwrap();
            let today = BirthDate::from_days_since_unix_epoch(today_days).unwrap().date();
            let leap_day = if feb28 { LeapDay::Feb28 } else { LeapDay::Mar01 };
            prop_assert_eq!(
                days_until_birthday(birth, today, leap_day),
                days_by_walking(birth, today, leap_day)
            );
        }
    }
}
