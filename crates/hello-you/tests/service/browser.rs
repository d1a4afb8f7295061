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
use super::support::service::Service;

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
        self.post("url", json!({"url": format!("http://{}{path}", service.address)})).await;
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

#[tokio::test]
async fn the_calls_of_the_api_can_be_tried_in_the_browser() {
    let (_directory, service, browser) = start().await;
    service.put("Ana", "1990-12-31").await;
    browser.open(&service, "/docs").await;
    browser.wait_for_text("return document.querySelector('.operation h3')?.textContent", "GET /hello").await;
    let fields = "return [...document.querySelectorAll('.operation')[0].querySelectorAll('label')]\
        .map(label => label.textContent)";
    let expected = json!(["username (path)", "tz (query)", "Hello-Consistency (header)"]);
    assert_eq!(browser.run(fields).await, expected);
    browser.click(".operation button").await;
    let answer = "return document.querySelector('.operation pre').textContent";
    let answer = browser.wait_for_text(answer, "200").await;
    assert!(answer.contains("Hello, Ana!"), "{answer}");
    assert_eq!(browser.console().await, Vec::<String>::new());
}
