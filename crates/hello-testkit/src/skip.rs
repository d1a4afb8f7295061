//! Tests that a machine cannot run.

use std::io::Write as _;

/// Says, with the test's name, why it proves nothing on this machine: on standard error, past the capture of what tests
/// print. The test then returns.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    // The test harness names a test's thread after the test.
    let line = format!("skipped: {}: {reason}\n", thread.name().unwrap_or("a test"));
    // Where nobody reads standard error nobody misses the line.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
