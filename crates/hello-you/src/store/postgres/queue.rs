//! Requests that wait for a lane: bounded, taken together.
//!
//! A lane takes all that waits at once, so a batch is as large as what arrived while the lanes were busy, and nobody
//! waits for a batch to fill.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// A request in a queue.
pub(super) trait Request {
    /// Whether nobody waits for the answer any more: the client went away, or was told that it took too long. Such a
    /// request is not begun. A write would otherwise undo a later one that was acknowledged in the meantime.
    fn is_abandoned(&self) -> bool;
}

/// A bounded first-in, first-out queue from which several requests are taken at once.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: Mutex<VecDeque<T>>,
    arrived: Notify,
    capacity: usize,
}

/// As many wait as may; this one was not taken in.
#[derive(Debug)]
pub(super) struct Full;

impl<T: Request> Queue<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { waiting: Mutex::new(VecDeque::new()), arrived: Notify::new(), capacity }
    }

    /// Adds a request at the end.
    pub(super) fn push(&self, request: T) -> Result<(), Full> {
        {
            let mut waiting = self.lock();
            if waiting.len() >= self.capacity {
                return Err(Full);
            }
            waiting.push_back(request);
        }
        // The lane that rested least: its connection, and the server's process behind it, are still warm in the caches.
        self.arrived.notify_last();
        Ok(())
    }

    /// Waits until something is there and takes up to `most` requests from the front, as long as `joins` holds between
    /// the first one and the next.
    pub(super) async fn take(&self, most: usize, joins: impl Fn(&T, &T) -> bool) -> Vec<T> {
        loop {
            {
                let mut waiting = self.lock();
                while waiting.front().is_some_and(Request::is_abandoned) {
                    waiting.pop_front();
                }
                if let Some(first) = waiting.front() {
                    let count = waiting.iter().take(most).take_while(|next| joins(first, next)).count();
                    let batch =
                        waiting.drain(..count.max(1)).filter(|request| !request.is_abandoned()).collect();
                    if !waiting.is_empty() {
                        self.arrived.notify_one();
                    }
                    return batch;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// How many wait now.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<T>> {
        // A panic elsewhere leaves a queue that is as good as before: every operation on it is complete by itself.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    impl Request for i32 {
        fn is_abandoned(&self) -> bool {
            *self < 0
        }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_taken() {
        let queue = Queue::new(10);
        for request in [-1, 1, -3, 3, -5] {
            queue.push(request).unwrap();
        }
        assert_eq!(queue.take(10, |_, _| true).await, [1, 3]);
        queue.push(-7).unwrap();
        queue.push(7).unwrap();
        assert_eq!(queue.take(10, |_, _| true).await, [7]);
    }

    #[tokio::test]
    async fn what_arrived_together_is_taken_together_in_order() {
        let queue = Queue::new(10);
        for request in 1..=5 {
            queue.push(request).unwrap();
        }
        assert_eq!(queue.take(3, |_, _| true).await, [1, 2, 3]);
        assert_eq!(queue.take(3, |_, _| true).await, [4, 5]);
    }

    #[tokio::test]
    async fn a_batch_ends_where_the_next_request_does_not_join() {
        let queue = Queue::new(10);
        for request in [1, 3, 2, 5] {
            queue.push(request).unwrap();
        }
        let same_parity = |a: &i32, b: &i32| a % 2 == b % 2;
        assert_eq!(queue.take(10, same_parity).await, [1, 3]);
        assert_eq!(queue.take(10, same_parity).await, [2]);
        assert_eq!(queue.take(10, same_parity).await, [5]);
    }

    #[tokio::test]
    async fn a_full_queue_refuses() {
        let queue = Queue::new(1);
        queue.push(1).unwrap();
        assert!(queue.push(2).is_err());
        assert_eq!(queue.len(), 1);
    }

    #[tokio::test]
    async fn a_lane_that_waits_is_woken() {
        let queue = Arc::new(Queue::new(1));
        let lane = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.take(1, |_, _| true).await }
        });
        tokio::task::yield_now().await;
        queue.push(1).unwrap();
        assert_eq!(lane.await.unwrap(), [1]);
    }
}
