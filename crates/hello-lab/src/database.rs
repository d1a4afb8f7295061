//! RDS instances as PostgreSQL clusters.
//!
//! - [`model`]: what an instance should be

pub mod model;
