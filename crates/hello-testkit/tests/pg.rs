//! Real servers: started, replicated, broken, and gone afterwards.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

use std::path::Path;
use std::time::Duration;

use hello_pg::{Role, Timeline};
use hello_testkit::{FaultProxy, Mode, PgServer, Poll, StopMode, pg_versions, wait_until};
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(20);

/// How long silence must last to count as silence.
const SILENCE: Duration = Duration::from_millis(200);

async fn show(server: &PgServer, name: &str) -> String {
    server.client().await.query_one(&format!("show {name}"), &[]).await.unwrap().get(0)
}

async fn count(client: &tokio_postgres::Client) -> Result<i64, tokio_postgres::Error> {
    client.query_one("select count(*) from t", &[]).await.map(|row| row.get(0))
}

#[tokio::test]
async fn every_version_starts_replicates_and_promotes() {
    assert!(!pg_versions().is_empty());
    for version in pg_versions() {
        let primary = PgServer::builder().version(version).start().await;
        primary.sql("create table t (a int); insert into t values (1)").await;
        let replica = primary.replica().await;
        replica.catch_up_with(&primary).await;
        assert_eq!(count(&replica.client().await).await.unwrap(), 1, "{version:?}");
        let second = replica.replica().await;
        primary.sql("insert into t values (2)").await;
        second.catch_up_with(&primary).await;
        assert_eq!(count(&second.client().await).await.unwrap(), 2, "{version:?}");
        replica.promote().await;
        let status = replica.observe().await;
        assert_eq!((status.role, status.timeline), (Role::Primary, Some(Timeline(2))), "{version:?}");
        assert_eq!(u32::try_from(status.server_version_num / 10_000).unwrap(), version.major());
        replica.sql("insert into t values (3)").await;
        second.catch_up_with(&replica).await;
        assert_eq!(count(&second.client().await).await.unwrap(), 3, "{version:?}");
    }
}
