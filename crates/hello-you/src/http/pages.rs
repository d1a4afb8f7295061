//! The page for a browser, the page about the API, and what they need; all of it compiled in.

use bytes::Bytes;
use hyper::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
    VARY,
};

use super::{Body, Response, health};

/// Nothing but our own files may be loaded, and nobody may frame the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A file that the pages load.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

const ASSETS: [Asset; 3] = [
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
        path: "/assets/style.css",
        content_type: "text/css; charset=utf-8",
        content: include_str!("../../assets/style.css"),
    },
];

/// `/`: the page for a browser, the health for any other client.
pub(super) fn home(headers: &HeaderMap) -> Response {
    let mut response =
        if wants_html(headers) { page(include_str!("../../assets/index.html")) } else { health::health() };
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

/// The page about the API.
pub(super) fn docs() -> Response {
    page(include_str!("../../assets/docs.html"))
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

fn page(html: &'static str) -> Response {
    let mut response = Response::new(Body::from(Bytes::from_static(html.as_bytes())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
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
