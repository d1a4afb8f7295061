use super::*;

fn statement(fields: &[(&str, Value)]) -> Value {
    Value::object(fields.iter().map(|(name, value)| (*name, value.clone())))
}

fn json(config: &Value) -> String {
    let answer = document(config).unwrap();
    answer.iter().find(|(name, _)| *name == "json").unwrap().1.as_str().unwrap().to_owned()
}

fn config(fields: &[(&str, Value)]) -> Value {
    statement(fields)
}

#[test]
fn a_statement_is_written_as_the_provider_writes_it() {
    let condition = statement(&[
        ("test", "StringLike".into()),
        ("variable", "s3:prefix".into()),
        ("values", Value::strings(["home/", "", "home/&{aws:username}/"])),
    ]);
    let principal = statement(&[("type", "AWS".into()), ("identifiers", Value::strings(["b", "a"]))]);
    let statement = statement(&[
        ("sid", "1".into()),
        ("actions", Value::strings(["s3:ListBucket", "s3:GetObject"])),
        ("resources", Value::strings(["arn:aws:s3:::*"])),
        ("condition", Value::List(vec![condition])),
        ("principals", Value::List(vec![principal])),
    ]);
    let expected = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "1",
      "Effect": "Allow",
      "Action": [
        "s3:ListBucket",
        "s3:GetObject"
      ],
      "Resource": "arn:aws:s3:::*",
      "Principal": {
        "AWS": [
          "b",
          "a"
        ]
      },
      "Condition": {
        "StringLike": {
          "s3:prefix": [
            "home/",
            "",
            "home/${aws:username}/"
          ]
        }
      }
    }
  ]
}"#;
    assert_eq!(json(&config(&[("statement", Value::List(vec![statement]))])), expected);
}

#[test]
fn everybody_is_a_star() {
    let principal = statement(&[("type", "*".into()), ("identifiers", Value::strings(["*"]))]);
    let everybody = statement(&[("effect", "Deny".into()), ("principals", Value::List(vec![principal]))]);
    assert!(json(&config(&[("statement", Value::List(vec![everybody]))])).contains("\"Principal\": \"*\""));
}

#[test]
fn later_documents_replace_statements_of_the_same_sid() {
    let source = r#"{"Version":"2008-10-17","Id":"old","Statement":[
        {"Sid":"A","Effect":"Allow","Action":["x"]},{"Effect":"Allow","Action":"y"}]}"#;
    let replacing =
        r#"{"Statement":{"Sid":"A","Effect":"Deny","Action":"z","Condition":{"Bool":{"k":true}}}}"#;
    let own = statement(&[("sid", "B".into()), ("actions", Value::strings(["w"]))]);
    let text = json(&config(&[
        ("source_policy_documents", Value::strings([source])),
        ("override_policy_documents", Value::strings([replacing])),
        ("policy_id", "new".into()),
        ("statement", Value::List(vec![own])),
    ]));
    let merged: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(merged["Version"], "2012-10-17");
    assert_eq!(merged["Id"], "new");
    assert_eq!(merged["Statement"][0]["Effect"], "Deny");
    assert_eq!(merged["Statement"][0]["Condition"]["Bool"]["k"], "true");
    assert_eq!(merged["Statement"][1]["Action"], "y");
    assert_eq!(merged["Statement"][2]["Sid"], "B");
}

#[test]
fn repeated_sids_and_old_variables_are_refused() {
    let twice = statement(&[("sid", "A".into())]);
    let error = document(&config(&[("statement", Value::List(vec![twice.clone(), twice]))])).unwrap_err();
    assert!(error.detail.contains("duplicate Sid (A)"), "{}", error.detail);
    let old = statement(&[("resources", Value::strings(["&{x}"]))]);
    let error = document(&config(&[("version", OLD_VERSION.into()), ("statement", Value::List(vec![old]))]))
        .unwrap_err();
    assert!(error.detail.contains("not supported in document version"), "{}", error.detail);
    assert!(document(&config(&[("source_policy_documents", Value::strings(["{"]))])).is_err());
}

#[test]
fn what_html_would_misread_is_escaped_and_an_empty_document_has_a_version_only() {
    let marked = statement(&[("sid", "<&>".into())]);
    assert!(json(&config(&[("statement", Value::List(vec![marked]))])).contains("\\u003c\\u0026\\u003e"));
    assert_eq!(json(&config(&[])), "{\n  \"Version\": \"2012-10-17\"\n}");
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}
