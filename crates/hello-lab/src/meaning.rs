//! What resources mean: the way from what Terraform applied to the models of parts. Pure functions of what is known.
//!
//! - [`catalogue`]: which types are real, which are kept for others, which are only recorded
//! - [`values`]: which values of their arguments are not modelled
//! - [`document`]: the same as a table for the manual
//! - [`interfaces`]: who needs a network interface, and which addresses are given away
//! - [`certificates`]: those that parts prove themselves with
//! - [`databases`], [`load_balancers`], [`tasks`], [`dns`]: the models of those parts
//! - [`task_definitions`]: their revisions, and those that a service still needs
//! - [`secrets`]: what secrets and parameters hold
//! - [`log_groups`]: which there are, and which of them stay when their resource goes
//! - [`network`]: VPCs and all that routes and filters
//! - [`replication`]: the way from a database to its replicas
//! - [`rules`]: security group rules in their three styles

pub mod catalogue;
pub mod certificates;
pub mod databases;
pub mod dns;
pub mod document;
#[cfg(test)]
mod fixture;
pub mod interfaces;
pub mod load_balancers;
pub mod log_groups;
pub mod network;
pub mod replication;
pub mod rules;
pub mod secrets;
pub mod task_definitions;
pub mod tasks;
pub mod values;
