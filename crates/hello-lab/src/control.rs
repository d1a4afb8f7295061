//! The socket over which the command line talks to the daemon: one JSON line asks, JSON lines answer.

mod client;
mod server;

pub use client::{Client, ControlError};
pub use server::{Handler, Replies, bind, serve};

use crate::timeouts;
use serde::{Deserialize, Serialize};
use std::{net::Ipv4Addr, path::PathBuf, time::Duration};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum Request {
    /// The picture of what runs.
    Status,
    /// What a shell must export for Terraform.
    Environment,
    /// What has happened.
    Events {
        /// Go on with what happens.
        follow: bool,
        /// How many of the past.
        last: usize,
    },
    /// Lines of a log group.
    Logs {
        /// The group.
        group: String,
        /// Go on with what comes.
        follow: bool,
    },
    /// Breaks something, or mends it again.
    Fault {
        /// What to do.
        fault: Fault,
        /// The part.
        part: String,
    },
    /// What the `aws rds` commands do to an instance that Terraform has no word for.
    Database {
        /// What to do.
        operation: DatabaseOperation,
        /// Identifier of the instance, or REGION/IDENTIFIER.
        identifier: String,
    },
    /// Puts an image into the registry and answers with its digest.
    Push {
        /// An OCI image layout.
        layout: PathBuf,
        /// `ghcr.io/OWNER/NAME`
        repository: String,
    },
    /// How to run a command in a part.
    Locate {
        /// The part.
        part: String,
    },
    /// Waits until every part is as it should be.
    Settle,
    /// Ends the daemon; the parts stay.
    Stop,
}

impl Request {
    /// How long the daemon may be silent; `None` where that may be for ever, or for as long as something is copied.
    pub fn silence(&self) -> Option<Duration> {
        match self {
            Request::Status
            | Request::Environment
            | Request::Events { follow: false, .. }
            | Request::Logs { follow: false, .. }
            | Request::Locate { .. }
            | Request::Stop => Some(timeouts::CONTROL_ANSWER),
            Request::Fault { .. } => Some(timeouts::PART_READY + timeouts::CONTROL_ANSWER),
            Request::Settle => Some(timeouts::SETTLED + timeouts::CONTROL_ANSWER),
            Request::Events { .. }
            | Request::Logs { .. }
            | Request::Database { .. }
            | Request::Push { .. } => None,
        }
    }

    /// Does it go on for as long as its caller likes?
    pub fn follows(&self) -> bool {
        matches!(self, Request::Events { follow: true, .. } | Request::Logs { follow: true, .. })
    }
}

/// Something that is done to a database instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, clap::Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseOperation {
    /// Make a read replica a primary, as `aws rds promote-read-replica` does.
    Promote,
    /// Restart it, as `aws rds reboot-db-instance` does; parameters that wait for a reboot take effect.
    Reboot,
    /// Stop it until it is started again, as `aws rds stop-db-instance` does.
    Stop,
    /// Start it again, as `aws rds start-db-instance` does.
    Start,
    /// Keep its data under a name, as `aws rds create-db-snapshot` does.
    Snapshot {
        /// Name of the snapshot.
        name: String,
    },
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// End its processes at once (SIGKILL).
    Kill,
    /// Stop its processes where they are (SIGSTOP).
    Freeze,
    /// Let no packet pass to it or from it.
    Cut,
    /// Take all room that a database's storage has left.
    Fill,
    /// Undo freeze, cut and fill.
    Restore,
}

/// Where a part is: the result of [`Request::Locate`], as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Its network namespace.
    pub namespace: String,
    /// Of a task: its identifier, and its first container.
    pub container: Option<(String, String)>,
    /// Who answers for names there; `None` where nobody does.
    pub resolver: Option<Ipv4Addr>,
}

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// A line to show.
    Line(String),
    /// The end: it worked. The text is the result, if there is one.
    Done(String),
    /// The end: it did not; one sentence.
    Error(String),
}
