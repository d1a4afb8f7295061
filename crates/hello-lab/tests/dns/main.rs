//! DNS servers and published ports of a lab, as real processes in a network namespace of the test's own.
//!
//! Needs root.
//!
//! - `answers`: what a server says over the wire
//! - `processes`: changes, forwarding, kill, adoption, tear-down
//! - `published`: ports of the machine's loopback that lead into the namespace
//! - `support`: the namespace and a client

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod answers;
mod processes;
mod published;
mod support;
