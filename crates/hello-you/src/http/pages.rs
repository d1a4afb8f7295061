//! The page for a browser, the page about the API, and what they need; all of it compiled in.

use std::sync::LazyLock;

use hyper::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, VARY,
};

use super::accept::accepts;
use super::embedded::Embedded;
use super::openapi::components;
use super::{Audience, Response, health};

/// Nothing but our own files may be loaded, and nobody may frame the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// Without it a window that opened the page, or was opened by it, could reach into it.
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// A year, the least that browsers' preload lists ask for.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

const INDEX_HTML: &str = include_str!("../../assets/index.html");
const DOCS_HTML: &str = include_str!("../../assets/docs.html");

static INDEX: LazyLock<Embedded> = LazyLock::new(|| Embedded::new(HTML, INDEX_HTML));
static PUBLIC_DOCS: LazyLock<Embedded> = LazyLock::new(|| Embedded::new(HTML, DOCS_HTML));
/// The page sends only the calls of the listener that it came from, so it is told which one that is.
static PRIVATE_DOCS: LazyLock<Embedded> = LazyLock::new(|| {
    Embedded::new(HTML, DOCS_HTML.replace("data-listener=\"public\"", "data-listener=\"private\""))
});

/// What the pages load.
static ASSETS: LazyLock<[(&str, Embedded); 4]> = LazyLock::new(|| {
    [
        ("/assets/app.js", Embedded::new(JAVASCRIPT, include_str!("../../assets/app.js"))),
        ("/assets/docs.js", Embedded::new(JAVASCRIPT, include_str!("../../assets/docs.js"))),
        ("/assets/icon.svg", Embedded::new("image/svg+xml", include_str!("../../assets/icon.svg"))),
        (
            "/assets/style.css",
            Embedded::new("text/css; charset=utf-8", include_str!("../../assets/style.css")),
        ),
    ]
});

/// The page for a browser, the health for any other client.
#[utoipa::path(
    get, path = "/", tag = "pages", operation_id = "getHome", params(components::IfNoneMatchParam),
    responses(
        (status = 200, description = "For a client that names `text/html` the page, for any other the health", headers(
            ("Vary" = String, description = "`Accept`; for the page `Accept-Encoding` too"),
        ), content((components::Health = "application/json"), (String = "text/html"))),
        (status = 304, description = "The client has the page already"),
    )
)]
pub(super) fn home(headers: &HeaderMap) -> Response {
    let is_browser = accepts(headers, &ACCEPT, "text/html");
    let mut response = if is_browser { page(headers, &INDEX) } else { health::health() };
    let vary = if is_browser { "Accept, Accept-Encoding" } else { "Accept" };
    response.headers_mut().insert(VARY, HeaderValue::from_static(vary));
    response
}

/// The page about the API: every operation, and a form to try it.
#[utoipa::path(
    get, path = "/docs", tag = "pages", operation_id = "getDocs", params(components::IfNoneMatchParam),
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 304, description = "The client has it already"),
    )
)]
pub(super) fn docs(headers: &HeaderMap, audience: Audience) -> Response {
    page(headers, if audience == Audience::Public { &PUBLIC_DOCS } else { &PRIVATE_DOCS })
}

/// The asset at a path.
pub(super) fn asset(headers: &HeaderMap, path: &str) -> Option<Response> {
    let (_, asset) = ASSETS.iter().find(|(known, _)| *known == path)?;
    Some(asset.respond(headers))
}

fn page(request: &HeaderMap, html: &Embedded) -> Response {
    let mut response = html.respond(request);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
    if request.get("x-forwarded-proto").is_some_and(|proto| proto == "https") {
        headers.insert(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))])
    }

    #[test]
    fn the_page_forbids_inline_scripts_and_styles() {
        let response = home(&accepting("text/html"));
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"), "{policy}");
        for html in [INDEX_HTML, DOCS_HTML] {
            assert!(!html.contains("<style") && !html.contains(" style=") && !html.contains(" onclick="));
        }
    }

    #[test]
    fn every_asset_that_a_page_names_is_there() {
        let headers = HeaderMap::new();
        for html in [INDEX_HTML, DOCS_HTML] {
            for link in html.split('"').filter(|text| text.starts_with("/assets/")) {
                assert!(asset(&headers, link).is_some(), "{link}");
            }
        }
        assert!(asset(&headers, "/assets/nothing.js").is_none());
    }

    #[test]
    fn the_page_about_the_api_says_which_listener_it_came_from() {
        assert_eq!(DOCS_HTML.matches("data-listener=\"public\"").count(), 1);
    }
}
