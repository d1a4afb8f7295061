//! The administrators' calls: who may, what they do, and pages that stay stable.

use std::collections::BTreeMap;

use hyper::{Method, StatusCode};

use crate::support::backend::{Backend, on_both_stores};
use crate::support::http::percent_encode;
use crate::support::http::{self, Reply};
use crate::support::service::{ADMIN_TOKEN, Service};

on_both_stores![
    a_user_is_deleted_once,
    pages_list_all_users_in_the_order_of_their_bytes,
    pages_stay_stable_while_others_write,
];

/// The page at a path, with its users by name.
async fn page(service: &Service, path: &str) -> (Vec<String>, Option<String>) {
    let reply = service.administer(Method::GET, path).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    let document = reply.json();
    let users = document["users"].as_array().unwrap();
    let names = users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect();
    let next = document["next"].as_str().map(str::to_owned);
    let link = reply.header("link").to_owned();
    let path_of_next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    assert_eq!(next.is_some(), path_of_next.is_some(), "{link}");
    if let (Some(next), Some(path)) = (&next, path_of_next) {
        assert!(path.starts_with(&format!("/users?after={next}&limit=")), "{link}");
    }
    (names, path_of_next.map(str::to_owned))
}

async fn every_page(service: &Service, first: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(path) = next {
        let (names, path_of_next) = page(service, &path).await;
        pages.push(names);
        next = path_of_next;
    }
    pages
}

fn name(number: usize) -> String {
    let letters = [number / 26, number % 26].map(|letter| char::from(b'a' + u8::try_from(letter).unwrap()));
    format!("User{}{}", letters[0], letters[1])
}

async fn a_user_is_deleted_once(backend: Backend) {
    let service = backend.start().await;
    service.put("Ana", "1990-12-31").await;
    service.put("Zo%C3%AB", "1990-12-31").await;
    for path in ["/hello/Ana", "/hello/Zoe%CC%88"] {
        let deleted = service.administer(Method::DELETE, path).await;
        assert_eq!((deleted.status, deleted.body.as_str()), (StatusCode::NO_CONTENT, ""), "{path}");
        let again = service.administer(Method::DELETE, path).await;
        assert_eq!((again.status, again.problem().as_str()), (StatusCode::NOT_FOUND, "user-not-found"));
        assert_eq!(service.get(path).await.status, StatusCode::NOT_FOUND);
    }
    let bad = service.administer(Method::DELETE, "/hello/1").await;
    assert_eq!((bad.status, bad.problem().as_str()), (StatusCode::BAD_REQUEST, "invalid-username"));
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED, "it is new again");
}

async fn pages_list_all_users_in_the_order_of_their_bytes(backend: Backend) {
    let service = backend.start().await;
    assert_eq!(page(&service, "/users").await, (Vec::new(), None));
    let users = BTreeMap::from([
        ("Ana", "1990-12-31"),
        ("Zoe", "1991-01-01"),
        ("ana", "1992-02-29"),
        ("Ébo", "2000-01-01"),
    ]);
    for (name, date) in users.iter().rev() {
        let encoded = percent_encode(name);
        service.put(&encoded, date).await;
    }
    let all = service.administer(Method::GET, "/users").await;
    let expected: Vec<_> =
        users.iter().map(|(name, date)| serde_json::json!({"username": name, "dateOfBirth": date})).collect();
    assert_eq!(all.json(), serde_json::json!({"users": expected, "next": null}));
    assert_eq!((all.header("content-type"), all.header("link")), ("application/json", ""));
    let pages = every_page(&service, "/users?limit=1").await;
    assert_eq!(pages, [["Ana"], ["Zoe"], ["ana"], ["Ébo"]]);
    // Exactly as many as asked for are the last page.
    assert_eq!(every_page(&service, "/users?limit=4").await.len(), 1);
    assert_eq!(every_page(&service, "/users?x=1&limit=3").await.len(), 2);
}

async fn pages_stay_stable_while_others_write(backend: Backend) {
    let service = backend.start().await;
    // Every second name is there from the beginning, and stays.
    let stay: Vec<String> = (0..60).step_by(2).map(name).collect();
    for user in &stay {
        service.put(user, "1990-12-31").await;
    }
    let writer = async {
        for number in (1..60).step_by(2).cycle() {
            let user = name(number);
            service.put(&user, "1990-12-31").await;
            service.put(&name(number - 1), "1991-01-01").await;
            service.administer(Method::DELETE, &format!("/hello/{user}")).await;
        }
    };
    let reader = async {
        for _ in 0..5 {
            let listed = every_page(&service, "/users?limit=7").await.concat();
            assert!(listed.is_sorted(), "{listed:?}");
            let kept: Vec<&String> = listed.iter().filter(|user| stay.contains(user)).collect();
            assert!(kept.iter().copied().eq(stay.iter()), "{listed:?}");
        }
    };
    tokio::select! {
        () = writer => unreachable!("it writes for ever"),
        () = reader => {}
    }
}

#[tokio::test]
async fn a_page_has_a_hundred_users_where_nothing_else_is_asked_for() {
    let service = Backend::Sqlite.start().await;
    for number in 0..101 {
        service.put(&name(number), "1990-12-31").await;
    }
    let lengths: Vec<usize> = every_page(&service, "/users").await.iter().map(Vec::len).collect();
    assert_eq!(lengths, [100, 1]);
    assert_eq!(page(&service, "/users?limit=1000").await.0.len(), 101);
}

#[tokio::test]
async fn no_cache_keeps_what_tells_of_people() {
    let service = Backend::Sqlite.start().await;
    for path in ["/users", "/users?limit=0"] {
        let reply = service.administer(Method::GET, path).await;
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn a_damaged_cursor_or_limit_is_400() {
    let service = Backend::Sqlite.start().await;
    for (query, kind) in [
        ("after=", "invalid-cursor"),
        ("after=*", "invalid-cursor"),
        ("after=QQ==", "invalid-cursor"),
        ("after=MQ", "invalid-cursor"),
        ("after=_w", "invalid-cursor"),
        ("after=%00", "invalid-cursor"),
        ("after=QW5h&after=QW5h", "invalid-cursor"),
        ("limit=0", "invalid-limit"),
        ("limit=1001", "invalid-limit"),
        ("limit=-1", "invalid-limit"),
        ("limit=", "invalid-limit"),
        ("limit=ten", "invalid-limit"),
        ("limit=1.0", "invalid-limit"),
        ("limit=1&limit=1", "invalid-limit"),
    ] {
        let reply = service.administer(Method::GET, &format!("/users?{query}")).await;
        assert_eq!((reply.status, reply.problem().as_str()), (StatusCode::BAD_REQUEST, kind), "{query}");
    }
}

/// The two calls on the private listener, with these headers.
async fn both_calls(service: &Service, headers: &[(&str, &str)]) -> [Reply; 2] {
    let address = service.private_address;
    [
        http::send(address, Method::GET, "/users", headers, "").await,
        http::send(address, Method::DELETE, "/hello/Ana", headers, "").await,
    ]
}

#[tokio::test]
async fn without_the_right_token_the_calls_are_401() {
    let service = Backend::Sqlite.start().await;
    service.put("Ana", "1990-12-31").await;
    let right = format!("Bearer {ADMIN_TOKEN}");
    let longer = format!("Bearer {ADMIN_TOKEN}x");
    let basic = format!("Basic {ADMIN_TOKEN}");
    let shorter = &right[..right.len() - 1];
    for sent in ["", "Bearer", "Bearer ", "Bearer wrong", ADMIN_TOKEN, &longer, shorter, &basic] {
        let headers = if sent.is_empty() { vec![] } else { vec![("authorization", sent)] };
        for reply in both_calls(&service, &headers).await {
            assert_eq!(
                (reply.status, reply.problem().as_str()),
                (StatusCode::UNAUTHORIZED, "unauthorized"),
                "{sent}"
            );
            assert!(reply.header("www-authenticate").starts_with("Bearer"), "{sent}");
        }
    }
    // With two headers nobody knows which one a proxy in front has looked at.
    for headers in [[right.as_str(), "Bearer wrong"], ["Bearer wrong", right.as_str()]] {
        for reply in both_calls(&service, &headers.map(|value| ("authorization", value))).await {
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{headers:?}");
        }
    }
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::OK, "nothing was deleted");
    let lower = format!("bearer  {ADMIN_TOKEN}");
    let [users, deleted] = both_calls(&service, &[("authorization", &lower)]).await;
    assert_eq!((users.status, deleted.status), (StatusCode::OK, StatusCode::NO_CONTENT));
}

#[tokio::test]
async fn without_a_configured_token_the_calls_do_not_exist() {
    let service = Backend::Sqlite.start_with(&[("ADMIN_TOKEN", "")]).await;
    for token in ["", "Bearer ", "Bearer x"] {
        for reply in both_calls(&service, &[("authorization", token)]).await {
            assert_eq!(
                (reply.status, reply.problem().as_str()),
                (StatusCode::NOT_FOUND, "not-found"),
                "{token}"
            );
            assert_eq!(reply.header("www-authenticate"), "");
        }
    }
    let metrics = http::send(service.private_address, Method::GET, "/metrics", &[], "").await;
    assert_eq!(metrics.status, StatusCode::OK);
}

#[tokio::test]
async fn the_public_listener_has_no_administrators_calls() {
    let service = Backend::Sqlite.start().await;
    service.put("Ana", "1990-12-31").await;
    let token = format!("Bearer {ADMIN_TOKEN}");
    let headers = [("authorization", token.as_str())];
    let deleted = service.send(Method::DELETE, "/hello/Ana", &headers, "").await;
    assert_eq!(deleted.status, StatusCode::METHOD_NOT_ALLOWED);
    for path in ["/users", "/metrics"] {
        assert_eq!(
            service.send(Method::GET, path, &headers, "").await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_private_listener_knows_methods_too() {
    let service = Backend::Sqlite.start().await;
    for (path, allow) in [
        ("/users", "GET, HEAD, OPTIONS"),
        ("/hello/Ana", "DELETE, OPTIONS"),
        ("/metrics", "GET, HEAD, OPTIONS"),
        ("/health/ready", "GET, HEAD, OPTIONS"),
    ] {
        let options = service.administer(Method::OPTIONS, path).await;
        assert_eq!((options.status, options.header("allow")), (StatusCode::NO_CONTENT, allow), "{path}");
        let refused = service.administer(Method::POST, path).await;
        assert_eq!(
            (refused.status, refused.header("allow")),
            (StatusCode::METHOD_NOT_ALLOWED, allow),
            "{path}"
        );
    }
    assert_eq!(service.administer(Method::GET, "/").await.status, StatusCode::NOT_FOUND);
    assert_eq!(service.administer(Method::GET, "/hello/Ana").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let head = service.administer(Method::HEAD, "/users").await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
}
