//! Two VPCs of different regions stand side by side on one internet and know nothing of each other.

use crate::fixture::{Region, vpc};

#[test]
fn the_networks_of_two_regions_do_not_touch_each_other() {
    let mut both = Region::described();
    let second = vpc(&both.lab, "b", "eu-central-1", 1, "192.0.2");
    both.network.vpcs.insert(second.id.clone(), second);
    both.reconcile();
    for part in ["alb-a", "b-alb-a", "registry"] {
        both.serve(part, &[443]);
    }
    both.serve("db", &[5432]);
    both.serve("b-db", &[5432]);
    assert_eq!(both.seen_as("client", "203.0.113.11", 443), "203.0.113.50");
    assert_eq!(both.seen_as("client", "192.0.2.11", 443), "203.0.113.50");
    assert_eq!(both.seen_as("task-a", "198.51.100.10", 443), "203.0.113.10");
    assert_eq!(both.seen_as("b-task-a", "198.51.100.10", 443), "192.0.2.10");
    assert_eq!(both.seen_as("b-task-b", "10.1.128.40", 5432), "10.1.144.50");
    // Of each other they see what the internet sees, and no private address.
    assert_eq!(both.seen_as("b-task-a", "203.0.113.11", 443), "192.0.2.10");
    both.dropped("task-a", "10.1.128.40", 5432);
    both.dropped("b-task-a", "10.0.128.40", 5432);

    let first = both.network.vpcs.remove("vpc-a").unwrap();
    both.reconcile();
    assert_eq!(both.seen_as("client", "192.0.2.11", 443), "203.0.113.50");
    both.dropped("client", "203.0.113.11", 443);
    assert!(!both.listed().contains(&first.namespace));
}
