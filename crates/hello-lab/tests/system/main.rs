//! The whole lab: our Terraform applied by the ordinary `terraform`, then looked at from inside the real namespaces.
//!
//! Needs root, `terraform`, `curl`, the lab's programs, and the service's image. `make test-lab` builds the image and runs
//! this; `cargo test` alone does not, since a test target that needs an image would fail wherever there is none
//! (`test = false` in Cargo.toml). By hand: `make image`, then `cargo test -p hello-lab --test system`.
//!
//! Every test has a lab of its own name with its own directories and its own copy of `terraform/`, and takes it down
//! however it ends. At most two labs stand at a time ([`support::lab`]).
//!
//! - [`arrows`]: who reaches whom in the diagram, the service behind it, and what one missing rule or route does
//! - [`deployments`]: tasks that are killed, replaced, cannot be pulled or lack a secret
//! - [`services`]: what the scheduler decides when its daemon is killed, a task fails its checks, a deployment fails
//! - [`databases`]: a primary that is frozen, killed, and replaced by its replica
//! - [`changes`]: attributes that are changed with Terraform
//! - [`storage`]: a primary whose disk is full
//! - [`commands`]: the command line on a lab in which everything stands, and what Terraform says of what is not modelled
//! - [`drift`]: what was changed by hand
//! - [`life`]: apply twice, destroy, down, and a daemon that is killed while nothing changes
//! - [`housekeeping`]: what a deployment leaves on the disk
//! - [`regions`]: one configuration in two regions
//! - [`interruption`]: a daemon that is killed at random moments of applies and destroys
//!
//! `HELLO_LAB_IMAGE` names another image layout, `HELLO_LAB_ROUNDS` how often the daemon is killed, `HELLO_LAB_SEED` at
//! which moments.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a target that does not run by default is no test to clippy"
)]

mod arrows;
mod changes;
mod commands;
mod databases;
mod deployments;
mod drift;
mod housekeeping;
mod interruption;
mod life;
mod regions;
mod services;
mod storage;
mod support;
