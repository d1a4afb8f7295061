//! Finding the places in a value that a fact's dotted path means.

use crate::{
    diagnostic::{Path, Step},
    schema::{Attribute, Block, NestedBlock, Nesting},
    value::{Type, Value},
};

/// What a dotted path names in a schema.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'s> {
    /// An attribute.
    Attribute(&'s Attribute),
    /// A kind of block.
    Block(&'s NestedBlock),
}

/// One occurrence of a dotted path in a value.
#[derive(Debug)]
pub(crate) struct Occurrence<'v> {
    /// Where it is; ends at the first set on the way.
    pub(crate) path: Path,
    /// The object that holds it.
    pub(crate) holder: &'v Value,
    /// The value there; for a block, all blocks of the kind.
    pub(crate) value: &'v Value,
}

/// What `dotted` names in `block`, if anything.
pub(crate) fn place<'s>(block: &'s Block, dotted: &str) -> Option<Place<'s>> {
    match dotted.split_once('.') {
        None => {
            let attribute = block.attributes.get(dotted).map(Place::Attribute);
            attribute.or_else(|| block.blocks.get(dotted).map(Place::Block))
        }
        Some((head, rest)) => place(&block.blocks.get(head)?.block, rest),
    }
}

/// Every occurrence of `dotted` in `value`, in order.
pub(crate) fn occurrences<'v>(block: &Block, value: &'v Value, dotted: &str) -> Vec<Occurrence<'v>> {
    let mut found = Vec::new();
    descend(block, value, dotted, &Path::default(), false, &mut found);
    found
}

fn descend<'v>(
    block: &Block,
    value: &'v Value,
    dotted: &str,
    path: &Path,
    in_set: bool,
    found: &mut Vec<Occurrence<'v>>,
) {
    if value.entries().is_none() {
        return;
    }
    let (head, rest) = dotted.split_once('.').map_or((dotted, None), |(head, rest)| (head, Some(rest)));
    let here = if in_set { path.clone() } else { path.child(head) };
    let inner = value.get(head);
    match (rest, block.blocks.get(head)) {
        (None, _) => found.push(Occurrence { path: here, holder: value, value: inner }),
        (Some(rest), None) => {
            if let Some(attribute) = block.attributes.get(head) {
                descend_type(&attribute.ty, inner, rest, &here, in_set, found);
            }
        }
        (Some(rest), Some(nested)) => match (nested.nesting, inner) {
            (Nesting::Single, inner) => descend(&nested.block, inner, rest, &here, in_set, found),
            (Nesting::Map, Value::Map(entries)) => {
                for (key, entry) in entries {
                    let deeper = if in_set { here.clone() } else { here.then(Step::Key(key.clone())) };
                    descend(&nested.block, entry, rest, &deeper, in_set, found);
                }
            }
            (nesting, Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let in_set = in_set || nesting == Nesting::Set;
                    let deeper = if in_set { here.clone() } else { here.then(Step::Index(index)) };
                    descend(&nested.block, item, rest, &deeper, in_set, found);
                }
            }
            _ => {}
        },
    }
}

/// The same inside an attribute of objects, such as a security group's `ingress`.
fn descend_type<'v>(
    ty: &Type,
    value: &'v Value,
    dotted: &str,
    path: &Path,
    in_set: bool,
    found: &mut Vec<Occurrence<'v>>,
) {
    match (ty, value) {
        (Type::List(element) | Type::Set(element), Value::List(items)) => {
            let in_set = in_set || matches!(ty, Type::Set(_));
            for (index, item) in items.iter().enumerate() {
                let deeper = if in_set { path.clone() } else { path.then(Step::Index(index)) };
                descend_type(element, item, dotted, &deeper, in_set, found);
            }
        }
        (Type::Map(element), Value::Map(entries)) => {
            for (key, entry) in entries {
                let deeper = if in_set { path.clone() } else { path.then(Step::Key(key.clone())) };
                descend_type(element, entry, dotted, &deeper, in_set, found);
            }
        }
        (Type::Object(members), Value::Map(_)) => {
            let (head, rest) =
                dotted.split_once('.').map_or((dotted, None), |(head, rest)| (head, Some(rest)));
            let here = if in_set { path.clone() } else { path.child(head) };
            match (rest, members.get(head)) {
                (None, _) => found.push(Occurrence { path: here, holder: value, value: value.get(head) }),
                (Some(rest), Some(member)) => {
                    descend_type(member, value.get(head), rest, &here, in_set, found);
                }
                (Some(_), None) => {}
            }
        }
        _ => {}
    }
}
