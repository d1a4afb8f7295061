//! What a change of the model does to new flows and to those that stand.

use crate::fixture::{Region, anyone, group_peer, tcp};
use hello_lab::network::model::{Protocol, RouteTarget, Rule};
use std::net::Ipv4Addr;

const DB: &str = "10.0.128.40";
const TASK: &str = "10.0.128.50";
const REGISTRY: &str = "198.51.100.10";

fn everywhere() -> ipnet::Ipv4Net {
    "0.0.0.0/0".parse().unwrap()
}

#[test]
fn a_rule_counts_at_once_and_a_revoked_one_leaves_established_flows() {
    let mut region = Region::standing();
    region.serve("db", &[5432]);
    region.dropped("alb-a", DB, 5432);
    region.group("alb").egress.insert(tcp(5432, group_peer("database")));
    region.group("database").ingress.insert(tcp(5432, group_peer("alb")));
    region.reconcile();
    let mut flow = region.connect("alb-a", DB, 5432);

    region.group("database").ingress.remove(&tcp(5432, group_peer("alb")));
    region.reconcile();
    region.dropped("alb-a", DB, 5432);
    flow.passes();

    // Egress counts as much as ingress.
    region.group("tasks").egress.remove(&tcp(5432, group_peer("database")));
    region.reconcile();
    region.dropped("task-a", DB, 5432);
    region.connect("bastion", DB, 5432);
    flow.passes();
}

#[test]
fn a_member_has_what_any_of_its_groups_permits_and_loses_it_with_the_membership() {
    let mut region = Region::standing();
    region.serve("db", &[5432]);
    region.serve("task-a", &[8080]);
    region.interface("alb-a").security_groups.insert("sg-tasks".to_owned());
    region.reconcile();
    region.connect("alb-a", DB, 5432);
    region.connect("alb-a", TASK, 8080);
    region.dropped("alb-b", DB, 5432);

    region.interface("alb-a").security_groups.remove("sg-tasks");
    region.reconcile();
    region.dropped("alb-a", DB, 5432);
    region.connect("alb-a", TASK, 8080);
}

#[test]
fn an_interface_without_a_group_and_one_with_a_group_that_is_gone_reach_nothing() {
    let mut region = Region::standing();
    region.serve("db", &[5432]);
    region.interface("task-a").security_groups.clear();
    region.reconcile();
    region.dropped("task-a", DB, 5432);
    region.vpc().security_groups.remove("sg-tasks");
    region.reconcile();
    region.dropped("task-b", DB, 5432);
    region.connect("bastion", DB, 5432);
}

#[test]
fn what_is_cut_loses_standing_flows_too_and_has_them_back_afterwards() {
    let mut region = Region::standing();
    region.serve("db", &[5432]);
    let mut flow = region.connect("task-a", DB, 5432);
    let mut other = region.connect("task-b", DB, 5432);

    // Both ways, and what stands, is asked one by one.
    for group in ["tasks", "database"] {
        let udp = Rule { protocol: Protocol::Udp(700, 700), peer: anyone() };
        region.group(group).egress.insert(udp.clone());
        region.group(group).ingress.insert(udp);
    }
    region.reconcile();
    let (task, db) = (("task-a", TASK), ("db", DB));
    region.must_arrive(task, db, 700);
    region.must_arrive(db, task, 700);

    region.interface("task-a").cut = true;
    region.reconcile();
    assert!(!region.arrives(task, db, 700));
    assert!(!region.arrives(db, task, 700));
    flow.is_cut();
    region.dropped("task-a", DB, 5432);
    other.passes();

    region.interface("task-a").cut = false;
    region.reconcile();
    flow.goes_on();
    region.connect("task-a", DB, 5432);
}

#[test]
fn an_interface_goes_and_another_comes_with_its_address() {
    let mut region = Region::standing();
    region.serve("db", &[5432]);
    let before = region.listed();
    let gone = region.vpc().interfaces.remove("eni-task-a").unwrap();
    region.reconcile();
    assert!(!region.listed().contains(&gone.namespace));
    assert_eq!(region.listed().len(), before.len() - 1);

    let mut next = gone.clone();
    "eni-task-z".clone_into(&mut next.id);
    region.namespace("task-z").name().clone_into(&mut next.namespace);
    region.vpc().interfaces.insert(next.id.clone(), next);
    region.reconcile();
    assert_eq!(region.seen_as("task-z", DB, 5432), TASK);

    // The same interface in another subnet, with another address.
    let moved = region.vpc().interfaces.get_mut("eni-task-z").unwrap();
    "private-b".clone_into(&mut moved.subnet);
    moved.address = "10.0.144.77".parse().unwrap();
    region.reconcile();
    assert_eq!(region.seen_as("task-z", DB, 5432), "10.0.144.77");
}

#[test]
fn without_a_gateway_nothing_gets_in_or_out() {
    let mut region = Region::standing();
    region.serve("alb-a", &[443]);
    region.serve("registry", &[443]);
    let mut inwards = region.connect("client", "203.0.113.11", 443);
    let mut outwards = region.connect("task-a", REGISTRY, 443);

    let gateway = region.vpc().internet_gateway.take();
    region.reconcile();
    inwards.is_cut();
    outwards.is_cut();
    region.dropped("client", "203.0.113.11", 443);
    region.dropped("bastion", REGISTRY, 443);
    region.dropped("task-a", REGISTRY, 443);

    region.vpc().internet_gateway = gateway;
    region.reconcile();
    region.connect("client", "203.0.113.11", 443);
    region.connect("task-a", REGISTRY, 443);
}

#[test]
fn a_subnet_without_a_route_to_the_gateway_has_no_way_in_even_with_a_public_address() {
    let mut region = Region::standing();
    region.serve("alb-a", &[443]);
    region.serve("task-a", &[8080]);
    region.serve("registry", &[443]);
    region.group("tasks").ingress.insert(tcp(8080, anyone()));
    region.group("tasks").ingress.insert(Rule { protocol: Protocol::Udp(700, 700), peer: anyone() });
    region.interface("task-a").public_address = Some("203.0.113.20".parse().unwrap());
    region.reconcile();
    region.dropped("client", "203.0.113.20", 8080);
    let (client, task) = (("client", "203.0.113.50"), ("task-a", "203.0.113.20"));
    assert!(!region.arrives(client, task, 700));
    // Outwards it goes by the NAT gateway still.
    assert_eq!(region.seen_as("task-a", REGISTRY, 443), "203.0.113.10");

    "public".clone_into(&mut region.vpc().subnets.get_mut("private-a").unwrap().route_table);
    region.reconcile();
    region.must_arrive(client, task, 700);
    assert_eq!(region.seen_as("client", "203.0.113.20", 8080), "203.0.113.50");
    assert_eq!(region.seen_as("task-a", REGISTRY, 443), "203.0.113.20");

    let mut flow = region.connect("client", "203.0.113.11", 443);
    region.vpc().route_tables.get_mut("public").unwrap().routes.clear();
    region.reconcile();
    flow.is_cut();
    region.dropped("client", "203.0.113.20", 8080);
    region.dropped("bastion", REGISTRY, 443);
}

#[test]
fn a_public_address_that_is_taken_away_takes_standing_flows_along() {
    let mut region = Region::standing();
    region.serve("alb-a", &[443]);
    let mut flow = region.connect("client", "203.0.113.11", 443);
    region.serve("alb-b", &[443]);
    let mut other = region.connect("client", "203.0.113.12", 443);
    region.interface("alb-a").public_address = Some("203.0.113.21".parse().unwrap());
    region.reconcile();
    flow.is_cut();
    region.dropped("client", "203.0.113.11", 443);
    region.connect("client", "203.0.113.21", 443);
    other.passes();
}

#[test]
fn a_public_address_that_moves_takes_no_flow_of_its_former_owner_along() {
    let mut region = Region::standing();
    region.serve("alb-a", &[443]);
    region.serve("alb-b", &[443]);
    region.serve("registry", &[443]);
    let mut inwards = region.connect("client", "203.0.113.11", 443);
    let mut outwards = region.connect("bastion", REGISTRY, 443);
    let mut other = region.connect("task-a", REGISTRY, 443);
    for (name, last) in [("alb-a", 13), ("alb-b", 11), ("bastion", 12)] {
        region.interface(name).public_address = Some(Ipv4Addr::new(203, 0, 113, last));
    }
    region.reconcile();
    inwards.is_cut();
    outwards.is_cut();
    other.passes();
    region.connect("client", "203.0.113.11", 443);
    assert_eq!(region.seen_as("bastion", REGISTRY, 443), "203.0.113.12");
}

#[test]
fn a_route_whose_target_is_gone_is_a_black_hole_and_the_longest_prefix_wins() {
    let mut region = Region::standing();
    region.serve("registry", &[443]);
    region.serve("client", &[443]);
    region.connect("task-a", REGISTRY, 443);
    let routes = &mut region.vpc().route_tables.get_mut("private-a").unwrap().routes;
    routes.insert("198.51.100.0/24".parse().unwrap(), RouteTarget::Blackhole);
    region.reconcile();
    region.dropped("task-a", REGISTRY, 443);
    region.connect("task-a", "203.0.113.50", 443);
    region.connect("task-b", REGISTRY, 443);

    // The NAT gateway goes, its routes stay: zone b has no way out, the public subnets have.
    region.vpc().interfaces.remove("eni-nat");
    region.reconcile();
    region.dropped("task-b", REGISTRY, 443);
    region.connect("bastion", REGISTRY, 443);

    let routes = &mut region.vpc().route_tables.get_mut("private-b").unwrap().routes;
    routes.insert(everywhere(), RouteTarget::Interface("eni-bastion".to_owned()));
    region.reconcile();
    // An instance that checks sources and destinations passes nothing on.
    region.dropped("task-b", REGISTRY, 443);
}

#[test]
fn an_address_that_nobody_has_is_not_reached_and_is_no_way_around() {
    let region = Region::standing();
    region.dropped("bastion", "10.0.128.99", 5432);
    region.dropped("task-a", "10.0.200.1", 443);
    // The router's own addresses are next hops only.
    region.dropped("bastion", "10.0.128.1", 443);
    region.dropped("client", "203.0.113.254", 443);
}
