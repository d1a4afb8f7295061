//! Accepts connections and serves them on worker threads.
//!
//! Each worker has a runtime of its own, on one thread, with its own connections to the database: a request never
//! crosses threads, so nothing on its way is locked or woken across cores. New connections go to the worker that has
//! the fewest.

use std::io;
use std::net::TcpStream as StdTcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::{App, Audience, Shared, connection};
use crate::store::AnyStore;

/// Connections that were accepted and wait for their worker; it takes them at once unless it is overwhelmed.
const HANDOVER_CAPACITY: usize = 64;
/// After a failed accept (no file descriptor left) the listener pauses, else it would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The private listener has a limit of its own, so that a flood of clients does not lock out who looks for the cause.
const MAX_PRIVATE_CONNECTIONS: usize = 64;

/// A connection on its way to a worker.
struct Handover {
    stream: StdTcpStream,
    audience: Audience,
    permit: OwnedSemaphorePermit,
}

/// What the workers must do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serve,
    /// End every connection after its request in progress, until then.
    EndBy(Instant),
}

/// The threads that serve.
pub struct Workers {
    threads: Vec<Worker>,
    phase: watch::Sender<Phase>,
    public_permits: Arc<Semaphore>,
    private_permits: Arc<Semaphore>,
}

struct Worker {
    inbox: mpsc::Sender<Handover>,
    connections: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

/// Makes a worker's store; called on its thread, within its runtime.
pub type MakeStore = Arc<dyn Fn() -> AnyStore + Send + Sync>;

impl Workers {
    /// Starts the threads.
    pub fn start(
        count: usize,
        max_connections: usize,
        shared: &Arc<Shared>,
        make_store: &MakeStore,
    ) -> io::Result<Self> {
        let (phase, _) = watch::channel(Phase::Serve);
        let threads = (0..count)
            .map(|number| {
                Worker::start(number, Arc::clone(shared), Arc::clone(make_store), phase.subscribe())
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self {
            threads,
            phase,
            public_permits: Arc::new(Semaphore::new(max_connections)),
            private_permits: Arc::new(Semaphore::new(MAX_PRIVATE_CONNECTIONS)),
        })
    }

    /// Accepts connections for ever. At the limit of connections new ones wait in the listener's backlog.
    pub async fn accept(&self, listener: &TcpListener, audience: Audience) {
        loop {
            let permit = self.permits(audience).acquire_owned().await.expect("the semaphore is never closed");
            let accepted = match listener.accept().await {
                Ok((stream, _)) => stream.into_std(),
                Err(error) => Err(error),
            };
            let stream = match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            self.hand_over(Handover { stream, audience, permit }).await;
        }
    }

    /// Accepts what the kernel has completed already, as far as the limit allows, and closes the listener: clients of
    /// such connections do not know that nobody has taken them, and would be cut.
    pub async fn accept_last(&self, listener: TcpListener, audience: Audience) {
        let Ok(listener) = listener.into_std() else { return };
        while let Ok(permit) = self.permits(audience).try_acquire_owned() {
            // The listener does not block: it says so when none waits.
            let Ok((stream, _)) = listener.accept() else { return };
            if stream.set_nonblocking(true).is_ok() {
                self.hand_over(Handover { stream, audience, permit }).await;
            }
        }
    }

    fn permits(&self, audience: Audience) -> Arc<Semaphore> {
        Arc::clone(match audience {
            Audience::Public => &self.public_permits,
            Audience::Private => &self.private_permits,
        })
    }

    /// To the worker with the fewest connections.
    async fn hand_over(&self, handover: Handover) {
        let worker = self
            .threads
            .iter()
            .min_by_key(|worker| worker.connections.load(Ordering::Relaxed))
            .expect("there is at least one worker");
        worker.connections.fetch_add(1, Ordering::Relaxed);
        if worker.inbox.send(handover).await.is_err() {
            tracing::error!("a worker has ended; its connection is dropped");
        }
    }

    /// Ends every connection after its request in progress, and the threads; at the latest at `deadline`.
    pub async fn end(self, deadline: Instant) {
        self.phase.send_replace(Phase::EndBy(deadline));
        let joined = tokio::task::spawn_blocking(move || {
            for worker in self.threads {
                drop(worker.inbox);
                // A worker that panicked has logged it; the others still end in order.
                let _ = worker.thread.join();
            }
        });
        let _ = timeout_at(deadline + Duration::from_millis(500), joined).await;
    }
}

impl Worker {
    fn start(
        number: usize,
        shared: Arc<Shared>,
        make_store: MakeStore,
        phase: watch::Receiver<Phase>,
    ) -> io::Result<Self> {
        let (inbox, handovers) = mpsc::channel(HANDOVER_CAPACITY);
        let connections = Arc::new(AtomicUsize::new(0));
        let (started, starts) = std_mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(format!("worker-{number}")).spawn({
            let connections = Arc::clone(&connections);
            move || {
                // A local runtime lives on the thread that runs it, so it is made here.
                let runtime =
                    match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                        Ok(runtime) => runtime,
                        Err(error) => return drop(started.send(Err(error))),
                    };
                let _ = started.send(Ok(()));
                runtime.block_on(async move {
                    let app = App { shared, store: make_store() };
                    work(app, handovers, phase, connections).await;
                });
                runtime.shutdown_background();
            }
        })?;
        starts.recv().map_err(io::Error::other)??;
        Ok(Self { inbox, connections, thread })
    }
}

/// How often a worker with open connections wakes for nothing. A timer that would fire before all others makes tokio write
/// to an eventfd and go round its loop once more, even when it is set by the runtime's own thread; each request sets two.
/// With one that fires sooner than any of theirs, they cost nothing. Ten wake-ups a second are too few to be seen.
const METRONOME: Duration = Duration::from_millis(100);

/// Serves the connections that are handed over until it is time to end.
async fn work(
    app: App,
    mut handovers: mpsc::Receiver<Handover>,
    mut phase: watch::Receiver<Phase>,
    open: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    let connections_phase = phase.clone();
    let deadline = loop {
        tokio::select! {
            Some(handover) = handovers.recv() => {
                serve(&app, handover, &connections_phase, &open, &mut connections);
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = sleep(METRONOME), if !connections.is_empty() => {}
            ended = phase.wait_for(|phase| *phase != Phase::Serve) => match ended.as_deref() {
                Ok(Phase::EndBy(deadline)) => break *deadline,
                Ok(Phase::Serve) => {}
                Err(_) => break Instant::now(),
            },
        }
    };
    // Connections that were accepted just before still get their answer.
    while let Ok(handover) = handovers.try_recv() {
        serve(&app, handover, &connections_phase, &open, &mut connections);
    }
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout_at(deadline, all_ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "the grace time is over; open connections are cut");
    }
}

fn serve(
    app: &App,
    handover: Handover,
    phase: &watch::Receiver<Phase>,
    open: &Arc<AtomicUsize>,
    connections: &mut JoinSet<()>,
) {
    let Handover { stream, audience, permit } = handover;
    let (app, open, mut phase) = (app.clone(), Arc::clone(open), phase.clone());
    connections.spawn_local(async move {
        let counted = app.shared.metrics.connection();
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                let stop = async move { drop(phase.wait_for(|phase| *phase != Phase::Serve).await) };
                connection::serve(stream, app, audience, stop).await;
            }
            Err(error) => tracing::warn!(%error, "cannot take over a connection"),
        }
        open.fetch_sub(1, Ordering::Relaxed);
        drop((permit, counted));
    });
}
