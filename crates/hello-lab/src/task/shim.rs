//! The process that looks after one task, in place of Fargate's agent.
//!
//! It runs in the task's network namespace, so what it pulls passes the task's subnet and security groups, and it has a
//! mount namespace of its own, so the mounts of its containers end with it. It does not need the daemon: it pulls, starts
//! the containers, keeps their logs, checks their health, sees them end, and says in a file how the task fares. SIGTERM
//! asks it to stop the task. The daemon cleans up after one that was killed.
//!
//! - [`container`]: one container from its image to its end
//! - [`output`]: what containers write, into their log streams

pub mod container;
pub mod output;

use crate::{
    database, events,
    files::gone,
    task::{
        cgroup::{self, Group, Limits},
        files::{self, Spec, StopRequest},
        health,
        model::{ContainerReport, Health, Report, Status, Stopped},
        runtime::Runtime,
        shim::container::{Container, Event},
    },
    timeouts,
};
use anyhow::Context as _;
use nix::sys::prctl;
use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::Instant,
};

/// Events of containers that wait to be looked at: a few a second at most.
const QUEUE: usize = 64;

/// What the hidden subcommand does.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Action {
    /// Look after the task of this directory until it has ended.
    Run {
        /// Directory of the task.
        directory: PathBuf,
    },
    /// Run a command in a container of the task of this directory.
    Exec {
        /// Directory of the task.
        directory: PathBuf,
        /// Name of the container.
        container: String,
        /// Give it a terminal.
        #[arg(long)]
        tty: bool,
        /// The command.
        #[arg(last = true, required = true)]
        argv: Vec<String>,
    },
}

/// Does what the subcommand says. Must be called while the process has one thread.
pub fn run(action: Action) -> anyhow::Result<()> {
    cgroup::see_one_version().context("make a mount namespace; this needs root")?;
    database::leave_volumes().context("leave the databases' storage alone")?;
    match action {
        Action::Run { directory } => {
            // Containers outlive the runtime that starts them; this process takes them over and sees them end.
            prctl::set_child_subreaper(true).context("take over orphans")?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(look_after(&directory))
        }
        Action::Exec { directory, container, tty, argv } => {
            let bundle = files::bundle(&directory, &container);
            let mut command = Runtime::of_task(&directory).exec(&container, &bundle, &argv, tty)?;
            Err(command.exec()).with_context(|| format!("run {}", command.get_program().to_string_lossy()))
        }
    }
}

/// The command line of the subcommand that runs `argv` in a container.
pub fn exec_command(
    program: &Path,
    directory: &Path,
    container: &str,
    argv: &[String],
    terminal: bool,
) -> Command {
    let mut command = Command::new(program);
    command.args(["task-shim", "exec"]);
    if terminal {
        command.arg("--tty");
    }
    command.arg(directory).arg(container).arg("--").args(argv);
    command
}

async fn look_after(directory: &Path) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let path = directory.join("task.json");
    let spec = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let spec: Spec =
        serde_json::from_slice(&spec).with_context(|| format!("understand {}", path.display()))?;
    let mut shim = Shim::new(spec);
    shim.publish()?;
    let started = tokio::select! {
        started = shim.start() => started,
        _ = terminate.recv() => Err(stopped_by_request(&shim.spec)),
    };
    let cause = match started {
        Ok(()) => shim.watch(&mut terminate).await?,
        Err(stopped) => stopped,
    };
    shim.end(cause).await
}

/// A task that is looked after.
struct Shim {
    spec: Spec,
    report: Report,
    group: Group,
    containers: Vec<Container>,
    events: mpsc::Receiver<Event>,
    sender: mpsc::Sender<Event>,
}

impl Shim {
    fn new(spec: Spec) -> Shim {
        let (sender, events) = mpsc::channel(QUEUE);
        let containers = spec.task.containers.iter();
        let report = Report {
            status: Status::Provisioning,
            created: events::now(),
            started: None,
            stopped: None,
            containers: containers
                .map(|container| ContainerReport {
                    name: container.name.clone(),
                    image_digest: None,
                    pid: None,
                    health: Health::Unknown,
                    exit_code: None,
                })
                .collect(),
            warnings: Vec::new(),
        };
        let group = Group::of_task(&spec.lab, &spec.task.id);
        Shim { spec, report, group, containers: Vec::new(), events, sender }
    }

    fn publish(&self) -> anyhow::Result<()> {
        self.spec.files.publish(&self.spec.task.id, &self.report).context("write how the task fares")
    }

    /// Prepares all containers, then starts them.
    async fn start(&mut self) -> Result<(), Stopped> {
        let task = &self.spec.task;
        let mut streams = Vec::new();
        for container in &task.containers {
            let stream = container.log.as_ref().map(|log| self.spec.logs.stream(&log.group, &log.stream));
            streams.push(stream.transpose().map_err(|error| no_stream(&error))?);
        }
        for (index, stream) in streams.into_iter().enumerate() {
            let mut prepared = Container::prepare(&self.spec, index, &self.group).await?;
            self.report.containers[index].image_digest = Some(prepared.image_digest().to_owned());
            prepared.set_stream(stream);
            self.containers.push(prepared);
        }
        self.report.warnings = self.group.create(Limits { cpu: task.cpu, memory: task.memory });
        for (index, container) in self.containers.iter_mut().enumerate() {
            let pid = container.start(&self.sender).await?;
            self.report.containers[index].pid = Some(pid);
        }
        // What the containers must know, they know now.
        let _ = gone(fs::remove_file(self.spec.files.spec(&task.id)));
        Ok(())
    }

    /// Follows the running task until there is a reason to end it.
    async fn watch(&mut self, terminate: &mut Signal) -> anyhow::Result<Stopped> {
        self.report.started = Some(events::now());
        loop {
            let checks = self.containers.iter().zip(&self.report.containers);
            let health =
                health::of_task(checks.map(|(container, report)| (container.is_checked(), report.health)));
            self.report.status = Status::Running { health };
            self.publish()?;
            let event = tokio::select! {
                event = self.events.recv() => event.context("a sender is kept")?,
                _ = terminate.recv() => return Ok(stopped_by_request(&self.spec)),
            };
            if let Some(cause) = self.take(event) {
                return Ok(cause);
            }
        }
    }

    /// Notes an event. Gives the reason to end the task, where it is one.
    fn take(&mut self, event: Event) -> Option<Stopped> {
        match event {
            Event::Health { index, health } => {
                self.report.containers[index].health = health;
                None
            }
            Event::Ended { index, exit_code } => {
                self.report.containers[index].pid = None;
                self.report.containers[index].exit_code = exit_code;
                let container = &mut self.containers[index];
                container.ended();
                let name = container.name().to_owned();
                let essential = container.is_essential();
                let last = self.containers.iter().all(|container| !container.is_running());
                if !essential && !last {
                    return None;
                }
                // 137: ended by SIGKILL, which is what the kernel sends.
                if exit_code == Some(137) && self.group.killed_for_memory(&name) > 0 {
                    return Some(Stopped {
                        code: "OutOfMemoryError".to_owned(),
                        reason: "OutOfMemoryError: Container killed due to memory usage".to_owned(),
                        exit_code,
                    });
                }
                Some(Stopped {
                    code: "EssentialContainerExited".to_owned(),
                    reason: "Essential container in task exited".to_owned(),
                    exit_code,
                })
            }
        }
    }

    /// Ends what still runs, cleans up, and says how it was.
    async fn end(mut self, mut cause: Stopped) -> anyhow::Result<()> {
        if self.containers.iter().any(Container::is_running) {
            self.report.status = Status::Stopping(cause.clone());
            self.publish()?;
            self.stop_containers().await;
            if cause.exit_code.is_none() {
                let essential = self.containers.iter().zip(&self.report.containers);
                let mut codes = essential.filter(|(container, _)| container.is_essential());
                cause.exit_code = codes.find_map(|(_, report)| report.exit_code);
            }
        }
        // Before it is said that the task has stopped: whoever reads that may remove it at once, this process included, and
        // the last lines say why it has.
        for container in &mut self.containers {
            container.finish().await;
        }
        self.containers.clear();
        self.report.stopped = Some(events::now());
        self.report.status = Status::Stopped(cause);
        self.publish()?;
        self.group.remove(timeouts::GROUP_EMPTY)?;
        self.spec.files.remove(&self.spec.task.id).context("remove the files of the task")
    }

    /// The stop signal to all at once, and SIGKILL to each whose time is over.
    async fn stop_containers(&mut self) {
        let began = Instant::now();
        for container in &mut self.containers {
            container.ask_to_end();
        }
        loop {
            let running = self.containers.iter().filter(|container| container.is_running());
            let Some(next) = running.map(Container::patience).min() else { return };
            match tokio::time::timeout_at(began + next, self.events.recv()).await {
                Ok(Some(event)) => drop(self.take(event)),
                Ok(None) => return,
                Err(_) => {
                    let elapsed = began.elapsed();
                    for container in &mut self.containers {
                        if container.is_running() && container.patience() <= elapsed {
                            container.kill();
                        }
                    }
                }
            }
            if began.elapsed() > longest(&self.containers) + timeouts::KILLED {
                return;
            }
        }
    }
}

fn longest(containers: &[Container]) -> Duration {
    containers.iter().map(Container::stop_timeout).max().unwrap_or_default()
}

fn stopped_by_request(spec: &Spec) -> Stopped {
    let request = spec.files.stop_request(&spec.task.id).ok().flatten();
    let StopRequest { code, reason } = request.unwrap_or_else(|| StopRequest {
        code: "UserInitiated".to_owned(),
        reason: "Task stopped by user".to_owned(),
    });
    Stopped { code, reason, exit_code: None }
}

/// In the words of Fargate's agent.
fn no_stream(error: &std::io::Error) -> Stopped {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => "ResourceNotFoundException: ",
        _ => "",
    };
    Stopped {
        code: "ResourceInitializationError".to_owned(),
        reason: format!(
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: \
             failed to create Cloudwatch log stream: {kind}{error}"
        ),
        exit_code: None,
    }
}
