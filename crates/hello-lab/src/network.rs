//! The network of a lab: namespaces, links, routes and packet filters.
//!
//! - [`model`]: what it should be
//! - [`netns`]: the one place that makes, enters and removes network namespaces

pub mod model;
pub mod netns;
