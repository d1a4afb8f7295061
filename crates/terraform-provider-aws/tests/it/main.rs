//! The provider under the real `terraform`: configurations in temporary directories, run as a user would.

#![expect(unreachable_pub, reason = "a test binary has no outside")]
#![expect(clippy::unwrap_used, reason = "what tests call fails by panicking, as a test does")]

mod data_sources;
mod depth;
mod example;
mod harness;
mod imports;
mod lifecycle;
mod process;
mod refusals;
mod secrets;
mod state;
mod styles;
