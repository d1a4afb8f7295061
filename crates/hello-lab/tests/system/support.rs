//! What the tests of the whole lab share.
//!
//! - [`lab`]: a lab of a test's own, and the command line on it
//! - [`command`]: programs with a deadline
//! - [`parts`]: which parts stand, and their namespaces
//! - [`probe`]: connections and questions from inside a namespace
//! - [`load`]: clients that never stop asking
//! - [`machine`]: what a lab has on the machine

pub(crate) mod command;
pub(crate) mod lab;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod parts;
pub(crate) mod probe;

use hello_testkit::{Poll, wait_until};
use std::time::Duration;

/// Waits until a look finds something; an error says what was seen instead.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(wait_until(what, limit, async || match look() {
        Ok(found) => Poll::Ready(found),
        Err(status) => Poll::NotYet { status },
    }))
}

/// A setting of a test run, as text.
#[expect(clippy::disallowed_methods, reason = "a test run has no configuration but its environment")]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
