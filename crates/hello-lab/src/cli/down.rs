//! `down`: nothing stays behind.

use crate::{
    cli::ask,
    control::{ControlError, Request},
    daemon,
    lab::Lab,
    terraform::forget_state,
    timeouts,
};
use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

/// What `down` is told.
#[derive(Debug, Args)]
pub(super) struct Down {
    /// The Terraform directory that was applied: its state of this lab goes too.
    #[arg(long, default_value = "terraform/single-region")]
    directory: PathBuf,
}

/// Does the lab's daemon end within this time? One that is not there has ended.
async fn ends(lab: &Lab, patience: Duration) -> anyhow::Result<bool> {
    let deadline = Instant::now() + patience;
    while daemon::runs(lab)? {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        tokio::time::sleep(timeouts::POLL_START).await;
    }
    Ok(true)
}

/// Ends the lab's daemon. Whether it obeys or not, the lab goes: what it does not do by itself is done to it.
async fn end_daemon(lab: &Lab) -> anyhow::Result<()> {
    match ask(lab, &Request::Stop, &mut io::sink()).await {
        Ok(_) | Err(ControlError::Broken { .. }) if ends(lab, timeouts::DAEMON_END).await? => return Ok(()),
        Err(error @ ControlError::NotRoot) => return Err(error.into()),
        _ => {}
    }
    let deadline = Instant::now() + timeouts::KILLED;
    // One that was only just started has not written down yet which process it is.
    while !ends(lab, timeouts::POLL_START).await? {
        daemon::kill(lab).await.context("kill the daemon")?;
        if Instant::now() > deadline {
            bail!(
                "the daemon has not ended, though it was killed; `ps` and the kernel's log say what it waits for"
            );
        }
    }
    Ok(())
}

impl Down {
    pub(super) async fn run(&self, lab: &Lab) -> anyhow::Result<ExitCode> {
        end_daemon(lab).await?;
        let mut errors = daemon::tear_down(lab).await;
        if let Err(error) = forget_state(&self.directory, lab.name()) {
            errors.push(format!("state of terraform: {error:#}"));
        }
        for error in &errors {
            let _ = writeln!(io::stderr(), "{error}");
        }
        if errors.is_empty() {
            Ok(ExitCode::SUCCESS)
        } else {
            bail!(
                "{} of the lab's parts could not be ended; run it again once the causes are mended",
                errors.len()
            )
        }
    }
}
