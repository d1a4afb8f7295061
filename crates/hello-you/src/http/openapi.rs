//! The OpenAPI document, generated from the handlers.
//!
//! - `components`: parameters, schemas, and which problems an operation can answer
//! - `examples`: those problems as the service makes them
//! - `completion`: what every path has, HEAD, OPTIONS and headers, and which listener it is on

mod completion;
pub(super) mod components;
mod examples;

use std::sync::LazyLock;

use hyper::header::HeaderMap;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use self::completion::{CommonHeaders, DerivedOperations};
pub(super) use self::components::Health;
use self::components::{
    CallNotFound, Defect, FieldError, InvalidGreeting, InvalidPage, InvalidUser, InvalidUsername,
    MethodNotAllowed, Problem, ReadUnavailable, TooLarge, TooSlow, Unauthorized, Unsupported, UserNotFound,
    UserOrCallNotFound, WriteUnavailable,
};
use self::examples::ProblemExamples;
use super::embedded::Embedded;
use super::{Response, dispatch, health, hello, pages, users};

/// The document as JSON.
pub fn document() -> String {
    Document::openapi().to_pretty_json().expect("the document has strings, numbers and lists alone")
}

/// Serves the document; it is made once.
#[utoipa::path(
    get, path = "/openapi.json", tag = "pages", operation_id = "getDocument",
    summary = "This document.", description = "OpenAPI 3.1, made from the code.",
    params(components::IfNoneMatchParam),
    responses(
        (status = 200, description = "The document", body = serde_json::Value, content_type = "application/json"),
        (status = 304, description = "The client has it already"),
    )
)]
pub(super) fn respond(headers: &HeaderMap) -> Response {
    static JSON: LazyLock<Embedded> = LazyLock::new(|| Embedded::new("application/json", document()));
    JSON.respond(headers)
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "hello-you",
        description = "Who you are and when your birthday is.\n\nThe calls under `administration` are on a private listener, those that name it with a token; `x-listeners` says where a call is answered. A path that is known, with a method that is not, is 405 with `Allow`. A request without exactly one `Host`, or with more than one length, is 400 on every path.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        hello::get, hello::put, hello::delete, users::list,
        health::health, health::ready, health::deep,
        pages::home, pages::docs, respond, dispatch::metrics,
    ),
    components(
        responses(
            InvalidGreeting, InvalidUser, InvalidUsername, InvalidPage, Unauthorized, UserNotFound, CallNotFound,
            UserOrCallNotFound, MethodNotAllowed, TooSlow, TooLarge, Unsupported, Defect, ReadUnavailable,
            WriteUnavailable,
        ),
        schemas(Problem, FieldError),
    ),
    tags(
        (name = "greeting", description = "Names and birthdays"),
        (name = "health", description = "What can be served now"),
        (name = "pages", description = "For people, and this document"),
        (name = "administration", description = "On the private listener"),
    ),
    servers((url = "/", description = "The listener that serves this document")),
    // In this order: what is derived from an operation must find it complete.
    modifiers(&AdminToken, &ProblemExamples, &CommonHeaders, &DerivedOperations),
)]
struct Document;

struct AdminToken;

impl Modify for AdminToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The administrators' token"))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("admin_token", SecurityScheme::Http(token));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(place) if name == "$ref" => found.push(place.clone()),
                        value => references(value, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn the_document_is_openapi_3_1_and_every_reference_in_it_leads_somewhere() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 10, "{found:?}");
        for place in found {
            let pointer = place.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{place} leads nowhere");
        }
    }
}
