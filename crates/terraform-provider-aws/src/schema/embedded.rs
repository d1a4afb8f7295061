//! The schemas that the build put into the binary.

use super::{Block, TypeSchema};
use crate::proto;
use prost::{
    DecodeError, Message,
    bytes::{Buf, BufMut},
    encoding::{DecodeContext, WireType, skip_field},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Where each type stands in the encoded answer: name, start, end; sorted by name.
type Places = &'static [(&'static str, usize, usize)];

struct Index {
    provider: (usize, usize),
    resources: Places,
    data_sources: Places,
    ephemeral_resources: Places,
    functions: Places,
}

static AWS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/aws_schema.bin"));
static AWS_INDEX: Index = include!(concat!(env!("OUT_DIR"), "/aws_schema_index.rs"));
static RANDOM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/random_schema.bin"));
static RANDOM_INDEX: Index = include!(concat!(env!("OUT_DIR"), "/random_schema_index.rs"));

/// The schemas of one provider.
pub struct Catalogue {
    answer: &'static [u8],
    index: &'static Index,
    decoded: Mutex<HashMap<(Kind, &'static str), Arc<TypeSchema>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Provider,
    Resource,
    DataSource,
    Ephemeral,
}

impl Catalogue {
    /// The schemas of `hashicorp/aws`.
    pub fn aws() -> Catalogue {
        Catalogue { answer: AWS, index: &AWS_INDEX, decoded: Mutex::default() }
    }

    /// The schemas of `hashicorp/random`.
    pub fn random() -> Catalogue {
        Catalogue { answer: RANDOM, index: &RANDOM_INDEX, decoded: Mutex::default() }
    }

    /// The whole answer to `GetProviderSchema`.
    pub fn answer(&self) -> SchemaAnswer {
        SchemaAnswer { encoded: self.answer, diagnostics: Vec::new() }
    }

    /// The schema of the provider's own configuration.
    pub fn provider(&self) -> Arc<TypeSchema> {
        self.decode(Kind::Provider, "provider", self.index.provider)
    }

    /// A resource type.
    pub fn resource(&self, name: &str) -> Option<Arc<TypeSchema>> {
        self.find(Kind::Resource, self.index.resources, name)
    }

    /// A data source.
    pub fn data_source(&self, name: &str) -> Option<Arc<TypeSchema>> {
        self.find(Kind::DataSource, self.index.data_sources, name)
    }

    /// An ephemeral resource.
    pub fn ephemeral(&self, name: &str) -> Option<Arc<TypeSchema>> {
        self.find(Kind::Ephemeral, self.index.ephemeral_resources, name)
    }

    /// The provider functions, as the peer is told of them.
    #[expect(clippy::missing_panics_doc, reason = "the build encoded what is decoded")]
    pub fn functions(&self) -> HashMap<String, proto::Function> {
        let decode = |place: &(&str, usize, usize)| {
            let function = proto::Function::decode(&self.answer[place.1..place.2]);
            (place.0.to_owned(), function.expect("the build encoded it"))
        };
        self.index.functions.iter().map(decode).collect()
    }

    /// The names of all resource types.
    pub fn resource_names(&self) -> impl Iterator<Item = &'static str> {
        self.index.resources.iter().map(|place| place.0)
    }

    /// The names of all data sources.
    pub fn data_source_names(&self) -> impl Iterator<Item = &'static str> {
        self.index.data_sources.iter().map(|place| place.0)
    }

    /// The names of all ephemeral resources.
    pub fn ephemeral_names(&self) -> impl Iterator<Item = &'static str> {
        self.index.ephemeral_resources.iter().map(|place| place.0)
    }

    fn find(&self, kind: Kind, places: Places, name: &str) -> Option<Arc<TypeSchema>> {
        let position = places.binary_search_by_key(&name, |place| place.0).ok()?;
        let (name, start, end) = places[position];
        Some(self.decode(kind, name, (start, end)))
    }

    fn decode(&self, kind: Kind, name: &'static str, place: (usize, usize)) -> Arc<TypeSchema> {
        let mut decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        let schema = decoded.entry((kind, name)).or_insert_with(|| {
            let schema = proto::Schema::decode(&self.answer[place.0..place.1]).expect("the build encoded it");
            let block =
                Block::from_proto(schema.block.unwrap_or_default()).expect("the build read the types");
            let ty = block.implied_type();
            Arc::new(TypeSchema { name: name.to_owned(), version: schema.version, block, ty })
        });
        Arc::clone(schema)
    }
}

/// The answer to `GetProviderSchema`: bytes that are sent as they are, or a refusal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SchemaAnswer {
    encoded: &'static [u8],
    diagnostics: Vec<proto::Diagnostic>,
}

impl SchemaAnswer {
    /// An answer that serves nothing and says why.
    pub fn refused(diagnostics: Vec<proto::Diagnostic>) -> SchemaAnswer {
        SchemaAnswer { encoded: &[], diagnostics }
    }
}

/// The field of `GetProviderSchema.Response` that holds its diagnostics.
const DIAGNOSTICS: u32 = 4;

impl Message for SchemaAnswer {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        buffer.put_slice(self.encoded);
        prost::encoding::message::encode_repeated(DIAGNOSTICS, &self.diagnostics, buffer);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        // Only ever sent, never received.
        skip_field(wire_type, tag, buffer, context)
    }

    fn encoded_len(&self) -> usize {
        self.encoded.len() + prost::encoding::message::encoded_len_repeated(DIAGNOSTICS, &self.diagnostics)
    }

    fn clear(&mut self) {
        *self = SchemaAnswer::default();
    }
}
