//! The records themselves.

use crate::{store::Row, task};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
    sync::Arc,
};
use terraform_provider_aws::{
    schema::Catalogue,
    value::{Value, json},
};

pub(super) const RESOURCE: &str = "resource";
pub(super) const INTERFACE: &str = "interface";
pub(super) const TASK: &str = "task";
pub(super) const SERVICE: &str = "service";
pub(super) const ADDRESS: &str = "address";
pub(super) const SETTING: &str = "setting";
pub(super) const CUT: &str = "cut";

/// What is known at one moment.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Resources of Terraform.
    pub resources: BTreeMap<ResourceKey, Arc<Resource>>,
    /// Network interfaces by owner: `eu-west-1/db/hello`.
    pub interfaces: BTreeMap<String, InterfaceRecord>,
    /// Public addresses of gateways and resolvers, and each region's range, by owner: `eu-west-1/range`.
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// Tasks by identifier.
    pub tasks: BTreeMap<String, TaskRecord>,
    /// Services by ARN.
    pub services: BTreeMap<String, ServiceRecord>,
    /// What was chosen once for this lab: `image`, `registry-password`, ...
    pub settings: BTreeMap<String, String>,
    /// Owners of interfaces that are cut off.
    pub cuts: BTreeSet<String>,
}

/// Which resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey {
    /// `aws_vpc`
    pub type_name: String,
    /// Its region.
    pub region: String,
    /// Its `id`; of the few types that have none, their ARN or name.
    pub id: String,
    /// What tells it from others of that `id`, which may be unique only within a parent (objects of two buckets): its ARN,
    /// or what names its parent.
    within: String,
}

impl ResourceKey {
    /// The key of its row in the store.
    pub(super) fn row(&self) -> String {
        format!("{self} {}", self.within)
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.type_name, self.region, self.id)
    }
}

/// A resource as it was applied.
#[derive(Clone, Debug)]
pub struct Resource {
    /// `aws_vpc`
    pub type_name: String,
    /// Its region.
    pub region: String,
    /// Its state, wholly known.
    pub state: Value,
    /// Its configuration: the one place where write-only values stand.
    pub config: Value,
    /// Has Terraform been seen to know of it? A creation that was cut short is taken up by the next with the same
    /// configuration.
    pub acknowledged: bool,
    /// The life of the daemon in which it was made.
    pub made_in: u64,
    /// Milliseconds since 1970 when it was made.
    pub made_at: u64,
    /// Asked to go: its parts end first.
    pub deleting: bool,
}

/// A resource as the store keeps it.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredResource {
    type_name: String,
    region: String,
    state: Box<RawValue>,
    config: Box<RawValue>,
    acknowledged: bool,
    made_in: u64,
    made_at: u64,
    deleting: bool,
}

impl Resource {
    /// Its key.
    pub fn key(&self) -> ResourceKey {
        key_of(&self.type_name, &self.region, &self.state)
    }

    /// An attribute of its state as text; empty where it has none.
    pub fn text(&self, name: &str) -> &str {
        self.state.get(name).as_str().unwrap_or_default()
    }

    /// An argument as it was given, and not as the provider completed it; null where it was not. Of an imported resource
    /// nobody knows what was given, so its state counts.
    pub fn given(&self, name: &str) -> &Value {
        if self.config.is_null() { self.state.get(name) } else { self.config.get(name) }
    }

    pub(super) fn stored(&self) -> StoredResource {
        let raw = |value: &Value| RawValue::from_string(json::encode(value)).expect("a value's JSON is JSON");
        StoredResource {
            type_name: self.type_name.clone(),
            region: self.region.clone(),
            state: raw(&self.state),
            config: raw(&self.config),
            acknowledged: self.acknowledged,
            made_in: self.made_in,
            made_at: self.made_at,
            deleting: self.deleting,
        }
    }
}

/// The key of a resource with this state.
pub fn key_of(type_name: &str, region: &str, state: &Value) -> ResourceKey {
    let id = ["id", "arn", "name"].iter().find_map(|name| state.get(name).non_empty()).unwrap_or_default();
    let within = match state.get("arn").non_empty() {
        Some(arn) => arn.to_owned(),
        None => parents(state).join(" "),
    };
    ResourceKey { type_name: type_name.to_owned(), region: region.to_owned(), id: id.to_owned(), within }
}

/// The attributes that name what a resource belongs to: schemas do not say which they are, but they are called so.
fn parents(state: &Value) -> Vec<&str> {
    let names_another = |name: &str| {
        ["_name", "_id", "_arn"].iter().any(|end| name.ends_with(end))
            || ["bucket", "cluster", "domain", "group", "policy", "role", "user"].contains(&name)
    };
    let entries = state.entries().into_iter().flatten();
    entries.filter(|(name, _)| names_another(name)).filter_map(|(_, value)| value.non_empty()).collect()
}

/// A network interface that was given to an owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceRecord {
    /// `eni-...`
    pub id: String,
    /// Region.
    pub region: String,
    /// Subnet.
    pub subnet: String,
    /// Private address.
    pub address: Ipv4Addr,
    /// Public address, where it has one.
    pub public_address: Option<Ipv4Addr>,
}

/// A task of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// ARN of its service.
    pub service: String,
    /// Region.
    pub region: String,
    /// ARN of its task definition.
    pub definition: String,
    /// Its subnet.
    pub subnet: String,
    /// What is wanted of it.
    pub wish: TaskWish,
    /// Is it a target of its service's target groups?
    pub registered: bool,
    /// Milliseconds since 1970 when it was asked for.
    pub created_at: u64,
    /// Has it ever been ready for requests?
    pub was_ready: bool,
    /// Was it counted as a failure of its deployment?
    #[serde(default)]
    pub failed: bool,
    /// The network configuration that it was started with.
    #[serde(default)]
    pub network: TaskNetwork,
    /// Why it ended, once it has.
    pub stopped: Option<task::model::Stopped>,
}

/// A service's network configuration as its tasks have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskNetwork {
    /// Subnets that a task may be started in.
    pub subnets: BTreeSet<String>,
    /// Security groups.
    pub security_groups: BTreeSet<String>,
    /// Does a task have a public address?
    pub public: bool,
}

/// What is wanted of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskWish {
    /// It should run.
    Run,
    /// It is deregistered and finishes its requests until then (milliseconds since 1970), then it is stopped.
    Drain {
        /// When it is stopped at the latest.
        until: u64,
        /// Why.
        reason: String,
    },
    /// It should stop.
    Stop {
        /// Why.
        reason: String,
    },
}

/// What is known of a service beside its resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// The deployment that goes on, or the last one.
    pub deployment: Deployment,
    /// ARN of the task definition that last reached its steady state.
    pub steady: Option<String>,
}

/// A deployment: a task definition on its way to all tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// ARN of the task definition.
    pub definition: String,
    /// The network configuration of its tasks.
    #[serde(default)]
    pub network: TaskNetwork,
    /// Tasks of it in a row that ended before they were ready.
    pub failures: u32,
    /// Milliseconds since 1970 before which no further task of it is started.
    pub not_before: u64,
    /// Was it given up by the circuit breaker?
    #[serde(default)]
    pub given_up: bool,
    /// Was the one before taken again then?
    pub rolled_back: bool,
}

impl Contents {
    /// Takes a row of the store; `None` where it cannot be read.
    pub(super) fn take(&mut self, row: &Row, catalogue: &Catalogue) -> Option<()> {
        match row.kind.as_str() {
            RESOURCE => {
                let stored: StoredResource = serde_json::from_str(&row.text).ok()?;
                let schema = catalogue.resource(&stored.type_name)?;
                let resource = Resource {
                    state: json::decode(stored.state.get(), &schema.ty).ok()?,
                    config: json::decode(stored.config.get(), &schema.ty).ok()?,
                    type_name: stored.type_name,
                    region: stored.region,
                    acknowledged: stored.acknowledged,
                    made_in: stored.made_in,
                    made_at: stored.made_at,
                    deleting: stored.deleting,
                };
                self.resources.insert(resource.key(), Arc::new(resource));
            }
            INTERFACE => {
                self.interfaces.insert(row.key.clone(), serde_json::from_str(&row.text).ok()?);
            }
            ADDRESS => {
                self.addresses.insert(row.key.clone(), serde_json::from_str(&row.text).ok()?);
            }
            TASK => {
                self.tasks.insert(row.key.clone(), serde_json::from_str(&row.text).ok()?);
            }
            SERVICE => {
                self.services.insert(row.key.clone(), serde_json::from_str(&row.text).ok()?);
            }
            SETTING => {
                self.settings.insert(row.key.clone(), serde_json::from_str(&row.text).ok()?);
            }
            CUT => {
                self.cuts.insert(row.key.clone());
            }
            _ => return None,
        }
        Some(())
    }

    /// All resources of a type.
    pub fn of_type<'a>(&'a self, type_name: &'a str) -> impl Iterator<Item = &'a Arc<Resource>> {
        let from = ResourceKey {
            type_name: type_name.to_owned(),
            region: String::new(),
            id: String::new(),
            within: String::new(),
        };
        self.resources
            .range(from..)
            .map(|(_, resource)| resource)
            .take_while(move |resource| resource.type_name == type_name)
    }

    /// The resource of a type with this `id`, in any region: identifiers are unique.
    pub fn get<'a>(&'a self, type_name: &'a str, id: &str) -> Option<&'a Arc<Resource>> {
        self.of_type(type_name).find(|resource| resource.key().id == id)
    }

    /// The resource of a type of which an attribute has this text.
    pub fn find<'a>(&'a self, type_name: &'a str, attribute: &str, text: &str) -> Option<&'a Arc<Resource>> {
        self.of_type(type_name).find(|resource| resource.text(attribute) == text)
    }
}
