use super::*;
use crate::network::model::{Host, Internet, RouteTable};

fn network() -> Network {
    let hosts = BTreeMap::from([(
        "client".to_owned(),
        Host { namespace: "client".to_owned(), address: "203.0.113.50".parse().unwrap() },
    )]);
    let ranges = vec!["203.0.113.0/24".parse().unwrap()];
    let internet = Internet { namespace: "internet".to_owned(), ranges, hosts };
    Network { internet, vpcs: BTreeMap::from([("vpc-1".to_owned(), vpc())]), cut: BTreeSet::new() }
}

fn vpc() -> Vpc {
    let subnet = |cidr: &str| Subnet {
        cidr: cidr.parse().unwrap(),
        availability_zone: "eu-west-1a".to_owned(),
        route_table: "rtb-1".to_owned(),
    };
    let routes = BTreeMap::from([(everywhere(), RouteTarget::Interface("eni-nat".to_owned()))]);
    Vpc {
        id: "vpc-1".to_owned(),
        region: "eu-west-1".to_owned(),
        namespace: "router".to_owned(),
        cidr: "10.0.0.0/16".parse().unwrap(),
        subnets: BTreeMap::from([
            ("subnet-a".to_owned(), subnet("10.0.0.0/20")),
            ("subnet-b".to_owned(), subnet("10.0.16.0/20")),
        ]),
        route_tables: BTreeMap::from([("rtb-1".to_owned(), RouteTable { routes })]),
        internet_gateway: None,
        security_groups: BTreeMap::new(),
        interfaces: BTreeMap::from([
            ("eni-nat".to_owned(), interface("nat", "10.0.0.10", InterfaceKind::NatGateway)),
            ("eni-task".to_owned(), interface("task", "10.0.0.50", InterfaceKind::Part)),
        ]),
        resolver: None,
    }
}

fn interface(name: &str, address: &str, kind: InterfaceKind) -> Interface {
    Interface {
        id: format!("eni-{name}"),
        namespace: name.to_owned(),
        subnet: "subnet-a".to_owned(),
        address: address.parse().unwrap(),
        public_address: None,
        security_groups: BTreeSet::new(),
        kind,
        cut: false,
    }
}

fn wanted(change: impl FnOnce(&mut Network, &mut Vpc)) -> Wanted {
    let mut network = network();
    let mut vpc = network.vpcs.remove("vpc-1").unwrap();
    change(&mut network, &mut vpc);
    network.vpcs.insert(vpc.id.clone(), vpc);
    Wanted::of(&network)
}

/// The way that a packet from the first subnet takes, past the local route.
fn way_out(wanted: &Wanted, destination: &str) -> Option<Way> {
    let destination: Ipv4Net = destination.parse().unwrap();
    let routes = &wanted.namespaces["router"].routes;
    routes
        .iter()
        .find(|route| route.table == SUBNET_TABLES && route.destination == destination)
        .map(|route| route.way.clone())
}

#[test]
fn an_interface_is_a_wire_whose_router_end_carries_its_address() {
    let wanted = wanted(|_, _| {});
    let wire = Wire { router: End::new("router", "10.0.0.50"), part: End::new("task", "eth0") };
    assert!(wanted.wires.contains(&wire));
    assert_eq!(wanted.namespaces["router"].links["10.0.0.50"], wire.part);
    assert_eq!(wanted.namespaces["task"].links["eth0"], wire.router);
    assert!(wanted.namespaces["task"].addresses.contains(&on("eth0", Ipv4Addr::new(10, 0, 0, 50), 20)));
    assert_eq!(wanted.refused, Vec::<String>::new());
}

#[test]
fn no_link_has_a_name_that_is_too_long_for_the_kernel() {
    let wanted = wanted(|_, vpc| {
        vpc.cidr = "172.31.0.0/16".parse().unwrap();
        vpc.subnets.get_mut("subnet-a").unwrap().cidr = "172.31.240.0/20".parse().unwrap();
        vpc.interfaces.get_mut("eni-task").unwrap().address = "172.31.255.254".parse().unwrap();
    });
    let links: Vec<_> = wanted.wires.iter().flat_map(|wire| [&wire.router.link, &wire.part.link]).collect();
    assert!(links.iter().any(|link| *link == "172.31.255.254"));
    assert!(links.iter().all(|link| link.len() <= 15), "{links:?}");
}

#[test]
fn a_route_to_an_interface_goes_through_its_link_and_one_to_nothing_is_a_black_hole() {
    let there = wanted(|_, _| {});
    let nat = Ipv4Addr::new(10, 0, 0, 10);
    assert_eq!(way_out(&there, "0.0.0.0/0"), Some(Way::Gateway(nat, "10.0.0.10".to_owned())));
    let gone = wanted(|_, vpc| drop(vpc.interfaces.remove("eni-nat")));
    assert_eq!(way_out(&gone, "0.0.0.0/0"), Some(Way::Blackhole));
    let detached = wanted(|_, vpc| {
        let routes = &mut vpc.route_tables.get_mut("rtb-1").unwrap().routes;
        routes.insert("198.51.100.0/24".parse().unwrap(), RouteTarget::InternetGateway);
    });
    assert_eq!(way_out(&detached, "198.51.100.0/24"), Some(Way::Blackhole));
}

#[test]
fn a_subnet_without_a_route_table_has_no_way_out() {
    let wanted = wanted(|_, vpc| vpc.route_tables.clear());
    assert_eq!(way_out(&wanted, "0.0.0.0/0"), Some(Way::Blackhole));
}

#[test]
fn a_route_inside_the_vpc_is_refused_and_the_others_stand() {
    let wanted = wanted(|_, vpc| {
        let routes = &mut vpc.route_tables.get_mut("rtb-1").unwrap().routes;
        routes.insert("10.0.16.0/20".parse().unwrap(), RouteTarget::Blackhole);
    });
    assert_eq!(way_out(&wanted, "10.0.16.0/20"), None);
    assert!(way_out(&wanted, "0.0.0.0/0").is_some());
    assert!(wanted.refused[0].contains("10.0.16.0/20"), "{:?}", wanted.refused);
}

#[test]
fn another_subnet_moves_no_table() {
    let tables = |wanted: &Wanted| -> BTreeMap<_, _> {
        let rules = &wanted.namespaces["router"].rules;
        rules.iter().filter_map(|rule| Some((rule.source?, rule.table))).collect()
    };
    let before = tables(&wanted(|_, _| {}));
    let after = tables(&wanted(|_, vpc| {
        let mut subnet = vpc.subnets["subnet-b"].clone();
        subnet.cidr = "10.0.15.240/28".parse().unwrap();
        vpc.subnets.get_mut("subnet-a").unwrap().cidr = "10.0.0.0/21".parse().unwrap();
        vpc.subnets.insert("subnet-0".to_owned(), subnet);
    }));
    assert_eq!(before[&"10.0.16.0/20".parse().unwrap()], after[&"10.0.16.0/20".parse().unwrap()]);
    let numbers: BTreeSet<_> = after.values().collect();
    assert_eq!(numbers.len(), 3);
}

#[test]
fn an_interface_that_cannot_be_is_refused_and_takes_no_other_down() {
    type Spoil = fn(&mut Interface);
    let cases: [(&str, Spoil); 5] = [
        ("is not in", |interface| interface.address = "10.0.16.5".parse().unwrap()),
        ("there is no subnet", |interface| "subnet-z".clone_into(&mut interface.subnet)),
        ("10.0.0.50 is taken", |interface| interface.address = "10.0.0.50".parse().unwrap()),
        ("10.0.0.1 is taken", |interface| interface.address = "10.0.0.1".parse().unwrap()),
        ("client is taken", |interface| "client".clone_into(&mut interface.namespace)),
    ];
    for (reason, spoil) in cases {
        let wanted = wanted(|_, vpc| {
            let mut second = interface("wrong", "10.0.0.60", InterfaceKind::Part);
            spoil(&mut second);
            vpc.interfaces.insert(second.id.clone(), second);
        });
        assert!(wanted.refused[0].contains(reason), "{reason}: {:?}", wanted.refused);
        assert!(wanted.namespaces.contains_key("task"));
        assert!(!wanted.namespaces.contains_key("wrong"));
    }
}

#[test]
fn a_subnet_that_cannot_be_is_refused_with_what_is_in_it() {
    for (reason, cidr) in [
        ("is not in", "10.1.0.0/20"),
        ("is not in", "10.0.0.0/15"),
        ("overlaps", "10.0.24.0/24"),
        ("smaller", "10.0.200.0/29"),
    ] {
        let wanted = wanted(|_, vpc| {
            let mut subnet = vpc.subnets["subnet-b"].clone();
            subnet.cidr = cidr.parse().unwrap();
            vpc.subnets.insert("subnet-c".to_owned(), subnet);
            let mut inside = interface("inside", "10.0.200.3", InterfaceKind::Part);
            "subnet-c".clone_into(&mut inside.subnet);
            vpc.interfaces.insert(inside.id.clone(), inside);
        });
        assert!(wanted.refused[0].contains(reason), "{reason}: {:?}", wanted.refused);
        assert!(wanted.refused[1].contains("eni-inside"), "{:?}", wanted.refused);
        assert!(wanted.namespaces.contains_key("task"));
    }
}

#[test]
fn an_address_of_the_internet_that_is_taken_is_refused() {
    let gateway = |address: &str| {
        let address = address.parse().unwrap();
        InternetGateway { id: "igw-1".to_owned(), namespace: "igw".to_owned(), address }
    };
    let wanted = wanted(|_, vpc| vpc.internet_gateway = Some(gateway("203.0.113.50")));
    assert_eq!(wanted.refused, ["igw-1: 203.0.113.50 is taken"]);

    let wanted = self::wanted(|_, vpc| {
        vpc.internet_gateway = Some(gateway("203.0.113.254"));
        vpc.interfaces.get_mut("eni-task").unwrap().public_address = Some("203.0.113.50".parse().unwrap());
        vpc.interfaces.get_mut("eni-nat").unwrap().public_address = Some("203.0.113.10".parse().unwrap());
    });
    assert_eq!(wanted.refused, ["interface eni-task: 203.0.113.50 is taken"]);
}

#[test]
fn a_gateway_whose_address_the_internet_does_not_have_is_refused() {
    let wanted = wanted(|_, vpc| {
        let address = "192.0.2.254".parse().unwrap();
        let namespace = "igw".to_owned();
        vpc.internet_gateway = Some(InternetGateway { id: "igw-1".to_owned(), namespace, address });
    });
    assert_eq!(wanted.refused, ["igw-1: 192.0.2.254 is in no range of the internet"]);
    assert!(wanted.wires.iter().all(|wire| wire.part.namespace != "igw"));
}

#[test]
fn only_routers_and_gateways_pass_packets_on() {
    let wanted = wanted(|_, _| {});
    let forwarding: Vec<_> = wanted
        .namespaces
        .iter()
        .filter(|(_, namespace)| namespace.settings["ipv4/ip_forward"] == "1")
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(forwarding, ["internet", "nat", "router"]);
}

#[test]
fn a_network_without_internet_has_no_namespace_without_a_name() {
    let wanted = wanted(|network, _| network.internet = Internet::default());
    assert!(!wanted.namespaces.contains_key(""), "{:?}", wanted.namespaces.keys());
}

#[test]
fn a_host_and_a_resolver_that_are_cut_off_keep_their_namespaces_and_have_no_link() {
    let with_resolver = |vpc: &mut Vpc| {
        let (address, outside) = ("10.0.0.2".parse().unwrap(), "203.0.113.60".parse().unwrap());
        vpc.resolver = Some(Resolver { namespace: "resolver".to_owned(), address, outside });
    };
    let linked = wanted(|_, vpc| with_resolver(vpc));
    let cut = wanted(|network, vpc| {
        with_resolver(vpc);
        network.cut.extend(["resolver".to_owned(), "client".to_owned()]);
    });
    for namespace in ["resolver", "client"] {
        assert!(!linked.namespaces[namespace].links.is_empty(), "{namespace}");
        assert_eq!(cut.namespaces[namespace].links.len(), 0, "{namespace}");
    }
    assert_eq!((linked.refused, cut.refused), (Vec::new(), Vec::new()));
}
