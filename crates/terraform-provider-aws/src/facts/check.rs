//! Checks a configuration against the facts of its type, in the words of the provider and of Terraform's plugin SDK.

use super::{AttributeFacts, Pattern, TypeFacts, format};
use crate::{
    diagnostic::{Diagnostic, Path, Step},
    schema::{Attribute, TypeSchema},
    value::{Number, Value},
    walk::{self, Occurrence, Place},
};
use regex_lite::Regex;
use serde_json::Value as Json;
use std::{cmp::Ordering, fmt::Write as _};

/// Adds what is wrong with `config`. What is null or unknown is never wrong by itself.
pub(crate) fn check(
    schema: &TypeSchema,
    facts: &TypeFacts,
    config: &Value,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for (dotted, entry) in &facts.attributes {
        let secret = match walk::place(&schema.block, dotted) {
            Some(Place::Attribute(Attribute { sensitive, write_only, .. })) => *sensitive || *write_only,
            _ => false,
        } || entry.sensitive
            || entry.write_only;
        let constrained = Constrained { dotted, entry, secret };
        for occurrence in walk::occurrences(&schema.block, config, dotted) {
            constrained.value(&occurrence, diagnostics);
            constrained.relations(schema, config, &occurrence, diagnostics);
        }
    }
    diagnostics.dedup();
}

/// Would the attribute be allowed this value?
pub(crate) fn admits(entry: &AttributeFacts, value: &Value) -> bool {
    let mut sentences = Vec::new();
    Constrained { dotted: "", entry, secret: false }.elements("", value, &mut sentences);
    sentences.is_empty()
}

struct Constrained<'a> {
    dotted: &'a str,
    entry: &'a AttributeFacts,
    /// The value is not quoted.
    secret: bool,
}

impl Constrained<'_> {
    fn value(&self, occurrence: &Occurrence<'_>, diagnostics: &mut Vec<Diagnostic>) {
        let name = name(&occurrence.path);
        let mut sentences = Vec::new();
        self.elements(&name, occurrence.value, &mut sentences);
        diagnostics.extend(
            sentences.into_iter().map(|sentence| Diagnostic::error(sentence, "").at(occurrence.path.clone())),
        );
        self.items(&name, occurrence, diagnostics);
    }

    /// A constraint on a collection of plain values holds for each of them.
    fn elements(&self, name: &str, value: &Value, sentences: &mut Vec<String>) {
        match value {
            Value::List(items) => items.iter().for_each(|item| self.elements(name, item, sentences)),
            Value::Map(entries) => entries.values().for_each(|entry| self.elements(name, entry, sentences)),
            Value::String(text) => self.text(name, text, sentences),
            Value::Number(number) => self.number(name, number, sentences),
            Value::Null | Value::Unknown(_) | Value::Bool(_) | Value::Dynamic(_) => {}
        }
    }

    fn text(&self, name: &str, text: &str, sentences: &mut Vec<String>) {
        let got = if self.secret { "another value".to_owned() } else { text.to_owned() };
        let one_of = &self.entry.one_of;
        let is_same = |option: &&Json| match option.as_str() {
            Some(option) if self.entry.ignore_case => option.eq_ignore_ascii_case(text),
            option => option == Some(text),
        };
        if !one_of.is_empty() && !one_of.iter().any(|option| is_same(&option)) {
            sentences.push(format!("expected {name} to be one of {}, got {got}", listed(one_of)));
        }
        let length = text.len() as u64;
        let (least, most) = (self.entry.min_length, self.entry.max_length);
        if least.is_some_and(|least| length < least) || most.is_some_and(|most| length > most) {
            let mut sentence = match (least, most) {
                (least, Some(most)) => {
                    format!("expected length of {name} to be in the range ({} - {most})", least.unwrap_or(0))
                }
                (least, None) => format!("expected length of {name} to be at least {}", least.unwrap_or(0)),
            };
            if !self.secret {
                let _ = write!(sentence, ", got {text}");
            }
            sentences.push(sentence);
        }
        for pattern in &self.entry.pattern {
            let (expression, message, must_match) = match pattern {
                Pattern::Match { expression, message } => (expression, message, true),
                Pattern::Reject { expression, message } => (expression, message, false),
            };
            // The tests compile every expression of the facts.
            let Ok(regex) = Regex::new(expression) else { continue };
            if regex.is_match(text) != must_match {
                sentences.push(pattern_sentence(name, expression, message, must_match));
            }
        }
        if let Some(format) = self.entry.format
            && let Some(sentence) = format::complaint(format, name, text)
        {
            sentences.push(if self.secret { format::complaint_about_secret(format, name) } else { sentence });
        }
    }

    fn number(&self, name: &str, number: &Number, sentences: &mut Vec<String>) {
        let is_listed = self.entry.one_of.iter().any(|option| exact(option).as_ref() == Some(number));
        match &self.entry.multiple_of {
            Some(step) if !is_listed => {
                let divides = step
                    .as_i64()
                    .zip(number.as_i64())
                    .is_some_and(|(step, number)| step != 0 && number.checked_rem(step) == Some(0));
                if !divides {
                    let or = if self.entry.one_of.is_empty() {
                        String::new()
                    } else {
                        format!(" or one of {}", listed(&self.entry.one_of))
                    };
                    sentences.push(format!("expected {name} to be divisible by {step}{or}, got: {number}"));
                }
            }
            None if !self.entry.one_of.is_empty() && !is_listed => {
                sentences.push(format!(
                    "expected {name} to be one of {}, got {number}",
                    listed(&self.entry.one_of)
                ));
            }
            _ => {}
        }
        let bound = |bound: &Option<serde_json::Number>| {
            bound.as_ref().and_then(|bound| bound.to_string().parse::<Number>().ok())
        };
        let (least, most) = (bound(&self.entry.min), bound(&self.entry.max));
        let below = least.as_ref().is_some_and(|least| number.cmp(least) == Ordering::Less);
        let above = most.as_ref().is_some_and(|most| number.cmp(most) == Ordering::Greater);
        if below || above {
            sentences.push(match (least, most) {
                (Some(least), Some(most)) => {
                    format!("expected {name} to be in the range ({least} - {most}), got {number}")
                }
                (Some(least), None) => format!("expected {name} to be at least ({least}), got {number}"),
                (None, most) => {
                    format!("expected {name} to be at most ({}), got {number}", most.unwrap_or_default())
                }
            });
        }
    }

    /// Limits of an attribute; those of a block are in the schema.
    fn items(&self, name: &str, occurrence: &Occurrence<'_>, diagnostics: &mut Vec<Diagnostic>) {
        let Value::List(items) = occurrence.value else { return };
        let count = items.len() as u64;
        let mut complain = |summary: &str, detail: String| {
            diagnostics.push(Diagnostic::error(summary, detail).at(occurrence.path.clone()));
        };
        if let Some(most) = self.entry.max_items.filter(|most| count > *most) {
            complain(
                "Too many list items",
                format!("Attribute {name} supports {most} item maximum, but config has {count} declared."),
            );
        }
        // A block that may be left out has no least number.
        if let Some(least) = self.entry.min_items.filter(|least| count < *least && !items.is_empty()) {
            complain(
                "Not enough list items",
                format!(
                    "Attribute {name} requires {least} item minimum, but config has only {count} declared."
                ),
            );
        }
    }

    fn relations(
        &self,
        schema: &TypeSchema,
        config: &Value,
        occurrence: &Occurrence<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let look = |path: &str| self.presence(schema, config, occurrence, path);
        let own = look(self.dotted);
        let mut complain = |summary: &str, detail: String| {
            diagnostics.push(Diagnostic::error(summary, detail).at(occurrence.path.clone()));
        };
        let dotted = self.dotted;
        if own == Presence::Known
            && let Some(other) = self.entry.conflicts_with.iter().find(|path| look(path) == Presence::Known)
        {
            complain("Conflicting configuration arguments", format!("{dotted:?}: conflicts with {other}"));
        }
        if own != Presence::Absent
            && self.entry.required_with.iter().any(|path| look(path) == Presence::Absent)
        {
            complain(
                "Missing required argument",
                format!("{dotted:?}: all of `{}` must be specified", keys(&self.entry.required_with, dotted)),
            );
        }
        // Every path of such a list carries it; the first one speaks.
        let speaks =
            |paths: &[String]| paths.iter().map(String::as_str).chain([dotted]).min() == Some(dotted);
        let exactly = &self.entry.exactly_one_of;
        if !exactly.is_empty() && speaks(exactly) {
            let set: Vec<&str> =
                exactly.iter().filter(|path| look(path) == Presence::Known).map(String::as_str).collect();
            let unknown = exactly.iter().any(|path| look(path) == Presence::Unknown);
            if set.is_empty() && !unknown {
                complain(
                    "Invalid combination of arguments",
                    format!("{dotted:?}: one of `{}` must be specified", keys(exactly, dotted)),
                );
            } else if set.len() > 1 {
                complain(
                    "Invalid combination of arguments",
                    format!(
                        "{dotted:?}: only one of `{}` can be specified, but `{}` were specified.",
                        keys(exactly, dotted),
                        set.join(",")
                    ),
                );
            }
        }
        let any = &self.entry.at_least_one_of;
        if !any.is_empty() && speaks(any) && any.iter().all(|path| look(path) == Presence::Absent) {
            complain(
                "Missing required argument",
                format!("{dotted:?}: one of `{}` must be specified", keys(any, dotted)),
            );
        }
    }

    /// Another argument: a sibling in the same block where both stand in one, else wherever it is.
    fn presence(
        &self,
        schema: &TypeSchema,
        config: &Value,
        occurrence: &Occurrence<'_>,
        path: &str,
    ) -> Presence {
        let block = self.dotted.rsplit_once('.').map_or("", |(block, _)| block);
        // A list without elements is how a block that is left out arrives; as an argument it is set.
        let is_block = matches!(walk::place(&schema.block, path), Some(Place::Block(_)));
        let presence = |value: &Value| match value {
            Value::Null => Presence::Absent,
            Value::List(items) if is_block && items.is_empty() => Presence::Absent,
            Value::Unknown(_) => Presence::Unknown,
            _ => Presence::Known,
        };
        match path.rsplit_once('.').unwrap_or(("", path)) {
            (other, name) if other == block => presence(occurrence.holder.get(name)),
            _ => {
                let found = walk::occurrences(&schema.block, config, path);
                found.iter().map(|found| presence(found.value)).max().unwrap_or(Presence::Absent)
            }
        }
    }
}

/// Whether an argument is set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Presence {
    Absent,
    Unknown,
    Known,
}

fn exact(option: &Json) -> Option<Number> {
    option.as_number().and_then(|number| number.to_string().parse().ok())
}

/// `["a" "b"]`, as Go writes a list of texts.
fn listed(options: &[Json]) -> String {
    let options: Vec<String> = options.iter().map(Json::to_string).collect();
    format!("[{}]", options.join(" "))
}

fn keys(paths: &[String], own: &str) -> String {
    let mut keys: Vec<&str> = paths.iter().map(String::as_str).chain([own]).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.join(",")
}

fn pattern_sentence(name: &str, expression: &str, message: &str, must_match: bool) -> String {
    if message.contains("{attribute}") {
        return message.replace("{attribute}", &format!("{name:?}"));
    }
    if message.is_empty() {
        let to = if must_match { "to match" } else { "to not match" };
        return format!("expected value of {name} {to} regular expression {expression:?}");
    }
    format!("invalid value for {name} ({message})")
}

/// `health_check.0.interval`, as the plugin SDK names an argument.
fn name(path: &Path) -> String {
    let steps: Vec<String> = path
        .steps
        .iter()
        .map(|step| match step {
            Step::Attribute(name) => name.clone(),
            Step::Index(index) => index.to_string(),
            Step::Key(key) => key.clone(),
        })
        .collect();
    steps.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{facts, schema::Catalogue};
    use std::sync::LazyLock;

    static AWS: LazyLock<Catalogue> = LazyLock::new(Catalogue::aws);

    /// What is said about a configuration that sets the given arguments.
    fn said<'a>(type_name: &str, arguments: impl IntoIterator<Item = (&'a str, Value)>) -> Vec<String> {
        let schema = AWS.resource(type_name).unwrap();
        let mut config = Value::object(arguments);
        schema.block.normalise(&mut config);
        let mut diagnostics = Vec::new();
        check(&schema, &facts::of_type(type_name).unwrap(), &config, &mut diagnostics);
        diagnostics
            .into_iter()
            .map(|said| format!("{} {}", said.summary, said.detail).trim().to_owned())
            .collect()
    }

    fn text(text: &str) -> Value {
        text.into()
    }

    fn number(number: i64) -> Value {
        Value::Number(number.into())
    }

    #[test]
    fn a_right_configuration_passes() {
        let none: [&str; 0] = [];
        assert_eq!(said("aws_lb", [("name", text("web")), ("subnets", Value::strings(["subnet-1"]))]), none);
        assert_eq!(
            said("aws_cloudwatch_metric_alarm", [("period", number(120)), ("statistic", text("Average"))]),
            none
        );
        assert_eq!(said("aws_cloudwatch_log_group", [("retention_in_days", number(30))]), none);
    }

    #[test]
    fn a_load_balancer_has_a_name_of_at_most_32_characters() {
        let name = "a-name-that-is-longer-than-thirty-two";
        assert_eq!(
            said("aws_lb", [("name", text(name)), ("subnets", Value::strings(["subnet-1"]))]),
            [r#""name" cannot be longer than 32 characters"#]
        );
        assert_eq!(
            said("aws_lb_target_group", [("name", text("under_score"))]),
            [r#"only alphanumeric characters and hyphens allowed in "name""#]
        );
    }

    #[test]
    fn enumerations_ranges_and_multiples_are_checked() {
        let said = |name, value| said("aws_cloudwatch_metric_alarm", [(name, value)]).join(";");
        assert!(
            said("statistic", text("Median")).starts_with(r#"expected statistic to be one of ["Average""#)
        );
        assert_eq!(
            said("evaluation_periods", number(0)),
            "expected evaluation_periods to be at least (1), got 0"
        );
        assert_eq!(
            said("period", number(45)),
            "expected period to be divisible by 60 or one of [10 20 30], got: 45"
        );
        assert_eq!(said("period", number(10)), "");
        assert_eq!(said("treat_missing_data", text("BREACHING")), "");
    }

    #[test]
    fn arguments_that_exclude_each_other_are_refused() {
        let conflict = [("name", text("a")), ("name_prefix", text("b"))];
        let said_both = said("aws_security_group", conflict);
        assert!(
            said_both.contains(
                &r#"Conflicting configuration arguments "name": conflicts with name_prefix"#.to_owned()
            ),
            "{said_both:?}"
        );
        let unknown = [("name", text("a")), ("name_prefix", Value::UNKNOWN)];
        assert!(said("aws_security_group", unknown).is_empty());
    }

    #[test]
    fn arguments_that_need_each_other_are_asked_for() {
        assert_eq!(
            said("aws_vpc", [("ipv4_netmask_length", number(20))]),
            ["Missing required argument \"ipv4_netmask_length\": \
              all of `ipv4_ipam_pool_id,ipv4_netmask_length` must be specified"]
        );
    }

    #[test]
    fn one_of_several_arguments_is_asked_for_once() {
        let place = [("route_table_id", text("rtb-1")), ("destination_cidr_block", text("0.0.0.0/0"))];
        let without = said("aws_route", place.clone());
        assert_eq!(without.len(), 1, "{without:?}");
        assert!(without[0].contains("must be specified"), "{without:?}");
        let two = place
            .clone()
            .into_iter()
            .chain([("gateway_id", text("igw-1")), ("nat_gateway_id", text("nat-1"))]);
        assert!(said("aws_route", two)[0].contains("but `gateway_id,nat_gateway_id` were specified."));
        assert!(said("aws_route", place.into_iter().chain([("gateway_id", Value::UNKNOWN)])).is_empty());
    }

    #[test]
    fn constraints_reach_into_blocks_and_attributes_of_objects() {
        let rule = Value::object([("cidr_blocks", Value::strings(["10.0.0.1/8"]))]);
        assert_eq!(
            said("aws_security_group", [("ingress", Value::List(vec![rule]))]),
            [r#""10.0.0.1/8" is not a valid IPv4 CIDR block; did you mean "10.0.0.0/8"?"#]
        );
        let check = Value::List(vec![Value::object([("interval", number(1))])]);
        assert_eq!(
            said("aws_lb_target_group", [("health_check", check)]),
            ["expected health_check.0.interval to be in the range (5 - 300), got 1"]
        );
    }

    #[test]
    fn a_secret_is_not_quoted() {
        let said = said(
            "aws_secretsmanager_secret_version",
            [("secret_id", text("s")), ("secret_binary", text("hunter2!"))],
        );
        assert_eq!(said, [r#""secret_binary" must be base64-encoded"#]);
    }
}
