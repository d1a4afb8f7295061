//! RDS instances as real PostgreSQL servers, each test in a lab and a namespace of its own. Needs root.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod controller;
mod crash;
mod daemon;
mod faults;
mod fixture;
mod instance;
mod log;
mod parameters;
mod replica;
mod snapshot;
mod snapshot_resource;
mod storage;
