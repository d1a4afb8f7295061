//! The commands in the documents, run as they stand: they answer what the document says.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::support::service::{ADMIN_TOKEN, Service};

/// The blocks of a document: the word behind the fence, and the text.
fn blocks(document: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in document.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(language), None) => open = Some((language.to_owned(), String::new())),
            (None, Some((_, text))) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    found
}

fn read(document: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../..", document].iter().collect();
    std::fs::read_to_string(path).unwrap()
}

/// Runs commands in a shell, with the addresses of this service for those that the documents name.
fn run(commands: &str, service: &Service, directory: &Path) -> String {
    let commands = commands
        .replace("127.0.0.1:8080", &service.address.to_string())
        .replace("127.0.0.1:9090", &service.private_address.to_string());
    let output = Command::new("sh")
        .args(["-e", "-c", &commands])
        .env("ADMIN_TOKEN", ADMIN_TOKEN)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{commands}: {}", String::from_utf8_lossy(&output.stderr));
    // JSON ends without a line break, so the next answer would begin in its line.
    String::from_utf8(output.stdout).unwrap().replace("HTTP/1.1 ", "\nHTTP/1.1 ")
}

/// Whether the parts between `...` are in a line, in this order.
fn is_like(line: &str, pattern: &str) -> bool {
    let mut rest = line;
    pattern.split("...").all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[tokio::test]
async fn every_command_in_the_description_of_the_api_answers_as_it_says() {
    let directory = TempDir::new().unwrap();
    let service = Service::on_sqlite(&directory.path().join("hello.db")).await;
    let blocks = blocks(&read("docs/API.md"));
    let mut answered = 0;
    for pair in blocks.windows(2) {
        let [(language, commands), (answer, expected)] = pair else { unreachable!("windows of two") };
        if language != "sh" || answer != "http" {
            continue;
        }
        let output = run(commands, &service, directory.path());
        let mut lines: Vec<_> = output.lines().collect();
        for pattern in expected.lines() {
            // Each line stands for one only; their order is the service's affair.
            let at = lines.iter().position(|line| is_like(line, pattern));
            let at = at.unwrap_or_else(|| panic!("{commands}: {pattern} is not in\n{output}"));
            lines.swap_remove(at);
        }
        answered += 1;
    }
    let with_curl = blocks.iter().filter(|(_, text)| text.contains("curl ")).count();
    assert_eq!(answered, with_curl, "a command without its answer");
    assert!(answered > 8, "{answered}");

    let document = service.get("/openapi.json").await.json();
    let text: String = blocks.into_iter().map(|(_, text)| text).collect();
    for path in document["paths"].as_object().unwrap().keys() {
        let path = path.replace("{username}", "Ana");
        assert!(text.contains(&format!("0{path}")), "docs/API.md has no command for {path}");
    }
}

#[tokio::test]
async fn the_commands_in_the_readme_greet() {
    let directory = TempDir::new().unwrap();
    let service = Service::on_sqlite(&directory.path().join("hello.db")).await;
    let blocks = blocks(&read("README.md"));
    let (_, commands) = blocks.iter().find(|(_, text)| text.starts_with("curl ")).unwrap();
    let output = run(commands, &service, directory.path());
    assert!(output.contains("\"Hello, Ana! "), "{output}");
}
