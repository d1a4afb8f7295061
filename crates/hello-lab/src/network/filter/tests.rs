use super::*;

fn fingerprint(listing: &str) -> u64 {
    fingerprint_of_listing(listing.as_bytes()).unwrap()
}

#[test]
fn a_listing_is_the_same_whatever_its_handles_and_the_order_of_a_sets_elements() {
    let one = r#"{"nftables": [{"metainfo": {"version": "1"}}, {"set": {"name": "a", "handle": 3, "elem": ["1", "2"]}}]}"#;
    let other = r#"{"nftables": [{"metainfo": {"version": "2"}}, {"set": {"name": "a", "handle": 9, "elem": ["2", "1"]}}]}"#;
    assert_eq!(fingerprint(one), fingerprint(other));
}

#[test]
fn a_listing_differs_by_an_element_and_by_the_order_of_rules() {
    let listing = |rules: &str| format!(r#"{{"nftables": [{rules}]}}"#);
    let (accept, drop) =
        (r#"{"rule": {"expr": [{"accept": null}]}}"#, r#"{"rule": {"expr": [{"drop": null}]}}"#);
    let one = fingerprint(&listing(&format!("{accept}, {drop}")));
    assert_ne!(one, fingerprint(&listing(&format!("{drop}, {accept}"))));
    assert_ne!(one, fingerprint(&listing(accept)));
    assert_ne!(one, fingerprint(&listing("")));
}

#[test]
fn what_is_no_listing_is_an_error() {
    fingerprint_of_listing(b"").unwrap_err();
    fingerprint_of_listing(b"table ip gateway {").unwrap_err();
}

#[test]
fn rulesets_differ_by_what_they_say() {
    let address = |last| std::net::Ipv4Addr::new(10, 0, 0, last);
    let ruleset = |last| gateways::nat_gateway("eth0", address(last), "10.0.0.0/16".parse().unwrap());
    assert_eq!(ruleset(1).fingerprint(), ruleset(1).fingerprint());
    assert_ne!(ruleset(1).fingerprint(), ruleset(2).fingerprint());
    assert!(ruleset(1).is_in(ruleset(1).commands().as_bytes()));
    assert!(!ruleset(1).is_in(ruleset(2).commands().as_bytes()));
}
