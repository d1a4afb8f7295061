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
use table::Table;

/// All that a namespace's packet filter should be, ready for `nft -j -f -`.
#[derive(Clone, PartialEq, Eq)]
pub struct Ruleset {
    commands: String,
    fingerprint: u64,
}

impl fmt::Debug for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The commands fill pages.
        write!(f, "Ruleset({:016x})", self.fingerprint)
    }
}

impl Ruleset {
    /// The ruleset of one table. An empty chain carries its fingerprint, so that a listing says which ruleset it shows.
    fn of(mut table: Table) -> Ruleset {
        let mut hasher = DefaultHasher::new();
        commands(table.clone()).hash(&mut hasher);
        let fingerprint = hasher.finish();
        table.chain(marker(fingerprint));
        Ruleset { commands: commands(table), fingerprint }
    }

    /// The commands that put it in place of whatever is there.
    pub fn commands(&self) -> &str {
        &self.commands
    }

    /// A number that tells it from another. Another build of the lab may compute another one; then the filter is
    /// replaced by its like once.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Is it this ruleset that `nft -j list ruleset` printed, rather than another?
    pub fn is_in(&self, listing: &[u8]) -> bool {
        let marker = marker(self.fingerprint);
        listing.windows(marker.len()).any(|window| window == marker.as_bytes())
    }
}

fn commands(table: Table) -> String {
    let mut batch = Batch::new();
    batch.add_cmd(NfCmd::Flush(FlushObject::Ruleset(None)));
    table.add_to(&mut batch);
    serde_json::to_string(&batch.to_nftables()).expect("a ruleset has only keys that are text")
}

fn marker(fingerprint: u64) -> String {
    format!("ruleset-{fingerprint:016x}")
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
