//! The greeting service: who you are and when your birthday is.

pub mod cli;
pub mod commands;
pub mod config;
pub mod consistency;
pub mod domain;
pub mod http;
mod random;
pub mod store;
pub mod telemetry;
