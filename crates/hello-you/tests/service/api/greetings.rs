//! `PUT` and `GET` of a user, and what surrounds every answer: methods, paths, headers.

use hyper::{Method, StatusCode};

use crate::support::backend::{Backend, on_both_stores};

on_both_stores![
    a_new_user_is_201_with_a_location_and_a_changed_one_204,
    an_unknown_user_is_404,
    head_is_get_without_a_body,
    errors_in_validation_leave_no_user_behind,
];

async fn a_new_user_is_201_with_a_location_and_a_changed_one_204(backend: Backend) {
    let service = backend.start().await;
    let created = service.put("Ana", "1990-12-31").await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!((created.header("location"), created.body.as_str()), ("/hello/Ana", ""));
    for date in ["1991-01-01", "1991-01-01"] {
        let changed = service.put("Ana", date).await;
        assert_eq!(changed.status, StatusCode::NO_CONTENT);
        assert_eq!((changed.header("location"), changed.body.as_str()), ("", ""));
    }
    let greeting = service.get("/hello/Ana").await;
    assert_eq!(greeting.status, StatusCode::OK);
    assert_eq!(greeting.header("content-type"), "application/json");
    let message = greeting.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Hello, Ana! "), "{message}");
    assert_eq!(service.put("ana", "1990-12-31").await.status, StatusCode::CREATED, "case matters");
}

async fn an_unknown_user_is_404(backend: Backend) {
    let service = backend.start().await;
    let missing = service.get("/hello/Nobody").await;
    assert_eq!((missing.status, missing.problem().as_str()), (StatusCode::NOT_FOUND, "user-not-found"));
    assert!(!missing.body.contains("Nobody"), "an error repeats no name: {}", missing.body);
}

async fn head_is_get_without_a_body(backend: Backend) {
    let service = backend.start().await;
    service.put("Ana", "1990-12-31").await;
    for path in ["/hello/Ana", "/hello/Ben", "/health", "/health/ready", "/health/deep", "/openapi.json"] {
        let (get, head) = (service.get(path).await, service.send(Method::HEAD, path, &[], "").await);
        assert_eq!(get.status, head.status, "{path}");
        assert_eq!(head.body, "", "{path}");
        for header in ["content-type", "content-length", "cache-control"] {
            assert_eq!(get.header(header), head.header(header), "{path} {header}");
        }
    }
}

async fn errors_in_validation_leave_no_user_behind(backend: Backend) {
    let service = backend.start().await;
    for date in ["2024-02-30", "9999-12-31", "20240230", ""] {
        assert_eq!(service.put("Ana", date).await.status, StatusCode::BAD_REQUEST, "{date}");
    }
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn options_and_405_name_the_methods_of_each_path() {
    const READ: &str = "GET, HEAD, OPTIONS";
    let service = Backend::Sqlite.start().await;
    for (path, allow) in [
        ("/hello/Ana", "GET, HEAD, PUT, OPTIONS"),
        ("/hello/1", "GET, HEAD, PUT, OPTIONS"),
        ("/health", READ),
        ("/health/ready", READ),
        ("/health/deep", READ),
        ("/", READ),
        ("/openapi.json", READ),
        ("/docs", READ),
    ] {
        let options = service.send(Method::OPTIONS, path, &[], "").await;
        assert_eq!((options.status, options.header("allow")), (StatusCode::NO_CONTENT, allow), "{path}");
        for method in ["POST", "PATCH", "DELETE", "TRACE", "PURGE", "get"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let refused = service.send(method.clone(), path, &[], "").await;
            assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(refused.header("allow"), allow, "{method} {path}");
            assert_eq!(refused.problem(), "method-not-allowed", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn other_paths_are_404_whatever_the_method() {
    let service = Backend::Sqlite.start().await;
    for path in [
        "/hello",
        "/hello/",
        "/hello/Ana/",
        "/hello/Ana/x",
        "/hello//Ana",
        "//hello/Ana",
        "/Hello/Ana",
        "/health/",
        "/health/live",
        "/hell",
        "/../etc/passwd",
        "/hello/../health",
        "/users",
        "/metrics",
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let reply = service.send(method.clone(), path, &[], "").await;
            assert_eq!(
                (reply.status, reply.problem().as_str()),
                (StatusCode::NOT_FOUND, "not-found"),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers_it_should() {
    let service = Backend::Sqlite.start().await;
    service.put("Ana", "1990-12-31").await;
    for path in ["/hello/Ana", "/hello/Ben", "/hello/1", "/hello/Ana?tz=Mars"] {
        assert_eq!(service.get(path).await.header("cache-control"), "no-store", "{path}");
    }
    assert_eq!(service.put("Ana", "1990-12-31").await.header("cache-control"), "no-store");
    for path in ["/", "/health", "/health/ready", "/hello/Ana", "/hello/Ben", "/nowhere"] {
        let reply = service.get(path).await;
        assert_eq!(reply.header("x-request-id").len(), 32, "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert!(!reply.header("date").is_empty(), "{path}");
        assert_eq!(reply.header("server"), "", "{path}");
        if !reply.status.is_success() {
            assert_eq!(reply.header("content-type"), "application/problem+json", "{path}");
            let document = reply.json();
            assert_eq!(document["status"], reply.status.as_u16(), "{path}");
            assert!(!document["title"].as_str().unwrap().is_empty(), "{path}");
            assert!(document["detail"].as_str().unwrap().ends_with('.'), "{path}");
        }
    }
}

#[tokio::test]
async fn health_answers_without_a_word_about_the_inside() {
    let service = Backend::Sqlite.start().await;
    let health = service.get("/health").await;
    assert_eq!((health.status, health.body.as_str()), (StatusCode::OK, r#"{"status":"healthy"}"#));
    let root = service.get("/").await;
    assert_eq!((root.status, root.body.as_str()), (StatusCode::OK, r#"{"status":"healthy"}"#));
    assert!(root.header("vary").eq_ignore_ascii_case("accept"));
    let ready = service.get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::OK);
    let document = ready.json();
    assert_eq!(
        (document["reads"].as_str(), document["writes"].as_str()),
        (Some("embedded"), Some("embedded"))
    );
    let deep = service.get("/health/deep").await;
    assert_eq!((deep.status, deep.json()["status"].as_str()), (StatusCode::OK, Some("healthy")));
}

#[tokio::test]
async fn the_openapi_document_is_served() {
    let service = Backend::Sqlite.start().await;
    let reply = service.get("/openapi.json").await;
    assert_eq!(reply.status, StatusCode::OK);
    let document = reply.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"]["/hello/{username}"]["put"].is_object());
}

#[tokio::test]
async fn while_no_database_answers_503_says_when_to_try_again() {
    // Port 1 on this machine: refused at once.
    let url = "postgres://nobody@127.0.0.1:1/nowhere";
    let service = crate::support::service::Service::start(&[("DATABASE_URL", url)]).await;
    for reply in [service.get("/hello/Ana").await, service.put("Ana", "1990-12-31").await] {
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(reply.header("retry-after"), "1");
        assert_eq!(reply.problem(), "database-unavailable");
        assert!(!reply.body.contains("127.0.0.1") && !reply.body.contains("nobody"), "{}", reply.body);
    }
    for path in ["/health/ready", "/health/deep"] {
        let reply = service.get(path).await;
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (StatusCode::SERVICE_UNAVAILABLE, "1"),
            "{path}"
        );
    }
    assert_eq!(service.get("/health").await.status, StatusCode::OK);
    let bad = service.put("Ana", "2024-02-30").await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST, "what is wrong in itself needs no database");
}
