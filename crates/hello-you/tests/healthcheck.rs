//! `healthcheck` against real listeners that answer in every way a service can.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::process::{Command, Output};
use std::thread::{self, JoinHandle};

/// A listener that reads one request, answers with these bytes and keeps the connection open until the client closes it.
struct Listener {
    port: u16,
    /// Ends with the head of the request.
    thread: JoinHandle<String>,
}

impl Listener {
    fn answering(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut part = [0; 1024];
            while !head.ends_with(b"\r\n\r\n") {
                let length = stream.read(&mut part).unwrap();
                assert_ne!(length, 0, "the request ended early");
                head.extend_from_slice(&part[..length]);
            }
            stream.write_all(answer).unwrap();
            if answer.is_empty() {
                // Silence: the client is to give up by itself. A reset is its way of closing too.
                let _ = stream.read(&mut part);
            } else {
                stream.shutdown(Shutdown::Write).unwrap();
            }
            String::from_utf8(head).unwrap()
        });
        Self { port, thread }
    }
}

fn healthcheck(args: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hello-you"))
        .arg("healthcheck")
        .args(args)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn failure(output: &Output) -> String {
    let lines = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{lines}");
    assert_eq!(lines.lines().count(), 1, "{lines}");
    lines
}

#[test]
fn a_healthy_service_is_exit_code_0() {
    let listener = Listener::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let port = listener.port;
    let output = healthcheck(&[], &[("HELLO_LISTEN", &format!("0.0.0.0:{port}"))]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let line = String::from_utf8(output.stdout).unwrap();
    assert_eq!(line, format!("http://127.0.0.1:{port}/health answered 200\n"));
    let head = listener.thread.join().unwrap();
    assert!(head.starts_with(&format!("GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n")), "{head}");
}

#[test]
fn the_url_can_be_another() {
    let listener = Listener::answering(b"HTTP/1.1 200 OK\r\n\r\n");
    let url = format!("http://localhost:{}/health/ready?x=1", listener.port);
    assert_eq!(healthcheck(&["--url", &url], &[]).status.code(), Some(0));
    assert!(listener.thread.join().unwrap().starts_with("GET /health/ready?x=1 HTTP/1.1\r\n"));
}

#[test]
fn any_other_status_is_exit_code_1() {
    let listener = Listener::answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
    let url = format!("http://127.0.0.1:{}/health/ready", listener.port);
    assert_eq!(failure(&healthcheck(&["--url", &url], &[])), format!("error: {url} answered 503\n"));
    listener.thread.join().unwrap();
}

#[test]
fn an_answer_that_is_not_http_is_exit_code_1() {
    let listener = Listener::answering(b"SSH-2.0-OpenSSH_9.2p1\r\n");
    let url = format!("http://127.0.0.1:{}/health", listener.port);
    let line = failure(&healthcheck(&["--url", &url], &[]));
    assert_eq!(line, format!("error: {url} cannot be asked: the answer is not HTTP\n"));
    listener.thread.join().unwrap();
}

#[test]
fn nobody_listening_is_exit_code_1() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let line = failure(&healthcheck(&[], &[("HELLO_LISTEN", &format!("127.0.0.1:{port}"))]));
    assert!(
        line.starts_with(&format!("error: http://127.0.0.1:{port}/health cannot be asked: Connection ref")),
        "{line}"
    );
}

#[test]
fn silence_is_exit_code_1_after_a_deadline() {
    let listener = Listener::answering(b"");
    let url = format!("http://127.0.0.1:{}/health", listener.port);
    let line = failure(&healthcheck(&["--url", &url], &[]));
    assert_eq!(line, format!("error: {url} cannot be asked: no answer within 3 s\n"));
    listener.thread.join().unwrap();
}
