//! Every time that the lab waits, in one place, each with its reason.

use std::time::Duration;

/// For the end of a process after SIGKILL: only a process inside the kernel takes longer than an instant.
pub const KILLED: Duration = Duration::from_secs(10);

/// For another process that holds the store's lock: only a second daemon by mistake, which ends at once.
pub const STORE_BUSY: Duration = Duration::from_secs(5);
