//! What operators see: request ids, traces, log lines without personal data, metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hello_testkit::{Poll, wait_until};
use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::support::backend::{Backend, on_both_stores};
use crate::support::service::{ADMIN_TOKEN, Service};

on_both_stores![
    an_answers_request_id_is_in_its_log_line,
    no_personal_data_and_no_secret_is_logged,
    metrics_have_the_names_that_dashboards_use,
    every_read_and_write_is_in_a_batch_that_is_measured,
];

/// The log line of the request with this id.
async fn log_line(service: &Service, id: &str) -> Value {
    let line = service.process.wait_for_line(Duration::from_secs(60), |line| line.contains(id)).await;
    serde_json::from_str(&line).unwrap()
}

async fn an_answers_request_id_is_in_its_log_line(backend: Backend) {
    let service = backend.start().await;
    let created = service.put("Ana", "1990-12-31").await;
    let line = log_line(&service, created.header("x-request-id")).await;
    assert_eq!(line["method"], "PUT");
    assert_eq!(line["route"], "/hello/{username}");
    assert_eq!(line["status"], 201);
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(line.get("trace_id"), None);

    let own = [("x-request-id", "id-of-the-client")];
    let reply = service.send(Method::GET, "/nowhere", &own, "").await;
    assert_eq!(reply.header("x-request-id"), "id-of-the-client");
    let line = log_line(&service, "id-of-the-client").await;
    assert_eq!((&line["route"], &line["status"]), (&"unmatched".into(), &404.into()));
}

#[tokio::test]
async fn a_traceparent_is_honoured_if_it_is_valid() {
    let service = Backend::Sqlite.start().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let valid = format!("00-{trace}-00f067aa0ba902b7-01");
    let reply = service.send(Method::GET, "/health", &[("traceparent", &valid)], "").await;
    assert_eq!(log_line(&service, reply.header("x-request-id")).await["trace_id"], trace);
    let invalid = format!("00-{trace}-0000000000000000-01");
    let reply = service.send(Method::GET, "/health", &[("traceparent", &invalid)], "").await;
    assert_eq!(log_line(&service, reply.header("x-request-id")).await.get("trace_id"), None);
}

#[tokio::test]
async fn a_request_id_that_could_do_harm_is_replaced() {
    let service = Backend::Sqlite.start().await;
    let long = "a".repeat(65);
    for bad in ["a b", "a\"b", "a;b", "a{b}", long.as_str()] {
        let reply = service.send(Method::GET, "/health", &[("x-request-id", bad)], "").await;
        let id = reply.header("x-request-id");
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{bad}: {id}");
    }
}

async fn no_personal_data_and_no_secret_is_logged(backend: Backend) {
    let service = backend.start_with(&[("HELLO_LOG", "trace")]).await;
    let (name, date) = ("Rumpelstilzchen", "1987-06-05");
    assert_eq!(service.put(name, date).await.status, StatusCode::CREATED);
    assert_eq!(service.put(name, date).await.status, StatusCode::NO_CONTENT);
    let path = format!("/hello/{name}");
    assert_eq!(service.get(&path).await.status, StatusCode::OK);
    service.put(&format!("{name}1"), date).await;
    service.put(name, &format!("{date}T00:00")).await;
    service.send(Method::from_bytes(name.as_bytes()).unwrap(), &path, &[], "").await;
    service.get(&format!("/{name}?{name}={date}")).await;
    service.get(&format!("{path}?tz={name}")).await;
    service.administer(Method::GET, "/users").await;
    assert_eq!(service.administer(Method::DELETE, &path).await.status, StatusCode::NO_CONTENT);
    let last = service.get("/health").await;
    log_line(&service, last.header("x-request-id")).await;
    for (stream, line) in service.process.output() {
        for secret in [name, date, ADMIN_TOKEN, "key that all instances of the tests share"] {
            assert!(!line.contains(secret), "{stream:?}: {line}");
        }
    }
}

/// The samples of a text in Prometheus' format, and the names with a type. A line that is neither fails the test.
fn parse_metrics(text: &str) -> (BTreeMap<String, f64>, BTreeSet<String>) {
    let (mut samples, mut types) = (BTreeMap::new(), BTreeSet::new());
    assert!(text.ends_with('\n'), "the last line ends too");
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            match words[..] {
                ["HELP", _, help] => assert!(!help.is_empty(), "{line}"),
                ["TYPE", name, "counter" | "gauge" | "histogram"] => {
                    assert!(types.insert(name.to_owned()), "declared once: {line}");
                }
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let name = series.split('{').next().unwrap();
        let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':');
        assert!(is_name(name), "{line}");
        if let Some(labels) = series[name.len()..].strip_prefix('{') {
            let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
            for label in labels.split("\",") {
                let (label, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
                assert!(is_name(label) && !value.contains('\\'), "{line}");
            }
        }
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        assert!(
            types.contains(name) || family.is_some_and(|family| types.contains(family)),
            "no type: {line}"
        );
        assert!(samples.insert(series.to_owned(), value).is_none(), "given twice: {line}");
    }
    (samples, types)
}

async fn metrics_have_the_names_that_dashboards_use(backend: Backend) {
    let service = backend.start().await;
    service.put("Ana", "1990-12-31").await;
    for _ in 0..3 {
        service.get("/hello/Ana").await;
    }
    service.get("/hello/Ben").await;
    let reply = service.administer(Method::GET, "/metrics").await;
    assert!(reply.header("content-type").starts_with("text/plain; version=0.0.4"), "{reply:?}");
    let (samples, types) = parse_metrics(&reply.body);
    for name in [
        "hello_http_requests_total",
        "hello_http_request_duration_seconds",
        "hello_connections",
        "hello_log_lines_dropped_total",
        "hello_build_info",
        "hello_batch_size",
        "hello_queue_depth",
        "hello_queue_rejected_total",
        "process_start_time_seconds",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        assert!(types.contains(name), "{name} is missing:\n{}", reply.body);
    }
    if backend == Backend::Postgres {
        for name in ["hello_writer_timeline", "hello_db_connections"] {
            assert!(types.contains(name), "{name} is missing:\n{}", reply.body);
        }
    }
    let requests = |method: &str, status: u16| {
        let found = samples.iter().find(|(series, _)| {
            series.starts_with("hello_http_requests_total{")
                && series.contains(&format!("method=\"{method}\""))
                && series.contains("route=\"/hello/{username}\"")
                && series.contains(&format!("status=\"{status}\""))
        });
        found.map_or(0.0, |(_, value)| *value)
    };
    let counted = [requests("PUT", 201), requests("GET", 200), requests("GET", 404)];
    assert!(
        counted.iter().zip([1.0, 3.0, 1.0]).all(|(a, b)| (a - b).abs() < 0.1),
        "{counted:?}\n{}",
        reply.body
    );
    assert!(!reply.body.contains("Ana"), "no name is a label");
}

async fn every_read_and_write_is_in_a_batch_that_is_measured(backend: Backend) {
    let service = backend.start().await;
    for name in ["Ana", "Ben", "Cem"] {
        assert_eq!(service.put(name, "1990-12-31").await.status, StatusCode::CREATED);
        service.get(&format!("/hello/{name}")).await;
        service.get(&format!("/hello/{name}")).await;
    }
    let deleted = service.administer(Method::DELETE, "/hello/Ana").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let reply = service.administer(Method::GET, "/metrics").await;
    let (samples, _) = parse_metrics(&reply.body);
    for (operation, requests) in [("read", 6.0), ("write", 4.0)] {
        let sample = |name: &str| samples[&format!("{name}{{operation=\"{operation}\"}}")];
        // One after the other, so each was alone.
        let measured = [sample("hello_batch_size_sum"), sample("hello_batch_size_count")];
        assert!(measured.iter().all(|value| (value - requests).abs() < 0.1), "{operation}: {measured:?}");
        let waiting = [sample("hello_queue_depth"), sample("hello_queue_rejected_total")];
        assert!(waiting.iter().all(|value| *value < 0.1), "{operation}: {waiting:?}");
    }
}

#[tokio::test]
async fn what_clients_make_up_adds_no_series() {
    let service = Backend::Sqlite.start().await;
    let count = async || {
        let reply = service.administer(Method::GET, "/metrics").await;
        parse_metrics(&reply.body).0.len()
    };
    let method = |letter: char| Method::from_bytes(format!("MADEUP{letter}").as_bytes()).unwrap();
    service.get("/nowhere/a").await;
    service.send(method('A'), "/hello/Ana", &[], "").await;
    count().await;
    let before = count().await;
    for letter in 'b'..'m' {
        service.get(&format!("/nowhere/{letter}")).await;
        service.send(method(letter), &format!("/hello/{letter}"), &[], "").await;
    }
    assert_eq!(count().await, before);
}

#[tokio::test]
async fn open_connections_are_counted_up_and_down() {
    let service = Backend::Sqlite.start().await;
    let connections = async || {
        let reply = service.administer(Method::GET, "/metrics").await;
        parse_metrics(&reply.body).0["hello_connections"]
    };
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(tokio::net::TcpStream::connect(service.address).await.unwrap());
    }
    let wait_for = async |wanted: f64| {
        wait_until("the connections are counted", Duration::from_secs(60), async || {
            let counted = connections().await;
            Poll::ready_if((counted - wanted).abs() < 0.1, counted)
        })
        .await;
    };
    // One more asks.
    wait_for(6.0).await;
    drop(open);
    wait_for(1.0).await;
}
