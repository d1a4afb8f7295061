//! What is refused, and how Terraform shows it.

use super::{ChangeError, waits};
use crate::{
    board::WaitError,
    database::parameters::ParameterError,
    lab::Lab,
    meaning::{self, values},
    network,
    world::{Contents, Draft, Resource, ResourceKey},
};
use std::{collections::BTreeMap, path::Path};
use terraform_provider_aws::{backend::Change, diagnostic::Diagnostic, schema::TypeSchema, value::Value};

/// Types whose names are unique in a region, with the attribute that holds the name.
const UNIQUE_NAMES: &[(&str, &str)] = &[
    ("aws_cloudwatch_log_group", "name"),
    ("aws_db_instance", "identifier"),
    ("aws_db_parameter_group", "name"),
    ("aws_db_snapshot", "db_snapshot_identifier"),
    ("aws_db_subnet_group", "name"),
    ("aws_lb", "name"),
    ("aws_lb_target_group", "name"),
    ("aws_secretsmanager_secret", "name"),
];

/// Refuses values that the lab would make something else of: those that were not known yet when they were planned.
pub(super) fn modelled(change: &Change) -> Result<(), Diagnostic> {
    let sentences = values::refused(&change.schema.name, &change.config);
    if sentences.is_empty() { Ok(()) } else { Err(not_modelled(&change.schema, &sentences)) }
}

/// Refuses what does not go with what there is.
pub(super) fn fits(contents: &Contents, resource: &Resource) -> Result<(), ChangeError> {
    values::contradiction(contents, resource).map_or(Ok(()), |sentence| Err(ChangeError::Refused(sentence)))
}

/// The major version and the parameters of a parameter group; `None` for other resources, and for those of other engines.
pub(super) fn parameter_group(
    schema: &TypeSchema,
    config: &Value,
) -> Option<(u32, BTreeMap<String, String>)> {
    (schema.name == "aws_db_parameter_group").then(|| meaning::databases::group(config))?
}

/// What is said of a parameter that no instance could have, with the code of RDS's own refusal.
pub(super) fn invalid_parameter(schema: &TypeSchema, error: &ParameterError) -> Diagnostic {
    failed(schema, &ChangeError::Refused(format!("InvalidParameterValue: {error}")))
}

/// What is said of values that are not modelled.
pub(super) fn not_modelled(schema: &TypeSchema, sentences: &[String]) -> Diagnostic {
    let summary = format!("The lab cannot make this {} real", schema.name);
    Diagnostic::error(summary, format!("{}. docs/LAB.md lists what is modelled.", sentences.join("; ")))
}

/// What the network refuses of what is known; asked only where a change is one of the network.
pub(super) fn refused_by_network(contents: &Contents, type_name: &str) -> Vec<String> {
    if !waits::is_network(type_name) {
        return Vec::new();
    }
    // What is refused does not depend on whose namespaces they are.
    let lab = Lab::new("any", Path::new(""), Path::new(""));
    network::wanted::Wanted::of(&meaning::network::network(contents, &lab)).refused
}

/// Refuses a change after which the network refuses more than before, as AWS refuses the call: subnets must be within
/// their VPC's range, and apart (<https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>). What is wrong
/// already is not held against others.
pub(super) fn refuse_with_network(
    draft: &Draft,
    type_name: &str,
    before: &[String],
) -> Result<(), ChangeError> {
    let after = refused_by_network(&draft.contents, type_name);
    match after.into_iter().find(|sentence| !before.contains(sentence)) {
        Some(sentence) => Err(ChangeError::Refused(sentence)),
        None => Ok(()),
    }
}

/// Has another resource the name that is unique in a region?
pub(super) fn name_taken(contents: &Contents, resource: &Resource) -> bool {
    let unique = UNIQUE_NAMES.iter().find(|(type_name, _)| *type_name == resource.type_name);
    unique.is_some_and(|(type_name, attribute)| {
        let mut same = contents.of_type(type_name).filter(|other| other.region == resource.region);
        same.any(|other| other.text(attribute) == resource.text(attribute))
    })
}

/// Why a resource must not be deleted, if it must not.
pub(super) fn protection(resource: &Resource) -> Option<String> {
    let set = |name: &str| resource.state.get(name).as_bool() == Some(true);
    match resource.type_name.as_str() {
        "aws_db_instance" if set("deletion_protection") => Some(
            "Cannot delete protected DB Instance, please disable deletion protection and try again: set \
             deletion_protection = false and apply first"
                .to_owned(),
        ),
        "aws_lb" | "aws_alb" if set("enable_deletion_protection") => Some(format!(
            "Load balancer '{}' cannot be deleted because deletion protection is enabled: set \
             enable_deletion_protection = false and apply first",
            resource.text("arn")
        )),
        _ => None,
    }
}

/// A resource that the lab has lost.
pub(super) fn gone(key: &ResourceKey) -> ChangeError {
    ChangeError::Refused(format!(
        "the lab does not know {key} any more: run terraform plan to see what is left"
    ))
}

/// What Terraform shows of a change that was refused.
pub(super) fn failed(schema: &TypeSchema, error: &ChangeError) -> Diagnostic {
    Diagnostic::error(format!("The lab refuses this {}", schema.name), format!("{error}."))
}

/// What it shows of a deletion that was refused, and for good.
pub(super) fn cannot_go(schema: &TypeSchema, key: &ResourceKey, reason: &str) -> Diagnostic {
    Diagnostic::error(
        format!("The lab cannot delete this {}", schema.name),
        format!("{key} stays as it is: {reason}."),
    )
}

/// What it shows of a resource that is stored and not as it should be.
pub(super) fn not_settled(schema: &TypeSchema, key: &ResourceKey, error: &WaitError) -> Diagnostic {
    Diagnostic::error(
        format!("The lab could not make this {} real", schema.name),
        format!(
            "{key} is stored, but {error}. `hello-lab status` shows how the parts fare; apply again once the cause is mended."
        ),
    )
}
