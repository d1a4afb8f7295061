use super::*;
use crate::task::model::Stopped;

const NOW: u64 = 1_000_000;

fn wanted() -> Wanted {
    Wanted {
        definition: "api:2".to_owned(),
        network: TaskNetwork::default(),
        desired: 2,
        minimum_percent: 100,
        maximum_percent: 200,
        subnets: vec!["subnet-a".to_owned(), "subnet-b".to_owned()],
        grace: 30_000,
        load_balanced: true,
        checked: true,
        drain: 15_000,
        breaker: true,
        roll_back: true,
    }
}

fn task(id: &str, definition: &str, subnet: &str) -> Seen {
    Seen {
        id: id.to_owned(),
        definition: definition.to_owned(),
        subnet: subnet.to_owned(),
        wish: TaskWish::Run,
        registered: true,
        created_at: NOW - 60_000,
        was_ready: true,
        failed: false,
        outdated: false,
        lost: false,
        status: Status::Running { health: Health::Healthy },
        target: Some(TargetHealth::Healthy),
    }
}

fn stopped(mut task: Seen) -> Seen {
    let stopped = Stopped {
        code: "EssentialContainerExited".to_owned(),
        reason: "it ended".to_owned(),
        exit_code: Some(1),
    };
    task.status = Status::Stopped(stopped);
    task
}

fn deployment() -> Deployment {
    Deployment { definition: "api:2".to_owned(), ..Deployment::default() }
}

fn starts(plan: &Plan) -> Vec<&str> {
    let subnet = |action: &'_ Action| matches!(action, Action::Start { .. });
    plan.actions
        .iter()
        .filter(|action| subnet(action))
        .map(|action| match action {
            Action::Start { subnet, .. } => subnet.as_str(),
            _ => "",
        })
        .collect()
}

/// The tasks that are drained or stopped.
fn ended(plan: &Plan) -> Vec<&str> {
    let ended = plan.actions.iter().filter_map(|action| match action {
        Action::Drain { id, .. } | Action::Stop { id, .. } => Some(id.as_str()),
        _ => None,
    });
    ended.collect()
}

fn ill(mut task: Seen) -> Seen {
    task.target = Some(TargetHealth::Unhealthy);
    task
}

/// Asked for, and not running yet.
fn provisioning(mut task: Seen) -> Seen {
    task.status = Status::Provisioning;
    task.target = Some(TargetHealth::Unused);
    task.registered = false;
    task.was_ready = false;
    task
}

/// A task whose load balancer was not asked yet, or does not answer.
fn unknown(mut task: Seen) -> Seen {
    task.target = None;
    task
}

/// What is recorded after a pass, with its failures counted as the controller counts them.
fn recorded(plan: &Plan, now: u64) -> Deployment {
    let mut deployment = plan.deployment.clone();
    for _ in plan.actions.iter().filter(|action| matches!(action, Action::CountFailure(_))) {
        count_failure(&mut deployment, now);
    }
    deployment
}

#[test]
fn a_new_service_spreads_its_tasks_over_the_zones() {
    let plan = plan(&wanted(), &Deployment::default(), None, &[], NOW);
    let mut subnets = starts(&plan);
    subnets.sort_unstable();
    assert_eq!(subnets, ["subnet-a", "subnet-b"]);
    assert!(!plan.steady);
}

#[test]
fn nothing_is_planned_for_a_steady_service() {
    let tasks = [task("1", "api:2", "subnet-a"), task("2", "api:2", "subnet-b")];
    let plan = plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW);
    assert_eq!(plan.actions, []);
    assert!(plan.steady && plan.look_again.is_none());
}

#[test]
fn a_killed_task_is_replaced_at_once_in_its_zone() {
    let tasks = [task("1", "api:2", "subnet-a"), stopped(task("2", "api:2", "subnet-b"))];
    let plan = plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW);
    assert_eq!(starts(&plan), ["subnet-b"]);
    assert!(plan.actions.contains(&Action::Bury("2".to_owned())));
}

#[test]
fn a_running_task_is_registered_and_counts_once_its_checks_have_passed() {
    let mut fresh = task("2", "api:2", "subnet-b");
    fresh.registered = false;
    fresh.was_ready = false;
    fresh.target = Some(TargetHealth::Unused);
    let tasks = [task("1", "api:2", "subnet-a"), fresh.clone()];
    let seen = plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW);
    assert_eq!(seen.actions, [Action::Register("2".to_owned())]);
    fresh.registered = true;
    fresh.target = Some(TargetHealth::Healthy);
    let tasks = [task("1", "api:2", "subnet-a"), fresh];
    let seen = plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW);
    assert_eq!(seen.actions, [Action::MarkReady("2".to_owned())]);
}

#[test]
fn a_deployment_starts_new_tasks_before_it_drains_old_ones() {
    let old = [task("1", "api:1", "subnet-a"), task("2", "api:1", "subnet-b")];
    let first = plan(&wanted(), &Deployment::default(), Some("api:1"), &old, NOW);
    assert_eq!(starts(&first).len(), 2);
    assert!(!first.actions.iter().any(|action| matches!(action, Action::Drain { .. } | Action::Stop { .. })));
    let both: Vec<Seen> =
        old.into_iter().chain([task("3", "api:2", "subnet-a"), task("4", "api:2", "subnet-b")]).collect();
    let second = plan(&wanted(), &deployment(), Some("api:1"), &both, NOW);
    let drained = second.actions.iter().filter(|action| matches!(action, Action::Drain { .. })).count();
    assert_eq!(drained, 2, "{:?}", second.actions);
}

#[test]
fn the_minimum_of_ready_tasks_is_kept_at_each_step() {
    let mut narrow = wanted();
    narrow.maximum_percent = 150;
    let tasks =
        [task("1", "api:1", "subnet-a"), task("2", "api:1", "subnet-b"), task("3", "api:2", "subnet-a")];
    let plan = plan(&narrow, &deployment(), Some("api:1"), &tasks, NOW);
    let drained = plan.actions.iter().filter(|action| matches!(action, Action::Drain { .. })).count();
    assert_eq!((starts(&plan).len(), drained), (0, 1));
}

#[test]
fn a_drained_task_stops_when_its_time_is_over_or_no_node_knows_it() {
    let mut draining = task("1", "api:1", "subnet-a");
    draining.wish = TaskWish::Drain { until: NOW + 5_000, reason: "why".to_owned() };
    draining.target = Some(TargetHealth::Draining);
    let rest = [task("2", "api:2", "subnet-a"), task("3", "api:2", "subnet-b")];
    let tasks: Vec<Seen> = rest.iter().cloned().chain([draining.clone()]).collect();
    let early = plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW);
    assert_eq!((early.actions.len(), early.look_again), (0, Some(NOW + 5_000)));
    let late = plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW + 5_000);
    assert_eq!(late.actions, [Action::Stop { id: "1".to_owned(), reason: "why".to_owned() }]);
    draining.target = Some(TargetHealth::Unused);
    let tasks: Vec<Seen> = rest.iter().cloned().chain([draining]).collect();
    assert_eq!(plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW).actions.len(), 1);
}

#[test]
fn a_task_that_never_came_up_is_tried_again_after_a_growing_while() {
    let mut failed = stopped(task("1", "api:2", "subnet-a"));
    failed.was_ready = false;
    let first = plan(&wanted(), &deployment(), None, &[failed], NOW);
    assert_eq!(
        first.actions,
        [Action::CountFailure("1".to_owned()), Action::Bury("1".to_owned())],
        "nothing is started before the pause is known"
    );
    let counted = recorded(&first, NOW);
    let wait = plan(&wanted(), &counted, None, &[], NOW);
    assert_eq!((starts(&wait).len(), wait.look_again), (0, Some(NOW + 1_000)));
    let again = plan(&wanted(), &counted, None, &[], NOW + 1_000);
    assert_eq!(starts(&again).len(), 2);
    let mut pauses = counted;
    for pause in [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        count_failure(&mut pauses, NOW);
        assert_eq!(pauses.not_before, NOW + pause);
    }
}

#[test]
fn a_failure_is_counted_once_however_often_its_burial_fails() {
    let mut failed = stopped(task("1", "api:2", "subnet-a"));
    failed.was_ready = false;
    failed.failed = true;
    let once = Deployment { failures: 1, not_before: NOW, ..deployment() };
    let plan = plan(&wanted(), &once, None, &[failed], NOW);
    assert_eq!(plan.deployment.failures, 1);
    assert!(!plan.actions.contains(&Action::CountFailure("1".to_owned())), "{:?}", plan.actions);
    assert_eq!(starts(&plan).len(), 2, "what cannot be buried holds up nobody");
}

#[test]
fn what_a_service_waits_for_is_the_same_sentence_throughout_a_pause() {
    let waiting = Deployment { failures: 2, not_before: NOW + 2_000, ..deployment() };
    let at = |now| plan(&wanted(), &waiting, None, &[], now).waits_for;
    assert!(at(NOW).contains("the next is tried at 00:16:42.000 UTC"), "{}", at(NOW));
    assert_eq!(at(NOW), at(NOW + 1_999));
}

#[test]
fn a_task_that_becomes_ready_begins_the_count_anew() {
    let failing = Deployment { failures: LEAST_FAILURES - 1, not_before: NOW + 5_000, ..deployment() };
    let mut fresh = task("1", "api:2", "subnet-a");
    fresh.was_ready = false;
    let plan = plan(&wanted(), &failing, None, &[fresh], NOW);
    assert_eq!((plan.deployment.failures, starts(&plan).len()), (0, 1));
}

#[test]
fn the_circuit_breaker_goes_back_to_what_was_steady() {
    let failing = Deployment { failures: LEAST_FAILURES, ..deployment() };
    let tasks = [task("1", "api:1", "subnet-a"), task("2", "api:1", "subnet-b")];
    let plan = plan(&wanted(), &failing, Some("api:1"), &tasks, NOW);
    assert!(plan.deployment.rolled_back && plan.given_up && !plan.steady);
    assert_eq!(plan.actions, []);
    assert!(plan.waits_for.contains("was taken again"), "{}", plan.waits_for);
}

#[test]
fn a_deployment_that_was_given_up_without_a_way_back_starts_no_more_tasks() {
    let failing = Deployment { failures: LEAST_FAILURES, ..deployment() };
    let mut stays = wanted();
    stays.roll_back = false;
    let tasks = [task("1", "api:1", "subnet-a"), task("2", "api:1", "subnet-b")];
    for (wanted, steady, tasks) in [(stays, Some("api:1"), &tasks[..]), (wanted(), None, &[])] {
        let given_up = plan(&wanted, &failing, steady, tasks, NOW);
        assert_eq!((given_up.actions.as_slice(), given_up.given_up), (&[][..], true));
        assert_eq!(given_up.look_again, None);
        assert!(given_up.waits_for.contains("the deployment failed"), "{}", given_up.waits_for);
        let later = plan(&wanted, &given_up.deployment, steady, tasks, NOW + 3_600_000);
        assert_eq!((later.actions.as_slice(), later.given_up), (&[][..], true));
        let (mut definition, mut network) = (wanted.clone(), wanted);
        definition.definition = "api:3".to_owned();
        network.network.public = true;
        for other in [definition, network] {
            let next = plan(&other, &given_up.deployment, steady, tasks, NOW);
            assert_eq!((starts(&next).len(), next.given_up), (2, false), "another deployment begins anew");
        }
    }
}

#[test]
fn the_circuit_breaker_waits_for_half_of_the_tasks_rounded_up() {
    let mut many = wanted();
    many.desired = 9;
    let given_up =
        |failures| plan(&many, &Deployment { failures, ..deployment() }, Some("api:1"), &[], NOW).given_up;
    assert_eq!((given_up(4), given_up(5)), (false, true));
}

#[test]
fn the_circuit_breaker_watches_a_deployment_until_it_is_complete() {
    let failing = Deployment { failures: 50, ..deployment() };
    let mut stays = wanted();
    stays.roll_back = false;
    let plan = plan(&stays, &failing, Some("api:2"), &[], NOW);
    assert_eq!((starts(&plan).len(), plan.given_up), (2, false));
}

#[test]
fn without_a_circuit_breaker_a_deployment_goes_on_for_ever() {
    let failing = Deployment { failures: 1_000, ..deployment() };
    let mut without = wanted();
    without.breaker = false;
    assert_eq!(starts(&plan(&without, &failing, Some("api:1"), &[], NOW)).len(), 2);
}

#[test]
fn a_task_that_is_ended_for_its_checks_before_it_was_ready_is_a_failure() {
    let mut failing = ill(task("3", "api:2", "subnet-a"));
    failing.was_ready = false;
    let old = [task("1", "api:1", "subnet-a"), task("2", "api:1", "subnet-b")];
    let tasks: Vec<Seen> = old.iter().cloned().chain([failing.clone()]).collect();
    let first = plan(&wanted(), &deployment(), Some("api:1"), &tasks, NOW);
    let Some(Action::Drain { id, until, reason }) =
        first.actions.iter().find(|action| matches!(action, Action::Drain { .. }))
    else {
        panic!("{:?}", first.actions);
    };
    assert_eq!((id.as_str(), reason.as_str()), ("3", "Task failed ELB health checks"));
    failing.wish = TaskWish::Drain { until: *until, reason: reason.clone() };
    failing.target = Some(TargetHealth::Draining);
    let tasks: Vec<Seen> = old.into_iter().chain([failing]).collect();
    let second = plan(&wanted(), &first.deployment, Some("api:1"), &tasks, NOW);
    assert_eq!(second.actions, [Action::CountFailure("3".to_owned())]);
}

#[test]
fn unhealthy_tasks_stay_until_their_replacements_are_healthy() {
    let both = [ill(task("1", "api:2", "subnet-a")), ill(task("2", "api:2", "subnet-b"))];
    let first = plan(&wanted(), &deployment(), Some("api:2"), &both, NOW);
    let mut zones = starts(&first);
    zones.sort_unstable();
    assert_eq!((zones, ended(&first)), (vec!["subnet-a", "subnet-b"], Vec::new()));
    let replacements = [task("3", "api:2", "subnet-a"), task("4", "api:2", "subnet-b")];
    let with = |replacements: &[Seen]| {
        let tasks: Vec<Seen> = both.iter().chain(replacements).cloned().collect();
        plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW)
    };
    let on_their_way = with(&replacements.clone().map(provisioning));
    assert_eq!(on_their_way.actions, []);
    assert_eq!(ended(&with(&[replacements[0].clone(), provisioning(replacements[1].clone())])), [""; 0]);
    assert_eq!(ended(&with(&replacements)), ["1", "2"]);
}

#[test]
fn unhealthy_tasks_go_one_by_one_where_there_is_no_room_for_replacements() {
    let mut narrow = wanted();
    narrow.maximum_percent = 100;
    let mut tasks = [ill(task("1", "api:2", "subnet-a")), ill(task("2", "api:2", "subnet-b"))];
    let first = plan(&narrow, &deployment(), Some("api:2"), &tasks, NOW);
    assert_eq!((ended(&first), starts(&first).len()), (vec!["1"], 0));
    tasks[0].wish = TaskWish::Drain { until: NOW + 1, reason: "why".to_owned() };
    tasks[0].target = Some(TargetHealth::Draining);
    assert_eq!(plan(&narrow, &deployment(), Some("api:2"), &tasks, NOW).actions, []);
}

#[test]
fn an_unhealthy_task_of_the_old_deployment_stays_while_the_new_ones_are_on_their_way() {
    let tasks = [
        ill(task("1", "api:1", "subnet-a")),
        ill(task("2", "api:1", "subnet-b")),
        provisioning(task("3", "api:2", "subnet-a")),
        provisioning(task("4", "api:2", "subnet-b")),
    ];
    assert_eq!(plan(&wanted(), &deployment(), Some("api:1"), &tasks, NOW).actions, []);
}

#[test]
fn where_nobody_knows_how_targets_fare_nothing_is_drained_or_stopped() {
    let old = [task("1", "api:1", "subnet-a"), task("2", "api:1", "subnet-b")].map(unknown);
    let new = [task("3", "api:2", "subnet-a"), task("4", "api:2", "subnet-b")];
    let amid = |new: [Seen; 2]| {
        let tasks: Vec<Seen> = old.iter().cloned().chain(new).collect();
        plan(&wanted(), &deployment(), Some("api:1"), &tasks, NOW)
    };
    for amid in [amid(new.clone().map(provisioning)), amid(new.clone().map(unknown)), amid(new)] {
        assert_eq!(ended(&amid), [""; 0]);
        assert!(!amid.steady);
    }
    let mut fewer = wanted();
    fewer.desired = 1;
    let surplus =
        plan(&fewer, &Deployment { definition: "api:1".to_owned(), ..deployment() }, None, &old, NOW);
    assert_eq!(ended(&surplus), [""; 0]);
    let mut failing = old[0].clone();
    failing.status = Status::Running { health: Health::Unhealthy };
    let failing = plan(&wanted(), &deployment(), Some("api:1"), &[failing, old[1].clone()], NOW);
    assert_eq!(ended(&failing), [""; 0]);
    let mut draining = old[0].clone();
    draining.wish = TaskWish::Drain { until: NOW - 1, reason: "why".to_owned() };
    let over = plan(&wanted(), &deployment(), Some("api:1"), &[draining, old[1].clone()], NOW);
    assert_eq!(
        (ended(&over), over.look_again),
        (Vec::new(), None),
        "the load balancer may still send requests"
    );
}

#[test]
fn old_tasks_stay_while_a_load_balancer_that_was_started_anew_checks_them() {
    let mut tasks = [
        task("1", "api:1", "subnet-a"),
        task("2", "api:1", "subnet-b"),
        provisioning(task("3", "api:2", "subnet-a")),
        provisioning(task("4", "api:2", "subnet-b")),
    ];
    for task in &mut tasks[..2] {
        task.target = Some(TargetHealth::Initial);
    }
    assert_eq!(plan(&wanted(), &deployment(), Some("api:1"), &tasks, NOW).actions, []);
}

#[test]
fn a_lost_zone_gets_its_task_back() {
    let mut four = wanted();
    four.desired = 4;
    four.subnets.push("subnet-c".to_owned());
    let left =
        [task("1", "api:2", "subnet-a"), task("2", "api:2", "subnet-b"), task("3", "api:2", "subnet-a")];
    let plan = plan(&four, &deployment(), Some("api:2"), &left, NOW);
    assert_eq!(starts(&plan), ["subnet-c"]);
}

#[test]
fn more_tasks_than_a_machine_word_counts_are_no_trouble() {
    let mut huge = wanted();
    huge.desired = u32::MAX;
    huge.subnets.clear();
    let tasks = [task("1", "api:1", "subnet-a")];
    assert_eq!(plan(&huge, &deployment(), Some("api:1"), &tasks, NOW).actions, []);
}

#[test]
fn failing_target_checks_within_the_grace_time_do_not_count() {
    let mut young = task("2", "api:2", "subnet-b");
    young.created_at = NOW - 1_000;
    young.target = Some(TargetHealth::Unhealthy);
    let tasks = [task("1", "api:2", "subnet-a"), young];
    let plan = plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW);
    assert_eq!(plan.actions, []);
    assert_eq!(plan.look_again, Some(NOW + 29_000));
}

#[test]
fn fewer_desired_tasks_drain_the_youngest() {
    let mut fewer = wanted();
    fewer.desired = 1;
    let mut young = task("2", "api:2", "subnet-b");
    young.created_at = NOW - 1_000;
    let tasks = [task("1", "api:2", "subnet-a"), young];
    let plan = plan(&fewer, &deployment(), Some("api:2"), &tasks, NOW);
    assert!(matches!(plan.actions.as_slice(), [Action::Drain { id, .. }] if id == "2"), "{:?}", plan.actions);
}

#[test]
fn a_deleted_service_drains_targets_and_stops_the_rest() {
    let mut provisioning = task("2", "api:2", "subnet-b");
    provisioning.status = Status::Provisioning;
    provisioning.registered = false;
    let actions = plan_end(&[task("1", "api:2", "subnet-a"), provisioning], 15_000, NOW);
    assert!(
        matches!(&actions[..], [Action::Drain { id, .. }, Action::Stop { .. }] if id == "1"),
        "{actions:?}"
    );
}

#[test]
fn a_change_of_the_network_configuration_replaces_tasks_of_the_same_definition() {
    let old = ["1", "2"].map(|id| Seen { outdated: true, ..task(id, "api:2", "subnet-a") });
    let plan = plan(&wanted(), &deployment(), Some("api:2"), &old, NOW);
    assert_eq!(starts(&plan).len(), 2, "{:?}", plan.actions);
    assert!(!plan.steady);
    let ends = |action: &Action| matches!(action, Action::Drain { .. } | Action::Stop { .. });
    assert!(!plan.actions.iter().any(ends), "none goes before another is ready: {:?}", plan.actions);
}

#[test]
fn a_task_that_nothing_checks_and_that_ends_at_once_is_tried_again_more_and_more_slowly() {
    let unchecked = Wanted { desired: 1, load_balanced: false, checked: false, breaker: false, ..wanted() };
    let fresh = Seen { created_at: NOW, was_ready: false, ..task("1", "api:2", "subnet-a") };
    let failing = Deployment { failures: 3, ..deployment() };
    let runs = plan(&unchecked, &failing, Some("api:2"), std::slice::from_ref(&fresh), NOW + 100);
    assert!(runs.steady && !runs.actions.contains(&Action::MarkReady("1".to_owned())));
    assert_eq!((runs.deployment.failures, runs.look_again), (3, Some(NOW + 5_000)));
    let ended = plan(&unchecked, &runs.deployment, Some("api:2"), &[stopped(fresh.clone())], NOW + 200);
    assert!(ended.actions.contains(&Action::CountFailure("1".to_owned())));
    assert!(recorded(&ended, NOW + 200).not_before >= NOW + 8_000);
    let stays = plan(&unchecked, &failing, Some("api:2"), &[fresh], NOW + 5_000);
    assert!(stays.actions.contains(&Action::MarkReady("1".to_owned())));
    assert_eq!(stays.deployment.failures, 0);
}

#[test]
fn a_task_that_nobody_can_reach_any_more_is_ended_and_replaced_at_once() {
    let lost = Seen { lost: true, ..task("2", "api:2", "subnet-b") };
    let plan = plan(&wanted(), &deployment(), Some("api:2"), &[task("1", "api:2", "subnet-a"), lost], NOW);
    assert_eq!((ended(&plan), starts(&plan)), (vec!["2"], vec!["subnet-b"]));
}
