//! Who reaches whom, and as whom: derived from the diagram of the region.

use crate::fixture::{ANSWER, Region, SILENCE, anyone, group_peer, tcp};
use hello_lab::network::model::{Peer, Protocol, Rule};

#[test]
fn the_arrows_of_the_diagram_are_the_only_ones() {
    let region = Region::standing();
    for (part, ports) in [
        ("alb-a", &[80, 443, 8080][..]),
        ("alb-b", &[80, 443]),
        ("task-a", &[443, 8080, 9090]),
        ("task-b", &[443, 8080, 9090]),
        ("db", &[5432, 443]),
        ("replica", &[5432]),
        ("bastion", &[22, 443]),
        ("nat", &[443, 8080]),
        ("registry", &[443, 80]),
        ("client", &[443]),
    ] {
        region.serve(part, ports);
    }
    // From, to, port, and how the server sees who comes.
    for (from, to, port, source) in [
        ("client", "203.0.113.11", 443, "203.0.113.50"),
        ("client", "203.0.113.11", 80, "203.0.113.50"),
        ("client", "203.0.113.12", 443, "203.0.113.50"),
        ("alb-a", "10.0.128.50", 8080, "10.0.0.20"),
        ("alb-a", "10.0.144.50", 8080, "10.0.0.20"),
        ("alb-b", "10.0.128.50", 8080, "10.0.16.20"),
        ("task-a", "10.0.128.40", 5432, "10.0.128.50"),
        ("task-a", "10.0.144.40", 5432, "10.0.128.50"),
        ("task-b", "10.0.128.40", 5432, "10.0.144.50"),
        ("task-a", "198.51.100.10", 443, "203.0.113.10"),
        ("task-b", "198.51.100.10", 443, "203.0.113.10"),
        // Out through the gateways and back in: the load balancer is seen under its public address only.
        ("task-b", "203.0.113.11", 443, "203.0.113.10"),
        ("admin", "203.0.113.13", 22, "203.0.113.77"),
        ("bastion", "10.0.128.40", 5432, "10.0.0.30"),
        ("bastion", "10.0.144.50", 9090, "10.0.0.30"),
        ("bastion", "198.51.100.10", 443, "203.0.113.13"),
        ("client", "198.51.100.10", 443, "203.0.113.50"),
    ] {
        assert_eq!(region.seen_as(from, to, port), source, "{from} to {to} on port {port}");
    }
    for (from, to, port) in [
        ("client", "203.0.113.11", 8080), // no rule for the port
        ("client", "203.0.113.13", 22),   // not the administrator
        ("stranger", "203.0.113.13", 22),
        ("client", "203.0.113.10", 443), // nothing in through the NAT gateway
        ("client", "203.0.113.10", 8080),
        ("alb-a", "10.0.128.40", 5432), // the database is the tasks' and the bastion's
        ("alb-a", "10.0.128.50", 9090),
        ("alb-a", "198.51.100.10", 443), // egress to the tasks only
        ("alb-a", "10.0.0.10", 443),
        ("task-a", "10.0.144.50", 8080), // tasks do not call each other
        ("task-b", "10.0.144.40", 443),
        ("task-a", "198.51.100.10", 80), // egress on 443 only
        ("task-a", "10.0.0.20", 8080),
        ("task-a", "10.0.0.10", 443), // the NAT gateway itself serves nothing
        ("db", "10.0.128.50", 8080),  // the database begins no connection
        ("db", "10.0.144.40", 5432),
        ("db", "198.51.100.10", 443),
        ("bastion", "10.0.128.50", 8080),
    ] {
        region.dropped(from, to, port);
    }
    // Private addresses mean nothing on the internet.
    region.dropped("client", "10.0.128.50", 8080);
}

#[test]
fn the_resolver_answers_everyone_inside_whatever_their_groups_say_and_no_one_else() {
    let region = Region::standing();
    region.serve("resolver", &[53, 80]);
    region.serve("idns", &[53]);
    for part in ["task-a", "db", "replica", "alb-b", "bastion"] {
        region.datagram_answered(part, "10.0.0.2", 53);
        region.connect(part, "10.0.0.2", 53);
        region.dropped(part, "10.0.0.2", 80);
    }
    assert_eq!(region.datagram_answered("resolver", "198.51.100.53", 53), "203.0.113.253");
    // It asks outside, and is no way to the outside.
    region.by_hand("db", "ip", "route add 198.51.100.0/24 via 10.0.0.2 onlink dev eth0");
    region.datagram_dropped("db", "198.51.100.53", 53);
    region.datagram_dropped("task-a", "198.51.100.53", 53);
}

#[test]
fn two_parts_of_one_subnet_meet_the_security_groups_too() {
    let mut region = Region::described();
    let mut second = region.interface("task-a").clone();
    "eni-task-c".clone_into(&mut second.id);
    region.namespace("task-c").name().clone_into(&mut second.namespace);
    second.address = "10.0.128.51".parse().unwrap();
    region.vpc().interfaces.insert(second.id.clone(), second);
    region.reconcile();
    region.serve("task-c", &[8080]);
    region.serve("db", &[5432]);
    region.dropped("task-a", "10.0.128.51", 8080);
    region.dropped("db", "10.0.128.51", 8080);
    assert_eq!(region.seen_as("task-c", "10.0.128.40", 5432), "10.0.128.51");
}

#[test]
fn a_source_that_is_not_the_interfaces_own_is_dropped() {
    let mut region = Region::described();
    let udp = |peer| Rule { protocol: Protocol::Udp(700, 700), peer };
    let (task, client, db) = ("10.0.128.50", "203.0.113.50", ("db", "10.0.128.40"));
    let of_client = || Peer::Cidr("203.0.113.50/32".parse().unwrap());
    region.group("database").ingress.extend([udp(group_peer("tasks")), udp(of_client())]);
    for group in ["alb", "tasks"] {
        region.group(group).egress.insert(udp(anyone()));
    }
    region.reconcile();
    region.must_arrive(("task-a", task), db, 700);
    assert!(!region.arrives(("alb-a", "10.0.0.20"), db, 700));
    // The NAT gateway would put its own address in place.
    region.by_hand("nat", "nft", "flush ruleset");
    // Addresses that the database would let in: that of a task, and one of the internet.
    for (part, source) in
        [("alb-a", task), ("alb-a", client), ("task-b", client), ("nat", task), ("igw", task)]
    {
        region.by_hand(part, "ip", &format!("addr add {source}/32 dev lo"));
        assert!(!region.arrives((part, source), db, 700), "{part} as {source}");
    }
}

#[test]
fn rules_permit_by_protocol_ports_and_peer() {
    let mut region = Region::described();
    let udp = |first, last, peer| Rule { protocol: Protocol::Udp(first, last), peer };
    let all = |peer| Rule { protocol: Protocol::All, peer };
    let cidr = |cidr: &str| Peer::Cidr(cidr.parse().unwrap());
    region.group("alb").egress.insert(all(anyone()));
    region.group("database").egress.insert(all(cidr("10.0.0.0/16")));
    region.group("database").ingress.extend([
        tcp(700, group_peer("database")),
        udp(600, 610, cidr("10.0.0.0/20")),
        Rule { protocol: Protocol::Tcp(0, 65535), peer: cidr("10.0.16.20/32") },
        // Host bits in a range do not count.
        Rule { protocol: Protocol::Tcp(800, 899), peer: cidr("10.0.0.20/20") },
        // What no packet can be, and whom nobody is.
        Rule { protocol: Protocol::Tcp(900, 899), peer: anyone() },
        all(group_peer("nobody")),
    ]);
    region.reconcile();
    region.serve("db", &[599, 600, 605, 610, 611, 700, 799, 800, 899, 900]);
    for port in [600, 605, 610] {
        region.datagram_answered("alb-a", "10.0.128.40", port);
        region.datagram_dropped("alb-b", "10.0.128.40", port);
    }
    region.datagram_dropped("alb-a", "10.0.128.40", 599);
    region.datagram_dropped("alb-a", "10.0.128.40", 611);
    region.dropped("alb-a", "10.0.128.40", 605);
    region.connect("replica", "10.0.128.40", 700);
    region.dropped("alb-a", "10.0.128.40", 700);
    region.connect("alb-b", "10.0.128.40", 605);
    region.connect("alb-b", "10.0.128.40", 799);
    region.connect("alb-a", "10.0.128.40", 800);
    region.connect("alb-a", "10.0.128.40", 899);
    region.dropped("alb-a", "10.0.128.40", 799);
    region.dropped("alb-a", "10.0.128.40", 900);
}

#[test]
fn a_ping_passes_where_a_rule_for_icmp_says_so() {
    let mut region = Region::standing();
    let ping = |region: &Region, limit| region.pings("bastion", "10.0.128.40", limit);
    assert!(!ping(&region, SILENCE));
    let request = Protocol::Icmp(Some(8), Some(0));
    region.group("bastion").egress.insert(Rule { protocol: request, peer: group_peer("database") });
    region.group("database").ingress.insert(Rule { protocol: request, peer: anyone() });
    region.reconcile();
    assert!(ping(&region, ANSWER));
}
