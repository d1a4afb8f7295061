//! Tasks of ECS as OCI containers.
//!
//! - [`model`]: what a task should be, and how it fares
//! - [`tasks`]: the daemon's side: start, follow, stop, adopt, remove
//! - [`shim`]: the process that looks after one task
//! - [`image`]: images, pulled and unpacked
//! - [`bundle`]: a container as the runtime wants it
//! - [`runtime`]: the container runtime, crun
//! - [`cgroup`]: the limits of a task
//! - [`health`]: what health checks come to
//! - [`files`]: where a task's files are

pub mod bundle;
pub mod cgroup;
pub mod files;
pub mod health;
pub mod image;
pub mod model;
pub mod runtime;
pub mod shim;
pub mod tasks;
