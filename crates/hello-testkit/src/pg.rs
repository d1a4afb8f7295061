//! Real PostgreSQL servers for tests.

mod builder;
mod config;
mod data;
mod directory;
mod install;
mod os;
mod postmaster;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use hello_pg::{Lsn, NodeStatus};
use nix::sys::signal::Signal;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Config, NoTls};

pub use builder::{PgServerBuilder, ReplicaBuilder};
pub use install::{PgVersion, pg_version_or_skip, pg_versions};

use config::{ServerConfig, Upstream};
use directory::ServerDir;
use postmaster::{Postmaster, StartError};

use crate::proxy::FaultProxy;
use crate::wait::{Poll, wait_until};

/// How long a server may take to start, crash recovery on a busy machine included.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a server may take for anything else: to stop, to be promoted, to replay, to let the superuser in.
const LIMIT: Duration = Duration::from_secs(60);

/// The pause between two looks at a server that starts.
const START_POLL: Duration = Duration::from_millis(10);

/// How a server is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// In order: sessions are ended, replicas receive the last WAL, a checkpoint is written.
    Fast,
    /// At once, as in a crash of the program: the next start recovers from WAL.
    Immediate,
}

/// A PostgreSQL server of a test, on a port of 127.0.0.1 of its own. The superuser is `postgres`.
///
/// All methods take `&self`, so tests may share it. Methods panic with a clear message where a test could only
/// fail. Dropping it stops the server at once and removes its directory.
#[derive(Debug)]
pub struct PgServer {
    version: PgVersion,
    port: u16,
    config: ServerConfig,
    upstream: Option<Upstream>,
    /// Before `dir`: fields are dropped in order, and the server ends before its directory goes.
    postmaster: Mutex<Option<Postmaster>>,
    slots: AtomicU32,
    dir: ServerDir,
}

/// A server that stands still. Dropping this lets it go on.
#[derive(Debug)]
#[must_use = "the server goes on when this is dropped"]
pub struct Frozen<'a> {
    server: &'a PgServer,
}

impl Frozen<'_> {
    /// Lets the server go on. The same as dropping it, said aloud.
    pub fn thaw(self) {
        drop(self);
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if let Some(postmaster) = &*self.server.postmaster() {
            postmaster.thaw();
        }
    }
}

impl PgServer {
    /// Describes a primary to start.
    pub fn builder() -> PgServerBuilder {
        PgServerBuilder::default()
    }

    /// Starts a primary with the defaults.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A primary with the defaults that all tests of this program share while any of them uses it. Make a database
    /// of your own in it, and leave it running and writable.
    pub async fn shared() -> Arc<Self> {
        Self::shared_of(&must(install::default_version(), "find PostgreSQL")).await
    }

    /// The same of another installation than the preferred one.
    pub async fn shared_of(version: &PgVersion) -> Arc<Self> {
        // Weak: a static is never dropped, and would leave the servers behind.
        static SHARED: tokio::sync::Mutex<Vec<Weak<PgServer>>> = tokio::sync::Mutex::const_new(Vec::new());
        let mut shared = SHARED.lock().await;
        if let Some(server) =
            shared.iter().filter_map(Weak::upgrade).find(|server| server.version == *version)
        {
            return server;
        }
        let server = Arc::new(Self::builder().version(version).start().await);
        shared.retain(|server| server.strong_count() > 0);
        shared.push(Arc::downgrade(&server));
        server
    }

    /// Starts a streaming replica of this server, which may be a replica itself.
    pub async fn replica(&self) -> Self {
        self.replica_builder().start().await
    }

    /// Describes a streaming replica to start.
    pub fn replica_builder(&self) -> ReplicaBuilder<'_> {
        ReplicaBuilder::new(self)
    }

    /// Which PostgreSQL it is.
    pub fn version(&self) -> &PgVersion {
        &self.version
    }

    /// The port it listens on, the same for its whole life.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// A connection URL without a password.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// A connection URL through a proxy in front of this server.
    pub fn url_through(&self, proxy: &FaultProxy, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", proxy.port())
    }

    /// A proxy in front of this server.
    pub fn proxy(&self) -> FaultProxy {
        FaultProxy::start(self.addr())
    }

    /// Connects as superuser to the database `postgres`, past TLS and passwords (by socket).
    pub async fn client(&self) -> Client {
        self.client_in("postgres").await
    }

    /// Connects as superuser to a database.
    pub async fn client_in(&self, database: &str) -> Client {
        must(self.connect_superuser(database).await, "connect as superuser")
    }

    /// Connects by TCP without TLS as anybody, without a password.
    pub async fn client_as(&self, user: &str, database: &str) -> Client {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user(user).dbname(database);
        must(connect(&config).await, "connect")
    }

    /// Runs statements as superuser in the database `postgres`.
    pub async fn sql(&self, statements: &str) {
        self.sql_in("postgres", statements).await;
    }

    /// Runs statements as superuser in a database.
    pub async fn sql_in(&self, database: &str, statements: &str) {
        let client = self.client_in(database).await;
        must(client.batch_execute(statements).await.map_err(Into::into), statements);
    }

    /// Makes an empty database.
    pub async fn create_database(&self, name: &str) {
        self.sql(&format!("create database \"{}\"", name.replace('"', "\"\""))).await;
    }

    /// What the server reports of itself, to the superuser.
    pub async fn observe(&self) -> NodeStatus {
        must(hello_pg::observe(&self.client().await).await.map_err(Into::into), "observe the server")
    }

    /// Promotes a replica; it accepts writes when this returns.
    pub async fn promote(&self) {
        let promoted = hello_pg::control::promote(&self.client().await, LIMIT).await;
        must(promoted.map_err(Into::into), "promote the replica");
    }

    /// Waits until this replica has replayed all that `primary` has written so far, and returns how far that is.
    pub async fn catch_up_with(&self, primary: &Self) -> Lsn {
        let written = primary.observe().await.lsn;
        let replayed = hello_pg::control::wait_for_replay(&self.client().await, written, LIMIT).await;
        must(replayed.map_err(Into::into), "wait for the replica")
    }

    /// Holds replay on a replica: it goes on receiving, and shows what it shows now.
    pub async fn pause_replay(&self) {
        let client = self.client().await;
        must(client.batch_execute("select pg_wal_replay_pause()").await.map_err(Into::into), "pause replay");
        wait_until("replay is paused", LIMIT, async || {
            match client.query_one("select pg_get_wal_replay_pause_state()", &[]).await {
                Ok(row) => Poll::ready_if(row.get::<_, String>(0) == "paused", row.get::<_, String>(0)),
                Err(error) => Poll::Failed(error.to_string()),
            }
        })
        .await;
    }

    /// Lets replay go on.
    pub async fn resume_replay(&self) {
        self.sql("select pg_wal_replay_resume()").await;
    }

    /// Makes new transactions read-only or writable by default, also in sessions that are open, as an operator
    /// does to keep writers away. A session may still set it otherwise for itself.
    pub async fn set_read_only(&self, read_only: bool) {
        let value = if read_only { "on" } else { "off" };
        // Two statements in one message would be a transaction block, which ALTER SYSTEM refuses.
        self.sql(&format!("alter system set default_transaction_read_only = {value}")).await;
        self.sql("select pg_reload_conf()").await;
        wait_until("the server has reloaded its configuration", LIMIT, async || {
            let client = self.client().await;
            match client.query_one("show default_transaction_read_only", &[]).await {
                Ok(row) => Poll::ready_if(row.get::<_, String>(0) == value, row.get::<_, String>(0)),
                Err(error) => Poll::Failed(error.to_string()),
            }
        })
        .await;
    }

    /// Stops the server and waits for its end. It keeps its data and its port; [`Self::restart`] starts it again.
    /// A server that is not running stays as it is.
    pub async fn stop(&self, mode: StopMode) {
        let signal = match mode {
            StopMode::Fast => Signal::SIGINT,
            StopMode::Immediate => Signal::SIGQUIT,
        };
        if let Some(postmaster) = &*self.postmaster() {
            postmaster.signal(signal);
        }
        wait_until("the server has stopped", LIMIT, async || {
            let ended = self.postmaster().as_mut().is_none_or(Postmaster::has_ended);
            Poll::ready_if(ended, self.dir.log_tail())
        })
        .await;
        *self.postmaster() = None;
    }

    /// Kills all processes of the server (SIGKILL), as the kernel does when memory runs out.
    pub fn kill(&self) {
        if let Some(mut postmaster) = self.postmaster().take() {
            must(postmaster.kill(), "kill the server");
        }
    }

    /// Stops all processes of the server where they are (SIGSTOP): connections stay up and nobody answers.
    pub fn freeze(&self) -> Frozen<'_> {
        if let Some(postmaster) = &*self.postmaster() {
            must(postmaster.freeze(), "freeze the server");
        }
        Frozen { server: self }
    }

    /// Starts the server again on its port, after a fast stop if it is running.
    pub async fn restart(&self) {
        self.stop(StopMode::Fast).await;
        must(self.launch().await.map_err(Into::into), "start PostgreSQL again");
    }

    /// The end of the server's log.
    pub fn log_tail(&self) -> String {
        self.dir.log_tail()
    }

    async fn launch(&self) -> Result<(), StartError> {
        *self.postmaster() = Some(Postmaster::spawn(&self.version, &self.dir)?);
        let ready = async {
            loop {
                if let Some(postmaster) = self.postmaster().as_mut() {
                    postmaster.check_starting(&self.dir)?;
                }
                if let Ok(client) = self.connect_superuser("postgres").await
                    && client.simple_query("select 1").await.is_ok()
                {
                    return Ok(());
                }
                sleep(START_POLL).await;
            }
        };
        let result = timeout(START_LIMIT, ready).await;
        let result = result.unwrap_or_else(|_| {
            let seconds = START_LIMIT.as_secs();
            Err(anyhow!("the server is not ready after {seconds} s; {}", self.dir.log_tail()).into())
        });
        if result.is_err() {
            *self.postmaster() = None;
        }
        result
    }

    async fn connect_superuser(&self, database: &str) -> Result<Client> {
        let mut config = Config::new();
        config.host_path(self.dir.path()).port(self.port).user("postgres").dbname(database);
        connect(&config).await
    }

    fn next_slot_name(&self) -> String {
        format!("replica_{}", self.slots.fetch_add(1, Ordering::Relaxed))
    }

    fn postmaster(&self) -> MutexGuard<'_, Option<Postmaster>> {
        self.postmaster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(config: &Config) -> Result<Client> {
    let connected = timeout(LIMIT, config.connect(NoTls)).await;
    let (client, connection) = connected.context("the server does not answer")??;
    // Ends with the client, or with the server, of which the client's next call tells.
    tokio::spawn(connection);
    Ok(client)
}

/// Fails the test where it could not go on anyway.
#[track_caller]
fn must<T>(result: Result<T>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("failed to {what}: {error:#}"))
}
