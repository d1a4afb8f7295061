//! The `OpenAPI` document, driven against the running service by schemathesis.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hello_testkit::ChildProcess;
use serde_json::Value;
use tempfile::TempDir;

use super::support::backend::{Backend, on_both_stores};
use super::support::service::{ADMIN_TOKEN, Service};

/// Far more than it takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

/// What a schema cannot say: that a zone is one of the database of zones in any case, that a date lies before today,
/// that a cursor was given out before. Such values fit the schema, and 400 is the right answer.
const NOT_IN_A_SCHEMA: &str = "positive_data_acceptance";

fn schemathesis() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/schemathesis.sh");
    let output = Command::new(script).output().unwrap();
    assert!(
        output.status.success(),
        "schemathesis cannot be installed; it needs the Debian package python3-venv and PyPI: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The document with the operations of one listener: the other ones are answered elsewhere.
async fn document_of(service: &Service, listener: &str) -> Value {
    let mut document = service.get("/openapi.json").await.json();
    for operations in document["paths"].as_object_mut().unwrap().values_mut() {
        operations.as_object_mut().unwrap().retain(|_, operation| {
            let listeners = operation["x-listeners"].as_array().unwrap();
            listeners.iter().any(|other| other == listener)
        });
    }
    document["paths"].as_object_mut().unwrap().retain(|_, item| !item.as_object().unwrap().is_empty());
    document
}

/// Sends what the document allows, and what it does not, and compares the answers with the document.
async fn drive(document: &Value, operations: usize, address: SocketAddr, options: &[&str]) {
    let program = schemathesis();
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("openapi.json");
    std::fs::write(&file, document.to_string()).unwrap();
    let process = ChildProcess::builder(program)
        .args(["run", "--checks", "all", "--exclude-checks", NOT_IN_A_SCHEMA, "--continue-on-failure"])
        .args(["--seed", "1", "--max-examples", "50", "--warnings", "off", "--url"])
        .arg(format!("http://{address}"))
        .args(options)
        .arg(&file)
        .env("NO_COLOR", "1")
        .current_dir(directory.path())
        .start();
    let status = process.wait_exit(LIMIT).await;
    let report = process.stdout().join("\n");
    assert!(status.success(), "{report}\n{}", process.stderr().join("\n"));
    assert!(report.contains(&format!("Tested: {operations}\n")), "not all operations were driven:\n{report}");
}

on_both_stores![
    the_public_listener_answers_as_the_document_says,
    the_private_listener_answers_as_the_document_says,
    a_service_without_users_answers_as_the_document_says,
];

async fn the_public_listener_answers_as_the_document_says(backend: Backend) {
    let service = backend.start().await;
    drive(&document_of(&service, "public").await, 22, service.address, &[]).await;
}

async fn the_private_listener_answers_as_the_document_says(backend: Backend) {
    let service = backend.start().await;
    for username in ["Ana", "Ben", "Zo\u{eb}"] {
        service.put(&super::support::http::percent_encode(username), "1990-12-31").await;
    }
    let token = format!("Authorization: Bearer {ADMIN_TOKEN}");
    drive(&document_of(&service, "private").await, 22, service.private_address, &["-H", &token]).await;
}

/// Where users are stored as well, schemathesis asks for those alone and never sees that a name is unknown.
async fn a_service_without_users_answers_as_the_document_says(backend: Backend) {
    let service = backend.start().await;
    drive(&document_of(&service, "public").await, 7, service.address, &["--include-method", "GET"]).await;
}
