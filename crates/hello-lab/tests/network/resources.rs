//! From resources as Terraform applies them to packets: rules in all three styles, and what a change of them does.

use crate::fixture::Region;
use hello_lab::{
    meaning::{self, interfaces},
    store::{Store, StoreError},
    world::{Resource, World},
};
use std::net::Ipv4Addr;
use terraform_provider_aws::{schema::Catalogue, value::Value};

const ZONE: &str = "eu-west-1";

fn object(attributes: &[(&str, Value)]) -> Value {
    Value::object(attributes.iter().map(|(name, value)| (*name, value.clone())))
}

/// A network of resources, standing.
struct Applied {
    region: Region,
    world: World,
    _directory: tempfile::TempDir,
}

impl Applied {
    /// A VPC with one subnet.
    fn vpc() -> Applied {
        let directory = tempfile::tempdir().unwrap();
        let world = World::load(Store::open(directory.path()).unwrap(), &Catalogue::aws()).unwrap();
        let applied = Applied { region: Region::described(), world, _directory: directory };
        let vpc = [
            ("cidr_block", Value::from("10.0.0.0/16")),
            ("default_security_group_id", "sg-default".into()),
            ("main_route_table_id", "rtb-main".into()),
        ];
        applied.put("aws_vpc", "vpc-1", &vpc);
        let subnet = [("vpc_id", Value::from("vpc-1")), ("cidr_block", "10.0.0.0/24".into())];
        applied.put("aws_subnet", "subnet-1", &subnet);
        applied
    }

    fn put(&self, type_name: &str, id: &str, attributes: &[(&str, Value)]) {
        let mut state = object(attributes);
        state.set("id", id.into());
        let resource = Resource {
            type_name: type_name.to_owned(),
            region: ZONE.to_owned(),
            state,
            config: Value::Null,
            acknowledged: true,
            made_in: 0,
            made_at: 0,
            deleting: false,
        };
        let changed = self.world.change(|draft| {
            draft.put_resource(resource);
            interfaces::allocate(draft).expect("there are addresses");
            Ok::<_, StoreError>(())
        });
        changed.unwrap();
    }

    /// A part in a group: the node of a load balancer that nobody runs.
    fn part(&self, name: &str, group: &str) {
        let attributes = [
            ("name", Value::from(name)),
            ("internal", true.into()),
            ("subnets", Value::strings(["subnet-1"])),
            ("security_groups", Value::strings([group])),
        ];
        self.put("aws_lb", name, &attributes);
    }

    fn group(&self, id: &str, rules: &[(&str, Value)]) {
        let mut all = vec![("vpc_id", Value::from("vpc-1"))];
        all.extend(rules.iter().cloned());
        self.put("aws_security_group", id, &all);
    }

    fn reconcile(&mut self) {
        self.region.network = meaning::network::network(&self.world.snapshot(), &self.region.lab);
        self.region.reconcile();
    }

    fn namespace(name: &str) -> String {
        format!("{ZONE}-alb-{name}-subnet-1")
    }

    fn address(&self, name: &str) -> Ipv4Addr {
        self.world.snapshot().interfaces[&format!("{ZONE}/alb/{name}/subnet-1")].address
    }

    fn serve(&self, name: &str, ports: &[u16]) {
        self.region.serve(&Applied::namespace(name), ports);
    }

    fn reaches(&self, from: &str, to: &str, port: u16) {
        let seen = self.region.seen_as(&Applied::namespace(from), &self.address(to).to_string(), port);
        assert_eq!(seen, self.address(from).to_string());
    }

    fn is_dropped(&self, from: &str, to: &str, port: u16) {
        self.region.dropped(&Applied::namespace(from), &self.address(to).to_string(), port);
    }
}

fn rule(protocol: &str, ports: [i64; 2], peers: &[(&str, Value)]) -> Value {
    let mut all = vec![
        ("protocol", Value::from(protocol)),
        ("from_port", ports[0].into()),
        ("to_port", ports[1].into()),
    ];
    all.extend(peers.iter().cloned());
    object(&all)
}

fn everything() -> Value {
    Value::List(vec![rule("-1", [0, 0], &[("cidr_blocks", Value::strings(["0.0.0.0/0"]))])])
}

#[test]
fn inline_blocks_filter() {
    let mut applied = Applied::vpc();
    applied.group("sg-clients", &[("egress", everything())]);
    let ingress = [
        rule("tcp", [80, 81], &[("security_groups", Value::strings(["sg-clients"]))]),
        rule("tcp", [90, 90], &[("self", true.into())]),
        rule("tcp", [100, 100], &[("cidr_blocks", Value::strings(["10.0.0.4/32"]))]),
    ];
    applied.group("sg-servers", &[("ingress", Value::List(ingress.to_vec())), ("egress", everything())]);
    // The first address of the subnet.
    applied.part("client", "sg-clients");
    applied.part("another", "sg-clients");
    applied.part("server", "sg-servers");
    applied.part("twin", "sg-servers");
    applied.reconcile();
    assert_eq!(applied.address("client"), Ipv4Addr::new(10, 0, 0, 4));
    applied.serve("server", &[80, 81, 82, 90, 100]);
    applied.serve("client", &[80]);
    applied.reaches("client", "server", 80);
    applied.reaches("another", "server", 81);
    applied.is_dropped("client", "server", 82);
    applied.is_dropped("client", "server", 90);
    applied.reaches("twin", "server", 90);
    applied.is_dropped("twin", "server", 80);
    applied.reaches("client", "server", 100);
    applied.is_dropped("another", "server", 100);
    // A group without ingress lets nobody in.
    applied.is_dropped("server", "client", 80);

    // A group that loses its way out loses it at once.
    applied.group("sg-clients", &[]);
    applied.reconcile();
    applied.is_dropped("client", "server", 80);
}

#[test]
fn rules_of_the_old_resource_filter() {
    let mut applied = Applied::vpc();
    for group in ["sg-clients", "sg-servers"] {
        applied.group(group, &[]);
        applied.part(group.trim_start_matches("sg-"), group);
    }
    let old = |id: &str, group: &str, kind: &str, port: i64, peer: (&str, Value)| {
        let attributes = [
            ("security_group_id", Value::from(group)),
            ("type", kind.into()),
            ("protocol", "tcp".into()),
            ("from_port", port.into()),
            ("to_port", port.into()),
            peer,
        ];
        applied.put("aws_security_group_rule", id, &attributes);
    };
    let servers = ("source_security_group_id", Value::from("sg-servers"));
    let clients = ("source_security_group_id", Value::from("sg-clients"));
    old("out-80", "sg-clients", "egress", 80, servers);
    old("out-81", "sg-clients", "egress", 81, ("cidr_blocks", Value::strings(["10.0.0.0/16"])));
    old("in-80", "sg-servers", "ingress", 80, clients.clone());
    old("in-82", "sg-servers", "ingress", 82, clients);
    applied.reconcile();
    applied.serve("servers", &[80, 81, 82]);
    applied.reaches("clients", "servers", 80);
    // It takes a rule on both sides.
    applied.is_dropped("clients", "servers", 81);
    applied.is_dropped("clients", "servers", 82);
}

#[test]
fn rules_of_their_own_filter_beside_inline_blocks_of_another_group() {
    let mut applied = Applied::vpc();
    applied.group("sg-clients", &[("egress", everything())]);
    applied.group("sg-servers", &[]);
    applied.part("client", "sg-clients");
    applied.part("server", "sg-servers");
    let single = [
        ("security_group_id", Value::from("sg-servers")),
        ("ip_protocol", "tcp".into()),
        ("from_port", 80.into()),
        ("to_port", 80.into()),
        ("referenced_security_group_id", "sg-clients".into()),
    ];
    applied.put("aws_vpc_security_group_ingress_rule", "sgr-1", &single);
    applied.reconcile();
    applied.serve("server", &[80, 81]);
    applied.reaches("client", "server", 80);
    applied.is_dropped("client", "server", 81);
}
