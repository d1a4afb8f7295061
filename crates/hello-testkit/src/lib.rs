//! What the tests of every crate share.
#![allow(missing_docs)]
mod ca;
mod child;
mod clock;
mod port;
mod proxy;
mod wait;

pub use ca::{ServerCert, TestCa};
pub use child::{ChildProcess, ChildProcessBuilder, Stream};
pub use clock::{ClockFn, FakeClock};
pub use nix::sys::signal::Signal;
pub use port::free_port;
pub use proxy::{Fault, FaultProxy, Mode};
pub use wait::{Poll, wait_until};
