//! Measures the greeting service, its peers and pgbench side by side, on this machine, in one run.
//!
//! It starts its own PostgreSQL, loads the users, and then gives each contender in turn the same requests
//! from the same load generator, round after round, so that a drift of the machine hits all alike.
//! It is no test: nothing passes or fails by time.
//!
//! - [`options`]: what to run, from flags and `BENCH_*` variables
//! - [`case`]: one case, such as reads over 256 connections
//! - [`contender`]: the servers: how each is built, started and where its users are
//! - [`postgres`]: the database server of the run; [`pgbench`]: its own benchmark, for reference
//! - [`load`]: the load generator
//! - [`process`]: children that end with the run, their memory and processor time
//! - [`run`]: the order of things; [`report`]: the table, JSON and markdown

mod case;
mod contender;
mod interrupt;
mod load;
mod options;
mod pgbench;
mod postgres;
mod probe;
mod process;
mod report;
mod run;
mod users;

use clap::Parser;

fn main() -> std::process::ExitCode {
    match run::run(&options::Options::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
