//! The pages in a real, headless Chromium, driven over the `WebDriver` protocol.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use hello_testkit::{ChildProcess, Poll, wait_until};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::http;
use super::support::service::{ADMIN_TOKEN, Service};

/// A browser takes its time to start on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// Far from UTC, so that a page that does not send its own zone shows.
const ZONE: &str = "Pacific/Kiritimati";
/// Where `WebDriver` puts the id of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with an empty profile; it ends when dropped.
struct Browser {
    address: SocketAddr,
    session: String,
    _driver: ChildProcess,
    _profile: TempDir,
}

impl Browser {
    async fn start() -> Self {
        for program in ["/usr/bin/chromium", "/usr/bin/chromedriver"] {
            assert!(
                Path::new(program).exists(),
                "{program} is missing; install it with: apt-get install chromium chromium-driver"
            );
        }
        let profile = TempDir::new().unwrap();
        let driver = ChildProcess::builder("/usr/bin/chromedriver")
            .arg("--port=0")
            .env("TZ", ZONE)
            .env("HOME", profile.path())
            .start();
        let line = driver.wait_for_line(LIMIT, |line| line.contains("started successfully on port")).await;
        let port = line.rsplit(' ').next().unwrap().trim_end_matches('.').parse().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let options = json!({"capabilities": {"alwaysMatch": {
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", format!("--user-data-dir={}", profile.path().join("data").display()),
            ]},
        }}});
        let started = call(address, Method::POST, "/session", &options).await;
        let session = started["sessionId"].as_str().unwrap().to_owned();
        Self { address, session, _driver: driver, _profile: profile }
    }

    async fn post(&self, command: &str, body: Value) -> Value {
        call(self.address, Method::POST, &format!("/session/{}/{command}", self.session), &body).await
    }

    async fn open(&self, service: &Service, path: &str) {
        self.open_at(service.address, path).await;
    }

    async fn open_at(&self, address: SocketAddr, path: &str) {
        self.post("url", json!({"url": format!("http://{address}{path}")})).await;
    }

    async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({"script": script, "args": []})).await
    }

    async fn element(&self, selector: &str) -> String {
        let found = self.post("element", json!({"using": "css selector", "value": selector})).await;
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    async fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.post(&format!("element/{element}/clear"), json!({})).await;
        self.post(&format!("element/{element}/value"), json!({"text": text})).await;
    }

    async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.post(&format!("element/{element}/click"), json!({})).await;
    }

    /// Waits until a script returns a text that begins so.
    async fn wait_for_text(&self, script: &str, beginning: &str) -> String {
        wait_until(&format!("the page shows {beginning}"), LIMIT, async || {
            let text = self.run(script).await;
            match text.as_str() {
                Some(text) if text.starts_with(beginning) => Poll::Ready(text.to_owned()),
                _ => Poll::not_yet(text),
            }
        })
        .await
    }

    /// What the console says: errors of scripts, files that failed to load, breaches of the policy.
    async fn console(&self) -> Vec<String> {
        let log = self.post("se/log", json!({"type": "browser"})).await;
        log.as_array().unwrap().iter().map(|entry| entry["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    /// Ends the browser, which would outlive its driver; also in a test that fails, so without the runtime.
    fn drop(&mut self) {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return };
        let head = format!("DELETE /session/{} HTTP/1.1\r\nHost: {}", self.session, self.address);
        let sent = stream
            .set_read_timeout(Some(LIMIT))
            .and_then(|()| write!(stream, "{head}\r\nConnection: close\r\n\r\n"));
        // The answer comes when the browser has ended.
        if sent.is_ok() {
            let _ = stream.read(&mut [0; 1024]);
        }
    }
}

async fn call(address: SocketAddr, method: Method, path: &str, body: &Value) -> Value {
    let headers = [("content-type", "application/json")];
    let reply = http::try_send_within(LIMIT, address, method, path, &headers, &body.to_string()).await;
    let reply = reply.unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(reply.status, StatusCode::OK, "{path} {body}: {}", reply.body);
    reply.json()["value"].take()
}

async fn start() -> (TempDir, Service, Browser) {
    let directory = TempDir::new().unwrap();
    let service = Service::on_sqlite(&directory.path().join("hello.db")).await;
    (directory, service, Browser::start().await)
}

#[tokio::test]
async fn a_person_stores_a_birthday_is_greeted_and_told_of_mistakes() {
    const ANSWER: &str = "return document.getElementById('answer').textContent";
    let (_directory, service, browser) = start().await;
    browser.open(&service, "/").await;

    browser.type_into("#username", "Zo\u{eb}").await;
    // The keys of a date differ by the browser's language.
    browser.run("document.getElementById('date').value = '1990-12-31'").await;
    browser.click("button[type=submit]").await;
    browser.wait_for_text(ANSWER, "Hello, Zo\u{eb}! ").await;
    assert_eq!(browser.run("return document.querySelectorAll('.error').length").await, 0);

    // Looking up alone changes nothing, and the zone of the browser goes along.
    browser.open(&service, "/").await;
    browser.type_into("#username", "Zo\u{eb}").await;
    browser.click("button[type=submit]").await;
    browser.wait_for_text(ANSWER, "Hello, Zo\u{eb}! ").await;
    let requests = "return performance.getEntriesByType('resource').map(e => e.name)\
        .filter(name => name.includes('/hello/'))";
    let requests = browser.run(requests).await;
    let expected = format!("http://{}/hello/Zo%C3%AB?tz=Pacific%2FKiritimati", service.address);
    assert_eq!(requests, json!([expected]));
    assert_eq!(browser.console().await, Vec::<String>::new());

    let refused = service.get("/hello/4na").await;
    assert_eq!(refused.problem(), "invalid-username");
    browser.type_into("#username", "4na").await;
    browser.click("button[type=submit]").await;
    browser.wait_for_text(ANSWER, refused.json()["detail"].as_str().unwrap()).await;
    assert_eq!(browser.run("return document.querySelectorAll('#answer.error').length").await, 1);
}

/// An operation on the page about the API, found by its id in the document.
struct Operation<'a> {
    browser: &'a Browser,
    id: &'static str,
}

impl Browser {
    /// Unfolds an operation.
    async fn operation(&self, id: &'static str) -> Operation<'_> {
        let summary = format!("return document.querySelector('#{id} > summary')?.textContent");
        self.wait_for_text(&summary, "").await;
        self.click(&format!("#{id} > summary")).await;
        let operation = Operation { browser: self, id };
        operation.text_of("form button", "Send").await;
        operation
    }
}

impl Operation<'_> {
    /// The text of a part of it, once it begins so.
    async fn text_of(&self, selector: &str, beginning: &str) -> String {
        let script = format!("return document.querySelector('#{} {selector}')?.textContent", self.id);
        self.browser.wait_for_text(&script, beginning).await
    }

    async fn fill(&self, name: &str, text: &str) {
        self.browser.type_into(&format!("#{} [name={name}]", self.id), text).await;
    }

    /// Sends it, and returns the headers and the body of the answer as they are shown.
    async fn send(&self, status: &str) -> (String, String) {
        self.browser.run(&format!("document.querySelector('#{} .answer').replaceChildren()", self.id)).await;
        self.browser.click(&format!("#{} form button", self.id)).await;
        self.text_of(".answer .status", status).await;
        let headers = self.text_of(".answer .headers", "").await;
        let body = format!("return document.querySelector('#{} .answer .body')?.textContent ?? ''", self.id);
        (headers, self.browser.wait_for_text(&body, "").await)
    }
}

#[tokio::test]
async fn each_operation_of_the_document_is_on_the_page_with_all_that_is_known_of_it() {
    let (_directory, service, browser) = start().await;
    browser.open(&service, "/docs").await;
    browser.operation("putUser").await;
    let shown = "return [...document.querySelectorAll('.operation > summary')]\
        .map(summary => [summary.querySelector('b').textContent, summary.querySelector('code').textContent])";
    let shown: Vec<(String, String)> = serde_json::from_value(browser.run(shown).await).unwrap();
    let document = service.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap().iter();
    let mut expected: Vec<_> = paths
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let mut sorted = shown.clone();
    sorted.sort();
    expected.sort();
    assert_eq!(sorted, expected);

    let parts = "return [...document.querySelectorAll('#putUser > .response > summary')].map(part => part.textContent)";
    let parts: Vec<String> = serde_json::from_value(browser.run(parts).await).unwrap();
    for (status, part) in [201, 204, 400, 405, 408, 413, 415, 500, 503].iter().zip(&parts) {
        assert!(part.starts_with(&format!("{status}: ")), "{parts:?}");
    }
    let text = browser.run("return document.querySelector('#putUser').textContent").await.to_string();
    for part in [
        "Stores a user's date of birth.",
        "username (path, required)",
        "tz (query)",
        "body (application/json, required)",
        "dateOfBirth: string (date). A real date from 0001-01-01, before today.",
        "Location: Where the greeting is",
        "application/problem+json",
        "no-such-day",
        "There is no such day",
        "#/dateOfBirth",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(browser.console().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_calls_of_the_api_can_be_tried_in_the_browser() {
    let (_directory, service, browser) = start().await;
    browser.open(&service, "/docs").await;

    let put = browser.operation("putUser").await;
    put.fill("username", "Zo\u{eb}").await;
    put.fill("body", "{\"dateOfBirth\": \"1990-12-31\"}").await;
    let (headers, body) = put.send("201 Created").await;
    assert!(headers.contains("location: /hello/Zo%C3%AB"), "{headers}");
    assert!(headers.contains("x-request-id: ") && body.is_empty(), "{headers} {body}");

    put.fill("body", "{\"dateOfBirth\": \"2023-02-29\"}").await;
    let (headers, body) = put.send("400 Bad Request").await;
    assert!(headers.contains("content-type: application/problem+json"), "{headers}");
    assert!(body.contains("\n  \"title\": \"No such day\",\n"), "{body}");

    let get = browser.operation("getGreeting").await;
    get.fill("username", "Zo\u{eb}").await;
    get.fill("tz", "Europe/Dublin").await;
    let (headers, body) = get.send("200 OK").await;
    assert!(headers.contains("cache-control: no-store"), "{headers}");
    assert!(body.contains("Hello, Zo\u{eb}! "), "{body}");
    let (headers, body) = browser.operation("optionsGreeting").await.send("204 No Content").await;
    assert!(headers.contains("allow: GET, HEAD, PUT, OPTIONS"), "{headers}");
    assert_eq!(body, "");
    let (headers, _) = browser.operation("headHome").await.send("200 OK").await;
    assert!(headers.contains("content-type: application/json"), "{headers}");

    // What a person finds by its form, not by its address.
    let accept = browser.operation("getHome").await;
    browser.run("document.querySelector('#getHome [name=Accept]').value = 'text/html'").await;
    let (_, body) = accept.send("200 OK").await;
    assert!(body.starts_with("<!doctype html>"), "{body}");
}

#[tokio::test]
async fn a_request_is_shown_as_a_command_that_does_the_same() {
    let (_directory, service, browser) = start().await;
    browser.open(&service, "/docs").await;
    let put = browser.operation("putUser").await;
    put.fill("username", "O'Brien").await;
    put.send("400").await;
    let refused = put.text_of(".answer .curl", "curl ").await;
    put.fill("username", "Zo\u{eb}").await;
    put.send("201").await;
    let stored = put.text_of(".answer .curl", "curl ").await;
    for (command, status) in [(refused, "400"), (stored, "204")] {
        let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{command}: {answer}");
    }
}

#[tokio::test]
async fn the_calls_of_the_private_listener_are_sent_from_its_own_page_with_the_token() {
    let (_directory, service, browser) = start().await;
    service.put("Ana", "1990-12-31").await;
    browser.open(&service, "/docs").await;
    browser.operation("deleteUser").await;
    let script = "return document.querySelector('#deleteUser form button').disabled.toString()";
    browser.wait_for_text(script, "true").await;

    browser.open_at(service.private_address, "/docs#deleteUser").await;
    // The address names an operation, so it is unfolded already.
    let delete = Operation { browser: &browser, id: "deleteUser" };
    delete.text_of("form button", "Send").await;
    let (headers, _) = delete.send("401 Unauthorized").await;
    assert!(headers.contains("www-authenticate: Bearer"), "{headers}");
    browser.type_into("#token", ADMIN_TOKEN).await;
    delete.send("204 No Content").await;
    delete.send("404 Not Found").await;
    let command = delete.text_of(".answer .curl", "curl ").await;
    assert!(command.contains("$ADMIN_TOKEN") && !command.contains(ADMIN_TOKEN), "{command}");
    let (_, body) = browser.operation("listUsers").await.send("200 OK").await;
    assert!(body.contains("\"users\": []"), "{body}");
    let (_, body) = browser.operation("getMetrics").await.send("200 OK").await;
    assert!(body.contains("# TYPE"), "{body}");
    let script = "return document.querySelector('#getGreeting') && 'there'";
    browser.wait_for_text(script, "there").await;
}
