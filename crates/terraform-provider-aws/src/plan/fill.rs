//! What each attribute will be: configured, defaulted, kept, or known after apply.

use super::equality::{equal_under, normalised};
use crate::{
    facts::TypeFacts,
    provider::Settings,
    schema::{Block, Nesting, TypeSchema},
    value::{Type, Value, json},
    walk,
};
use std::collections::BTreeMap;

pub(super) struct Filler<'a> {
    pub(super) facts: Option<&'a TypeFacts>,
}

impl Filler<'_> {
    /// Completes `planned`, which Terraform has merged from prior state and configuration.
    /// `prior` is null where the resource, or this block of it, is new.
    pub(super) fn fill(
        &self,
        block: &Block,
        prefix: &str,
        prior: &Value,
        config: &Value,
        planned: &mut Value,
    ) {
        let Value::Map(entries) = planned else { return };
        for (name, attribute) in &block.attributes {
            let value = entries.entry(name.clone()).or_insert(Value::Null);
            if attribute.write_only {
                *value = Value::Null;
                continue;
            }
            let facts = self.facts.and_then(|facts| facts.attribute(&format!("{prefix}{name}")));
            let configured = !config.get(name).is_null();
            let default = facts.and_then(|facts| facts.default.as_ref());
            if let (false, Some(default)) = (configured, default) {
                *value = json::decode(&default.to_string(), &attribute.ty).unwrap_or(Value::Null);
            } else if attribute.computed && value.is_null() && prior.is_null() {
                *value = Value::UNKNOWN;
            }
            if configured {
                if attribute.computed {
                    self.fill_objects(&format!("{prefix}{name}."), &attribute.ty, value);
                }
                if let Some(form) = facts.and_then(|facts| facts.normalize) {
                    *value = normalised(form, value);
                }
            }
            if let Some(sense) = facts.and_then(|facts| facts.equal)
                && equal_under(sense, prior.get(name), value)
            {
                *value = prior.get(name).clone();
            }
        }
        for (name, nested) in &block.blocks {
            let inner = format!("{prefix}{name}.");
            let value = entries.entry(name.clone()).or_insert(Value::Null);
            let (before, configured) = (prior.get(name), config.get(name));
            if self.is_computed_block(&format!("{prefix}{name}")) && says_nothing(configured) {
                *value = if prior.is_null() { Value::UNKNOWN } else { before.clone() };
                continue;
            }
            match (nested.nesting, value) {
                (Nesting::Single, value) => self.fill(&nested.block, &inner, before, configured, value),
                (Nesting::List, Value::List(items)) => {
                    for (index, item) in items.iter_mut().enumerate() {
                        let at = |list: &Value| list.items().get(index).cloned().unwrap_or(Value::Null);
                        self.fill(&nested.block, &inner, &at(before), &at(configured), item);
                    }
                }
                (Nesting::Set, Value::List(items)) => {
                    for item in items {
                        // Elements of a set have no address: one that is there unchanged keeps what was computed.
                        let unchanged = before
                            .items()
                            .iter()
                            .find(|before| self.is_unchanged(&nested.block, &inner, before, item));
                        match unchanged {
                            Some(before) => *item = before.clone(),
                            None => self.fill(&nested.block, &inner, &Value::Null, &item.clone(), item),
                        }
                    }
                }
                (Nesting::Map, Value::Map(items)) => {
                    for (key, item) in items {
                        self.fill(&nested.block, &inner, before.get(key), configured.get(key), item);
                    }
                }
                _ => {}
            }
        }
    }
}

impl Filler<'_> {
    /// Is `proposed` the element `before` of a set, but for what is computed?
    fn is_unchanged(&self, block: &Block, prefix: &str, before: &Value, proposed: &Value) -> bool {
        let mut candidate = proposed.clone();
        self.fill(block, prefix, before, proposed, &mut candidate);
        adopt(block, before, &mut candidate);
        candidate.canonicalise(&block.implied_type());
        candidate == *before
    }

    /// Does AWS fill in this kind of block where the configuration leaves it out?
    fn is_computed_block(&self, path: &str) -> bool {
        self.facts.and_then(|facts| facts.attribute(path)).is_some_and(|facts| facts.computed)
    }
}

/// Is a kind of block left out?
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        _ => false,
    }
}

/// Takes over from `before` what is computed and left out in `value`.
fn adopt(block: &Block, before: &Value, value: &mut Value) {
    let Value::Map(entries) = value else { return };
    for (name, attribute) in &block.attributes {
        if let Some(entry) = entries.get_mut(name)
            && attribute.computed
            && entry.is_null()
        {
            *entry = before.get(name).clone();
        }
    }
    for (name, nested) in &block.blocks {
        if let (Some(Value::List(items)), Value::List(others)) = (entries.get_mut(name), before.get(name)) {
            for (item, other) in items.iter_mut().zip(others) {
                adopt(&nested.block, other, item);
            }
        }
    }
}

impl Filler<'_> {
    /// Attributes that are written as blocks (`ingress` of a security group) have zero values where something is left
    /// out, as the provider's SDK keeps them: two ways to write one rule are one rule.
    fn fill_objects(&self, prefix: &str, ty: &Type, value: &mut Value) {
        let (Type::List(element) | Type::Set(element)) = ty else { return };
        let (Type::Object(attributes), Value::List(items)) = (element.as_ref(), value) else { return };
        for item in items {
            let Value::Map(entries) = item else { continue };
            for (name, ty) in attributes {
                let entry = entries.entry(name.clone()).or_insert(Value::Null);
                let form =
                    self.facts.and_then(|facts| facts.attribute(&format!("{prefix}{name}"))?.normalize);
                match (entry.is_null(), form) {
                    (true, _) => *entry = zero(ty),
                    (false, Some(form)) => *entry = normalised(form, entry),
                    (false, None) => {}
                }
            }
        }
    }
}

/// The value of an attribute that is left out, as the SDK keeps it.
fn zero(ty: &Type) -> Value {
    match ty {
        Type::String => "".into(),
        Type::Bool => false.into(),
        Type::Number => 0.into(),
        Type::List(_) | Type::Set(_) => Value::List(Vec::new()),
        _ => Value::Null,
    }
}

/// A resource without a `region` of its own lives in the provider's.
pub(super) fn region(schema: &TypeSchema, settings: &Settings, config: &Value, planned: &mut Value) {
    if has_region(schema) && config.get("region").is_null() {
        planned.set("region", settings.region.clone());
    }
}

/// Is `region` the argument that says where the resource lives?
pub(super) fn has_region(schema: &TypeSchema) -> bool {
    schema.block.attributes.get("region").is_some_and(|region| region.optional && region.computed)
}

/// `tags_all` is the provider's `default_tags` with the resource's own on top.
pub(super) fn tags(schema: &TypeSchema, settings: &Settings, planned: &mut Value) {
    if !schema.block.attributes.get("tags_all").is_some_and(|attribute| attribute.computed) {
        return;
    }
    let all = match (&settings.default_tags, planned.get("tags")) {
        (Value::Unknown(_), _) | (_, Value::Unknown(_)) => Value::UNKNOWN,
        (defaults, own) => {
            let nothing = BTreeMap::new();
            let mut all = defaults.entries().unwrap_or(&nothing).clone();
            all.extend(own.entries().unwrap_or(&nothing).clone());
            Value::Map(all)
        }
    };
    planned.set("tags_all", all);
}

/// Computed attributes that a change elsewhere makes unknown again.
pub(super) fn recomputed(
    schema: &TypeSchema,
    facts: &TypeFacts,
    prior: &Value,
    config: &Value,
    planned: &mut Value,
) {
    let values = |value: &Value, path: &str| -> Vec<Value> {
        walk::occurrences(&schema.block, value, path).into_iter().map(|found| found.value.clone()).collect()
    };
    let changed = |path: &str| match path {
        "*" => prior != planned,
        path => values(prior, path) != values(planned, path),
    };
    let again: Vec<&String> = facts
        .attributes
        .iter()
        .filter(|(name, facts)| {
            says_nothing(config.get(name)) && facts.unknown_on_change_of.iter().any(|path| changed(path))
        })
        .map(|(name, _)| name)
        .collect();
    for name in again {
        if schema.block.attributes.contains_key(name)
            || facts.attribute(name).is_some_and(|facts| facts.computed)
        {
            planned.set(name, Value::UNKNOWN);
        }
    }
}
