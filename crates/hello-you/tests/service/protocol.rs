//! Bytes that no client library sends: what the service makes of them, and of clients that are slow, silent or many.

use std::time::{Duration, Instant};

use hello_testkit::{Poll, next_random, wait_until};
use hyper::{Method, StatusCode};

use crate::support::backend::Backend;
use crate::support::http;
use crate::support::raw::Raw;

const GET_HEALTH: &str = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
const BODY: &str = r#"{"dateOfBirth":"1990-12-31"}"#;

/// A `PUT` of Ana with these header lines and this body, exactly as they are.
fn put(headers: &str, body: &str) -> String {
    format!("PUT /hello/Ana HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{headers}\r\n{body}")
}

fn length(body: &str) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

#[tokio::test]
async fn requests_of_doubtful_meaning_are_400_and_end_the_connection() {
    let service = Backend::Sqlite.start().await;
    let five = "Content-Length: 5\r\n";
    let chunked = format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len());
    for (request, kind) in [
        ("GET /health HTTP/1.1\r\n\r\n".to_owned(), "missing-host"),
        ("GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(), "missing-host"),
        ("GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), "missing-host"),
        (put(&format!("{five}{five}"), "hello"), "ambiguous-length"),
        (put("Content-Length: 5, 5\r\n", "hello"), ""),
        (put("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"), ""),
        (put("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "ambiguous-length"),
        (put("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), "ambiguous-length"),
        (put(&format!("Content-Length:{}5\r\n", " ".repeat(60)), "hello"), "ambiguous-length"),
        (put("Content-Length: +5\r\n", "hello"), ""),
        (put("Content-Length: -1\r\n", ""), ""),
        (put("Content-Length: 99999999999999999999999\r\n", ""), ""),
        (put("Content-Length : 5\r\n", "hello"), ""),
        (put("Content-Length:\r\n 5\r\n", "hello"), ""),
        (put("Transfer-Encoding: gzip\r\n", "hello"), ""),
        (put("Transfer-Encoding: gzip, chunked\r\n", &chunked), "ambiguous-length"),
        (put("Transfer-Encoding: chunked, chunked\r\n", &chunked), "ambiguous-length"),
        (put("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", &chunked), "ambiguous-length"),
        (put(&format!("Transfer-Encoding:{}chunked\r\n", " ".repeat(60)), &chunked), "ambiguous-length"),
        (put("Transfer-Encoding: chunked, gzip\r\n", "hello"), ""),
    ] {
        let mut connection = Raw::connect(service.address).await;
        connection.send(&request).await;
        let reply = connection.reply().await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, kind), "{request:?}: {reply:?}");
        assert!(reply.has_line("connection: close"), "{request:?}: {reply:?}");
        // A request smuggled behind it must find nobody.
        connection.send(GET_HEALTH).await;
        connection.wait_closed().await;
    }
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::NOT_FOUND, "nothing was stored");
}

#[tokio::test]
async fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
    let service = Backend::Sqlite.start().await;
    for (host, status) in [
        ("a", 200),
        ("", 200),
        ("example.org:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:8080", 200),
        ("my_service.internal", 200),
        ("a b", 400),
        ("a/b", 400),
        ("user@a", 400),
        ("a, b", 400),
        ("http://a", 400),
        ("[::1", 400),
        ("[::1]x", 400),
        ("[a]", 400),
        ("[::1]:", 200),
        ("a:", 200),
        ("a:b", 400),
        ("a:80x", 400),
        ("a:80:80", 400),
        (":80", 400),
        ("a?b", 400),
        ("\u{eb}", 400),
    ] {
        let mut connection = Raw::connect(service.address).await;
        connection.send(format!("GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let reply = connection.reply().await;
        assert_eq!(reply.status, status, "{host:?}");
        if status == 400 {
            assert_eq!(reply.problem(), "invalid-host", "{host:?}");
            connection.wait_closed().await;
        }
    }
}

#[tokio::test]
async fn a_smuggled_request_in_a_body_is_a_body() {
    let service = Backend::Sqlite.start().await;
    let mut connection = Raw::connect(service.address).await;
    let inner = put(&length(BODY), BODY);
    connection.send(put(&length(&inner), &inner)).await;
    assert_eq!(connection.reply().await.status, 400);
    connection.send(GET_HEALTH).await;
    assert_eq!(connection.reply().await.status, 200);
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_chunked_body_is_taken_and_limited() {
    let service = Backend::Sqlite.start().await;
    let chunked = |body: &str| put("Transfer-Encoding: chunked\r\n", body);
    let pieces: Vec<String> = BODY.chars().map(|character| format!("1;x=y\r\n{character}\r\n")).collect();
    let pieces = pieces.concat();
    let over = format!("1001\r\n{}\r\n0\r\n\r\n", " ".repeat(0x1001));
    for (body, status, kind) in [
        (format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len()), 201, ""),
        (format!("{pieces}0\r\nTrailer: x\r\n\r\n"), 204, ""),
        (over, 413, "body-too-large"),
        ("zz\r\n".to_owned(), 400, "incomplete-body"),
        ("5\r\nhelloXX".to_owned(), 400, "incomplete-body"),
        ("ffffffffffffffffff\r\n".to_owned(), 400, "incomplete-body"),
    ] {
        let mut connection = Raw::connect(service.address).await;
        connection.send(chunked(&body)).await;
        let reply = connection.reply().await;
        assert_eq!((reply.status, reply.problem().as_str()), (status, kind), "{body:?}");
        connection.wait_closed().await;
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let service = Backend::Sqlite.start().await;
    let mut connection = Raw::connect(service.address).await;
    let get = "GET /hello/Ana HTTP/1.1\r\nHost: a\r\n\r\n";
    let bad = put(&length("{}"), "{}");
    connection.send(format!("{get}{}{get}\r\n{bad}{GET_HEALTH}", put(&length(BODY), BODY))).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(connection.reply().await.status);
    }
    assert_eq!(statuses, [404, 201, 200, 400, 200]);
    // A hundred at once, byte by byte in places where it hurts.
    let many = GET_HEALTH.repeat(100);
    let (first, rest) = many.split_at(GET_HEALTH.len() * 3 + 5);
    connection.send(first).await;
    connection.send(rest).await;
    for _ in 0..100 {
        assert_eq!(connection.reply().await.status, 200);
    }
}

#[tokio::test]
async fn a_request_byte_by_byte_is_understood() {
    let service = Backend::Sqlite.start().await;
    let mut connection = Raw::connect(service.address).await;
    for byte in put(&length(BODY), BODY).bytes() {
        connection.send([byte]).await;
    }
    assert_eq!(connection.reply().await.status, 201);
}

#[tokio::test]
async fn other_forms_of_a_request_are_understood() {
    let service = Backend::Sqlite.start().await;
    service.put("Ana", "1990-12-31").await;
    for (request, status) in [
        ("GET http://example.org/hello/Ana HTTP/1.1\r\nHost: example.org\r\n\r\n", 200),
        ("GET /hello/Ana?tz=UTC HTTP/1.1\r\nhOST: a\r\n\r\n", 200),
        ("\r\n\r\nGET /hello/Ana HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET /hello/Ana HTTP/1.1\nHost: a\n\n", 200),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("GET /hello/Ana HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 200),
    ] {
        let mut connection = Raw::connect(service.address).await;
        connection.send(request).await;
        assert_eq!(connection.reply().await.status, status, "{request:?}");
    }
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed_unless_it_asks_to_stay() {
    let service = Backend::Sqlite.start().await;
    let mut connection = Raw::connect(service.address).await;
    connection.send("GET /health HTTP/1.0\r\n\r\n").await;
    assert_eq!(connection.reply().await.status, 200);
    connection.wait_closed().await;
    let mut connection = Raw::connect(service.address).await;
    for _ in 0..2 {
        connection.send("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
        assert_eq!(connection.reply().await.status, 200);
    }
}

#[tokio::test]
async fn connection_close_is_honoured() {
    let service = Backend::Sqlite.start().await;
    let mut connection = Raw::connect(service.address).await;
    connection.send("GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(connection.reply().await.status, 200);
    connection.wait_closed().await;
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let service = Backend::Sqlite.start().await;
    let with = |headers: &str| format!("GET /health HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    let lines = |count: usize| "X: y\r\n".repeat(count);
    for (request, status) in [
        (with(&format!("X: {}\r\n", "y".repeat(12_000))), 200),
        (with(&format!("X: {}\r\n", "y".repeat(17_000))), 431),
        (with(&format!("X: {}\r\n", "y".repeat(100_000))), 431),
        (with(&lines(99)), 200),
        (with(&lines(101)), 431),
        (with(&lines(2000)), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(12_000)), 404),
    ] {
        let mut connection = Raw::connect(service.address).await;
        connection.send(&request).await;
        let reply = connection.reply().await;
        assert_eq!(reply.status, status, "{} bytes", request.len());
        if status == 431 {
            connection.wait_closed().await;
        }
    }
    // A path of 100,000 bytes gets an answer too, whichever limit it meets first.
    let mut connection = Raw::connect(service.address).await;
    connection.send(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(100_000))).await;
    let status = connection.reply().await.status;
    assert!(matches!(status, 414 | 431), "{status}");
}

#[tokio::test]
async fn garbage_ends_its_connection_and_no_other() {
    let service = Backend::Sqlite.start().await;
    let mut innocent = Raw::connect(service.address).await;
    innocent.send(GET_HEALTH).await;
    assert_eq!(innocent.reply().await.status, 200);
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET  /health HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /hea lth HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"GET /hello/A\x00na HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x00\x00\x00\x00\r\n\r\n",
        b"GET /health HTTP/1.1\r\n Host: a\r\n\r\n",
    ] {
        let mut connection = Raw::connect(service.address).await;
        connection.send(garbage).await;
        if let Some(reply) = connection.next_reply().await {
            assert_eq!(reply.status, 400, "{garbage:?}");
            connection.wait_closed().await;
        }
    }
    innocent.send(GET_HEALTH).await;
    assert_eq!(innocent.reply().await.status, 200);
}

#[tokio::test]
async fn bytes_in_a_path_that_are_no_text_are_400() {
    let service = Backend::Sqlite.start().await;
    for path in [&b"%zz"[..], b"%00", b"%FF", b"A%", b"\xff", b"A\xc3", b"\xed\xa0\x80"] {
        let mut connection = Raw::connect(service.address).await;
        connection.send([b"GET /hello/", path, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat()).await;
        let reply = connection.reply().await;
        assert_eq!(reply.status, 400, "{path:?}");
    }
    // Some clients send UTF-8 as it is.
    let mut connection = Raw::connect(service.address).await;
    connection.send("GET /hello/Zo\u{eb} HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(connection.reply().await.problem(), "user-not-found");
}

#[tokio::test]
async fn expect_continue_is_answered_before_the_body_and_only_where_one_is_wanted() {
    let service = Backend::Sqlite.start().await;
    let expect = |length: usize| put(&format!("Content-Length: {length}\r\nExpect: 100-continue\r\n"), "");
    let mut connection = Raw::connect(service.address).await;
    connection.send(expect(BODY.len())).await;
    assert_eq!(connection.reply().await.status, 100);
    connection.send(BODY).await;
    assert_eq!(connection.reply().await.status, 201);
    let mut connection = Raw::connect(service.address).await;
    connection.send(expect(5000)).await;
    assert_eq!(connection.reply().await.status, 413, "no body is asked for that is refused anyway");
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_leaves_nothing_behind() {
    let service = Backend::Sqlite.start().await;
    let whole = put(&length(BODY), BODY);
    for cut in [1, 20, whole.len() - BODY.len(), whole.len() - 1] {
        let mut connection = Raw::connect(service.address).await;
        connection.send(&whole[..cut]).await;
        drop(connection);
    }
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::NOT_FOUND);
    wait_until("their connections are gone", Duration::from_secs(60), async || {
        let metrics = service.administer(Method::GET, "/metrics").await.body;
        let line = metrics.lines().find(|line| line.starts_with("hello_connections ")).unwrap().to_owned();
        Poll::ready_if(line == "hello_connections 1", line)
    })
    .await;
}

#[tokio::test]
async fn slow_and_silent_clients_are_cut_after_ten_seconds() {
    let service = Backend::Sqlite.start().await;
    let address = service.address;
    // Kept alive and idle: stays, while all the others go.
    let mut idle = Raw::connect(address).await;
    idle.send(GET_HEALTH).await;
    assert_eq!(idle.reply().await.status, 200);

    let began = Instant::now();
    let slow_head = async {
        let mut connection = Raw::connect(address).await;
        connection.send("GET /health HTTP/1.1\r\n").await;
        connection.wait_closed().await;
        began.elapsed()
    };
    let pipelined_slow_head = async {
        let mut connection = Raw::connect(address).await;
        connection.send(format!("{GET_HEALTH}GET /hea")).await;
        assert_eq!(connection.reply().await.status, 200);
        connection.wait_closed().await;
        began.elapsed()
    };
    let slow_body = async {
        let mut connection = Raw::connect(address).await;
        connection.send(put("Content-Length: 100\r\n", "{")).await;
        let reply = connection.reply().await;
        assert_eq!((reply.status, reply.problem().as_str()), (408, "request-timeout"));
        connection.wait_closed().await;
        began.elapsed()
    };
    let never_reads = async {
        let mut connection = Raw::connect(address).await;
        connection.send_until_refused(&GET_HEALTH.repeat(1000)).await;
        began.elapsed()
    };
    let (head, pipelined, body, unread) =
        tokio::join!(slow_head, pipelined_slow_head, slow_body, never_reads);
    for (what, took) in [("head", head), ("pipelined head", pipelined), ("body", body)] {
        assert!(took >= Duration::from_secs(9), "{what}: {took:?}");
    }
    println!("who never reads is cut after {unread:?}");

    idle.send(GET_HEALTH).await;
    assert_eq!(idle.reply().await.status, 200, "idle for {:?}", began.elapsed());
}

#[tokio::test]
async fn beyond_the_limit_of_connections_a_new_one_waits_for_its_turn() {
    let service = Backend::Sqlite.start_with(&[("HELLO_MAX_CONNECTIONS", "2")]).await;
    let mut first = Raw::connect(service.address).await;
    let mut second = Raw::connect(service.address).await;
    for connection in [&mut first, &mut second] {
        connection.send(GET_HEALTH).await;
        assert_eq!(connection.reply().await.status, 200);
    }
    let mut third = Raw::connect(service.address).await;
    third.send(GET_HEALTH).await;
    for _ in 0..20 {
        let private = http::send(service.private_address, Method::GET, "/metrics", &[], "").await;
        assert_eq!(private.status, StatusCode::OK, "the private listener has a limit of its own");
        first.send(GET_HEALTH).await;
        assert_eq!(first.reply().await.status, 200);
        assert!(third.has_nothing_to_read(), "the third waits");
    }
    drop(second);
    assert_eq!(third.reply().await.status, 200);
}

#[tokio::test]
async fn requests_with_bytes_changed_at_random_harm_nobody() {
    let service = Backend::Sqlite.start().await;
    let mut random = 20_261_124;
    let mut below = |limit: usize| usize::try_from(next_random(&mut random) % limit as u64).unwrap();
    let chunked = put("Transfer-Encoding: chunked\r\n", &format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len()));
    let originals = [GET_HEALTH.to_owned(), put(&length(BODY), BODY), chunked, GET_HEALTH.repeat(3)];
    for number in 0..1_000 {
        let mut bytes = originals[number % originals.len()].clone().into_bytes();
        for _ in 0..=below(4) {
            let Some(last) = bytes.len().checked_sub(1) else { break };
            let at = below(last + 1);
            match below(4) {
                0 => bytes[at] = u8::try_from(below(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"\r\n :,;%\0\xff"[below(9)]),
                _ => bytes.truncate(at),
            }
        }
        let mut connection = Raw::connect(service.address).await;
        connection.send(&bytes).await;
        connection.end().await;
        while let Some(reply) = connection.next_reply().await {
            let text = String::from_utf8_lossy(&bytes);
            assert!((100..500).contains(&reply.status) || reply.status == 505, "{text:?}: {reply:?}");
        }
    }
    assert_eq!(service.get("/health").await.status, StatusCode::OK);
    let said = service.process.output();
    let alarming = said.iter().find(|(_, line)| line.contains("panicked") || line.contains("\"ERROR\""));
    assert!(alarming.is_none(), "{alarming:?}");
}
