//! Packet filters and address translation: rulesets of nftables as data.
//!
//! A ruleset is the whole of what a namespace's kernel holds, and is replaced in one transaction: no packet ever meets
//! half of it. Flows that stand are not in it (they are in the kernel's connection tracking), so they outlive the
//! replacement.

pub mod gateways;
pub mod security_groups;
mod table;

use nftables::{
    batch::Batch,
    schema::{FlushObject, NfCmd},
};
use serde_json::Value;
use std::{
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

/// All tables of a namespace, ready for `nft -j -f -`.
#[derive(Clone, PartialEq, Eq)]
pub struct Ruleset {
    commands: String,
}

impl fmt::Debug for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The commands fill pages.
        write!(f, "Ruleset({:016x})", self.fingerprint())
    }
}

impl Ruleset {
    fn of(tables: Vec<table::Table>) -> Ruleset {
        let mut batch = Batch::new();
        batch.add_cmd(NfCmd::Flush(FlushObject::Ruleset(None)));
        for table in tables {
            table.add_to(&mut batch);
        }
        let commands =
            serde_json::to_string(&batch.to_nftables()).expect("a ruleset has only keys that are text");
        Ruleset { commands }
    }

    /// The commands that put it in place of whatever is there.
    pub fn commands(&self) -> &str {
        &self.commands
    }

    /// A number that tells it from another. Another build of the lab may compute another one; then the filter is
    /// replaced by its like once.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.commands.hash(&mut hasher);
        hasher.finish()
    }
}

/// A number for what `nft -j list ruleset` printed, without what differs from one listing to the next.
pub fn fingerprint_of_listing(listing: &[u8]) -> serde_json::Result<u64> {
    let mut listing: Value = serde_json::from_slice(listing)?;
    normalize(&mut listing);
    let mut hasher = DefaultHasher::new();
    listing.to_string().hash(&mut hasher);
    Ok(hasher.finish())
}

/// Handles are counted up with every transaction, and a set has no order.
fn normalize(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(normalize),
        Value::Object(fields) => {
            fields.remove("handle");
            fields.remove("metainfo");
            for (name, field) in fields {
                normalize(field);
                if let ("elem" | "set", Value::Array(elements)) = (name.as_str(), field) {
                    elements.sort_by_cached_key(Value::to_string);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;
