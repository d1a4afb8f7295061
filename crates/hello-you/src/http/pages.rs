//! The page for a browser, the page about the API, and what they need; all of it compiled in.

use bytes::Bytes;
use hyper::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY,
};

use super::{Body, Response, health};

/// Nothing but our own files may be loaded, and nobody may frame the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A file that the pages load.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

/// Without it a window that opened the page, or was opened by it, could reach into it.
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// A year, the least that browsers' preload lists ask for.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

const ASSETS: [Asset; 4] = [
    Asset {
        path: "/assets/app.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_str!("../../assets/app.js"),
    },
    Asset {
        path: "/assets/docs.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_str!("../../assets/docs.js"),
    },
    Asset {
        path: "/assets/icon.svg",
        content_type: "image/svg+xml",
        content: include_str!("../../assets/icon.svg"),
    },
    Asset {
        path: "/assets/style.css",
        content_type: "text/css; charset=utf-8",
        content: include_str!("../../assets/style.css"),
    },
];

/// `/`: the page for a browser, the health for any other client.
#[utoipa::path(
    get, path = "/", tag = "pages",
    responses(
        (status = 200, description = "For a client that names `text/html` the page, for any other the health", headers(
            ("Vary" = String, description = "`Accept`"),
        ), content((super::openapi::Health = "application/json"), (String = "text/html"))),
    )
)]
pub(super) fn home(headers: &HeaderMap) -> Response {
    let mut response = if wants_html(headers) {
        page(headers, include_str!("../../assets/index.html"))
    } else {
        health::health()
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

/// The page about the API.
#[utoipa::path(
    get, path = "/docs", tag = "pages",
    responses((status = 200, description = "The page", body = String, content_type = "text/html"))
)]
pub(super) fn docs(headers: &HeaderMap) -> Response {
    page(headers, include_str!("../../assets/docs.html"))
}

/// The asset at a path.
pub(super) fn asset(path: &str) -> Option<Response> {
    let asset = ASSETS.iter().find(|asset| asset.path == path)?;
    let mut response = Response::new(Body::from(Bytes::from_static(asset.content.as_bytes())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Some(response)
}

fn page(request: &HeaderMap, html: &'static str) -> Response {
    let mut response = Response::new(Body::from(Bytes::from_static(html.as_bytes())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
    if request.get("x-forwarded-proto").is_some_and(|proto| proto == "https") {
        headers.insert(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Whether `Accept` names `text/html` with a weight above zero. Programs that take anything (`*/*`) get JSON.
fn wants_html(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    ranges.flat_map(|accept| accept.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_html = parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case("text/html"));
        let weight = parts.find_map(|parameter| parameter.strip_prefix("q="));
        is_html && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))])
    }

    #[test]
    fn a_browser_gets_the_page_and_any_other_client_the_health() {
        for accept in ["text/html", "application/xml, TEXT/HTML;q=0.9, */*;q=0.8", "text/html; charset=utf-8"]
        {
            assert!(wants_html(&accepting(accept)), "{accept}");
        }
        for accept in ["*/*", "application/json", "text/html;q=0", "text/*", "", "text/htmlx"] {
            assert!(!wants_html(&accepting(accept)), "{accept}");
        }
        assert!(!wants_html(&HeaderMap::new()));
    }

    #[test]
    fn the_page_forbids_inline_scripts_and_styles() {
        let response = home(&accepting("text/html"));
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(response.headers()[VARY], "Accept");
        for html in [include_str!("../../assets/index.html"), include_str!("../../assets/docs.html")] {
            assert!(!html.contains("<style") && !html.contains(" style=") && !html.contains(" onclick="));
        }
    }

    #[test]
    fn every_asset_that_a_page_names_is_there() {
        for html in [include_str!("../../assets/index.html"), include_str!("../../assets/docs.html")] {
            for link in html.split('"').filter(|text| text.starts_with("/assets/")) {
                assert!(asset(link).is_some(), "{link}");
            }
        }
        assert!(asset("/assets/nothing.js").is_none());
    }
}
