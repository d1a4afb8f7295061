//! From any state to the wanted one: changed by hand, half made, more than wanted; and back to nothing.

use crate::fixture::{Region, group_peer, tcp};
use hello_lab::network::{
    self,
    execution::execute,
    observation::observe,
    plan::{Action, Plan},
    wanted::Wanted,
};
use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

const DB: &str = "10.0.128.40";
const REGISTRY: &str = "198.51.100.10";

/// Some arrows that between them use every kind of thing there is, and some that must not be.
fn is_whole(region: &Region) {
    assert_eq!(region.seen_as("client", "203.0.113.11", 443), "203.0.113.50");
    assert_eq!(region.seen_as("task-a", DB, 5432), "10.0.128.50");
    assert_eq!(region.seen_as("task-b", REGISTRY, 443), "203.0.113.10");
    region.datagram_answered("db", "10.0.0.2", 53);
    region.dropped("alb-a", DB, 5432);
    region.dropped("db", REGISTRY, 443);
}

fn serve(region: &Region) {
    region.serve("alb-a", &[443]);
    region.serve("db", &[5432]);
    region.serve("registry", &[443]);
    region.serve("resolver", &[53]);
}

fn plan(region: &Region) -> Plan {
    let wanted = Wanted::of(&region.network);
    Plan::of(&wanted, &observe(&region.lab.namespace_prefix(), &wanted).unwrap())
}

#[test]
fn what_was_changed_by_hand_is_put_right() {
    let region = Region::standing();
    serve(&region);
    for (part, program, arguments) in [
        ("router", "ip", "route del 10.0.128.50/32"),
        ("router", "ip", "route replace 10.0.128.50/32 dev 10.0.144.50"),
        ("router", "ip", "route del default table 3304"),
        ("router", "ip", "route add 198.51.100.0/24 via 10.0.0.20 dev 10.0.0.20 onlink table 3304"),
        ("router", "ip", "route add unreachable 203.0.113.0/24 metric 7"),
        ("router", "ip", "rule del pref 100"),
        ("router", "ip", "rule add pref 50 from 10.0.128.0/20 blackhole"),
        ("router", "ip", "rule add pref 60 fwmark 7 lookup 1000"),
        ("router", "ip", "link del 10.0.128.50"),
        ("router", "ip", "link del igw"),
        ("router", "ip", "link set 10.0.128.40 down"),
        ("router", "ip", "addr del 10.0.128.1/32 dev lo"),
        ("router", "ip", "addr add 203.0.113.50/32 dev lo"),
        ("router", "ip", "link add stray type veth peer name stray-too"),
        ("router", "nft", "delete table inet vpc"),
        ("router", "nft", "insert rule inet vpc forward accept"),
        ("router", "nft", "add element inet vpc members-sg-tasks { 10.0.0.20 }"),
        ("router", "nft", "flush chain inet vpc forward"),
        ("igw", "nft", "flush ruleset"),
        ("nat", "nft", "flush chain ip gateway sources"),
        ("nat", "ip", "link set eth0 down"),
        ("nat", "ip", "link del eth0"),
        ("task-a", "ip", "addr flush dev eth0"),
        ("task-a", "ip", "addr add 10.0.128.51/20 dev eth0"),
        ("task-a", "ip", "route replace default via 10.0.128.40"),
        ("task-a", "ip", "link set eth0 name eth7"),
        ("internet", "ip", "route del 203.0.113.11/32"),
        ("internet", "ip", "link set lo down"),
        ("resolver", "ip", "link del eth0"),
        ("resolver", "write", "ip_forward 1"),
        ("router", "write", "conf/10.0.128.50/proxy_arp 0"),
        ("router", "write", "conf/igw/rp_filter 0"),
    ] {
        match (program, arguments.split_once(' ')) {
            ("write", Some((setting, value))) => {
                let path = format!("/proc/sys/net/ipv4/{setting}");
                region.namespace(part).run(move || fs::write(path, value)).unwrap();
            }
            _ => region.by_hand(part, program, arguments),
        }
        let report = region.pass();
        assert!(!report.done.is_empty(), "not noticed: {program} {arguments} in {part}");
        assert_eq!(plan(&region), Plan::default(), "after {program} {arguments} in {part}");
    }
    is_whole(&region);
}

#[test]
fn namespaces_that_were_deleted_by_hand_are_made_again_with_all_that_hangs_on_them() {
    let region = Region::standing();
    for part in ["router", "igw", "task-a", "internet"] {
        region.namespace(part).delete().unwrap();
        // What a daemon leaves that is killed while it makes the namespace.
        fs::write(region.namespace(part).path(), "").unwrap();
        region.reconcile();
    }
    serve(&region);
    is_whole(&region);
}

#[test]
fn a_namespace_that_a_process_keeps_alive_behind_its_deleted_name_is_replaced() {
    let region = Region::standing();
    for part in ["task-a", "router"] {
        // The socket keeps the old namespace, and so the old end of the wire, alive.
        let kept = region.namespace(part).run(|| TcpListener::bind("0.0.0.0:9")).unwrap();
        region.namespace(part).delete().unwrap();
        region.reconcile();
        drop(kept);
    }
    serve(&region);
    is_whole(&region);
}

#[test]
fn a_pass_that_was_interrupted_anywhere_is_completed_by_the_next() {
    let whole = plan(&Region::described()).actions.len();
    // Every eleventh place: the first and last of each phase are among them.
    let mut places: Vec<usize> = (0..whole).step_by(whole / 11).collect();
    let phases = plan(&Region::described());
    places.extend(
        phases
            .actions
            .windows(2)
            .enumerate()
            .filter_map(|(place, pair)| (pair[0].phase() != pair[1].phase()).then_some(place + 1)),
    );
    for place in places {
        let region = Region::described();
        let failures = execute(&plan(&region).actions[..place]);
        assert!(failures.is_empty(), "{place}: {failures:?}");
        region.reconcile();
        serve(&region);
        is_whole(&region);
    }
}

/// The variable by which the process that is to be killed is told its lab.
const LAB: &str = "HELLO_LAB_TEST_NETWORK";

#[test]
#[ignore = "it is what a_pass_whose_process_is_killed_is_completed_by_the_next starts and kills"]
fn one_pass_in_a_process_of_its_own() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test that is started again has no other way to be told anything"
    )]
    let region = Region::named(std::env::var(LAB).unwrap());
    let _ = region.pass();
    // Its network is the other process's to remove.
    std::mem::forget(region);
}

#[test]
fn a_pass_whose_process_is_killed_is_completed_by_the_next() {
    let begin = |region: &Region| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "repair::one_pass_in_a_process_of_its_own", "--ignored"]);
        command.env(LAB, region.lab.name()).stdout(Stdio::null()).spawn().unwrap()
    };
    let undisturbed = Instant::now();
    let region = Region::described();
    assert!(begin(&region).wait().unwrap().success());
    let undisturbed = undisturbed.elapsed();
    drop(region);
    for eighth in 1..=8 {
        let region = Region::described();
        let mut process = begin(&region);
        // No condition to wait for: any moment will do, so they are spread over the whole time.
        thread::sleep(undisturbed * eighth / 8);
        process.kill().unwrap();
        process.wait().unwrap();
        region.reconcile();
        serve(&region);
        is_whole(&region);
    }
}

#[test]
fn a_change_that_was_interrupted_anywhere_is_completed_by_the_next() {
    let mut region = Region::standing();
    let mut there = false;
    for place in 0.. {
        there = !there;
        change(&mut region, there);
        let actions = plan(&region).actions;
        let failures = execute(&actions[..place.min(actions.len())]);
        assert!(failures.is_empty(), "{place}: {failures:?}");
        region.reconcile();
        if place >= actions.len() {
            break;
        }
    }
    if there {
        change(&mut region, false);
        region.reconcile();
    }
    serve(&region);
    is_whole(&region);
}

/// Changes something of every kind, there or back.
fn change(region: &mut Region, there: bool) {
    if there {
        let mut task = region.interface("task-a").clone();
        "eni-extra".clone_into(&mut task.id);
        region.namespace("extra").name().clone_into(&mut task.namespace);
        task.address = "10.0.128.60".parse().unwrap();
        region.vpc().interfaces.insert(task.id.clone(), task);
        region.group("database").ingress.insert(tcp(9, group_peer("alb")));
        region.vpc().route_tables.get_mut("private-a").unwrap().routes.clear();
        region.interface("bastion").public_address = None;
        region.interface("db").cut = true;
    } else {
        let fresh = Region::described();
        region.vpc().interfaces.remove("eni-extra");
        region.group("database").ingress.remove(&tcp(9, group_peer("alb")));
        region.vpc().route_tables = fresh.network.vpcs["vpc-a"].route_tables.clone();
        region.interface("bastion").public_address = Some("203.0.113.13".parse().unwrap());
        region.interface("db").cut = false;
    }
}

#[test]
fn a_namespace_that_others_made_stays_until_the_lab_is_torn_down() {
    let region = Region::standing();
    let others = region.namespace("others");
    others.create().unwrap();
    region.by_hand("others", "ip", "link add one type veth peer name two");
    region.reconcile();
    region.by_hand("others", "ip", "link show one");
    network::teardown(&region.lab).unwrap();
    assert!(!others.exists());
}

#[test]
fn a_namespace_that_others_made_for_a_part_is_adopted_and_goes_with_the_part() {
    let mut region = Region::described();
    region.namespace("task-a").create().unwrap();
    region.reconcile();
    region.vpc().interfaces.remove("eni-task-a");
    region.reconcile();
    assert!(!region.namespace("task-a").exists());
}

/// A directory where a namespace should be pinned.
struct Obstacle(PathBuf);

impl Obstacle {
    fn at(path: PathBuf) -> Obstacle {
        fs::create_dir(&path).unwrap();
        Obstacle(path)
    }
}

impl Drop for Obstacle {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn what_fails_in_one_namespace_keeps_no_other_from_being_built_or_removed() {
    let region = Region::described();
    let obstacle = Obstacle::at(region.namespace("task-a").path());
    let error = network::reconcile(&region.lab, &region.network).unwrap_err();
    assert!(error.to_string().contains(region.namespace("task-a").name()), "{error}");
    assert!(!error.to_string().contains("task-b"), "{error}");
    region.serve("db", &[5432]);
    region.connect("task-b", DB, 5432);

    let error = network::teardown(&region.lab).unwrap_err();
    assert!(error.to_string().contains(region.namespace("task-a").name()), "{error}");
    drop(obstacle);
    assert_eq!(region.listed(), Vec::<String>::new());
}

#[test]
fn a_part_that_is_gone_is_disconnected_at_once_and_its_namespace_goes_after_its_last_process() {
    let mut region = Region::standing();
    region.serve("db", &[5432]);
    let mut process = region.namespace("task-a").run(|| Command::new("sleep").arg("60").spawn()).unwrap();
    let gone = region.vpc().interfaces.remove("eni-task-a").unwrap();
    let report = region.pass();
    assert!(report.waiting.iter().any(|sentence| sentence.contains(&gone.namespace)), "{report:?}");
    region.reconcile();
    assert!(region.listed().contains(&gone.namespace));
    let error = region.try_connect("task-a", DB, 5432, crate::fixture::SILENCE).err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::NetworkUnreachable);

    process.kill().unwrap();
    process.wait().unwrap();
    region.reconcile();
    assert!(!region.listed().contains(&gone.namespace));
}

#[test]
fn tear_down_leaves_nothing_and_can_be_done_twice() {
    let region = Region::standing();
    assert_eq!(region.listed().len(), 5 + 1 + 8 + 3);
    fs::write(region.namespace("leftover").path(), "").unwrap();
    network::teardown(&region.lab).unwrap();
    assert_eq!(region.listed(), Vec::<String>::new());
    network::teardown(&region.lab).unwrap();
    assert!(!region.namespace("leftover").path().exists());
}

#[test]
fn a_namespace_of_another_lab_is_refused_before_anything_is_done() {
    let mut region = Region::described();
    "hl-other-task".clone_into(&mut region.interface("task-a").namespace);
    let error = network::reconcile(&region.lab, &region.network).unwrap_err();
    assert!(error.to_string().contains("hl-other-task"), "{error}");
    assert_eq!(region.listed(), Vec::<String>::new());
}

#[test]
fn a_change_of_rules_replaces_one_filter_and_nothing_else() {
    let mut region = Region::standing();
    region.group("database").ingress.insert(tcp(9, group_peer("alb")));
    let report = region.pass();
    assert!(matches!(&report.done[..], [Action::ApplyRuleset(..)]), "{report:?}");
}
