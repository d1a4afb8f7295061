//! What the tests of the whole lab share.
//!
//! - [`lab`]: a lab of a test's own, and the command line on it
//! - [`command`]: programs with a deadline
//! - [`parts`]: which parts stand, and their namespaces
//! - [`probe`]: connections and questions from inside a namespace
//! - [`load`]: clients that never stop asking
//! - [`machine`]: what a lab has on the machine
//! - [`traces`]: the same while it stands, to be compared with another moment
//! - [`secrets`]: where its secrets can be read
//! - [`follow`]: programs that do not end by themselves

pub(crate) mod command;
pub(crate) mod follow;
pub(crate) mod lab;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod parts;
pub(crate) mod probe;
pub(crate) mod secrets;
pub(crate) mod traces;

use std::{
    thread,
    time::{Duration, Instant},
};

/// Between two looks: what is waited for here takes from a tenth of a second on.
const INTERVAL: Duration = Duration::from_millis(20);

/// Waits until a look finds something; an error says what was seen instead. Looks may wait themselves, as running a
/// program does, so this blocks, unlike its twin in `hello_testkit`.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match look() {
            Ok(found) => return found,
            Err(status) => {
                let seconds = limit.as_secs();
                assert!(
                    Instant::now() < deadline,
                    "waiting until {what}: timed out after {seconds} s; last status: {status}"
                );
            }
        }
        thread::sleep(INTERVAL);
    }
}

/// A setting of a test run, as text.
#[expect(clippy::disallowed_methods, reason = "a test run has no configuration but its environment")]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
