//! The packet filter of a VPC's router: security groups, the resolver, anti-spoofing, faults.
//!
//! Every packet between two interfaces, of one subnet too, crosses the chain `forward` once:
//!
//! 1. What is cut off by a fault is dropped, flows that stand included.
//! 2. A source that is not the interface's own is dropped.
//! 3. What belongs to a flow that stands is accepted. So revoking a rule leaves established flows, as on AWS.
//! 4. The resolver answers the whole VPC on port 53: its questions and answers pass whatever the groups say.
//! 5. The sender's groups: a rule that permits leads on to `ingress`.
//! 6. The receiver's groups: a rule that permits accepts.
//!
//! 3 and 4: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html>
//!
//! What gets to an end is dropped without an answer. A group is a set of its members' addresses, and its rules are two
//! chains; an interface jumps through the chains of its groups, so it has what any of them permits.

use super::{
    Ruleset,
    table::{
        Table, accept, address, both, came_by, destination, dispatch, drop, field, goto, is, is_not, jump,
        leaves_by, members, network, network_protocol, number, range, source, state, text,
        transport_protocol,
    },
};
use crate::network::model::{Interface, InterfaceKind, Peer, Protocol, Vpc};
use nftables::{
    expr::Expression,
    schema::SetType,
    stmt::Statement,
    types::{NfFamily, NfHook},
};

/// The filter of a VPC's router, for those of its interfaces that are there. `link` says the name of an address's link;
/// `gateway` is the link to the internet gateway.
pub fn of_vpc(
    vpc: &Vpc,
    interfaces: &[&Interface],
    gateway: &str,
    link: impl Fn(&Interface) -> String,
) -> Ruleset {
    let mut table = Table::new(NfFamily::INet, "vpc");
    table.filter("forward", NfHook::Forward);
    // The router itself serves nothing: its addresses are next hops only.
    table.filter("input", NfHook::Input);
    table.chain("ingress");

    let resolver = vpc.resolver.as_ref().map(|resolver| resolver.address);
    let owners = interfaces.iter().map(|interface| (link(interface), interface.address));
    let owners: Vec<_> = owners.chain(resolver.map(|address| (address.to_string(), address))).collect();
    let own = owners.iter().map(|(link, owner)| both(text(link), address(*owner))).collect();
    table.set("owners", &[SetType::Ifname, SetType::Ipv4Addr], own);
    let names = |wanted: &dyn Fn(&Interface) -> bool| -> Vec<Expression<'static>> {
        interfaces
            .iter()
            .filter(|interface| wanted(interface))
            .map(|interface| text(link(interface)))
            .collect()
    };
    table.set("cut", &[SetType::Ifname], names(&|interface| interface.cut));
    table.set("inside", &[SetType::Ifname], names(&|_| true));
    // A NAT gateway also passes on what comes back from the internet.
    let mut guarded = names(&|interface| interface.kind == InterfaceKind::Part);
    guarded.extend(resolver.map(address));
    table.set("guarded", &[SetType::Ifname], guarded);

    let spoofed = || is_not(both(came_by(), source()), members("owners"));
    table.rule("forward", [is_not(network_protocol(), text("ipv4")), drop()]);
    table.rule("forward", [is(came_by(), members("cut")), drop()]);
    table.rule("forward", [is(leaves_by(), members("cut")), drop()]);
    table.rule("forward", [is(came_by(), members("guarded")), spoofed(), drop()]);
    table.rule("forward", [is(source(), network(vpc.cidr)), spoofed(), drop()]);
    table.rule("forward", [state(&["established", "related"]), accept()]);
    table.rule("forward", [state(&["invalid"]), drop()]);
    if let Some(resolver) = resolver {
        for protocol in ["udp", "tcp"] {
            let question = is(field(protocol, "dport"), number(53_u16));
            let to_resolver = is(leaves_by(), address(resolver));
            table.rule("forward", [is(came_by(), members("inside")), to_resolver, question, accept()]);
        }
    }

    groups(&mut table, vpc, interfaces);
    let mut senders = vec![(gateway.to_owned(), "ingress".to_owned())];
    let mut receivers = vec![(gateway.to_owned(), "to-gateway".to_owned())];
    table.chain("to-gateway");
    table.rule("to-gateway", [accept()]);
    for interface in interfaces {
        let (ingress, egress) = (format!("ingress-{}", interface.id), format!("egress-{}", interface.id));
        table.chain(&ingress);
        receivers.push((link(interface), ingress.clone()));
        match interface.kind {
            InterfaceKind::Part => {
                table.chain(&egress);
                senders.push((link(interface), egress.clone()));
                for group in
                    interface.security_groups.iter().filter(|id| vpc.security_groups.contains_key(*id))
                {
                    table.rule(&ingress, [jump(format!("ingress-{group}"))]);
                    table.rule(&egress, [jump(format!("egress-{group}"))]);
                }
                table.rule(&egress, [drop()]);
            }
            InterfaceKind::NatGateway => {
                senders.push((link(interface), "ingress".to_owned()));
                let outwards = is_not(destination(), network(vpc.cidr));
                table.rule(&ingress, [is(source(), network(vpc.cidr)), outwards, accept()]);
            }
        }
        table.rule(&ingress, [drop()]);
    }
    table.rule("forward", [dispatch(came_by(), senders)]);
    table.rule("ingress", [dispatch(leaves_by(), receivers)]);
    table.rule("ingress", [drop()]);
    Ruleset::of(table)
}

fn groups(table: &mut Table, vpc: &Vpc, interfaces: &[&Interface]) {
    for (id, group) in &vpc.security_groups {
        let member = |interface: &&&Interface| interface.security_groups.contains(id);
        let addresses = interfaces.iter().filter(member).map(|interface| address(interface.address));
        table.set(group_members(id), &[SetType::Ipv4Addr], addresses.collect());
        let directions = [
            (format!("ingress-{id}"), &group.ingress, source as fn() -> _, accept()),
            (format!("egress-{id}"), &group.egress, destination as fn() -> _, goto("ingress")),
        ];
        for (chain, rules, other_side, permitted) in directions {
            table.chain(&chain);
            for rule in rules {
                let other_side = of_peer(vpc, &rule.peer, other_side);
                let (Some(mut statements), Some(other_side)) = (of_protocol(rule.protocol), other_side)
                else {
                    continue;
                };
                statements.extend(other_side);
                statements.push(permitted.clone());
                table.rule(&chain, statements);
            }
        }
    }
}

fn group_members(id: &str) -> String {
    format!("members-{id}")
}

/// What a packet of this protocol has; `None` where no packet can have it.
fn of_protocol(protocol: Protocol) -> Option<Vec<Statement<'static>>> {
    let ports = |protocol: &'static str, first: u16, last: u16| match (first, last) {
        (0, u16::MAX) => Some(vec![is(transport_protocol(), text(protocol))]),
        (first, last) if first == last => Some(vec![is(field(protocol, "dport"), number(first))]),
        (first, last) if first < last => Some(vec![is(field(protocol, "dport"), range(first, last))]),
        _ => None,
    };
    match protocol {
        Protocol::All => Some(Vec::new()),
        Protocol::Tcp(first, last) => ports("tcp", first, last),
        Protocol::Udp(first, last) => ports("udp", first, last),
        Protocol::Icmp(kind, code) => {
            let mut statements = vec![is(transport_protocol(), text("icmp"))];
            statements.extend(kind.map(|kind| is(field("icmp", "type"), number(kind))));
            statements.extend(code.map(|code| is(field("icmp", "code"), number(code))));
            Some(statements)
        }
    }
}

/// What a packet has whose other side, in the field `address`, is this peer; `None` where none can be.
fn of_peer(vpc: &Vpc, peer: &Peer, address: fn() -> Expression<'static>) -> Option<Vec<Statement<'static>>> {
    match peer {
        Peer::Cidr(cidr) if cidr.prefix_len() == 0 => Some(Vec::new()),
        Peer::Cidr(cidr) => Some(vec![is(address(), network(*cidr))]),
        Peer::SecurityGroup(id) => {
            vpc.security_groups.contains_key(id).then(|| vec![is(address(), members(&group_members(id)))])
        }
    }
}
