//! The configuration of one provider instance, kept with the connection it came by.

use super::{Provider, Role};
use crate::{
    backend::Place,
    diagnostic::{Diagnostic, Path},
    rules::Neighbours,
    value::Value,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The account where the configuration names none: the one of AWS's own examples.
const ACCOUNT_ID: &str = "123456789012";
/// The region where neither configuration nor environment names one.
const REGION: &str = "us-east-1";

/// A configured provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The region, unknown where the configuration does not know it yet.
    pub region: Value,
    /// Tags of every resource; a map, or unknown.
    pub default_tags: Value,
    /// The account, twelve digits.
    pub account_id: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            region: REGION.into(),
            default_tags: Value::Map(BTreeMap::new()),
            account_id: ACCOUNT_ID.to_owned(),
        }
    }
}

impl Settings {
    /// Where a resource with this value of `region` lives.
    pub fn place(&self, region: &Value) -> Place {
        let region = region.non_empty().or(self.region.as_str()).unwrap_or(REGION).to_owned();
        Place { partition: partition(&region).to_owned(), account_id: self.account_id.clone(), region }
    }
}

/// The partition that a region belongs to, by its prefix.
///
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>
pub(crate) fn partition(region: &str) -> &'static str {
    match region.split_once('-').map_or(region, |(head, _)| head) {
        "cn" => "aws-cn",
        "us" if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// One connection of Terraform: the configuration that came by it, and what has been planned by it.
#[derive(Debug, Default)]
pub struct Connection {
    settings: Mutex<Arc<Settings>>,
    neighbours: Mutex<Neighbours>,
}

impl Connection {
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a planned resource to those of this run; says why it cannot stand beside them.
    pub(super) fn admit(&self, type_name: &str, planned: &Value) -> Option<Diagnostic> {
        self.neighbours.lock().unwrap_or_else(PoisonError::into_inner).admit(type_name, planned)
    }

    fn configure(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
}

impl Provider {
    /// Takes the configuration of a provider instance; returns what to tell the user.
    pub(super) fn configure(
        &self,
        config: &Value,
        connection: &Connection,
    ) -> Result<Vec<Diagnostic>, Diagnostic> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        if self.role != Role::Aws {
            return Ok(Vec::new());
        }
        let mut diagnostics: Vec<Diagnostic> = self.backend.warning().into_iter().collect();
        let region = match (config.get("region"), &self.environment.region) {
            (Value::Null, Some(region)) => region.as_str().into(),
            (Value::Null, None) => {
                diagnostics.push(Diagnostic::warning(
                    "No region is configured",
                    format!(
                        "Neither the provider's region argument nor AWS_REGION is set, so {REGION} is assumed; AWS \
                         itself would refuse: set one of them."
                    ),
                ));
                REGION.into()
            }
            (region, _) => region.clone(),
        };
        if let Some(name) = region.as_str()
            && !is_region(name)
        {
            // Wording: hashicorp/aws, internal/provider (invalid region).
            return Err(Diagnostic::error(
                "Invalid provider configuration",
                format!("invalid AWS Region: {name}"),
            )
            .at(Path::attribute("region")));
        }
        let default_tags = match config.get("default_tags") {
            Value::Unknown(_) => Value::UNKNOWN,
            blocks => match blocks.only().get("tags") {
                Value::Null => Value::Map(BTreeMap::new()),
                tags if tags.is_wholly_known() => tags.clone(),
                _ => Value::UNKNOWN,
            },
        };
        let allowed = config.get("allowed_account_ids").texts();
        let account_id = allowed.first().map_or(ACCOUNT_ID, |account| account).to_owned();
        connection.configure(Settings { region, default_tags, account_id });
        Ok(diagnostics)
    }
}

/// Has the name the form of a region: `eu-west-1`, `us-gov-east-1`?
pub(crate) fn is_region(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [words @ .., number] if words.len() >= 2 => {
            words.iter().all(word) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_told_from_other_names() {
        for name in ["eu-west-1", "us-gov-east-1", "ap-southeast-7", "us-iso-east-1"] {
            assert!(is_region(name), "{name}");
        }
        for name in ["", "eu", "eu-west", "EU-west-1", "eu-west-1a", "eu--1"] {
            assert!(!is_region(name), "{name}");
        }
    }

    #[test]
    fn a_region_belongs_to_its_partition() {
        assert_eq!(partition("cn-north-1"), "aws-cn");
        assert_eq!(partition("us-gov-west-1"), "aws-us-gov");
        assert_eq!(partition("us-west-2"), "aws");
    }
}
