//! The protocol's messages and services, made from `proto/` at build time.

#![expect(
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    clippy::doc_markdown,
    rust_2018_idioms,
    reason = "generated code"
)]

tonic::include_proto!("tfplugin6");

/// go-plugin's own service.
pub mod plugin {
    tonic::include_proto!("plugin");
}
