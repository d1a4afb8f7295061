//! Schemas: what the peer is told (bytes made at build time) and what the engine walks (decoded when a type is used).
//!
//! [`Catalogue`] is a provider's whole set. Its answer to `GetProviderSchema` is served as the bytes that the build
//! encoded; [`Catalogue::resource`] and its siblings decode one type out of them on first use, so that starting costs
//! nothing and memory holds only what a configuration uses.

mod block;
mod embedded;

pub use block::{Attribute, Block, NestedBlock, Nesting};
pub use embedded::{Catalogue, SchemaAnswer};

use crate::value::Type;

/// The schema of one resource type, data source or ephemeral resource.
#[derive(Debug)]
pub struct TypeSchema {
    /// The name in Terraform: `aws_vpc`.
    pub name: String,
    /// The version that state of this type is written with.
    pub version: i64,
    /// Attributes and nested blocks.
    pub block: Block,
    /// The type of a whole value of this schema.
    pub ty: Type,
}
