//! The decoded form of a schema: blocks, attributes, nesting.

use crate::{
    proto,
    value::{Type, Value, ty::TypeError},
};
use std::collections::BTreeMap;

/// Attributes and nested blocks at one level.
#[derive(Debug, Default)]
pub struct Block {
    /// Attributes by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// Nested blocks by name.
    pub blocks: BTreeMap<String, NestedBlock>,
}

/// One attribute.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own flags")]
pub struct Attribute {
    /// Type of its value.
    pub ty: Type,
    /// Must stand in the configuration.
    pub required: bool,
    /// May stand in the configuration.
    pub optional: bool,
    /// The provider may choose its value.
    pub computed: bool,
    /// Not shown to people.
    pub sensitive: bool,
    /// Never in plan or state.
    pub write_only: bool,
}

/// A nested block.
#[derive(Debug)]
pub struct NestedBlock {
    /// How often it occurs and how its values are kept.
    pub nesting: Nesting,
    /// What it contains.
    pub block: Block,
    /// How often it must occur at least.
    pub min_items: i64,
    /// How often it may occur; 0 means any number.
    pub max_items: i64,
}

/// How the values of a nested block are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// One object, or null.
    Single,
    /// A list of objects, never null.
    List,
    /// A set of objects, never null.
    Set,
    /// A map of objects, never null.
    Map,
}

impl Block {
    pub(super) fn from_proto(block: proto::schema::Block) -> Result<Block, TypeError> {
        let attribute = |attribute: proto::schema::Attribute| {
            let decoded = Attribute {
                ty: Type::parse(&attribute.r#type)?,
                required: attribute.required,
                optional: attribute.optional,
                computed: attribute.computed,
                sensitive: attribute.sensitive,
                write_only: attribute.write_only,
            };
            Ok((attribute.name, decoded))
        };
        let nested = |nested: proto::schema::NestedBlock| {
            use proto::schema::nested_block::NestingMode;
            let nesting = match nested.nesting() {
                NestingMode::List => Nesting::List,
                NestingMode::Set => Nesting::Set,
                NestingMode::Map => Nesting::Map,
                NestingMode::Single | NestingMode::Group | NestingMode::Invalid => Nesting::Single,
            };
            let decoded = NestedBlock {
                nesting,
                block: Block::from_proto(nested.block.unwrap_or_default())?,
                min_items: nested.min_items,
                max_items: nested.max_items,
            };
            Ok((nested.type_name, decoded))
        };
        Ok(Block {
            attributes: block.attributes.into_iter().map(attribute).collect::<Result<_, TypeError>>()?,
            blocks: block.block_types.into_iter().map(nested).collect::<Result<_, TypeError>>()?,
        })
    }

    /// The type of a value of this block.
    pub fn implied_type(&self) -> Type {
        let attributes = self.attributes.iter().map(|(name, attribute)| (name.clone(), attribute.ty.clone()));
        let blocks = self.blocks.iter().map(|(name, nested)| {
            let element = nested.block.implied_type();
            let ty = match nested.nesting {
                Nesting::Single => element,
                Nesting::List => Type::List(Box::new(element)),
                Nesting::Set => Type::Set(Box::new(element)),
                Nesting::Map => Type::Map(Box::new(element)),
            };
            (name.clone(), ty)
        });
        Type::Object(attributes.chain(blocks).collect())
    }

    /// Gives a value the form that Terraform demands of it: every name present, repeated blocks never null,
    /// write-only values gone.
    pub fn normalise(&self, value: &mut Value) {
        let Value::Map(entries) = value else { return };
        for (name, attribute) in &self.attributes {
            let entry = entries.entry(name.clone()).or_insert(Value::Null);
            if attribute.write_only {
                *entry = Value::Null;
            }
        }
        for (name, nested) in &self.blocks {
            let entry = entries.entry(name.clone()).or_insert(Value::Null);
            match nested.nesting {
                Nesting::Single => nested.block.normalise(entry),
                Nesting::List | Nesting::Set => match entry {
                    Value::List(items) => items.iter_mut().for_each(|item| nested.block.normalise(item)),
                    Value::Null => *entry = Value::List(Vec::new()),
                    _ => {}
                },
                Nesting::Map => match entry {
                    Value::Map(items) => items.values_mut().for_each(|item| nested.block.normalise(item)),
                    Value::Null => *entry = Value::Map(BTreeMap::new()),
                    _ => {}
                },
            }
        }
    }

    /// Calls `visit` for every attribute of every block in `value`, with the dotted name of the attribute.
    pub fn for_each_attribute<'v>(
        &'v self,
        value: &'v Value,
        visit: &mut dyn FnMut(&str, &'v Attribute, &'v Value),
    ) {
        self.walk("", value, visit);
    }

    fn walk<'v>(
        &'v self,
        prefix: &str,
        value: &'v Value,
        visit: &mut dyn FnMut(&str, &'v Attribute, &'v Value),
    ) {
        for (name, attribute) in &self.attributes {
            visit(&format!("{prefix}{name}"), attribute, value.get(name));
        }
        for (name, nested) in &self.blocks {
            let inner = format!("{prefix}{name}.");
            for item in nested.elements(value.get(name)) {
                nested.block.walk(&inner, item, visit);
            }
        }
    }
}

impl NestedBlock {
    /// The known objects in the value of this block.
    pub fn elements<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match (self.nesting, value) {
            (Nesting::Single, Value::Map(_)) => vec![value],
            (Nesting::List | Nesting::Set, Value::List(items)) => {
                items.iter().filter(|item| item.entries().is_some()).collect()
            }
            (Nesting::Map, Value::Map(items)) => {
                items.values().filter(|item| item.entries().is_some()).collect()
            }
            _ => Vec::new(),
        }
    }
}
