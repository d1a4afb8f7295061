//! Which changes need a new resource.

use super::fill::has_region;
use crate::{
    diagnostic::Path,
    facts::{AttributeFacts, Change, TypeFacts},
    schema::{NestedBlock, TypeSchema},
    value::{Value, json},
    walk::{self, Place},
};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// Adds to `paths` every attribute that changes between `prior` and `planned` and forces replacement.
pub(super) fn collect(
    schema: &TypeSchema,
    facts: Option<&TypeFacts>,
    prior: &Value,
    planned: &Value,
    config: &Value,
    paths: &mut Vec<Path>,
) {
    if has_region(schema) && !prior.get("region").is_null() && prior.get("region") != planned.get("region") {
        paths.push(Path::attribute("region"));
    }
    for (dotted, fact) in facts.into_iter().flat_map(|facts| &facts.attributes) {
        if !fact.force_new && fact.force_new_if.is_empty() {
            continue;
        }
        let block = match walk::place(&schema.block, dotted) {
            Some(Place::Block(nested)) => Some(nested),
            Some(Place::Attribute(_)) | None => None,
        };
        let configured = walk::occurrences(&schema.block, config, dotted);
        let configured_unknown = configured.iter().any(|found| found.value.is_unknown());
        let judge = Judge { schema, planned, fact, block, configured_unknown };
        let (before, after) = (by_path(schema, prior, dotted), by_path(schema, planned, dotted));
        for path in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let nothing = Vec::new();
            let (before, after) = (before.get(path), after.get(path));
            if judge.forces(before.unwrap_or(&nothing), after.unwrap_or(&nothing)) {
                let on_both_sides = before.is_some() && after.is_some();
                // A block that came or went has no place on one side: the path to name is that of all its kind.
                paths.push(if on_both_sides {
                    path.clone()
                } else {
                    Path { steps: path.steps[..1].to_vec() }
                });
            }
        }
    }
    paths.sort();
    paths.dedup();
}

/// The values that a dotted path means, by where they are: those within one set share its place.
fn by_path<'v>(schema: &TypeSchema, value: &'v Value, dotted: &str) -> BTreeMap<Path, Vec<&'v Value>> {
    let mut values: BTreeMap<Path, Vec<&Value>> = BTreeMap::new();
    for found in walk::occurrences(&schema.block, value, dotted) {
        values.entry(found.path).or_default().push(found.value);
    }
    values
}

struct Judge<'a> {
    schema: &'a TypeSchema,
    planned: &'a Value,
    fact: &'a AttributeFacts,
    /// The kind of block, where the fact is about one.
    block: Option<&'a NestedBlock>,
    /// Does the configuration itself not know the value yet?
    configured_unknown: bool,
}

impl Judge<'_> {
    fn forces(&self, before: &[&Value], after: &[&Value]) -> bool {
        if let ([before], [after]) = (before, after) {
            let differs = match self.block {
                Some(nested) => nested.elements(before).len() != nested.elements(after).len(),
                None => before != after,
            };
            // A default that state of an older schema does not hold yet is no change of the resource.
            let is_new_default =
                before.is_null() && self.fact.default.as_ref().is_some_and(|default| is(after, default));
            let is_one_of_those =
                || self.fact.force_new_if.iter().any(|change| self.is(change, before, after));
            return differs && !is_new_default && (self.fact.force_new || is_one_of_those());
        }
        // Elements of a set have no order, and what is left out of one is no value.
        let counts = |value: &&&Value| !value.is_null() && (self.configured_unknown || !value.is_unknown());
        let present = |values: &[&Value]| {
            let mut present: Vec<Value> =
                values.iter().filter(counts).map(|value| (*value).clone()).collect();
            present.sort();
            present
        };
        self.fact.force_new && present(before) != present(after)
    }

    /// Is the change from `before` to `after` one of those that `change` describes?
    fn is(&self, change: &Change, before: &Value, after: &Value) -> bool {
        change.from.as_ref().is_none_or(|from| is(before, from))
            && change.to.as_ref().is_none_or(|to| is(after, to))
            && change.when.iter().all(|(path, expected)| {
                let found = walk::occurrences(&self.schema.block, self.planned, path);
                found.iter().any(|found| is(found.value, expected))
            })
    }
}

/// Is the value what a fact says?
fn is(value: &Value, expected: &Json) -> bool {
    !value.is_unknown()
        && serde_json::from_str::<Json>(&json::encode(value)).is_ok_and(|json| json == *expected)
}
