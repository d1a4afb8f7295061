//! A date as PostgreSQL sends it: days since 2000-01-01, four bytes.
//! Source: `src/include/datatype/timestamp.h` (`POSTGRES_EPOCH_JDATE`) and `date_send` in `src/backend/utils/adt/date.c`.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use postgres_types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use crate::domain::BirthDate;

/// 2000-01-01 in days since 1970-01-01.
const POSTGRES_EPOCH_DAYS: i32 = 10_957;

/// A date of birth on its way from or to PostgreSQL.
#[derive(Debug)]
pub(super) struct SqlDate(pub(super) BirthDate);

impl<'a> FromSql<'a> for SqlDate {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let days = i32::from_be_bytes(raw.try_into()?);
        days.checked_add(POSTGRES_EPOCH_DAYS)
            .and_then(BirthDate::from_days_since_unix_epoch)
            .map(Self)
            .ok_or_else(|| "a stored date is outside the years 1 to 9999".into())
    }

    accepts!(DATE);
}

impl ToSql for SqlDate {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i32(self.0.days_since_unix_epoch() - POSTGRES_EPOCH_DAYS);
        Ok(IsNull::No)
    }

    accepts!(DATE);
    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_to_postgresql_and_back() {
        for (text, days) in [("2000-01-01", 0), ("1970-01-01", -10_957), ("0001-01-01", -730_119)] {
            let date = BirthDate::parse(text).unwrap();
            let mut raw = BytesMut::new();
            let _ = SqlDate(date).to_sql(&Type::DATE, &mut raw).unwrap();
            assert_eq!(raw[..], i32::to_be_bytes(days), "{text}");
            assert_eq!(SqlDate::from_sql(&Type::DATE, &raw).unwrap().0, date);
        }
    }

    #[test]
    fn a_date_outside_the_calendar_is_an_error() {
        for days in [i32::MAX, i32::MIN, -730_120] {
            assert!(SqlDate::from_sql(&Type::DATE, &days.to_be_bytes()).is_err(), "{days}");
        }
        assert!(SqlDate::from_sql(&Type::DATE, &[0; 3]).is_err());
    }
}
