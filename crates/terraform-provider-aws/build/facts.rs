//! Reads `facts/*.toml` and writes them as JSON texts with an index.

use crate::position;
use serde_json::Value;
use std::{collections::BTreeMap, error::Error, fmt::Write as _, fs, path::Path};

/// Facts by resource type, as read.
pub(crate) type Facts = BTreeMap<String, Value>;

pub(crate) fn read_all(directory: &Path) -> Result<Facts, Box<dyn Error>> {
    let mut facts = Facts::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let table: Value =
            toml::from_str(&fs::read_to_string(&path)?).map_err(|e| format!("{}: {e}", path.display()))?;
        let type_name = table["type"].as_str().ok_or_else(|| format!("{}: no `type`", path.display()))?;
        facts.insert(type_name.to_owned(), table.clone());
    }
    Ok(facts)
}

pub(crate) fn write(facts: &Facts, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut texts = String::new();
    let mut index = String::from("&[\n");
    for (type_name, table) in facts {
        let text = serde_json::to_string(table)?;
        writeln!(
            index,
            "({type_name:?}, {}, {}),",
            position(texts.len()),
            position(texts.len() + text.len())
        )?;
        texts.push_str(&text);
    }
    index.push(']');
    fs::write(out.join("facts.json"), texts)?;
    fs::write(out.join("facts_index.rs"), index)?;
    Ok(())
}
