//! Kinds of text: what each accepts, and the provider's sentence for what it does not.
//!
//! Read in `internal/verify` and `internal/types` of the provider at v6.25.0 and in `helper/validation` of Terraform's plugin
//! SDK. Only what a sentence quotes of the value differs: a secret is never quoted.

use super::Format;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use std::{
    collections::HashSet,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Why `text`, the value of the argument `name`, is not of the format; `None` where it is.
pub(super) fn complaint(format: Format, name: &str, text: &str) -> Option<String> {
    match format {
        Format::Arn => arn(text).err().map(|why| format!("{name:?} ({text}) is an invalid ARN: {why}")),
        Format::Json => serde_json::from_str::<Json>(text)
            .err()
            .map(|why| format!("{name:?} contains an invalid JSON: {why}")),
        Format::IamPolicy => iam_policy(name, text),
        Format::Cidr => network(text, "CIDR block", |_| true),
        Format::CidrIpv4 => network(text, "IPv4 CIDR block", |address| address.is_ipv4()),
        Format::CidrIpv6 => network(text, "IPv6 CIDR block", |address| address.is_ipv6()),
        Format::Ip => complain(text.parse::<IpAddr>().is_ok(), || {
            format!("expected {name} to contain a valid IP, got: {text}")
        }),
        Format::Ipv4 => complain(text.parse::<Ipv4Addr>().is_ok(), || {
            format!("expected {name} to contain a valid IPv4 address, got: {text}")
        }),
        Format::Ipv6 => complain(text.parse::<Ipv6Addr>().is_ok(), || {
            format!("expected {name} to contain a valid IPv6 address, got: {text}")
        }),
        Format::AccountId => complain(is_account_id(text), || {
            format!("{name:?} doesn't look like AWS Account ID (exactly 12 digits): {text:?}")
        }),
        Format::Rfc3339 => complain(is_rfc3339(text), || {
            format!("expected {name:?} to be a valid RFC3339 date, got {text:?}")
        }),
        Format::Base64 => {
            complain(STANDARD.decode(text).is_ok(), || format!("{name:?} ({text:?}) must be base64-encoded"))
        }
        Format::WindowDaily => complain(is_window(text, is_clock), || {
            format!("({text}) must satisfy the format of \"hh24:mi-hh24:mi\"")
        }),
        Format::WindowWeekly => complain(is_window(&text.to_lowercase(), is_day_and_clock), || {
            format!("({text}) must satisfy the format of \"ddd:hh24:mi-ddd:hh24:mi\"")
        }),
    }
}

/// The sentence for a secret, which is not quoted.
pub(super) fn complaint_about_secret(format: Format, name: &str) -> String {
    let kind = match format {
        Format::Arn => "an ARN",
        Format::Json => "JSON",
        Format::IamPolicy => "an IAM policy in JSON",
        Format::Cidr | Format::CidrIpv4 | Format::CidrIpv6 => "a CIDR block",
        Format::Ip | Format::Ipv4 | Format::Ipv6 => "an IP address",
        Format::AccountId => "an AWS account ID",
        Format::Rfc3339 => "an RFC 3339 time",
        Format::Base64 => "base64-encoded",
        Format::WindowDaily | Format::WindowWeekly => "a time window",
    };
    format!("{name:?} must be {kind}")
}

fn complain(is_right: bool, sentence: impl FnOnce() -> String) -> Option<String> {
    (!is_right).then(sentence)
}

/// An empty text is accepted: the provider cannot tell it from an absent one.
fn arn(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let sections: Vec<&str> = text.splitn(6, ':').collect();
    let [prefix, partition, _, region, account, resource] = sections[..] else {
        return Err(if text.starts_with("arn:") {
            "arn: not enough sections"
        } else {
            "arn: invalid prefix"
        }
        .to_owned());
    };
    if prefix != "arn" {
        return Err("arn: invalid prefix".to_owned());
    }
    if partition.is_empty() {
        return Err("missing partition value".to_owned());
    }
    if !is_partition(partition) {
        return Err(
            "invalid partition value (expecting to match regular expression: ^aws(-[a-z]+)*$)".to_owned()
        );
    }
    if !region.is_empty() && !is_region(region) {
        return Err("invalid region value".to_owned());
    }
    if !account.is_empty() && !is_account(account) {
        return Err("invalid account ID value (expecting to match regular expression: \
                    ^(aws|aws-managed|third-party|aws-marketplace|\\d{12}|cw.{10})$)"
            .to_owned());
    }
    if resource.is_empty() {
        return Err("missing resource value".to_owned());
    }
    Ok(())
}

fn is_partition(text: &str) -> bool {
    let mut parts = text.split('-');
    parts.next() == Some("aws") && parts.all(is_lowercase_word)
}

/// `^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$`
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [first, middle @ .., last] = &parts[..] else { return false };
    (2..=4).contains(&first.len())
        && is_lowercase_word(first)
        && !middle.is_empty()
        && middle.iter().all(|part| is_lowercase_word(part))
        && (1..=2).contains(&last.len())
        && last.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_lowercase_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn is_account(text: &str) -> bool {
    matches!(text, "aws" | "aws-managed" | "third-party" | "aws-marketplace")
        || is_account_id(text)
        || (text.starts_with("cw") && text.chars().count() == 12)
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A network as it is usually written: no bit set behind the prefix. A differently written IPv6 address is the same one.
fn network(text: &str, kind: &str, is_right: impl Fn(IpAddr) -> bool) -> Option<String> {
    let Some((address, length)) = parse_network(text) else {
        return Some(format!("{text:?} is not a valid CIDR block: invalid CIDR address: {text}"));
    };
    if !is_right(address) {
        return Some(format!("{text:?} is not a valid {kind}"));
    }
    let base = base_address(address, length);
    complain(base == address, || format!("{text:?} is not a valid {kind}; did you mean \"{base}/{length}\"?"))
}

fn parse_network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    if length.is_empty() || length.len() > 3 || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let length = length.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    (length <= most).then_some((address, length))
}

fn base_address(address: IpAddr, length: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

fn iam_policy(name: &str, text: &str) -> Option<String> {
    let trimmed = text.trim();
    let not_object = match trimmed.chars().next() {
        None => return Some(format!("{name:?} is an empty string, which is not a valid JSON value")),
        Some('{') => None,
        Some('"') => Some("contains a JSON-encoded string, not a JSON-encoded object"),
        Some('[') => Some("contains a JSON array, not a JSON object"),
        Some(_) => Some("not a JSON object"),
    };
    if let Some(why) = not_object {
        return Some(format!("{name:?} contains an invalid JSON policy: {why}"));
    }
    match serde_json::from_str::<UniqueKeys>(trimmed) {
        Ok(_) => None,
        Err(why) if why.to_string().starts_with(REPEATED) => {
            Some(format!("{name:?} contains duplicate JSON keys: {why}"))
        }
        Err(why) => Some(format!("{name:?} contains an invalid JSON policy: {why}")),
    }
}

const REPEATED: &str = "duplicate key";

/// Any JSON, looked at and dropped.
type Json = serde::de::IgnoredAny;

/// JSON in which no object names a key twice.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueKeysVisitor)
    }
}

struct UniqueKeysVisitor;

impl<'de> Visitor<'de> for UniqueKeysVisitor {
    type Value = UniqueKeys;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_unit<E: Error>(self) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<UniqueKeys, A::Error> {
        while items.next_element::<UniqueKeys>()?.is_some() {}
        Ok(UniqueKeys)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<UniqueKeys, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format!("{REPEATED} {key:?}")));
            }
            entries.next_value::<UniqueKeys>()?;
            keys.insert(key);
        }
        Ok(UniqueKeys)
    }
}

/// `2026-01-02T15:04:05Z`, with or without a fraction, or with an offset.
fn is_rfc3339(text: &str) -> bool {
    let digits = |range: std::ops::Range<usize>| {
        let part = text.get(range)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten()
    };
    let date_and_time = || {
        let (month, day) = (digits(5..7)?, digits(8..10)?);
        let (_, hour, minute, second) = (digits(0..4)?, digits(11..13)?, digits(14..16)?, digits(17..19)?);
        let separators = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")];
        let separated = separators.iter().all(|(at, separator)| text.get(*at..at + 1) == Some(separator));
        let within =
            (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
        (separated && within).then_some(())
    };
    if date_and_time().is_none() {
        return false;
    }
    let mut rest = &text[19..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|character: char| !character.is_ascii_digit()).unwrap_or(fraction.len());
        if end == 0 {
            return false;
        }
        rest = &fraction[end..];
    }
    rest == "Z" || rest.strip_prefix(['+', '-']).is_some_and(is_clock)
}

/// Two times with a hyphen between, or nothing.
fn is_window(text: &str, is_time: impl Fn(&str) -> bool) -> bool {
    text.is_empty() || text.split_once('-').is_some_and(|(from, to)| is_time(from) && is_time(to))
}

fn is_clock(text: &str) -> bool {
    let part = |text: &str, most: u32| {
        text.len() == 2
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse().is_ok_and(|number: u32| number < most)
    };
    text.split_once(':').is_some_and(|(hour, minute)| part(hour, 24) && part(minute, 60))
}

fn is_day_and_clock(text: &str) -> bool {
    let is_day = |day: &str| matches!(day, "sun" | "mon" | "tue" | "wed" | "thu" | "fri" | "sat");
    text.split_once(':').is_some_and(|(day, clock)| is_day(day) && is_clock(clock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_accepts_what_aws_accepts_and_refuses_the_rest() {
        let cases: &[(Format, &[&str], &[&str])] = &[
            (
                Format::Arn,
                &[
                    "",
                    "arn:aws:iam::123456789012:role/a:b",
                    "arn:aws:iam::aws:policy/x",
                    "arn:aws-us-gov:s3:::bucket",
                ],
                &[
                    "role",
                    "arn:aws:iam",
                    "arn:azure:iam::123456789012:role/a",
                    "arn:aws:iam:nowhere:123456789012:role/a",
                    "arn:aws:iam::12:role/a",
                    "arn:aws:iam::123456789012:",
                ],
            ),
            (Format::Json, &["{}", "[1]", "\"x\""], &["", "{", "{'a': 1}"]),
            (
                Format::IamPolicy,
                &[r#" {"a": {"b": 1}} "#],
                &["", "[]", "\"x\"", "7", "{", r#"{"a": 1, "a": 2}"#],
            ),
            (
                Format::Cidr,
                &["10.0.0.0/8", "::/0"],
                &["10.0.0.0", "10.0.0.0/33", "10.0.0.1/8", "x/8", "10.0.0.0/+8"],
            ),
            (Format::CidrIpv4, &["0.0.0.0/0", "10.1.2.3/32"], &["::/0", "10.0.0.1/24", ""]),
            (Format::CidrIpv6, &["2001:DB8::/32", "::/0"], &["10.0.0.0/8", "2001:db8::1/32"]),
            (Format::Ip, &["10.0.0.1", "::1"], &["10.0.0", ""]),
            (Format::Ipv4, &["10.0.0.1"], &["::1", "10.0.0.256"]),
            (Format::Ipv6, &["::1"], &["10.0.0.1"]),
            (Format::AccountId, &["123456789012"], &["12345678901", "1234567890123", "12345678901x"]),
            (
                Format::Rfc3339,
                &["2026-01-02T15:04:05Z", "2026-01-02T15:04:05.123+02:00"],
                &[
                    "2026-01-02",
                    "2026-13-02T15:04:05Z",
                    "2026-01-02T15:04:05",
                    "2026-01-02T15:04:05.Z",
                    "\u{e9}",
                ],
            ),
            (Format::Base64, &["", "aGVsbG8="], &["hello", "aGVsbG8"]),
            (Format::WindowDaily, &["", "04:00-06:00"], &["4:00-6:00", "04:00", "24:00-25:00"]),
            (Format::WindowWeekly, &["", "sun:04:00-Mon:06:00"], &["04:00-06:00", "day:04:00-sun:06:00"]),
        ];
        for (format, right, wrong) in cases {
            for text in *right {
                assert_eq!(complaint(*format, "x", text), None, "{format:?} {text:?}");
            }
            for text in *wrong {
                assert!(complaint(*format, "x", text).is_some(), "{format:?} {text:?}");
            }
        }
    }

    #[test]
    fn a_network_with_host_bits_is_answered_with_the_right_one() {
        assert_eq!(
            complaint(Format::CidrIpv4, "cidr_block", "10.0.0.1/8").as_deref(),
            Some(r#""10.0.0.1/8" is not a valid IPv4 CIDR block; did you mean "10.0.0.0/8"?"#)
        );
    }
}
