//! The running program, driven from outside: over HTTP, by signals, with a real PostgreSQL that breaks.

#![expect(
    clippy::unwrap_used,
    reason = "an error is the test's failure, also in the functions that tests share"
)]

mod api;
mod batches;
mod browser;
mod consistency;
mod documentation;
mod epoch_source;
mod fencing;
mod heartbeat;
mod migrations;
mod openapi;
mod pages;
mod postgres_17;
mod postgres_faults;
#[path = "../support/postgres.rs"]
mod postgres_support;
mod process;
mod protocol;
mod support;
mod systems;
mod tls;
