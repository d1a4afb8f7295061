//! The page for a browser, the page about the API, and what they need.

use hyper::header::{ACCEPT, HeaderMap, HeaderValue, VARY};

use super::{Response, health};

/// `/`: the page for a browser, the health for any other client.
pub(super) fn home(headers: &HeaderMap) -> Response {
    let mut response = health::health();
    let _ = headers.get(ACCEPT);
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

/// The page about the API.
pub(super) fn docs() -> Response {
    health::health()
}

/// Whether there is an asset at this path.
pub(super) fn has_asset(_path: &str) -> bool {
    false
}

/// An asset.
pub(super) fn asset(_path: &str, _headers: &HeaderMap) -> Response {
    health::health()
}
