//! New configurations, kill and adoption of HAProxy, and its end.

use crate::support::{Bench, GROUP, LIMIT, Load, NODES, Server, group, listener};
use hello_lab::load_balancer::{
    LoadBalancers,
    model::{Action, TargetHealth},
};
use hello_testkit::{Poll, wait_until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::fs;

const ID: &str = "eu-central-1.web";

async fn pids(balancers: &LoadBalancers) -> Vec<i32> {
    balancers.nodes(ID).await.into_iter().map(|status| status.pid.unwrap_or(0)).collect()
}

#[tokio::test]
async fn a_new_configuration_under_load_fails_no_request_and_keeps_healthy_targets() {
    let bench = Bench::new();
    let (one, two) = (Server::start(&bench, [127, 0, 10, 1]), Server::start(&bench, [127, 0, 11, 1]));
    let mut model = bench.balancer(&[&one, &two]);
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    let before = pids(&bench.balancers).await;
    let load = Load::start(&bench);
    load.more(50).await;
    for port in [81, 82, 83] {
        let fixed =
            Action::Fixed { status: 200, content_type: "text/plain".to_owned(), body: port.to_string() };
        model.listeners.insert(port, listener(fixed));
        bench.balancers.reconcile(&model).await.unwrap();
        assert_eq!(bench.curl(&[&format!("http://127.0.1.1:{port}/")]).await, port.to_string());
        let health = bench.balancers.health(ID).unwrap();
        assert!(health[GROUP].values().all(|health| *health == TargetHealth::Healthy), "{health:?}");
        load.more(50).await;
    }
    let (requests, wrong) = load.end().await;
    assert_eq!(wrong, Vec::<String>::new(), "of {requests} requests");
    assert_ne!(pids(&bench.balancers).await, before);
    wait_until("the first processes have ended", LIMIT, async || {
        let alive: Vec<_> = before.iter().filter(|pid| kill(Pid::from_raw(**pid), None).is_ok()).collect();
        Poll::ready_if(alive.is_empty(), format!("{alive:?}"))
    })
    .await;
}

/// The name of a socket has at most 107 bytes.
#[tokio::test]
async fn the_longest_names_work_through_many_configurations() {
    let bench = Bench::new();
    let mut model = bench.balancer(&[]);
    model.region = "ap-southeast-1".to_owned();
    model.name = "x".repeat(32);
    for port in 1..=12 {
        let fixed =
            Action::Fixed { status: 200, content_type: "text/plain".to_owned(), body: port.to_string() };
        model.listeners.insert(8000 + port, listener(fixed));
        bench.balancers.reconcile(&model).await.unwrap();
        assert_eq!(bench.curl(&[&format!("http://127.0.1.1:{}/", 8000 + port)]).await, port.to_string());
    }
    assert!(bench.balancers.health(&model.id()).is_some(), "no node says how its targets fare");
}

#[tokio::test]
async fn a_name_that_leads_out_of_the_directory_is_refused() {
    let bench = Bench::new();
    let mut model = bench.balancer(&[]);
    model.name = "../../x".to_owned();
    let error = bench.balancers.reconcile(&model).await.unwrap_err().to_string();
    assert!(error.contains("\"../../x\" is no name that AWS takes"), "{error}");
}

#[tokio::test]
async fn an_unhealthy_target_gets_no_request_from_a_new_configuration() {
    let bench = Bench::new();
    let (one, two) = (Server::start(&bench, [127, 0, 10, 1]), Server::start(&bench, [127, 0, 11, 1]));
    let mut model = bench.balancer(&[&one, &two]);
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    two.set_health(500);
    bench.one(&two, TargetHealth::Unhealthy).await;
    let before = two.requests();
    model.drop_invalid_headers = true;
    bench.balancers.reconcile(&model).await.unwrap();
    assert_eq!(bench.balancers.health(ID).unwrap()[GROUP][&two.address], TargetHealth::Unhealthy);
    for _ in 0..4 {
        assert_eq!(bench.get("/who").await.body, "127.0.10.1");
    }
    assert_eq!(two.requests(), before);
}

#[tokio::test]
async fn a_request_begun_before_a_new_configuration_ends_as_it_began() {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    let mut model = bench.balancer(&[&one]);
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    let mut client = bench.client(NODES[0]).await;
    let running = tokio::spawn(async move { client.get("/slow").await });
    one.has_requests(1).await;
    model.drop_invalid_headers = true;
    bench.balancers.reconcile(&model).await.unwrap();
    one.release();
    assert_eq!(running.await.unwrap().status, 200);
}

#[tokio::test]
async fn nothing_is_started_again_where_nothing_has_changed() {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    let model = bench.balancer(&[&one]);
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    let before = pids(&bench.balancers).await;
    bench.balancers.reconcile(&model).await.unwrap();
    assert_eq!(pids(&bench.balancers).await, before);
}

#[tokio::test]
async fn a_restarted_daemon_adopts_what_runs() {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    let model = bench.balancer(&[&one]);
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    let before = pids(&bench.balancers).await;
    let second = LoadBalancers::new(&bench.lab);
    second.reconcile(&model).await.unwrap();
    assert_eq!(pids(&second).await, before);
    assert_eq!(second.health(ID).unwrap()[GROUP][&one.address], TargetHealth::Healthy);
}

#[tokio::test]
async fn a_daemon_restarted_amid_a_change_adopts_the_newest_process_and_lets_the_older_finish() {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    let mut model = bench.balancer(&[&one]);
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    let older = pids(&bench.balancers).await;
    let mut client = bench.client(NODES[0]).await;
    let running = tokio::spawn(async move { client.get("/slow").await });
    one.has_requests(1).await;
    model.drop_invalid_headers = true;
    bench.balancers.reconcile(&model).await.unwrap();
    let newer = pids(&bench.balancers).await;
    // What a change that was cut off before its process was started leaves.
    let node = bench.lab.run("load-balancers").join(ID).join("127.0.1.1");
    fs::create_dir(node.join("g99")).unwrap();
    let second = LoadBalancers::new(&bench.lab);
    second.reconcile(&model).await.unwrap();
    assert_eq!(pids(&second).await, newer);
    assert!(!node.join("g99").exists());
    assert!(kill(Pid::from_raw(older[0]), None).is_ok(), "the older process still has a request");
    // A draining target is not done while the older process may have a request of it.
    model.target_groups.get_mut(GROUP).unwrap().targets[0].draining = true;
    second.reconcile(&model).await.unwrap();
    assert_eq!(second.health(ID).unwrap()[GROUP][&one.address], TargetHealth::Draining);
    one.release();
    assert_eq!(running.await.unwrap().status, 200);
    wait_until("the target is drained", LIMIT, async || {
        let health = second.health(ID).unwrap()[GROUP][&one.address];
        Poll::ready_if(health == TargetHealth::Unused, format!("{health:?}"))
    })
    .await;
}

#[tokio::test]
async fn a_frozen_node_neither_holds_up_the_others_nor_counts() {
    let bench = Bench::new();
    let (one, two) = (Server::start(&bench, [127, 0, 10, 1]), Server::start(&bench, [127, 0, 11, 1]));
    let mut model = bench.balancer(&[&one]);
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    let frozen = Pid::from_raw(pids(&bench.balancers).await[1]);
    kill(frozen, Signal::SIGSTOP).unwrap();
    model.target_groups.insert(GROUP.to_owned(), group(GROUP, &[&one, &two]));
    bench.balancers.reconcile(&model).await.unwrap();
    bench.one(&two, TargetHealth::Healthy).await;
    kill(frozen, Signal::SIGCONT).unwrap();
    wait_until("the other node knows the new target", LIMIT, async || {
        let answer = bench.client(NODES[1]).await.get("/who").await.body;
        Poll::ready_if(answer == "127.0.11.1", answer)
    })
    .await;
}

#[tokio::test]
async fn a_killed_process_is_noticed_and_the_next_reconcile_replaces_it() {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    let model = bench.balancer(&[&one]);
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    let before = pids(&bench.balancers).await;
    let mut changes = bench.balancers.changes();
    changes.mark_unchanged();
    kill(Pid::from_raw(before[0]), Signal::SIGKILL).unwrap();
    tokio::time::timeout(LIMIT, changes.changed()).await.unwrap().unwrap();
    wait_until("the process is known to be gone", LIMIT, async || {
        let pids = pids(&bench.balancers).await;
        Poll::ready_if(pids[0] == 0, format!("{pids:?}"))
    })
    .await;
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    let after = pids(&bench.balancers).await;
    assert!(after[0] != before[0] && after[1] == before[1], "{before:?} {after:?}");
    assert_eq!(bench.get("/who").await.status, 200);
}

#[tokio::test]
async fn processes_are_unprivileged_and_know_no_secret_of_others() {
    let bench = Bench::new();
    bench.balancers.reconcile(&bench.balancer(&[])).await.unwrap();
    for pid in pids(&bench.balancers).await {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert!(!line("Uid:").contains("\t0"), "{}", line("Uid:"));
        assert!(line("CapEff:").ends_with("0000000000000000"), "{}", line("CapEff:"));
        let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        println!("{}", memory.lines().find(|line| line.starts_with("Pss:")).unwrap());
    }
}

#[tokio::test]
async fn a_node_that_the_model_no_longer_has_is_ended() {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    let mut model = bench.balancer(&[&one]);
    bench.balancers.reconcile(&model).await.unwrap();
    let before = pids(&bench.balancers).await;
    model.nodes.truncate(1);
    bench.balancers.reconcile(&model).await.unwrap();
    assert_eq!(pids(&bench.balancers).await, before[..1]);
    assert!(kill(Pid::from_raw(before[1]), None).is_err());
}

#[tokio::test]
async fn a_process_whose_namespace_was_made_anew_is_replaced() {
    let bench = Bench::new();
    let model = bench.balancer(&[]);
    bench.balancers.reconcile(&model).await.unwrap();
    let before = pids(&bench.balancers).await;
    bench.namespace.delete().unwrap();
    bench.namespace.create().unwrap();
    bench.run(std::process::Command::new("ip").args(["link", "set", "lo", "up"]));
    bench.balancers.reconcile(&model).await.unwrap();
    let after = pids(&bench.balancers).await;
    assert!(before[0] != after[0] && before[1] != after[1], "{before:?} {after:?}");
    assert_eq!(bench.get("/who").await.status, 503);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_leaves_the_running_one_alone() {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    let mut model = bench.balancer(&[&one]);
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    let before = pids(&bench.balancers).await;
    let good = model.clone();
    let bad = bench.directory.path().join("bad.pem");
    fs::write(&bad, "this is no certificate").unwrap();
    let mut tls = listener(Action::Forward(GROUP.to_owned()));
    tls.certificate = Some(bad);
    model.listeners.insert(443, tls);
    let error = bench.balancers.reconcile(&model).await.unwrap_err().to_string();
    assert!(error.contains("does not start at 127.0.1.1"), "{error}");
    assert!(error.contains("certificate-"), "{error}");
    assert_eq!(bench.get("/who").await.status, 200);
    bench.balancers.reconcile(&good).await.unwrap();
    assert_eq!(pids(&bench.balancers).await, before);
}

#[tokio::test]
async fn teardown_leaves_neither_process_nor_file_also_of_an_earlier_daemon() {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    let mut model = bench.balancer(&[&one]);
    bench.balancers.reconcile(&model).await.unwrap();
    model.target_groups.insert("other".to_owned(), group("other", &[&one]));
    bench.balancers.reconcile(&model).await.unwrap();
    let before = pids(&bench.balancers).await;
    let second = LoadBalancers::new(&bench.lab);
    let errors = second.teardown().await;
    assert!(errors.is_empty(), "{errors:?}");
    assert!(!bench.lab.run("load-balancers").exists());
    let records: Vec<_> = fs::read_dir(bench.lab.run("processes")).unwrap().flatten().collect();
    assert_eq!(records.len(), 0, "{records:?}");
    assert!(before.into_iter().all(|pid| kill(Pid::from_raw(pid), None).is_err()
        || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))));
    assert_eq!(bench.lab.processes().kill_all(), 0);
}
