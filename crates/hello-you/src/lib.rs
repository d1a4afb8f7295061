//! The greeting service: who you are and when your birthday is.
//!
//! What it is: one program that stores names and dates of birth and greets by name, on an embedded SQLite file or on
//! PostgreSQL with a primary and replicas. `main` only calls [`cli`]; everything is here, so that tests reach it.
//!
//! - [`cli`], [`config`]: flags and variables become one checked value; nothing else reads the environment
//! - [`commands`]: `serve`, `migrate`, `healthcheck`, `openapi`: what each does from its start to its end
//! - [`domain`]: usernames, dates, zones, days left; no effects, and "now" is a parameter
//! - [`http`]: connections, the handlers, every error a client can get, the OpenAPI document, the pages
//! - [`store`]: one trait and two stores behind it, which one test-suite holds to one contract
//! - [`consistency`]: the signed token by which a client reads its own writes
//! - [`telemetry`]: log lines and metrics
//!
//! What it is not: a library for others (nothing is published, and all of it may change), or a framework. It knows
//! nothing of AWS: where its databases are and who may call it, it is told by settings.
//!
//! A request stays on one worker thread from its first byte to its answer; docs/ARCHITECTURE.md has the picture and the
//! decisions, docs/LIMITATIONS.md what is left out.

pub mod cli;
pub mod commands;
pub mod config;
pub mod consistency;
pub mod domain;
pub mod http;
mod random;
pub mod store;
pub mod telemetry;
