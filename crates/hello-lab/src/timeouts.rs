//! Every time that the lab waits, in one place, each with its reason.

use std::time::Duration;

/// For the end of a process after SIGKILL: only a process inside the kernel takes longer than an instant.
pub const KILLED: Duration = Duration::from_secs(10);

/// For the kernel's answers to all that is asked of one namespace at a time: each takes milliseconds, on a busy machine
/// some hundred of them.
pub const KERNEL: Duration = Duration::from_secs(20);
