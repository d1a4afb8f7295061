//! What the daemon answers to the command line.

use crate::{
    board::{Condition, Until, part},
    control::{DatabaseOperation, Fault, Handler, Location, Replies, Request},
    controllers::{Context, databases, internet},
    database::{self, DatabaseError, Status, key},
    environment,
    events::{Event, clock},
    logs::{Logs, reader::Filter},
    meaning::{
        interfaces, log_groups,
        network::{self, InternetHost, resolver_in},
    },
    preflight, process, status,
    store::StoreError,
    timeouts,
    world::Contents,
};
use hello_pg::Role;
use nix::sys::signal::Signal;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Instant,
};
use tokio::sync::{broadcast::error::RecvError, watch};

/// Answers from the daemon's context.
pub(super) struct Answers {
    context: Arc<Context>,
    stop: watch::Sender<bool>,
}

#[async_trait::async_trait]
impl Handler for Answers {
    async fn handle(&self, request: Request, replies: &Replies) -> Result<String, String> {
        match request {
            Request::Status => {
                for line in self.picture().await? {
                    replies.line(line).await;
                }
                Ok(String::new())
            }
            Request::Environment => self.environment(replies).await,
            Request::Events { follow, last } => self.events(follow, last, replies).await,
            Request::Logs { group, follow } => self.logs(&group, follow, replies).await,
            Request::Fault { fault, part } => self.fault(fault, &part).await,
            Request::Database { operation, identifier } => {
                self.database(&operation, &identifier, replies).await
            }
            Request::Push { layout, repository } => self.push(&layout, &repository).await,
            Request::Locate { part } => self.locate(&part),
            Request::Settle => self.settle(replies).await,
            Request::Stop => {
                self.stop.send_replace(true);
                Ok("the daemon ends; the parts go on".to_owned())
            }
        }
    }
}

/// What cannot be done with an instance as it is, and why (`InvalidDBInstanceState`).
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_StartDBInstance.html>
fn invalid(
    operation: &DatabaseOperation,
    status: &Status,
    role: Option<Role>,
) -> Option<(&'static str, &'static str)> {
    const START_FIRST: &str = "it is stopped: start it first";
    match (operation, status) {
        (DatabaseOperation::Stop, Status::Stopped) => Some(("stopped", "it is stopped already")),
        (DatabaseOperation::Start, Status::Stopped) => None,
        (DatabaseOperation::Start, _) => Some(("started", "it is not stopped")),
        (DatabaseOperation::Reboot, Status::Stopped) => Some(("rebooted", START_FIRST)),
        (DatabaseOperation::Promote, Status::Stopped) => Some(("promoted", START_FIRST)),
        (DatabaseOperation::Promote, _) if role == Some(Role::Primary) => {
            Some(("promoted", "it is no read replica"))
        }
        _ => None,
    }
}

impl Answers {
    pub(super) fn new(context: Arc<Context>, stop: watch::Sender<bool>) -> Answers {
        Answers { context, stop }
    }

    async fn picture(&self) -> Result<Vec<String>, String> {
        let contents = self.context.world.snapshot();
        let frozen = self.frozen(network::owners(&contents)).await?;
        let is_filled = |owner: &String| {
            let database = interfaces::database_of(owner);
            database.is_some_and(|(region, name)| self.context.databases.is_filled(&key(region, name)))
        };
        let filled = contents.interfaces.keys().filter(|owner| is_filled(owner)).cloned().collect();
        let board = self.context.board.all();
        let tasks: BTreeMap<String, String> =
            contents.tasks.keys().filter_map(|id| Some((id.clone(), self.task(id)?))).collect();
        Ok(status::picture(&status::Facts {
            lab: self.context.lab.name(),
            contents: &contents,
            board: &board,
            tasks: &tasks,
            frozen: &frozen,
            filled: &filled,
            port: self.context.published.port(internet::PUBLISHED),
        }))
    }

    /// Those of these parts in which a process is stopped. Looked at each time: a process may have been replaced, or have
    /// got its signal from elsewhere.
    async fn frozen(&self, owners: BTreeSet<String>) -> Result<BTreeSet<String>, String> {
        let lab = self.context.lab.clone();
        let look = move || {
            let namespaces = owners.iter().map(|owner| network::namespace(&lab, owner));
            let frozen = process::frozen(namespaces);
            owners.into_iter().filter(|owner| frozen.contains(&network::namespace(&lab, owner))).collect()
        };
        tokio::task::spawn_blocking(look).await.map_err(|error| error.to_string())
    }

    fn task(&self, id: &str) -> Option<String> {
        use crate::task::model::{Health, Status};
        let words = match self.context.tasks.status(id)? {
            Status::Provisioning => "provisioning".to_owned(),
            Status::Running { health: Health::Healthy } => "running, healthy".to_owned(),
            Status::Running { health: Health::Unhealthy } => "running, unhealthy".to_owned(),
            Status::Running { health: Health::Unknown } => "running".to_owned(),
            Status::Stopping(stopped) => format!("stopping: {}", stopped.reason),
            Status::Stopped(stopped) => format!("stopped: {}", stopped.reason),
        };
        Some(words)
    }

    async fn environment(&self, replies: &Replies) -> Result<String, String> {
        let contents = self.context.world.snapshot();
        let version = preflight::newest_postgresql(Path::new(preflight::POSTGRESQL))
            .ok_or("no PostgreSQL server is installed")?;
        let facts = environment::Facts {
            registry_password: contents.settings.get(internet::PASSWORD_SETTING).cloned().unwrap_or_default(),
            image: contents.settings.get(internet::IMAGE_SETTING).cloned(),
            ca: self.context.authority.pem().to_owned(),
            postgres_version: version,
            administrator: InternetHost::Administrator.address(),
        };
        let variables = environment::variables(&self.context.lab, &facts);
        for line in environment::shell(&variables) {
            replies.line(line).await;
        }
        Ok(serde_json::to_string(&variables).expect("texts are JSON"))
    }

    async fn events(&self, follow: bool, last: usize, replies: &Replies) -> Result<String, String> {
        let mut follower = self.context.events.follow();
        for event in self.context.events.last(last) {
            replies.line(line(&event)).await;
        }
        if !follow {
            return Ok(String::new());
        }
        loop {
            let text = match follower.recv().await {
                Ok(event) => line(&event),
                Err(RecvError::Lagged(missed)) => format!("({missed} events went by too fast)"),
                Err(RecvError::Closed) => return Ok(String::new()),
            };
            if !replies.line(text).await {
                return Ok(String::new());
            }
        }
    }

    async fn logs(&self, group: &str, follow: bool, replies: &Replies) -> Result<String, String> {
        let contents = self.context.world.snapshot();
        let groups = log_groups::wanted(&contents);
        let Some((region, _)) = groups.keys().find(|(_, name)| name == group) else {
            let names: Vec<&str> = groups.keys().map(|(_, name)| name.as_str()).collect();
            return Err(format!("there is no log group {group:?}; there are: {}", names.join(", ")));
        };
        let mut reader = Logs::new(&self.context.lab, region).read(group, Filter::default());
        let unreadable = |error: std::io::Error| format!("the log cannot be read: {error}");
        let mut found = reader.read_new().map_err(unreadable)?;
        loop {
            for record in found {
                let text =
                    format!("{} {} {}", clock(record.event.timestamp), record.stream, record.event.message);
                if !replies.line(text).await {
                    return Ok(String::new());
                }
            }
            // A look reads a piece of each stream only: the end is where one finds nothing.
            let more = if follow {
                tokio::select! {
                    () = replies.closed() => return Ok(String::new()),
                    more = reader.follow() => more,
                }
            } else {
                reader.read_new()
            };
            found = more.map_err(unreadable)?;
            if found.is_empty() {
                return Ok(String::new());
            }
        }
    }

    async fn fault(&self, fault: Fault, part: &str) -> Result<String, String> {
        let contents = self.context.world.snapshot();
        let owner = status::owner_of(&contents, part)?;
        let cut = matches!(fault, Fault::Cut);
        if matches!(fault, Fault::Cut | Fault::Restore) {
            let changed = self.context.world.change(|draft| {
                draft.set_cut(&owner, cut);
                Ok::<_, StoreError>(())
            });
            changed.map_err(|error| error.to_string())?;
            let generation = self.context.world.generation();
            let settled =
                self.context.board.wait(part::NETWORK, Until::Ready(generation), timeouts::PART_READY).await;
            settled.map_err(|error| error.to_string())?;
        }
        match fault {
            Fault::Cut => {}
            Fault::Kill => self.signal(&owner, Signal::SIGKILL).await?,
            Fault::Freeze => {
                self.signal(&owner, Signal::SIGSTOP).await?;
                self.stands_still(&owner).await?;
            }
            Fault::Fill => self.fill(&owner).await?,
            Fault::Restore => {
                self.signal(&owner, Signal::SIGCONT).await?;
                self.free(&owner).await?;
            }
        }
        let word = match fault {
            Fault::Kill => "killed",
            Fault::Freeze => "frozen",
            Fault::Cut => "cut off",
            Fault::Fill => "full",
            Fault::Restore => "restored",
        };
        self.context.events.tell("fault", &format!("{owner} is {word}"));
        Ok(format!("{owner} is {word}"))
    }

    async fn fill(&self, owner: &str) -> Result<(), String> {
        let Some((region, identifier)) = interfaces::database_of(owner) else {
            return Err(format!("{owner} has no storage of its own to be filled; a database has: db/NAME"));
        };
        let key = key(region, identifier);
        self.context.databases.fill(&key).await.map_err(|error| error.to_string())?;
        self.context.databases.look_again(&key).await;
        Ok(())
    }

    async fn free(&self, owner: &str) -> Result<(), String> {
        let Some((region, identifier)) = interfaces::database_of(owner) else { return Ok(()) };
        let key = key(region, identifier);
        match self.context.databases.restore(&key) {
            Ok(()) => {
                self.context.databases.look_again(&key).await;
                Ok(())
            }
            // What was never made has no fault either.
            Err(DatabaseError::NoInstance(_)) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Waits until a part that was frozen is: a process stops once it is out of the kernel.
    async fn stands_still(&self, owner: &str) -> Result<(), String> {
        let deadline = Instant::now() + timeouts::KILLED;
        while self.frozen([owner.to_owned()].into()).await?.is_empty() {
            if Instant::now() >= deadline {
                return Err(format!(
                    "no process of {owner} has stopped within {} s",
                    timeouts::KILLED.as_secs()
                ));
            }
            tokio::time::sleep(timeouts::POLL_START).await;
        }
        Ok(())
    }

    /// Sends a signal to the processes of a part: all that live in its namespace. What looks after a task lives there
    /// too, but belongs to the lab: it has to say how the task ended.
    async fn signal(&self, owner: &str, signal: Signal) -> Result<(), String> {
        let namespace = network::namespace(&self.context.lab, owner);
        let shim = owner.split_once("/task/").map(|(_, id)| crate::task::tasks::shim(id));
        let processes = self.context.lab.processes();
        let send = move || processes.signal_namespace(&namespace, signal, shim.as_deref());
        let sent = tokio::task::spawn_blocking(send);
        let count = sent.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        if count == 0 && signal != Signal::SIGCONT {
            let way_out = match owner.split('/').nth(1) {
                Some("igw" | "nat") => ": the kernel itself translates addresses; cut it off instead",
                _ => "",
            };
            return Err(format!("no process runs in {owner}{way_out}"));
        }
        Ok(())
    }

    async fn database(
        &self,
        operation: &DatabaseOperation,
        identifier: &str,
        replies: &Replies,
    ) -> Result<String, String> {
        let databases = &self.context.databases;
        let contents = self.context.world.snapshot();
        let resource = status::database(&contents, identifier)?;
        let (region, identifier) = (resource.region.as_str(), resource.text("identifier"));
        let Some(instance) = databases::model(&self.context, resource) else {
            return Err(format!(
                "{identifier} has no address yet: `hello-lab status` says what it waits for"
            ));
        };
        let (databases, key) = (databases.clone(), instance.key());
        let operation = operation.clone();
        // It goes on where the caller hangs up, as on AWS: nothing is left half done.
        let mut work = tokio::spawn(async move {
            let found = databases.describe(&instance).await?;
            let role = found.node.map(|node| node.role);
            if let Some((what, reason)) = invalid(&operation, &found.status, role) {
                let identifier = instance.identifier;
                return Err(DatabaseError::State { identifier, what, reason: reason.to_owned() });
            }
            match operation {
                DatabaseOperation::Promote => {
                    databases.promote(&key).await.map(|()| "is a primary now".to_owned())
                }
                DatabaseOperation::Reboot => {
                    databases.reboot(&instance).await.map(|_| "was rebooted".to_owned())
                }
                DatabaseOperation::Stop => databases.stop(&key).await.map(|()| "is stopped".to_owned()),
                DatabaseOperation::Start => {
                    databases.start(&instance).await.map(|_| "was started".to_owned())
                }
                DatabaseOperation::Snapshot { name } => {
                    databases.snapshot(&key, &name).await.map(|_| format!("is kept as snapshot {name}"))
                }
            }
        });
        // It may have to wait for other work on the instance, a copy above all.
        let (key, mut told) = (database::key(region, identifier), None);
        let done = loop {
            tokio::select! {
                done = &mut work => break done.map_err(|error| error.to_string())?,
                () = tokio::time::sleep(timeouts::DATABASE_PATIENCE) => {}
            }
            let doing = self.context.databases.doing(&key);
            if let Some(words) = doing.filter(|_| doing != told) {
                replies.line(format!("{identifier} is being {words} ...")).await;
                told = doing;
            }
        };
        let sentence = format!("{identifier} {}", done.map_err(|error| error.to_string())?);
        // Whoever asks for `status` next sees it.
        self.context.databases.look_again(&key).await;
        self.context.events.tell(&part::database(region, identifier), &sentence);
        Ok(sentence)
    }

    async fn push(&self, layout: &Path, repository: &str) -> Result<String, String> {
        let wait = self.context.board.wait(part::REGISTRY, Until::Ready(0), timeouts::PART_READY).await;
        wait.map_err(|error| error.to_string())?;
        let registry = internet::registry(&self.context).map_err(|error| error.to_string())?;
        let registry = registry.ok_or("the registry has no password yet")?;
        let Some(name) = repository.strip_prefix(&format!("{}/", registry.name)) else {
            return Err(format!("{repository} is not in {}: the lab has no other registry", registry.name));
        };
        let credentials = registry.users.first().cloned().ok_or("the registry has no user yet")?;
        let from = self.context.lab.namespace(InternetHost::Client.name());
        let shared = self.context.pushing.read().await;
        let digest =
            registry.push(&from, layout, name, credentials).await.map_err(|error| format!("{error:#}"))?;
        let image = format!("{repository}@{digest}");
        let stored = self.context.world.change(|draft| {
            draft.put_setting(internet::IMAGE_SETTING, &image);
            Ok::<_, StoreError>(())
        });
        // Now that it is known to be needed.
        drop(shared);
        stored.map_err(|error| error.to_string())?;
        self.context.events.tell(part::REGISTRY, &format!("{image} is there"));
        Ok(image)
    }

    /// Where a part is, and how to run a command in it.
    fn locate(&self, part: &str) -> Result<String, String> {
        let location = if let Some(host) = InternetHost::ALL.into_iter().find(|host| host.name() == part) {
            Location {
                namespace: self.context.lab.namespace(host.name()).name().to_owned(),
                container: None,
                resolver: Some(InternetHost::Dns.address()),
            }
        } else {
            let contents = self.context.world.snapshot();
            let owner = status::owner_of(&contents, part)?;
            let task = owner.split('/').nth(1).filter(|kind| *kind == "task").and(owner.rsplit('/').next());
            let subnet = contents.interfaces.get(&owner).map(|interface| interface.subnet.as_str());
            Location {
                namespace: network::namespace(&self.context.lab, &owner).name().to_owned(),
                container: task
                    .map(|task| (task.to_owned(), container_of(&contents, task).unwrap_or_default())),
                resolver: subnet.and_then(|subnet| resolver_in(&contents, subnet)),
            }
        };
        serde_json::to_string(&location).map_err(|error| error.to_string())
    }

    async fn settle(&self, replies: &Replies) -> Result<String, String> {
        let mut changed = self.context.board.watch();
        let mut last = String::new();
        // What is known by now: the parts' own records change it again and again.
        let generation = self.context.world.generation();
        let settled = async {
            loop {
                changed.borrow_and_update();
                let waiting =
                    unsettled(&self.context.world.snapshot(), &self.context.board.all(), generation);
                if waiting.is_empty() {
                    return;
                }
                last = waiting.join("; ");
                replies.line(last.clone()).await;
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        match tokio::time::timeout(timeouts::SETTLED, settled).await {
            Ok(()) => Ok(String::new()),
            Err(_) => Err(format!(
                "not everything is as it should be after {} s: {last}",
                timeouts::SETTLED.as_secs()
            )),
        }
    }
}

/// What is not as it should be, as of this generation: parts that say so, and parts of resources that say nothing yet, or
/// only that they were well before.
fn unsettled(contents: &Contents, board: &BTreeMap<String, Condition>, generation: u64) -> Vec<String> {
    let databases =
        contents.of_type("aws_db_instance").map(|it| part::database(&it.region, it.text("identifier")));
    let snapshots = contents
        .of_type("aws_db_snapshot")
        .map(|it| part::snapshot(&it.region, it.text("db_snapshot_identifier")));
    let services = contents.of_type("aws_ecs_service").map(|it| part::service(&it.region, &it.state));
    let balancers = contents.of_type("aws_lb").chain(contents.of_type("aws_alb"));
    let balancers = balancers.map(|it| part::load_balancer(&it.region, it.text("name")));
    let of_lab = [part::NETWORK, part::DNS, part::REGISTRY].map(str::to_owned);
    let wanted: BTreeSet<String> =
        databases.chain(snapshots).chain(services).chain(balancers).chain(of_lab).collect();
    let names: BTreeSet<&String> = board.keys().chain(&wanted).collect();
    let waiting = names.iter().filter_map(|name| {
        let sentence = match board.get(*name) {
            Some(Condition::Pending(sentence) | Condition::Failed(_, sentence)) => sentence.as_str(),
            Some(Condition::Ready(reached)) if wanted.contains(*name) && *reached < generation => {
                "an earlier change is ready, this one is not yet"
            }
            None => "nothing is known of it yet",
            Some(Condition::Ready(_) | Condition::Gone) => return None,
        };
        let shown = part::shown(name, names.iter().map(|name| name.as_str()));
        Some(format!("{shown}: {sentence}"))
    });
    waiting.collect()
}

fn container_of(contents: &Contents, task: &str) -> Option<String> {
    let record = contents.tasks.get(task)?;
    let definition = crate::meaning::tasks::definition(contents, &record.definition)?;
    crate::meaning::tasks::first_container(definition)
}

fn line(event: &Event) -> String {
    format!("{} {}: {}", clock(event.at), event.part, event.message)
}

#[cfg(test)]
mod tests;
