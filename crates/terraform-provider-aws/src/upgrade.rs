//! State of an older schema: what the providers compute when they upgrade it.
//!
//! An attribute that is missing becomes null and one that is gone is dropped without any of this; here is what is more
//! than that. Each arm is the upgrader that the type's schema names, at hashicorp/aws 6.25 (`StateUpgraders`) and
//! hashicorp/random 3.7.2. Upgraders that only drop something (`aws_flow_log`, `aws_launch_template`) or only change a
//! type (`aws_s3_bucket_lifecycle_configuration`, `aws_ecs_service`) have no arm: reading by the schema does that.

use crate::{diagnostic::Diagnostic, random};
use serde_json::{Value as Json, value::RawValue};
use std::{borrow::Cow, collections::BTreeMap};

/// Brings the state of a resource, a JSON object, from schema `version` to the current one.
pub(crate) fn upgrade<'a>(type_name: &str, version: i64, state: &'a str) -> Result<Cow<'a, str>, Diagnostic> {
    // What is no object is refused where the state is read.
    let Ok(attributes) = serde_json::from_str(state) else { return Ok(state.into()) };
    let mut upgraded = State { attributes };
    let before = |next: i64| version < next;
    match type_name {
        // internal/service/autoscaling, GroupStateUpgradeV0
        "aws_autoscaling_group" if before(1) => {
            upgraded.set_where_absent("ignore_failed_scaling_activities", false);
        }
        // internal/service/backup, planStateUpgradeV0
        "aws_backup_plan" if before(1) => {
            let mut rules = upgraded.get("rule");
            for rule in rules.as_array_mut().into_iter().flatten().filter_map(Json::as_object_mut) {
                rule.insert("schedule_expression_timezone".to_owned(), "Etc/UTC".into());
            }
            upgraded.set("rule", rules);
        }
        // internal/service/cloudtrail, trailUpgradeV0
        "aws_cloudtrail" if before(1) => {
            if !upgraded.get("id").as_str().is_some_and(|id| id.starts_with("arn:")) {
                upgraded.set("id", upgraded.get("arn"));
            }
        }
        // internal/service/events, resourceRuleUpgradeV0
        "aws_cloudwatch_event_rule" if before(1) => {
            if let Some(enabled) = upgraded.get("is_enabled").as_bool() {
                upgraded.set("state", if enabled { "ENABLED" } else { "DISABLED" });
            }
        }
        // internal/service/events, targetStateUpgradeV0
        "aws_cloudwatch_event_target" if before(1) => upgraded.set_where_absent("event_bus_name", "default"),
        // internal/service/rds, instanceStateUpgradeV0 and instanceStateUpgradeV1
        "aws_db_instance" => {
            if before(1) {
                upgraded.set("delete_automated_backups", true);
            }
            if before(2) {
                upgraded.set("id", upgraded.get("resource_id"));
            }
        }
        // internal/service/rds, clusterStateUpgradeV0
        "aws_rds_cluster" if before(1) => upgraded.set("delete_automated_backups", true),
        // internal/service/eks, clusterStateUpgradeV0
        "aws_eks_cluster" if before(1) => upgraded.set_where_absent("bootstrap_self_managed_addons", true),
        // internal/service/elasticache, replicationGroupStateUpgradeFromV1 and replicationGroupStateUpgradeFromV2
        "aws_elasticache_replication_group" => {
            if before(2) {
                upgraded.set("auth_token_update_strategy", "ROTATE");
                // A block once, a text since.
                upgraded.set("cluster_mode", Json::Null);
            }
            if before(3) && upgraded.get("auth_token").as_str().is_none_or(str::is_empty) {
                upgraded.set("auth_token_update_strategy", Json::Null);
            }
        }
        // internal/service/ec2, instanceStateUpgradeV1
        "aws_instance" if before(2) => upgraded.move_processor_options(),
        // internal/service/kinesis, StreamStateUpgradeV0
        "aws_kinesis_stream" if before(1) => upgraded.set("enforce_consumer_deletion", false),
        // internal/service/secretsmanager, secretRotationStateUpgradeV0
        "aws_secretsmanager_secret_rotation" if before(1) => {
            upgraded.set_where_absent("rotate_immediately", true);
        }
        // internal/provider/resource_password.go and resource_string.go, UpgradeState
        "random_password" if before(3) => {
            upgraded.complete_string_rules();
            upgraded.hash_password()?;
        }
        "random_string" if before(2) => upgraded.complete_string_rules(),
        _ => return Ok(state.into()),
    }
    Ok(serde_json::to_string(&upgraded.attributes).expect("JSON values by name are JSON").into())
}

/// A state by attribute. What no upgrader touches stays as it is written, numbers to the last digit.
struct State {
    attributes: BTreeMap<String, Box<RawValue>>,
}

impl State {
    fn get(&self, name: &str) -> Json {
        self.attributes.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Json::Null)
    }

    fn set(&mut self, name: &str, value: impl Into<Json>) {
        let raw = RawValue::from_string(value.into().to_string()).expect("a JSON value is JSON");
        self.attributes.insert(name.to_owned(), raw);
    }

    fn set_where_absent(&mut self, name: &str, value: impl Into<Json>) {
        if self.get(name).is_null() {
            self.set(name, value);
        }
    }

    /// Two arguments of an instance have become arguments of its block `cpu_options`.
    fn move_processor_options(&mut self) {
        let mut blocks = self.get("cpu_options");
        let mut options =
            blocks.get_mut(0).and_then(Json::as_object_mut).map(std::mem::take).unwrap_or_default();
        for (old, new) in [("cpu_core_count", "core_count"), ("cpu_threads_per_core", "threads_per_core")] {
            let value = self.get(old);
            if !value.is_null() && options.get(new).is_none_or(Json::is_null) {
                options.insert(new.to_owned(), value);
            }
        }
        if !options.is_empty() {
            self.set("cpu_options", Json::Array(vec![Json::Object(options)]));
        }
    }

    /// What older versions left out where a value was imported.
    fn complete_string_rules(&mut self) {
        let length = self.get("result").as_str().map_or(0, str::len);
        self.set_where_absent("length", length);
        for count in ["min_numeric", "min_upper", "min_lower", "min_special"] {
            self.set_where_absent(count, 0);
        }
        for class in ["special", "upper", "lower", "number"] {
            self.set_where_absent(class, true);
        }
        self.set_where_absent("numeric", self.get("number"));
    }

    /// A hash that is missing, or of another password, is made anew.
    fn hash_password(&mut self) -> Result<(), Diagnostic> {
        let (hash, password) = (self.get("bcrypt_hash"), self.get("result"));
        let Some(password) = password.as_str() else { return Ok(()) };
        if !hash.as_str().is_some_and(|hash| random::is_hash_of(hash, password)) {
            self.set("bcrypt_hash", random::hash(password)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
