use super::super::fixture::{Known, balancer, block, resource, vpc};
use super::*;
use std::path::Path;

fn model(known: &Known) -> Network {
    let lab = Lab::new("test".to_owned(), Path::new("/nonexistent"), Path::new("/nonexistent"));
    network(&known.contents(), &lab)
}

fn cidr(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

#[test]
fn a_subnet_without_an_association_has_the_main_table_whichever_that_is() {
    let known = Known::of(vpc());
    let tables = |known: &Known| {
        let network = model(known);
        let subnets = &network.vpcs["vpc-1"].subnets;
        (subnets["subnet-a"].route_table.clone(), subnets["subnet-b"].route_table.clone())
    };
    assert_eq!(tables(&known), ("rtb-main".to_owned(), "rtb-main".to_owned()));
    known.put(resource("aws_route_table", &[("id", "rtb-1".into()), ("vpc_id", "vpc-1".into())]));
    let association = [
        ("id", Value::from("association-1")),
        ("subnet_id", "subnet-a".into()),
        ("route_table_id", "rtb-1".into()),
    ];
    known.put(resource("aws_route_table_association", &association));
    assert_eq!(tables(&known), ("rtb-1".to_owned(), "rtb-main".to_owned()));
    let main = [
        ("id", Value::from("association-2")),
        ("vpc_id", "vpc-1".into()),
        ("route_table_id", "rtb-1".into()),
    ];
    known.put(resource("aws_main_route_table_association", &main));
    assert_eq!(tables(&known), ("rtb-1".to_owned(), "rtb-1".to_owned()));
}

#[test]
fn a_route_whose_target_is_gone_is_a_black_hole_and_the_local_one_is_nobodys() {
    let known = Known::of(vpc());
    let route = |destination: &str, target: &str, id: &str| {
        let mut all = vec![("cidr_block", Value::from(destination)), (target, id.into())];
        for other in ["gateway_id", "nat_gateway_id", "network_interface_id"] {
            if other != target {
                all.push((other, "".into()));
            }
        }
        super::super::fixture::object(&all)
    };
    let routes = [
        route("0.0.0.0/0", "gateway_id", "igw-1"),
        route("10.0.0.0/16", "gateway_id", "local"),
        route("192.0.2.0/24", "nat_gateway_id", "nat-1"),
        route("198.18.0.0/24", "network_interface_id", "eni-none"),
    ];
    let table =
        [("id", Value::from("rtb-1")), ("vpc_id", "vpc-1".into()), ("route", Value::List(routes.into()))];
    known.put(resource("aws_route_table", &table));
    let found = |known: &Known| model(known).vpcs["vpc-1"].route_tables["rtb-1"].routes.clone();
    let before = found(&known);
    assert_eq!(before.len(), 3, "{before:?}");
    assert!(before.values().all(|target| *target == RouteTarget::Blackhole), "{before:?}");
    known.put(resource("aws_internet_gateway", &[("id", "igw-1".into()), ("vpc_id", "vpc-1".into())]));
    known.put(resource("aws_nat_gateway", &[("id", "nat-1".into()), ("subnet_id", "subnet-a".into())]));
    let after = found(&known);
    assert_eq!(after[&cidr("0.0.0.0/0")], RouteTarget::InternetGateway);
    let nat = known.contents().interfaces["eu-west-1/nat/nat-1"].id.clone();
    assert_eq!(after[&cidr("192.0.2.0/24")], RouteTarget::Interface(nat));
    assert_eq!(after[&cidr("198.18.0.0/24")], RouteTarget::Blackhole);
}

#[test]
fn an_interface_without_groups_has_the_default_one_and_a_cut_one_is_cut() {
    let known = Known::of(vpc());
    known.put(balancer("plain", &[]));
    known.put(balancer("own", &[("security_groups", Value::strings(["sg-1"]))]));
    known.change(|draft| draft.set_cut("eu-west-1/alb/own/subnet-a", true));
    let contents = known.contents();
    let network = model(&known);
    let interface = |owner: &str| &network.vpcs["vpc-1"].interfaces[&contents.interfaces[owner].id];
    let plain = interface("eu-west-1/alb/plain/subnet-a");
    assert_eq!(plain.security_groups, ["sg-default".to_owned()].into());
    let own = interface("eu-west-1/alb/own/subnet-a");
    assert_eq!(own.security_groups, ["sg-1".to_owned()].into());
    assert!(own.cut && !plain.cut);
}

#[test]
fn the_resolver_is_at_the_second_address_and_goes_where_dns_is_not_wanted() {
    let known = Known::of(vpc());
    let resolver = |known: &Known| model(known).vpcs["vpc-1"].resolver.clone();
    assert_eq!(resolver(&known).unwrap().address, Ipv4Addr::new(10, 0, 0, 2));
    let mut without = vpc().remove(0);
    without.state.set("enable_dns_support", false.into());
    known.put(without);
    assert_eq!(resolver(&known), None);
}

#[test]
fn inline_blocks_of_the_default_group_take_the_place_of_what_it_is_made_with() {
    let known = Known::of(vpc());
    let rules = |known: &Known| model(known).vpcs["vpc-1"].security_groups["sg-default"].clone();
    let made_with = rules(&known);
    assert_eq!((made_with.ingress.len(), made_with.egress.len()), (1, 1));
    let taken = [
        ("id", Value::from("sg-default")),
        ("vpc_id", "vpc-1".into()),
        (
            "ingress",
            block(&[
                ("protocol", "tcp".into()),
                ("from_port", 443.into()),
                ("to_port", 443.into()),
                ("cidr_blocks", Value::strings(["10.0.0.0/16"])),
            ]),
        ),
    ];
    known.put(resource("aws_default_security_group", &taken));
    let rules = rules(&known);
    assert_eq!((rules.ingress.len(), rules.egress.len()), (1, 0));
    assert_ne!(rules.ingress, made_with.ingress);
}
