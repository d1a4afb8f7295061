//! What RDS instances should be.

use super::interfaces::{database_owner, namespace};
use crate::{
    database::{
        key,
        model::{Instance, Origin, TlsFiles},
    },
    lab::Lab,
    secret::Secret,
    world::{Contents, Resource},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use terraform_provider_aws::value::Value;

/// An instance's storage where nobody knows, in GiB: the least that gp3 has.
const LEAST_STORAGE: u64 = 20;

/// The instance of this identifier in a region, or of this ARN anywhere.
pub fn find<'a>(contents: &'a Contents, region: &str, name: &str) -> Option<&'a Arc<Resource>> {
    contents.of_type("aws_db_instance").find(|instance| {
        instance.text("arn") == name || (instance.region == region && instance.text("identifier") == name)
    })
}

/// What an instance should be; `None` while its address, or that of its source, is not given yet.
pub fn instance(contents: &Contents, lab: &Lab, resource: &Resource, tls: TlsFiles) -> Option<Instance> {
    let identifier = resource.text("identifier");
    let owner = database_owner(&resource.region, identifier);
    let interface = contents.interfaces.get(&owner)?;
    let source = resource.given("replicate_source_db").non_empty();
    let source = source.and_then(|source| find(contents, &resource.region, source));
    let text = |name: &str| resource.state.get(name).non_empty().map(str::to_owned);
    let origin = if let Some(source) = source {
        let address = contents.interfaces.get(&database_owner(&source.region, source.text("identifier")))?;
        Origin::Replica {
            source: key(&source.region, source.text("identifier")),
            address: address.address,
            hostname: source.text("address").to_owned(),
            port: port(source),
        }
    } else if let Some(name) = resource.given("snapshot_identifier").non_empty() {
        Origin::Snapshot { name: snapshot_name(name).to_owned() }
    } else {
        Origin::New { database: text("db_name") }
    };
    let password =
        resource.config.get("password_wo").non_empty().or(resource.state.get("password").non_empty());
    let storage =
        |instance: &Resource| instance.state.get("allocated_storage").as_i64().filter(|size| *size > 0);
    let gib = storage(resource).or_else(|| source.and_then(|source| storage(source)));
    let (parameters, at_reboot) = parameters(contents, resource);
    let class = class(resource.text("instance_class"));
    Some(Instance {
        identifier: identifier.to_owned(),
        region: resource.region.clone(),
        namespace: namespace(lab, &owner).name().to_owned(),
        address: interface.address,
        hostname: resource.text("address").to_owned(),
        port: port(resource),
        major_version: major_version(resource).or_else(|| source.and_then(|source| major_version(source)))?,
        origin,
        user: text("username"),
        password: password.map(Secret::new),
        parameters_at_reboot: at_reboot,
        memory: class.0 << 30,
        vcpus: class.1,
        parameters,
        storage: gib.and_then(|gib| u64::try_from(gib).ok()).unwrap_or(LEAST_STORAGE) << 30,
        running: !resource.deleting,
        tls,
        clients: contents.of_type("aws_vpc").filter_map(|vpc| vpc.text("cidr_block").parse().ok()).collect(),
    })
}

/// Puts into the state of a new snapshot what it takes over from its instance.
pub fn complete_snapshot(contents: &Contents, region: &str, state: &mut Value) {
    let identifier = state.get("db_instance_identifier").as_str().unwrap_or_default();
    let Some(instance) = find(contents, region, identifier).cloned() else { return };
    for name in [
        "allocated_storage",
        "availability_zone",
        "encrypted",
        "engine",
        "engine_version",
        "iops",
        "kms_key_id",
        "license_model",
        "option_group_name",
        "port",
        "storage_type",
    ] {
        state.set(name, instance.state.get(name).clone());
    }
    state.set("snapshot_type", "manual".into());
    state.set("source_region", Value::from(""));
    state.set("source_db_snapshot_identifier", Value::from(""));
    state.set("status", "available".into());
}

/// The name of a snapshot that is given by name or by ARN.
fn snapshot_name(given: &str) -> &str {
    given.rsplit_once(":snapshot:").map_or(given, |(_, name)| name)
}

/// Puts into the state of a new instance what it takes over from its snapshot or its source and was not given.
pub fn complete_new(contents: &Contents, region: &str, config: &Value, state: &mut Value) {
    // Nobody makes up a user or a database where none is given.
    for name in ["db_name", "username"].iter().filter(|name| config.get(name).is_null()) {
        state.set(name, Value::Null);
    }
    complete_restored(contents, region, config, state);
    complete_replica(contents, region, config, state);
}

fn complete_restored(contents: &Contents, region: &str, config: &Value, state: &mut Value) {
    let Some(name) = config.get("snapshot_identifier").non_empty().map(snapshot_name) else { return };
    let mut snapshots = contents.of_type("aws_db_snapshot").filter(|snapshot| snapshot.region == region);
    let Some(snapshot) = snapshots.find(|snapshot| snapshot.text("db_snapshot_identifier") == name) else {
        return;
    };
    let of_snapshot = ["allocated_storage", "engine", "engine_version", "license_model", "port"];
    take_over(&snapshot.state, config, state, &of_snapshot);
    if let Some(instance) = find(contents, region, snapshot.text("db_instance_identifier")) {
        take_over(&instance.state, config, state, &["db_name", "engine_version_actual", "username"]);
    }
}

/// All but the backups of its source, <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html>.
/// Once the replica is promoted, the source may be gone. Groups are those of a region.
fn complete_replica(contents: &Contents, region: &str, config: &Value, state: &mut Value) {
    let source = config.get("replicate_source_db").non_empty();
    let Some(source) = source.and_then(|source| find(contents, region, source)) else { return };
    let everywhere = [
        "allocated_storage",
        "db_name",
        "engine",
        "engine_version",
        "engine_version_actual",
        "license_model",
        "port",
        "username",
    ];
    take_over(&source.state, config, state, &everywhere);
    if source.region == region {
        take_over(&source.state, config, state, &["db_subnet_group_name", "parameter_group_name"]);
    }
}

fn take_over(from: &Value, config: &Value, state: &mut Value, names: &[&str]) {
    for name in names.iter().filter(|name| config.get(name).is_null()) {
        state.set(name, from.get(name).clone());
    }
    if let (Some(address), Some(port)) = (state.get("address").as_str(), state.get("port").as_i64()) {
        let endpoint = format!("{address}:{port}");
        state.set("endpoint", endpoint.into());
    }
}

/// The log group to which the log of an instance goes, where it exports that.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_LogAccess.Concepts.PostgreSQL.html>
pub fn log_group(instance: &Resource) -> Option<String> {
    let exports = instance.state.get("enabled_cloudwatch_logs_exports").texts();
    let name = || format!("/aws/rds/instance/{}/postgresql", instance.text("identifier"));
    (exports.contains(&"postgresql") && !instance.deleting).then(name)
}

/// The port of an instance.
pub fn port(instance: &Resource) -> u16 {
    instance
        .state
        .get("port")
        .as_i64()
        .and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port > 0)
        .unwrap_or(5432)
}

pub(super) fn major_version(instance: &Resource) -> Option<u32> {
    instance.text("engine_version").split('.').next()?.parse().ok()
}

/// Memory in GiB and processors of an instance class by its size; 0 for one that is not known.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html>
fn class(name: &str) -> (u64, u32) {
    let mut words = name.split('.').skip(1);
    let (family, size) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // Those of the memory families have twice as much.
    let general = match size {
        "micro" => return (1, 2),
        "small" => return (2, 2),
        "medium" => return (4, 2),
        "large" => (8, 2),
        "xlarge" => (16, 4),
        "2xlarge" => (32, 8),
        "4xlarge" => (64, 16),
        "8xlarge" => (128, 32),
        _ => return (0, 0),
    };
    if family.starts_with('r') { (2 * general.0, general.1) } else { general }
}

/// The parameter group of an instance.
pub(super) fn parameter_group<'a>(contents: &'a Contents, instance: &Resource) -> Option<&'a Arc<Resource>> {
    let name = instance.text("parameter_group_name");
    let mut groups = contents.of_type("aws_db_parameter_group");
    groups.find(|group| group.text("name") == name && group.region == instance.region)
}

/// The parameters of an instance's group, and which of them wait for a reboot.
fn parameters(contents: &Contents, instance: &Resource) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let Some(group) = parameter_group(contents, instance) else { return Default::default() };
    let at_reboot = group.state.get("parameter").items().iter().filter_map(|parameter| {
        let waits = parameter.get("apply_method").as_str() == Some("pending-reboot");
        parameter.get("name").as_str().filter(|_| waits).map(str::to_owned)
    });
    (values_of(&group.state), at_reboot.collect())
}

/// The values of a parameter group by name, as far as they are known.
fn values_of(group: &Value) -> BTreeMap<String, String> {
    let parameters = group.get("parameter").items().iter();
    let known = parameters.filter_map(|parameter| {
        Some((parameter.get("name").as_str()?.to_owned(), parameter.get("value").as_str()?.to_owned()))
    });
    known.collect()
}

/// The major version that a parameter group is for, and its values, as far as they are known; `None` for a group of
/// another engine.
pub fn group(group: &Value) -> Option<(u32, BTreeMap<String, String>)> {
    let major = group.get("family").as_str()?.strip_prefix("postgres")?.parse().ok()?;
    Some((major, values_of(group)))
}
