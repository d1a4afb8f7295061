//! DNS servers of the lab: the internet's, and a resolver for each VPC.
//!
//! - [`model`]: what a server answers

pub mod model;
