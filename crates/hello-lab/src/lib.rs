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
//! - [`registry`]: the container registry, and its client
//! - [`logs`]: log groups and streams
//! - [`process`]: the one module that starts, watches, adopts and ends processes
//! - [`secret`]: a text that is never printed
//! - [`timeouts`]: every time that the lab waits, with its reason

pub mod database;
pub mod dns;
pub mod lab;
pub mod load_balancer;
pub mod logs;
pub mod network;
pub mod process;
pub mod registry;
pub mod secret;
pub mod task;
pub mod timeouts;
