//! Parameters behind the `?`.

use std::borrow::Cow;

use super::problem::{Kind, Problem};
use crate::domain::Zone;

/// The zone of `tz`; UTC where there is none.
pub(super) fn zone(query: Option<&str>) -> Result<Zone, Problem> {
    match single(query, "tz") {
        Ok(None) => Ok(Zone::UTC),
        Ok(Some(name)) => {
            Zone::named(&name).map_err(|error| Problem::new(Kind::InvalidTimeZone, error.to_string()))
        }
        Err(Twice) => Err(Problem::new(Kind::InvalidTimeZone, "The parameter tz is given twice.")),
    }
}

/// A parameter is given more than once.
pub(super) struct Twice;

/// The one value of a parameter, percent-decoded; others are ignored.
pub(super) fn single<'a>(query: Option<&'a str>, name: &str) -> Result<Option<Cow<'a, str>>, Twice> {
    let Some(query) = query else { return Ok(None) };
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    let value = values.next().map(|(_, value)| value);
    if values.next().is_some() { Err(Twice) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_found_by_name() {
        for query in [None, Some(""), Some("x=1"), Some("tz=Europe/Dublin"), Some("tz=europe%2Fdublin&x=1")] {
            assert!(zone(query).is_ok(), "{query:?}");
        }
        for query in ["tz=", "tz", "tz=Mars", "tz=UTC&tz=UTC", "tz=%FF", "%74z="] {
            assert_eq!(zone(Some(query)).unwrap_err().kind(), Kind::InvalidTimeZone, "{query}");
        }
    }
}
