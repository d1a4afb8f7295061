//! Errors of the client, in words as ECS shows them.

use crate::registry::oci::Digest;
use hyper::{Method, StatusCode};
use std::{io, net::Ipv4Addr, time::Duration};

/// What goes wrong between us and a registry.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The CA cannot be used.
    #[error("cannot read the registry's CA: {0}")]
    Authority(String),
    /// The name has no address.
    #[error("dial tcp: lookup {name} on {resolver}:53: {cause}")]
    Name {
        /// The host's name.
        name: String,
        /// Who was asked.
        resolver: Ipv4Addr,
        /// What came of it.
        cause: String,
    },
    /// Nobody answers there.
    #[error("dial tcp {address}:{port}: {cause}")]
    Connect {
        /// Where it was tried.
        address: Ipv4Addr,
        /// Its port.
        port: u16,
        /// What came of it.
        cause: io::Error,
    },
    /// The host cannot prove who it is.
    #[error("tls: failed to verify certificate of {host}: {cause}")]
    Tls {
        /// The host's name.
        host: String,
        /// What came of it.
        cause: io::Error,
    },
    /// The connection broke.
    #[error("the connection to {host} broke: {cause}")]
    Broken {
        /// The host's name.
        host: String,
        /// What came of it.
        cause: hyper::Error,
    },
    /// No answer in time.
    #[error("{host} has not answered within {} s", .after.as_secs())]
    Slow {
        /// The host's name.
        host: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// It answers, and refuses.
    #[error("{method} {uri}: unexpected status code {status}{detail}")]
    Refused {
        /// What was asked.
        method: Method,
        /// Of what.
        uri: String,
        /// The answer.
        status: StatusCode,
        /// The registry's own words, after a colon.
        detail: String,
    },
    /// It answers something that cannot be right.
    #[error("{0}")]
    Answer(String),
    /// What came is not what was asked for.
    #[error("failed precondition: content of digest {wanted} has digest {got}")]
    Content {
        /// The name asked for.
        wanted: Digest,
        /// The name of what came.
        got: Digest,
    },
    /// It cannot be kept on this machine.
    #[error("cannot write what was downloaded: {0}")]
    Keep(#[from] io::Error),
}

impl Error {
    /// Can the same request succeed a moment later?
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Name { .. } | Error::Connect { .. } | Error::Broken { .. } | Error::Slow { .. } => true,
            Error::Refused { status, .. } => status.is_server_error(),
            Error::Authority(_)
            | Error::Tls { .. }
            | Error::Answer(_)
            | Error::Content { .. }
            | Error::Keep(_) => false,
        }
    }
}
