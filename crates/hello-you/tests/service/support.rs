//! What the tests of the running program share.

pub(crate) mod http;
pub(crate) mod service;
