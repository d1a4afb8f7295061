//! Building servers: a primary from the template, a replica from a backup.

use std::fs::{self, File};
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use anyhow::{Context, Result};

use super::config::{ServerConfig, Upstream};
use super::directory::ServerDir;
use super::install::{PgVersion, default_version};
use super::os::ServerUser;
use super::postmaster::StartError;
use super::{PgServer, data, must};
use crate::ca::TestCa;
use crate::port::free_port;
use crate::proxy::FaultProxy;
use crate::wait::{Poll, wait_until};

/// How often another port is tried when the chosen one was taken in between.
const START_ATTEMPTS: usize = 5;

/// How long a replica may take to connect to its upstream.
const STREAMING_LIMIT: Duration = Duration::from_secs(60);

/// A primary to be started.
#[derive(Debug, Default)]
#[must_use = "a server is started by `start`"]
pub struct PgServerBuilder {
    version: Option<PgVersion>,
    config: ServerConfig,
    new_system: bool,
}

impl PgServerBuilder {
    /// Uses this installation instead of the preferred one.
    pub fn version(mut self, version: &PgVersion) -> Self {
        self.version = Some(version.clone());
        self
    }

    /// Sets a parameter of `postgresql.conf`; a later one of the same name wins.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.config.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// Gives it a system identifier of its own. Other servers of the tests are copies of one cluster and share theirs.
    pub fn new_system(mut self) -> Self {
        self.new_system = true;
        self
    }

    /// Puts a line before the others in `pg_hba.conf`.
    pub fn hba(mut self, line: &str) -> Self {
        self.config.hba.push(line.to_owned());
        self
    }

    /// Asks everybody who comes by TCP for a password (SCRAM) instead of trusting them.
    pub fn password_auth(mut self) -> Self {
        self.config.password_auth = true;
        self
    }

    /// Takes only TLS connections over TCP, with a certificate for `names` issued by `ca`.
    pub fn tls(mut self, ca: &TestCa, names: &[&str]) -> Self {
        let cert = ca.issue(names);
        self.config.tls = Some((cert.cert_pem().to_owned(), cert.key_pem().to_owned()));
        self
    }

    /// Starts it; ready when it has answered a query.
    ///
    /// # Panics
    /// When it does not start; the message has the end of its log.
    pub async fn start(self) -> PgServer {
        must(self.try_start().await, "start PostgreSQL")
    }

    async fn try_start(self) -> Result<PgServer> {
        let version = self.version.map_or_else(default_version, Ok)?;
        let dir = ServerDir::create()?;
        if self.new_system {
            data::initialise_anew(&version, &dir.data()).await?;
        } else {
            data::initialise(&version, &dir.data()).await?;
        }
        start(version, dir, self.config, None).await
    }
}

/// A replica to be started. It inherits version, settings, authentication and certificate.
#[derive(Debug)]
#[must_use = "a server is started by `start`"]
pub struct ReplicaBuilder<'a> {
    primary: &'a PgServer,
    config: ServerConfig,
    stream_port: u16,
}

impl<'a> ReplicaBuilder<'a> {
    pub(super) fn new(primary: &'a PgServer) -> Self {
        Self { primary, config: primary.config.clone(), stream_port: primary.port }
    }

    /// Sets a parameter of `postgresql.conf` for the replica alone.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.config.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// Streams through a proxy in front of the primary. The base backup is taken directly.
    pub fn stream_through(mut self, proxy: &FaultProxy) -> Self {
        self.stream_port = proxy.port();
        self
    }

    /// Takes a base backup and starts the replica; ready when it answers queries and streams through a slot of its
    /// own.
    ///
    /// # Panics
    /// When it does not start, or does not stream within a minute.
    pub async fn start(self) -> PgServer {
        let replica = must(self.try_start().await, "start a replica");
        let client = replica.client().await;
        wait_until("the replica streams from its primary", STREAMING_LIMIT, async || {
            match client.query_opt("select status from pg_stat_wal_receiver", &[]).await {
                Ok(Some(row)) => {
                    let status: Option<String> = row.get(0);
                    Poll::ready_if(status.as_deref() == Some("streaming"), format!("{status:?}"))
                }
                Ok(None) => Poll::NotYet { status: format!("no WAL receiver; {}", replica.dir.log_tail()) },
                Err(error) => Poll::Failed(error.to_string()),
            }
        })
        .await;
        replica
    }

    async fn try_start(&self) -> Result<PgServer> {
        let primary = self.primary;
        let slot = primary.next_slot_name();
        let superuser = primary.connect_superuser("postgres").await?;
        hello_pg::control::create_replication_slot(&superuser, &slot).await?;
        let dir = ServerDir::create()?;
        data::back_up(&primary.version, &primary.dir, primary.port, &superuser, &dir.data()).await?;
        // The primary's ALTER SYSTEM, a read-only default for instance, is not the replica's.
        fs::write(dir.data().join("postgresql.auto.conf"), "").context("empty postgresql.auto.conf")?;
        let signal = dir.data().join("standby.signal");
        File::create(&signal).context("create standby.signal")?;
        ServerUser::get().own(&signal)?;
        let upstream = Upstream { port: self.stream_port, slot };
        start(primary.version.clone(), dir, self.config.clone(), Some(upstream)).await
    }
}

async fn start(
    version: PgVersion,
    dir: ServerDir,
    config: ServerConfig,
    upstream: Option<Upstream>,
) -> Result<PgServer> {
    let mut server = PgServer {
        version,
        port: 0,
        config,
        upstream,
        postmaster: Mutex::new(None),
        slots: AtomicU32::new(0),
        dir,
    };
    let mut attempts = 0;
    loop {
        attempts += 1;
        server.port = free_port();
        server.config.write(&server.dir, server.port, server.upstream.as_ref())?;
        match server.launch().await {
            Err(StartError::PortTaken) if attempts < START_ATTEMPTS => {}
            other => return other.map(|()| server).map_err(Into::into),
        }
    }
}
