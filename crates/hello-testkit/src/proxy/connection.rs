//! One connection through the proxy: two directions, each held up as the mode says.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::{Mode, Shared};

const CHUNK_BYTES: usize = 16 * 1024;

/// How many chunks may be under way in one direction; with [`Mode::Delay`] this bounds what is in flight.
const CHUNKS_IN_FLIGHT: usize = 64;

/// Both sockets. Dropped before both sides have ended properly, they send resets.
struct Connection {
    client: TcpStream,
    server: Option<TcpStream>,
    ended: bool,
    shared: Arc<Shared>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.ended {
            self.client.set_zero_linger().ok();
            if let Some(server) = &self.server {
                server.set_zero_linger().ok();
            }
        }
        self.shared.open.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Chunk {
    due: Instant,
    /// Empty at the end of the stream.
    bytes: Vec<u8>,
}

/// Carries one client's connection until both sides have ended it, one is reset, or the task is aborted.
pub(super) async fn run(client: TcpStream, shared: Arc<Shared>) {
    shared.open.fetch_add(1, Ordering::SeqCst);
    let mode = shared.mode.subscribe();
    let mut connection = Connection { client, server: None, ended: false, shared };
    let upstream = *connection.shared.upstream.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    // Nagle's algorithm would add delays of its own.
    server.set_nodelay(true).ok();
    connection.client.set_nodelay(true).ok();
    let server = connection.server.insert(server);
    let (client_reads, client_writes) = connection.client.split();
    let (server_reads, server_writes) = server.split();
    let both = tokio::try_join!(
        direction(mode.clone(), client_reads, server_writes),
        direction(mode, server_reads, client_writes),
    );
    connection.ended = both.is_ok();
}

async fn direction(mode: watch::Receiver<Mode>, from: ReadHalf<'_>, to: WriteHalf<'_>) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    tokio::try_join!(read(mode.clone(), from, sender), write(mode, to, receiver)).map(drop)
}

async fn read(
    mut mode: watch::Receiver<Mode>,
    mut from: ReadHalf<'_>,
    chunks: mpsc::Sender<Chunk>,
) -> io::Result<()> {
    loop {
        let delay = flowing(&mut mode).await?;
        let mut bytes = vec![0; CHUNK_BYTES];
        let length = tokio::select! {
            length = from.read(&mut bytes) => length?,
            _ = mode.changed() => continue,
        };
        bytes.truncate(length);
        let sent = chunks.send(Chunk { due: Instant::now() + delay, bytes }).await;
        if length == 0 || sent.is_err() {
            return Ok(());
        }
    }
}

async fn write(
    mut mode: watch::Receiver<Mode>,
    mut to: WriteHalf<'_>,
    mut chunks: mpsc::Receiver<Chunk>,
) -> io::Result<()> {
    while let Some(Chunk { due, bytes }) = chunks.recv().await {
        sleep_until(due).await;
        flowing(&mut mode).await?;
        if bytes.is_empty() {
            return to.shutdown().await;
        }
        to.write_all(&bytes).await?;
    }
    Ok(())
}

/// Waits out a black hole; returns by how much data is delayed.
async fn flowing(mode: &mut watch::Receiver<Mode>) -> io::Result<Duration> {
    let mode = mode.wait_for(|mode| *mode != Mode::BlackHole).await;
    match *mode.map_err(|_| io::ErrorKind::ConnectionAborted)? {
        Mode::Delay(delay) => Ok(delay),
        Mode::Pass | Mode::Refuse | Mode::Reset | Mode::BlackHole => Ok(Duration::ZERO),
    }
}
