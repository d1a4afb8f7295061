use super::*;
use crate::load_balancer::model::{Condition, Listener};
use std::net::Ipv4Addr;

fn target(last: u8) -> Target {
    Target { address: Ipv4Addr::new(10, 0, last, 50), port: 8080, draining: false }
}

/// What our Terraform makes, with some rules.
fn balancer() -> LoadBalancer {
    let group = TargetGroup {
        name: "hello-you-api".to_owned(),
        health_check: HealthCheck {
            path: "/health".to_owned(),
            port: None,
            matcher: "200".to_owned(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            healthy_threshold: 2,
            unhealthy_threshold: 3,
        },
        deregistration_delay: Duration::from_secs(30),
        minimum_healthy_targets: 1,
        targets: vec![target(10), target(11)],
    };
    let redirect = Action::Redirect {
        protocol: "HTTPS".to_owned(),
        host: "#{host}".to_owned(),
        port: "443".to_owned(),
        path: "/#{path}".to_owned(),
        query: "#{query}".to_owned(),
        status: 301,
    };
    let http = Listener { certificate: None, ssl_policy: None, rules: Vec::new(), default: redirect };
    let maintenance = Rule {
        priority: 5,
        conditions: vec![
            Condition::Host(vec!["*.example.com".to_owned()]),
            Condition::Source(vec!["10.0.0.0/8".parse().unwrap()]),
        ],
        action: Action::Fixed { status: 503, content_type: "text/plain".to_owned(), body: "soon".to_owned() },
    };
    let https = Listener {
        certificate: Some("/certificate".into()),
        ssl_policy: Some("ELBSecurityPolicy-TLS13-1-2-2021-06".to_owned()),
        rules: vec![maintenance],
        default: Action::Forward("hello-you-api".to_owned()),
    };
    LoadBalancer {
        name: "hello-you-alb".to_owned(),
        region: "eu-central-1".to_owned(),
        nodes: Vec::new(),
        listeners: BTreeMap::from([(80, http), (443, https)]),
        target_groups: BTreeMap::from([("hello-you-api".to_owned(), group)]),
        idle_timeout: Duration::from_secs(60),
        client_keep_alive: Duration::from_secs(300),
        drop_invalid_headers: true,
    }
}

fn node() -> Node {
    Node { namespace: "hl-x-alb-a".to_owned(), address: Ipv4Addr::new(10, 0, 0, 20) }
}

fn rendered(balancer: &LoadBalancer, servers: &Servers) -> Result<Configuration, String> {
    let certificates = BTreeMap::from([(443, "certificate-1.pem".to_owned())]);
    configuration(balancer, &node(), &certificates, "admin-1.sock", servers)
}

#[test]
fn the_configuration_of_our_terraform_is_the_golden_one() {
    let known = [("tg-hello-you-api", 10), ("all-hello-you-api", 10), ("all-hello-you-api", 11)];
    let known = known.map(|(backend, last)| (backend.to_owned(), server(&target(last))));
    let configuration = rendered(&balancer(), &Servers { known: known.into() }).unwrap();
    assert_eq!(configuration.files, BTreeMap::from([("body-0".to_owned(), b"soon".to_vec())]));
    let golden = include_str!("golden.cfg");
    assert!(configuration.text == golden, "golden.cfg should be:\n{}", configuration.text);
}

#[test]
fn a_group_that_is_not_there_is_named() {
    let mut balancer = balancer();
    balancer.target_groups.clear();
    let error = rendered(&balancer, &Servers::default()).unwrap_err();
    assert_eq!(error, "listener 443 forwards to the target group hello-you-api, which is not there");
}

#[test]
fn an_unknown_security_policy_is_refused_by_name() {
    let mut balancer = balancer();
    balancer.listeners.get_mut(&443).unwrap().ssl_policy = Some("ELBSecurityPolicy-1999".to_owned());
    let error = rendered(&balancer, &Servers::default()).unwrap_err();
    assert!(
        error.starts_with("the lab does not know the security policy ELBSecurityPolicy-1999; it knows "),
        "{error}"
    );
}

#[test]
fn rules_are_looked_at_in_the_order_of_their_priorities() {
    let mut balancer = balancer();
    let rules = &mut balancer.listeners.get_mut(&443).unwrap().rules;
    let first = Rule { priority: 2, ..rules[0].clone() };
    rules.push(first);
    let text = rendered(&balancer, &Servers::default()).unwrap().text;
    let (second, fifth) = (text.find("int(2)").unwrap(), text.find("int(5)").unwrap());
    assert!(second < fifth, "{text}");
}

#[test]
fn a_new_target_has_as_much_time_as_an_unhealthy_one() {
    let mut check = balancer().target_groups["hello-you-api"].health_check.clone();
    assert_eq!(new_words(&check), "check inter 100 fall 300 rise 1");
    (check.interval, check.port) = (Duration::from_millis(50), Some(9090));
    assert_eq!(new_words(&check), "check inter 50 fall 3 rise 1 port 9090");
}

#[test]
fn a_name_that_would_mean_something_else_is_found() {
    assert_eq!(unfit_name(&balancer()), None);
    for name in ["", "../x", "a b", "a\nb"] {
        assert_eq!(unfit_name(&LoadBalancer { name: name.to_owned(), ..balancer() }), Some(name));
    }
    let mut balancer = balancer();
    balancer.target_groups.values_mut().for_each(|group| group.name = "x if TRUE".to_owned());
    assert_eq!(unfit_name(&balancer), Some("x if TRUE"));
}

#[test]
fn a_rule_without_a_condition_is_refused_and_does_not_take_every_request() {
    let mut balancer = balancer();
    balancer.listeners.get_mut(&443).unwrap().rules[0].conditions.clear();
    let error = rendered(&balancer, &Servers::default()).unwrap_err();
    assert_eq!(error, "the rule with priority 5 of port 443 has no condition");
}
