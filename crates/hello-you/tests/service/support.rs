//! What the tests of the running program share.

pub(crate) mod backend;
pub(crate) mod http;
pub(crate) mod metrics;
pub(crate) mod raw;
pub(crate) mod service;
pub(crate) mod urls;
