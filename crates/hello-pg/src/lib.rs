//! PostgreSQL words shared by the service, the lab and the fail-over controller.
//!
//! What it is: the few values by which those programs talk about a PostgreSQL server and compare two of them, and
//! the statements that read or change them.
//!
//! - [`Lsn`], [`Timeline`], [`SystemId`]: positions and identities, in `words`.
//! - [`observe()`] and [`NodeStatus`]: what a server is right now, in one statement, in `observe`.
//! - [`control`]: promote, make a slot, wait for a replica.
//!
//! What it is not: a connection pool, a driver, or a judge. It never decides which server may be written to; it
//! only says what a server reports of itself.
//!
//! With `default-features = false` only the words remain and no driver is pulled in.

mod words;

#[cfg(feature = "client")]
pub mod control;
#[cfg(feature = "client")]
mod observe;

#[cfg(feature = "client")]
pub use observe::{NodeStatus, ObserveError, Role, observe};
pub use words::{Lsn, ParseLsnError, ParseTimelineError, SystemId, Timeline};
