//! What the document's operations have in common: parameters, schemas, problems.

use serde::Serialize;
use utoipa::{IntoParams, ToResponse, ToSchema};

/// The name in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read by the derive alone")]
pub(in crate::http) struct UsernameParam {
    /// One letter of any script, then letters and combining marks; at most 50 characters after NFC. Case matters.
    #[param(min_length = 1, max_length = 50, pattern = r"^\p{L}[\p{L}\p{M}]*$", example = "Ana")]
    username: String,
}

/// The zone in the query.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive alone")]
pub(in crate::http) struct TzParam {
    /// The IANA name of the time zone in which "today" is meant, in any case. Default: UTC.
    #[param(example = "Europe/Dublin")]
    tz: Option<String>,
}

/// The token in a header.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the derive alone")]
pub(in crate::http) struct ConsistencyParam {
    /// What an earlier write answered: the greeting then shows that write. The cookie `hello-consistency` does the same.
    #[param(rename = "Hello-Consistency")]
    hello_consistency: Option<String>,
}

/// The token in a cookie.
#[derive(IntoParams)]
#[into_params(parameter_in = Cookie)]
#[expect(dead_code, reason = "read by the derive alone")]
pub(in crate::http) struct ConsistencyCookie {
    /// The same token as in the header; the header goes first.
    #[param(rename = "hello-consistency")]
    hello_consistency: Option<String>,
}

/// What the client has already.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the derive alone")]
pub(in crate::http) struct IfNoneMatchParam {
    /// The `ETag` of an earlier answer: where it is still the same, the answer is 304.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}

/// The page in the query.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive alone")]
pub(in crate::http) struct PageParams {
    /// The cursor from the page before.
    after: Option<String>,
    /// Users per page. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

/// A greeting.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Greeting {
    #[schema(example = "Hello, Ana! Your birthday is in 5 day(s)")]
    message: String,
}

/// What to store.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::http) struct DateOfBirth {
    /// A real date from 0001-01-01, before today.
    #[schema(format = Date, example = "1990-12-31")]
    date_of_birth: String,
}

/// The process can answer.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Health {
    #[schema(example = "healthy")]
    status: String,
}

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
pub(super) struct Problem {
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
pub(super) struct FieldError {
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
            pub(in crate::http) struct $name(Problem);
        )*
    };
}

problems! {
    /// 400 of `GET /hello/{username}`.
    InvalidGreeting = "The username or the zone is invalid";
    /// 400 of `PUT /hello/{username}`.
    InvalidUser = "The username, the zone or the body is invalid";
    /// 400 of `DELETE /hello/{username}`.
    InvalidUsername = "The username is invalid";
    /// 400 of `GET /users`.
    InvalidPage = "The cursor or the limit is invalid";
    /// 401.
    Unauthorized = "No token, or a wrong one";
    /// 404 of a greeting.
    UserNotFound = "There is no such user";
    /// 404 of `GET /users`.
    CallNotFound = "No administrators' token is configured, so this call does not exist";
    /// 404 of `DELETE /hello/{username}`.
    UserOrCallNotFound = "There is no such user, or no administrators' token is configured";
    /// 405.
    MethodNotAllowed = "The path is not on this listener with this method; `Allow` lists those that are";
    /// 408.
    TooSlow = "The body did not arrive in time";
    /// 413.
    TooLarge = "The body has more than 4,096 bytes";
    /// 415.
    Unsupported = "The body is not plain JSON in UTF-8";
    /// 500.
    Defect = "A defect of the service, which is in its log";
    /// 503 of a read.
    ReadUnavailable = "The database cannot serve this now; try again after Retry-After seconds";
    /// 503 of a write.
    WriteUnavailable = "The database cannot store this now; try again after Retry-After seconds";
}
