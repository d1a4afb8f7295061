//! `aws_iam_policy_document`: builds, merges and writes policies exactly as HashiCorp's provider does, to the byte,
//! since the text is compared in plans and used in names.
//!
//! hashicorp/aws 6.25, `internal/service/iam`: `dataSourcePolicyDocumentRead`, `iamPolicyDoc` and its parts.

mod model;
mod text;

use super::Answer;
use crate::{diagnostic::Diagnostic, value::Value};
use model::{Document, Identifiers, Statement};
use std::collections::HashSet;

const DEFAULT_VERSION: &str = "2012-10-17";
const OLD_VERSION: &str = "2008-10-17";

/// Answers the data source.
pub(super) fn document(config: &Value) -> Result<Answer, Diagnostic> {
    let mut merged = Document::default();
    let mut seen = HashSet::new();
    for (index, source) in documents(config, "source_json", "source_policy_documents") {
        let source = Document::parse(source)
            .map_err(|cause| refused(format!("merging source document {index}: {cause}")))?;
        for (position, statement) in source.statements.iter().enumerate() {
            let sid = &statement.sid;
            if !sid.is_empty() && !seen.insert(sid.clone()) {
                return Err(refused(format!(
                    "merging source document {index}: duplicate Sid ({sid}) in source_policy_documents (statement \
                     {position}). Remove the Sid or ensure Sids are unique."
                )));
            }
        }
        merged.merge(source);
    }
    merged.merge(own(config)?);
    for (index, source) in documents(config, "override_json", "override_policy_documents") {
        let source = Document::parse(source)
            .map_err(|cause| refused(format!("merging override document {index}: {cause}")))?;
        merged.merge(source);
    }
    let json = text::indented(&merged.to_tree());
    Ok(vec![
        ("id", crc32(json.as_bytes()).to_string().into()),
        ("json", json.into()),
        ("minified_json", text::minified(&merged.to_tree()).into()),
        ("version", config.get("version").as_str().unwrap_or(DEFAULT_VERSION).into()),
    ])
}

/// Sentences: hashicorp/terraform-plugin-sdk v2, `helper/validation` (`StringInSlice`, `StringIsJSON`).
pub(super) fn validate(config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    let mut one_of = |name: &str, value: &Value, allowed: [&str; 2]| {
        if let Some(text) = value.as_str()
            && !allowed.contains(&text)
        {
            let [first, second] = allowed;
            diagnostics.push(Diagnostic::error(
                format!("expected {name} to be one of [{first:?} {second:?}], got {text}"),
                "",
            ));
        }
    };
    one_of("version", config.get("version"), [OLD_VERSION, DEFAULT_VERSION]);
    for (index, statement) in config.get("statement").items().iter().enumerate() {
        one_of(&format!("statement.{index}.effect"), statement.get("effect"), ["Allow", "Deny"]);
    }
    for name in ["source_policy_documents", "override_policy_documents"] {
        for text in config.get(name).texts() {
            if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
                diagnostics
                    .push(Diagnostic::error(format!("{name:?} contains an invalid JSON: {error}"), ""));
            }
        }
    }
}

fn refused(cause: String) -> Diagnostic {
    Diagnostic::error("writing IAM Policy Document", cause)
}

/// The texts of an old single argument and of the list that took its place.
fn documents<'v>(config: &'v Value, single: &str, list: &str) -> Vec<(usize, &'v str)> {
    let one = config.get(single).non_empty().into_iter();
    let many = config.get(list).items().iter().filter_map(Value::non_empty);
    one.chain(many).enumerate().collect()
}

fn own(config: &Value) -> Result<Document, Diagnostic> {
    let version = config.get("version").as_str().unwrap_or(DEFAULT_VERSION).to_owned();
    let mut seen = HashSet::new();
    let mut statements = Vec::new();
    for block in config.get("statement").items() {
        let sid = block.get("sid").as_str().unwrap_or_default().to_owned();
        if !sid.is_empty() && !seen.insert(sid.clone()) {
            return Err(refused(format!(
                "duplicate Sid ({sid}). Remove the Sid or ensure the Sid is unique."
            )));
        }
        let list = |name: &str| Identifiers::of_set(block.get(name));
        let replaced = |identifiers: Option<Identifiers>, what: &str| {
            identifiers.map(|identifiers| replace_variables(identifiers, &version, what)).transpose()
        };
        let principals = |name: &str| {
            let blocks = block.get(name).items().iter();
            let principal = |principal: &Value| {
                let kind = principal.get("type").as_str().unwrap_or_default().to_owned();
                let identifiers = Identifiers::of_set(principal.get("identifiers"))
                    .unwrap_or(Identifiers::Many(Vec::new()));
                Ok((kind, replace_variables(identifiers, &version, name)?))
            };
            blocks.map(principal).collect::<Result<Vec<_>, Diagnostic>>()
        };
        let mut conditions = Vec::new();
        for condition in block.get("condition").items() {
            let text = |name: &str| condition.get(name).as_str().unwrap_or_default().to_owned();
            let values = condition.get("values").texts().into_iter().map(str::to_owned).collect();
            let values = replace_variables(Identifiers::Many(values), &version, "condition")?;
            conditions.push((text("test"), text("variable"), values.into_vec()));
        }
        statements.push(Statement {
            sid,
            effect: block.get("effect").as_str().unwrap_or("Allow").to_owned(),
            actions: list("actions"),
            not_actions: list("not_actions"),
            resources: replaced(list("resources"), "resources")?,
            not_resources: replaced(list("not_resources"), "not_resources")?,
            principals: principals("principals")?,
            not_principals: principals("not_principals")?,
            conditions,
        });
    }
    let id = config.get("policy_id").as_str().unwrap_or_default().to_owned();
    Ok(Document { version, id, statements })
}

/// `&{` stands for `${`, which Terraform would take for its own.
fn replace_variables(identifiers: Identifiers, version: &str, what: &str) -> Result<Identifiers, Diagnostic> {
    let replace = |text: String| {
        if version == OLD_VERSION && text.contains("&{") {
            let cause = format!(
                "reading {what}: found &{{ sequence in ({text}), which is not supported in document version {OLD_VERSION}"
            );
            return Err(refused(cause));
        }
        Ok(text.replace("&{", "${"))
    };
    Ok(match identifiers {
        Identifiers::One(text) => Identifiers::One(replace(text)?),
        Identifiers::Many(texts) => {
            Identifiers::Many(texts.into_iter().map(replace).collect::<Result<_, _>>()?)
        }
    })
}

/// CRC-32 as Ethernet and Go's `crc32.ChecksumIEEE` compute it: the identifier of the data source.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let mixed = crc ^ u32::from(*byte);
        (0..8).fold(mixed, |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    };
    !bytes.iter().fold(!0, step)
}

#[cfg(test)]
mod tests;
