//! The HTTP interface.

mod route;

pub use route::Route;
