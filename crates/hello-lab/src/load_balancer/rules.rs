//! Conditions and actions of rules as lines of an HAProxy configuration.
//!
//! Patterns, header names and texts come from a user's Terraform, so nothing of them reaches the file unquoted.

use super::model::{Action, Condition};
use std::{collections::BTreeMap, fmt::Write as _};

/// A text as one word of the configuration; where `format`, percent signs are kept from being read as a format.
///
/// Control characters have no place in a header and are left out.
pub(super) fn quoted(text: &str, format: bool) -> String {
    let mut word = String::with_capacity(text.len() + 2);
    word.push('"');
    for character in text.chars().filter(|character| !character.is_control()) {
        match character {
            '"' | '\\' | '$' => word.extend(['\\', character]),
            '%' if format => word.push_str("%%"),
            _ => word.push(character),
        }
    }
    word.push('"');
    word
}

/// A pattern with `*` and `?` as a regular expression, in strong quotes.
fn expression(pattern: &str) -> String {
    format!("'^{}$'", translated(pattern, "."))
}

/// A pair of the query string as a regular expression, in strong quotes.
fn pair(key: Option<&str>, value: &str) -> String {
    let key = key.map_or_else(|| "([^&=]*=)?".to_owned(), |key| format!("{}=", translated(key, "[^&]")));
    format!("'(^|&){key}{}(&|$)'", translated(value, "[^&]"))
}

/// A pattern as a part of a regular expression; `any` is what stands for one character.
fn translated(pattern: &str, any: &str) -> String {
    let mut expression = String::new();
    for byte in pattern.bytes() {
        match byte {
            b'*' => expression.extend([any, "*"]),
            b'?' => expression.push_str(any),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' => expression.push(char::from(byte)),
            // By number: no character means anything, neither to the expression nor to the configuration.
            _ => write!(expression, "\\x{byte:02x}").expect("a String takes everything"),
        }
    }
    expression
}

fn expressions(patterns: &[String]) -> String {
    patterns.iter().map(|pattern| expression(pattern)).collect::<Vec<_>>().join(" ")
}

/// A header's name, or `None` where it cannot be one.
fn header_name(name: &str) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (!name.is_empty() && name.bytes().all(fits)).then_some(name)
}

/// The test of a condition: what follows the name in an `acl` line.
///
/// Hosts, header values and query strings are compared without regard to case, paths and methods with it:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html#rule-condition-types>
pub(super) fn test(condition: &Condition) -> Result<String, String> {
    Ok(match condition {
        Condition::Host(patterns) => {
            format!("req.fhdr(host),host_only -m reg -i -- {}", expressions(patterns))
        }
        Condition::Path(patterns) => format!("path -m reg -- {}", expressions(patterns)),
        Condition::Header(name, patterns) => {
            let name = header_name(name).ok_or_else(|| format!("{name:?} is no name of a header"))?;
            format!("req.fhdr({name}) -m reg -i -- {}", expressions(patterns))
        }
        Condition::Method(methods) => format!("method -m reg -- {}", expressions(methods)),
        Condition::Query(pairs) => {
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| pair(key.as_deref(), value)).collect();
            format!("query -m reg -i -- {}", pairs.join(" "))
        }
        Condition::Source(networks) => {
            let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
            format!("src -- {}", networks.join(" "))
        }
    })
}

/// Where a listener is, for what its actions say.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// `http` or `https`.
    pub(super) protocol: &'a str,
    /// Port of the listener.
    pub(super) port: u16,
    /// The directory that bodies are read from.
    pub(super) directory: &'a str,
}

/// The lines of an action, to be done under `condition` (`if ...`). Bodies go into `files`, by name.
pub(super) fn lines(
    action: &Action,
    condition: &str,
    place: Place<'_>,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<Vec<String>, String> {
    match action {
        // A backend is chosen after all rules for requests (`use_backend`).
        Action::Forward(_) => Ok(Vec::new()),
        Action::Redirect { protocol, host, port, path, query, status } => {
            if !matches!(status, 301 | 302) {
                return Err(format!("a redirect has the status 301 or 302, not {status}"));
            }
            let fill = |text: &str| fill(text, place);
            let location = format!(
                "{}://{}:{}{}",
                fill(&protocol.to_ascii_lowercase()),
                fill(host),
                fill(port),
                // A path starts with its slash, and `#{path}` stands for what follows the slash.
                fill(path)
            );
            let reply = |location: &str| {
                format!(
                    "http-request return status {status} content-type text/html string {} hdr Location \"{location}\" {condition}",
                    quoted(&page(*status), false)
                )
            };
            Ok(vec![
                format!("http-request set-var-fmt(txn.query) \"{}\" {condition}", fill(query)),
                format!(
                    "{} {{ var(txn.query) -m len gt 0 }}",
                    reply(&format!("{location}?%[var(txn.query)]"))
                ),
                reply(&location),
            ])
        }
        Action::Fixed { status, content_type, body } => {
            if !matches!(status / 100, 2 | 4 | 5) {
                return Err(format!("a fixed response has a status of 2XX, 4XX or 5XX, not {status}"));
            }
            if body.is_empty() {
                return Ok(vec![format!("http-request return status {status} {condition}")]);
            }
            let name = format!("body-{}", files.len());
            files.insert(name.clone(), body.clone().into_bytes());
            let content_type = if content_type.is_empty() { "text/plain" } else { content_type };
            Ok(vec![format!(
                "http-request return status {status} content-type {} file {} {condition}",
                quoted(content_type, false),
                quoted(&format!("{}/{name}", place.directory), false)
            )])
        }
    }
}

/// A part of a redirect as a format, its placeholders filled.
fn fill(text: &str, place: Place<'_>) -> String {
    let word = quoted(text, true);
    let inner = &word[1..word.len() - 1];
    inner
        .replace("#{protocol}", place.protocol)
        .replace("#{port}", &place.port.to_string())
        .replace("#{host}", "%[req.fhdr(host),host_only]")
        .replace("#{path}", "%[path,bytes(1)]")
        .replace("#{query}", "%[query]")
}

/// The phrase that goes with a status.
pub(super) fn phrase(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        302 => "Found",
        400 | 463 => "Bad Request",
        405 => "Method Not Allowed",
        408 => "Request Time-out",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        _ => "Error",
    }
}

/// The page that goes with a status of the load balancer's own.
pub(super) fn page(status: u16) -> String {
    page_of(&format!("{status} {}", phrase(status)))
}

/// The same for a title that may be a format.
pub(super) fn page_of(title: &str) -> String {
    format!("<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_pattern_means_anything_but_its_wildcards() {
        assert_eq!(expression("*.example.com"), r"'^.*\x2eexample\x2ecom$'");
        assert_eq!(expression("/a?c' \"$(x)\n"), r"'^/a.c\x27\x20\x22\x24\x28x\x29\x0a$'");
    }

    #[test]
    fn a_text_stays_one_word_and_no_format() {
        assert_eq!(quoted("a \"b\" \\ $HOME\n%[src]", true), r#""a \"b\" \\ \$HOME%%[src]""#);
    }

    #[test]
    fn a_header_with_an_impossible_name_is_refused_by_name() {
        let error = test(&Condition::Header("a b".to_owned(), vec!["x".to_owned()])).unwrap_err();
        assert_eq!(error, r#""a b" is no name of a header"#);
    }

    #[test]
    fn the_placeholders_of_a_redirect_stand_for_the_requests_parts() {
        let action = Action::Redirect {
            protocol: "HTTPS".to_owned(),
            host: "#{host}".to_owned(),
            port: "443".to_owned(),
            path: "/#{path}".to_owned(),
            query: "#{query}".to_owned(),
            status: 301,
        };
        let place = Place { protocol: "http", port: 80, directory: "/d" };
        let lines = lines(&action, "if { always_true }", place, &mut BTreeMap::new()).unwrap();
        assert!(
            lines[2].contains(r#"Location "https://%[req.fhdr(host),host_only]:443/%[path,bytes(1)]""#),
            "{lines:?}"
        );
    }

    #[test]
    fn a_status_that_no_redirect_has_is_refused() {
        let action = Action::Redirect {
            protocol: "HTTPS".to_owned(),
            host: String::new(),
            port: String::new(),
            path: String::new(),
            query: String::new(),
            status: 307,
        };
        let place = Place { protocol: "http", port: 80, directory: "/d" };
        assert!(lines(&action, "", place, &mut BTreeMap::new()).is_err());
    }
}
