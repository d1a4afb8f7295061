//! The start: what prevents it, and what a running process shows of its secrets.

use std::net::TcpListener;

use hello_testkit::{ChildProcess, PgServer};
use hyper::{Method, StatusCode};
use tokio::net::TcpStream;

use super::END_LIMIT;
use crate::support::service::{self, Service};

/// Starts what cannot run, and gives back the exit code and the lines on standard error.
async fn failure(variables: &[(&str, &str)]) -> (Option<i32>, Vec<String>) {
    let process = service::builder(variables).start();
    let status = process.wait_exit(END_LIMIT).await;
    (status.code(), process.stderr())
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users.db");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for variable in ["HELLO_LISTEN", "HELLO_ADMIN_LISTEN"] {
        let settings = [(variable, address.as_str()), ("HELLO_SQLITE_PATH", file.to_str().unwrap())];
        let (code, lines) = failure(&settings).await;
        assert_eq!((code, lines.len()), (Some(1), 1), "{lines:?}");
        let expected = format!("error: {variable}: cannot listen on {address}; ");
        assert!(lines[0].starts_with(&expected), "{lines:?}");
        assert!(!file.exists(), "nothing was made before");
    }
}

#[tokio::test]
async fn an_address_of_another_machine_is_one_clear_line() {
    // TEST-NET-1 (RFC 5737): no machine has it.
    let (code, lines) = failure(&[("HELLO_LISTEN", "192.0.2.1:8080")]).await;
    assert_eq!((code, lines.len()), (Some(1), 1), "{lines:?}");
    assert!(lines[0].starts_with("error: HELLO_LISTEN: cannot listen on 192.0.2.1:8080; "), "{lines:?}");
}

#[tokio::test]
async fn a_damaged_sqlite_file_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users.db");
    let sound = {
        let service = Service::on_sqlite(&file).await;
        service.put("Ana", "1990-12-31").await;
        assert_eq!(service.process.terminate(END_LIMIT).await, 0);
        std::fs::read(&file).unwrap()
    };
    let mut overwritten = sound.clone();
    overwritten[100..300].fill(0xa5);
    for bytes in [b"no database".repeat(1000), sound[..sound.len() / 2].to_vec(), overwritten] {
        std::fs::write(&file, &bytes).unwrap();
        let (code, lines) = failure(&[("HELLO_SQLITE_PATH", file.to_str().unwrap())]).await;
        assert_eq!(code, Some(1), "{lines:?}");
        assert!((1..=3).contains(&lines.len()) && lines[0].starts_with("error: "), "{lines:?}");
        assert!(lines.join(" ").contains(file.to_str().unwrap()), "{lines:?}");
        assert!(!lines.join(" ").contains("panicked"), "{lines:?}");
        assert!(std::fs::read(&file).unwrap() == bytes, "the file was changed");
        let names: Vec<_> =
            std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["users.db"], "nothing is left beside it");
    }
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_one_clear_line() {
    for path in ["/nonexistent/users.db", "/proc/users.db", "/"] {
        let (code, lines) = failure(&[("HELLO_SQLITE_PATH", path)]).await;
        assert_eq!(code, Some(1), "{path}: {lines:?}");
        assert!((1..=3).contains(&lines.len()) && lines[0].contains(path), "{path}: {lines:?}");
    }
}

#[tokio::test]
async fn processes_that_start_together_share_one_sqlite_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users.db");
    // Started together, so that each finds no file.
    let start = || Service::on_sqlite(&file);
    let (first, second, third, fourth) = tokio::join!(start(), start(), start(), start());
    for other in [third, fourth] {
        assert_eq!(other.process.terminate(END_LIMIT).await, 0);
    }
    assert_eq!(first.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
    assert_eq!(second.put("Ana", "1990-12-31").await.status, StatusCode::NO_CONTENT);
    assert_eq!(second.put("Ben", "1990-12-31").await.status, StatusCode::CREATED);
    assert_eq!(first.get("/hello/Ben").await.status, StatusCode::OK);
    let writes = async |service: &Service, letter: char| {
        for number in 0..30 {
            let name: String = std::iter::repeat_n(letter, number + 1).collect();
            assert_eq!(service.put(&name, "1990-12-31").await.status, StatusCode::CREATED);
        }
    };
    tokio::join!(writes(&first, 'x'), writes(&second, 'y'));
    assert_eq!(first.process.terminate(END_LIMIT).await, 0);
    for name in ["x", "y", "xxx", "yyyyy"] {
        assert_eq!(second.get(&format!("/hello/{name}")).await.status, StatusCode::OK, "{name}");
    }
}

#[tokio::test]
async fn secrets_are_neither_in_the_process_list_nor_in_the_logs() {
    const SECRETS: [&str; 3] =
        ["hunter2-of-the-database", "hunter2-of-the-application-key-32", "hunter2-of-the-administrators-32"];
    let [password, key, token] = SECRETS;
    let server = PgServer::shared().await;
    server.create_database("secrets").await;
    // The server trusts local clients, so any password will do.
    let url = format!("postgres://postgres:{password}@127.0.0.1:{}/secrets", server.port());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("url");
    std::fs::write(&file, format!("{url}\n")).unwrap();
    let shared =
        [("APP_SECRET_KEY", key), ("ADMIN_TOKEN", token), ("HELLO_LOG", "trace"), ("DB_POOL_SIZE", "4")];
    for database in [("DATABASE_URL", url.as_str()), ("DATABASE_URL_FILE", file.to_str().unwrap())] {
        let service = Service::start(&[&shared[..], &[database]].concat()).await;
        service.wait_ready("primary", "primary").await;
        assert!(service.put("Ana", "1990-12-31").await.status.is_success());
        let command_line =
            std::fs::read_to_string(format!("/proc/{}/cmdline", service.process.pid())).unwrap();
        assert_eq!(service.process.terminate(END_LIMIT).await, 0);
        let said = service.process.output();
        assert!(said.len() > 5, "{said:?}");
        for secret in SECRETS {
            assert!(!command_line.contains(secret), "{command_line:?}");
            let leak = said.iter().find(|(_, line)| line.contains(secret));
            assert!(leak.is_none(), "{leak:?}");
        }
    }
}

#[tokio::test]
async fn a_start_in_an_empty_environment_serves_from_a_file_in_the_working_directory() {
    let directory = tempfile::tempdir().unwrap();
    let process = ChildProcess::builder(env!("CARGO_BIN_EXE_hello-you"))
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"])
        .env_clear()
        .current_dir(directory.path())
        .start();
    let service = Service::listening(process).await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
    assert!(directory.path().join("hello-you.db").exists());
    assert_eq!(service.process.stderr(), Vec::<String>::new());
}

#[tokio::test]
async fn the_private_listener_can_be_switched_off() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users.db");
    let settings = [("HELLO_ADMIN_LISTEN", "off"), ("HELLO_SQLITE_PATH", file.to_str().unwrap())];
    let process = service::builder(&settings).start();
    let line = process.wait_for_line(END_LIMIT, |line| line.contains("\"listening;")).await;
    assert!(!line.contains("private_address"), "{line}");
    assert_eq!(process.terminate(END_LIMIT).await, 0);
}

#[tokio::test]
async fn a_file_outlives_starts_and_kills() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users.db");
    for round in 0..5 {
        let service = Service::on_sqlite(&file).await;
        let expected = if round == 0 { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
        assert_eq!(service.put("Ana", "1990-12-31").await.status, expected, "{round}");
    }
}

#[tokio::test]
async fn clients_never_take_the_last_file_that_the_process_may_open() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users.db");
    let settings = [("HELLO_SQLITE_PATH", file.to_str().unwrap())];
    let process = ChildProcess::builder("prlimit")
        .args(["--nofile=128:128", env!("CARGO_BIN_EXE_hello-you")])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(service::settings(&settings))
        .start();
    let service = Service::listening(process).await;
    let said = service.process.stdout().join("\n");
    assert!(said.contains("the limit of open files"), "{said}");
    let mut clients = Vec::new();
    for _ in 0..120 {
        clients.push(TcpStream::connect(service.address).await.unwrap());
    }
    // By now those that fit are served, and the rest wait to be accepted.
    for _ in 0..5 {
        assert_eq!(service.administer(Method::GET, "/metrics").await.status, StatusCode::OK);
        assert_eq!(service.administer(Method::GET, "/users").await.status, StatusCode::OK);
    }
    drop(clients);
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
    let said = service.process.stdout().join("\n");
    assert!(!said.contains("cannot accept"), "{said}");
}
