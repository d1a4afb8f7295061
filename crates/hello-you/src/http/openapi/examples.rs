//! An example of each problem an operation can answer, made by the code that answers it.

use std::collections::BTreeMap;

use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use utoipa::Modify;
use utoipa::openapi::RefOr;
use utoipa::openapi::example::{Example, ExampleBuilder};

use crate::http::problem::Problem;
use crate::http::{birth_date_body, dispatch, hello, query, users};
use crate::store::StoreError;

/// Puts the examples into the problems of the document.
pub(super) struct ProblemExamples;

impl Modify for ProblemExamples {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (name, response) in &mut document.components.get_or_insert_default().responses {
            let RefOr::T(response) = response else { continue };
            for content in response.content.values_mut() {
                if let RefOr::T(content) = content {
                    content.examples = examples(&problems(name));
                }
            }
        }
    }
}

/// By the last part of their type.
fn examples(problems: &[Problem]) -> BTreeMap<String, RefOr<Example>> {
    let example = |problem: &Problem| {
        let value = serde_json::to_value(problem.document()).expect("strings and numbers always become JSON");
        ExampleBuilder::new().summary(problem.kind().title()).value(Some(value)).build()
    };
    problems.iter().map(|problem| (problem.kind().slug().to_owned(), RefOr::T(example(problem)))).collect()
}

/// What the service says in each case that a response of the document stands for.
fn problems(response: &str) -> Vec<Problem> {
    match response {
        "InvalidGreeting" => vec![invalid_username(), invalid_zone()],
        "InvalidUser" => [invalid_username(), invalid_zone()].into_iter().chain(invalid_bodies()).collect(),
        "InvalidUsername" => vec![invalid_username()],
        "InvalidPage" => {
            vec![refused(users::after(Some("after=damaged"))), refused(users::limit(Some("limit=0")))]
        }
        "Unauthorized" => vec![dispatch::unauthorized()],
        "UserNotFound" => vec![hello::user_not_found()],
        "CallNotFound" => vec![Problem::not_found()],
        "UserOrCallNotFound" => vec![hello::user_not_found(), Problem::not_found()],
        "MethodNotAllowed" => vec![Problem::method_not_allowed(dispatch::GREETING)],
        "TooSlow" => vec![birth_date_body::too_slow()],
        "TooLarge" => vec![birth_date_body::too_large()],
        "Unsupported" => unsupported_bodies().collect(),
        "Defect" => vec![Problem::internal_error()],
        "ReadUnavailable" => unavailable(StoreError::NotYetReplayed),
        "WriteUnavailable" => unavailable(StoreError::WriteUnconfirmed),
        other => unreachable!("the response {other} has no examples"),
    }
}

/// The problem of an input that is chosen to be invalid.
fn refused<T: std::fmt::Debug>(result: Result<T, Problem>) -> Problem {
    result.expect_err("the input is invalid")
}

fn invalid_username() -> Problem {
    refused(hello::username("R2D2"))
}

fn invalid_zone() -> Problem {
    refused(query::zone(Some("tz=Mars/Olympus")))
}

fn invalid_bodies() -> impl Iterator<Item = Problem> {
    let bodies: [&[u8]; 11] = [
        b"",
        b"\xef\xbb\xbf{}",
        b"{\"dateOfBirth\":\"\xff\"}",
        b"{\"dateOfBirth\":}",
        b"[]",
        b"{\"dateOfBirth\":\"1990-12-31\",\"name\":\"Ana\"}",
        b"{\"dateOfBirth\":\"1990-12-31\",\"dateOfBirth\":\"1991-12-31\"}",
        b"{}",
        b"{\"dateOfBirth\":19901231}",
        b"{\"dateOfBirth\":\"31.12.1990\"}",
        b"{\"dateOfBirth\":\"2023-02-29\"}",
    ];
    let parsed = bodies.into_iter().map(|body| refused(birth_date_body::parse(body)));
    parsed.chain([hello::not_in_the_past(), birth_date_body::incomplete()])
}

fn unsupported_bodies() -> impl Iterator<Item = Problem> {
    let headers = [
        [(CONTENT_TYPE, "text/plain")].as_slice(),
        &[(CONTENT_TYPE, "application/json; charset=iso-8859-1")],
        &[(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "gzip")],
    ];
    headers
        .map(|pairs| {
            let headers: HeaderMap =
                pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            refused(birth_date_body::check_headers(&headers))
        })
        .into_iter()
}

/// What reads and writes have in common, and what only one of them meets.
fn unavailable(other: StoreError) -> Vec<Problem> {
    [StoreError::Unavailable(""), StoreError::Overloaded, other].map(Problem::from).into()
}
