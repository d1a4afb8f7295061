//! What a service waits for, in words.

use super::{Seen, Wanted};
use crate::{
    events::clock,
    load_balancer::model::TargetHealth,
    task::model::{Health, Status},
    world::Deployment,
};

/// One sentence on what a service waits for.
pub(super) fn waits_for(
    wanted: &Wanted,
    target: &str,
    well: &[&Seen],
    tasks: &[Seen],
    deployment: &Deployment,
    now: u64,
) -> String {
    let ready = well.iter().filter(|task| task.is_ready(wanted)).count();
    let last = tasks.iter().rev().find_map(|task| match &task.status {
        Status::Stopped(stopped) => Some(stopped.reason.as_str()),
        Status::Provisioning | Status::Running { .. } | Status::Stopping(_) => None,
    });
    let mut parts = vec![format!("{ready} of {} tasks are ready", wanted.desired)];
    if target != wanted.definition {
        parts.push("the deployment failed and the one before it was taken again".to_owned());
    } else if deployment.given_up {
        parts.push("the deployment failed; another task definition begins another one".to_owned());
    }
    if deployment.failures > 0 {
        parts.push(format!("{} ended before they were ready", deployment.failures));
    }
    if now < deployment.not_before && !deployment.given_up {
        // A moment and not a time from now, or the sentence would be another one in each pass.
        parts.push(format!("the next is tried at {} UTC", clock(deployment.not_before)));
    }
    parts.extend(last.map(|reason| format!("the last one ended: {reason}")));
    let not_ready = well.iter().find(|task| !task.is_ready(wanted));
    parts.extend(not_ready.map(|task| format!("task {} is {}", task.id, describe(task))));
    parts.join("; ")
}

fn describe(task: &Seen) -> &'static str {
    match (&task.status, task.target) {
        (Status::Provisioning, _) => "provisioning",
        (Status::Running { health: Health::Unknown }, _) => {
            "running, its container checks have not passed yet"
        }
        (Status::Running { health: Health::Unhealthy }, _) => "running, its container checks fail",
        (Status::Running { .. }, Some(TargetHealth::Unhealthy)) => "running, its target checks fail",
        (Status::Running { .. }, Some(TargetHealth::Initial)) => {
            "running, its target checks have not passed yet"
        }
        (Status::Running { .. }, None) => "running, and its load balancer does not say how it fares",
        (Status::Running { .. }, _) => "running and not a target yet",
        (Status::Stopping(_) | Status::Stopped(_), _) => "ending",
    }
}
