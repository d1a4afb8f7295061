//! How the parts fare: each controller writes here what it has reached, and whoever waits for a part reads it here.

pub mod part;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// How a part fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is as it should be, as of this generation of the world.
    Ready(u64),
    /// It is on its way; the sentence says what it waits for.
    Pending(String),
    /// It cannot become what it should be as of this generation of the world; the sentence says why.
    Failed(u64, String),
    /// It is gone, as it should be.
    Gone,
}

/// The board: conditions by part.
#[derive(Debug)]
pub struct Board {
    parts: Mutex<BTreeMap<String, Condition>>,
    changed: watch::Sender<u64>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The part is ready as of this generation, or a later one.
    Ready(u64),
    /// The part is gone. The generation is the one in which it was asked to go.
    Gone(u64),
}

/// Why a wait has ended without success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The part cannot become what it should be.
    #[error("{part}: {reason}")]
    Failed {
        /// The part.
        part: String,
        /// Why.
        reason: String,
    },
    /// It has taken too long.
    #[error("{part} is not ready after {seconds} s: {last}")]
    TimedOut {
        /// The part.
        part: String,
        /// How long it took.
        seconds: u64,
        /// What was last known of it.
        last: String,
    },
}

impl Default for Board {
    fn default() -> Board {
        Board { parts: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Board {
    /// Writes how a part fares. `true` where that is news.
    pub fn set(&self, part: &str, condition: Condition) -> bool {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = parts.insert(part.to_owned(), condition.clone());
        drop(parts);
        if before.as_ref() == Some(&condition) {
            return false;
        }
        self.changed.send_modify(|count| *count += 1);
        // A part that stays ready is no news, though those who wait want to know.
        !matches!((before, condition), (Some(Condition::Ready(_)), Condition::Ready(_)))
    }

    /// Told of each change.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Forgets a part.
    pub fn forget(&self, part: &str) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).remove(part);
    }

    /// All parts.
    pub fn all(&self) -> BTreeMap<String, Condition> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How a part fares.
    pub fn get(&self, part: &str) -> Option<Condition> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).get(part).cloned()
    }

    /// A part's name as users see it.
    pub fn shown(&self, part: &str) -> String {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        part::shown(part, parts.keys().map(String::as_str))
    }

    /// Waits until a part is ready or gone. That it cannot be, as of the wanted generation or a later one, ends the wait;
    /// an earlier failure does not, since what was changed since may have mended it.
    pub async fn wait(&self, part: &str, until: Until, limit: Duration) -> Result<(), WaitError> {
        let mut changed = self.changed.subscribe();
        let mut last = "nothing is known of it yet".to_owned();
        let reached = async {
            loop {
                match (self.get(part), until) {
                    (Some(Condition::Ready(reached)), Until::Ready(wanted)) if reached >= wanted => {
                        return Ok(());
                    }
                    (Some(Condition::Gone), Until::Gone(_)) => return Ok(()),
                    (Some(Condition::Failed(seen, reason)), Until::Ready(wanted) | Until::Gone(wanted))
                        if seen >= wanted =>
                    {
                        return Err(WaitError::Failed { part: self.shown(part), reason });
                    }
                    (Some(Condition::Failed(_, sentence) | Condition::Pending(sentence)), _) => {
                        last = sentence;
                    }
                    (Some(Condition::Ready(_)), _) => {
                        "an earlier change is ready, this one is not yet".clone_into(&mut last);
                    }
                    (Some(Condition::Gone) | None, _) => {}
                }
                if changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match tokio::time::timeout(limit, reached).await {
            Ok(result) => result,
            Err(_) => Err(WaitError::TimedOut { part: self.shown(part), seconds: limit.as_secs(), last }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_wait_ends_when_the_part_is_ready_as_of_the_generation() {
        let board = Board::default();
        board.set("network", Condition::Ready(1));
        let later = async {
            board.set("network", Condition::Pending("links".to_owned()));
            board.set("network", Condition::Ready(2));
        };
        let (waited, ()) = tokio::join!(board.wait("network", Until::Ready(2), LIMIT), later);
        assert_eq!(waited, Ok(()));
    }

    #[tokio::test]
    async fn a_wait_that_takes_too_long_reports_the_last_status() {
        let board = Board::default();
        board.set("db", Condition::Pending("the base backup is at 40 per cent".to_owned()));
        let error = board.wait("db", Until::Ready(1), Duration::from_millis(10)).await.unwrap_err();
        assert!(error.to_string().contains("40 per cent"), "{error}");
    }

    fn failed(generation: u64) -> Condition {
        Condition::Failed(generation, "PostgreSQL 17 is not installed".to_owned())
    }

    #[tokio::test]
    async fn a_failed_part_ends_the_wait_with_its_reason() {
        let board = Board::default();
        board.set("db", failed(1));
        for until in [Until::Ready(1), Until::Gone(1)] {
            let error = board.wait("db", until, LIMIT).await.unwrap_err();
            assert_eq!(error.to_string(), "db: PostgreSQL 17 is not installed");
        }
    }

    #[tokio::test]
    async fn an_earlier_failure_does_not_end_the_wait_for_what_may_mend_it() {
        for (until, reached) in [(Until::Ready(2), Condition::Ready(2)), (Until::Gone(2), Condition::Gone)] {
            let board = Board::default();
            board.set("db", failed(1));
            let later = async {
                // The wait has looked at the failure by then.
                tokio::task::yield_now().await;
                board.set("db", reached.clone());
            };
            let (waited, ()) = tokio::join!(board.wait("db", until, LIMIT), later);
            assert_eq!(waited, Ok(()));
        }
    }
}
