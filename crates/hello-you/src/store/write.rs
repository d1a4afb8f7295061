//! A write on its way through a store's queue, and back to who waits for it.

use tokio::sync::oneshot;

use super::{Deleted, Position, Put, StoreError, Written};
use crate::domain::{BirthDate, Username};

/// The way back to the caller.
pub(super) type Reply<T> = oneshot::Sender<Result<Written<T>, StoreError>>;

/// A write that waits.
#[derive(Debug)]
pub(super) struct Write {
    /// Whose.
    pub(super) username: Username,
    /// What becomes of it.
    pub(super) change: Change,
}

/// What a write does, and who waits for it.
#[derive(Debug)]
pub(super) enum Change {
    /// Stores a date of birth.
    Put { date_of_birth: BirthDate, reply: Reply<Put> },
    /// Removes the user.
    Delete { reply: Reply<Deleted> },
}

impl Write {
    /// Whether it stores, rather than removes.
    pub(super) fn is_put(&self) -> bool {
        matches!(self.change, Change::Put { .. })
    }

    /// Whether the caller has gone away, or was told that it took too long.
    pub(super) fn is_abandoned(&self) -> bool {
        match &self.change {
            Change::Put { reply, .. } => reply.is_closed(),
            Change::Delete { reply } => reply.is_closed(),
        }
    }

    /// Tells the caller, given whether the user existed before the write. A caller that has gone away no longer
    /// listens, which is no error.
    pub(super) fn answer(self, existed: Result<bool, StoreError>, position: Option<Position>) {
        match self.change {
            Change::Put { reply, .. } => {
                let outcome = existed.map(|existed| if existed { Put::Changed } else { Put::Created });
                let _ = reply.send(outcome.map(|outcome| Written { outcome, position }));
            }
            Change::Delete { reply } => {
                let outcome = existed.map(|existed| if existed { Deleted::Gone } else { Deleted::NotFound });
                let _ = reply.send(outcome.map(|outcome| Written { outcome, position }));
            }
        }
    }
}
