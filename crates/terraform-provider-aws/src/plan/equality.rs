//! When two texts are one value, and the form in which a text is planned.

use crate::{
    facts::{Equality, Normalization},
    value::Value,
};
use serde_json::Value as Json;
use std::net::IpAddr;

/// Is `after` no change from `before`?
pub fn equal_under(sense: Equality, before: &Value, after: &Value) -> bool {
    let (Some(before), Some(after)) = (before.as_str(), after.as_str()) else { return false };
    match sense {
        Equality::CaseInsensitive => before.eq_ignore_ascii_case(after),
        Equality::Cidr => network(before).is_some_and(|before| network(after) == Some(before)),
        Equality::Protocol => protocol(before) == protocol(after),
        Equality::Time => instant(before).is_some_and(|before| instant(after) == Some(before)),
        Equality::Json => {
            matches!((parse(before), parse(after)), (Some(before), Some(after)) if before == after)
        }
        Equality::IamPolicy => {
            let (before, after) = (parse(before).map(policy), parse(after).map(policy));
            before.is_some() && before == after
        }
    }
}

/// `value` in the given form; anything but text stays as it is.
pub fn normalised(form: Normalization, value: &Value) -> Value {
    let Some(text) = value.as_str() else { return value.clone() };
    match form {
        Normalization::Lowercase => text.to_lowercase().into(),
        Normalization::Uppercase => text.to_uppercase().into(),
        Normalization::Trim => text.trim().into(),
        Normalization::DnsName => trim_dot(text).to_lowercase().into(),
        Normalization::Protocol => protocol(text).into(),
        Normalization::Json => {
            parse(text).map_or_else(|| value.clone(), |json| escaped(&json.to_string()).into())
        }
    }
}

/// An address and the length of its prefix.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    Some((address.parse().ok()?, length.parse().ok()?))
}

/// The protocols that security groups know by name, as `securityGroupProtocolIntegers` in the provider's
/// `internal/service/ec2`.
const PROTOCOLS: &[(&str, &str)] =
    &[("-1", "-1"), ("all", "-1"), ("icmp", "1"), ("icmpv6", "58"), ("tcp", "6"), ("udp", "17")];

/// A protocol by its name where it has one, `-1` for all.
fn protocol(text: &str) -> String {
    let text = text.to_lowercase();
    match PROTOCOLS.iter().find(|(name, number)| text == *name || text == *number) {
        Some((_, "-1")) => "-1".to_owned(),
        Some((name, _)) => (*name).to_owned(),
        None => text,
    }
}

/// An RFC 3339 time in seconds since 1970, with its fraction.
fn instant(text: &str) -> Option<(i64, String)> {
    let (date, time) = text.split_once(['T', 't'])?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let offset = match zone.split_at_checked(1)? {
        ("Z" | "z", _) => 0,
        (sign, zone) => {
            let (hours, minutes) = zone.split_once(':')?;
            let minutes = hours.parse::<i64>().ok()?.checked_mul(60)?.checked_add(minutes.parse().ok()?)?;
            if sign == "-" { -minutes } else { minutes }
        }
    };
    if !(0..10_000).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || offset.abs() > 1440
        || !(0..=24).contains(&hour)
        || !(0..=59).contains(&minute)
        || !(0..=60).contains(&second)
    {
        return None;
    }
    // Days since 1970 in the proleptic Gregorian calendar, counting years from March.
    let (from_march, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = from_march * 365 + from_march.div_euclid(4) - from_march.div_euclid(100)
        + from_march.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469;
    Some((
        days * 86_400 + hour * 3600 + minute * 60 + second - offset * 60,
        fraction.trim_end_matches('0').to_owned(),
    ))
}

/// As Go writes JSON: these three never stand as they are.
fn escaped(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn trim_dot(text: &str) -> &str {
    text.strip_suffix('.').unwrap_or(text)
}

fn parse(text: &str) -> Option<Json> {
    serde_json::from_str(text).ok()
}

/// A policy in one of its many equal spellings: single elements as lists, lists without order.
fn policy(json: Json) -> Json {
    match json {
        Json::Object(fields) => {
            let field = |(name, value): (String, Json)| {
                let value = match (name.as_str(), policy(value)) {
                    ("Version" | "Id" | "Sid" | "Effect", value)
                    | (_, value @ (Json::Array(_) | Json::Object(_))) => value,
                    (_, value) => Json::Array(vec![value]),
                };
                let value = match (name.as_str(), value) {
                    ("Statement", value @ Json::Object(_)) => Json::Array(vec![value]),
                    (_, value) => value,
                };
                (name, value)
            };
            Json::Object(fields.into_iter().map(field).collect())
        }
        Json::Array(items) => {
            let mut items: Vec<Json> = items.into_iter().map(policy).collect();
            items.sort_by_key(ToString::to_string);
            Json::Array(items)
        }
        // Conditions compare as text: `true` and "true" are one value.
        Json::Bool(truth) => Json::String(truth.to_string()),
        Json::Number(number) => Json::String(number.to_string()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(sense: Equality, before: &str, after: &str) -> bool {
        equal_under(sense, &before.into(), &after.into())
    }

    #[test]
    fn texts_are_equal_in_the_sense_asked_for() {
        assert!(equal(Equality::CaseInsensitive, "ABC", "abc"));
        assert!(equal(Equality::Cidr, "2001:DB8::/32", "2001:db8:0::/32"));
        assert!(!equal(Equality::Cidr, "10.0.0.0/8", "10.0.0.0/9"));
        assert!(equal(Equality::Protocol, "6", "TCP"));
        assert!(equal(Equality::Protocol, "all", "-1"));
        assert!(!equal(Equality::Protocol, "udp", "6"));
        assert!(equal(Equality::Time, "2026-01-02T00:30:00+01:00", "2026-01-01T23:30:00.000Z"));
        assert!(!equal(Equality::Time, "2026-01-02T00:30:00Z", "2026-01-02T00:30:01Z"));
        assert!(!equal(Equality::Time, "soon", "soon"));
    }

    #[test]
    fn texts_are_planned_in_the_form_asked_for() {
        let form = |form, text: &str| normalised(form, &text.into());
        assert_eq!(form(Normalization::DnsName, "Example.COM."), "example.com".into());
        assert_eq!(form(Normalization::Protocol, "17"), "udp".into());
        assert_eq!(form(Normalization::Json, r#"{"b": "<", "a": 1}"#), r#"{"a":1,"b":"\u003c"}"#.into());
        assert_eq!(form(Normalization::Json, "not json"), "not json".into());
    }

    #[test]
    fn policies_are_equal_in_any_spelling() {
        let one = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get","Resource":["b","a"]}}"#;
        let other = r#"{"Statement":[{"Resource":["a","b"],"Action":["s3:Get"],"Effect":"Allow"}],"Version":"2012-10-17"}"#;
        assert!(equal(Equality::IamPolicy, one, other));
        assert!(!equal(Equality::Json, one, other));
        assert!(!equal(Equality::IamPolicy, one, &other.replace("Allow", "Deny")));
        assert!(!equal(Equality::IamPolicy, "not json", "not json"));
    }
}
