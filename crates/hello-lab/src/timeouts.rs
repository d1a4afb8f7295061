//! Every time that the lab waits, in one place, each with its reason.

use std::time::Duration;

/// For the end of a process after SIGKILL: only a process inside the kernel takes longer than an instant.
pub const KILLED: Duration = Duration::from_secs(10);

/// For an answer of a DNS server: it is at most one continent away, and asked twice.
pub const DNS_ANSWER: Duration = Duration::from_secs(2);

/// For a connection to a registry: where no route leads there, nothing ever answers.
pub const REGISTRY_CONNECT: Duration = Duration::from_secs(3);

/// For an answer of a registry, and for each piece of one: it may have to read from a slow disk.
pub const REGISTRY_ANSWER: Duration = Duration::from_secs(30);

/// For a registry that was just started: it answers within 50 ms on an idle machine.
pub const REGISTRY_READY: Duration = Duration::from_secs(20);

/// For a registry to end by itself.
pub const REGISTRY_STOP: Duration = Duration::from_secs(5);

/// Between two looks at a part that is about to be ready.
pub const READY_POLL: Duration = Duration::from_millis(10);

/// Between two looks at a log that is followed: soon enough for an eye.
pub const LOG_POLL: Duration = Duration::from_millis(200);

/// Before a pull is tried again, times the number of attempts so far: what a task needs (routes, DNS, registry) is made
/// at the same time as the task.
pub const PULL_RETRY: Duration = Duration::from_millis(300);

/// Between two health checks of a container in its start period, until the first passes. ECS waits for the whole interval
/// (5 s and more), which would only make the lab slow to come up.
pub const FIRST_HEALTH_CHECKS: Duration = Duration::from_millis(500);

/// For processes that were killed to leave their control group.
pub const GROUP_EMPTY: Duration = Duration::from_secs(5);

/// For the runtime to start a container: 30 ms on an idle machine, seconds on one that is overloaded.
pub const CONTAINER_START: Duration = Duration::from_secs(60);

/// For the last output of a container that has ended: nobody holds the other end of the pipe any more.
pub const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// For a command that is run in a container for its output.
pub const EXEC: Duration = Duration::from_secs(60);

/// For a container that has ended to become the child of its shim: the runtime that started it ends at that moment.
pub const TAKEN_OVER: Duration = Duration::from_secs(5);
