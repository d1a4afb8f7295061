//! The lab: AWS resources of Terraform made real on one Linux machine.
//!
//! Terraform talks to a provider that this daemon serves. What it applies is stored; a reconciler makes the parts match:
//! namespaces and packet filters, PostgreSQL, containers, HAProxy, DNS. The parts keep running when the daemon is killed,
//! and a restarted daemon adopts them. `docs/LAB.md` is the user's side of it.
//!
//! # Where things are
//!
//! - [`lab`]: a lab's name and its directories
//! - [`network`], [`database`], [`task`], [`load_balancer`], [`dns`]: the kinds of parts. Each has a `model` (what should
//!   be, plain data), a pure plan, and effects of its own
//! - [`environment`], [`terraform`]: how `terraform` finds the lab
//! - [`status`]: the diagram as text
//! - [`preflight`]: what a machine must have
//! - [`cli`]: the command line
//! - [`daemon`], [`controllers`]: what runs all the time
//! - [`control`]: how the command line and the daemon talk
//! - [`backend`]: what Terraform's provider applies to
//! - [`store`], [`world`]: what the daemon knows, durably
//! - [`board`], [`events`]: how the parts fare, now and over time
//! - [`meaning`]: what resources mean: from what Terraform applied to the models of parts
//! - [`service`]: how a service keeps its tasks: the scheduler of ECS
//! - [`publish`]: ports of the machine's loopback that lead into the lab
//! - [`registry`]: the container registry, and its client
//! - [`logs`]: log groups and streams
//! - [`process`]: the one module that starts, watches, adopts and ends processes
//! - [`tls`]: the lab's certificate authority
//! - [`files`]: files as all parts write and remove them
//! - [`secret`]: a text that is never printed
//! - [`mounts`]: what is mounted where
//! - [`timeouts`]: every time that the lab waits, with its reason

pub mod backend;
pub mod board;
pub mod cli;
pub mod control;
pub mod controllers;
pub mod daemon;
pub mod database;
pub mod dns;
pub mod environment;
pub mod events;
pub mod files;
pub mod lab;
pub mod load_balancer;
pub mod logs;
pub mod meaning;
pub mod mounts;
pub mod network;
pub mod preflight;
pub mod process;
pub mod publish;
pub mod registry;
pub mod secret;
pub mod service;
pub mod status;
pub mod store;
mod subcommand;
pub mod task;
pub mod terraform;
pub mod timeouts;
pub mod tls;
mod unprivileged;
pub mod world;
