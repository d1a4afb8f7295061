//! The protocol's messages and services, made from `proto/` at build time.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    rust_2018_idioms,
    reason = "generated code; which of these it needs changes with the generator"
)]

tonic::include_proto!("tfplugin6");

/// go-plugin's own service.
pub mod plugin {
    tonic::include_proto!("plugin");
}
