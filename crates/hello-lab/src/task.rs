//! Tasks of ECS as OCI containers.
//!
//! - [`model`]: what a task should be, and how it fares

pub mod model;
