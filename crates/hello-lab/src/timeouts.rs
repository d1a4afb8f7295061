//! Every time that the lab waits, in one place, each with its reason.

use std::time::Duration;

/// For the end of a process after SIGKILL: only a process inside the kernel takes longer than an instant.
pub const KILLED: Duration = Duration::from_secs(10);

/// Until a small server process (HAProxy, DNS, a published port) answers: it takes some 30 ms, and far longer only on a
/// machine that does nothing else.
pub const PROCESS_START: Duration = Duration::from_secs(10);

/// Between two looks at a process that is starting.
pub const POLL_START: Duration = Duration::from_millis(5);

/// Between TERM and KILL for a process that has nothing to finish.
pub const PROCESS_STOP: Duration = Duration::from_secs(2);

/// For an answer of HAProxy's admin socket: it answers in under a millisecond unless it is stopped.
pub const ADMIN_SOCKET: Duration = Duration::from_secs(1);

/// Between two looks at targets that are as they should be. The daemon learns of a failed target this late at most.
pub const TARGETS: Duration = Duration::from_millis(200);

/// Between two looks while a target is being registered or drained: it is waited for.
pub const TARGETS_UNDER_WAY: Duration = Duration::from_millis(50);

/// For a connection from a load balancer to a target: an ALB answers 504 after 10 seconds.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html#http-504-issues>
pub const TARGET_CONNECT: Duration = Duration::from_secs(10);

/// The least that requests of an older HAProxy configuration get to end in.
pub const OLD_CONFIGURATION: Duration = Duration::from_secs(60);

/// For an answer of a DNS server of the lab: it answers in under a millisecond, and a client asks again after 5 s.
pub const DNS: Duration = Duration::from_secs(2);

/// For a client of a DNS server that says nothing on its TCP connection (RFC 7766, 6.2.3: a few seconds).
pub const DNS_CONNECTION: Duration = Duration::from_secs(5);

/// For a connection from a published port to one address of its destination, before the next one is tried.
pub const PUBLISHED_CONNECT: Duration = Duration::from_secs(3);

/// After a connection could not be accepted: long enough not to spin, short enough not to be noticed.
pub const ACCEPT: Duration = Duration::from_millis(50);
