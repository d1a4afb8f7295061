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
