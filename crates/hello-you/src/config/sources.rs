//! Where a setting's value comes from: its flag, else its variable, else its default.
//!
//! Every error is one line that begins with the name of that source, so that its reader knows what to change.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use clap::ArgMatches;

use super::table::{Command, DefaultValue, Given, SETTINGS, Setting};
use super::{ConfigError, Environment, Secret};

/// What the user gave: flags of one command, and the environment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    command: Command,
    flags: &'a ArgMatches,
    environment: &'a Environment,
}

/// A value and the name of its source, as it is called in errors.
struct Found<'a> {
    name: String,
    value: &'a OsStr,
}

impl<'a> Sources<'a> {
    /// The sources of that command.
    pub(crate) fn new(command: Command, flags: &'a ArgMatches, environment: &'a Environment) -> Self {
        Self { command, flags, environment }
    }

    /// Whether the setting is given by flag or variable. A secret counts with its `_FILE` variable too.
    pub(super) fn is_given(&self, setting: &Setting) -> bool {
        let file_given =
            setting.file_variable().is_some_and(|name| self.environment.contains_key(OsStr::new(&name)));
        match setting.given {
            Given::BySecret => file_given || self.environment.contains_key(OsStr::new(setting.variable)),
            Given::ByFlag(_) | Given::ByVariable => self.find(setting).is_some(),
        }
    }

    /// What to call the setting in an error: by its flag if that was used, else by its variable.
    pub(super) fn name_of(&self, setting: &Setting) -> String {
        if let Some(found) = self.find(setting) {
            return found.name;
        }
        match setting.file_variable() {
            Some(name) if self.environment.contains_key(OsStr::new(&name)) => name,
            _ => setting.variable.to_owned(),
        }
    }

    /// The value of a setting that has a default, as `parse` reads it.
    ///
    /// `parse` says in its error what it expected, as the end of the sentence "expected ...".
    pub(super) fn value<T>(
        &self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        if let Some(value) = self.optional(setting, &parse)? {
            return Ok(value);
        }
        let default = default_text(setting);
        parse(default).map_err(|expected| ConfigError::invalid(setting.variable, default, &expected))
    }

    /// The value of a setting that may be absent.
    pub(super) fn optional<T>(
        &self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(found) = self.find(setting) else {
            return Ok(None);
        };
        let text = found
            .value
            .to_str()
            .ok_or_else(|| ConfigError::new(format!("{} is not valid UTF-8", found.name)))?;
        parse(text).map(Some).map_err(|expected| ConfigError::invalid(&found.name, text, &expected))
    }

    /// The value of a setting that is a path, which need not be UTF-8.
    pub(super) fn optional_path(&self, setting: &Setting) -> Result<Option<PathBuf>, ConfigError> {
        match self.find(setting) {
            Some(found) if found.value.is_empty() => {
                Err(ConfigError::new(format!("{} is empty; name a file", found.name)))
            }
            found => Ok(found.map(|found| PathBuf::from(found.value))),
        }
    }

    /// The value of a setting that is a path and has a default.
    pub(super) fn path(&self, setting: &Setting) -> Result<PathBuf, ConfigError> {
        Ok(self.optional_path(setting)?.unwrap_or_else(|| PathBuf::from(default_text(setting))))
    }

    /// A secret, from its variable or from the file that its `_FILE` variable names.
    ///
    /// An empty secret is an error, unlike an empty variable of another setting: a password that silently is none would
    /// be found too late, and an empty token would open a door.
    pub(super) fn secret(&self, setting: &Setting) -> Result<Option<Secret>, ConfigError> {
        let variable = setting.variable;
        let file_variable = format!("{variable}_FILE");
        let direct = self.environment.get(OsStr::new(variable));
        let file = self.environment.get(OsStr::new(&file_variable));
        let (name, bytes) = match (direct, file) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(ConfigError::both(variable, &file_variable));
            }
            (Some(value), None) => (variable, value.as_encoded_bytes().to_vec()),
            (None, Some(path)) => (file_variable.as_str(), read_secret_file(&file_variable, path)?),
        };
        let text = String::from_utf8(bytes)
            .map_err(|_| ConfigError::new(format!("{name} does not hold valid UTF-8 text")))?;
        if text.is_empty() {
            return Err(ConfigError::new(format!(
                "{name} holds an empty value; give one, or unset the variable"
            )));
        }
        if text.contains('\0') {
            return Err(ConfigError::new(format!("{name} holds a NUL character")));
        }
        Ok(Some(Secret::new(text)))
    }

    /// Variables that look like settings of this program and are none: most likely a slip of the pen.
    ///
    /// They are not refused, since an orchestrator adds variables of its own (Kubernetes does, named after services).
    pub(super) fn unknown_variables(&self) -> Vec<String> {
        let known = |name: &str| {
            SETTINGS.iter().any(|setting| {
                setting.variable == name || setting.file_variable().is_some_and(|file| file == name)
            })
        };
        self.environment
            .keys()
            .filter_map(|name| name.to_str())
            .filter(|name| name.starts_with("HELLO_") && !known(name))
            .map(str::to_owned)
            .collect()
    }

    /// Whether the user asked programs not to colour their output (<https://no-color.org>).
    pub(super) fn is_colour_refused(&self) -> bool {
        self.environment.get(OsStr::new("NO_COLOR")).is_some_and(|value| !value.is_empty())
    }

    fn find(&self, setting: &Setting) -> Option<Found<'a>> {
        if !setting.commands.contains(&self.command) {
            return None;
        }
        if let Given::ByFlag(flag) = setting.given
            && let Ok(Some(value)) = self.flags.try_get_one::<OsString>(setting.variable)
        {
            return Some(Found { name: format!("--{flag}"), value });
        }
        // An empty variable is one that is not set: a template that fills in nothing means nothing.
        let value = self.environment.get(OsStr::new(setting.variable)).filter(|value| !value.is_empty())?;
        Some(Found { name: setting.variable.to_owned(), value })
    }
}

/// The default of a setting that is read as one that has a default.
fn default_text(setting: &Setting) -> &'static str {
    match setting.default {
        DefaultValue::Is(text) => text,
        DefaultValue::Depends(_) | DefaultValue::Unset => {
            unreachable!("{} has no fixed default in the table", setting.variable)
        }
    }
}

/// The content of a secret's file, without the one line break that editors and `echo` put at the end.
fn read_secret_file(variable: &str, path: &OsStr) -> Result<Vec<u8>, ConfigError> {
    /// Far more than any secret, far less than harms: the path could name anything.
    const MAX_BYTES: u64 = 64 * 1024;
    let shown = path.display();
    if path.is_empty() {
        return Err(ConfigError::new(format!("{variable} is empty; name a file, or unset the variable")));
    }
    let unreadable = |error: std::io::Error| {
        ConfigError::new(format!("{variable} names {shown}, which cannot be read: {error}"))
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ConfigError::new(format!(
            "{variable} names {shown}, which is larger than {MAX_BYTES} bytes"
        )));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(bytes)
}
