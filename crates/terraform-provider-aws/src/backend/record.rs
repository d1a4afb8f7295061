//! The record: planned values in a file, for tests that apply and plan again without anything being made.
//!
//! One JSON line for each change: `{"key": "TYPE/REGION/ID", "digest": ..., "state": {...}}`, where ID is what the
//! resource would be imported by. The last line of a key counts, `"state": null` means deleted. Write-only values are never in it. A line whose state was edited (its digest
//! no longer fits) is what the next refresh finds; where the line is as it was written, Terraform's own state is left
//! alone, so that a test may play an outside event in either file.

use super::{Backend, Change, Existing, Secret, SecretRequest, made_up::Digits};
use crate::{
    diagnostic::Diagnostic,
    facts, import,
    schema::TypeSchema,
    value::{Value, json},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::PathBuf,
};

/// Records instead of applying.
#[derive(Debug)]
pub struct Record {
    file: PathBuf,
}

#[derive(Serialize)]
struct NewLine<'a> {
    key: &'a str,
    digest: String,
    state: &'a RawValue,
}

#[derive(Deserialize)]
struct Line<'a> {
    key: String,
    digest: String,
    #[serde(borrow)]
    state: &'a RawValue,
}

impl Record {
    /// Records in `file`.
    pub fn new(file: PathBuf) -> Record {
        Record { file }
    }

    fn failed(&self, error: &io::Error) -> Diagnostic {
        Diagnostic::error(
            "The record cannot be used",
            format!(
                "{}: {error}; HELLO_PROVIDER_RECORD names the file in which HELLO_PROVIDER_APPLY=record writes.",
                self.file.display()
            ),
        )
    }

    fn append(&self, key: &str, state: &str) -> io::Result<()> {
        let raw = RawValue::from_string(state.to_owned())?;
        let mut line = serde_json::to_string(&NewLine { key, digest: digest(state), state: &raw })?;
        line.push('\n');
        // One write: several provider processes append to one file.
        OpenOptions::new().create(true).append(true).open(&self.file)?.write_all(line.as_bytes())
    }

    /// The last state recorded for `key` and whether somebody edited it.
    fn last(&self, key: &str) -> io::Result<Option<(String, bool)>> {
        let mut text = String::new();
        match File::open(&self.file) {
            Ok(mut file) => file.read_to_string(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut found = None;
        // Parsing only the lines that mention the key keeps a refresh of many resources quick.
        for line in text.lines().filter(|line| line.contains(key)) {
            let line: Line<'_> = serde_json::from_str(line)?;
            if line.key == key {
                let state = line.state.get().to_owned();
                let edited = digest(&state) != line.digest;
                found = Some((state, edited));
            }
        }
        Ok(found)
    }
}

fn key(schema: &TypeSchema, region: &str, state: &Value) -> String {
    let facts = facts::of_type(&schema.name);
    let id = import::id_of(schema, facts.as_deref(), state).unwrap_or_default();
    format!("{}/{region}/{id}", schema.name)
}

fn digest(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(&Sha256::digest(text)[..12])
}

#[tonic::async_trait]
impl Backend for Record {
    fn mark(&self) -> Option<&str> {
        Some("record")
    }

    fn warning(&self) -> Option<Diagnostic> {
        Some(Diagnostic::warning(
            "Nothing is made real",
            format!(
                "HELLO_PROVIDER_APPLY=record is set: an apply only writes planned values with made-up identifiers to {}.",
                self.file.display()
            ),
        ))
    }

    async fn apply(&self, change: Change) -> Result<Value, Diagnostic> {
        let (schema, region) = (&change.schema, &change.place.region);
        if change.planned.is_null() {
            let key = key(schema, region, &change.prior);
            self.append(&key, "null").map_err(|error| self.failed(&error))?;
            return Ok(Value::Null);
        }
        let state = change.made_up();
        let key = key(schema, region, &state);
        self.append(&key, &json::encode(&state)).map_err(|error| self.failed(&error))?;
        Ok(state)
    }

    async fn read(&self, existing: Existing) -> Result<Value, Diagnostic> {
        let Existing { schema, place, state, imported } = existing;
        let key = key(&schema, &place.region, &state);
        match self.last(&key).map_err(|error| self.failed(&error))? {
            Some((recorded, edited)) if edited || imported || recorded == "null" => {
                json::decode(&recorded, &schema.ty).map_err(|error| self.failed(&io::Error::other(error)))
            }
            None if imported => Ok(Value::Null),
            Some(_) | None => Ok(state),
        }
    }

    async fn secret(&self, request: SecretRequest) -> Result<Secret, Diagnostic> {
        Ok(made_up_secret(request))
    }
}

/// A secret's version of which only the form is true: its content is made up and new each time.
pub(super) fn made_up_secret(request: SecretRequest) -> Secret {
    let SecretRequest { place, secret_id, version_id, version_stage } = request;
    let mut digits = Digits::random();
    let arn = if secret_id.starts_with("arn:") {
        secret_id
    } else {
        let super::Place { region, account_id, partition } = place;
        format!("arn:{partition}:secretsmanager:{region}:{account_id}:secret:{secret_id}")
    };
    Secret {
        arn,
        version_id: version_id.unwrap_or_else(|| digits.uuid()),
        secret_string: digits.text("0123456789abcdef", 32),
        version_stages: vec![version_stage.unwrap_or_else(|| "AWSCURRENT".to_owned())],
        created_date: "2025-01-01T00:00:00Z".to_owned(),
    }
}
