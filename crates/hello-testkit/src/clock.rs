//! A clock that tests set, for code that takes its clock as a function.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// What code under test takes as its clock.
pub type ClockFn = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A clock that stands still until told otherwise. Clones and handles show the same time.
#[derive(Debug, Clone)]
pub struct FakeClock {
    now: Arc<Mutex<SystemTime>>,
}

impl FakeClock {
    /// A clock that shows `now`.
    pub fn at(now: SystemTime) -> Self {
        Self { now: Arc::new(Mutex::new(now)) }
    }

    /// A clock that shows this many seconds after 1970-01-01T00:00:00Z.
    pub fn at_unix_seconds(seconds: u64) -> Self {
        Self::at(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// The time it shows.
    pub fn now(&self) -> SystemTime {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets it, also backwards, as a real clock may jump.
    pub fn set(&self, now: SystemTime) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// The clock as a function, to hand to the code under test.
    pub fn handle(&self) -> ClockFn {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::FakeClock;

    #[test]
    fn handles_follow_the_clock_they_came_from() {
        let clock = FakeClock::at_unix_seconds(100);
        let handle = clock.handle();
        assert_eq!(handle(), SystemTime::UNIX_EPOCH + Duration::from_secs(100));
        clock.advance(Duration::from_secs(5));
        assert_eq!(handle(), SystemTime::UNIX_EPOCH + Duration::from_secs(105));
        clock.set(SystemTime::UNIX_EPOCH);
        assert_eq!(handle(), SystemTime::UNIX_EPOCH);
        assert_eq!(clock.now(), handle());
    }
}
