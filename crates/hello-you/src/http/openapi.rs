//! The OpenAPI document, generated from the handlers.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi, ToResponse, ToSchema};

use super::{Body, Response, health, hello, users};

/// The document as JSON.
pub fn document() -> String {
    Document::openapi().to_pretty_json().expect("the document has strings, numbers and lists alone")
}

/// Serves the document; it is made once.
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
        description = "Who you are and when your birthday is.\n\nThe calls under *administration* are on a private listener and need a token.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        hello::get, hello::put, hello::delete, users::list,
        health::health, health::ready, health::deep,
    ),
    components(
        responses(BadRequest, Unauthorized, NotFound, TooSlow, TooLarge, Unsupported, Unavailable),
        schemas(Problem, FieldError),
    ),
    tags(
        (name = "greeting", description = "Names and birthdays"),
        (name = "health", description = "What can be served now"),
        (name = "administration", description = "On the private listener"),
    ),
    modifiers(&AdminToken),
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
    /// 503.
    Unavailable = "The database cannot serve this now; try again after `Retry-After` seconds";
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
