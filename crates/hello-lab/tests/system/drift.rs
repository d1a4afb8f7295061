//! What is changed by hand is put right.

use crate::support::{
    lab::{LONG, SOON, TestLab},
    load::{Client, Request},
    parts::{Parts, namespace_of},
    probe::{ANSWER, Reach, SILENCE, connect, resolve},
    wait_for,
};
use hello_lab::network::netns::Namespace;
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    net::{Ipv4Addr, SocketAddrV4},
    process::Command,
    time::Instant,
};

/// Checks that take most of an hour to find a target unhealthy; the first of a new one come as soon as ever.
const PATIENT: &[&str] = &[
    "TF_VAR_load_balancer={\"health_check\":{\"interval\":300,\"timeout\":60,\"healthy_threshold\":2,\"unhealthy_threshold\":10}}",
];

#[test]
fn what_was_changed_by_hand_is_put_right() {
    let lab = TestLab::standing();
    // What is changed by hand is put right within seconds, on a busy machine later than the checks of a target would take
    // to fail: its task would be replaced before that.
    lab.apply(PATIENT);
    let client = Client::of(&lab);
    let parts = lab.settled(2, LONG);
    let [node, task, database] =
        [&parts.nodes, &parts.tasks, &parts.databases].map(|list| Parts::in_zone(list, 'a').clone());
    let public = node.public.unwrap();
    let task_namespace = namespace_of(&lab, task.address).unwrap();
    let node_namespace = namespace_of(&lab, node.address).unwrap();
    let vpc = crate::support::machine::namespaces()
        .into_iter()
        .find(|name| name.starts_with(&format!("hl-{}-vpc-", lab.name())) && !name.ends_with("-dns"));
    let router = Namespace::named(vpc.expect("the VPC has a router"));
    let postgres = SocketAddrV4::new(database.address, 5432);

    by_hand(&router, "nft", &["flush", "ruleset"]);
    let begin = Instant::now();
    wait_for("the load balancer reaches no database again", SOON, || {
        closed(&connect(&node_namespace, postgres, SILENCE))
    });
    reached(&task_namespace, postgres);
    lab.step(&format!("the filter is back after {:.1} s", begin.elapsed().as_secs_f64()));

    by_hand(&task_namespace, "ip", &["route", "flush", "table", "main"]);
    let begin = Instant::now();
    reached(&task_namespace, postgres);
    lab.step(&format!("a task's routes are back after {:.1} s", begin.elapsed().as_secs_f64()));

    by_hand(&router, "ip", &["route", "flush", "table", "main"]);
    let begin = Instant::now();
    reached(&task_namespace, postgres);
    lab.step(&format!("the router's routes are back after {:.1} s", begin.elapsed().as_secs_f64()));

    let link = output(&task_namespace, "ip", &["-oneline", "link", "show", "type", "veth"]);
    let link = link.split(": ").nth(1).and_then(|name| name.split('@').next()).expect("the task has a link");
    by_hand(&task_namespace, "ip", &["link", "delete", link]);
    let begin = Instant::now();
    reached(&task_namespace, postgres);
    lab.step(&format!("a task's link is back after {:.1} s", begin.elapsed().as_secs_f64()));
    reached(&node_namespace, SocketAddrV4::new(task.address, 8080));

    for (what, of_part) in [
        ("HAProxy", "haproxy-"),
        ("the VPC's DNS server", "dns-eu-west-1-"),
        ("the internet's DNS server", "dns-internet"),
    ] {
        let victims: Vec<i32> = lab
            .processes()
            .iter()
            .filter(|(name, _)| name.starts_with(of_part))
            .map(|(_, pid)| *pid)
            .collect();
        assert!(!victims.is_empty(), "{what} does not run");
        for pid in victims {
            // An HAProxy with an older configuration ends at any time.
            let killed = kill(Pid::from_raw(pid), Signal::SIGKILL);
            assert!(matches!(killed, Ok(()) | Err(Errno::ESRCH)), "{killed:?}");
        }
        let begin = Instant::now();
        wait_for(&format!("{what} serves again"), SOON, || {
            let resolver = Ipv4Addr::from((u32::from(task.address) & 0xffff_0000) + 2);
            let known = resolve(&task_namespace, resolver, "ghcr.io", SILENCE);
            known.map_err(|error| format!("no DNS: {error}"))?;
            match client.ask(public, &Request::read()) {
                Ok(200 | 404) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        lab.step(&format!("{what} serves {:.1} s after it was killed", begin.elapsed().as_secs_f64()));
    }

    Command::new("ip").args(["netns", "delete", task_namespace.name()]).status().unwrap();
    let begin = Instant::now();
    wait_for("the task is another one", LONG, || {
        let now = lab.parts().tasks;
        if now.iter().any(|other| other.name == task.name) { Err(format!("{now:?}")) } else { Ok(()) }
    });
    lab.settled(2, LONG);
    lab.step(&format!("a task without a namespace is replaced after {:.1} s", begin.elapsed().as_secs_f64()));

    lab.plan_is_clean_with(PATIENT);
}

#[track_caller]
fn reached(from: &Namespace, to: SocketAddrV4) {
    wait_for(&format!("{to} is reached"), SOON, || match connect(from, to, ANSWER) {
        Reach::Connected => Ok(()),
        other => Err(other.to_string()),
    });
}

fn closed(reach: &Reach) -> Result<(), String> {
    if *reach == Reach::Silence { Ok(()) } else { Err(reach.to_string()) }
}

/// Runs a program in a namespace, as somebody would by hand.
#[track_caller]
fn by_hand(namespace: &Namespace, program: &'static str, arguments: &[&str]) {
    output(namespace, program, arguments);
}

#[track_caller]
fn output(namespace: &Namespace, program: &'static str, arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    let ran = namespace.run(move || Command::new(program).args(arguments).output()).unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}
