//! Real servers: started, replicated, broken, and gone afterwards.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use hello_pg::{Role, Timeline};
use hello_testkit::{ChildProcess, Mode, PgServer, Poll, Signal, StopMode, TestCa, pg_versions, wait_until};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;

const LIMIT: Duration = Duration::from_secs(60);

/// How long silence must last to count as silence.
const SILENCE: Duration = Duration::from_millis(200);

async fn count(client: &tokio_postgres::Client) -> Result<i64, tokio_postgres::Error> {
    client.query_one("select count(*) from t", &[]).await.map(|row| row.get(0))
}

async fn postmaster_pid(server: &PgServer) -> String {
    let row = server.client().await.query_one("select pg_read_file('postmaster.pid')", &[]).await.unwrap();
    row.get::<_, String>(0).lines().next().unwrap().to_owned()
}

async fn data_directory(server: &PgServer) -> String {
    server.client().await.query_one("show data_directory", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn every_version_starts_replicates_cascades_and_promotes() {
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

#[tokio::test]
async fn a_primary_left_behind_by_a_promotion_still_takes_writes_on_the_old_timeline() {
    let old = PgServer::start().await;
    let new = old.replica().await;
    old.sql("create table t (a int)").await;
    new.catch_up_with(&old).await;
    new.promote().await;
    old.restart().await;
    old.sql("insert into t values (1)").await;
    assert_eq!(old.observe().await.timeline, Some(Timeline(1)));
    assert_eq!(old.observe().await.system_id, new.observe().await.system_id);
    assert_eq!(count(&new.client().await).await.unwrap(), 0);
}

#[tokio::test]
async fn what_was_committed_survives_a_kill_and_an_immediate_stop() {
    let server = PgServer::start().await;
    let port = server.port();
    server.sql("create table t (a int); insert into t values (1)").await;
    let client = server.client().await;
    server.kill();
    assert!(count(&client).await.is_err());
    assert!(tokio::net::TcpStream::connect(server.addr()).await.is_err());
    server.restart().await;
    server.sql("insert into t values (2)").await;
    server.stop(StopMode::Immediate).await;
    server.restart().await;
    server.stop(StopMode::Fast).await;
    server.stop(StopMode::Fast).await;
    server.restart().await;
    assert_eq!(count(&server.client().await).await.unwrap(), 2);
    assert_eq!(server.port(), port);
}

#[tokio::test]
async fn a_frozen_server_keeps_connections_and_answers_nobody() {
    let server = PgServer::start().await;
    server.sql("create table t (a int)").await;
    let client = server.client_as("postgres", "postgres").await;
    let frozen = server.freeze();
    assert!(timeout(SILENCE, count(&client)).await.is_err());
    let new = timeout(SILENCE, server.client_as("postgres", "postgres")).await;
    assert!(new.is_err());
    frozen.thaw();
    assert_eq!(timeout(LIMIT, count(&client)).await.unwrap().unwrap(), 0);
    drop(server.freeze());
    assert_eq!(timeout(LIMIT, count(&client)).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_frozen_server_can_be_killed_and_dropped() {
    let server = PgServer::start().await;
    let pid = postmaster_pid(&server).await;
    let frozen = server.freeze();
    server.kill();
    drop(frozen);
    server.restart().await;
    let second_pid = postmaster_pid(&server).await;
    std::mem::forget(server.freeze());
    drop(server);
    for pid in [pid, second_pid] {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is still there");
    }
}

#[tokio::test]
async fn a_black_hole_in_front_of_a_server_is_silent_until_it_ends() {
    let server = PgServer::start().await;
    server.sql("create table t (a int)").await;
    let proxy = server.proxy();
    let url = server.url_through(&proxy, "postgres", "postgres");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let fault = proxy.fault(Mode::BlackHole);
    assert!(timeout(SILENCE, count(&client)).await.is_err());
    assert!(timeout(SILENCE, tokio_postgres::connect(&url, tokio_postgres::NoTls)).await.is_err());
    fault.heal();
    assert_eq!(timeout(LIMIT, count(&client)).await.unwrap().unwrap(), 0);
    let fault = proxy.fault(Mode::Reset);
    assert!(timeout(LIMIT, count(&client)).await.unwrap().unwrap_err().is_closed());
    fault.heal();
}

#[tokio::test]
async fn a_replica_cut_off_from_its_primary_lags_and_catches_up() {
    let primary = PgServer::start().await;
    primary.sql("create table t (a int)").await;
    let proxy = primary.proxy();
    let replica = primary.replica_builder().stream_through(&proxy).start().await;
    replica.catch_up_with(&primary).await;
    let fault = proxy.fault(Mode::BlackHole);
    primary.sql("insert into t values (1)").await;
    let client = replica.client().await;
    assert_eq!(count(&client).await.unwrap(), 0);
    let (behind, ahead) = (replica.observe().await, primary.observe().await);
    assert!(behind.lsn < ahead.lsn && behind.received_lsn.unwrap() < ahead.lsn, "{behind:?} {ahead:?}");
    fault.heal();
    replica.catch_up_with(&primary).await;
    assert_eq!(count(&client).await.unwrap(), 1);
}

#[tokio::test]
async fn a_replica_with_paused_replay_receives_and_does_not_show() {
    let primary = PgServer::start().await;
    primary.sql("create table t (a int)").await;
    let replica = primary.replica().await;
    replica.catch_up_with(&primary).await;
    replica.pause_replay().await;
    primary.sql("insert into t values (1)").await;
    let written = primary.observe().await.lsn;
    wait_until("the replica has received everything", LIMIT, async || {
        let status = replica.observe().await;
        Poll::ready_if(status.received_lsn >= Some(written), format!("{status:?}"))
    })
    .await;
    assert_eq!(count(&replica.client().await).await.unwrap(), 0);
    replica.resume_replay().await;
    replica.catch_up_with(&primary).await;
    assert_eq!(count(&replica.client().await).await.unwrap(), 1);
}

#[tokio::test]
async fn read_only_reaches_open_sessions_and_not_the_replica_after_its_promotion() {
    let primary = PgServer::start().await;
    primary.sql("create table t (a int)").await;
    let session = primary.client().await;
    primary.set_read_only(true).await;
    wait_until("the open session is read-only", LIMIT, async || {
        let result = session.batch_execute("insert into t values (1)").await;
        let code = result.err().and_then(|error| error.code().cloned());
        Poll::ready_if(code == Some(SqlState::READ_ONLY_SQL_TRANSACTION), format!("{code:?}"))
    })
    .await;
    let replica = primary.replica().await;
    replica.promote().await;
    replica.sql("insert into t values (2)").await;
    primary.set_read_only(false).await;
    primary.sql("insert into t values (3)").await;
}

#[tokio::test]
async fn settings_passwords_and_databases_are_as_asked() {
    let server = PgServer::builder().setting("max_connections", "7").password_auth().start().await;
    server.sql("create role ana login password 'it''s'").await;
    server.create_database("ana's \"own\"").await;
    let row = server.client_in("ana's \"own\"").await.query_one("show max_connections", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "7");
    let mut config: tokio_postgres::Config = server.url("ana", "postgres").parse().unwrap();
    assert!(config.password("wrong").connect(tokio_postgres::NoTls).await.is_err());
    assert!(config.password("it's").connect(tokio_postgres::NoTls).await.is_ok());
}

#[tokio::test]
async fn tls_verifies_against_the_ca_and_nothing_else_is_let_in() {
    let ca = TestCa::new();
    let server = PgServer::builder().tls(&ca, &["localhost", "127.0.0.1"]).start().await;
    let Some(psql) = server.version().program("psql") else {
        // Only the npm package of version 17 has none, and it is never the preferred one beside a system package.
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (right, wrong) = (dir.path().join("right.pem"), dir.path().join("wrong.pem"));
    std::fs::write(&right, ca.pem()).unwrap();
    std::fs::write(&wrong, TestCa::new().pem()).unwrap();
    let connect = async |host: &str, mode: &str, root: &Path| {
        let (port, root) = (server.port(), root.display());
        let url = format!("host={host} port={port} user=postgres sslmode={mode} sslrootcert={root}");
        let child = ChildProcess::builder(&psql)
            .env("HOME", dir.path())
            .args(["-Atc", "select ssl from pg_stat_ssl where pid = pg_backend_pid()", &url])
            .start();
        let status = child.wait_exit(LIMIT).await;
        (status.success(), child.stdout().concat(), child.stderr().concat())
    };
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(connect(host, "verify-full", &right).await, (true, "t".to_owned(), String::new()));
    }
    let (ok, _, message) = connect("localhost", "verify-full", &wrong).await;
    assert!(!ok && message.contains("certificate verify failed"), "{message}");
    let (ok, _, message) = connect("127.0.0.1", "disable", &right).await;
    assert!(!ok && message.contains("no pg_hba.conf entry"), "{message}");
    // The superuser's way in and a replica work all the same.
    let replica = server.replica().await;
    assert_eq!(replica.observe().await.role, Role::Standby);
}

#[tokio::test]
async fn the_shared_server_is_one_server_as_long_as_somebody_holds_it() {
    let (first, second) = tokio::join!(PgServer::shared(), PgServer::shared());
    assert_eq!(first.port(), second.port());
    let (port, pid) = (first.port(), postmaster_pid(&first).await);
    drop((first, second));
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is still there");
    assert_ne!(PgServer::shared().await.port(), port);
}

#[tokio::test]
async fn nothing_is_left_when_a_test_panics() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let test = tokio::spawn(async move {
        let server = PgServer::start().await;
        sender.send((postmaster_pid(&server).await, data_directory(&server).await)).unwrap();
        panic!("as a failing test does");
    });
    assert!(test.await.unwrap_err().is_panic());
    let (pid, data) = receiver.await.unwrap();
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is still there");
    assert!(!Path::new(&data).parent().unwrap().exists(), "{data} is still there");
}

#[tokio::test]
async fn what_a_killed_test_program_left_is_removed_by_the_next_one() {
    let this_program = std::env::current_exe().unwrap();
    // Of its own: any other test program would remove what is left where it looks too.
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = |test: &str| {
        let arguments = ["--ignored", "--exact", "--nocapture", test];
        ChildProcess::builder(&this_program).args(arguments).env("TMPDIR", place.path()).start()
    };
    let crashing = run("holds_a_server_until_it_is_killed");
    let line = crashing.wait_for_line(LIMIT, |line| line.starts_with("server ")).await;
    let (pid, data) = line.strip_prefix("server ").unwrap().split_once(' ').unwrap();
    crashing.signal(Signal::SIGKILL);
    wait_until("the program is dead", LIMIT, async || {
        Poll::ready_if(crashing.exit_status().is_some(), "running")
    })
    .await;
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    assert!(Path::new(data).exists());
    assert!(run("starts_a_server").wait_exit(LIMIT).await.success());
    assert!(!Path::new(data).parent().unwrap().exists(), "{data} is still there");
    wait_until("the server left behind is dead", LIMIT, async || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        Poll::ready_if(status.is_empty() || status.contains("State:\tZ"), status)
    })
    .await;
}

#[tokio::test]
#[ignore = "a part of what_a_killed_test_program_left_is_removed_by_the_next_one"]
async fn holds_a_server_until_it_is_killed() {
    let server = PgServer::start().await;
    println!("\nserver {} {}", postmaster_pid(&server).await, data_directory(&server).await);
    std::future::pending::<()>().await;
}

#[tokio::test]
#[ignore = "a part of what_a_killed_test_program_left_is_removed_by_the_next_one"]
async fn starts_a_server() {
    PgServer::start().await;
}
