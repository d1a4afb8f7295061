//! TLS to PostgreSQL: verified in full, or refused.

use std::time::Duration;

use hello_testkit::{PgServer, Poll, TestCa, wait_until};
use hyper::StatusCode;

use crate::support::service::Service;

async fn service(server: &PgServer, variables: &[(&str, &str)]) -> Service {
    let host = format!("127.0.0.1:{}", server.port());
    let common = [
        ("DB_HOSTS", host.as_str()),
        ("DB_NAME", "postgres"),
        ("DB_USER", "postgres"),
        ("DB_PASSWORD", "not asked for here"),
        ("HELLO_LOG", "debug"),
    ];
    Service::start(&[&common[..], variables].concat()).await
}

#[tokio::test]
async fn a_certificate_of_the_right_authority_and_name_is_accepted() {
    let ca = TestCa::new();
    let server = PgServer::builder().tls(&ca, &["127.0.0.1"]).start().await;
    let service = service(&server, &[("DB_CA_PEM", &ca.pem())]).await;
    service.wait_ready("primary", "primary").await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn another_authority_another_name_and_no_tls_are_refused() {
    let (ca, other) = (TestCa::new(), TestCa::new());
    let named = PgServer::builder().tls(&ca, &["127.0.0.1"]).start().await;
    let misnamed = PgServer::builder().tls(&ca, &["other.test"]).start().await;
    let plain = PgServer::start().await;
    for (server, pem) in [(&named, other.pem()), (&misnamed, ca.pem()), (&plain, ca.pem())] {
        let service = service(server, &[("DB_CA_PEM", &pem)]).await;
        let refused = |line: &str| line.contains("cannot connect to a database host");
        service.process.wait_for_line(Duration::from_secs(60), refused).await;
        assert_eq!(service.get("/health/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(service.get("/hello/Ana").await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test]
async fn require_encrypts_whoever_answers() {
    let server = PgServer::builder().tls(&TestCa::new(), &["other.test"]).start().await;
    let service = service(&server, &[("DB_SSLMODE", "require")]).await;
    service.wait_ready("primary", "primary").await;
}

#[tokio::test]
async fn a_password_is_proven_over_verified_tls_with_separate_settings() {
    let ca = TestCa::new();
    let server = PgServer::builder().password_auth().tls(&ca, &["127.0.0.1"]).start().await;
    server.sql("create role app login password 'the right one, with ''quotes'' and \u{f6}'").await;
    server.sql("create database greetings owner app").await;
    let settings = [
        ("DB_HOSTS", "127.0.0.1"),
        ("DB_PORT", &*server.port().to_string()),
        ("DB_NAME", "greetings"),
        ("DB_USER", "app"),
        ("DB_PASSWORD", "the right one, with 'quotes' and \u{f6}"),
        ("DB_CA_PEM", &*ca.pem()),
        ("HELLO_LOG", "trace"),
    ];
    let service = Service::start(&settings).await;
    service.wait_ready("primary", "primary").await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
    let how = "select ssl, (select rolpassword from pg_authid where rolname = 'app') like 'SCRAM-SHA-256$%' \
        from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'app'";
    for row in server.client().await.query(how, &[]).await.unwrap() {
        assert_eq!((row.get(0), row.get(1)), (true, true), "encrypted, and SCRAM");
    }
    for (_, line) in service.process.output() {
        assert!(!line.contains("the right one"), "{line}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_503_and_one_warning_without_a_secret() {
    let ca = TestCa::new();
    let server = PgServer::builder().password_auth().tls(&ca, &["127.0.0.1"]).start().await;
    server.sql("create role app login password 'the-right-one'").await;
    // At the level that is logged without a setting, since this is what an operator must find.
    let settings = [
        ("DB_HOSTS", "127.0.0.1"),
        ("DB_PORT", &*server.port().to_string()),
        ("DB_NAME", "postgres"),
        ("DB_USER", "app"),
        ("DB_PASSWORD", "a-wrong-one"),
        ("DB_CA_PEM", &*ca.pem()),
    ];
    let service = Service::start(&settings).await;
    let refused = |line: &str| line.contains("password authentication failed");
    service.process.wait_for_line(Duration::from_secs(60), refused).await;
    for path in ["/hello/Ana", "/health/ready"] {
        let reply = service.get(path).await;
        assert_eq!((reply.status, reply.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
        assert!(!reply.body.contains("password") && !reply.body.contains("app\""), "{reply:?}");
    }
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(service.get("/health").await.status, StatusCode::OK);
    let attempts = || server.log_tail().matches("password authentication failed").count();
    wait_until("it has tried some more times", Duration::from_secs(60), async || {
        Poll::ready_if(attempts() >= 4, attempts())
    })
    .await;
    let said = service.process.output();
    let warnings = said.iter().filter(|(_, line)| refused(line)).count();
    assert_eq!(warnings, 1, "{said:?}");
    for (_, line) in said {
        for secret in ["a-wrong-one", "the-right-one", "BEGIN CERTIFICATE"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}
