//! The commands of the program, one file each.

pub mod healthcheck;

use crate::cli::Invocation;

/// Runs the command.
pub fn dispatch(invocation: Invocation) -> anyhow::Result<()> {
    match invocation {
        Invocation::Healthcheck(config) => healthcheck::run(&config),
        Invocation::Serve(_) | Invocation::Migrate(_) | Invocation::Openapi => {
            anyhow::bail!("this command is not part of this build")
        }
    }
}
