//! The templates of made-up values: `arn:{partition}:rds:{region}:{account}:db:{identifier}`.

use super::{Digits, Place};
use crate::{facts::template, value::Value};
use serde_json::Value as Json;
use std::{
    cell::RefCell,
    time::{SystemTime, UNIX_EPOCH},
};

pub(super) struct Template<'a> {
    pub(super) place: &'a Place,
    pub(super) whole: &'a Value,
    pub(super) digits: &'a RefCell<Digits>,
}

impl Template<'_> {
    /// The fact with every text in it expanded.
    pub(super) fn expand(&self, fact: &Json) -> Json {
        match fact {
            Json::String(text) => Json::String(self.text(text)),
            Json::Array(items) => Json::Array(items.iter().map(|item| self.expand(item)).collect()),
            Json::Object(fields) => {
                Json::Object(fields.iter().map(|(name, field)| (name.clone(), self.expand(field))).collect())
            }
            other => other.clone(),
        }
    }

    fn text(&self, template: &str) -> String {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let (word, after) = after.split_once('}').unwrap_or((after, ""));
            text.push_str(&self.word(word));
            rest = after;
        }
        text.push_str(rest);
        text
    }

    fn word(&self, expression: &str) -> String {
        let (word, filters) = template::split(expression);
        filters.fold(self.plain(word), |text, filter| template::filtered(filter, &text).into_owned())
    }

    fn plain(&self, word: &str) -> String {
        if let Some((letters, count)) = template::alphabet(word) {
            return self.digits.borrow_mut().text(letters, count);
        }
        match word {
            "partition" => self.place.partition.clone(),
            "region" => self.place.region.clone(),
            "account" => self.place.account_id.clone(),
            "partition_dns" => dns_suffix(&self.place.partition).to_owned(),
            "uuid" => self.digits.borrow_mut().uuid(),
            "unique" => self.digits.borrow_mut().unique(),
            "now" => now(),
            path => self.attribute(path),
        }
    }

    /// Another attribute.
    fn attribute(&self, path: &str) -> String {
        let mut value = self.whole;
        for step in path.split('.') {
            value = match value {
                Value::List(_) => value.only().get(step),
                other => other.get(step),
            };
        }
        match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            _ => String::new(),
        }
    }
}

/// The domain of a partition's services.
///
/// `partitions.json` of the AWS SDKs (botocore).
pub(crate) fn dns_suffix(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "amazonaws.com.cn",
        "aws-eusc" => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

/// The time, RFC 3339, UTC.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    rfc3339(seconds)
}

/// Seconds since 1970 as a calendar time.
fn rfc3339(seconds: u64) -> String {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Years are counted from March, so that the leap day ends one: day of the era, year of the era, day of the year.
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_calendar_times() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_767_225_599), "2025-12-31T23:59:59Z");
    }
}
