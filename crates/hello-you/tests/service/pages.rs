//! What the pages are served with.

use std::io::Read as _;

use flate2::read::GzDecoder;
use hyper::{Method, StatusCode};
use tempfile::TempDir;

use super::support::http::{self, Reply};
use super::support::service::Service;

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");

async fn service() -> (TempDir, Service) {
    let directory = TempDir::new().unwrap();
    let service = Service::on_sqlite(&directory.path().join("hello.db")).await;
    (directory, service)
}

async fn page(service: &Service, path: &str, headers: &[(&str, &str)]) -> Reply {
    let reply = service.send(Method::GET, path, headers, "").await;
    assert_eq!(reply.status, StatusCode::OK, "{path}");
    reply
}

#[tokio::test]
async fn the_root_is_a_page_for_browsers_and_health_for_others_and_caches_know_it() {
    let (_directory, service) = service().await;
    for accept in [HTML.1, "TEXT/HTML", "application/json, text/html;q=0.1"] {
        let reply = page(&service, "/", &[("accept", accept)]).await;
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8", "{accept}");
        assert_eq!(reply.header("vary"), "Accept, Accept-Encoding", "{accept}");
    }
    for accept in ["*/*", "application/json", "text/html;q=0", "text/plain", "text/*"] {
        let reply = page(&service, "/", &[("accept", accept)]).await;
        assert_eq!(reply.json(), serde_json::json!({"status": "healthy"}), "{accept}");
        assert_eq!(reply.header("vary"), "Accept", "{accept}");
    }
    let reply = page(&service, "/", &[]).await;
    assert_eq!(reply.json(), serde_json::json!({"status": "healthy"}));
}

#[tokio::test]
async fn pages_allow_nothing_but_their_own_files() {
    let (_directory, service) = service().await;
    for path in ["/", "/docs"] {
        let reply = page(&service, path, &[HTML]).await;
        let policy: Vec<_> = reply.header("content-security-policy").split("; ").collect();
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(&directive), "{path}: {directive} is not in {policy:?}");
        }
        assert_eq!(policy.len(), 8, "{path}: {policy:?}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(reply.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
    }
}

#[tokio::test]
async fn only_a_page_that_came_over_https_asks_for_https_from_then_on() {
    let (_directory, service) = service().await;
    for path in ["/", "/docs"] {
        let plain = page(&service, path, &[HTML, ("x-forwarded-proto", "http")]).await;
        assert_eq!(plain.header("strict-transport-security"), "", "{path}");
        let secure = page(&service, path, &[HTML, ("x-forwarded-proto", "https")]).await;
        assert_eq!(secure.header("strict-transport-security"), "max-age=31536000", "{path}");
    }
}

#[tokio::test]
async fn every_file_that_a_page_names_is_served_with_its_type() {
    let (_directory, service) = service().await;
    let mut named = 0;
    for path in ["/", "/docs"] {
        let html = page(&service, path, &[HTML]).await.body;
        for file in html.split('"').filter(|text| text.starts_with("/assets/")) {
            named += 1;
            let expected = match file.rsplit('.').next() {
                Some("js") => "text/javascript; charset=utf-8",
                Some("css") => "text/css; charset=utf-8",
                Some("svg") => "image/svg+xml",
                _ => panic!("{file} has a type that this test does not know"),
            };
            let reply = page(&service, file, &[]).await;
            assert_eq!(reply.header("content-type"), expected, "{file}");
            assert_eq!(reply.header("x-content-type-options"), "nosniff", "{file}");
            assert_eq!(reply.header("cache-control"), "no-cache", "{file}");
        }
        assert!(!html.contains("://"), "{path} names another host");
    }
    assert_eq!(named, 6);
}

#[tokio::test]
async fn head_answers_as_get_does_without_the_body() {
    let (_directory, service) = service().await;
    for path in ["/", "/docs", "/openapi.json", "/assets/app.js", "/assets/style.css"] {
        let get = page(&service, path, &[HTML]).await;
        let head = service.send(Method::HEAD, path, &[HTML], "").await;
        assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""), "{path}");
        for name in
            ["content-type", "content-length", "cache-control", "content-security-policy", "etag", "vary"]
        {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
    }
}

#[tokio::test]
async fn an_asset_that_is_not_there_is_a_problem() {
    let (_directory, service) = service().await;
    for path in ["/assets/", "/assets/nothing.js", "/assets/../assets/app.js", "/assets/app.js/"] {
        let reply = service.get(path).await;
        assert_eq!((reply.status, reply.problem().as_str()), (StatusCode::NOT_FOUND, "not-found"), "{path}");
    }
}

const FILES: [&str; 7] = [
    "/",
    "/docs",
    "/openapi.json",
    "/assets/app.js",
    "/assets/docs.js",
    "/assets/style.css",
    "/assets/icon.svg",
];

#[tokio::test]
async fn a_client_that_has_a_file_already_is_told_so() {
    let (_directory, service) = service().await;
    for path in FILES {
        for encoding in ["gzip", "identity"] {
            let headers = [HTML, ("accept-encoding", encoding)];
            let first = service.send_bytes(Method::GET, path, &headers).await;
            assert_eq!(first.status, StatusCode::OK, "{path}");
            let tag = first.headers["etag"].to_str().unwrap().to_owned();
            for method in [Method::GET, Method::HEAD] {
                let known = [HTML, ("accept-encoding", encoding), ("if-none-match", &tag)];
                let again = service.send_bytes(method.clone(), path, &known).await;
                assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{method} {path}");
                assert!(again.body.is_empty(), "{method} {path}");
                for name in ["etag", "cache-control", "vary", "content-security-policy"] {
                    assert_eq!(again.headers.get(name), first.headers.get(name), "{method} {path}: {name}");
                }
                // RFC 9110, section 8.6: where a 304 has a length, it is that of the 200.
                assert_eq!(again.headers.get("content-length"), None, "{method} {path}");
            }
            let other = [HTML, ("accept-encoding", encoding), ("if-none-match", "\"of an earlier version\"")];
            assert_eq!(service.send_bytes(Method::GET, path, &other).await.body, first.body, "{path}");
        }
    }
}

#[tokio::test]
async fn files_are_compressed_for_clients_that_take_gzip() {
    let (_directory, service) = service().await;
    for path in FILES {
        let plain = service.send_bytes(Method::GET, path, &[HTML]).await;
        let compressed =
            service.send_bytes(Method::GET, path, &[HTML, ("accept-encoding", "br, gzip")]).await;
        assert_eq!(plain.headers.get("content-encoding"), None, "{path}");
        assert_eq!(compressed.headers["content-encoding"], "gzip", "{path}");
        assert!(compressed.body.len() < plain.body.len(), "{path}");
        assert_ne!(compressed.headers["etag"], plain.headers["etag"], "{path}");
        let mut content = Vec::new();
        GzDecoder::new(compressed.body.as_slice()).read_to_end(&mut content).unwrap();
        assert_eq!(content, plain.body, "{path}");
        for reply in [plain, compressed] {
            let vary = reply.headers["vary"].to_str().unwrap();
            assert!(vary.split(", ").any(|name| name == "Accept-Encoding"), "{path}: {vary}");
        }
    }
    let health = service.send_bytes(Method::GET, "/", &[("accept-encoding", "gzip")]).await;
    assert_eq!(health.body, br#"{"status":"healthy"}"#, "the health is small, and never compressed");
}

#[tokio::test]
async fn the_private_listener_has_the_page_about_the_api_too_and_it_knows_where_it_is() {
    let (_directory, service) = service().await;
    for (address, listener) in [(service.address, "public"), (service.private_address, "private")] {
        let reply = http::send(address, Method::GET, "/docs", &[HTML], "").await;
        assert!(reply.body.contains(&format!("data-listener=\"{listener}\"")), "{}", reply.body);
        for path in ["/openapi.json", "/assets/docs.js", "/assets/style.css", "/assets/icon.svg"] {
            let reply = http::send(address, Method::GET, path, &[], "").await;
            assert_eq!(reply.status, StatusCode::OK, "{listener} {path}");
        }
    }
    let reply = http::send(service.private_address, Method::GET, "/", &[HTML], "").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND, "people's page is not for the private listener");
}
