//! Databases.

use super::Change;
use crate::{
    diagnostic::{Diagnostic, Path},
    value::Value,
};

fn refuse(attribute: &str, summary: &str, detail: &str) -> Diagnostic {
    Diagnostic::error(summary, detail).at(Path::attribute(attribute))
}

pub(super) fn instance(config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    password(config, diagnostics);
    // https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html (AvailabilityZone); the
    // sentence: https://github.com/hashicorp/terraform-provider-aws/issues/485
    if config.get("multi_az").as_bool() == Some(true) && config.get("availability_zone").non_empty().is_some()
    {
        diagnostics.push(refuse(
            "availability_zone",
            "InvalidParameterCombination",
            "Requesting a specific availability zone is not valid for Multi-AZ instances.",
        ));
    }
    replica(config, diagnostics);
}

fn replica(config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    let source = config.get("replicate_source_db");
    if source.non_empty().is_none() {
        return;
    }
    // A replica has its source's engine: CreateDBInstanceReadReplica takes none.
    // https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html
    if config.get("engine").non_empty().is_some() {
        diagnostics.push(refuse(
            "engine",
            "Conflicting configuration arguments",
            "\"engine\": conflicts with replicate_source_db",
        ));
    }
    // https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html
    if config.get("final_snapshot_identifier").non_empty().is_some() {
        diagnostics.push(refuse(
            "final_snapshot_identifier",
            "InvalidParameterCombination",
            "FinalDBSnapshotIdentifier can't be specified when deleting a read replica: leave final_snapshot_identifier \
             out and set skip_final_snapshot.",
        ));
    } else if matches!(config.get("skip_final_snapshot"), Value::Null | Value::Bool(false)) {
        let mut warning = refuse(
            "skip_final_snapshot",
            "This read replica cannot be destroyed",
            "If you delete a read replica, you must enable SkipFinalSnapshot: set skip_final_snapshot to true.",
        );
        warning.is_warning = true;
        diagnostics.push(warning);
    }
    // hashicorp/aws 6.25, internal/service/rds, resourceInstance, CustomizeDiff; DBSubnetGroupNotAllowedFault of the API.
    if config.get("db_subnet_group_name").non_empty().is_some()
        && source.non_empty().is_some_and(|source| !source.starts_with("arn:"))
    {
        diagnostics.push(refuse(
            "db_subnet_group_name",
            "\"replicate_source_db\" must be an ARN when \"db_subnet_group_name\" is set.",
            "The DBSubnetGroup shouldn't be specified while creating read replicas that lie in the same region as the \
             source instance.",
        ));
    }
}

/// Lengths of a password by engine: least, most.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html> (`MasterUserPassword`)
const PASSWORD_LENGTHS: &[(&str, usize, usize)] = &[
    ("mariadb", 8, 41),
    ("mysql", 8, 41),
    ("oracle", 8, 30),
    ("postgres", 8, 128),
    ("sqlserver", 8, 128),
    ("db2", 8, 255),
];

/// The sentence: <https://github.com/crossplane/crossplane/issues/88>, from the API. The password is not repeated.
pub(super) fn password(config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    for name in ["password", "password_wo", "master_password", "master_password_wo"] {
        let Some(password) = config.get(name).as_str() else { continue };
        let allowed = |letter: char| letter.is_ascii_graphic() && !['/', '@', '"'].contains(&letter);
        if !password.chars().all(allowed) {
            diagnostics.push(refuse(
                name,
                "InvalidParameterValue",
                "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides \
                 '/', '@', '\"', ' ' may be used.",
            ));
        }
        let engine = config.get("engine").as_str().unwrap_or_default();
        let bounds = PASSWORD_LENGTHS.iter().find(|(family, ..)| engine.starts_with(family));
        if let Some((_, least, most)) = bounds
            && !(*least..=*most).contains(&password.len())
        {
            let detail = format!(
                "The parameter MasterUserPassword is not a valid password because it is not between {least} and {most} \
                 characters long."
            );
            diagnostics.push(refuse(name, "InvalidParameterValue", &detail));
        }
    }
}

/// A source named by its ARN or by its identifier is the same source.
///
/// hashicorp/aws 6.25, `internal/service/rds`, `instanceReplicateSourceDBSuppressDiff`.
pub(super) fn plan_instance(change: &mut Change<'_>) {
    let name = |value: &Value| {
        value.as_str().map(|text| text.rsplit_once(":db:").map_or(text, |(_, name)| name).to_owned())
    };
    let (before, after) =
        (change.prior.get("replicate_source_db"), change.planned.get("replicate_source_db"));
    let Some(named) = name(before).filter(|named| !named.is_empty()) else { return };
    let one_is_arn = [before, after]
        .iter()
        .filter(|value| value.as_str().is_some_and(|text| text.starts_with("arn:")))
        .count()
        == 1;
    if one_is_arn && name(after) == Some(named) {
        let before = before.clone();
        change.planned.set("replicate_source_db", before);
    }
}
