use super::*;
use crate::task::model::Stopped;

const NOW: u64 = 1_000_000;

fn wanted() -> Wanted {
    Wanted {
        definition: "api:2".to_owned(),
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
        status: Status::Running { health: Health::Healthy },
        target: TargetHealth::Healthy,
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
    fresh.target = TargetHealth::Unused;
    let tasks = [task("1", "api:2", "subnet-a"), fresh.clone()];
    let seen = plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW);
    assert_eq!(seen.actions, [Action::Register("2".to_owned())]);
    fresh.registered = true;
    fresh.target = TargetHealth::Healthy;
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
    draining.target = TargetHealth::Draining;
    let rest = [task("2", "api:2", "subnet-a"), task("3", "api:2", "subnet-b")];
    let tasks: Vec<Seen> = rest.iter().cloned().chain([draining.clone()]).collect();
    let early = plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW);
    assert_eq!((early.actions.len(), early.look_again), (0, Some(NOW + 5_000)));
    let late = plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW + 5_000);
    assert_eq!(late.actions, [Action::Stop { id: "1".to_owned(), reason: "why".to_owned() }]);
    draining.target = TargetHealth::Unused;
    let tasks: Vec<Seen> = rest.iter().cloned().chain([draining]).collect();
    assert_eq!(plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW).actions.len(), 1);
}

#[test]
fn a_task_that_never_came_up_is_tried_again_after_a_growing_while() {
    let mut failed = stopped(task("1", "api:2", "subnet-a"));
    failed.was_ready = false;
    let first = plan(&wanted(), &deployment(), None, &[failed.clone()], NOW);
    assert_eq!(starts(&first).len(), 0);
    assert_eq!(first.look_again, Some(NOW + FIRST_BACK_OFF));
    let again = plan(&wanted(), &first.deployment, None, &[failed], NOW + FIRST_BACK_OFF);
    assert_eq!(again.deployment.not_before, NOW + FIRST_BACK_OFF + 2 * FIRST_BACK_OFF);
    let idle = plan(&wanted(), &first.deployment, None, &[], NOW + FIRST_BACK_OFF);
    assert_eq!(starts(&idle).len(), 2);
}

#[test]
fn the_circuit_breaker_goes_back_to_what_was_steady() {
    let failing = Deployment { failures: LEAST_FAILURES, ..deployment() };
    let tasks = [task("1", "api:1", "subnet-a"), task("2", "api:1", "subnet-b")];
    let plan = plan(&wanted(), &failing, Some("api:1"), &tasks, NOW);
    assert!(plan.deployment.rolled_back && !plan.steady);
    assert_eq!(plan.actions, []);
    assert!(plan.waits_for.contains("was taken again"), "{}", plan.waits_for);
}

#[test]
fn an_unhealthy_task_is_replaced_before_it_goes() {
    let mut ill = task("2", "api:2", "subnet-b");
    ill.target = TargetHealth::Unhealthy;
    let tasks = [task("1", "api:2", "subnet-a"), ill.clone()];
    let first = plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW);
    assert_eq!(starts(&first), ["subnet-b"]);
    assert!(!first.actions.iter().any(|action| matches!(action, Action::Drain { .. } | Action::Stop { .. })));
    let tasks = [task("1", "api:2", "subnet-a"), ill, task("3", "api:2", "subnet-b")];
    let second = plan(&wanted(), &deployment(), Some("api:2"), &tasks, NOW);
    assert!(
        matches!(second.actions.as_slice(), [Action::Drain { id, .. }] if id == "2"),
        "{:?}",
        second.actions
    );
}

#[test]
fn failing_target_checks_within_the_grace_time_do_not_count() {
    let mut young = task("2", "api:2", "subnet-b");
    young.created_at = NOW - 1_000;
    young.target = TargetHealth::Unhealthy;
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
