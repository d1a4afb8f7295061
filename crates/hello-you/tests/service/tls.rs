//! TLS to PostgreSQL: verified in full, or refused.

use std::time::Duration;

use hello_testkit::{PgServer, TestCa};
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
        service.process.wait_for_line(Duration::from_secs(20), refused).await;
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
