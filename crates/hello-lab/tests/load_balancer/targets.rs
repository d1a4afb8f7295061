//! Registration, health checks, draining and failing open.

use crate::support::{Bench, GROUP, LIMIT, Load, NODES, Server, group};
use hello_lab::load_balancer::model::TargetHealth;
use hello_testkit::{Poll, wait_until};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

#[tokio::test]
async fn a_new_target_gets_requests_after_its_first_passed_check_however_long_the_interval() {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    let mut model = bench.balancer(&[&one]);
    let check = &mut model.target_groups.get_mut(GROUP).unwrap().health_check;
    (check.interval, check.healthy_threshold) = (Duration::from_secs(300), 10);
    let begun = Instant::now();
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    println!("healthy after {:?}", begun.elapsed());
    assert_eq!(bench.get("/who").await.body, "127.0.10.1");
}

#[tokio::test]
async fn both_nodes_spread_requests_over_all_targets_in_turn() {
    let bench = Bench::new();
    let (one, two) = (Server::start(&bench, [127, 0, 10, 1]), Server::start(&bench, [127, 0, 11, 1]));
    bench.balancers.reconcile(&bench.balancer(&[&one, &two])).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    for node in NODES {
        let mut client = bench.client(node).await;
        let mut answers = Vec::new();
        for _ in 0..4 {
            answers.push(client.get("/who").await.body);
        }
        assert_eq!(answers.iter().collect::<BTreeSet<_>>().len(), 2, "{answers:?}");
        assert_eq!(answers[..2], answers[2..]);
        assert_ne!(answers[0], answers[1]);
    }
}

#[tokio::test]
async fn an_unhealthy_target_is_left_out_and_comes_back_after_its_threshold() {
    let bench = Bench::new();
    let (one, two) = (Server::start(&bench, [127, 0, 10, 1]), Server::start(&bench, [127, 0, 11, 1]));
    bench.balancers.reconcile(&bench.balancer(&[&one, &two])).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    two.set_health(503);
    bench.one(&two, TargetHealth::Unhealthy).await;
    let before = two.requests();
    for _ in 0..6 {
        assert_eq!(bench.get("/who").await.body, "127.0.10.1");
    }
    assert_eq!(two.requests(), before);
    two.set_health(200);
    bench.one(&two, TargetHealth::Healthy).await;
}

#[tokio::test]
async fn the_matcher_says_which_statuses_are_healthy() {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    let mut model = bench.balancer(&[&one]);
    for (matcher, status, health) in [
        ("200,202", 202, TargetHealth::Healthy),
        ("200-299", 302, TargetHealth::Unhealthy),
        ("200-299", 250, TargetHealth::Healthy),
    ] {
        one.set_health(status);
        model.target_groups.get_mut(GROUP).unwrap().health_check.matcher = matcher.to_owned();
        bench.balancers.reconcile(&model).await.unwrap();
        bench.all(health).await;
    }
    model.target_groups.get_mut(GROUP).unwrap().health_check.matcher = "20x".to_owned();
    let error = bench.balancers.reconcile(&model).await.unwrap_err().to_string();
    assert!(error.contains("matcher \"20x\""), "{error}");
}

#[tokio::test]
async fn a_check_asks_for_the_path_at_its_own_port_as_the_load_balancer() {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    let admin = Server::start_at(&bench, "127.0.10.1:9090".parse().unwrap());
    let mut model = bench.balancer(&[&one]);
    let check = &mut model.target_groups.get_mut(GROUP).unwrap().health_check;
    (check.port, check.path) = (Some(9090), "/health/deep?full=1".to_owned());
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    assert!(admin.checks() > 0);
    assert_eq!(one.checks(), 0);
}

#[tokio::test]
async fn a_target_that_never_passes_is_initial_and_then_unhealthy() {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    one.set_health(500);
    one.answer_checks(false);
    bench.balancers.reconcile(&bench.balancer(&[&one])).await.unwrap();
    bench.one(&one, TargetHealth::Initial).await;
    one.answer_checks(true);
    bench.one(&one, TargetHealth::Unhealthy).await;
    one.set_health(200);
    bench.one(&one, TargetHealth::Healthy).await;
}

#[tokio::test]
async fn the_load_balancer_fails_open_when_all_targets_are_unhealthy() {
    let bench = Bench::new();
    let (one, two) = (Server::start(&bench, [127, 0, 10, 1]), Server::start(&bench, [127, 0, 11, 1]));
    bench.balancers.reconcile(&bench.balancer(&[&one, &two])).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    one.set_health(500);
    two.set_health(500);
    bench.all(TargetHealth::Unhealthy).await;
    let answers = [bench.get("/who").await, bench.get("/who").await];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 200]);
    assert_ne!(answers[0].body, answers[1].body);
}

#[tokio::test]
async fn fewer_healthy_targets_than_the_minimum_are_helped_by_all() {
    let bench = Bench::new();
    let (one, two) = (Server::start(&bench, [127, 0, 10, 1]), Server::start(&bench, [127, 0, 11, 1]));
    let mut model = bench.balancer(&[&one, &two]);
    model.target_groups.get_mut(GROUP).unwrap().minimum_healthy_targets = 2;
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    two.set_health(500);
    bench.one(&two, TargetHealth::Unhealthy).await;
    let answers: BTreeSet<_> = [bench.get("/who").await.body, bench.get("/who").await.body].into();
    assert_eq!(answers.len(), 2, "{answers:?}");
}

#[tokio::test]
async fn without_a_target_the_answer_is_503() {
    let bench = Bench::new();
    bench.balancers.reconcile(&bench.balancer(&[])).await.unwrap();
    let answer = bench.get("/who").await;
    assert_eq!((answer.status, answer.header("server")), (503, Some("awselb/2.0")));
    assert!(answer.body.contains("503 Service Temporarily Unavailable"), "{}", answer.body);
}

#[tokio::test]
async fn a_draining_target_finishes_what_it_has_and_gets_nothing_new() {
    let bench = Bench::new();
    let (one, two) = (Server::start(&bench, [127, 0, 10, 1]), Server::start(&bench, [127, 0, 11, 1]));
    let mut model = bench.balancer(&[&one]);
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    let mut client = bench.client(NODES[0]).await;
    let running = tokio::spawn(async move { client.get("/slow").await });
    one.has_requests(1).await;
    model.target_groups.insert(GROUP.to_owned(), group(GROUP, &[&one, &two]));
    model.target_groups.get_mut(GROUP).unwrap().targets[0].draining = true;
    bench.balancers.reconcile(&model).await.unwrap();
    bench.one(&one, TargetHealth::Draining).await;
    bench.one(&two, TargetHealth::Healthy).await;
    for _ in 0..4 {
        assert_eq!(bench.get("/who").await.body, "127.0.11.1");
    }
    one.release();
    let answer = running.await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "127.0.10.1"));
    bench.one(&one, TargetHealth::Unused).await;
}

#[tokio::test]
async fn a_request_that_outlasts_the_deregistration_delay_is_cut_off() {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    let mut model = bench.balancer(&[&one]);
    model.target_groups.get_mut(GROUP).unwrap().deregistration_delay = Duration::from_millis(300);
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    let mut client = bench.client(NODES[0]).await;
    let running = tokio::spawn(async move { client.get("/slow").await });
    one.has_requests(1).await;
    model.target_groups.get_mut(GROUP).unwrap().targets[0].draining = true;
    bench.balancers.reconcile(&model).await.unwrap();
    assert_eq!(running.await.unwrap().status, 502);
    bench.one(&one, TargetHealth::Unused).await;
}

#[tokio::test]
async fn registering_and_draining_under_load_fails_no_request() {
    let bench = Bench::new();
    let (one, two) = (Server::start(&bench, [127, 0, 10, 1]), Server::start(&bench, [127, 0, 11, 1]));
    let mut model = bench.balancer(&[&one]);
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    let load = Load::start(&bench);
    load.more(50).await;
    for _ in 0..3 {
        model.target_groups.insert(GROUP.to_owned(), group(GROUP, &[&one, &two]));
        bench.balancers.reconcile(&model).await.unwrap();
        bench.one(&two, TargetHealth::Healthy).await;
        load.more(50).await;
        model.target_groups.get_mut(GROUP).unwrap().targets[1].draining = true;
        bench.balancers.reconcile(&model).await.unwrap();
        bench.one(&two, TargetHealth::Unused).await;
        model.target_groups.get_mut(GROUP).unwrap().targets.pop();
        bench.balancers.reconcile(&model).await.unwrap();
        load.more(50).await;
    }
    let (requests, wrong) = load.end().await;
    assert_eq!(wrong, Vec::<String>::new(), "of {requests} requests");
    assert!(two.requests() > 0);
}

#[tokio::test]
async fn clients_do_not_notice_one_killed_target_of_two() {
    let bench = Bench::new();
    let (one, two) = (Server::start(&bench, [127, 0, 10, 1]), Server::start(&bench, [127, 0, 11, 1]));
    bench.balancers.reconcile(&bench.balancer(&[&one, &two])).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    let load = Load::start(&bench);
    load.more(50).await;
    let address = two.address;
    drop(two);
    wait_until("the killed target is unhealthy", LIMIT, async || {
        let health = bench.balancers.health("eu-central-1.web").unwrap()[GROUP][&address];
        Poll::ready_if(health == TargetHealth::Unhealthy, format!("{health:?}"))
    })
    .await;
    load.more(50).await;
    let (requests, wrong) = load.end().await;
    assert_eq!(wrong, Vec::<String>::new(), "of {requests} requests");
}

#[tokio::test]
async fn what_a_target_cuts_off_is_sent_once_more_if_it_may_be() {
    let bench = Bench::new();
    let (one, two) = (Server::start(&bench, [127, 0, 10, 1]), Server::start(&bench, [127, 0, 11, 1]));
    bench.balancers.reconcile(&bench.balancer(&[&one, &two])).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    for (method, sent) in [("GET", 2), ("PUT", 2), ("DELETE", 2), ("OPTIONS", 2), ("POST", 1), ("PATCH", 1)] {
        let before = one.requests() + two.requests();
        let request = format!("{method} /close HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}");
        let answer = bench.client(NODES[0]).await.send(&request).await;
        assert_eq!((answer.status, answer.header("server")), (502, Some("awselb/2.0")), "{method}");
        assert_eq!(one.requests() + two.requests() - before, sent, "{method}");
    }
}
