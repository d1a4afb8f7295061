//! Reads the schemas (layout: `schemas/README.md`), adds what the facts know, writes the encoded answer and its index.

use crate::{facts::Facts, position, wire::Message};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap, error::Error, fmt::Write as _, fs, io::Read as _, path::Path, sync::LazyLock,
};

static NOTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

/// Every provider described in `directory`. The name of a file up to its first `-` or `.` is the provider's;
/// several files may describe parts of one provider.
pub(crate) fn read_all(directory: &Path) -> Result<BTreeMap<String, Map<String, Value>>, Box<dyn Error>> {
    let mut providers: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut text = String::new();
        match name.split_once('.') {
            Some((_, "json.gz")) => {
                flate2::read::GzDecoder::new(fs::File::open(&path)?).read_to_string(&mut text)?;
            }
            Some((_, "json")) => text = fs::read_to_string(&path)?,
            _ => continue,
        }
        let document: Value = serde_json::from_str(&text).map_err(|e| format!("{name}: {e}"))?;
        let provider =
            providers.entry(name.split(['-', '.']).next().unwrap_or(&name).to_owned()).or_default();
        for (part, content) in document.as_object().unwrap_or(&NOTHING) {
            match (provider.get_mut(part), content) {
                (Some(Value::Object(present)), Value::Object(more)) => present.extend(more.clone()),
                _ => {
                    provider.insert(part.clone(), content.clone());
                }
            }
        }
    }
    Ok(providers)
}

/// What the facts add to a schema: its version, and flags and limits by dotted path.
struct Additions<'a> {
    version: u64,
    attributes: &'a Map<String, Value>,
}

pub(crate) fn write(
    name: &str,
    provider: &Map<String, Value>,
    facts: &Facts,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let none = Additions { version: 0, attributes: &NOTHING };
    let mut answer = Message::default();
    let mut index = String::from("Index {\n");
    let start = answer.bytes(1, &schema(provider.get("provider").unwrap_or(&Value::Null), &none)?);
    writeln!(index, "provider: ({}, {}),", position(start), position(answer.0.len()))?;
    for (field, part) in [(2, "resources"), (3, "data_sources"), (8, "ephemeral_resources")] {
        writeln!(index, "{part}: &[")?;
        for (type_name, content) in sorted(provider.get(part)) {
            let table = facts.get(type_name).filter(|_| part == "resources");
            let additions = table.map_or(Additions { ..none }, |table| Additions {
                version: table["schema_version"].as_u64().unwrap_or(0),
                attributes: table["attribute"].as_object().unwrap_or(&NOTHING),
            });
            let encoded = schema(content, &additions).map_err(|e| format!("{type_name}: {e}"))?;
            let start = map_entry(&mut answer, field, type_name, &encoded);
            writeln!(index, "({type_name:?}, {}, {}),", position(start), position(start + encoded.len()))?;
        }
        index.push_str("],\n");
    }
    // Modules name themselves in `provider_meta "aws" { user_agent = [...] }`.
    if name == "aws" {
        answer.bytes(
            5,
            &schema(&serde_json::json!({ "a": { "user_agent": [["list", "string"], "o"] } }), &none)?,
        );
    }
    index.push_str("functions: &[\n");
    for (function_name, content) in sorted(provider.get("functions")) {
        let encoded = function(content)?;
        let start = map_entry(&mut answer, 7, function_name, &encoded);
        writeln!(index, "({function_name:?}, {}, {}),", position(start), position(start + encoded.len()))?;
    }
    index.push_str("],\n}");
    // plan_destroy: a destruction is refused too where the state is not the lab's.
    // get_provider_schema_optional: Terraform may reuse one answer for several processes.
    // move_resource_state: `moved` between the two names of one type.
    let mut capabilities = Message::default();
    for field in 1..=3 {
        capabilities.boolean(field, true);
    }
    answer.bytes(6, &capabilities.0);
    fs::write(out.join(format!("{name}_schema.bin")), &answer.0)?;
    fs::write(out.join(format!("{name}_schema_index.rs")), index)?;
    Ok(())
}

/// Adds one entry of a map field; returns where the entry's value stands.
fn map_entry(answer: &mut Message, field: u32, key: &str, value: &[u8]) -> usize {
    let mut entry = Message::default();
    entry.text(1, key);
    let inner = entry.bytes(2, value);
    answer.bytes(field, &entry.0) + inner
}

fn sorted(part: Option<&Value>) -> BTreeMap<&String, &Value> {
    part.and_then(Value::as_object).unwrap_or(&NOTHING).iter().collect()
}

fn schema(content: &Value, additions: &Additions<'_>) -> Result<Vec<u8>, String> {
    let mut message = Message::default();
    message.integer(1, additions.version);
    message.bytes(2, &block(content, "", additions)?);
    Ok(message.0)
}

fn block(content: &Value, prefix: &str, additions: &Additions<'_>) -> Result<Vec<u8>, String> {
    let fact =
        |name: &str, key: &str| additions.attributes.get(&format!("{prefix}{name}")).map(|entry| &entry[key]);
    let mut message = Message::default();
    for (name, attribute) in sorted(content.get("a")) {
        let Some([ty, Value::String(flags)]) = attribute.as_array().map(Vec::as_slice) else {
            return Err(format!("attribute {prefix}{name} is not [type, flags]"));
        };
        let known = |key: &str| fact(name, key).and_then(Value::as_bool).unwrap_or(false);
        let mut encoded = Message::default();
        encoded.text(1, name);
        encoded.text(2, &ty.to_string());
        encoded.boolean(4, flags.contains('r'));
        encoded.boolean(5, flags.contains('o'));
        encoded.boolean(6, flags.contains('c'));
        encoded.boolean(7, flags.contains('s') || known("sensitive"));
        encoded.boolean(11, flags.contains('w') || known("write_only"));
        message.bytes(2, &encoded.0);
    }
    for (name, nested) in sorted(content.get("b")) {
        let Some([Value::String(mode), min, max, inner]) = nested.as_array().map(Vec::as_slice) else {
            return Err(format!("block {prefix}{name} is not [mode, min, max, block]"));
        };
        let limit = |key: &str, schema: &Value| {
            fact(name, key).and_then(Value::as_u64).or(schema.as_u64()).unwrap_or(0)
        };
        let number = ["single", "list", "set"].iter().position(|known| known == mode);
        let number = number.ok_or_else(|| format!("block {prefix}{name} has an unknown mode {mode:?}"))?;
        let mut encoded = Message::default();
        encoded.text(1, name);
        encoded.bytes(2, &block(inner, &format!("{prefix}{name}."), additions)?);
        encoded.integer(3, number as u64 + 1);
        encoded.integer(4, limit("min_items", min));
        encoded.integer(5, limit("max_items", max));
        message.bytes(3, &encoded.0);
    }
    Ok(message.0)
}

fn function(content: &Value) -> Result<Vec<u8>, String> {
    let mut message = Message::default();
    for parameter in content["parameters"].as_array().map_or(&[][..], Vec::as_slice) {
        let mut encoded = Message::default();
        encoded.text(1, parameter[0].as_str().ok_or("a function parameter has no name")?);
        encoded.text(2, &parameter[1].to_string());
        message.bytes(1, &encoded.0);
    }
    let mut returned = Message::default();
    returned.text(1, &content["return"].to_string());
    message.bytes(3, &returned.0);
    Ok(message.0)
}
