//! What the provider takes from its environment, read once at the start.

use std::path::PathBuf;

/// The environment of a provider process.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`: the region where the configuration names none.
    pub region: Option<String>,
    /// `HELLO_PROVIDER_APPLY`: what an apply does where no lab is at hand.
    pub apply: ApplyMode,
}

/// What an apply does where no lab is at hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ApplyMode {
    /// It is refused.
    #[default]
    Refuse,
    /// `record`: planned values go to a file with made-up identifiers. `HELLO_PROVIDER_RECORD` names the file;
    /// without it, `hello-provider-record.jsonl` in the directory where Terraform runs.
    Record(PathBuf),
    /// Not a value that means anything.
    Invalid(String),
}

/// The file of the record mode where none is named.
const RECORD_FILE: &str = "hello-provider-record.jsonl";

impl Environment {
    /// Reads it through `variable`, which is `std::env::var` in the program and a table in tests.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Environment {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let apply = match set("HELLO_PROVIDER_APPLY") {
            None => ApplyMode::Refuse,
            Some(word) if word == "record" => ApplyMode::Record(
                set("HELLO_PROVIDER_RECORD").unwrap_or_else(|| RECORD_FILE.to_owned()).into(),
            ),
            Some(word) => ApplyMode::Invalid(word),
        };
        Environment { region: set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION")), apply }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn nothing_is_applied_unless_asked_for() {
        assert_eq!(read(&[]).apply, ApplyMode::Refuse);
        assert_eq!(read(&[("HELLO_PROVIDER_APPLY", "record")]).apply, ApplyMode::Record(RECORD_FILE.into()));
        assert_eq!(read(&[("HELLO_PROVIDER_APPLY", "yes")]).apply, ApplyMode::Invalid("yes".into()));
    }

    #[test]
    fn the_first_region_variable_wins() {
        assert_eq!(
            read(&[("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "us-east-1")]).region.unwrap(),
            "eu-west-1"
        );
        assert_eq!(
            read(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "us-east-1")]).region.unwrap(),
            "us-east-1"
        );
    }
}
