//! The running program, driven from outside: over HTTP, by signals, with a real PostgreSQL that breaks.

#![expect(
    clippy::unwrap_used,
    reason = "an error is the test's failure, also in the functions that tests share"
)]

mod api;
mod browser;
mod consistency;
mod documentation;
mod fencing;
mod migrations;
mod openapi;
mod pages;
mod postgres_faults;
mod process;
mod protocol;
mod support;
mod tls;
