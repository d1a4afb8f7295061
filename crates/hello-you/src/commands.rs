//! The commands of the program, one file each.

pub mod healthcheck;
pub mod migrate;
pub mod openapi;
pub mod serve;

use crate::cli::Invocation;

/// Runs the command.
pub fn dispatch(invocation: Invocation) -> anyhow::Result<()> {
    match invocation {
        Invocation::Serve(config) => serve::run(*config),
        Invocation::Migrate(config) => migrate::run(&config),
        Invocation::Healthcheck(config) => healthcheck::run(&config),
        Invocation::Openapi => openapi::run(),
    }
}
