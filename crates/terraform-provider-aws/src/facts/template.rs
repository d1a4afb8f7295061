//! Fills in the templates of made-up values. `facts/README.md` lists what may stand in one.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Where a resource stands, and where randomness comes from.
pub struct Setting<'a> {
    /// `aws`, `aws-cn` ...
    pub partition: &'a str,
    /// The resource's region.
    pub region: &'a str,
    /// The provider's account.
    pub account: &'a str,
    /// The time of the apply, RFC 3339, UTC.
    pub now: &'a str,
    /// A number that differs with each call; what is made up follows from these numbers alone.
    pub random: &'a mut dyn FnMut() -> u64,
}

/// What another attribute of the resource is.
pub enum Attribute {
    /// Known, as text.
    Known(String),
    /// Null, or no attribute of this type.
    Null,
    /// Not made up yet.
    Unknown,
}

const LOWERCASE: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const UPPERCASE: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const ALPHANUMERIC: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const DIGITS: &[u8] = b"0123456789";
const HEXADECIMAL: &[u8] = b"0123456789abcdef";

/// The longest run of made-up characters that a template may ask for.
const LONGEST: usize = 64;

/// Fills in `template`, or answers `None` while an attribute that it names is unknown.
pub fn render(
    template: &str,
    setting: &mut Setting<'_>,
    attribute: &dyn Fn(&str) -> Attribute,
) -> Option<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (expression, after) = after.split_once('}')?;
        text.push_str(before);
        text.push_str(&expand(expression, setting, attribute)?);
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

/// The paths of the attributes that `template` names.
pub fn attributes(template: &str) -> impl Iterator<Item = &str> {
    template
        .split('{')
        .skip(1)
        .filter_map(|part| Some(part.split_once('}')?.0.split('|').next().unwrap_or_default()))
        .filter(|name| !is_given(name) && alphabet(name).is_none())
}

fn expand(
    expression: &str,
    setting: &mut Setting<'_>,
    attribute: &dyn Fn(&str) -> Attribute,
) -> Option<String> {
    let mut parts = expression.split('|');
    let name = parts.next().unwrap_or_default();
    let mut text = match name {
        "partition" => setting.partition.to_owned(),
        "partition_dns" => dns_suffix(setting.partition).to_owned(),
        "region" => setting.region.to_owned(),
        "account" => setting.account.to_owned(),
        "now" => setting.now.to_owned(),
        "unique" => unique(setting),
        "uuid" => uuid(setting),
        _ => match alphabet(name) {
            Some((alphabet, length)) => made_up(alphabet, length, setting),
            None => match attribute(name) {
                Attribute::Known(text) => text,
                Attribute::Null => String::new(),
                Attribute::Unknown => return None,
            },
        },
    };
    for filter in parts {
        text = filtered(filter, &text).into_owned();
    }
    Some(text)
}

fn is_given(name: &str) -> bool {
    matches!(name, "partition" | "partition_dns" | "region" | "account" | "now" | "unique" | "uuid")
}

/// The characters and the length that `hex:17` and its like ask for.
fn alphabet(name: &str) -> Option<(&'static [u8], usize)> {
    let (kind, length) = name.split_once(':')?;
    let alphabet = match kind {
        "hex" => HEXADECIMAL,
        "digits" => DIGITS,
        "lower" => LOWERCASE,
        "upper" => UPPERCASE,
        "alnum" => ALPHANUMERIC,
        _ => return None,
    };
    Some((alphabet, length.parse().ok().filter(|length| *length <= LONGEST)?))
}

fn made_up(alphabet: &[u8], length: usize, setting: &mut Setting<'_>) -> String {
    let count = alphabet.len() as u64;
    let character = |_| {
        let position = (setting.random)() % count;
        usize::try_from(position)
            .ok()
            .and_then(|position| alphabet.get(position))
            .map_or('0', |byte| char::from(*byte))
    };
    (0..length).map(character).collect()
}

/// The time to a ten-thousandth of a second and a counter of eight hexadecimal digits, as `id.PrefixedUniqueId` of Terraform's
/// plugin SDK completes a prefix.
fn unique(setting: &mut Setting<'_>) -> String {
    let time: String = setting.now.chars().filter(char::is_ascii_digit).take(14).collect();
    let fraction = made_up(DIGITS, 4, setting);
    let counter = made_up(HEXADECIMAL, 8, setting);
    format!("{time:0<14}{fraction}{counter}")
}

fn uuid(setting: &mut Setting<'_>) -> String {
    let digits = made_up(HEXADECIMAL, 32, setting);
    let variant = ["8", "9", "a", "b"][usize::try_from((setting.random)() % 4).unwrap_or(0)];
    let mut text = String::with_capacity(36);
    // Version 4 and its variant stand at fixed places.
    let parts = [&digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..]];
    let _ = write!(text, "{}-{}-4{}-{variant}{}-{}", parts[0], parts[1], parts[2], parts[3], parts[4]);
    text
}

fn filtered<'a>(filter: &str, text: &'a str) -> Cow<'a, str> {
    let (name, argument) = filter.split_once(' ').unwrap_or((filter, ""));
    match name {
        "lower" => text.to_lowercase().into(),
        "after" => text.split_once(argument).map_or(text, |(_, after)| after).into(),
        "after_last" => text.rsplit_once(argument).map_or(text, |(_, after)| after).into(),
        "replace" => argument.split_once(' ').map_or(text.into(), |(old, new)| text.replace(old, new).into()),
        "rooted" if !text.starts_with('/') => format!("/{text}").into(),
        "prefixed" if !text.is_empty() => format!("{argument}{text}").into(),
        "or" if text.is_empty() => argument.to_owned().into(),
        "lb_kind" => match text {
            "network" => "net".into(),
            "gateway" => "gwy".into(),
            _ => "app".into(),
        },
        "waf_scope" if text == "CLOUDFRONT" => "global".into(),
        "waf_scope" => "regional".into(),
        _ => text.into(),
    }
}

/// The names that [`render`] applies after a `|`.
pub const FILTERS: &[&str] =
    &["after", "after_last", "lb_kind", "lower", "or", "prefixed", "replace", "rooted", "waf_scope"];

/// The domain under which a partition's endpoints stand.
///
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>
fn dns_suffix(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "amazonaws.com.cn",
        "aws-iso" => "c2s.ic.gov",
        "aws-iso-b" => "sc2s.sgov.gov",
        _ => "amazonaws.com",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(template: &str) -> Option<String> {
        let mut number = 0;
        let mut random = || {
            number += 1;
            number
        };
        let mut setting = Setting {
            partition: "aws",
            region: "eu-central-1",
            account: "123456789012",
            now: "2026-01-02T15:04:05Z",
            random: &mut random,
        };
        render(template, &mut setting, &|name| match name {
            "name" => Attribute::Known("web".into()),
            "cluster" => Attribute::Known("arn:aws:ecs:eu-central-1:123456789012:cluster/Main".into()),
            "later" => Attribute::Unknown,
            _ => Attribute::Null,
        })
    }

    #[test]
    fn a_template_is_filled_with_the_setting_and_other_attributes() {
        assert_eq!(
            rendered("arn:{partition}:rds:{region}:{account}:db:{name}").as_deref(),
            Some("arn:aws:rds:eu-central-1:123456789012:db:web")
        );
        assert_eq!(rendered("{cluster|after_last /|lower}").as_deref(), Some("main"));
        assert_eq!(
            rendered("{absent|or default}/{absent|prefixed ,}{name|prefixed ,}").as_deref(),
            Some("default/,web")
        );
        assert_eq!(
            rendered("{name|rooted}{cluster|replace :cluster/ :service/}").as_deref(),
            Some("/webarn:aws:ecs:eu-central-1:123456789012:service/Main")
        );
    }

    #[test]
    fn a_template_waits_for_an_unknown_attribute() {
        assert_eq!(rendered("{name}-{later}"), None);
        assert_eq!(attributes("{hex:17}{name}-{later|lower}{region}").collect::<Vec<_>>(), ["name", "later"]);
    }

    #[test]
    fn made_up_texts_have_the_form_asked_for() {
        assert_eq!(rendered("vpc-{hex:17}").as_deref(), Some("vpc-123456789abcdef01"));
        let unique = rendered("{unique}").unwrap();
        assert!(unique.starts_with("20260102150405") && unique.len() == 26, "{unique}");
        let uuid = rendered("{uuid}").unwrap();
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
    }

    #[test]
    fn an_unfinished_template_gives_nothing() {
        assert_eq!(rendered("arn:{partition"), None);
    }
}
