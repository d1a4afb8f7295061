//! Tasks for real: a registry, a resolver, images, and containers under crun. Needs root and the Debian packages crun,
//! docker-registry and iproute2.
//!
//! - `world`: a lab with a registry and a resolver in one namespace
//! - `image`: an image made of this machine's shell
//! - `pull`, `run`, `life`: what is pulled, how it runs, how it ends
//! - `registry`: what becomes of it when what it stands on changes

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod image;
mod life;
mod prune;
mod pull;
mod registry;
mod run;
mod world;
