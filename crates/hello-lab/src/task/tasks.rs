//! The daemon's side of tasks: it starts a shim for each, reads what the shims say, and cleans up after them.
//!
//! Nothing here is needed for a task to go on. What the daemon knows it reads from files, so one that was killed and
//! started again knows as much as before, and every operation may be repeated.

use crate::{
    events,
    files::{PASSING, gone, write_whole},
    lab::Lab,
    logs::Logs,
    process::{Described, Processes, Running},
    task::{
        cgroup::Group,
        files::{Files, Spec, StopRequest, is_id},
        image::{Store, prune::Pruned},
        model::{Report, Status, Stopped, Task},
        shim,
    },
    timeouts,
};
use nix::sys::signal::Signal;
use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    ffi::OsStr,
    fs, io,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::watch,
};

/// The tasks of a lab. Clones are the same.
#[derive(Clone, Debug)]
pub struct Tasks {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    lab: Lab,
    program: PathBuf,
    files: Files,
    processes: Processes,
    /// What is known of each task; `None` where its shim has not said anything yet.
    known: Mutex<BTreeMap<String, Option<Report>>>,
    changes: watch::Sender<u64>,
}

impl Tasks {
    /// The tasks of the lab, those included that an earlier daemon has started. The shim is this very program.
    pub fn new(lab: &Lab) -> io::Result<Tasks> {
        Tasks::with_program(lab, std::env::current_exe()?)
    }

    /// The same with another program as the shim: it must know the subcommand `task-shim`.
    pub fn with_program(lab: &Lab, program: PathBuf) -> io::Result<Tasks> {
        let files = Files::new(lab);
        let inner = Inner {
            lab: lab.clone(),
            program,
            processes: lab.processes(),
            known: Mutex::default(),
            changes: watch::Sender::new(0),
            files,
        };
        let tasks = Tasks { inner: Arc::new(inner) };
        tasks.watch_files()?;
        tasks.adopt()?;
        Ok(tasks)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Option<Report>>> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the tasks that have files; what has lost its shim ends.
    fn adopt(&self) -> io::Result<()> {
        for id in self.inner.files.tasks()? {
            let report = self.inner.files.report(&id)?;
            match self.inner.processes.adopt(&shim(&id))? {
                Some(running) => {
                    self.known().insert(id.clone(), report);
                    self.watch_shim(id, running);
                }
                None if report.is_some() => {
                    self.known().insert(id.clone(), report);
                    let tasks = self.clone();
                    tokio::spawn(async move { tasks.finish(&id).await });
                }
                // It was never started; its file may hold secrets.
                None => self.inner.files.remove(&id)?,
            }
        }
        Ok(())
    }

    /// Starts the task, unless it was started before. Returns when its shim runs; how it goes on is seen in its status.
    pub async fn start(&self, task: &Task) -> io::Result<()> {
        check(task)?;
        match self.known().entry(task.id.clone()) {
            Entry::Occupied(_) => return Ok(()),
            Entry::Vacant(entry) => entry.insert(None),
        };
        let (tasks, task) = (self.clone(), task.clone());
        // It goes on to its end, whatever becomes of the caller.
        let work = move || match tasks.start_shim(&task) {
            Ok(running) => {
                tasks.watch_shim(task.id, running);
                tasks.changed();
                Ok(())
            }
            Err(error) => {
                tasks.known().remove(&task.id);
                Err(error)
            }
        };
        blocking(work).await
    }

    fn start_shim(&self, task: &Task) -> io::Result<Running> {
        let Inner { lab, files, .. } = &*self.inner;
        files.prepare(&task.id)?;
        let spec = Spec {
            lab: lab.name().to_owned(),
            task: task.clone(),
            files: files.clone(),
            images: self.images(),
            logs: Logs::new(lab, &task.region),
        };
        write_whole(&files.spec(&task.id), &serde_json::to_vec(&spec)?, PASSING)?;
        let directory = files.directory(&task.id);
        self.inner.processes.start(&Described {
            name: shim(&task.id),
            program: self.inner.program.clone(),
            arguments: vec!["task-shim".into(), "run".into(), directory.clone().into()],
            environment: Vec::new(),
            namespace: Some(crate::network::netns::Namespace::named(&task.namespace)),
            user: None,
            log: directory.join("shim.log"),
            directory,
        })
    }

    /// All tasks that were started and not removed.
    pub fn list(&self) -> Vec<String> {
        self.known().keys().cloned().collect()
    }

    /// How a task fares; `None` where it was never started, or is removed.
    pub fn status(&self, id: &str) -> Option<Status> {
        let known = self.known();
        known
            .get(id)
            .map(|report| report.as_ref().map_or(Status::Provisioning, |report| report.status.clone()))
    }

    /// All that its shim says of it.
    pub fn report(&self, id: &str) -> Option<Report> {
        self.known().get(id).cloned().flatten()
    }

    /// Counts up with each change of any task: wait on it, then look.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    fn changed(&self) {
        self.inner.changes.send_modify(|count| *count += 1);
    }

    /// Asks a task to stop, for this reason. Returns at once; its status says when it has. Neither a second time nor a
    /// task that is not there is an error.
    pub async fn stop(&self, id: &str, code: &str, reason: &str) -> io::Result<()> {
        if matches!(self.status(id), None | Some(Status::Stopping(_) | Status::Stopped(_))) {
            return Ok(());
        }
        let (path, part, processes) = (self.inner.files.stop(id), shim(id), self.inner.processes.clone());
        let request = StopRequest { code: code.to_owned(), reason: reason.to_owned() };
        let work = move || {
            if !path.exists() {
                // It may have ended by itself just now, and its directory be gone.
                gone(write_whole(&path, &serde_json::to_vec(&request)?, PASSING))?;
            }
            match processes.adopt(&part)? {
                Some(running) => running.signal(Signal::SIGTERM),
                None => Ok(()),
            }
        };
        blocking(work).await
    }

    /// The command that runs `argv` in a container of a running task, with the terminal or the pipes that it is given.
    pub fn exec_command(
        &self,
        id: &str,
        container: &str,
        argv: &[String],
        terminal: bool,
    ) -> io::Result<Command> {
        let Inner { program, files, .. } = &*self.inner;
        exec_in(program, files, self.report(id).as_ref(), id, container, argv, terminal)
    }

    /// Runs `argv` in a container and gives what it writes.
    pub async fn exec(&self, id: &str, container: &str, argv: &[String]) -> io::Result<Output> {
        let command = self.exec_command(id, container, argv, false)?;
        let mut command = tokio::process::Command::from(command);
        let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
        match tokio::time::timeout(timeouts::EXEC, output).await {
            Ok(output) => output,
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{} has not ended within {} s", argv.join(" "), timeouts::EXEC.as_secs()),
            )),
        }
    }

    /// Removes a task and everything of it, running or not; one that is gone already is no error.
    pub async fn remove(&self, id: &str) -> io::Result<()> {
        if !is_id(id) {
            return Ok(());
        }
        if let Some(running) = self.inner.processes.adopt(&shim(id))? {
            running.stop_with(Signal::SIGKILL, timeouts::KILLED).await?;
        }
        self.clean(id).await?;
        {
            // Both at once: what is known is published, so a file would come back that nobody removes.
            let mut known = self.known();
            gone(fs::remove_file(self.inner.files.status(id)))?;
            known.remove(id);
        }
        self.changed();
        Ok(())
    }

    /// Removes the images that are under none of these references and that no task uses.
    pub async fn prune_images(&self, references: BTreeSet<String>) -> io::Result<Pruned> {
        let (images, files) = (self.images(), self.inner.files.clone());
        blocking(move || images.prune(&references, || files.images())).await
    }

    fn images(&self) -> Store {
        Store::new(self.inner.lab.data("images"))
    }

    /// Removes all tasks, their images included, and says all that went wrong.
    pub async fn teardown(&self) -> Result<(), Vec<String>> {
        let mut ids = self.list();
        let mut errors = Vec::new();
        match self.inner.files.tasks() {
            Ok(more) => ids.extend(more),
            Err(error) => errors.push(format!("cannot list the tasks: {error}")),
        }
        ids.sort();
        ids.dedup();
        let mut removing = tokio::task::JoinSet::new();
        for id in ids {
            let tasks = self.clone();
            removing.spawn(async move {
                tasks.remove(&id).await.map_err(|error| format!("cannot remove task {id}: {error}"))
            });
        }
        for removed in removing.join_all().await {
            errors.extend(removed.err());
        }
        let name = self.inner.lab.name().to_owned();
        let group =
            tokio::task::spawn_blocking(move || Group::remove_lab(&name, timeouts::GROUP_EMPTY)).await;
        if let Err(error) = group.unwrap_or_else(|error| Err(io::Error::other(error))) {
            errors.push(format!("cannot remove the lab's control group: {error}"));
        }
        for removed in
            [self.inner.files.remove_all(), gone(fs::remove_dir_all(self.inner.lab.data("images")))]
        {
            errors
                .extend(removed.err().map(|error| format!("cannot remove the files of the tasks: {error}")));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Kills what is left of a task whose shim is gone, and removes its files.
    async fn clean(&self, id: &str) -> io::Result<()> {
        let (processes, group) = (self.inner.processes.clone(), Group::of_task(self.inner.lab.name(), id));
        let (files, id) = (self.inner.files.clone(), id.to_owned());
        let work = move || {
            // A runtime that is just starting a container is in no group of the task yet.
            processes.kill_marked(&shim(&id));
            group.remove(timeouts::GROUP_EMPTY)?;
            files.remove(&id)
        };
        blocking(work).await
    }

    /// Waits in the background for the end of a shim.
    fn watch_shim(&self, id: String, mut running: Running) {
        let tasks = self.clone();
        tokio::spawn(async move {
            running.ended().await;
            tasks.finish(&id).await;
        });
    }

    /// The shim has ended: cleans up, and says how the task fared where the shim could not.
    async fn finish(&self, id: &str) {
        let request = self.inner.files.stop_request(id).ok().flatten();
        let cleaned = self.clean(id).await;
        let published = self.conclude(id, request);
        if let Err(error) = cleaned.and(published) {
            tracing::warn!(task = id, "cannot clean up after task {id}: {error}");
        }
        self.changed();
    }

    /// Says how a task fared whose shim has ended, unless it was removed meanwhile.
    fn conclude(&self, id: &str, request: Option<StopRequest>) -> io::Result<()> {
        let mut known = self.known();
        let Some(entry) = known.get_mut(id) else { return Ok(()) };
        let report = match self.inner.files.report(id).ok().flatten() {
            Some(report) if matches!(report.status, Status::Stopped(_)) => report,
            report => ended_without_a_word(report, request),
        };
        *entry = Some(report.clone());
        self.inner.files.publish(id, &report)
    }

    /// Follows in the background what shims say.
    fn watch_files(&self) -> io::Result<()> {
        let directory = self.inner.files.statuses();
        crate::task::files::private_directory(&directory)?;
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        inotify::add_watch(&inotify, &directory, WatchFlags::MOVED_TO)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that may close their descriptor early; an OwnedFd that nobody can reach does not"
        )]
        let inotify = AsyncFd::with_interest(inotify, Interest::READABLE)?;
        let tasks = Arc::downgrade(&self.inner);
        tokio::spawn(follow(inotify, tasks));
        Ok(())
    }

    fn look(&self, id: &str) {
        // A file that cannot be read is followed by one that can, or by the end of the shim.
        if let Ok(Some(report)) = self.inner.files.report(id)
            && let Some(known) = self.known().get_mut(id)
        {
            *known = Some(report);
        }
        self.changed();
    }
}

/// The same for who only looks, as a command line does beside the daemon: it takes nothing over and changes nothing.
pub fn exec_command(
    lab: &Lab,
    id: &str,
    container: &str,
    argv: &[String],
    terminal: bool,
) -> io::Result<Command> {
    let files = Files::new(lab);
    let report = files.report(id)?;
    exec_in(&std::env::current_exe()?, &files, report.as_ref(), id, container, argv, terminal)
}

fn exec_in(
    program: &Path,
    files: &Files,
    report: Option<&Report>,
    id: &str,
    container: &str,
    argv: &[String],
    terminal: bool,
) -> io::Result<Command> {
    let containers = report.iter().flat_map(|report| &report.containers);
    let running: Vec<_> = containers
        .filter(|container| container.pid.is_some())
        .map(|container| container.name.as_str())
        .collect();
    if !running.contains(&container) {
        let running = if running.is_empty() { "none".to_owned() } else { running.join(", ") };
        let why = format!("task {id} has no running container {container}; running: {running}");
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    }
    Ok(shim::exec_command(program, &files.directory(id), container, argv, terminal))
}

async fn follow(inotify: AsyncFd<OwnedFd>, tasks: Weak<Inner>) {
    while let Ok(mut ready) = inotify.readable().await {
        let Some(inner) = tasks.upgrade() else { return };
        let tasks = Tasks { inner };
        let mut buffer = [const { MaybeUninit::uninit() }; 4096];
        let mut reader = inotify::Reader::new(inotify.get_ref(), &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| Path::new(OsStr::from_bytes(name.to_bytes())));
                    match name.and_then(|name| name.file_stem()?.to_str()) {
                        Some(id) => tasks.look(id),
                        // Events were lost: what they said stands in the files.
                        None => tasks.list().iter().for_each(|id| tasks.look(id)),
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(_) => return,
            }
        }
        ready.clear_ready();
    }
}

/// Runs what waits for a disk or another thread where it keeps nobody else waiting.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// What there is to say of a task whose shim was killed.
fn ended_without_a_word(report: Option<Report>, request: Option<StopRequest>) -> Report {
    let mut report = report.unwrap_or_else(|| Report {
        status: Status::Provisioning,
        created: events::now(),
        started: None,
        stopped: None,
        containers: Vec::new(),
        warnings: Vec::new(),
    });
    for container in &mut report.containers {
        container.pid = None;
    }
    report.stopped = Some(events::now());
    report.status = Status::Stopped(match (report.status, request) {
        (Status::Stopping(stopped), _) => stopped,
        (_, Some(StopRequest { code, reason })) => Stopped { code, reason, exit_code: None },
        _ => Stopped {
            code: "InternalError".to_owned(),
            reason: "InternalError: the process that looked after the task ended unexpectedly, so the task was stopped"
                .to_owned(),
            exit_code: None,
        },
    });
    report
}

/// Name of the process that looks after a task.
pub fn shim(id: &str) -> String {
    format!("task-{id}")
}

/// Names become parts of paths.
fn check(task: &Task) -> io::Result<()> {
    let invalid = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if !is_id(&task.id) {
        return invalid(format!("{:?} is no task: it must be 32 hexadecimal digits", task.id));
    }
    if task.containers.is_empty() {
        return invalid(format!("task {} has no container", task.id));
    }
    for (index, container) in task.containers.iter().enumerate() {
        let name = &container.name;
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if name.is_empty() || name.len() > 200 || !plain {
            return invalid(format!("{name:?} cannot name a container: only letters, digits, - and _ can"));
        }
        if task.containers[..index].iter().any(|other| other.name == *name) {
            return invalid(format!("task {} has two containers named {name}", task.id));
        }
    }
    Ok(())
}
