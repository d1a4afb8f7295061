//! A drop-in for the Terraform providers `hashicorp/aws` and `hashicorp/random` that needs neither an account nor a network.

pub mod backend;
pub mod config;
mod data;
pub mod diagnostic;
pub mod facts;
pub mod mark;
pub mod plan;
mod proto;
pub mod provider;
mod random;
pub mod rules;
pub mod schema;
pub mod serve;
pub mod validate;
pub mod value;
mod walk;
