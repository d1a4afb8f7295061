//! Which changes need a new resource.

use super::fill::has_region;
use crate::{
    diagnostic::Path,
    facts::{Change, TypeFacts},
    schema::{Nesting, TypeSchema},
    value::{Value, json},
    walk::{self, Place},
};
use serde_json::Value as Json;

/// Adds to `paths` every attribute that changes between `prior` and `planned` and forces replacement.
pub(super) fn collect(
    schema: &TypeSchema,
    facts: Option<&TypeFacts>,
    prior: &Value,
    planned: &Value,
    paths: &mut Vec<Path>,
) {
    if has_region(schema) && !prior.get("region").is_null() && prior.get("region") != planned.get("region") {
        paths.push(Path::attribute("region"));
    }
    let is_this_change = |change: &Change, before: &Value, after: &Value| {
        let is = |value: &Value, expected: &Json| {
            !value.is_unknown()
                && serde_json::from_str::<Json>(&json::encode(value)).is_ok_and(|json| json == *expected)
        };
        change.from.as_ref().is_none_or(|from| is(before, from))
            && change.to.as_ref().is_none_or(|to| is(after, to))
            && change.when.iter().all(|(path, expected)| {
                walk::occurrences(&schema.block, planned, path).iter().any(|found| is(found.value, expected))
            })
    };
    let forcing = facts.into_iter().flat_map(|facts| &facts.attributes);
    for (dotted, fact) in forcing.filter(|(_, fact)| fact.force_new || !fact.force_new_if.is_empty()) {
        let before = walk::occurrences(&schema.block, prior, dotted);
        let after = walk::occurrences(&schema.block, planned, dotted);
        let block = match walk::place(&schema.block, dotted) {
            Some(Place::Block(nested)) => Some(nested),
            _ => None,
        };
        let differs = |before: &Value, after: &Value| match block {
            Some(nested) => nested.elements(before).len() != nested.elements(after).len(),
            None => before != after,
        };
        if before.len() == after.len() {
            for (before, after) in before.iter().zip(&after) {
                let forces = |change| is_this_change(change, before.value, after.value);
                if differs(before.value, after.value)
                    && (fact.force_new || fact.force_new_if.iter().any(forces))
                {
                    paths.push(after.path.clone());
                }
            }
        } else if fact.force_new {
            // A block with such an attribute came or went: the path that exists on both sides is the block's.
            paths.push(Path::attribute(dotted.split('.').next().unwrap_or(dotted)));
        }
        if let Some((head, _)) = dotted.split_once('.')
            && schema.block.blocks.get(head).is_some_and(|nested| nested.nesting == Nesting::Set)
        {
            paths.iter_mut().filter(|path| path.steps.len() > 1).for_each(|path| {
                if path.steps.first() == Path::attribute(head).steps.first() {
                    path.steps.truncate(1);
                }
            });
        }
    }
    paths.sort();
    paths.dedup();
}
