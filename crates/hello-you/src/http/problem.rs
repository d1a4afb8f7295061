//! Every error a client can get, as `application/problem+json` (RFC 9457).
//!
//! Each kind has its own `type`, a link to its heading in `docs/API.md`; a test fails when one is missing there.
//! No text of the inside (SQL, paths, hosts) is ever part of a problem.

use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::Body;
use crate::store::StoreError;

/// Where the kinds of problems are explained.
const TYPE_PREFIX: &str = "https://github.com/hello-you/hello-you/blob/main/docs/API.md#";
/// Seconds after which a client may try again: the database is looked at every second.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $slug:literal, $title:literal;)*) => {
        /// What went wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// Every kind, in the order of `docs/API.md`.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The status of the answer.
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)*
                }
            }

            /// The end of the `type` link: the anchor of the heading in `docs/API.md`.
            pub const fn slug(self) -> &'static str {
                match self {
                    $(Self::$name => $slug,)*
                }
            }

            /// The short text that is the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }
        }
    };
}

kinds! {
    /// The name in the path is not a username.
    InvalidUsername = BAD_REQUEST, "invalid-username", "Invalid username";
    /// `tz` is empty, given twice, or no zone.
    InvalidTimeZone = BAD_REQUEST, "invalid-time-zone", "Invalid time zone";
    /// The body is empty.
    EmptyBody = BAD_REQUEST, "empty-body", "Empty body";
    /// The body begins with a byte order mark.
    ByteOrderMark = BAD_REQUEST, "byte-order-mark", "Byte order mark";
    /// The body is not UTF-8.
    InvalidUtf8 = BAD_REQUEST, "invalid-utf-8", "Invalid UTF-8";
    /// The body is not JSON.
    InvalidJson = BAD_REQUEST, "invalid-json", "Invalid JSON";
    /// The body is JSON, but not an object.
    NotAnObject = BAD_REQUEST, "not-an-object", "Not a JSON object";
    /// The object has a field that is not known.
    UnknownField = BAD_REQUEST, "unknown-field", "Unknown field";
    /// The object has a field twice.
    DuplicateField = BAD_REQUEST, "duplicate-field", "Duplicate field";
    /// `dateOfBirth` is not there.
    MissingField = BAD_REQUEST, "missing-field", "Missing field";
    /// `dateOfBirth` is not a string.
    WrongType = BAD_REQUEST, "wrong-type", "Wrong type";
    /// `dateOfBirth` is not written as `YYYY-MM-DD`.
    InvalidDateFormat = BAD_REQUEST, "invalid-date-format", "Invalid date format";
    /// There is no such day.
    NoSuchDay = BAD_REQUEST, "no-such-day", "No such day";
    /// The date is today or later.
    DateNotInThePast = BAD_REQUEST, "date-not-in-the-past", "Date not in the past";
    /// The cursor was not given out by this service.
    InvalidCursor = BAD_REQUEST, "invalid-cursor", "Invalid cursor";
    /// The limit is not a number from 1 to 1000.
    InvalidLimit = BAD_REQUEST, "invalid-limit", "Invalid limit";
    /// The request names no host.
    MissingHost = BAD_REQUEST, "missing-host", "Missing host";
    /// The `Host` header is no host.
    InvalidHost = BAD_REQUEST, "invalid-host", "Invalid host";
    /// The request gives more than one length of its body.
    AmbiguousLength = BAD_REQUEST, "ambiguous-length", "Ambiguous length";
    /// The body ended before its announced length, or was badly chunked.
    IncompleteBody = BAD_REQUEST, "incomplete-body", "Incomplete body";
    /// No token, or a wrong one.
    Unauthorized = UNAUTHORIZED, "unauthorized", "Unauthorized";
    /// Nothing is at this path.
    NotFound = NOT_FOUND, "not-found", "Not found";
    /// There is no such user.
    UserNotFound = NOT_FOUND, "user-not-found", "User not found";
    /// The path is known, but not with this method.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed";
    /// The body did not arrive in time.
    RequestTimeout = REQUEST_TIMEOUT, "request-timeout", "Request timeout";
    /// The body has more than 4,096 bytes.
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body-too-large", "Body too large";
    /// The content type is missing, or not `application/json`.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type";
    /// The charset is not UTF-8.
    UnsupportedCharset = UNSUPPORTED_MEDIA_TYPE, "unsupported-charset", "Unsupported charset";
    /// The body is encoded, for example compressed.
    UnsupportedContentEncoding =
        UNSUPPORTED_MEDIA_TYPE, "unsupported-content-encoding", "Unsupported content encoding";
    /// A defect.
    InternalError = INTERNAL_SERVER_ERROR, "internal-error", "Internal error";
    /// No database can serve this now.
    DatabaseUnavailable = SERVICE_UNAVAILABLE, "database-unavailable", "Database unavailable";
    /// Too many requests wait.
    Overloaded = SERVICE_UNAVAILABLE, "overloaded", "Overloaded";
    /// Nobody knows whether the write was stored.
    WriteUnconfirmed = SERVICE_UNAVAILABLE, "write-unconfirmed", "Write unconfirmed";
    /// No usable host has replayed the client's last write.
    NotYetReplayed = SERVICE_UNAVAILABLE, "not-yet-replayed", "Not yet replayed";
}

/// An error as a client gets it.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    /// The place in the body that is wrong, as the name of the field; empty for the whole document.
    field: Option<String>,
    allow: Option<&'static str>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[FieldError<'a>; 1]>,
}

#[derive(Serialize)]
struct FieldError<'a> {
    pointer: String,
    detail: &'a str,
}

impl Problem {
    /// A problem with the whole request.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), field: None, allow: None }
    }

    /// A problem with a field of the body; an empty name is the whole document.
    pub fn in_field(kind: Kind, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(kind, detail) }
    }

    /// Nothing is at this path.
    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, "There is nothing at this path.")
    }

    /// The path is known, but only with these methods.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("This path takes {allow}.");
        Self { allow: Some(allow), ..Self::new(Kind::MethodNotAllowed, detail) }
    }

    /// What kind it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A defect of ours; what it was is in the log.
    pub fn internal_error() -> Self {
        Self::new(Kind::InternalError, "Something went wrong here. It has been logged.")
    }

    /// What a client reads.
    pub(super) fn document(&self) -> impl Serialize {
        Document {
            r#type: format!("{TYPE_PREFIX}{}", self.kind.slug()),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            errors: self
                .field
                .as_deref()
                .map(|field| [FieldError { pointer: pointer(field), detail: &self.detail }]),
        }
    }

    /// The answer.
    pub fn into_response(self) -> Response<Body> {
        let json = serde_json::to_vec(&self.document()).expect("strings and numbers always become JSON");
        let mut response = Response::new(Body::from(json));
        *response.status_mut() = self.kind.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.kind.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        match self.kind {
            Kind::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"hello-you\""));
            }
            // What follows on such a connection cannot be told apart from the rest of this request.
            Kind::MissingHost
            | Kind::InvalidHost
            | Kind::AmbiguousLength
            | Kind::IncompleteBody
            | Kind::RequestTimeout => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

/// The JSON pointer (RFC 6901, as a URI fragment) of a field of the top-level object.
fn pointer(field: &str) -> String {
    if field.is_empty() {
        return "#".to_owned();
    }
    let escaped = field.replace('~', "~0").replace('/', "~1");
    let encoded = percent_encoding::utf8_percent_encode(&escaped, percent_encoding::NON_ALPHANUMERIC);
    format!("#/{encoded}")
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::new(
                Kind::DatabaseUnavailable,
                "The database cannot be reached at the moment. Nothing was changed; try again in a moment.",
            ),
            StoreError::Overloaded => Self::new(
                Kind::Overloaded,
                "Too many requests are waiting. Nothing was changed; try again in a moment.",
            ),
            StoreError::WriteUnconfirmed => Self::new(
                Kind::WriteUnconfirmed,
                "The database did not confirm the change in time; it may or may not have been stored. \
                 Sending it again is safe.",
            ),
            StoreError::NotYetReplayed => Self::new(
                Kind::NotYetReplayed,
                "No database that can be reached has your last change yet; try again in a moment.",
            ),
            StoreError::Failed(error) => {
                tracing::error!(error, "failed to answer from the database");
                Self::internal_error()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn document(problem: Problem) -> serde_json::Value {
        let body = problem.into_response().into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn a_problem_has_type_title_status_and_detail() {
        let document = document(Problem::new(Kind::InvalidTimeZone, "No.")).await;
        assert_eq!(
            document,
            serde_json::json!({
                "type": "https://github.com/hello-you/hello-you/blob/main/docs/API.md#invalid-time-zone",
                "title": "Invalid time zone", "status": 400, "detail": "No."
            })
        );
    }

    #[tokio::test]
    async fn a_problem_in_a_field_points_there() {
        for (field, expected) in
            [("dateOfBirth", "#/dateOfBirth"), ("", "#"), ("a/b~\u{e9}", "#/a%7E1b%7E0%C3%A9")]
        {
            let document = document(Problem::in_field(Kind::UnknownField, field, "No.")).await;
            assert_eq!(
                document["errors"],
                serde_json::json!([{"pointer": expected, "detail": "No."}]),
                "{field}"
            );
        }
    }

    #[test]
    fn every_503_says_when_to_try_again() {
        for kind in Kind::ALL.iter().filter(|kind| kind.status() == StatusCode::SERVICE_UNAVAILABLE) {
            let response = Problem::new(*kind, "").into_response();
            assert_eq!(response.headers()[RETRY_AFTER], "1", "{kind:?}");
        }
    }

    #[test]
    fn no_text_of_the_inside_reaches_a_client() {
        let secret = "select * from users where host = 10.0.0.1";
        let problem = Problem::from(StoreError::Failed(secret.into()));
        assert!(!problem.detail.contains("select"));
        assert_eq!(problem.kind().status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn each_kind_has_a_type_of_its_own() {
        let slugs: std::collections::HashSet<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        assert_eq!(slugs.len(), Kind::ALL.len());
    }

    #[test]
    fn each_kind_has_a_heading_in_the_documentation() {
        let documentation = include_str!("../../../../docs/API.md");
        for kind in Kind::ALL {
            let heading = format!("\n### {}\n", kind.slug());
            assert!(documentation.contains(&heading), "docs/API.md has no heading {}", kind.slug());
        }
    }
}
