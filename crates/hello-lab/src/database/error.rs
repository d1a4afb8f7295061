//! What can go wrong with a database instance.

use super::parameters::ParameterError;
use std::{io, path::Path, time::Duration};

/// Why something cannot be done with an instance. Each is one sentence with the way out where there is one.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A name that is none of RDS's: it would become a file name.
    #[error(
        "{name:?} is no name of an instance or snapshot: letters, digits and single hyphens, a letter first, at most 63 of them \
         (a snapshot: 255)"
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// The wanted major version is not installed.
    #[error(
        "instance {identifier} wants PostgreSQL {wanted}, and this machine has {found}; install the package \
         postgresql-{wanted}, or set engine_version to a version that is there"
    )]
    Version {
        /// The instance.
        identifier: String,
        /// The wanted major version.
        wanted: u32,
        /// Those found.
        found: String,
    },
    /// The data is of another major version.
    #[error(
        "the data of instance {identifier} is of PostgreSQL {found}, and {wanted} is wanted; the lab does not upgrade \
         data: set engine_version to {found}, or replace the instance"
    )]
    DataVersion {
        /// The instance.
        identifier: String,
        /// Major version of the data.
        found: String,
        /// The wanted major version.
        wanted: u32,
    },
    /// A parameter of the group.
    #[error("instance {identifier}: {source}")]
    Parameter {
        /// The instance.
        identifier: String,
        /// What is wrong with which parameter.
        source: ParameterError,
    },
    /// PostgreSQL itself refuses its configuration.
    #[error("instance {identifier}: PostgreSQL refuses the parameters: {reason}")]
    Configuration {
        /// The instance.
        identifier: String,
        /// Its words.
        reason: String,
    },
    /// The server's user cannot reach its files.
    #[error(
        "PostgreSQL runs as the user {user}, who cannot enter {directory}; allow it with: chmod o+x {directory}"
    )]
    Closed {
        /// The user.
        user: String,
        /// The first directory that is closed to it.
        directory: String,
    },
    /// A new instance needs a master user.
    #[error("instance {0} is a new one and has no master user; set username and password")]
    NoUser(String),
    /// The path of the lab's directory is too long.
    #[error(
        "{directory} is too long for a Unix socket: begin the lab with a shorter directory (HELLO_LAB_RUN) or a shorter \
         name"
    )]
    SocketPath {
        /// The directory of the socket.
        directory: String,
    },
    /// There is no such instance.
    #[error("there is no database instance {0} in this lab")]
    NoInstance(String),
    /// There is no such snapshot.
    #[error("there is no snapshot {0} in this lab")]
    NoSnapshot(String),
    /// The name of the snapshot is taken. RDS's code for it, also where the snapshot is the last one of a deletion:
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html>
    #[error("DBSnapshotAlreadyExists: a snapshot {0} exists already; choose another name or delete it")]
    SnapshotExists(String),
    /// The instance is not in a state for this.
    #[error("instance {identifier} cannot be {what}: {reason}")]
    State {
        /// The instance.
        identifier: String,
        /// What was asked, as a participle.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// A program failed.
    #[error("{program} failed for instance {identifier}: {output}")]
    Program {
        /// The instance.
        identifier: String,
        /// The program.
        program: String,
        /// The end of what it said.
        output: String,
    },
    /// A statement failed.
    #[error("instance {identifier}: cannot {what}: {source}")]
    Statement {
        /// The instance.
        identifier: String,
        /// What was being done.
        what: &'static str,
        /// The driver's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something did not happen in time.
    #[error("instance {identifier}: {what} took longer than {} s; last seen: {status}", .limit.as_secs())]
    TimedOut {
        /// The instance.
        identifier: String,
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// The last thing seen.
        status: String,
    },
    /// A file or a call of the operating system.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's error.
        source: io::Error,
    },
    /// Several things went wrong in a tear-down, which goes on after each.
    #[error("not everything could be removed: {}", .0.join("; "))]
    Several(Vec<String>),
}

/// Says of an error of the operating system what was being done.
pub(super) trait Doing<T> {
    /// `what` is a verb and its object, as after "cannot".
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, DatabaseError>;

    /// For the common case of a verb and a path.
    fn at(self, verb: &str, path: &Path) -> Result<T, DatabaseError>
    where
        Self: Sized,
    {
        self.doing(|| format!("{verb} {}", path.display()))
    }
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, DatabaseError> {
        self.map_err(|source| DatabaseError::Io { what: what(), source: source.into() })
    }
}

impl DatabaseError {
    /// Can only a change of what is wanted, or of the machine, help? Else it is worth another try.
    pub fn is_permanent(&self) -> bool {
        matches!(
            self,
            DatabaseError::Name { .. }
                | DatabaseError::Version { .. }
                | DatabaseError::DataVersion { .. }
                | DatabaseError::Parameter { .. }
                | DatabaseError::Configuration { .. }
                | DatabaseError::NoSnapshot(_)
                | DatabaseError::SnapshotExists(_)
                | DatabaseError::Closed { .. }
                | DatabaseError::NoUser(_)
                | DatabaseError::SocketPath { .. }
        )
    }
}
