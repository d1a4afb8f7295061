//! The bounded queue between the callers and the worker threads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Requests that wait for a worker, in the order of their arrival.
///
/// A worker takes whatever waits at that moment, so that batches grow with the load and nobody waits for one to fill.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    idle_workers: usize,
    /// A worker has been woken and has not looked yet: the next request needs no second wake-up.
    woken: bool,
    closed: bool,
}

/// Why a request was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// As many wait as may.
    Full,
    /// The workers have ended.
    Closed,
}

impl<T> Queue<T> {
    /// A queue in which up to `capacity` requests wait.
    pub(super) fn new(capacity: usize) -> Self {
        let state = State { waiting: VecDeque::new(), idle_workers: 0, woken: false, closed: false };
        Self { state: Mutex::new(state), arrived: Condvar::new(), capacity }
    }

    /// Adds a request at the end. Never waits.
    pub(super) fn push(&self, request: T) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.waiting.len() >= self.capacity {
            return Err(Refused::Full);
        }
        state.waiting.push_back(request);
        self.wake_one(state);
        Ok(())
    }

    /// Waits until something is there and takes up to `most` of it.
    ///
    /// `None` once the queue is closed and empty; an empty batch when `deadline` has passed.
    pub(super) fn take(&self, most: usize, deadline: Option<Instant>) -> Option<Vec<T>> {
        let mut state = self.lock();
        loop {
            if !state.waiting.is_empty() {
                let count = state.waiting.len().min(most);
                let batch = state.waiting.drain(..count).collect();
                self.wake_one(state);
                return Some(batch);
            }
            if state.closed {
                return None;
            }
            state.idle_workers += 1;
            let mut passed = false;
            state = match deadline {
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    passed = left.is_zero();
                    self.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.idle_workers -= 1;
            state.woken = false;
            if passed && state.waiting.is_empty() && !state.closed {
                return Some(Vec::new());
            }
        }
    }

    /// How many wait now.
    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Takes in nothing more; the workers finish what waits and end.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Takes in nothing more and drops what waits, whose callers learn by that.
    pub(super) fn abandon(&self) {
        let waiting = {
            let mut state = self.lock();
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        self.arrived.notify_all();
        drop(waiting);
    }

    /// Wakes a worker if requests wait, one is idle and none is on its way. A wake-up is a system call: a busy worker
    /// finds the next request without one.
    fn wake_one(&self, mut state: MutexGuard<'_, State<T>>) {
        if !state.waiting.is_empty() && state.idle_workers > 0 && !state.woken {
            state.woken = true;
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// The state is whole after every step, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Abandons the queue when its worker ends, also by a panic: callers then get an error and do not wait for ever.
#[derive(Debug)]
pub(super) struct AbandonOnDrop<'a, T>(pub(super) &'a Queue<T>);

impl<T> Drop for AbandonOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_worker_takes_all_that_waits_in_order() {
        let queue = Queue::new(8);
        for n in 0..5 {
            queue.push(n).unwrap();
        }
        assert_eq!(queue.len(), 5);
        assert_eq!(queue.take(8, None), Some(vec![0, 1, 2, 3, 4]));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_batch_has_a_largest_size() {
        let queue = Queue::new(8);
        for n in 0..5 {
            queue.push(n).unwrap();
        }
        assert_eq!(queue.take(3, None), Some(vec![0, 1, 2]));
        assert_eq!(queue.take(3, None), Some(vec![3, 4]));
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let queue = Queue::new(2);
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        assert_eq!(queue.push(3), Err(Refused::Full));
    }

    #[test]
    fn a_closed_queue_is_emptied_and_then_ends_its_workers() {
        let queue = Queue::new(2);
        queue.push(1).unwrap();
        queue.close();
        assert_eq!(queue.push(2), Err(Refused::Closed));
        assert_eq!(queue.take(2, None), Some(vec![1]));
        assert_eq!(queue.take(2, None), None);
    }

    #[test]
    fn an_abandoned_queue_drops_what_waits() {
        let queue = Queue::new(2);
        let request = Arc::new(());
        queue.push(Arc::clone(&request)).unwrap();
        drop(AbandonOnDrop(&queue));
        assert_eq!(Arc::strong_count(&request), 1);
        assert_eq!(queue.take(2, None), None);
    }

    #[test]
    fn a_deadline_ends_the_wait_with_nothing() {
        let queue = Queue::<()>::new(2);
        let deadline = Instant::now() + Duration::from_millis(5);
        assert_eq!(queue.take(2, Some(deadline)), Some(Vec::new()));
        assert!(Instant::now() >= deadline);
    }

    #[test]
    fn a_waiting_worker_is_woken_by_a_request() {
        let queue = Queue::new(2);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| queue.take(2, None));
            queue.push(7).unwrap();
            assert_eq!(worker.join().unwrap(), Some(vec![7]));
        });
    }
}
