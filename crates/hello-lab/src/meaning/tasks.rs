//! What tasks should be: task definitions with everything that they name filled in.

use super::{
    interfaces::{namespace, task_owner},
    secrets,
};
use crate::{
    lab::Lab,
    meaning::network::resolver_address,
    task::model::{Container, HealthCheck, LogDestination, Stopped, Task},
    world::{Contents, Resource, TaskRecord},
};
use serde::Deserialize;
use serde_json::Value as Json;
use std::{collections::BTreeSet, path::Path, time::Duration};

/// A container definition as the API has it.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    name: String,
    image: String,
    #[serde(default = "yes")]
    essential: bool,
    entry_point: Option<Vec<String>>,
    command: Option<Vec<String>>,
    #[serde(default)]
    environment: Vec<Variable>,
    #[serde(default)]
    secrets: Vec<SecretVariable>,
    user: Option<String>,
    #[serde(default)]
    readonly_root_filesystem: bool,
    repository_credentials: Option<Credentials>,
    health_check: Option<Check>,
    stop_timeout: Option<u64>,
    linux_parameters: Option<LinuxParameters>,
    log_configuration: Option<Logs>,
}

#[derive(Debug, Deserialize)]
struct Variable {
    name: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretVariable {
    name: String,
    value_from: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    credentials_parameter: String,
}

#[derive(Debug, Deserialize)]
struct LinuxParameters {
    capabilities: Option<Capabilities>,
}

#[derive(Debug, Deserialize)]
struct Capabilities {
    #[serde(default)]
    drop: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    command: Vec<String>,
    interval: Option<u64>,
    timeout: Option<u64>,
    retries: Option<u32>,
    start_period: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Logs {
    log_driver: String,
    #[serde(default)]
    options: std::collections::BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

/// The task definition of this ARN.
pub fn definition<'a>(contents: &'a Contents, arn: &str) -> Option<&'a Resource> {
    let mut definitions = contents.of_type("aws_ecs_task_definition");
    definitions.find(|definition| definition.text("arn") == arn).map(AsRef::as_ref)
}

/// The images that the containers of all definitions name.
pub fn images(contents: &Contents) -> BTreeSet<String> {
    let definitions = contents.of_type("aws_ecs_task_definition");
    let all = definitions.filter_map(|definition| containers(definition).ok()).flatten();
    all.map(|container| container.image).collect()
}

/// Has any container of the definition a health check?
pub fn has_health_check(definition: &Resource) -> bool {
    containers(definition)
        .is_ok_and(|containers| containers.iter().any(|container| container.health_check.is_some()))
}

/// Can the definition be read? The sentence says what is wrong.
pub fn check(definition: &Resource) -> Result<(), String> {
    containers(definition).map(|_| ())
}

/// Fields of container definitions that have an effect here. Port mappings need none: with `awsvpc` every port of a
/// container is a port of its task.
const FIELDS: &[&str] = &[
    "command",
    "entryPoint",
    "environment",
    "essential",
    "healthCheck",
    "image",
    "linuxParameters",
    "logConfiguration",
    "name",
    "portMappings",
    "readonlyRootFilesystem",
    "repositoryCredentials",
    "secrets",
    "stopTimeout",
    "user",
];

/// The fields of container definitions that are set and have no effect here.
pub fn not_modelled(definitions: &str) -> BTreeSet<String> {
    let Ok(containers) = serde_json::from_str::<Vec<serde_json::Map<String, Json>>>(definitions) else {
        return BTreeSet::new();
    };
    let says_something = |value: &Json| match value {
        Json::Null | Json::Bool(false) => false,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(fields) => !fields.is_empty(),
        Json::Bool(true) => true,
    };
    let mut found = BTreeSet::new();
    for (name, value) in containers.iter().flatten().filter(|(_, value)| says_something(value)) {
        if !FIELDS.contains(&name.as_str()) {
            found.insert(name.clone());
        }
        let inner = value.as_object().filter(|_| name == "linuxParameters").into_iter().flatten();
        for (name, _) in inner.filter(|(name, value)| *name != "capabilities" && says_something(value)) {
            found.insert(format!("linuxParameters.{name}"));
        }
        if name == "logConfiguration" {
            found.extend(logs_not_modelled(value));
        }
        let capabilities = value.get("capabilities").filter(|_| name == "linuxParameters");
        if capabilities.and_then(|capabilities| capabilities.get("add")).is_some_and(says_something) {
            found.insert("linuxParameters.capabilities.add".to_owned());
        }
    }
    found
}

/// What of a log configuration has no effect: every driver but `awslogs`, and most of that one's options.
fn logs_not_modelled(logs: &Json) -> Vec<String> {
    const OPTIONS: [&str; 3] = ["awslogs-group", "awslogs-region", "awslogs-stream-prefix"];
    let driver = logs.get("logDriver").and_then(Json::as_str).unwrap_or_default();
    if driver != "awslogs" {
        return vec![format!("logConfiguration.logDriver {driver:?}")];
    }
    let options = logs.get("options").and_then(Json::as_object).into_iter().flatten();
    let other = options.map(|(name, _)| name).filter(|name| !OPTIONS.contains(&name.as_str()));
    other.map(|name| format!("logConfiguration.options.{name}")).collect()
}

/// The name of the definition's first container.
pub fn first_container(definition: &Resource) -> Option<String> {
    Some(containers(definition).ok()?.into_iter().next()?.name)
}

fn containers(definition: &Resource) -> Result<Vec<Definition>, String> {
    serde_json::from_str(definition.text("container_definitions"))
        .map_err(|error| format!("container_definitions cannot be used: {error}"))
}

/// What a task should be; `None` while its address is not given yet. Where a secret cannot be had, the way it stops.
pub fn task(
    contents: &Contents,
    lab: &Lab,
    id: &str,
    record: &TaskRecord,
    registry_ca: &Path,
) -> Option<Result<Task, Stopped>> {
    let owner = task_owner(&record.region, id);
    let interface = contents.interfaces.get(&owner)?;
    let subnet = contents.get("aws_subnet", &record.subnet)?;
    let vpc = contents.get("aws_vpc", subnet.text("vpc_id"))?;
    let range: ipnet::Ipv4Net = vpc.text("cidr_block").parse().ok()?;
    let Some(definition) = definition(contents, &record.definition) else {
        let reason = format!("the task definition {} is not there any more", record.definition);
        return Some(Err(failed(&reason)));
    };
    let number = |name: &str, default| definition.text(name).parse().unwrap_or(default);
    let containers = containers(definition).and_then(|containers| {
        containers
            .into_iter()
            .map(|container| fill(contents, id, container))
            .collect::<Result<Vec<_>, String>>()
    });
    Some(containers.map_err(|reason| failed(&reason)).map(|containers| Task {
        id: id.to_owned(),
        region: record.region.clone(),
        namespace: namespace(lab, &owner).name().to_owned(),
        address: interface.address,
        resolver: resolver_address(range),
        cpu: number("cpu", 256),
        memory: number("memory", 512),
        registry_ca: registry_ca.to_owned(),
        containers,
    }))
}

fn failed(reason: &str) -> Stopped {
    let code = "ResourceInitializationError";
    Stopped {
        code: code.to_owned(),
        reason: format!("{code}: unable to pull secrets or registry auth: {reason}"),
        exit_code: None,
    }
}

fn fill(contents: &Contents, task: &str, container: Definition) -> Result<Container, String> {
    let credentials = container.repository_credentials.as_ref();
    let registry_credentials = credentials
        .map(|named| secrets::registry_credentials(contents, &named.credentials_parameter))
        .transpose()?;
    let secrets = container
        .secrets
        .into_iter()
        .map(|variable| Ok((variable.name, secrets::value_from(contents, &variable.value_from)?)));
    let seconds = |value: Option<u64>, default| Duration::from_secs(value.unwrap_or(default));
    let log =
        container.log_configuration.as_ref().filter(|logs| logs.log_driver == "awslogs").and_then(|logs| {
            let prefix = logs.options.get("awslogs-stream-prefix").map_or("ecs", String::as_str);
            let stream = format!("{prefix}/{}/{task}", container.name);
            Some(LogDestination { group: logs.options.get("awslogs-group")?.clone(), stream })
        });
    Ok(Container {
        registry_credentials,
        secrets: secrets.collect::<Result<_, String>>()?,
        image: container.image,
        essential: container.essential,
        entry_point: container.entry_point,
        command: container.command,
        environment: container
            .environment
            .into_iter()
            .map(|variable| (variable.name, variable.value))
            .collect(),
        user: container.user,
        dropped_capabilities: container
            .linux_parameters
            .and_then(|parameters| parameters.capabilities)
            .map(|capabilities| capabilities.drop)
            .unwrap_or_default(),
        read_only_root: container.readonly_root_filesystem,
        // Defaults: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html
        health_check: container.health_check.map(|check| HealthCheck {
            command: check.command,
            interval: seconds(check.interval, 30),
            timeout: seconds(check.timeout, 5),
            retries: check.retries.unwrap_or(3),
            start_period: seconds(check.start_period, 0),
        }),
        stop_timeout: seconds(container.stop_timeout, 30),
        log,
        name: container.name,
    })
}

#[cfg(test)]
mod tests;
