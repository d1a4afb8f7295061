//! Services: looks at the tasks of each, plans the next steps, and takes them.

use super::{Context, Wake, pause};
use crate::{
    board::{Condition, part},
    events::now,
    load_balancer::model::{LoadBalancer, TargetHealth},
    meaning::{
        self,
        interfaces::{self, AllocationError},
    },
    secret::random_digits,
    service::plan::{self, Action, Seen, Wanted},
    store::StoreError,
    task::{
        model::{Status, Stopped},
        tasks,
    },
    world::{Contents, Draft, Resource, ServiceRecord, TaskRecord, TaskWish},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// Ended tasks of a service that are kept to be looked at, as ECS shows them for a while.
const HISTORY: usize = 10;

/// Why a step was not taken; the next pass takes it.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Runs until `stop` turns true.
pub async fn run(context: Arc<Context>, stop: watch::Receiver<bool>) {
    let mut tasks = Wake::new(&context, Some(context.tasks.changes()), stop.clone());
    let mut balancers = context.load_balancers.changes();
    loop {
        tasks.begin();
        if meaning::task_definitions::has_retired(&context.world.snapshot()) {
            let pruned = context.world.change(|draft| {
                meaning::task_definitions::forget_retired(draft);
                Ok::<_, StoreError>(())
            });
            if let Err(error) = pruned {
                tracing::error!("cannot forget task definitions: {error}");
            }
        }
        balancers.borrow_and_update();
        let mut rest = pause(true);
        let generation = context.world.generation();
        let contents = context.world.snapshot();
        for service in contents.of_type("aws_ecs_service") {
            rest = rest.min(pass(&context, &contents, service, generation).await);
        }
        let woken = tokio::select! {
            woken = tasks.wait_with_board(rest) => woken.is_some(),
            changed = balancers.changed() => changed.is_ok(),
        };
        if !woken {
            return;
        }
    }
}

/// The steps of a pass that were not taken. One does not keep the others from being taken.
#[derive(Debug, Default)]
struct Failures(Vec<String>);

impl Failures {
    fn note(&mut self, step: Result<(), StepError>) {
        self.0.extend(step.err().map(|error| error.to_string()));
    }
}

/// What a look at a service has come to.
#[derive(Debug)]
struct Outcome {
    condition: Condition,
    actions: Vec<Action>,
    /// How long to wait before the next look where nothing changes.
    rest: Duration,
}

/// One look at one service. Returns how long to wait before the next where nothing changes.
async fn pass(context: &Context, contents: &Contents, service: &Resource, generation: u64) -> Duration {
    let mut failures = Failures::default();
    let seen = seen(context, contents, service);
    let Outcome { mut condition, actions, mut rest } = if service.deleting {
        end(context, contents, service, &seen, &mut failures)
    } else {
        go_on(context, contents, service, &seen, generation, &mut failures)
    };
    // Burials come last: what is left of a task may take its time to be gone.
    let (burials, steps): (Vec<_>, Vec<_>) =
        actions.into_iter().partition(|action| matches!(action, Action::Bury(_)));
    execute(context, service, steps, &mut failures).await;
    begin(context, service, &mut failures).await;
    execute(context, service, burials, &mut failures).await;
    // Written once in each pass: a change on the board wakes this very controller.
    if !failures.0.is_empty() {
        rest = rest.min(pause(false));
        condition = Condition::Pending(failures.0.join("; "));
    }
    context.set(&part_of(service), condition);
    rest
}

/// Ends a service that is to go.
fn end(
    context: &Context,
    contents: &Contents,
    service: &Resource,
    seen: &[Seen],
    failures: &mut Failures,
) -> Outcome {
    if seen.is_empty() {
        failures.note(forget(context, service));
        return Outcome { condition: Condition::Gone, actions: Vec::new(), rest: pause(true) };
    }
    let drain = meaning::load_balancers::drain_time(contents, service);
    Outcome {
        condition: Condition::Pending(format!("{} tasks are ending", seen.len())),
        actions: plan::plan_end(seen, milliseconds(drain), now()),
        rest: pause(false),
    }
}

/// The next steps of a service that is to run.
fn go_on(
    context: &Context,
    contents: &Contents,
    service: &Resource,
    seen: &[Seen],
    generation: u64,
    failures: &mut Failures,
) -> Outcome {
    let record = contents.services.get(service.text("id")).cloned().unwrap_or_default();
    let wanted = wanted(contents, service);
    let plan = plan::plan(&wanted, &record.deployment, record.steady.as_deref(), seen, now());
    let steady = if plan.steady { Some(wanted.definition.clone()) } else { record.steady };
    let recorded = ServiceRecord { deployment: plan.deployment, steady };
    failures.note(context.world.change(|draft| {
        draft.put_service(service.text("id"), recorded);
        Ok(())
    }));
    let condition = match (plan.steady, plan.given_up) {
        (true, _) => Condition::Ready(generation),
        (false, true) => {
            let last = last_end(contents, service, &wanted.definition);
            let why = last.map(|reason| format!("; the last one ended: {reason}")).unwrap_or_default();
            Condition::Failed(generation, plan.waits_for + &why)
        }
        (false, false) => Condition::Pending(plan.waits_for),
    };
    let rest = match plan.look_again {
        Some(at) => Duration::from_millis(at.saturating_sub(now()).max(1)).min(pause(true)),
        None => pause(true),
    };
    Outcome { condition, actions: plan.actions, rest }
}

/// Why the last task of a service with this definition has ended.
fn last_end<'a>(contents: &'a Contents, service: &Resource, definition: &str) -> Option<&'a str> {
    let tasks = contents.tasks.values();
    let own = tasks.filter(|task| task.service == service.text("id") && task.definition == definition);
    let ended = own.filter_map(|task| Some((task.created_at, task.stopped.as_ref()?.reason.as_str())));
    ended.max_by_key(|(created_at, _)| *created_at).map(|(_, reason)| reason)
}

fn part_of(service: &Resource) -> String {
    part::service(&service.region, &service.state)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn wanted(contents: &Contents, service: &Resource) -> Wanted {
    let number = |name: &str, default: u32| {
        service.state.get(name).as_i64().and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
    };
    let breaker = service.state.get("deployment_circuit_breaker").only();
    let definition = service.text("task_definition");
    let subnets = service.state.get("network_configuration").only().get("subnets").texts();
    Wanted {
        definition: definition.to_owned(),
        network: interfaces::task_network(service),
        desired: number("desired_count", 0),
        minimum_percent: number("deployment_minimum_healthy_percent", 100),
        maximum_percent: number("deployment_maximum_percent", 200),
        subnets: subnets.into_iter().map(str::to_owned).collect(),
        grace: u64::from(number("health_check_grace_period_seconds", 0)) * 1000,
        load_balanced: !service.state.get("load_balancer").items().is_empty(),
        checked: meaning::tasks::definition(contents, definition)
            .is_some_and(meaning::tasks::has_health_check),
        drain: milliseconds(meaning::load_balancers::drain_time(contents, service)),
        breaker: breaker.get("enable").as_bool() == Some(true),
        roll_back: breaker.get("rollback").as_bool() == Some(true),
    }
}

/// The tasks of a service that have not ended.
fn seen(context: &Context, contents: &Contents, service: &Resource) -> Vec<Seen> {
    let network = interfaces::task_network(service);
    let own = contents
        .tasks
        .iter()
        .filter(|(_, task)| task.service == service.text("id") && task.stopped.is_none());
    own.map(|(id, task)| {
        let status = context.tasks.status(id).unwrap_or(Status::Provisioning);
        Seen {
            id: id.clone(),
            definition: task.definition.clone(),
            subnet: task.subnet.clone(),
            wish: task.wish.clone(),
            registered: task.registered,
            created_at: task.created_at,
            was_ready: task.was_ready,
            failed: task.failed,
            outdated: task.network != network,
            lost: matches!(status, Status::Running { .. }) && is_lost(context, id, task),
            status,
            target: target_health(context, contents, service, id, task),
        }
    })
    .collect()
}

/// Does a running task live in a namespace that is not its own any more? It may have been deleted, and made anew, by hand.
fn is_lost(context: &Context, id: &str, task: &TaskRecord) -> bool {
    let shim = context.lab.processes().adopt(&tasks::shim(id)).ok().flatten();
    let namespace = interfaces::namespace(&context.lab, &interfaces::task_owner(&task.region, id));
    shim.is_some_and(|shim| !namespace.holds(shim.pid()))
}

/// How a task fares as a target: the worst of its groups. `None` where a load balancer of theirs does not say.
fn target_health(
    context: &Context,
    contents: &Contents,
    service: &Resource,
    id: &str,
    task: &TaskRecord,
) -> Option<TargetHealth> {
    let Some(interface) = contents.interfaces.get(&interfaces::task_owner(&task.region, id)) else {
        return Some(TargetHealth::Unused);
    };
    let groups = meaning::load_balancers::groups_of_service(contents, service);
    let mut worst = TargetHealth::Unused;
    for balancer in meaning::load_balancers::all(contents) {
        let named = meaning::load_balancers::groups_of_balancer(contents, balancer);
        let own =
            balancer.region == service.region && named.iter().any(|name| groups.contains(&name.as_str()));
        // One that is going has let go of its targets.
        if balancer.deleting || !own {
            continue;
        }
        let health =
            context.load_balancers.health(&LoadBalancer::id_of(&balancer.region, balancer.text("name")))?;
        for (_, targets) in health.iter().filter(|(group, _)| groups.contains(&group.as_str())) {
            let own = targets.iter().filter(|(target, _)| *target.ip() == interface.address);
            worst = own.map(|(_, health)| *health).chain([worst]).max_by_key(|health| badness(*health))?;
        }
    }
    Some(worst)
}

fn badness(health: TargetHealth) -> u8 {
    match health {
        TargetHealth::Unused => 0,
        TargetHealth::Healthy => 1,
        TargetHealth::Draining => 2,
        TargetHealth::Initial => 3,
        TargetHealth::Unhealthy => 4,
    }
}

async fn execute(context: &Context, service: &Resource, actions: Vec<Action>, failures: &mut Failures) {
    for action in actions {
        tell(context, service, &action);
        failures.note(take(context, service, action).await);
    }
}

async fn take(context: &Context, service: &Resource, action: Action) -> Result<(), StepError> {
    match action {
        Action::Start { definition, subnet } => {
            let task = TaskRecord {
                service: service.text("id").to_owned(),
                region: service.region.clone(),
                definition,
                subnet,
                wish: TaskWish::Run,
                registered: false,
                created_at: now(),
                was_ready: false,
                failed: false,
                network: interfaces::task_network(service),
                stopped: None,
            };
            context.world.change(|draft| {
                draft.put_task(&random_digits(16), task);
                Ok(interfaces::allocate(draft)?)
            })
        }
        Action::Register(id) => edit(context, &id, |task| task.registered = true),
        Action::MarkReady(id) => edit(context, &id, |task| task.was_ready = true),
        Action::CountFailure(id) => context.world.change(|draft| {
            count_failure(draft, service, &id);
            Ok(())
        }),
        Action::Drain { id, until, reason } => {
            edit(context, &id, |task| task.wish = TaskWish::Drain { until, reason })
        }
        Action::Stop { id, reason } => edit(context, &id, |task| {
            task.wish = TaskWish::Stop { reason };
            task.registered = false;
        }),
        Action::Bury(id) => bury(context, service, &id).await,
    }
}

/// Counts a task as a failure of the deployment, once: in one draft, so that it is so also after a kill.
fn count_failure(draft: &mut Draft, service: &Resource, id: &str) {
    let key = service.text("id");
    let Some(mut task) = draft.contents.tasks.get(id).filter(|task| !task.failed).cloned() else { return };
    let mut record = draft.contents.services.get(key).cloned().unwrap_or_default();
    plan::count_failure(&mut record.deployment, now());
    draft.put_service(key, record);
    task.failed = true;
    draft.put_task(id, task);
}

fn tell(context: &Context, service: &Resource, action: &Action) {
    let sentence = match action {
        Action::Start { definition, subnet } => format!("starts a task of {definition} in {subnet}"),
        Action::Register(id) => format!("registers task {id}"),
        Action::MarkReady(id) => format!("task {id} is ready"),
        Action::CountFailure(id) => format!("task {id} counts as a failure of the deployment"),
        Action::Drain { id, reason, .. } => format!("drains task {id}: {reason}"),
        Action::Stop { id, reason } => format!("stops task {id}: {reason}"),
        Action::Bury(id) => match context.tasks.status(id) {
            Some(Status::Stopped(stopped)) => format!("task {id} has ended: {}", stopped.reason),
            _ => format!("task {id} has ended"),
        },
    };
    context.tell(&part_of(service), &sentence);
}

fn edit(context: &Context, id: &str, edit: impl FnOnce(&mut TaskRecord)) -> Result<(), StepError> {
    context.world.change(|draft| {
        if let Some(mut task) = draft.contents.tasks.get(id).cloned() {
            edit(&mut task);
            draft.put_task(id, task);
        }
        Ok(())
    })
}

/// Cleans up after a task that has ended, and only then gives its address back.
async fn bury(context: &Context, service: &Resource, id: &str) -> Result<(), StepError> {
    let Some(Status::Stopped(stopped)) = context.tasks.status(id) else { return Ok(()) };
    context.tasks.remove(id).await?;
    context.world.change(|draft| record_end(draft, service, id, stopped))
}

fn record_end(draft: &mut Draft, service: &Resource, id: &str, stopped: Stopped) -> Result<(), StepError> {
    if let Some(mut task) = draft.contents.tasks.get(id).cloned() {
        task.registered = false;
        task.stopped = Some(stopped);
        draft.put_task(id, task);
    }
    prune(draft, service);
    Ok(interfaces::allocate(draft)?)
}

/// Forgets the oldest ended tasks.
fn prune(draft: &mut Draft, service: &Resource) {
    let own = draft
        .contents
        .tasks
        .iter()
        .filter(|(_, task)| task.service == service.text("id") && task.stopped.is_some());
    let mut ended: Vec<(u64, String)> = own.map(|(id, task)| (task.created_at, id.clone())).collect();
    ended.sort();
    let surplus = ended.len().saturating_sub(HISTORY);
    for (_, id) in ended.into_iter().take(surplus) {
        draft.remove_task(&id);
    }
}

/// Starts what should run and was never started, and stops what should stop.
async fn begin(context: &Context, service: &Resource, failures: &mut Failures) {
    let generation = context.world.generation();
    let contents = context.world.snapshot();
    let own = contents
        .tasks
        .iter()
        .filter(|(_, task)| task.service == service.text("id") && task.stopped.is_none());
    for (id, record) in own {
        failures.note(begin_task(context, &contents, service, id, record, generation).await);
    }
}

async fn begin_task(
    context: &Context,
    contents: &Contents,
    service: &Resource,
    id: &str,
    record: &TaskRecord,
    generation: u64,
) -> Result<(), StepError> {
    match (&record.wish, context.tasks.status(id)) {
        (TaskWish::Run, None) if context.has_network(generation) => {
            let ca = context.authority.certificate();
            match meaning::tasks::task(contents, &context.lab, id, record, &ca) {
                Some(Ok(task)) => Ok(context.tasks.start(&task).await?),
                Some(Err(stopped)) => fail(context, service, id, stopped),
                None => Ok(()),
            }
        }
        (TaskWish::Stop { reason }, Some(Status::Provisioning | Status::Running { .. })) => {
            Ok(context.tasks.stop(id, "ServiceSchedulerInitiated", reason).await?)
        }
        // It was never started: there is nothing to wait for.
        (TaskWish::Stop { reason } | TaskWish::Drain { reason, .. }, None) => {
            let stopped = Stopped {
                code: "ServiceSchedulerInitiated".to_owned(),
                reason: reason.clone(),
                exit_code: None,
            };
            context.world.change(|draft| record_end(draft, service, id, stopped))
        }
        _ => Ok(()),
    }
}

/// A task that never came to run: counted as a failure of its deployment.
fn fail(context: &Context, service: &Resource, id: &str, stopped: Stopped) -> Result<(), StepError> {
    context.tell(&part_of(service), &format!("task {id} has failed: {}", stopped.reason));
    context.world.change(|draft| {
        count_failure(draft, service, id);
        record_end(draft, service, id, stopped)
    })
}

/// Forgets a service that has no task any more.
fn forget(context: &Context, service: &Resource) -> Result<(), StepError> {
    context.world.change(|draft| {
        let own = draft.contents.tasks.iter().filter(|(_, task)| task.service == service.text("id"));
        let ids: Vec<String> = own.map(|(id, _)| id.clone()).collect();
        for id in ids {
            draft.remove_task(&id);
        }
        draft.remove_service(service.text("id"));
        Ok(interfaces::allocate(draft)?)
    })
}
