//! What an internet gateway and a NAT gateway let through, and how they translate.

use super::{
    Ruleset,
    table::{
        Table, accept, address, both, came_by, destination, drop, flow, flow_destination, is, is_not,
        leaves_by, masquerade, members, network, source, state, text, translate_destination,
        translate_source, translated_inwards,
    },
};
use ipnet::Ipv4Net;
use nftables::{
    expr::CTDir,
    schema::SetType,
    types::{NfFamily, NfHook},
};
use std::{collections::BTreeMap, net::Ipv4Addr};

/// Priorities at which the kernel translates destinations and sources (`dstnat` and `srcnat` of nft(8)).
const DESTINATIONS: i32 = -100;
const SOURCES: i32 = 100;

/// An internet gateway: public for private address, one to one, both ways. `inside` and `outside` are its links.
///
/// An address that was taken away is cut off at once, flows that stand included: what comes from outside is let
/// through only while the translation that it went through is still one of `public`.
pub fn internet_gateway(inside: &str, outside: &str, public: &BTreeMap<Ipv4Addr, Ipv4Addr>) -> Ruleset {
    let mut table = Table::new(NfFamily::IP, "gateway");
    table.nat("destinations", NfHook::Prerouting, DESTINATIONS);
    table.nat("sources", NfHook::Postrouting, SOURCES);
    table.filter("forward", NfHook::Forward);
    table.filter("input", NfHook::Input);
    table.set("private", &[SetType::Ipv4Addr], public.keys().copied().map(address).collect());
    let pairs = public.iter().map(|(private, public)| both(address(*public), address(*private)));
    table.set("pairs", &[SetType::Ipv4Addr, SetType::Ipv4Addr], pairs.collect());

    if !public.is_empty() {
        let inwards = public.iter().map(|(private, public)| (*public, *private)).collect();
        let outwards = public.iter().map(|(private, public)| (*private, *public)).collect();
        table.rule("destinations", [is(came_by(), text(outside)), translate_destination(inwards)]);
        table.rule("sources", [is(leaves_by(), text(outside)), translate_source(outwards)]);
    }
    table.rule("forward", [is(came_by(), text(inside)), is_not(source(), members("private")), drop()]);
    for (direction, of_flow) in [("original", CTDir::Original), ("reply", CTDir::Reply)] {
        table.rule(
            "forward",
            [
                is(came_by(), text(outside)),
                is(flow("direction"), text(direction)),
                is_not(both(flow_destination(of_flow), destination()), members("pairs")),
                drop(),
            ],
        );
    }
    table.rule("forward", [state(&["established", "related"]), accept()]);
    table.rule("forward", [is(came_by(), text(inside)), is(leaves_by(), text(outside)), accept()]);
    table.rule(
        "forward",
        [is(came_by(), text(outside)), is(leaves_by(), text(inside)), translated_inwards(), accept()],
    );
    Ruleset::of(table)
}

/// A NAT gateway: what comes from the VPC and leads out of it goes on with the gateway's address. Nothing gets in.
pub fn nat_gateway(link: &str, own: Ipv4Addr, vpc: Ipv4Net) -> Ruleset {
    let mut table = Table::new(NfFamily::IP, "gateway");
    table.nat("sources", NfHook::Postrouting, SOURCES);
    table.filter("forward", NfHook::Forward);
    table.filter("input", NfHook::Input);
    table.rule("sources", [is(leaves_by(), text(link)), is_not(source(), address(own)), masquerade()]);
    table.rule("forward", [state(&["established", "related"]), accept()]);
    table.rule("forward", [is(source(), network(vpc)), is_not(destination(), network(vpc)), accept()]);
    Ruleset::of(table)
}
