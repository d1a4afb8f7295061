//! The words of templates: what `{hex:17}` asks for, and what a filter such as `{cluster|after_last /}` does.
//!
//! `facts/README.md` lists them. Whoever makes values up fills a template in; this module only reads its words.

use std::borrow::Cow;

/// The longest run of made-up characters that a template may ask for.
const LONGEST: usize = 64;

/// The names of the filters that [`filtered`] knows.
pub const FILTERS: &[&str] =
    &["after", "after_last", "lb_kind", "lower", "or", "prefixed", "replace", "rooted", "waf_scope"];

/// The names of the filters of an import's forms, which say what a part of an id is instead of changing it.
pub const FORM_FILTERS: &[&str] = &["begins", "contains", "joined", "without"];

/// An expression between braces: the word, and the filters after it.
pub fn split(expression: &str) -> (&str, impl Iterator<Item = &str>) {
    let mut parts = expression.split('|');
    (parts.next().unwrap_or_default(), parts)
}

/// The characters and the length that a word such as `hex:17` asks for.
pub fn alphabet(word: &str) -> Option<(&'static str, usize)> {
    let (kind, length) = word.split_once(':')?;
    let alphabet = match kind {
        "hex" => "0123456789abcdef",
        "digits" => "0123456789",
        "lower" => "0123456789abcdefghijklmnopqrstuvwxyz",
        "upper" => "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "alnum" => "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        _ => return None,
    };
    Some((alphabet, length.parse().ok().filter(|length| *length <= LONGEST)?))
}

/// The paths of the attributes that `template` names.
pub fn attributes(template: &str) -> impl Iterator<Item = &str> {
    expressions(template)
        .map(|expression| split(expression).0)
        .filter(|word| !is_given(word) && alphabet(word).is_none())
}

/// The expressions between the braces of `template`.
pub fn expressions(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0))
}

fn is_given(word: &str) -> bool {
    matches!(word, "partition" | "partition_dns" | "region" | "account" | "now" | "unique" | "uuid")
}

/// `text` after one filter; an unknown filter leaves it as it is.
pub fn filtered<'a>(filter: &str, text: &'a str) -> Cow<'a, str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn through(expression: &str, text: &str) -> String {
        split(expression).1.fold(text.to_owned(), |text, filter| filtered(filter, &text).into_owned())
    }

    #[test]
    fn filters_change_a_text_in_turn() {
        assert_eq!(
            through("cluster|after_last /|lower", "arn:aws:ecs:eu-central-1:123456789012:cluster/Main"),
            "main"
        );
        assert_eq!(through("cluster|after_last /|or default", ""), "default");
        assert_eq!(through("owner|prefixed ,", "web"), ",web");
        assert_eq!(through("owner|prefixed ,", ""), "");
        assert_eq!(through("name|rooted", "a/b"), "/a/b");
        assert_eq!(through("name|rooted", "/a/b"), "/a/b");
        assert_eq!(through("arn|replace :listener/ :listener-rule/", "a:listener/b"), "a:listener-rule/b");
        assert_eq!(through("arn|after :loadbalancer/", "arn:loadbalancer/app/web/1"), "app/web/1");
        assert_eq!(through("load_balancer_type|lb_kind", "network"), "net");
        assert_eq!(through("scope|waf_scope", "CLOUDFRONT"), "global");
    }

    #[test]
    fn made_up_characters_have_an_alphabet_and_a_length() {
        assert_eq!(alphabet("digits:12"), Some(("0123456789", 12)));
        assert_eq!(alphabet("digits:1000"), None);
        assert_eq!(alphabet("name"), None);
    }

    #[test]
    fn a_template_names_its_attributes() {
        assert_eq!(attributes("{hex:17}{name}-{later|lower}{region}").collect::<Vec<_>>(), ["name", "later"]);
    }
}
