use super::*;
use crate::network::{
    filter::gateways,
    state::{Route, Way, Wire},
};
use std::net::Ipv4Addr;

fn wire() -> Action {
    Action::CreateWire(Wire { router: End::new("router", "up"), part: End::new("part", "eth0") })
}

fn route(link: &str) -> Action {
    let way = Way::Link(link.to_owned());
    let route = Route { table: 254, destination: "10.0.0.50/32".parse().unwrap(), priority: 0, way };
    Action::OpenRoute("router".to_owned(), route)
}

fn held(failed: &Action) -> Held {
    let mut held = Held::default();
    held.hold(failed);
    held
}

#[test]
fn a_wire_that_cannot_be_made_holds_back_what_is_on_its_ends_and_nothing_else() {
    let held = held(&wire());
    assert!(held.holds(&route("up")));
    assert!(held.holds(&Action::SwitchOn(End::new("part", "eth0"))));
    assert!(!held.holds(&route("other")));
    assert!(!held.holds(&Action::SwitchOn(End::new("part", "lo"))));
}

#[test]
fn a_setting_of_a_link_that_cannot_be_written_keeps_the_link_closed() {
    let setting = |name: &str| Action::Set("router".to_owned(), name.to_owned(), "1".to_owned());
    let held = held(&setting("ipv4/conf/up/rp_filter"));
    assert!(held.holds(&Action::SwitchOn(End::new("router", "up"))));
    assert!(held.holds(&route("up")));
    assert!(!held.holds(&setting("ipv4/ip_forward")));
}

#[test]
fn a_filter_that_cannot_be_replaced_keeps_everything_in_its_namespace_and_towards_it_closed() {
    let ruleset = gateways::nat_gateway("eth0", Ipv4Addr::LOCALHOST, "10.0.0.0/16".parse().unwrap());
    for namespace in ["router", "part"] {
        let held = held(&Action::ApplyRuleset(namespace.to_owned(), ruleset.clone()));
        assert!(held.holds(&wire()), "{namespace}");
        assert_eq!(held.holds(&route("up")), namespace == "router");
    }
}

#[test]
fn what_cannot_be_closed_keeps_nothing_else_from_being_closed_and_lets_nothing_open() {
    let held = held(&Action::DeleteLink(End::new("router", "stray")));
    assert!(!held.holds(&Action::DeleteLink(End::new("router", "up"))));
    assert!(held.holds(&route("other")));
}
