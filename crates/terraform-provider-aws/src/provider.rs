//! The provider: what answers Terraform's calls.
//!
//! `service` receives the protocol's messages and hands each to the module of its kind, with the configuration of the
//! connection it came by: one process may serve several configurations (aliases), each on a connection of its own.
//! Whatever goes wrong, panics included, reaches the user as a diagnostic.

mod answer;
mod data_sources;
mod ephemeral;
mod functions;
mod resources;
mod service;
mod settings;

pub(crate) use settings::partition;
pub use settings::{Connection, Settings};

use crate::{
    backend::{Backend, absent::Absent, record::Record},
    config::{ApplyMode, Environment},
    diagnostic::Diagnostic,
    schema::Catalogue,
};
use std::sync::Arc;

/// Which provider a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// `hashicorp/aws`.
    Aws,
    /// `hashicorp/random`.
    Random,
    /// Another one, which is refused by this name.
    Other(String),
}

impl Role {
    /// The role that an executable's file name gives: `terraform-provider-random` serves `random`.
    pub fn of_executable(file_name: &str) -> Role {
        let name = file_name.strip_prefix("terraform-provider-").unwrap_or("aws");
        Role::of_name(name.split('_').next().unwrap_or(name))
    }

    /// The role of a provider's name, with or without its namespace.
    pub fn of_name(name: &str) -> Role {
        match name.rsplit('/').next().unwrap_or(name) {
            "aws" => Role::Aws,
            "random" => Role::Random,
            _ => Role::Other(name.to_owned()),
        }
    }
}

/// One provider, serving any number of connections.
#[derive(Clone)]
pub struct Provider {
    role: Role,
    catalogue: Arc<Catalogue>,
    backend: Arc<dyn Backend>,
    environment: Arc<Environment>,
    /// Why it refuses to be configured, if it does.
    refusal: Option<Diagnostic>,
}

impl Provider {
    /// A provider that applies to `backend`.
    pub fn new(role: Role, backend: Arc<dyn Backend>, environment: Environment) -> Provider {
        let catalogue = match role {
            Role::Random => Catalogue::random(),
            Role::Aws | Role::Other(_) => Catalogue::aws(),
        };
        Provider {
            role,
            catalogue: Arc::new(catalogue),
            backend,
            environment: Arc::new(environment),
            refusal: None,
        }
    }

    /// A provider without a lab: it plans, and applies as its environment says.
    pub fn without_lab(role: Role, environment: Environment) -> Provider {
        let backend: Arc<dyn Backend> = match &environment.apply {
            ApplyMode::Record(file) => Arc::new(Record::new(file.clone())),
            ApplyMode::Refuse | ApplyMode::Invalid(_) => Arc::new(Absent),
        };
        let refusal = match &environment.apply {
            ApplyMode::Invalid(word) => Some(Diagnostic::error(
                "Invalid HELLO_PROVIDER_APPLY",
                format!(
                    "HELLO_PROVIDER_APPLY is {word:?}, which means nothing: unset it, or set it to \"record\"."
                ),
            )),
            ApplyMode::Refuse | ApplyMode::Record(_) => None,
        };
        Provider { refusal, ..Provider::new(role, backend, environment) }
    }
}

#[cfg(test)]
mod tests;
