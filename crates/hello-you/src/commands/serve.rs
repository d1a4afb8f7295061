//! `serve`: from the settings to a service that answers, and in order to its end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::cli::{REVISION, VERSION};
use crate::config::{Database, ServeConfig};
use crate::consistency::Signer;
use crate::http::listener::{MakeStore, Workers};
use crate::http::{Audience, Shared};
use crate::store::AnyStore;
use crate::store::postgres::Postgres;
use crate::store::sqlite::SqliteStore;
use crate::telemetry::Telemetry;

/// Connections that the kernel completes and holds until they are accepted. The usual 128 overflow when load balancers
/// open theirs anew at once, and who finds no room is tried again by its kernel only a second later. Linux holds no more
/// than `net.core.somaxconn` says, which is 4096 since 5.4.
const LISTEN_BACKLOG: u32 = 1024;

/// Serves until a signal ends it.
pub fn run(config: ServeConfig) -> anyhow::Result<()> {
    let telemetry = Telemetry::start(&config.log);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let result = runtime.block_on(serve(config, &telemetry));
    // A database that does not answer must not hold up the end.
    runtime.shutdown_background();
    result
}

async fn serve(config: ServeConfig, telemetry: &Telemetry) -> anyhow::Result<()> {
    announce(&config);
    let max_connections = connections_within_file_limit(config.max_connections);
    let mut signals = Signals::listen()?;
    let listener = bind("HELLO_LISTEN", config.listen)?;
    let private_listener = match config.admin_listen {
        Some(address) => Some(bind("HELLO_ADMIN_LISTEN", address)?),
        None => None,
    };
    let (workers, make_store) = prepare_store(&config, telemetry)?;

    let draining = Arc::new(AtomicBool::new(false));
    let shared = Arc::new(Shared {
        signer: signer(&config),
        clock: Arc::new(SystemTime::now),
        leap_day: config.leap_day,
        admin_token: config.admin_token,
        write_grace: config.write_grace,
        draining: Arc::clone(&draining),
        access_log: telemetry.access_log.clone(),
        metrics: Arc::clone(&telemetry.metrics),
    });
    let workers =
        Workers::start(workers, max_connections, &shared, &make_store).context("start the worker threads")?;
    let address = listener.local_addr().context("ask for the address listened on")?;
    let private_address = match &private_listener {
        Some(listener) => Some(listener.local_addr().context("ask for the private address listened on")?),
        None => None,
    };
    tracing::info!(
        %address,
        private_address = private_address.map(tracing::field::display),
        "listening; open http://{address}"
    );

    let drained = {
        let accept = workers.accept(&listener, Audience::Public);
        let accept_private = async {
            match &private_listener {
                Some(listener) => workers.accept(listener, Audience::Private).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = async { tokio::join!(accept, accept_private); } => anyhow::bail!("the listeners ended"),
            drained = drain(&mut signals, config.shutdown_grace, config.drain_delay, &draining) => drained,
        }
    };
    workers.accept_last(listener, Audience::Public).await;
    if let Some(listener) = private_listener {
        workers.accept_last(listener, Audience::Private).await;
    }
    // From here on nothing new is accepted; requests in progress finish.
    let ended = async {
        match drained {
            Drained::InTime { deadline } => workers.end(deadline).await,
            Drained::Interrupted => std::future::pending().await,
        }
    };
    let second_signal = async {
        if drained != Drained::Interrupted {
            signals.second().await;
        }
    };
    tokio::select! {
        () = ended => tracing::info!("ended in order"),
        () = second_signal => tracing::warn!("a second signal: ended at once"),
    }
    Ok(())
}

/// How the time ended in which the process was asked to end and still accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drained {
    /// What runs may finish until then.
    InTime { deadline: Instant },
    /// Another signal came: nothing is waited for.
    Interrupted,
}

/// Waits for a signal. After SIGTERM readiness is 503 at once, and the listeners still accept for a while, since load
/// balancers learn late that they should send nothing more.
async fn drain(signals: &mut Signals, grace: Duration, delay: Duration, draining: &AtomicBool) -> Drained {
    let asked = signals.first().await;
    let deadline = Instant::now() + grace;
    draining.store(true, Ordering::Relaxed);
    tracing::info!(signal = asked.name(), grace_s = grace.as_secs_f64(), "asked to end");
    if asked == Asked::Terminate {
        tokio::select! {
            () = sleep(delay) => {}
            () = signals.second() => return Drained::Interrupted,
        }
    }
    Drained::InTime { deadline }
}

/// A signal that comes so soon after the first is the same one: `timeout`, and managers that signal a group of processes
/// as well as its leader, send two at once, and nobody has decided twice that quickly.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// The signals that end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// When the first one came.
    asked_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Terminate,
    Interrupt,
}

impl Asked {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("listen for SIGINT")?,
            asked_at: None,
        })
    }

    async fn first(&mut self) -> Asked {
        let asked = self.next().await;
        self.asked_at = Some(Instant::now());
        asked
    }

    /// Waits for one that means that the end must not take its time.
    async fn second(&mut self) {
        loop {
            self.next().await;
            if self.asked_at.is_none_or(|asked_at| asked_at.elapsed() > SAME_SIGNAL) {
                return;
            }
        }
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Terminate,
            _ = self.interrupt.recv() => Asked::Interrupt,
        }
    }
}

fn announce(config: &ServeConfig) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let database = match &config.database {
        Database::Sqlite { .. } => "sqlite",
        Database::Postgres(_) => "postgresql",
    };
    tracing::info!(
        version = VERSION,
        revision = REVISION,
        database,
        secrets_version = config.secrets_version,
        "starting"
    );
}

fn bind(variable: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    listen(address).with_context(|| {
        format!("{variable}: cannot listen on {address}; choose another address, or end what uses it")
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of the process before may linger on the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}

fn signer(config: &ServeConfig) -> Signer {
    if let Some(key) = &config.app_secret_key {
        return Signer::new(key.expose().as_bytes());
    }
    if matches!(config.database, Database::Postgres(_)) {
        tracing::warn!(
            "APP_SECRET_KEY is not set: consistency tokens are signed with a random key, so other instances, \
             and this one after a restart, ignore them"
        );
    }
    Signer::with_random_key()
}

/// Opens the store, and says how many workers it suffices for.
fn prepare_store(config: &ServeConfig, telemetry: &Telemetry) -> anyhow::Result<(usize, MakeStore)> {
    let wanted = config.workers.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    match &config.database {
        Database::Sqlite { path } => {
            let store = SqliteStore::open_measured(path, config.migrate, telemetry.metrics.store())?;
            Ok((wanted, Arc::new(move || AnyStore::Sqlite(store.clone()))))
        }
        Database::Postgres(postgres) => {
            let postgres =
                Postgres::new(postgres, wanted, config.request_timeout, telemetry.metrics.store())?;
            for monitor in postgres.monitors(config.migrate) {
                tokio::spawn(monitor);
            }
            let workers = postgres.workers();
            Ok((workers, Arc::new(move || AnyStore::Postgres(postgres.for_worker()))))
        }
    }
}

/// Raises the limit of open files as far as it may; returns how many clients' connections fit.
///
/// Each connection is a file, and the usual soft limit of 1024 is below the limit of connections. Clients never get all
/// files: without one the private listener could not accept, nor a lost connection to the database be opened anew.
fn connections_within_file_limit(max_connections: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// Files besides clients' connections: database, listeners, standard streams.
    const OTHERS: u64 = 256;
    let wanted = max_connections as u64 + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|current| *current < wanted) else { return max_connections };
    let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let result = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
    let files = if result.is_ok() { raised } else { current };
    // Where the limit is very low, half of it must do for the others.
    let fitting = files.saturating_sub(OTHERS).max(files / 2).max(1);
    let connections =
        usize::try_from(fitting).map_or(max_connections, |fitting| fitting.min(max_connections));
    if connections < max_connections {
        tracing::warn!(
            files,
            connections,
            "the limit of open files leaves room for fewer connections than HELLO_MAX_CONNECTIONS; raise it \
             (ulimit -n), or lower the setting"
        );
    }
    connections
}
