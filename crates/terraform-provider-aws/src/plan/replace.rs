//! Which changes need a new resource.

use super::fill::has_region;
use crate::{
    diagnostic::Path,
    facts::TypeFacts,
    schema::{Nesting, TypeSchema},
    value::Value,
    walk::{self, Place},
};

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
    let forcing = facts.into_iter().flat_map(|facts| &facts.attributes).filter(|(_, facts)| facts.force_new);
    for (dotted, _) in forcing {
        let before = walk::occurrences(&schema.block, prior, dotted);
        let after = walk::occurrences(&schema.block, planned, dotted);
        let is_block = matches!(walk::place(&schema.block, dotted), Some(Place::Block(_)));
        let differs = |before: &Value, after: &Value| match is_block {
            true => before.items().len() != after.items().len() || before.is_null() != after.is_null(),
            false => before != after,
        };
        if before.len() == after.len() {
            for (before, after) in before.iter().zip(&after) {
                if differs(before.value, after.value) {
                    paths.push(after.path.clone());
                }
            }
        } else {
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
