use super::super::fixture::{Known, resource};
use super::*;
use terraform_provider_aws::value::Value;

const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:api-AbCdEf";

/// Two versions of a secret, of which the older has a stage of its own, and two parameters.
fn known() -> Known {
    let known = Known::of(Vec::new());
    known.put(resource(
        "aws_secretsmanager_secret",
        &[("id", ARN.into()), ("arn", ARN.into()), ("name", "api".into())],
    ));
    for (made_at, id, text, stages) in [
        (1, "first", r#"{"user":"ana","age":7}"#, ["LEGACY"]),
        (2, "second", r#"{"user":"berta"}"#, ["AWSCURRENT"]),
    ] {
        let state = [
            ("id", Value::from(format!("{ARN}|{id}"))),
            ("secret_id", ARN.into()),
            ("version_id", id.into()),
            ("version_stages", Value::strings(stages)),
        ];
        let config = Value::object([("secret_string_wo", Value::from(text))]);
        known.put(Resource { config, made_at, ..resource("aws_secretsmanager_secret_version", &state) });
    }
    let parameter =
        [("id", Value::from("/hello/color")), ("name", "/hello/color".into()), ("value", "blue".into())];
    known.put(resource("aws_ssm_parameter", &parameter));
    let written = Value::object([("value_wo", Value::from("hidden"))]);
    let parameter = resource("aws_ssm_parameter", &[("id", "token".into()), ("name", "token".into())]);
    known.put(Resource { config: written, ..parameter });
    known
}

#[test]
fn a_reference_names_a_secret_a_key_a_stage_or_a_version_of_it() {
    let known = known();
    let contents = known.contents();
    let value =
        |suffix: &str| value_from(&contents, &format!("{ARN}{suffix}")).map(|text| text.reveal().to_owned());
    assert_eq!(value("").unwrap(), r#"{"user":"berta"}"#);
    assert_eq!(value(":user::").unwrap(), "berta");
    assert_eq!(value(":user:AWSPREVIOUS:").unwrap(), "ana");
    assert_eq!(value(":user:LEGACY:").unwrap(), "ana");
    assert_eq!(value(":age::first").unwrap(), "7", "what is no text is JSON");
    assert!(value(":nobody::").unwrap_err().contains("did not contain json key nobody"));
    for lost in [":user:NONE:", ":user::third"] {
        assert!(value(lost).unwrap_err().contains("ResourceNotFoundException"), "{lost}");
    }
}

#[test]
fn a_parameter_is_found_by_name_and_by_arn() {
    let known = known();
    let contents = known.contents();
    let value = |name: &str| value_from(&contents, name).map(|text| text.reveal().to_owned());
    assert_eq!(value("/hello/color").unwrap(), "blue");
    assert_eq!(value("arn:aws:ssm:eu-west-1:123456789012:parameter/hello/color").unwrap(), "blue");
    assert_eq!(value("arn:aws:ssm:eu-west-1:123456789012:parameter/token").unwrap(), "hidden");
    let missing = value("arn:aws:ssm:eu-west-1:123456789012:parameter/none").unwrap_err();
    assert!(missing.contains("Invalid ssm parameters: /none"), "{missing}");
}

#[test]
fn no_sentence_shows_a_value() {
    let known = known();
    let contents = known.contents();
    for lost in [":nobody::", ":user:NONE:", ""] {
        if let Err(sentence) = value_from(&contents, &format!("{ARN}{lost}")) {
            assert!(!sentence.contains("berta"), "{sentence}");
        }
    }
    let refused = registry_credentials(&contents, ARN).unwrap_err();
    assert!(refused.contains("has no username") && !refused.contains("berta"), "{refused}");
}
