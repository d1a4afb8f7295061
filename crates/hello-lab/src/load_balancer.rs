//! Application load balancers as HAProxy in the public subnets.
//!
//! - [`model`]: what a load balancer should be, and how its targets fare

pub mod model;
