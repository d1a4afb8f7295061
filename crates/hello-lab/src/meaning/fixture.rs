//! What the tests of this module know: resources as they would be applied, with the addresses that they are given.

use super::interfaces;
use crate::{
    store::Store,
    world::{Contents, Draft, Resource, TaskNetwork, TaskRecord, TaskWish, World},
};
use std::sync::Arc;
use terraform_provider_aws::{schema::Catalogue, value::Value};

/// The region of everything here.
pub(super) const REGION: &str = "eu-west-1";

/// An object.
pub(super) fn object(attributes: &[(&str, Value)]) -> Value {
    Value::object(attributes.iter().map(|(name, value)| (*name, value.clone())))
}

/// A block that occurs once.
pub(super) fn block(attributes: &[(&str, Value)]) -> Value {
    Value::List(vec![object(attributes)])
}

/// A resource with these attributes.
pub(super) fn resource(type_name: &str, attributes: &[(&str, Value)]) -> Resource {
    Resource {
        type_name: type_name.to_owned(),
        region: REGION.to_owned(),
        state: object(attributes),
        config: Value::Null,
        acknowledged: true,
        made_in: 0,
        made_at: 0,
        deleting: false,
    }
}

/// A VPC with a subnet in each of two zones, each named by its zone's letter.
pub(super) fn vpc() -> Vec<Resource> {
    let subnet = |letter: &str, cidr: &str| {
        resource(
            "aws_subnet",
            &[
                ("id", format!("subnet-{letter}").into()),
                ("vpc_id", "vpc-1".into()),
                ("cidr_block", cidr.into()),
                ("availability_zone", format!("{REGION}{letter}").into()),
            ],
        )
    };
    let vpc = [
        ("id", Value::from("vpc-1")),
        ("cidr_block", "10.0.0.0/16".into()),
        ("default_security_group_id", "sg-default".into()),
        ("main_route_table_id", "rtb-main".into()),
    ];
    vec![resource("aws_vpc", &vpc), subnet("a", "10.0.0.0/24"), subnet("b", "10.0.1.0/28")]
}

/// A load balancer in both subnets.
pub(super) fn balancer(name: &str, attributes: &[(&str, Value)]) -> Resource {
    let mut all = vec![
        ("id", Value::from(format!("arn:{name}"))),
        ("arn", format!("arn:{name}").into()),
        ("name", name.into()),
        ("dns_name", format!("{name}.eu-west-1.elb.amazonaws.com").into()),
        ("subnets", Value::strings(["subnet-a", "subnet-b"])),
    ];
    all.extend(attributes.iter().cloned());
    resource("aws_lb", &all)
}

/// A task that should run, of `arn:service` and `arn:definition`, in the first subnet.
pub(super) fn task() -> TaskRecord {
    TaskRecord {
        service: "arn:service".to_owned(),
        region: REGION.to_owned(),
        definition: "arn:definition".to_owned(),
        subnet: "subnet-a".to_owned(),
        wish: TaskWish::Run,
        registered: false,
        created_at: 0,
        was_ready: false,
        failed: false,
        network: TaskNetwork::default(),
        stopped: None,
    }
}

/// A world with resources, and with the addresses that they need.
pub(super) struct Known {
    world: World,
    _directory: tempfile::TempDir,
}

impl Known {
    pub(super) fn of(resources: Vec<Resource>) -> Known {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let world = World::load(store, &Catalogue::aws()).unwrap();
        let known = Known { world, _directory: directory };
        for resource in resources {
            known.put(resource);
        }
        known
    }

    /// Applies a change.
    pub(super) fn change(&self, edit: impl FnOnce(&mut Draft)) {
        self.try_change(edit).unwrap();
    }

    /// The same, where it may be refused.
    pub(super) fn try_change(&self, edit: impl FnOnce(&mut Draft)) -> Result<(), String> {
        let changed = self.world.change(|draft| {
            edit(draft);
            interfaces::allocate(draft).map_err(Refused::from)
        });
        changed.map_err(|Refused(sentence)| sentence)
    }

    /// Applies a resource.
    pub(super) fn put(&self, resource: Resource) {
        self.change(|draft| draft.put_resource(resource));
    }

    pub(super) fn contents(&self) -> Arc<Contents> {
        self.world.snapshot()
    }
}

/// Why a change was refused.
struct Refused(String);

impl<E: std::error::Error> From<E> for Refused {
    fn from(error: E) -> Refused {
        Refused(error.to_string())
    }
}
