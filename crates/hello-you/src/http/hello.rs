//! `PUT`, `GET` and `DELETE` of `/hello/{username}`.

use bytes::{BufMut, Bytes, BytesMut};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use hyper::{Request, StatusCode};

use super::openapi::components;
use super::problem::{Kind, Problem};
use super::{App, Body, Response, birth_date_body, query};
use crate::domain::{Username, days_until_birthday, greeting};
use crate::store::{Deleted, Position, Put, Store};

/// The header with the consistency token, in both directions.
const HELLO_CONSISTENCY: HeaderName = HeaderName::from_static("hello-consistency");
/// The cookie with it.
const COOKIE_NAME: &str = "hello-consistency";

/// Greets a user and says how many days are left until the birthday.
#[utoipa::path(
    get, path = "/hello/{username}", tag = "greeting", operation_id = "getGreeting",
    params(components::UsernameParam, components::TzParam, components::ConsistencyParam, components::ConsistencyCookie),
    responses(
        (status = 200, description = "The greeting", body = components::Greeting, content_type = "application/json"),
        (status = 400, response = components::InvalidGreeting),
        (status = 404, response = components::UserNotFound),
        (status = 405, response = components::MethodNotAllowed),
        (status = 500, response = components::Defect),
        (status = 503, response = components::ReadUnavailable),
    )
)]
pub(super) async fn get(app: &App, segment: &str, request: &Request<Incoming>) -> Result<Response, Problem> {
    let username = username(segment)?;
    let zone = query::zone(request.uri().query())?;
    let after = sent_position(app, request.headers());
    let birth = app.store.find(&username, after).await?.ok_or_else(user_not_found)?;
    let today = zone.date_at((app.shared.clock)());
    let sentence = greeting(&username, days_until_birthday(birth, today, app.shared.leap_day));
    let mut json = BytesMut::with_capacity(sentence.len() + 14);
    // A username has letters and marks alone, so nothing in the sentence needs escaping.
    json.put_slice(b"{\"message\":\"");
    json.put_slice(sentence.as_bytes());
    json.put_slice(b"\"}");
    let mut response = Response::new(Body::from(json.freeze()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Stores a user's date of birth.
#[utoipa::path(
    put, path = "/hello/{username}", tag = "greeting", operation_id = "putUser",
    params(components::UsernameParam, components::TzParam),
    request_body(content = components::DateOfBirth, content_type = "application/json"),
    responses(
        (status = 201, description = "The user is new", headers(
            ("Location" = String, description = "Where the greeting is"),
            ("Hello-Consistency" = String, description = "On PostgreSQL: send it back to read this write"),
            ("Set-Cookie" = String, description = "On PostgreSQL: the same token, for browsers"),
        )),
        (status = 204, description = "The user was there and is changed", headers(
            ("Hello-Consistency" = String, description = "On PostgreSQL: send it back to read this write"),
            ("Set-Cookie" = String, description = "On PostgreSQL: the same token, for browsers"),
        )),
        (status = 400, response = components::InvalidUser),
        (status = 405, response = components::MethodNotAllowed),
        (status = 408, response = components::TooSlow),
        (status = 413, response = components::TooLarge),
        (status = 415, response = components::Unsupported),
        (status = 500, response = components::Defect),
        (status = 503, response = components::WriteUnavailable),
    )
)]
pub(super) async fn put(app: &App, segment: &str, request: Request<Incoming>) -> Result<Response, Problem> {
    let username = username(segment)?;
    let zone = query::zone(request.uri().query())?;
    let (head, body) = request.into_parts();
    let birth = birth_date_body::read(&head.headers, body).await?;
    if birth.date() >= zone.date_at((app.shared.clock)()) {
        return Err(not_in_the_past());
    }
    let written = app.store.put(&username, birth).await?;
    let mut response = Response::new(Body::default());
    match written.outcome {
        Put::Changed => *response.status_mut() = StatusCode::NO_CONTENT,
        Put::Created => {
            *response.status_mut() = StatusCode::CREATED;
            response.headers_mut().insert(LOCATION, location(&username));
        }
    }
    send_position(app, &head.headers, written.position, &mut response);
    Ok(response)
}

/// Removes a user. Administrators only, on the private listener.
#[utoipa::path(
    delete, path = "/hello/{username}", tag = "administration", operation_id = "deleteUser",
    params(components::UsernameParam),
    security(("admin_token" = [])),
    responses(
        (status = 204, description = "The user is gone", headers(
            ("Hello-Consistency" = String, description = "On PostgreSQL: send it back to read this write"),
            ("Set-Cookie" = String, description = "On PostgreSQL: the same token, for browsers"),
        )),
        (status = 400, response = components::InvalidUsername),
        (status = 401, response = components::Unauthorized),
        (status = 404, response = components::UserOrCallNotFound),
        (status = 405, response = components::MethodNotAllowed),
        (status = 500, response = components::Defect),
        (status = 503, response = components::WriteUnavailable),
    )
)]
pub(super) async fn delete(
    app: &App,
    segment: &str,
    request: &Request<Incoming>,
) -> Result<Response, Problem> {
    let username = username(segment)?;
    let written = app.store.delete(&username).await?;
    if written.outcome == Deleted::NotFound {
        return Err(user_not_found());
    }
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    send_position(app, request.headers(), written.position, &mut response);
    Ok(response)
}

/// Nobody of this name is stored.
pub(super) fn user_not_found() -> Problem {
    Problem::new(Kind::UserNotFound, "There is no user of this name.")
}

/// The date of birth is today or later.
pub(super) fn not_in_the_past() -> Problem {
    Problem::in_field(Kind::DateNotInThePast, "dateOfBirth", "The date of birth must be before today.")
}

/// The name in the path.
pub(super) fn username(segment: &str) -> Result<Username, Problem> {
    Username::from_path_segment(segment)
        .map_err(|error| Problem::new(Kind::InvalidUsername, error.to_string()))
}

fn location(username: &Username) -> HeaderValue {
    let name = percent_encoding::utf8_percent_encode(username.as_str(), percent_encoding::NON_ALPHANUMERIC);
    let location = Bytes::from(format!("/hello/{name}"));
    HeaderValue::from_maybe_shared(location).expect("percent-encoded text may stand in a header")
}

/// The position of the client's last write, from the header or the cookie. One that is not ours is ignored.
fn sent_position(app: &App, headers: &HeaderMap) -> Option<Position> {
    if let Some(token) = headers.get(HELLO_CONSISTENCY) {
        return app.shared.signer.verify(token.as_bytes());
    }
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .and_then(|(_, token)| app.shared.signer.verify(token.as_bytes()))
}

fn send_position(app: &App, headers: &HeaderMap, position: Option<Position>, response: &mut Response) {
    let Some(position) = position else { return };
    let token = app.shared.signer.token(position);
    let is_https = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if is_https { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}={token}; Path=/hello; HttpOnly; SameSite=Lax{secure}");
    for (name, value) in [(HELLO_CONSISTENCY, token), (SET_COOKIE, cookie)] {
        let value = HeaderValue::try_from(value).expect("base64url and constants may stand in a header");
        response.headers_mut().insert(name, value);
    }
}
