use super::*;
use crate::load_balancer::model::{HealthCheck, Target};
use std::{net::Ipv4Addr, time::Duration};

const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 10, 50);
const NAME: &str = "10.0.10.50:8080";

fn balancer(draining: bool) -> LoadBalancer {
    let group = TargetGroup {
        name: "api".to_owned(),
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
        targets: vec![Target { address: HOST, port: 8080, draining }],
    };
    LoadBalancer {
        name: "web".to_owned(),
        region: "eu-central-1".to_owned(),
        nodes: Vec::new(),
        listeners: BTreeMap::new(),
        target_groups: BTreeMap::from([("api".to_owned(), group)]),
        idle_timeout: Duration::from_secs(60),
        client_keep_alive: Duration::from_secs(300),
        drop_invalid_headers: false,
    }
}

fn server(backend: &str) -> Server {
    Server {
        backend: backend.to_owned(),
        name: NAME.to_owned(),
        maintenance: false,
        up: true,
        weight: 1,
        requests: 0,
        check: Check::None,
    }
}

fn words(plan: &Plan) -> Vec<&str> {
    plan.commands.iter().map(|(Command::Must(command, _) | Command::May(command))| command.as_str()).collect()
}

fn only(plan: &Plan) -> TargetHealth {
    plan.health["api"][&SocketAddrV4::new(HOST, 8080)]
}

#[test]
fn a_target_that_a_node_does_not_know_is_added_and_checked_without_requests() {
    let plan = plan(&balancer(false), &[], &Draining::default());
    assert_eq!(
        words(&plan),
        [
            "add server all-api/10.0.10.50:8080 10.0.10.50:8080",
            "enable server all-api/10.0.10.50:8080",
            "add server new-api/10.0.10.50:8080 10.0.10.50:8080 check inter 100 fall 300 rise 1",
            "enable health new-api/10.0.10.50:8080; enable server new-api/10.0.10.50:8080; set server \
             new-api/10.0.10.50:8080 health up",
        ]
    );
    assert_eq!(only(&plan), TargetHealth::Initial);
}

#[test]
fn a_target_becomes_a_member_with_its_first_passed_check() {
    let passed = Server { check: Check::Passed, ..server("new-api") };
    let plan = plan(&balancer(false), &[server("all-api"), passed], &Draining::default());
    assert_eq!(
        words(&plan),
        [
            "add server tg-api/10.0.10.50:8080 10.0.10.50:8080 check inter 10000 fall 3 rise 2",
            "enable health tg-api/10.0.10.50:8080; enable server tg-api/10.0.10.50:8080; set server \
             tg-api/10.0.10.50:8080 health up",
            "set server new-api/10.0.10.50:8080 state maint",
            "shutdown sessions server new-api/10.0.10.50:8080",
            "del server new-api/10.0.10.50:8080",
        ]
    );
    assert_eq!(only(&plan), TargetHealth::Healthy);
}

#[test]
fn a_failed_check_alone_decides_nothing_but_all_of_them_do() {
    let failing = Server { check: Check::Failed, ..server("new-api") };
    let early = plan(&balancer(false), &[server("all-api"), failing.clone()], &Draining::default());
    assert_eq!((words(&early).len(), only(&early)), (0, TargetHealth::Initial));
    let down = Server { up: false, ..failing };
    let late = plan(&balancer(false), &[server("all-api"), down], &Draining::default());
    assert!(words(&late).iter().any(|command| command.ends_with("health down")), "{:?}", words(&late));
    assert_eq!(only(&late), TargetHealth::Unhealthy);
}

#[test]
fn nothing_is_told_to_a_node_where_all_is_well() {
    let plan = plan(&balancer(false), &[server("all-api"), server("tg-api")], &Draining::default());
    assert_eq!((words(&plan).len(), only(&plan)), (0, TargetHealth::Healthy));
}

#[test]
fn a_draining_target_keeps_its_requests_and_gets_no_new_one() {
    let busy = Server { requests: 1, ..server("tg-api") };
    let first = plan(&balancer(true), &[server("all-api"), busy.clone()], &Draining::default());
    assert_eq!(
        words(&first),
        ["set server tg-api/10.0.10.50:8080 weight 0", "set server all-api/10.0.10.50:8080 weight 0"]
    );
    assert_eq!(only(&first), TargetHealth::Draining);
    let weightless = [Server { weight: 0, ..server("all-api") }, Server { weight: 0, ..busy }];
    let waiting = plan(&balancer(true), &weightless, &Draining::default());
    assert_eq!((words(&waiting).len(), only(&waiting)), (0, TargetHealth::Draining));
}

#[test]
fn an_idle_draining_target_goes_only_after_it_was_taken_out_of_service() {
    let servers = [server("all-api"), server("tg-api")];
    assert_eq!(only(&plan(&balancer(true), &servers, &Draining::default())), TargetHealth::Draining);
    let servers = servers.map(|server| Server { weight: 0, ..server });
    let last = plan(&balancer(true), &servers, &Draining::default());
    assert_eq!(only(&last), TargetHealth::Unused);
    assert_eq!(words(&last).len(), 6);
}

#[test]
fn a_draining_target_goes_when_its_time_is_over_whatever_it_has() {
    let busy = Server { requests: 1, weight: 0, ..server("tg-api") };
    let expired = BTreeSet::from([("api".to_owned(), NAME.to_owned())]);
    let plan = plan(&balancer(true), &[busy], &Draining { expired, older_process: true });
    assert_eq!(only(&plan), TargetHealth::Unused);
    assert!(words(&plan).contains(&"shutdown sessions server tg-api/10.0.10.50:8080"), "{:?}", words(&plan));
}

#[test]
fn an_older_process_may_still_have_a_request_for_a_draining_target() {
    let draining = Draining { older_process: true, ..Draining::default() };
    assert_eq!(only(&plan(&balancer(true), &[], &draining)), TargetHealth::Draining);
}

#[test]
fn a_target_that_is_registered_again_while_it_drains_takes_requests_again() {
    let servers = [server("all-api"), server("tg-api")].map(|server| Server { weight: 0, ..server });
    let plan = plan(&balancer(false), &servers, &Draining::default());
    assert_eq!(
        words(&plan),
        ["set server all-api/10.0.10.50:8080 weight 1", "set server tg-api/10.0.10.50:8080 weight 1"]
    );
    assert_eq!(only(&plan), TargetHealth::Healthy);
}

#[test]
fn a_server_that_no_model_names_is_removed() {
    let mut balancer = balancer(false);
    balancer.target_groups.get_mut("api").unwrap().targets.clear();
    let leaving = Server { maintenance: true, ..server("all-api") };
    let plan = plan(&balancer, &[leaving, server("tg-api")], &Draining::default());
    assert_eq!(
        words(&plan),
        [
            "shutdown sessions server all-api/10.0.10.50:8080",
            "del server all-api/10.0.10.50:8080",
            "set server tg-api/10.0.10.50:8080 state maint",
            "shutdown sessions server tg-api/10.0.10.50:8080",
            "del server tg-api/10.0.10.50:8080",
        ]
    );
}

#[test]
fn a_target_is_healthy_when_every_node_that_answers_finds_it_so() {
    let target = SocketAddrV4::new(HOST, 8080);
    let of = |health| Some(BTreeMap::from([("api".to_owned(), BTreeMap::from([(target, health)]))]));
    let both = |one, other| together(vec![one, other]).map(|health| health["api"][&target]);
    assert_eq!(both(of(TargetHealth::Healthy), of(TargetHealth::Healthy)), Some(TargetHealth::Healthy));
    assert_eq!(both(of(TargetHealth::Healthy), of(TargetHealth::Initial)), Some(TargetHealth::Initial));
    assert_eq!(both(of(TargetHealth::Unhealthy), of(TargetHealth::Healthy)), Some(TargetHealth::Unhealthy));
    assert_eq!(both(of(TargetHealth::Unused), of(TargetHealth::Draining)), Some(TargetHealth::Draining));
    assert_eq!(both(of(TargetHealth::Unused), of(TargetHealth::Unused)), Some(TargetHealth::Unused));
    assert_eq!(both(of(TargetHealth::Healthy), None), Some(TargetHealth::Healthy));
}

#[test]
fn where_a_node_is_silent_nothing_is_drained_and_where_all_are_nothing_is_known() {
    let target = SocketAddrV4::new(HOST, 8080);
    let unused = BTreeMap::from([("api".to_owned(), BTreeMap::from([(target, TargetHealth::Unused)]))]);
    assert_eq!(together(vec![Some(unused), None]).unwrap()["api"][&target], TargetHealth::Draining);
    assert_eq!(together(vec![None, None]), None);
    assert_eq!(together(Vec::new()), None);
}

#[test]
fn a_target_that_is_named_twice_is_one_and_registered_if_it_is_so_once() {
    let mut balancer = balancer(true);
    let targets = &mut balancer.target_groups.get_mut("api").unwrap().targets;
    targets.push(Target { draining: false, ..targets[0].clone() });
    let plan = plan(&balancer, &[server("all-api"), server("tg-api")], &Draining::default());
    assert_eq!((words(&plan).len(), only(&plan)), (0, TargetHealth::Healthy));
}
