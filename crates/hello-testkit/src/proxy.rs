//! A TCP proxy that breaks the network in front of a server, at run time.
//!
//! It runs on a thread and a runtime of its own, so it works whatever the test's own runtime does, and a mode is in
//! force everywhere when the call that set it returns.

mod connection;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::port::free_port;

/// How many connections the kernel takes in while none is accepted.
const BACKLOG: u32 = 1024;

/// How often another port is tried when the chosen one was taken in between.
const BIND_ATTEMPTS: usize = 10;

/// The pause after a failed accept, so that a lack of file descriptors does not spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// What the network between the clients and the server does, to existing and new connections alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything is forwarded.
    Pass,
    /// Nobody listens: existing connections are reset, new ones refused. A process that is gone.
    Refuse,
    /// Existing connections are reset, new ones are accepted and then reset. A middlebox that has lost its state.
    Reset,
    /// Connections stay up and carry nothing: no data, no end, no reset. New ones are established by the kernel,
    /// but nobody answers. What was sent meanwhile arrives when the mode ends. A host that hangs, or a network
    /// that drops packets.
    BlackHole,
    /// Everything is forwarded, this much later, in each direction. The kernel's handshake is not delayed.
    Delay(Duration),
}

/// A TCP proxy in front of a server, on a port of 127.0.0.1 that stays the same. Dropping it closes everything.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Unbounded in type only: each sender waits for the answer.
    commands: Option<mpsc::UnboundedSender<Command>>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<SocketAddr>,
    accepted: AtomicU64,
    open: AtomicU64,
    mode: watch::Sender<Mode>,
}

struct Command {
    mode: Mode,
    done: std_mpsc::SyncSender<io::Result<()>>,
}

impl FaultProxy {
    /// Starts a proxy that passes everything on to `upstream`.
    ///
    /// # Panics
    /// When no port can be had.
    pub fn start(upstream: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            mode: watch::Sender::new(Mode::Pass),
        });
        let (commands, receiver) = mpsc::unbounded_channel();
        let (started, address) = std_mpsc::sync_channel(1);
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.expect("a runtime can be built");
                runtime.block_on(async {
                    match bind_free_port() {
                        Ok((listener, address)) => {
                            started.send(Ok(address)).ok();
                            serve(listener, address, &shared, receiver).await;
                        }
                        Err(error) => drop(started.send(Err(error))),
                    }
                });
            }
        });
        let address = address.recv().expect("the proxy's thread reports its start");
        let address = address.unwrap_or_else(|e| panic!("failed to start a proxy: {e}"));
        Self { address, shared, commands: Some(commands), thread: Some(thread) }
    }

    /// Where clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The port of [`Self::addr`].
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The mode in force.
    pub fn mode(&self) -> Mode {
        *self.shared.mode.borrow()
    }

    /// Changes the mode. It is in force when this returns: a refused port is closed, a reset connection is reset.
    ///
    /// # Panics
    /// When leaving [`Mode::Refuse`] and another program has taken the port meanwhile.
    pub fn set_mode(&self, mode: Mode) {
        let (done, answer) = std_mpsc::sync_channel(1);
        let commands = self.commands.as_ref().expect("commands are taken only on drop");
        commands.send(Command { mode, done }).expect("the proxy's thread runs until drop");
        let result = answer.recv().expect("the proxy's thread answers each command");
        result.unwrap_or_else(|e| panic!("failed to listen on {} again: {e}", self.address));
    }

    /// Sets a mode for as long as the guard lives; then everything passes again.
    pub fn fault(&self, mode: Mode) -> Fault<'_> {
        self.set_mode(mode);
        Fault { proxy: self }
    }

    /// Sends new connections elsewhere. Existing ones stay where they are; [`Mode::Reset`] ends them.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream;
    }

    /// How many connections it has accepted in all.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many accepted connections are open now.
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // Without a sender of commands the thread ends.
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// A fault in force. Dropping it lets everything pass again.
#[derive(Debug)]
#[must_use = "the fault ends when this is dropped"]
pub struct Fault<'a> {
    proxy: &'a FaultProxy,
}

impl Fault<'_> {
    /// Ends the fault. The same as dropping it, said aloud.
    pub fn heal(self) {
        drop(self);
    }
}

impl Drop for Fault<'_> {
    fn drop(&mut self) {
        self.proxy.set_mode(Mode::Pass);
    }
}

fn bind_free_port() -> io::Result<(TcpListener, SocketAddr)> {
    let mut last = None;
    for _ in 0..BIND_ATTEMPTS {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        match bind(address) {
            Ok(listener) => return Ok((listener, address)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // Connections of before may linger in TIME_WAIT on this port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    shared: &Arc<Shared>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                None => return,
                Some(Command { mode, done }) => {
                    let result = change_mode(mode, address, &mut listener, &mut connections, shared).await;
                    done.send(result).ok();
                }
            },
            Some(_) = connections.join_next() => {}
            client = accept(listener.as_ref(), *shared.mode.borrow()) => {
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                if *shared.mode.borrow() == Mode::Reset {
                    // Closing a socket that lingers for no time sends a reset.
                    client.set_zero_linger().ok();
                } else {
                    connections.spawn(connection::run(client, Arc::clone(shared)));
                }
            }
        }
    }
}

/// The next client; never one while nobody listens or a black hole keeps them in the kernel's queue.
async fn accept(listener: Option<&TcpListener>, mode: Mode) -> TcpStream {
    match listener {
        Some(listener) if mode != Mode::BlackHole => loop {
            match listener.accept().await {
                Ok((client, _)) => return client,
                // A client that is gone again, or no file descriptor left: the next may do better.
                Err(_) => sleep(ACCEPT_RETRY).await,
            }
        },
        _ => std::future::pending().await,
    }
}

async fn change_mode(
    mode: Mode,
    address: SocketAddr,
    listener: &mut Option<TcpListener>,
    connections: &mut JoinSet<()>,
    shared: &Shared,
) -> io::Result<()> {
    if mode == Mode::Refuse {
        *listener = None;
    } else if listener.is_none() {
        *listener = Some(bind(address)?);
    }
    shared.mode.send_replace(mode);
    if matches!(mode, Mode::Refuse | Mode::Reset) {
        connections.shutdown().await;
    }
    Ok(())
}
