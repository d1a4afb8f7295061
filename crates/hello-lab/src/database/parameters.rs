//! Parameters of an RDS parameter group, and what becomes of them in PostgreSQL.
//!
//! RDS gives values in PostgreSQL's default unit of each parameter, as `pg_settings` shows it, so numbers pass unchanged:
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html>.
//! A static parameter counts from the next reboot; so does any whose `apply_method` is `pending-reboot`.

pub(crate) mod catalogue;
pub(crate) mod formula;

use self::catalogue::{Catalogue, Kind};
use super::model::Instance;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// What is wrong with a parameter. Each names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Nobody knows it.
    #[error(
        "parameter {name} is known neither to PostgreSQL {major} nor to the lab; remove it from the group"
    )]
    Unknown {
        /// Its name.
        name: String,
        /// Major version of PostgreSQL.
        major: u32,
    },
    /// It exists and is not the group's to set.
    #[error("parameter {name} cannot be set: {reason}")]
    NotModifiable {
        /// Its name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// RDS knows it and the lab does not model it.
    #[error("parameter {name} is not modelled by the lab; remove it from the group")]
    NotModelled {
        /// Its name.
        name: String,
    },
    /// PostgreSQL itself refuses the values.
    #[error("PostgreSQL {major} refuses the parameters: {reason}")]
    Refused {
        /// Major version of PostgreSQL.
        major: u32,
        /// Its words.
        reason: String,
    },
    /// The value is of the wrong kind or out of range.
    #[error("parameter {name} = {value:?}: {reason}")]
    Value {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What the lab decides itself, or RDS keeps to itself. In small letters, sorted.
const NOT_MODIFIABLE: &[(&str, &str)] = &[
    ("archive_cleanup_command", "RDS archives WAL itself"),
    ("archive_command", "RDS archives WAL itself"),
    ("archive_library", "RDS archives WAL itself"),
    ("archive_mode", "RDS archives WAL itself"),
    ("cluster_name", "it is the identifier of the instance"),
    ("config_file", "files belong to RDS"),
    ("data_directory", "files belong to RDS"),
    ("data_sync_retry", "RDS does not offer it"),
    ("external_pid_file", "files belong to RDS"),
    ("hba_file", "files belong to RDS"),
    ("ident_file", "files belong to RDS"),
    ("listen_addresses", "it is the address of the instance"),
    ("log_destination", "logs go to the log group"),
    ("log_directory", "the lab decides where logs are kept"),
    ("log_file_mode", "logs go to the log group"),
    ("logging_collector", "logs go to the log group"),
    ("port", "it is the port of the instance"),
    ("primary_conninfo", "it follows from replicate_source_db"),
    ("primary_slot_name", "it follows from replicate_source_db"),
    ("promote_trigger_file", "a replica is promoted through the API"),
    ("restore_command", "RDS archives WAL itself"),
    ("ssl", "TLS is always there; rds.force_ssl requires it"),
    ("ssl_ca_file", "certificates belong to RDS"),
    ("ssl_cert_file", "certificates belong to RDS"),
    ("ssl_key_file", "certificates belong to RDS"),
    ("unix_socket_directories", "files belong to RDS"),
    ("unix_socket_group", "files belong to RDS"),
    ("unix_socket_permissions", "files belong to RDS"),
    ("wal_level", "rds.logical_replication sets it"),
];

/// RDS's own parameters that the lab takes and does nothing with.
const RECORDED: &[&str] = &[
    "rds.adaptive_autovacuum",
    "rds.force_admin_logging_level",
    "rds.force_autovacuum_logging_level",
    "rds.rds_superuser_reserved_connections",
];

/// TLS required.
pub(super) const FORCE_SSL: &str = "rds.force_ssl";
/// Logical decoding possible.
pub(super) const LOGICAL_REPLICATION: &str = "rds.logical_replication";
/// Minutes after which log files are deleted.
pub(super) const LOG_RETENTION: &str = "rds.log_retention_period";
/// Whether old MD5 passwords are accepted too.
pub(super) const PASSWORD_METHOD: &str = "rds.accepted_password_auth_method";

/// The parameters of a group, checked and computed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// Values by name in small letters.
    pub(super) values: BTreeMap<String, String>,
    /// Those of them that count only from the next start.
    pub(super) at_start: BTreeSet<String>,
    /// Those that are recorded and not modelled.
    pub(super) recorded: Vec<String>,
}

impl Parameters {
    /// Checks the parameters of an instance. `libraries` is where PostgreSQL's libraries are.
    pub(super) fn of(
        instance: &Instance,
        catalogue: &Catalogue,
        libraries: &Path,
    ) -> Result<Parameters, ParameterError> {
        let variables = formula::Variables {
            allocated_storage: instance.storage,
            memory: instance.memory,
            vcpus: instance.vcpus.into(),
            port: instance.port.into(),
        };
        let at_reboot: BTreeSet<_> =
            instance.parameters_at_reboot.iter().map(|name| name.to_ascii_lowercase()).collect();
        let mut parameters = Parameters::default();
        for (name, value) in &instance.parameters {
            let name = name.to_ascii_lowercase();
            if RECORDED.contains(&name.as_str()) {
                parameters.recorded.push(name);
                continue;
            }
            let (is_static, kind) = kind_of(&name, catalogue, instance.major_version)?;
            let value = checked(&name, value, &kind, &variables)?;
            if name == "shared_preload_libraries" {
                check_libraries(&name, &value, libraries)?;
            }
            if is_static || at_reboot.contains(&name) {
                parameters.at_start.insert(name.clone());
            }
            parameters.values.insert(name, value);
        }
        Ok(parameters)
    }

    /// Checks the parameters of a group that no instance need have, and says which PostgreSQL may be asked of as they are.
    /// What a formula comes to depends on the instance: only its words are checked.
    pub(super) fn of_group(
        parameters: &BTreeMap<String, String>,
        major: u32,
        catalogue: &Catalogue,
        libraries: &Path,
    ) -> Result<BTreeMap<String, String>, ParameterError> {
        let mut values = BTreeMap::new();
        for (name, value) in parameters {
            let name = name.to_ascii_lowercase();
            if RECORDED.contains(&name.as_str()) {
                continue;
            }
            let (_, kind) = kind_of(&name, catalogue, major)?;
            if matches!(kind, Kind::Integer(..)) && formula::is_formula(value) {
                let computed = formula::evaluate(value, &formula::SOME);
                let wrong = |reason| ParameterError::Value { name, value: value.clone(), reason };
                computed.map_err(wrong)?;
                continue;
            }
            let value = checked(&name, value, &kind, &formula::SOME)?;
            if name == "shared_preload_libraries" {
                check_libraries(&name, &value, libraries)?;
            }
            if !name.starts_with("rds.") {
                values.insert(name, value);
            }
        }
        Ok(values)
    }

    /// What is to be in effect in a server that runs with `in_effect`: what counts only from the next start stays as it
    /// is. A parameter that left the group is back to its default, at once or from the next start.
    pub(super) fn without_restart(
        &self,
        in_effect: &BTreeMap<String, String>,
        catalogue: &Catalogue,
    ) -> BTreeMap<String, String> {
        let names: BTreeSet<_> = self.values.keys().chain(in_effect.keys()).collect();
        let chosen = names.into_iter().filter_map(|name| {
            let waits = self.at_start.contains(name) || is_static(name, catalogue);
            let value = if waits { in_effect.get(name) } else { self.values.get(name) };
            Some((name.clone(), value?.clone()))
        });
        chosen.collect()
    }

    /// The parameters that differ from what is in effect: they wait for a reboot once the rest was applied.
    pub(super) fn pending(&self, in_effect: &BTreeMap<String, String>) -> Vec<String> {
        let names: BTreeSet<_> = self.values.keys().chain(in_effect.keys()).collect();
        names.into_iter().filter(|name| self.values.get(*name) != in_effect.get(*name)).cloned().collect()
    }
}

fn is_static(name: &str, catalogue: &Catalogue) -> bool {
    name == LOGICAL_REPLICATION || catalogue.find(name).is_some_and(|known| known.is_static)
}

fn kind_of(name: &str, catalogue: &Catalogue, major: u32) -> Result<(bool, Kind), ParameterError> {
    if let Ok(at) = NOT_MODIFIABLE.binary_search_by_key(&name, |(name, _)| name) {
        return Err(ParameterError::NotModifiable { name: name.to_owned(), reason: NOT_MODIFIABLE[at].1 });
    }
    let kind = match name {
        FORCE_SSL | LOGICAL_REPLICATION => Kind::Boolean,
        LOG_RETENTION => Kind::Integer(1440, 10080),
        PASSWORD_METHOD => Kind::Text,
        _ if name.starts_with("rds.") => return Err(ParameterError::NotModelled { name: name.to_owned() }),
        _ => match catalogue.find(name) {
            Some(known) => known.kind.clone(),
            None => return Err(ParameterError::Unknown { name: name.to_owned(), major }),
        },
    };
    Ok((is_static(name, catalogue), kind))
}

/// The value as PostgreSQL takes it.
fn checked(
    name: &str,
    value: &str,
    kind: &Kind,
    variables: &formula::Variables,
) -> Result<String, ParameterError> {
    let wrong =
        |reason: String| ParameterError::Value { name: name.to_owned(), value: value.to_owned(), reason };
    let range = |low: &dyn ToString, high: &dyn ToString| {
        format!("it has to be from {} to {}", low.to_string(), high.to_string())
    };
    match kind {
        Kind::Boolean => match value.to_ascii_lowercase().as_str() {
            "1" | "on" | "true" | "yes" => Ok("1".to_owned()),
            "0" | "off" | "false" | "no" => Ok("0".to_owned()),
            _ => Err(wrong("it has to be 0 or 1".to_owned())),
        },
        Kind::Integer(low, high) => {
            let number = if formula::is_formula(value) {
                formula::evaluate(value, variables).map_err(wrong)?
            } else {
                let number = value.trim().parse::<i64>().map_err(|_| {
                    wrong(
                        "it has to be a whole number without a unit, in PostgreSQL's unit for it".to_owned(),
                    )
                })?;
                number.into()
            };
            if (i128::from(*low)..=i128::from(*high)).contains(&number) {
                Ok(number.to_string())
            } else {
                Err(wrong(range(low, high)))
            }
        }
        Kind::Real(low, high) => match value.trim().parse::<f64>() {
            Ok(number) if (*low..=*high).contains(&number) => Ok(value.trim().to_owned()),
            Ok(_) => Err(wrong(range(low, high))),
            Err(_) => Err(wrong("it has to be a number without a unit".to_owned())),
        },
        Kind::Text if name == PASSWORD_METHOD => match value {
            "scram" | "md5+scram" => Ok(value.to_owned()),
            _ => Err(wrong("it has to be scram or md5+scram".to_owned())),
        },
        Kind::Text if value.chars().any(char::is_control) => Err(wrong("it has to be one line".to_owned())),
        Kind::Text => Ok(value.to_owned()),
    }
}

/// A library that is not there would keep the server from starting, as it does on RDS; here the name is said before.
fn check_libraries(name: &str, value: &str, directory: &Path) -> Result<(), ParameterError> {
    for library in value.split(',').map(str::trim).filter(|library| !library.is_empty()) {
        let plain = library.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter));
        if !plain || !directory.join(format!("{library}.so")).is_file() {
            return Err(ParameterError::Value {
                name: name.to_owned(),
                value: value.to_owned(),
                reason: format!("the library {library} is not installed on this machine"),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
