//! What a registry wants to see before it answers (RFC 9110, section 11.6.1).

/// What a registry asks for when it says 401.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password.
    Basic,
    /// A token that is given at `realm` when it is asked with `query`.
    Bearer { realm: String, query: String },
}

impl Challenge {
    pub(super) fn parse(header: &str) -> Option<Challenge> {
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut realm = None;
        let mut query = Vec::new();
        let mut rest = rest.trim_start();
        // NAME="VALUE", with commas between, and commas inside the quotes too.
        while let Some((name, after)) = rest.split_once("=\"") {
            let (value, after) = after.split_once('"')?;
            match name.trim() {
                "realm" => realm = Some(value.to_owned()),
                name @ ("service" | "scope") => query.push(format!("{name}={}", percent_encoded(value))),
                _ => {}
            }
            rest = after.trim_start_matches([',', ' ']);
        }
        Some(Challenge::Bearer { realm: realm?, query: query.join("&") })
    }
}

fn percent_encoded(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_wants_a_password_is_understood() {
        assert_eq!(Challenge::parse("Basic realm=\"hello-lab\""), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("basic"), Some(Challenge::Basic));
    }

    #[test]
    fn a_registry_that_wants_a_token_is_understood() {
        let header =
            "Bearer realm=\"https://ghcr.io/token\",service=\"ghcr.io\",scope=\"repository:o/n:pull,push\"";
        let expected = Challenge::Bearer {
            realm: "https://ghcr.io/token".to_owned(),
            query: "service=ghcr.io&scope=repository%3Ao%2Fn%3Apull%2Cpush".to_owned(),
        };
        assert_eq!(Challenge::parse(header), Some(expected));
    }

    #[test]
    fn a_challenge_that_cannot_be_met_is_none() {
        for header in ["", "Negotiate", "Bearer service=\"ghcr.io\"", "Bearer realm=\"unfinished"] {
            assert_eq!(Challenge::parse(header), None, "{header}");
        }
    }
}
