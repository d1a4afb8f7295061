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
//! - [`publish`]: ports of the machine's loopback that lead into the lab
//! - [`process`]: the one module that starts, watches, adopts and ends processes
//! - [`tls`]: the lab's certificate authority
//! - [`secret`]: a text that is never printed
//! - [`timeouts`]: every time that the lab waits, with its reason

pub mod database;
pub mod dns;
pub mod lab;
pub mod load_balancer;
pub mod network;
pub mod process;
pub mod publish;
pub mod secret;
mod subcommand;
pub mod task;
pub mod timeouts;
pub mod tls;
mod unprivileged;
