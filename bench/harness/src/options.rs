//! What to run, from flags and `BENCH_*` variables.

use std::path::PathBuf;
use std::time::Duration;

use crate::case::Case;
use crate::contender::Contender;

/// All cases, in the order in which they run.
const ALL_CASES: &str = "read:1,read:32,read:256,mixed:1,mixed:32,mixed:256,write:1,write:32,write:256";

/// Measures hello-you, its peers and pgbench side by side on this machine.
#[derive(clap::Parser, Debug)]
#[command(name = "bench")]
pub(crate) struct Options {
    /// Which contenders to measure [default: all]
    #[arg(long, env = "BENCH_ONLY", value_delimiter = ',', value_enum)]
    pub(crate) only: Vec<Contender>,

    /// Which cases, as KIND:CONNECTIONS with read, write or mixed (95 reads to 5 writes)
    #[arg(long, env = "BENCH_CASES", value_delimiter = ',', default_value = ALL_CASES)]
    pub(crate) cases: Vec<Case>,

    /// How long each case is measured in each round, in seconds
    #[arg(long, env = "BENCH_SECONDS", default_value = "3", value_parser = seconds)]
    pub(crate) seconds: Duration,

    /// How long each case runs before it is measured, in seconds
    #[arg(long, env = "BENCH_WARM_UP", default_value = "0.5", value_parser = seconds)]
    pub(crate) warm_up: Duration,

    /// How often each contender has its turn; the table shows the median
    #[arg(long, env = "BENCH_ROUNDS", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,

    /// How long the run may wait for other programs to leave the machine alone and measure again, in seconds
    #[arg(long, env = "BENCH_PATIENCE", default_value = "120", value_parser = seconds)]
    pub(crate) patience: Duration,

    /// How many users there are
    #[arg(long, env = "BENCH_USERS", default_value = "1000000", value_parser = clap::value_parser!(u32).range(1000..=20_000_000))]
    pub(crate) users: u32,

    /// Threads of the load generator
    #[arg(long, env = "BENCH_THREADS", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) threads: u8,

    /// Where the database's files go: a real disk, since its fsync is part of what is measured
    #[arg(long, env = "BENCH_DATA_DIR", default_value = "/var/tmp")]
    pub(crate) data_dir: PathBuf,

    /// A binary of hello-you to measure instead of building this repository's
    #[arg(long, env = "BENCH_HELLO_YOU")]
    pub(crate) hello_you: Option<PathBuf>,

    /// Measure what was built before
    #[arg(long)]
    pub(crate) no_build: bool,
}

impl Options {
    /// The contenders asked for; none named means all.
    pub(crate) fn contenders(&self) -> Vec<Contender> {
        let all = <Contender as clap::ValueEnum>::value_variants();
        all.iter().copied().filter(|one| self.only.is_empty() || self.only.contains(one)).collect()
    }

    /// Whether this is a run of everything, with as many users as the published figures are for.
    pub(crate) fn is_complete(&self) -> bool {
        let has = |case: &str| self.cases.iter().any(|one| one.to_string() == case);
        self.only.is_empty() && self.users >= 1_000_000 && ALL_CASES.split(',').all(has)
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if !(0.0..=3600.0).contains(&seconds) {
        return Err("must be between 0 and 3600".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn only_a_run_of_everything_is_complete() {
        assert!(Options::parse_from(["bench"]).is_complete());
        assert!(!Options::parse_from(["bench", "--only", "go"]).is_complete());
        assert!(!Options::parse_from(["bench", "--cases", "read:1"]).is_complete());
        assert!(!Options::parse_from(["bench", "--users", "1000"]).is_complete());
    }
}
