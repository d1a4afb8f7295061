use super::*;
use crate::network::{
    filter::gateways,
    state::{FoundLink, MAIN_TABLE},
};
use std::net::Ipv4Addr;

/// Two namespaces with a wire between them, and one of everything in the first.
fn wanted() -> Wanted {
    let mut wanted = Wanted::default();
    let wire = Wire { router: End::new("router", "up"), part: End::new("part", "eth0") };
    let route = |table, destination: &str, way| Route {
        table,
        destination: destination.parse().unwrap(),
        priority: 0,
        way,
    };
    let router = WantedNamespace {
        links: [("up".to_owned(), wire.part.clone())].into(),
        addresses: [address("lo", "10.0.0.1/32"), address("up", "10.0.0.2/32")].into(),
        routes: [
            route(MAIN_TABLE, "10.0.0.50/32", Way::Link("up".to_owned())),
            route(1000, "0.0.0.0/0", Way::Gateway(Ipv4Addr::new(10, 0, 0, 50), "up".to_owned())),
            route(MAIN_TABLE, "10.0.0.0/16", Way::Blackhole),
        ]
        .into(),
        rules: [rule(200)].into(),
        settings: [
            ("ipv4/ip_forward".to_owned(), "1".to_owned()),
            ("ipv4/conf/up/proxy_arp".to_owned(), "1".to_owned()),
        ]
        .into(),
        ruleset: Some(gateways::nat_gateway("up", Ipv4Addr::LOCALHOST, "10.0.0.0/16".parse().unwrap())),
    };
    let part = WantedNamespace {
        links: [("eth0".to_owned(), wire.router.clone())].into(),
        ..WantedNamespace::default()
    };
    wanted.namespaces = [("router".to_owned(), router), ("part".to_owned(), part)].into();
    wanted.wires = [wire].into();
    wanted
}

fn address(link: &str, address: &str) -> Address {
    Address { link: link.to_owned(), address: address.parse().unwrap() }
}

fn rule(priority: u32) -> PolicyRule {
    PolicyRule {
        priority,
        source: Some("10.0.0.0/20".parse().unwrap()),
        table: 1000,
        suppress_prefix_length: None,
    }
}

/// All that is wanted, as it is found once it is there.
fn standing(wanted: &Wanted) -> Found {
    let found = wanted.namespaces.iter().map(|(name, namespace)| {
        let link =
            |link: &String| (link.clone(), FoundLink { index: 7, peer_index: Some(7), veth: true, up: true });
        let mut found = FoundNamespace {
            ours: true,
            occupied: false,
            links: namespace.links.keys().map(link).collect(),
            addresses: namespace.addresses.clone(),
            routes: namespace.routes.clone(),
            rules: namespace.rules.clone(),
            settings: namespace.settings.clone(),
            ruleset: namespace.ruleset.as_ref().map(Ruleset::fingerprint),
        };
        found.links.insert("lo".to_owned(), FoundLink { index: 1, up: true, ..FoundLink::default() });
        found.addresses.insert(address("lo", "127.0.0.1/8"));
        (name.clone(), found)
    });
    found.collect()
}

/// The plan after something happened to what stands.
fn after(change: impl FnOnce(&mut Wanted, &mut Found)) -> Plan {
    let mut wanted = wanted();
    let mut found = standing(&wanted);
    change(&mut wanted, &mut found);
    Plan::of(&wanted, &found)
}

fn sentences(plan: &Plan) -> Vec<String> {
    plan.actions.iter().map(ToString::to_string).collect()
}

fn router(found: &mut Found) -> &mut FoundNamespace {
    found.get_mut("router").unwrap()
}

#[test]
fn what_is_as_wanted_needs_nothing() {
    assert_eq!(after(|_, _| {}), Plan::default());
}

#[test]
fn from_nothing_the_filter_stands_before_a_link_and_a_link_is_on_before_a_way_leads_to_it() {
    let plan = Plan::of(&wanted(), &Found::new());
    let sentences = sentences(&plan);
    let place = |begin: &str| sentences.iter().position(|sentence| sentence.starts_with(begin)).unwrap();
    let order = [
        "make namespace router",
        "replace the packet filter of router",
        "connect up in router with eth0 in part",
        "set ipv4/conf/up/proxy_arp = 1 in router",
        "give 10.0.0.2/32 on up in router",
        "switch on up in router",
        "make route 0.0.0.0/0 via 10.0.0.50 by up in table 1000 in router",
    ];
    assert!(order.map(place).is_sorted(), "{sentences:#?}");
    assert!(plan.actions.is_sorted_by_key(Action::phase));
    assert!(plan.waiting.is_empty());
}

#[test]
fn after_each_part_of_a_first_pass_only_the_rest_is_left() {
    let whole = Plan::of(&wanted(), &Found::new());
    let mut wanted_yet = wanted();
    wanted_yet.namespaces.retain(|name, _| name == "part");
    wanted_yet.wires.clear();
    wanted_yet.namespaces.get_mut("part").unwrap().links.clear();
    let rest = Plan::of(&wanted(), &standing(&wanted_yet));
    assert!(rest.actions.len() < whole.actions.len());
    assert!(rest.actions.iter().all(|action| whole.actions.contains(action)));
}

#[test]
fn a_missing_thing_is_made_and_nothing_else() {
    let no_address = after(|_, found| router(found).addresses.retain(|address| address.link != "lo"));
    assert_eq!(sentences(&no_address), ["give 10.0.0.1/32 on lo in router"]);
    let no_rule = after(|_, found| router(found).rules.clear());
    assert_eq!(sentences(&no_rule), ["make rule 200: from 10.0.0.0/20 table 1000 in router"]);
    let no_route = after(|_, found| router(found).routes.retain(|route| route.table != 1000));
    assert_eq!(sentences(&no_route), ["make route 0.0.0.0/0 via 10.0.0.50 by up in table 1000 in router"]);
    let off = after(|_, found| router(found).links.get_mut("up").unwrap().up = false);
    assert_eq!(sentences(&off), ["switch on up in router"]);
    let setting =
        after(|_, found| drop(router(found).settings.insert("ipv4/ip_forward".to_owned(), "0".to_owned())));
    assert_eq!(sentences(&setting), ["set ipv4/ip_forward = 1 in router"]);
    let changed = after(|_, found| router(found).ruleset = None);
    assert_eq!(sentences(&changed), ["replace the packet filter of router"]);
}

#[test]
fn more_than_is_wanted_goes_before_anything_comes() {
    let plan = after(|_, found| {
        let router = router(found);
        router.addresses.insert(address("lo", "203.0.113.1/32"));
        router.rules.insert(rule(50));
        let mut stray = router.routes.first().unwrap().clone();
        stray.priority = 9;
        router.routes.insert(stray);
        router.links.insert("stray".to_owned(), FoundLink { veth: true, ..FoundLink::default() });
        router.ruleset = None;
    });
    let (last, closing) = plan.actions.split_last().unwrap();
    assert_eq!(closing.len(), 4);
    assert!(closing.iter().all(|action| action.phase() == Phase::Close), "{plan:?}");
    assert!(matches!(last, Action::ApplyRuleset(..)));
}

#[test]
fn the_kernels_own_addresses_and_devices_are_left_alone() {
    let plan = after(|_, found| {
        let router = router(found);
        router.links.insert("tunl0".to_owned(), FoundLink::default());
        router.addresses.insert(address("tunl0", "192.0.2.1/32"));
    });
    assert_eq!(plan, Plan::default());
}

#[test]
fn a_route_that_changes_is_replaced_in_one_step_and_one_that_ends_is_closed_first() {
    let other = |way: Way| {
        after(|wanted, found| {
            router(found).ruleset = None;
            let routes = &mut wanted.namespaces.get_mut("router").unwrap().routes;
            let mut route = routes.iter().find(|route| route.table == 1000).cloned().unwrap();
            routes.remove(&route);
            route.way = way;
            routes.insert(route);
        })
    };
    let changed = other(Way::Link("up".to_owned()));
    assert!(matches!(changed.actions[..], [Action::ApplyRuleset(..), Action::OpenRoute(..)]), "{changed:?}");
    let ended = other(Way::Blackhole);
    assert!(matches!(ended.actions[..], [Action::CloseRoute(..), Action::ApplyRuleset(..)]), "{ended:?}");
}

#[test]
fn a_wire_that_lost_an_end_is_made_anew_with_all_that_was_on_it() {
    let plan = after(|_, found| found.get_mut("part").unwrap().links.clear());
    assert_eq!(
        sentences(&plan),
        [
            "delete link up in router",
            "connect up in router with eth0 in part",
            "switch on eth0 in part",
            "set ipv4/conf/up/proxy_arp = 1 in router",
            "give 10.0.0.2/32 on up in router",
            "switch on up in router",
            "make route 10.0.0.50/32 by up in table 254 in router",
            "make route 0.0.0.0/0 via 10.0.0.50 by up in table 1000 in router",
        ]
    );
}

#[test]
fn two_ends_that_are_not_each_others_are_made_anew() {
    let plan = after(|_, found| router(found).links.get_mut("up").unwrap().peer_index = Some(8));
    let deleted = plan.actions.iter().filter(|action| matches!(action, Action::DeleteLink(_)));
    assert_eq!(deleted.count(), 2);
    assert!(plan.actions.iter().any(|action| matches!(action, Action::CreateWire(_))));
}

#[test]
fn a_part_that_is_gone_is_disconnected_before_its_namespace_goes() {
    let plan = after(|wanted, _| {
        wanted.namespaces.remove("part");
        wanted.wires.clear();
        let router = wanted.namespaces.get_mut("router").unwrap();
        router.links.clear();
        router.addresses.retain(|address| address.link == "lo");
        router.routes.retain(|route| route.way == Way::Blackhole);
        router.settings.remove("ipv4/conf/up/proxy_arp");
    });
    assert_eq!(
        sentences(&plan),
        ["delete link eth0 in part", "delete link up in router", "delete namespace part"]
    );
}

#[test]
fn a_namespace_in_which_a_process_lives_or_that_others_made_stays() {
    let extra = |ours, occupied| {
        after(|_, found| {
            let mut extra = FoundNamespace { ours, occupied, ..FoundNamespace::default() };
            extra.links.insert("eth0".to_owned(), FoundLink { veth: true, ..FoundLink::default() });
            found.insert("extra".to_owned(), extra);
        })
    };
    let occupied = extra(true, true);
    assert_eq!(sentences(&occupied), ["delete link eth0 in extra"]);
    assert_eq!(occupied.waiting, ["namespace extra stays until no process is left in it"]);
    assert_eq!(sentences(&extra(true, false)), ["delete link eth0 in extra", "delete namespace extra"]);
    assert_eq!(extra(false, false), Plan::default());
}

#[test]
fn a_namespace_that_others_made_and_the_model_names_is_adopted() {
    let plan = after(|_, found| found.get_mut("part").unwrap().ours = false);
    assert_eq!(sentences(&plan), ["adopt namespace part"]);
}
