//! Waiting for a condition instead of sleeping.

use std::fmt::Write as _;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

/// The pause between two looks. Short, since most conditions here come true within some milliseconds.
const INTERVAL: Duration = Duration::from_millis(10);

/// What one look at a condition found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll<T> {
    /// It holds.
    Ready(T),
    /// It does not hold yet.
    NotYet {
        /// What was seen instead; the message of a timeout repeats the last one.
        status: String,
    },
    /// It can no longer come to hold: stop waiting.
    Failed(String),
}

impl<T> Poll<T> {
    /// `NotYet` with a status made from anything that can be displayed.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass temporaries and numbers")]
    pub fn not_yet(status: impl ToString) -> Self {
        Self::NotYet { status: status.to_string() }
    }
}

impl Poll<()> {
    /// `Ready` if `holds`, else `NotYet` with the status.
    pub fn ready_if(holds: bool, status: impl ToString) -> Self {
        if holds { Self::Ready(()) } else { Self::not_yet(status) }
    }
}

/// Looks at a condition again and again until it holds, for at most `limit`.
///
/// A look that does not end is abandoned at the deadline. `what` completes the sentence "waiting until ...".
///
/// # Panics
/// When the condition failed or did not hold in time, with the last status and the place of the call.
#[track_caller]
pub fn wait_until<T, F>(what: &str, limit: Duration, probe: F) -> impl Future<Output = T>
where
    F: AsyncFnMut() -> Poll<T>,
{
    let caller = Location::caller();
    async move {
        match try_wait(limit, probe).await {
            Ok(value) => value,
            Err(problem) => panic!("waiting until {what} (at {caller}): {problem}"),
        }
    }
}

async fn try_wait<T, F>(limit: Duration, mut probe: F) -> Result<T, String>
where
    F: AsyncFnMut() -> Poll<T>,
{
    let deadline = Instant::now() + limit;
    let mut last_status = None;
    loop {
        match timeout_at(deadline, probe()).await {
            Ok(Poll::Ready(value)) => return Ok(value),
            Ok(Poll::Failed(reason)) => return Err(format!("it can no longer happen: {reason}")),
            Ok(Poll::NotYet { status }) => last_status = Some(status),
            Err(_) => return Err(timed_out(limit, last_status, "the last look did not end")),
        }
        if Instant::now() + INTERVAL >= deadline {
            return Err(timed_out(limit, last_status, ""));
        }
        sleep_until(Instant::now() + INTERVAL).await;
    }
}

fn timed_out(limit: Duration, last_status: Option<String>, remark: &str) -> String {
    let mut message = format!("timed out after {} ms", limit.as_millis());
    if !remark.is_empty() {
        let _ = write!(message, ", {remark}");
    }
    let _ = match last_status {
        Some(status) => write!(message, "; last status: {status}"),
        None => write!(message, "; no look ever ended"),
    };
    message
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use super::{Poll, try_wait, wait_until};

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test(start_paused = true)]
    async fn it_returns_the_value_once_the_condition_holds() {
        let mut looks = 0;
        let value = wait_until("three looks were taken", Duration::from_secs(5), async || {
            looks += 1;
            if looks == 3 { Poll::Ready("done") } else { Poll::not_yet(looks) }
        })
        .await;
        assert_eq!(value, "done");
        assert_eq!(looks, 3);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "timed out after 50 ms; last status: still at 7")]
    async fn a_timeout_repeats_the_last_status() {
        wait_until("it is at 8", SHORT, async || Poll::ready_if(false, "still at 7")).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "waiting until it is at 8 (at crates/hello-testkit/src/wait.rs:")]
    async fn a_timeout_names_the_condition_and_the_caller() {
        wait_until("it is at 8", SHORT, async || Poll::ready_if(false, "still at 7")).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_ends_the_wait_at_once() {
        let started = tokio::time::Instant::now();
        let result = try_wait(Duration::from_secs(5), async || Poll::<()>::Failed("it exited".into())).await;
        assert_eq!(result, Err("it can no longer happen: it exited".to_owned()));
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_does_not_hang_the_wait() {
        let mut looks = 0;
        let result = try_wait(SHORT, async || {
            looks += 1;
            if looks > 1 {
                pending::<()>().await;
            }
            Poll::<()>::not_yet("first look")
        })
        .await;
        let expected = "timed out after 50 ms, the last look did not end; last status: first look";
        assert_eq!(result, Err(expected.to_owned()));
    }
}
