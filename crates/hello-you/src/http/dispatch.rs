//! From method and path to a handler, and what is around every answer: request id, headers, log line, metrics.

use std::net::Ipv6Addr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, StatusCode, Version};

use super::head_scan::HeadScan;
use super::problem::{Kind, Problem};
use super::request_id::{self, X_REQUEST_ID};
use super::{App, Audience, Body, Response, Route, health, hello, openapi, pages, users};
use crate::config::Secret;
use crate::consistency::constant_time_eq;
use crate::telemetry::{AccessRecord, Metrics};

/// The methods of a path that only answers. This and the two below are also in the OpenAPI document.
pub(super) const READ_ONLY: &str = "GET, HEAD, OPTIONS";
/// The methods of `/hello/{username}` on the public listener.
pub(super) const GREETING: &str = "GET, HEAD, PUT, OPTIONS";
/// And on the private one.
pub(super) const REMOVAL: &str = "DELETE, OPTIONS";

/// Answers a request. `refusal`: what is wrong with it below its path; `must_close`: nothing can be read behind it.
pub(super) async fn answer(
    app: &App,
    audience: Audience,
    refusal: Option<Problem>,
    must_close: bool,
    request: Request<Incoming>,
) -> Response {
    let began = Instant::now();
    let id = request_id::of(request.headers());
    let trace_id = request_id::trace_id(request.headers()).map(str::to_owned);
    let method = request.method().clone();
    let (route, result) = match refusal {
        Some(problem) => (Route::Unmatched, Err(problem)),
        None => handle(app, audience, request).await,
    };
    let mut response = result.unwrap_or_else(Problem::into_response);
    if matches!(route, Route::Hello | Route::Users) {
        forbid_caching(&mut response);
    }
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // While the process drains, clients that keep connections open are asked to go elsewhere.
    if must_close || app.shared.draining.load(Ordering::Relaxed) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let status = response.status();
    let duration = began.elapsed();
    app.shared.metrics.request(&method, route, status, duration);
    app.shared.access_log.write(&AccessRecord {
        method: &method,
        route,
        status,
        duration,
        request_id: id.to_str().unwrap_or_default(),
        trace_id: trace_id.as_deref(),
    });
    response
}

/// What tells of people, and errors in its place, is never stored by a cache.
fn forbid_caching(response: &mut Response) {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// What is wrong with a request below its path, if anything.
pub(super) fn refusal(request: &Request<Incoming>, scan: &HeadScan) -> Option<Problem> {
    if scan.is_ambiguous() {
        let detail =
            "The request gives more than one length of its body, or a transfer coding besides chunked.";
        return Some(Problem::new(Kind::AmbiguousLength, detail));
    }
    // RFC 9112, section 3.2: exactly one Host field in each HTTP/1.1 request.
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Some(Problem::new(Kind::MissingHost, "The request must have exactly one Host header."));
    }
    let host = request.headers().get(HOST).map_or(&b""[..], HeaderValue::as_bytes);
    if !is_host(host) {
        let detail = "The Host header must be a name or an address, with a port or without.";
        return Some(Problem::new(Kind::InvalidHost, detail));
    }
    None
}

/// RFC 9112, section 3.2: what is no host is refused. Empty is right where a URI names none.
fn is_host(value: &[u8]) -> bool {
    let Ok(value) = std::str::from_utf8(value) else { return false };
    let is_port = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit());
    if let Some(bracketed) = value.strip_prefix('[') {
        let Some((address, rest)) = bracketed.split_once(']') else { return false };
        let port = if rest.is_empty() { Some("") } else { rest.strip_prefix(':') };
        return address.parse::<Ipv6Addr>().is_ok() && port.is_some_and(is_port);
    }
    // RFC 3986, section 3.2.2: unreserved characters, escapes, sub-delimiters.
    let is_in_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
    match value.split_once(':') {
        Some((name, port)) => !name.is_empty() && name.bytes().all(is_in_a_name) && is_port(port),
        None => value.bytes().all(is_in_a_name),
    }
}

type Handled = (Route, Result<Response, Problem>);

async fn handle(app: &App, audience: Audience, request: Request<Incoming>) -> Handled {
    match audience {
        Audience::Public => handle_public(app, request).await,
        Audience::Private => handle_private(app, request).await,
    }
}

async fn handle_public(app: &App, request: Request<Incoming>) -> Handled {
    let path = request.uri().path();
    if let Some(segment) = hello_segment(path) {
        let answered = match *request.method() {
            Method::GET | Method::HEAD => hello::get(app, segment, &request).await,
            Method::PUT => {
                let segment = segment.to_owned();
                hello::put(app, &segment, request).await
            }
            _ => other_method(request.method(), GREETING),
        };
        return (Route::Hello, answered);
    }
    if path == "/" {
        return (Route::Home, read_only(request.method(), || pages::home(request.headers())));
    }
    handle_shared(app, Audience::Public, &request)
}

async fn handle_private(app: &App, request: Request<Incoming>) -> Handled {
    let path = request.uri().path();
    match path {
        "/metrics" => (Route::Metrics, read_only(request.method(), || metrics(app))),
        "/users" => (Route::Users, list_users(app, &request).await),
        path => match hello_segment(path) {
            Some(segment) => (Route::Hello, delete_user(app, segment, &request).await),
            None => handle_shared(app, Audience::Private, &request),
        },
    }
}

/// What both listeners answer: the health, and the page about the API with what it needs.
fn handle_shared(app: &App, audience: Audience, request: &Request<Incoming>) -> Handled {
    let (method, headers, path) = (request.method(), request.headers(), request.uri().path());
    match path {
        "/health" => (Route::Health, read_only(method, health::health)),
        "/health/ready" => (Route::HealthReady, read_only(method, || health::ready(app))),
        "/health/deep" => (Route::HealthDeep, read_only(method, || health::deep(app))),
        "/openapi.json" => (Route::OpenApi, read_only(method, || openapi::respond(headers))),
        "/docs" => (Route::Docs, read_only(method, || pages::docs(headers, audience))),
        path if path.starts_with("/assets/") => {
            let answered = match pages::asset(headers, path) {
                Some(asset) => read_only(method, || asset),
                None => Err(Problem::not_found()),
            };
            (Route::Asset, answered)
        }
        _ => (Route::Unmatched, Err(Problem::not_found())),
    }
}

/// The one segment behind `/hello/`, if it is one.
fn hello_segment(path: &str) -> Option<&str> {
    path.strip_prefix("/hello/").filter(|segment| !segment.is_empty() && !segment.contains('/'))
}

fn read_only(method: &Method, respond: impl FnOnce() -> Response) -> Result<Response, Problem> {
    match *method {
        Method::GET | Method::HEAD => Ok(respond()),
        _ => other_method(method, READ_ONLY),
    }
}

/// The answer to OPTIONS, and to methods that a path does not take.
fn other_method(method: &Method, allow: &'static str) -> Result<Response, Problem> {
    if *method != Method::OPTIONS {
        return Err(Problem::method_not_allowed(allow));
    }
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    Ok(response)
}

async fn list_users(app: &App, request: &Request<Incoming>) -> Result<Response, Problem> {
    let token = configured_token(app)?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return other_method(request.method(), READ_ONLY);
    }
    authorize(token, request)?;
    users::list(app, request).await
}

async fn delete_user(app: &App, segment: &str, request: &Request<Incoming>) -> Result<Response, Problem> {
    let token = configured_token(app)?;
    if *request.method() != Method::DELETE {
        return other_method(request.method(), REMOVAL);
    }
    authorize(token, request)?;
    hello::delete(app, segment, request).await
}

/// Without a configured token the administrators' calls do not exist.
fn configured_token(app: &App) -> Result<&Secret, Problem> {
    app.shared.admin_token.as_ref().ok_or_else(Problem::not_found)
}

fn authorize(token: &Secret, request: &Request<Incoming>) -> Result<(), Problem> {
    let mut values = request.headers().get_all(AUTHORIZATION).iter();
    // With two of them, a proxy in front may have looked at the other one.
    let (Some(value), None) = (values.next(), values.next()) else { return Err(unauthorized()) };
    let sent = value.as_bytes().split_at_checked(b"Bearer ".len());
    let sent = sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
    match sent {
        Some((_, sent)) if constant_time_eq(sent.trim_ascii_start(), token.expose().as_bytes()) => Ok(()),
        _ => Err(unauthorized()),
    }
}

/// No token, or a wrong one.
pub(super) fn unauthorized() -> Problem {
    Problem::new(Kind::Unauthorized, "Send the administrators' token as Authorization: Bearer TOKEN.")
}

/// The figures of this process, for Prometheus. No token is needed.
#[utoipa::path(
    get, path = "/metrics", tag = "administration", operation_id = "getMetrics",
    responses((status = 200, description = "Prometheus' text format", body = String, content_type = "text/plain"))
)]
pub(super) fn metrics(app: &App) -> Response {
    // Brings the gauges of the queues up to date.
    let _ = crate::store::Store::condition(&app.store);
    let mut response = Response::new(Body::from(app.shared.metrics.render()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(Metrics::CONTENT_TYPE));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_segment_behind_hello_is_a_name() {
        assert_eq!(hello_segment("/hello/Ana"), Some("Ana"));
        for path in ["/hello", "/hello/", "/hello/Ana/", "/hello/a/b", "//hello/Ana", "/Hello/Ana", "/"] {
            assert_eq!(hello_segment(path), None, "{path}");
        }
    }
}
