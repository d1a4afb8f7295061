//! The record: planned values in a file, for tests that apply and plan again without anything being made.
//!
//! One JSON line for each change: `{"key": "TYPE/REGION/ID", "digest": ..., "state": {...}}`, where ID is what the
//! resource would be imported by. The last line of a key counts, `"state": null` means deleted. Write-only values are never in it. A line whose state was edited (its digest
//! no longer fits) is what the next refresh finds; where the line is as it was written, Terraform's own state is left
//! alone, so that a test may play an outside event in either file.

use super::{Backend, Change, Existing, NotApplied, Secret, SecretRequest, made_up::Digits};
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
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
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

    /// Adds a line whole or not at all, whatever other processes append and whatever the disk has room for.
    fn append(&self, key: &str, state: &str) -> io::Result<()> {
        let raw = RawValue::from_string(state.to_owned())?;
        let mut line = serde_json::to_string(&NewLine { key, digest: digest(state), state: &raw })?;
        line.push('\n');
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&self.file)?;
        file.lock()?;
        let end = whole_lines(&mut file)?;
        file.write_all(line.as_bytes()).inspect_err(|_| {
            // What cannot be taken back is taken away by the next line.
            let _ = file.set_len(end);
        })
    }

    /// Calls `visit` for each whole line that contains `part`, in order.
    fn for_each_line(&self, part: &str, mut visit: impl FnMut(Line<'_>)) -> io::Result<()> {
        let mut file = match File::open(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        file.lock_shared()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        // Parsing only the lines that mention the key keeps a refresh of many resources quick.
        for (number, line) in whole.lines().enumerate().filter(|(_, line)| line.contains(part)) {
            visit(serde_json::from_str(line).map_err(|error| {
                io::Error::other(format!("line {} is not of the record's form: {error}", number + 1))
            })?);
        }
        Ok(())
    }

    /// The last state recorded for `key` and whether somebody edited it.
    fn last(&self, key: &str) -> io::Result<Option<(String, bool)>> {
        let mut found = None;
        self.for_each_line(key, |line| {
            if line.key == key {
                let state = line.state.get().to_owned();
                let edited = digest(&state) != line.digest;
                found = Some((state, edited));
            }
        })?;
        Ok(found)
    }

    /// The planned state made up. What replaces a task definition is its next revision, not the first again.
    fn new_revision(&self, change: &Change) -> io::Result<Value> {
        let mut change = change.clone();
        let mut state = change.made_up();
        if change.planned.get("revision").is_unknown() && change.prior.is_null() {
            let mut revision = 1;
            while self.last(&key(&change.schema, &change.place.region, &state))?.is_some() {
                revision += 1;
                change.planned.set("revision", Value::from(revision));
                state = change.made_up();
            }
        }
        Ok(state)
    }

    /// The last recorded version of a secret that fits the request. Its content is there only where the configuration
    /// keeps it in the state anyway (`secret_string`).
    fn secret_version(&self, request: &SecretRequest) -> io::Result<Option<RecordedSecret>> {
        let key =
            format!("aws_secretsmanager_secret_version/{}/{}|", request.place.region, request.secret_id);
        let mut found = None;
        self.for_each_line(&key, |line| {
            let version = line.key.strip_prefix(&key);
            if version
                .is_some_and(|version| request.version_id.as_deref().is_none_or(|asked| asked == version))
            {
                found = serde_json::from_str(line.state.get()).ok();
            }
        })?;
        Ok(found)
    }
}

/// Where the file's whole lines end, after cutting off what a process that was killed left of one.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.seek(SeekFrom::Start(length - 1))?;
        file.read_exact(&mut last)?;
    }
    if last == *b"\n" {
        return Ok(length);
    }
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut text)?;
    let start = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    // An editor may leave out the end of the last line.
    if serde_json::from_slice::<Line<'_>>(&text[start..]).is_ok() {
        file.write_all(b"\n")?;
        return Ok(length + 1);
    }
    let whole = u64::try_from(start).unwrap_or(length);
    file.set_len(whole)?;
    Ok(whole)
}

#[derive(Deserialize)]
struct RecordedSecret {
    version_id: Option<String>,
    secret_string: Option<String>,
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

    async fn apply(&self, change: Change) -> Result<Value, NotApplied> {
        let (schema, region) = (&change.schema, &change.place.region);
        if change.planned.is_null() {
            let key = key(schema, region, &change.prior);
            self.append(&key, "null").map_err(|error| self.failed(&error))?;
            return Ok(Value::Null);
        }
        let state = self.new_revision(&change).map_err(|error| self.failed(&error))?;
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
        let recorded = self.secret_version(&request).map_err(|error| self.failed(&error))?;
        let mut secret = made_up_secret(request);
        if let Some(RecordedSecret { version_id, secret_string }) = recorded {
            secret.version_id = version_id.unwrap_or(secret.version_id);
            secret.secret_string =
                secret_string.filter(|content| !content.is_empty()).unwrap_or(secret.secret_string);
        }
        Ok(secret)
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

#[cfg(test)]
mod tests;
