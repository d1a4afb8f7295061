//! The HTTP interface, on hyper alone.
//!
//! - [`listener`]: accepts connections and hands them to worker threads, each with a runtime of its own
//! - `connection`, `guarded_io`, `head_scan`: one client's connection, its limits
//! - `dispatch`: from method and path to a handler; request id, log line, metrics around it
//! - `hello`, `users`, `health`, `pages`: the handlers; `query`, `birth_date_body`, `accept`: what they read of a request
//! - `embedded`: content that is compiled in, with its tag, compressed
//! - [`problem`]: every error a client can get
//! - [`openapi`]: the document about all this
//!
//! Paths are so few that a `match` finds a handler; a router and its layers cost more than the handlers themselves
//! (docs/ARCHITECTURE.md has the figures).

mod accept;
mod birth_date_body;
mod connection;
mod dispatch;
mod embedded;
mod guarded_io;
mod head_scan;
mod health;
mod hello;
pub mod listener;
pub mod openapi;
mod pages;
pub mod problem;
mod query;
mod request_id;
mod route;
mod users;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;

pub use route::Route;

use crate::config::Secret;
use crate::consistency::Signer;
use crate::domain::{Clock, LeapDay};
use crate::store::AnyStore;
use crate::telemetry::{AccessLog, Metrics};

/// The body of every answer: whole, and small.
pub type Body = Full<Bytes>;
/// An answer.
pub type Response = hyper::Response<Body>;

/// What the handlers of all workers share.
#[derive(Clone)]
pub struct Shared {
    /// Signs and checks consistency tokens.
    pub signer: Signer,
    /// What time it is.
    pub clock: Clock,
    /// The birthday of those born on 29 February.
    pub leap_day: LeapDay,
    /// What administrators must send; without it their calls do not exist.
    pub admin_token: Option<Secret>,
    /// How long writes may fail before this region counts as unhealthy.
    pub write_grace: Duration,
    /// Whether the process is about to end.
    pub draining: Arc<AtomicBool>,
    /// One line per request.
    pub access_log: AccessLog,
    /// Counters and histograms.
    pub metrics: Arc<Metrics>,
}

/// Which of the two listeners a connection came in on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Everyone.
    Public,
    /// The private listener: metrics and administrators.
    Private,
}

/// What a handler needs: what is shared, and its worker's store.
#[derive(Clone)]
pub struct App {
    /// Shared by all workers.
    pub shared: Arc<Shared>,
    /// This worker's.
    pub store: AnyStore,
}
