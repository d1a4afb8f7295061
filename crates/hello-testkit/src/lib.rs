//! What the tests of every crate share: real PostgreSQL servers, a breaking proxy, waiting.
//!
//! A dev-dependency: it panics where a test could only fail, and its messages say what was being waited for.
//!
//! - [`PgServer`]: a real server, started in well under a second from a template, with replicas, promotion, TLS and
//!   faults (stop, kill, freeze, read-only). [`pg_versions`] lists what can be tested on this machine.
//! - [`FaultProxy`]: a TCP proxy that refuses, resets, swallows or delays, switched at run time.
//! - [`wait_until`]: waits for a condition with a deadline and reports the last status. Tests do not sleep.
//! - [`ChildProcess`]: a real program under test, with its output, signals and end.
//! - [`skip()`]: says that a test cannot run on this machine.
//! - [`FakeClock`], [`TestCa`], [`free_port`], [`next_random`].
//!
//! Nothing here needs a fixed port or leaves anything behind: guards clean up on drop, also when a test panics, and
//! what a killed test program leaves (directories named `hello-testkit-*` in the temporary directory, a server in
//! them) is removed by the next one. Servers sync to disk as in production; on a slow disk, `TMPDIR` on a memory file
//! system makes them quick. The one thing that stays is the template below `target/testkit`.
//!
//! What it is not: a mock of anything. Where a fault cannot be made with real parts, there is none.

mod ca;
mod child;
mod clock;
mod pg;
mod port;
mod proxy;
mod random;
mod skip;
mod target_dir;
mod wait;

pub use ca::{ServerCert, TestCa};
pub use child::{ChildProcess, ChildProcessBuilder, Stream};
pub use clock::{ClockFn, FakeClock};
pub use nix::sys::signal::Signal;
pub use pg::{
    Frozen, PgServer, PgServerBuilder, PgVersion, ReplicaBuilder, StopMode, pg_version_or_skip, pg_versions,
};
pub use port::free_port;
pub use proxy::{Fault, FaultProxy, Mode};
pub use random::next_random;
pub use skip::skip;
pub use wait::{Poll, wait_until};
