//! The body of `PUT`: each kind of mistake has a type, a status and a pointer of its own.

use std::collections::HashSet;

use hyper::{Method, StatusCode};
use tokio::task::JoinSet;

use crate::support::backend::Backend;
use crate::support::http::{self, Reply};
use crate::support::service::Service;

async fn put(service: &Service, headers: &[(&str, &str)], body: &str) -> Reply {
    service.send(Method::PUT, "/hello/Ana", headers, body).await
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn each_mistake_in_the_body_has_its_own_type() {
    let service = Backend::Sqlite.start().await;
    let cases = [
        ("", "empty-body", None),
        ("\u{feff}{\"dateOfBirth\":\"1990-12-31\"}", "byte-order-mark", None),
        ("{", "invalid-json", Some("#")),
        ("{\"dateOfBirth\":\"1990-12\0-31\"}", "invalid-json", Some("#")),
        ("[]", "not-an-object", Some("#")),
        ("{\"dateOfBirth\":\"1990-12-31\",\"a/b\":1}", "unknown-field", Some("#/a%7E1b")),
        (
            "{\"dateOfBirth\":\"1990-12-31\",\"dateOfBirth\":\"1990-12-31\"}",
            "duplicate-field",
            Some("#/dateOfBirth"),
        ),
        ("{}", "missing-field", Some("#/dateOfBirth")),
        ("{\"dateOfBirth\":null}", "wrong-type", Some("#/dateOfBirth")),
        ("{\"dateOfBirth\":\"20240230\"}", "invalid-date-format", Some("#/dateOfBirth")),
        ("{\"dateOfBirth\":\"2024-02-30\"}", "no-such-day", Some("#/dateOfBirth")),
        ("{\"dateOfBirth\":\"9999-12-31\"}", "date-not-in-the-past", Some("#/dateOfBirth")),
    ];
    let mut sentences = HashSet::new();
    for (body, kind, pointer) in cases {
        let reply = put(&service, &[JSON], body).await;
        assert_eq!((reply.status, reply.problem().as_str()), (StatusCode::BAD_REQUEST, kind), "{body:?}");
        let document = reply.json();
        assert_eq!(document["errors"][0]["pointer"].as_str(), pointer, "{body:?}");
        if pointer.is_some() {
            assert_eq!(document["errors"][0]["detail"], document["detail"], "{body:?}");
        }
        assert!(sentences.insert(document["detail"].as_str().unwrap().to_owned()), "{document}");
    }
    for more in ["{\"dateOfBirth\":19901231}", "{\"dateOfBirth\":[]}", "{\"dateOfBirth\":true}"] {
        assert_eq!(put(&service, &[JSON], more).await.problem(), "wrong-type", "{more}");
    }
    for more in
        ["1990-12-31T00:00:00Z", "1990-1-1", " 1990-12-31", "31.12.1990", "", "\\u0000", "+1990-12-31"]
    {
        let body = format!("{{\"dateOfBirth\":\"{more}\"}}");
        assert_eq!(put(&service, &[JSON], &body).await.problem(), "invalid-date-format", "{more}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_in_utf_8_is_415() {
    let service = Backend::Sqlite.start().await;
    let body = r#"{"dateOfBirth":"1990-12-31"}"#;
    for (headers, kind) in [
        (&[][..], "unsupported-media-type"),
        (&[("content-type", "text/plain")][..], "unsupported-media-type"),
        (&[("content-type", "application/x-www-form-urlencoded")], "unsupported-media-type"),
        (&[JSON, JSON], "unsupported-media-type"),
        (&[("content-type", "application/json; charset=latin1")], "unsupported-charset"),
        (&[JSON, ("content-encoding", "gzip")], "unsupported-content-encoding"),
        (&[JSON, ("content-encoding", "identity")], "unsupported-content-encoding"),
    ] {
        let reply = put(&service, headers, body).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, kind),
            "{headers:?}"
        );
    }
    for good in ["application/json; charset=UTF-8", "APPLICATION/JSON", "application/json;charset=\"utf-8\""]
    {
        assert!(put(&service, &[("content-type", good)], body).await.status.is_success(), "{good}");
    }
}

#[tokio::test]
async fn a_body_of_4096_bytes_is_taken_and_one_more_is_413() {
    let service = Backend::Sqlite.start().await;
    let body = r#"{"dateOfBirth":"1990-12-31"}"#;
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    assert_eq!(put(&service, &[JSON], &padded(4096)).await.status, StatusCode::CREATED);
    for length in [4097, 20_000, 1_000_000] {
        let reply = put(&service, &[JSON], &padded(length)).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
            "{length}"
        );
    }
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::OK);
}

#[tokio::test]
async fn bad_input_of_one_caller_does_not_fail_its_neighbours() {
    let service = Backend::Sqlite.start().await;
    let mut requests = JoinSet::new();
    for number in 0..60_u32 {
        let address = service.address;
        let letters: String = number.to_string().bytes().map(|digit| char::from(digit + 49)).collect();
        let date = if number % 3 == 0 { "2024-02-30" } else { "1990-12-31" };
        requests.spawn(async move {
            let body = format!("{{\"dateOfBirth\":\"{date}\"}}");
            let path = format!("/hello/User{letters}");
            (number, http::send(address, Method::PUT, &path, &[JSON], &body).await.status)
        });
    }
    for (number, status) in requests.join_all().await {
        let expected = if number % 3 == 0 { StatusCode::BAD_REQUEST } else { StatusCode::CREATED };
        assert_eq!(status, expected, "{number}");
    }
}
