//! What to do next for a service: a pure function of what is seen.
//!
//! Level-triggered: each pass looks at everything anew and plans the next steps only. The rules are those of ECS's
//! rolling deployment (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html>): at least
//! `minimum` per cent of the desired tasks stay ready, at most `maximum` per cent run. What is not known of a task is a
//! reason for nothing: only a task that is known to serve nobody, or that can be spared, is ended.

mod sentence;

use crate::{
    load_balancer::model::TargetHealth,
    task::model::{Health, Status},
    timeouts,
    world::{Deployment, TaskNetwork, TaskWish},
};
use std::{cmp::Reverse, collections::BTreeMap};

/// The fewest failures that make the circuit breaker give a deployment up.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html>
const LEAST_FAILURES: u32 = 3;
/// The most failures that it waits for.
const MOST_FAILURES: u32 = 200;
/// Why a task is ended whose container checks fail, as ECS says it.
const CONTAINER_CHECKS: &str = "Task failed container health checks";
/// Why a task is ended whose target checks fail, as ECS says it.
const TARGET_CHECKS: &str = "Task failed ELB health checks";

/// Why a task is ended whose network namespace is not the one it was started in.
const NETWORK_LOST: &str = "Task lost its network interface";

/// What is wanted of a service.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an argument of the resource's own")]
pub struct Wanted {
    /// ARN of the task definition that its resource names.
    pub definition: String,
    /// The network configuration that its resource names.
    pub network: TaskNetwork,
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
#[expect(clippy::struct_excessive_bools, reason = "each is seen by itself")]
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
    /// Was it counted as a failure of its deployment?
    pub failed: bool,
    /// Was it started with another network configuration than its service has now? A change of that is a deployment:
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html>.
    pub outdated: bool,
    /// Is its network namespace gone, or another one of that name? Nobody will ever reach it.
    pub lost: bool,
    /// How it fares.
    pub status: Status,
    /// How its targets fare: the worst of its groups. `None` where nobody knows: no load balancer was asked yet since the
    /// daemon started, or none answers.
    pub target: Option<TargetHealth>,
}

impl Seen {
    fn is_alive(&self) -> bool {
        self.wish == TaskWish::Run
            && !self.lost
            && !matches!(self.status, Status::Stopping(_) | Status::Stopped(_))
    }

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
            && (!wanted.load_balanced || self.target == Some(TargetHealth::Healthy))
    }

    /// When one that nothing checks has been there for long enough to be no failure.
    fn stays_at(&self) -> u64 {
        let stays = u64::try_from(timeouts::TASK_STAYS.as_millis()).unwrap_or(u64::MAX);
        self.created_at.saturating_add(stays)
    }

    /// Is that it is ready a sign that it works? Where nothing checks it, it is ready as soon as it runs, also if it ends at
    /// once.
    fn has_stayed(&self, wanted: &Wanted, now: u64) -> bool {
        self.was_ready || wanted.checked || wanted.load_balanced || now >= self.stays_at()
    }

    /// May it serve, though nobody knows it for certain now? Nobody has asked its load balancer yet, or the load balancer
    /// has been started anew and checks what was ready before.
    fn may_serve(&self, wanted: &Wanted) -> bool {
        let unsure = match self.target {
            None => true,
            Some(TargetHealth::Initial) => self.was_ready,
            Some(
                TargetHealth::Healthy
                | TargetHealth::Unhealthy
                | TargetHealth::Draining
                | TargetHealth::Unused,
            ) => false,
        };
        wanted.load_balanced && self.registered && self.runs() && unsure
    }

    /// Why it must be replaced, if it must.
    fn illness(&self, wanted: &Wanted, now: u64) -> Option<&'static str> {
        match self.status {
            Status::Running { health: Health::Unhealthy } => Some(CONTAINER_CHECKS),
            Status::Running { .. }
                if wanted.load_balanced
                    && self.target == Some(TargetHealth::Unhealthy)
                    && now >= self.created_at.saturating_add(wanted.grace) =>
            {
                Some(TARGET_CHECKS)
            }
            _ => None,
        }
    }

    /// Does it end before it was ever ready, by itself or for its checks?
    fn has_failed(&self) -> bool {
        let failed = match &self.wish {
            TaskWish::Run => matches!(self.status, Status::Stopped(_)),
            TaskWish::Drain { reason, .. } | TaskWish::Stop { reason } => {
                [CONTAINER_CHECKS, TARGET_CHECKS].contains(&reason.as_str())
            }
        };
        failed && !self.was_ready
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
    /// Count it as a failure of its deployment.
    CountFailure(String),
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
    /// Was the deployment given up, so that only another one can become steady?
    pub given_up: bool,
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
    let begun = Deployment {
        definition: wanted.definition.clone(),
        network: wanted.network.clone(),
        ..Deployment::default()
    };
    let goes_on = deployment.definition == begun.definition && deployment.network == begun.network;
    let deployment = if goes_on { deployment.clone() } else { begun.clone() };
    let mut pass = Pass { wanted, tasks, now, deployment, actions: Vec::new(), look_again: None };
    // Ends first: they free places, and they tell whether the deployment works.
    pass.ends();
    let alive: Vec<&Seen> = tasks.iter().filter(|task| task.is_alive()).collect();
    for task in alive.iter().filter(|task| !task.was_ready && task.is_ready(wanted)) {
        if !task.has_stayed(wanted, now) {
            pass.wake(task.stays_at());
            continue;
        }
        pass.actions.push(Action::MarkReady(task.id.clone()));
        if task.definition == pass.deployment.definition && !pass.deployment.given_up {
            // Failures count in a row: resetOnHealthyTask of
            // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentCircuitBreaker.html
            pass.deployment.failures = 0;
            pass.deployment.not_before = 0;
        }
    }
    let target = pass.target(steady).to_owned();
    let (current, old): (Vec<&Seen>, Vec<&Seen>) =
        alive.iter().copied().partition(|task| task.definition == target && !task.outdated);
    let (ill, well): (Vec<&Seen>, Vec<&Seen>) =
        current.iter().copied().partition(|task| task.illness(wanted, now).is_some());
    pass.starts(&target, &well);
    pass.stops(&alive, &ill, old, &well);
    let is_steady = count(well.len()) == wanted.desired
        && tasks.len() == well.len()
        && well.iter().all(|task| task.is_ready(wanted))
        && target == wanted.definition;
    if is_steady && well.iter().all(|task| task.has_stayed(wanted, now)) {
        pass.deployment = begun;
    }
    for task in &alive {
        let until = task.created_at.saturating_add(wanted.grace);
        if now < until && task.target == Some(TargetHealth::Unhealthy) {
            pass.wake(until);
        }
    }
    let Pass { deployment, actions, look_again, .. } = pass;
    let waits_for = if is_steady {
        String::new()
    } else {
        sentence::waits_for(wanted, &target, &well, tasks, &deployment, now)
    };
    Plan { given_up: deployment.given_up, actions, deployment, steady: is_steady, waits_for, look_again }
}

/// A plan in the making.
struct Pass<'a> {
    wanted: &'a Wanted,
    tasks: &'a [Seen],
    now: u64,
    deployment: Deployment,
    actions: Vec<Action>,
    look_again: Option<u64>,
}

impl Pass<'_> {
    /// Looks again then, unless the moment is over: what is waited for then comes with a change.
    fn wake(&mut self, at: u64) {
        if at > self.now {
            self.look_again = Some(self.look_again.map_or(at, |earlier| earlier.min(at)));
        }
    }

    /// What has ended, what has come to run, what has drained.
    fn ends(&mut self) {
        for task in self.tasks {
            if self.is_uncounted_failure(task) {
                self.actions.push(Action::CountFailure(task.id.clone()));
            }
            if task.lost && task.wish == TaskWish::Run {
                self.actions.push(Action::Stop { id: task.id.clone(), reason: NETWORK_LOST.to_owned() });
                continue;
            }
            match &task.status {
                Status::Stopped(_) => self.actions.push(Action::Bury(task.id.clone())),
                Status::Running { .. }
                    if !task.registered && self.wanted.load_balanced && task.wish == TaskWish::Run =>
                {
                    self.actions.push(Action::Register(task.id.clone()));
                }
                Status::Provisioning | Status::Running { .. } | Status::Stopping(_) => {}
            }
            if let TaskWish::Drain { until, reason } = &task.wish {
                // Where nobody knows, the load balancer may not have been told yet, and still send requests.
                let over = match task.target {
                    None => false,
                    Some(TargetHealth::Unused) => true,
                    Some(_) => self.now >= *until,
                };
                if over || !task.runs() {
                    self.actions.push(Action::Stop { id: task.id.clone(), reason: reason.clone() });
                } else {
                    self.wake(*until);
                }
            }
        }
    }

    /// Is it a failure of the deployment that was not counted yet?
    fn is_uncounted_failure(&self, task: &Seen) -> bool {
        task.has_failed() && !task.failed && task.definition == self.deployment.definition
    }

    /// The definition that tasks should have: the wanted one, or the one before where the circuit breaker has opened.
    ///
    /// It watches a deployment until that is complete, which it is once it was steady.
    fn target<'b>(&mut self, steady: Option<&'b str>) -> &'b str
    where
        Self: 'b,
    {
        let wanted = self.wanted;
        let complete = steady == Some(wanted.definition.as_str());
        let limit = wanted.desired.div_ceil(2).clamp(LEAST_FAILURES, MOST_FAILURES);
        if wanted.breaker && !complete && !self.deployment.given_up && self.deployment.failures >= limit {
            self.deployment.given_up = true;
            self.deployment.rolled_back = wanted.roll_back && steady.is_some();
        }
        match steady {
            Some(steady) if self.deployment.rolled_back => steady,
            _ => &wanted.definition,
        }
    }

    /// More tasks than this do not run at once.
    fn room(&self) -> u32 {
        let most = u64::from(self.wanted.desired) * u64::from(self.wanted.maximum_percent) / 100;
        u32::try_from(most).unwrap_or(u32::MAX).max(self.wanted.desired.min(1))
    }

    /// Fewer ready tasks than this must not remain.
    fn floor(&self) -> u32 {
        let least = u64::from(self.wanted.desired) * u64::from(self.wanted.minimum_percent);
        u32::try_from(least.div_ceil(100)).unwrap_or(u32::MAX)
    }

    fn running(&self) -> u32 {
        count(self.tasks.iter().filter(|task| !matches!(task.status, Status::Stopped(_))).count())
    }

    /// Starts what is missing, each in the zone that has the fewest.
    fn starts(&mut self, target: &str, well: &[&Seen]) {
        let missing = self.wanted.desired.saturating_sub(count(well.len()));
        let may_start = missing.min(self.room().saturating_sub(self.running()));
        if may_start > 0 && target == self.deployment.definition {
            // A deployment that was given up starts no more tasks: `rolloutState` of
            // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Deployment.html
            if self.deployment.given_up {
                return;
            }
            // How long to wait is known once a failure is counted.
            if self.tasks.iter().any(|task| self.is_uncounted_failure(task)) {
                return;
            }
            if self.now < self.deployment.not_before {
                self.wake(self.deployment.not_before);
                return;
            }
        }
        let mut load: BTreeMap<&str, usize> =
            self.wanted.subnets.iter().map(|subnet| (subnet.as_str(), 0)).collect();
        for task in well {
            load.entry(&task.subnet).and_modify(|load| *load += 1);
        }
        for _ in 0..may_start {
            let Some((subnet, load)) = load.iter_mut().min_by_key(|(_, load)| **load) else { break };
            *load += 1;
            self.actions.push(Action::Start { definition: target.to_owned(), subnet: (*subnet).to_owned() });
        }
    }

    /// Ends the ill, the old and the surplus, as long as enough ready ones stay.
    ///
    /// The ill wait until their replacements are ready, and go one by one where there is no room for a replacement:
    /// `minimumHealthyPercent` of
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html>,
    /// <https://aws.amazon.com/about-aws/whats-new/2023/10/amazon-ecs-applications-resiliency-unpredictable-load-spikes/>.
    fn stops(&mut self, alive: &[&Seen], ill: &[&Seen], mut old: Vec<&Seen>, well: &[&Seen]) {
        let (wanted, now) = (self.wanted, self.now);
        let floor = self.floor();
        let ready = count(alive.iter().filter(|task| task.is_ready(wanted)).count());
        let mut spare = ready.saturating_sub(floor);
        let mut ending: Vec<(&Seen, &str)> =
            ill.iter().filter_map(|task| Some((*task, task.illness(wanted, now)?))).collect();
        old.sort_by_key(|task| (task.is_ready(wanted), task.created_at));
        ending.extend(old.iter().map(|task| (*task, "Scaling activity initiated by deployment")));
        let mut surplus = well.to_vec();
        surplus.sort_by_key(|task| (task.is_ready(wanted), Reverse(task.created_at)));
        let excess = well.len().saturating_sub(usize::try_from(wanted.desired).unwrap_or(usize::MAX));
        ending.extend(
            surplus.iter().take(excess).map(|task| (*task, "Scaling activity initiated by the service")),
        );
        let is_full = count(well.len()) < wanted.desired && self.running() >= self.room();
        let mut makes_room = self.tasks.iter().any(|task| !task.is_alive());
        for (task, reason) in ending {
            if task.may_serve(wanted) {
                continue;
            }
            if task.is_ready(wanted) {
                if spare == 0 {
                    continue;
                }
                spare -= 1;
            } else if task.illness(wanted, now).is_some() && ready < floor {
                // A load balancer that has no healthy target sends requests to all.
                if !is_full || makes_room {
                    continue;
                }
                makes_room = true;
            }
            self.actions.push(end(task, wanted, now, reason));
        }
    }
}

/// Counts a task that ended before it was ready: the next is started after a growing while.
pub fn count_failure(deployment: &mut Deployment, now: u64) {
    deployment.failures = deployment.failures.saturating_add(1);
    // Beyond this it is the longest anyway.
    let doubled = timeouts::TASK_RETRY * (1 << (deployment.failures - 1).min(10));
    let pause = doubled.min(timeouts::TASK_RETRY_MOST).as_millis();
    deployment.not_before = now.saturating_add(u64::try_from(pause).unwrap_or(u64::MAX));
}

/// Plans the end of a service: every task drains and stops.
pub fn plan_end(tasks: &[Seen], drain: u64, now: u64) -> Vec<Action> {
    let reason = "Service was deleted";
    let end = |task: &Seen| match (&task.status, &task.wish) {
        (Status::Stopped(_), _) => Some(Action::Bury(task.id.clone())),
        (_, TaskWish::Run)
            if task.registered && matches!(task.target, None | Some(TargetHealth::Healthy)) =>
        {
            Some(Action::Drain { id: task.id.clone(), until: now + drain, reason: reason.to_owned() })
        }
        (_, TaskWish::Drain { until, .. }) if now < *until && task.target != Some(TargetHealth::Unused) => {
            None
        }
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

#[cfg(test)]
mod tests;
