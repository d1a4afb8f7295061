//! `down`: nothing stays behind.

use crate::{
    cli::ask,
    control::{ControlError, Request},
    daemon,
    lab::Lab,
    terraform::forget_state,
    timeouts,
};
use anyhow::bail;
use clap::Args;
use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Instant,
};

/// What `down` is told.
#[derive(Debug, Args)]
pub(super) struct Down {
    /// The Terraform directory that was applied: its state of this lab goes too.
    #[arg(long, default_value = "terraform/single-region")]
    directory: PathBuf,
}

impl Down {
    pub(super) async fn run(&self, lab: &Lab) -> anyhow::Result<ExitCode> {
        match ask(lab, &Request::Stop, &mut io::sink()).await {
            Ok(_) | Err(ControlError::NotRunning { .. } | ControlError::Broken(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let deadline = Instant::now() + timeouts::DAEMON_STOP;
        while daemon::runs(lab)? {
            if Instant::now() > deadline {
                bail!("the daemon has not ended after {} s", timeouts::DAEMON_STOP.as_secs());
            }
            tokio::time::sleep(timeouts::POLL_START).await;
        }
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
