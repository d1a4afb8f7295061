//! Whether writes work, as the writer found and anybody may ask.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Since when writes fail, if they do.
#[derive(Debug, Default)]
pub(super) struct WriteHealth {
    failing: Mutex<Option<Failing>>,
}

/// Writes that fail.
#[derive(Debug, Clone, Copy)]
struct Failing {
    since: Instant,
    reason: &'static str,
}

impl WriteHealth {
    /// Something was stored.
    pub(super) fn succeeded(&self) {
        let failed = self.lock().take();
        if let Some(Failing { since, .. }) = failed {
            let failed_for_s = since.elapsed().as_secs_f64();
            tracing::info!(failed_for_s, "the SQLite database file can be written to again");
        }
    }

    /// Something that should have been stored was not.
    pub(super) fn failed(&self, reason: &'static str) {
        let before = {
            let mut failing = self.lock();
            let since = failing.map_or_else(Instant::now, |failing| failing.since);
            failing.replace(Failing { since, reason })
        };
        if before.is_none_or(|before| before.reason != reason) {
            tracing::warn!(reason, "the SQLite database file cannot be written to");
        }
    }

    /// For how long writes have failed, and why.
    pub(super) fn failing(&self) -> Option<(Duration, &'static str)> {
        self.lock().map(|failing| (failing.since.elapsed(), failing.reason))
    }

    /// Every change is complete by itself, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_fail_from_the_first_failure_until_a_success() {
        let health = WriteHealth::default();
        assert!(health.failing().is_none());
        health.failed("no room");
        let (first, _) = health.failing().unwrap();
        health.failed("no rights");
        let (second, reason) = health.failing().unwrap();
        assert!(second >= first);
        assert_eq!(reason, "no rights", "the latest reason");
        health.succeeded();
        assert!(health.failing().is_none());
    }
}
