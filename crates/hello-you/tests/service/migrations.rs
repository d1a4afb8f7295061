//! The schema, and the role that serves.

use std::time::Duration;

use hello_testkit::{ChildProcess, PgServer, Poll, wait_until};
use hyper::{Method, StatusCode};

use crate::support::service::Service;

/// How long `migrate` may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn ten_instances_that_start_at_once_migrate_once() {
    let server = PgServer::builder().setting("max_connections", "200").start().await;
    let url = server.url("postgres", "postgres");
    let variables = [("DATABASE_URL", url.as_str())];
    let start = || Service::start(&variables);
    let together = || async { tokio::join!(start(), start(), start(), start(), start()) };
    let (first, second) = tokio::join!(together(), together());
    let services = [first, second].map(<[Service; 5]>::from).into_iter().flatten().collect::<Vec<_>>();
    for service in &services {
        service.wait_ready("primary", "primary").await;
    }
    let rows = server.client().await.query("select version from schema_migrations", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn migrate_makes_a_role_with_no_more_rights_than_serving_needs() {
    const PASSWORD: &str = "a password, with 'quotes' and \\";
    let server = PgServer::builder().password_auth().setting("log_statement", "all").start().await;
    let owner = "create role owner login createrole password 'owner'; create database app owner owner";
    for statement in owner.split("; ") {
        server.sql(statement).await;
    }
    let owner_url = format!("postgres://owner:owner@127.0.0.1:{}/app", server.port());
    for _ in 0..2 {
        let migrate = ChildProcess::builder(env!("CARGO_BIN_EXE_hello-you"))
            .arg("migrate")
            .env_clear()
            .envs([("DATABASE_URL", owner_url.as_str()), ("HELLO_SERVE_ROLE", "serving")])
            .env("HELLO_SERVE_PASSWORD", PASSWORD)
            .start();
        let status = migrate.wait_exit(LIMIT).await;
        assert!(status.success(), "{:?}", migrate.output());
    }
    let host = format!("127.0.0.1:{}", server.port());
    let service = Service::start(&[
        ("DB_HOSTS", host.as_str()),
        ("DB_NAME", "app"),
        ("DB_USER", "serving"),
        ("DB_PASSWORD", PASSWORD),
        ("DB_SSLMODE", "disable"),
    ])
    .await;
    service.wait_ready("primary", "primary").await;
    // On a busy machine a host is now and then taken for gone: what counts is that the role may.
    wait_until("the role writes and reads", LIMIT, async || {
        let (put, get) = (service.put("Ana", "1990-12-31").await, service.get("/hello/Ana").await);
        Poll::ready_if(put.status.is_success() && get.status == StatusCode::OK, put.body + &get.body)
    })
    .await;
    assert_eq!(service.administer(Method::DELETE, "/hello/Ana").await.status, StatusCode::NO_CONTENT);

    let client = server.client_in("app").await;
    client.batch_execute("set role serving").await.unwrap();
    for forbidden in [
        "create table mine (n int)",
        "drop table users",
        "truncate users",
        "alter table users add column n int",
        "delete from epoch",
        "insert into schema_migrations (version, name) values (99, 'x')",
    ] {
        let error = client.batch_execute(forbidden).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501", "{forbidden}: {error}");
    }
    assert!(!server.log_tail().contains("a password"), "the password stands in the log");
}

/// What a service with these settings logs as its reason not to migrate.
async fn reason_not_to_migrate(url: &str) -> String {
    let service = Service::start(&[("DATABASE_URL", url), ("DB_POOL_SIZE", "4")]).await;
    let line =
        service.process.wait_for_line(LIMIT, |line| line.contains("failed to migrate the schema")).await;
    let ready = service.get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE, "{ready:?}");
    assert!(ready.body.contains("the schema is not there yet"), "{ready:?}");
    line
}

#[tokio::test]
async fn a_migration_that_is_refused_says_why_and_harms_no_later_look() {
    let server = PgServer::shared().await;
    server.create_database("occupied").await;
    let client = server.client_in("occupied").await;
    client.batch_execute("create table users (id int)").await.unwrap();
    let url = server.url("postgres", "occupied");
    let line = reason_not_to_migrate(&url).await;
    assert!(line.contains("relation \\\"users\\\" already exists"), "{line}");

    let service = Service::start(&[("DATABASE_URL", url.as_str()), ("DB_POOL_SIZE", "4")]).await;
    service.process.wait_for_line(LIMIT, |line| line.contains("failed to migrate the schema")).await;
    client.batch_execute("drop table users").await.unwrap();
    service.wait_ready("primary", "primary").await;
    let said = service.process.stdout().join("\n");
    assert!(!said.contains("current transaction is aborted"), "{said}");
}

/// A name that the encoding does not have would fail with everything that is stored or read together with it.
#[tokio::test]
async fn a_database_in_another_encoding_than_utf_8_is_refused() {
    let server = PgServer::shared().await;
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let database = format!("in_{}", encoding.to_lowercase());
        let create = format!(
            "create database {database} encoding '{encoding}' template template0 lc_collate 'C' lc_ctype 'C'"
        );
        server.sql(&create).await;
        let url = server.url("postgres", &database);
        let line = reason_not_to_migrate(&url).await;
        assert!(line.contains(&format!("the database's encoding is {encoding}")), "{line}");
        let migrate = ChildProcess::builder(env!("CARGO_BIN_EXE_hello-you"))
            .arg("migrate")
            .env_clear()
            .env("DATABASE_URL", &url)
            .start();
        assert_eq!(migrate.wait_exit(LIMIT).await.code(), Some(1));
        let stderr = migrate.stderr().join("\n");
        assert!(stderr.contains(&format!("the database's encoding is {encoding}")), "{stderr}");
    }
}

#[tokio::test]
async fn migrate_without_a_writer_says_so_and_ends_with_1() {
    let migrate = ChildProcess::builder(env!("CARGO_BIN_EXE_hello-you"))
        .arg("migrate")
        .env_clear()
        .env("DATABASE_URL", "postgres://postgres@127.0.0.1:1/postgres")
        .start();
    assert_eq!(migrate.wait_exit(LIMIT).await.code(), Some(1));
    let stderr = migrate.stderr().join("\n");
    assert!(stderr.contains("none of the database hosts accepts writes"), "{stderr}");
}
