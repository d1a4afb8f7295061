//! HAProxy as a load balancer: real processes, targets and clients in a network namespace of the test's own.
//!
//! Needs root and the package haproxy. Nodes and targets are addresses of `lo` in the namespace.
//!
//! - `targets`: registration, checks, draining, failing open
//! - `requests`: rules, headers, statuses, TLS
//! - `processes`: new configurations under load, kill, adoption, tear-down
//! - `support`: the namespace, targets and clients

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod processes;
mod requests;
mod support;
mod targets;
