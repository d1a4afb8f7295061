//! How a service keeps its tasks: the scheduler of ECS.
//!
//! - [`plan`]: what to do next, a pure function of what is seen

pub mod plan;
