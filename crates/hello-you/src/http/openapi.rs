//! The OpenAPI document, generated from the handlers.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{RefOr, Response as ResponseObject};
use utoipa::{IntoParams, Modify, OpenApi, ToResponse, ToSchema};

use super::{Body, Response, dispatch, health, hello, pages, users};

/// The document as JSON.
pub fn document() -> String {
    Document::openapi().to_pretty_json().expect("the document has strings, numbers and lists alone")
}

/// Serves the document; it is made once.
#[utoipa::path(
    get, path = "/openapi.json", tag = "pages",
    responses((status = 200, description = "This document", body = serde_json::Value, content_type = "application/json"))
)]
pub(super) fn respond() -> Response {
    static JSON: std::sync::LazyLock<Bytes> = std::sync::LazyLock::new(|| Bytes::from(document()));
    let mut response = Response::new(Body::from(JSON.clone()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "hello-you",
        description = "Who you are and when your birthday is.\n\nThe calls under *administration* are on a private listener, those that name it with a token. Every path answers OPTIONS, those with GET also HEAD, and any other method 405 with `Allow`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        hello::get, hello::put, hello::delete, users::list,
        health::health, health::ready, health::deep,
        pages::home, pages::docs, respond, dispatch::metrics,
    ),
    components(
        responses(BadRequest, Unauthorized, NotFound, TooSlow, TooLarge, Unsupported, Defect, Unavailable),
        schemas(Problem, FieldError),
    ),
    tags(
        (name = "greeting", description = "Names and birthdays"),
        (name = "health", description = "What can be served now"),
        (name = "pages", description = "For people, and this document"),
        (name = "administration", description = "On the private listener"),
    ),
    servers((url = "/", description = "The listener that serves this document")),
    modifiers(&AdminToken, &CommonHeaders),
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

/// Headers that answers have whatever the handler.
struct CommonHeaders;

impl Modify for CommonHeaders {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.put, &mut item.delete].into_iter().flatten() {
                for response in operation.responses.responses.values_mut() {
                    add_request_id(response);
                }
            }
        }
        for (name, response) in &mut document.components.get_or_insert_default().responses {
            add_request_id(response);
            match name.as_str() {
                "Unavailable" => add_header(response, "Retry-After", Type::Integer, "Seconds to wait"),
                "Unauthorized" => {
                    add_header(response, "WWW-Authenticate", Type::String, "How to authenticate");
                }
                _ => {}
            }
        }
    }
}

fn add_request_id(response: &mut RefOr<ResponseObject>) {
    add_header(response, "X-Request-Id", Type::String, "Also in the service's log");
}

fn add_header(response: &mut RefOr<ResponseObject>, name: &str, schema_type: Type, description: &str) {
    if let RefOr::T(response) = response {
        let schema = ObjectBuilder::new().schema_type(schema_type).build();
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
        response.headers.insert(name.to_owned(), RefOr::T(header));
    }
}

/// The name in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read by the derive alone")]
pub(super) struct UsernameParam {
    /// One letter of any script, then letters and combining marks; at most 50 characters after NFC. Case matters.
    #[param(min_length = 1, max_length = 50, pattern = r"^\p{L}[\p{L}\p{M}]*$", example = "Ana")]
    username: String,
}

/// The zone in the query.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive alone")]
pub(super) struct TzParam {
    /// The IANA name of the time zone in which "today" is meant, in any case. Default: UTC.
    #[param(example = "Europe/Dublin")]
    tz: Option<String>,
}

/// The token in a header.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the derive alone")]
pub(super) struct ConsistencyParam {
    /// What an earlier write answered: the greeting then shows that write. The cookie `hello-consistency` does the same.
    #[param(rename = "Hello-Consistency")]
    hello_consistency: Option<String>,
}

/// The token in a cookie.
#[derive(IntoParams)]
#[into_params(parameter_in = Cookie)]
#[expect(dead_code, reason = "read by the derive alone")]
pub(super) struct ConsistencyCookie {
    /// The same token as in the header; the header goes first.
    #[param(rename = "hello-consistency")]
    hello_consistency: Option<String>,
}

/// The page in the query.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive alone")]
pub(super) struct PageParams {
    /// The cursor from the page before.
    after: Option<String>,
    /// Users per page. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

/// A greeting.
#[derive(Serialize, ToSchema)]
pub(super) struct Greeting {
    #[schema(example = "Hello, Ana! Your birthday is in 5 day(s)")]
    message: String,
}

/// What to store.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DateOfBirth {
    /// A real date from 0001-01-01, before today.
    #[schema(format = Date, example = "1990-12-31")]
    date_of_birth: String,
}

/// The process can answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    #[schema(example = "healthy")]
    status: String,
}

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
struct Problem {
    /// Which kind, as a link to its explanation.
    r#type: String,
    /// The kind in words.
    title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong and what to do.
    detail: String,
    /// Where in the body, for mistakes in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<FieldError>>,
}

/// A mistake in the body.
#[derive(Serialize, ToSchema)]
struct FieldError {
    /// The place, as a JSON pointer (RFC 6901).
    #[schema(example = "#/dateOfBirth")]
    pointer: String,
    /// What is wrong there.
    detail: String,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $description:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(ToResponse)]
            #[response(description = $description, content_type = "application/problem+json")]
            #[expect(dead_code, reason = "read by the derive alone")]
            pub(super) struct $name(Problem);
        )*
    };
}

problems! {
    /// 400.
    BadRequest = "Malformed or invalid input";
    /// 401.
    Unauthorized = "No token, or a wrong one";
    /// 404.
    NotFound = "There is no such user";
    /// 408.
    TooSlow = "The body did not arrive in time";
    /// 413.
    TooLarge = "The body has more than 4,096 bytes";
    /// 415.
    Unsupported = "The body is not plain JSON in UTF-8";
    /// 500.
    Defect = "A defect of the service, which is in its log";
    /// 503.
    Unavailable = "The database cannot serve this now; try again after Retry-After seconds";
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
