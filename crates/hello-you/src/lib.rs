//! The greeting service: who you are and when your birthday is.

pub mod domain;
pub mod store;
