//! The load generator against a server of a few lines that answers rightly, wrongly, or not at all.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use super::*;

/// Loads a server whose connections are each handled by `handle`.
fn outcome_with(handle: fn(TcpStream), case: &str) -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let case: Case = case.parse().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(usize::from(case.connections)) {
            std::thread::spawn(move || handle(stream.unwrap()));
        }
    });
    let plan = Plan {
        address,
        case,
        users: 1000,
        threads: 2,
        warm_up: Duration::from_millis(20),
        duration: Duration::from_millis(200),
        seed: 1,
    };
    run(&plan, || {}).unwrap()
}

/// Answers each request with what `answer` makes of its first line.
fn serve(mut stream: TcpStream, answer: fn(&str) -> String) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let request = String::from_utf8_lossy(&buffer[..count]).into_owned();
        if stream.write_all(answer(request.lines().next().unwrap()).as_bytes()).is_err() {
            return;
        }
    }
}

fn greeting(line: &str) -> String {
    let Some(username) = line.strip_prefix("GET /hello/").and_then(|rest| rest.strip_suffix(" HTTP/1.1"))
    else {
        return "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
    };
    let body = format!("{{\"message\":\"Hello, {username}! Happy birthday!\"}}");
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn right_answers_are_counted_and_none_is_an_error() {
    for case in ["read:3", "write:3", "mixed:3"] {
        let outcome = outcome_with(|stream| serve(stream, greeting), case);
        assert_eq!((outcome.errors, outcome.first_error), (0, None), "{case}");
        assert!(outcome.answers > 0, "{case}");
        assert_eq!(outcome.answers, outcome.latency.len());
    }
}

#[test]
fn a_greeting_for_someone_else_is_an_error() {
    let outcome =
        outcome_with(|stream| serve(stream, |_| greeting("GET /hello/somebody HTTP/1.1")), "read:2");
    assert_eq!(outcome.answers, 0);
    assert!(outcome.errors > 0);
    assert!(outcome.first_error.unwrap().contains("Hello, somebody!"));
}

#[test]
fn another_status_is_an_error() {
    let outcome = outcome_with(
        |stream| {
            serve(stream, |_| "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy".to_owned());
        },
        "read:2",
    );
    assert_eq!(outcome.answers, 0);
    assert_eq!(outcome.first_error.unwrap(), "503 busy");
}

#[test]
fn a_connection_closed_instead_of_an_answer_is_an_error() {
    let outcome = outcome_with(
        |mut stream| {
            let _ = stream.read(&mut [0; 1024]);
        },
        "read:2",
    );
    assert_eq!((outcome.answers, outcome.errors), (0, 2));
    assert!(outcome.first_error.unwrap().contains("closed the connection"));
}
