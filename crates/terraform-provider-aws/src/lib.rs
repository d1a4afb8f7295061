//! A drop-in for the Terraform providers `hashicorp/aws` and `hashicorp/random` that needs neither an account nor a
//! network.
//!
//! It validates, plans and answers data sources by itself, from schemas and facts that the build puts into the binary.
//! It makes nothing real: an apply goes to a [`backend::Backend`]. It has no client for AWS, so no configuration and no
//! mistake can reach an account. `docs/PROVIDER.md` is the user's side of it.
//!
//! # From the wire inwards
//!
//! - [`serve`]: the handshake of a plugin process, and a long-lived server for `TF_REATTACH_PROVIDERS`
//! - [`provider`]: the calls of the protocol, the configuration of each connection; panics become diagnostics
//! - [`value`]: values with exact numbers and unknowns at any depth, and their msgpack and JSON forms
//! - [`schema`]: what types look like; served as bytes, decoded when a type is used
//! - [`facts`]: what a schema does not show: defaults, what forces replacement, constraints
//! - [`validate`], [`plan`]: the generic engine over both, pure functions of what Terraform sends
//! - [`rules`]: AWS's rules that neither shows, by service
//! - [`backend`]: where an apply goes: the lab, a record for tests, or nowhere
//! - `import`: what the id of an import says
//! - `upgrade`: state of an older schema
//! - [`mark`]: how state of the lab is told from state of production
//!
//! # What holds everywhere
//!
//! Anything specific to a type is data (`facts/`) or a rule with a citation; the rest goes through one generic path.
//! Nothing below [`config`] reads the environment. No input may panic; where one does, the user reads a diagnostic.

pub mod backend;
pub mod config;
mod data;
pub mod diagnostic;
pub mod facts;
mod import;
pub mod mark;
pub mod plan;
mod proto;
pub mod provider;
mod random;
pub mod rules;
pub mod schema;
pub mod serve;
mod upgrade;
pub mod validate;
pub mod value;
mod walk;
