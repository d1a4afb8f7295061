//! What to do next for a service: a pure function of what is seen.
//!
//! Level-triggered: each pass looks at everything anew and plans the next steps only. The rules are those of ECS's
//! rolling deployment (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html>): at least
//! `minimum` per cent of the desired tasks stay ready, at most `maximum` per cent run.

use crate::{
    load_balancer::model::TargetHealth,
    task::model::{Health, Status},
    world::{Deployment, TaskWish},
};
use std::{cmp::Reverse, collections::BTreeMap};

/// A failed start is tried again after this long, doubled with each further one, in milliseconds.
const FIRST_BACK_OFF: u64 = 1_000;
/// No back-off is longer, in milliseconds.
const LONGEST_BACK_OFF: u64 = 60_000;
/// The fewest failures that make the circuit breaker give a deployment up.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html>
const LEAST_FAILURES: u32 = 3;
/// The most failures that it waits for.
const MOST_FAILURES: u32 = 200;

/// What is wanted of a service.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// ARN of the task definition that its resource names.
    pub definition: String,
    /// How many tasks.
    pub desired: u32,
    /// `deployment_minimum_healthy_percent`
    pub minimum_percent: u32,
    /// `deployment_maximum_percent`
    pub maximum_percent: u32,
    /// Its subnets, each in a zone.
    pub subnets: Vec<String>,
    /// Failing target checks in this time after the start do not count, in milliseconds.
    pub grace: u64,
    /// Is there a target group?
    pub load_balanced: bool,
    /// Has a container a health check?
    pub checked: bool,
    /// How long a target drains, in milliseconds.
    pub drain: u64,
    /// Does the circuit breaker give up a deployment?
    pub breaker: bool,
    /// Does it go back to the last one that was steady?
    pub roll_back: bool,
}

/// A task as it is seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its identifier.
    pub id: String,
    /// ARN of its task definition.
    pub definition: String,
    /// Its subnet.
    pub subnet: String,
    /// What is wanted of it so far.
    pub wish: TaskWish,
    /// Is it a target?
    pub registered: bool,
    /// When it was asked for, milliseconds since 1970.
    pub created_at: u64,
    /// Has it ever been ready?
    pub was_ready: bool,
    /// How it fares.
    pub status: Status,
    /// How its targets fare: the worst of its groups.
    pub target: TargetHealth,
}

impl Seen {
    fn runs(&self) -> bool {
        matches!(self.status, Status::Running { .. })
    }

    /// Does it count as ready: running, its container checks passed, its target checks passed?
    pub fn is_ready(&self, wanted: &Wanted) -> bool {
        let container = match self.status {
            Status::Running { health } => !wanted.checked || health == Health::Healthy,
            Status::Provisioning | Status::Stopping(_) | Status::Stopped(_) => false,
        };
        self.wish == TaskWish::Run
            && container
            && (!wanted.load_balanced || self.target == TargetHealth::Healthy)
    }

    /// Why it must be replaced, if it must.
    fn illness(&self, wanted: &Wanted, now: u64) -> Option<&'static str> {
        match self.status {
            Status::Running { health: Health::Unhealthy } => Some("Task failed container health checks"),
            Status::Running { .. }
                if wanted.load_balanced
                    && self.target == TargetHealth::Unhealthy
                    && now >= self.created_at + wanted.grace =>
            {
                Some("Task failed ELB health checks")
            }
            _ => None,
        }
    }
}

/// One step. Execution has no choices left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a task of this definition in this subnet.
    Start {
        /// ARN of the task definition.
        definition: String,
        /// The subnet.
        subnet: String,
    },
    /// Make a task a target.
    Register(String),
    /// It is ready for the first time.
    MarkReady(String),
    /// Deregister a task and stop it when it has drained.
    Drain {
        /// The task.
        id: String,
        /// When it is stopped at the latest, milliseconds since 1970.
        until: u64,
        /// Why.
        reason: String,
    },
    /// Stop a task.
    Stop {
        /// The task.
        id: String,
        /// Why.
        reason: String,
    },
    /// Record how a task ended and clean up after it.
    Bury(String),
}

/// What a pass found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The steps, in order.
    pub actions: Vec<Action>,
    /// The deployment as it is to be recorded.
    pub deployment: Deployment,
    /// Are all tasks those that are wanted, and ready?
    pub steady: bool,
    /// One sentence on what it waits for; empty when steady.
    pub waits_for: String,
    /// When to look again although nothing has changed, milliseconds since 1970.
    pub look_again: Option<u64>,
}

/// Plans the next steps. `steady` is the definition that was steady last; `deployment` is what was recorded.
pub fn plan(
    wanted: &Wanted,
    deployment: &Deployment,
    steady: Option<&str>,
    tasks: &[Seen],
    now: u64,
) -> Plan {
    let mut deployment = match deployment {
        known if known.definition == wanted.definition => known.clone(),
        _ => Deployment { definition: wanted.definition.clone(), ..Deployment::default() },
    };
    let mut actions = Vec::new();
    let mut look_again: Option<u64> = None;
    let mut wake = |at: u64| look_again = Some(look_again.map_or(at, |earlier| earlier.min(at)));

    // Ends first: they free places, and they tell whether the deployment works.
    for task in tasks {
        match &task.status {
            Status::Stopped(_) => {
                if !task.was_ready && task.definition == deployment.definition && task.wish == TaskWish::Run {
                    count_failure(&mut deployment, now);
                }
                actions.push(Action::Bury(task.id.clone()));
            }
            Status::Running { .. }
                if !task.registered && wanted.load_balanced && task.wish == TaskWish::Run =>
            {
                actions.push(Action::Register(task.id.clone()));
            }
            Status::Provisioning | Status::Running { .. } | Status::Stopping(_) => {}
        }
        if let TaskWish::Drain { until, reason } = &task.wish {
            let gone = matches!(task.target, TargetHealth::Unused);
            if now >= *until || gone || !task.runs() {
                actions.push(Action::Stop { id: task.id.clone(), reason: reason.clone() });
            } else {
                wake(*until);
            }
        }
    }

    let limit = (wanted.desired / 2).clamp(LEAST_FAILURES, MOST_FAILURES);
    if wanted.breaker && deployment.failures >= limit && !deployment.rolled_back {
        deployment.rolled_back = wanted.roll_back && steady.is_some_and(|steady| steady != wanted.definition);
    }
    let target = match steady {
        Some(steady) if deployment.rolled_back => steady,
        _ => wanted.definition.as_str(),
    };

    let alive: Vec<&Seen> = tasks
        .iter()
        .filter(|task| {
            task.wish == TaskWish::Run && !matches!(task.status, Status::Stopping(_) | Status::Stopped(_))
        })
        .collect();
    for task in &alive {
        if !task.was_ready && task.is_ready(wanted) {
            actions.push(Action::MarkReady(task.id.clone()));
        }
    }
    let (current, old): (Vec<&Seen>, Vec<&Seen>) =
        alive.iter().copied().partition(|task| task.definition == target);
    let (ill, well): (Vec<&Seen>, Vec<&Seen>) =
        current.iter().copied().partition(|task| task.illness(wanted, now).is_some());

    // Starts: up to what is wanted, and never above the maximum.
    let room = (wanted.desired * wanted.maximum_percent / 100).max(wanted.desired.min(1));
    let running = count(tasks.iter().filter(|task| !matches!(task.status, Status::Stopped(_))).count());
    let missing = wanted.desired.saturating_sub(count(well.len()));
    let may_start = missing.min(room.saturating_sub(running));
    if may_start > 0 && now < deployment.not_before && target == deployment.definition {
        wake(deployment.not_before);
    } else {
        let mut load: BTreeMap<&str, usize> =
            wanted.subnets.iter().map(|subnet| (subnet.as_str(), 0)).collect();
        for task in &well {
            load.entry(&task.subnet).and_modify(|load| *load += 1);
        }
        for _ in 0..may_start {
            let Some((subnet, load)) = load.iter_mut().min_by_key(|(_, load)| **load) else { break };
            *load += 1;
            actions.push(Action::Start { definition: target.to_owned(), subnet: (*subnet).to_owned() });
        }
    }

    // Stops: the ill, the old, the surplus, as long as enough ready ones stay.
    let floor = (wanted.desired * wanted.minimum_percent).div_ceil(100);
    let ready = count(alive.iter().filter(|task| task.is_ready(wanted)).count());
    let mut spare = ready.saturating_sub(floor);
    let reason = "Scaling activity initiated by deployment";
    let mut ending: Vec<(&Seen, &str)> = Vec::new();
    ending.extend(ill.iter().map(|task| (*task, task.illness(wanted, now).unwrap_or(reason))));
    let mut outdated = old;
    outdated.sort_by_key(|task| (task.is_ready(wanted), task.created_at));
    ending.extend(outdated.iter().map(|task| (*task, reason)));
    let mut surplus = well.clone();
    surplus.sort_by_key(|task| (task.is_ready(wanted), Reverse(task.created_at)));
    let excess = well.len().saturating_sub(usize::try_from(wanted.desired).unwrap_or(usize::MAX));
    ending
        .extend(surplus.iter().take(excess).map(|task| (*task, "Scaling activity initiated by the service")));
    for (task, reason) in ending {
        if task.is_ready(wanted) {
            if spare == 0 {
                continue;
            }
            spare -= 1;
        } else if task.illness(wanted, now).is_some() && running >= room && running > 1 {
            // No room for its replacement: it makes room itself.
        } else if task.illness(wanted, now).is_some() && ready < floor && count(well.len()) < wanted.desired {
            // Its replacement is on the way; a load balancer that fails open may still need it.
            continue;
        }
        actions.push(end(task, wanted, now, reason));
    }

    let is_steady = count(well.len()) == wanted.desired
        && alive.len() == well.len()
        && tasks.len() == alive.len()
        && well.iter().all(|task| task.is_ready(wanted))
        && target == wanted.definition;
    if is_steady {
        deployment.failures = 0;
        deployment.not_before = 0;
    }
    for task in &alive {
        let until = task.created_at + wanted.grace;
        if now < until && task.target == TargetHealth::Unhealthy {
            wake(until);
        }
    }
    Plan {
        waits_for: if is_steady {
            String::new()
        } else {
            waits_for(wanted, target, &well, tasks, &deployment, now)
        },
        actions,
        deployment,
        steady: is_steady,
        look_again,
    }
}

/// Counts a task that ended before it was ready: the next is started after a growing while.
pub fn count_failure(deployment: &mut Deployment, now: u64) {
    deployment.failures += 1;
    let doubled = FIRST_BACK_OFF << (deployment.failures - 1).min(6);
    deployment.not_before = now + doubled.min(LONGEST_BACK_OFF);
}

/// Plans the end of a service: every task drains and stops.
pub fn plan_end(tasks: &[Seen], drain: u64, now: u64) -> Vec<Action> {
    let reason = "Service was deleted";
    let end = |task: &Seen| match (&task.status, &task.wish) {
        (Status::Stopped(_), _) => Some(Action::Bury(task.id.clone())),
        (_, TaskWish::Run) if task.registered && task.target == TargetHealth::Healthy => {
            Some(Action::Drain { id: task.id.clone(), until: now + drain, reason: reason.to_owned() })
        }
        (_, TaskWish::Drain { until, .. }) if now < *until && task.target != TargetHealth::Unused => None,
        (_, TaskWish::Stop { .. }) => None,
        _ => Some(Action::Stop { id: task.id.clone(), reason: reason.to_owned() }),
    };
    tasks.iter().filter_map(end).collect()
}

fn end(task: &Seen, wanted: &Wanted, now: u64, reason: &str) -> Action {
    if task.registered && task.runs() {
        Action::Drain { id: task.id.clone(), until: now + wanted.drain, reason: reason.to_owned() }
    } else {
        Action::Stop { id: task.id.clone(), reason: reason.to_owned() }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn waits_for(
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
    let mut sentence = format!("{ready} of {} tasks are ready", wanted.desired);
    if target != wanted.definition {
        sentence.push_str("; the deployment failed and the one before it was taken again");
    }
    if deployment.failures > 0 {
        sentence.push_str(&format!("; {} ended before they were ready", deployment.failures));
        if now < deployment.not_before {
            sentence.push_str(&format!(", the next is tried in {} ms", deployment.not_before - now));
        }
    }
    if let Some(reason) = last {
        sentence.push_str(&format!("; the last one ended: {reason}"));
    }
    let not_ready = well.iter().find(|task| !task.is_ready(wanted));
    if let Some(task) = not_ready {
        sentence.push_str(&format!("; task {} is {}", task.id, describe(task)));
    }
    sentence
}

fn describe(task: &Seen) -> &'static str {
    match (&task.status, task.target) {
        (Status::Provisioning, _) => "provisioning",
        (Status::Running { health: Health::Unknown }, _) => {
            "running, its container checks have not passed yet"
        }
        (Status::Running { health: Health::Unhealthy }, _) => "running, its container checks fail",
        (Status::Running { .. }, TargetHealth::Unhealthy) => "running, its target checks fail",
        (Status::Running { .. }, TargetHealth::Initial) => "running, its target checks have not passed yet",
        (Status::Running { .. }, _) => "running and not a target yet",
        (Status::Stopping(_) | Status::Stopped(_), _) => "ending",
    }
}

#[cfg(test)]
mod tests;
