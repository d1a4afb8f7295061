//! One container, from its image to its end.

use crate::{
    files::{PASSING, write_whole},
    logs::stream::Stream,
    network::netns::Namespace,
    task::{
        bundle::{Bundle, user},
        cgroup::Group,
        files::{IMAGE, Spec, private_directory},
        health::Machine,
        image::{Image, Source},
        model::{Health, HealthCheck, Stopped},
        runtime::{CHECK, CONFIG, Runtime, process},
        shim::output::{self, Shared},
    },
    timeouts,
};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rustix::process::{PidfdFlags, Resource, WaitOptions, getrlimit, pidfd_open, waitpid};
use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    str::FromStr as _,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::mpsc,
    task::JoinHandle,
};

/// What happens to containers.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// Its checks say something new.
    Health {
        /// Which container.
        index: usize,
        /// What they say.
        health: Health,
    },
    /// It has ended.
    Ended {
        /// Which container.
        index: usize,
        /// How; 128 and the number of the signal where one ended it.
        exit_code: Option<i32>,
    },
}

/// A container of the task.
#[derive(Debug)]
pub struct Container {
    index: usize,
    name: String,
    essential: bool,
    health_check: Option<HealthCheck>,
    stop_timeout: Duration,
    stop_signal: Signal,
    image_digest: String,
    bundle: PathBuf,
    root: PathBuf,
    runtime: Runtime,
    stream: Shared,
    pid: Option<i32>,
    killed: bool,
    tasks: Vec<JoinHandle<()>>,
    output: Vec<JoinHandle<()>>,
}

impl Container {
    /// Pulls its image, mounts its root, writes its bundle.
    pub async fn prepare(spec: &Spec, index: usize, group: &Group) -> Result<Container, Stopped> {
        let (task, container) = (&spec.task, &spec.task.containers[index]);
        let source = Source {
            reference: &container.image,
            credentials: container.registry_credentials.clone(),
            authority: &task.registry_ca,
            resolver: task.resolver,
        };
        let bundle = spec.files.bundle(&task.id, &container.name);
        let unusable =
            |error| failed("ResourceInitializationError", &format!("failed to make its bundle: {error}"));
        private_directory(&bundle).map_err(unusable)?;
        let pulled = spec.images.pull(&source, &bundle.join(IMAGE)).await;
        let image = pulled.map_err(|error| failed("CannotPullContainerError", &error))?;
        let storage = spec.files.storage(&task.id).join(&container.name);
        let root = mount_root(&image, &bundle, &storage).map_err(|error| {
            let why = format!("failed to make the root of container {}: {error}", container.name);
            failed("ResourceInitializationError", &why)
        })?;
        let described = Container::describe(spec, index, group, &image, &bundle, &root);
        described.map_err(|error| failed("CannotStartContainerError", &error))?;
        let wanted = image.execution.stop_signal.as_deref().unwrap_or("SIGTERM");
        Ok(Container {
            index,
            name: container.name.clone(),
            essential: container.essential,
            health_check: container.health_check.clone(),
            stop_timeout: container.stop_timeout,
            stop_signal: stop_signal(wanted),
            image_digest: image.digest.to_string(),
            bundle,
            root,
            runtime: Runtime::of_task(&spec.files.directory(&task.id)),
            stream: Shared::default(),
            pid: None,
            killed: false,
            tasks: Vec::new(),
            output: Vec::new(),
        })
    }

    fn describe(
        spec: &Spec,
        index: usize,
        group: &Group,
        image: &Image,
        directory: &Path,
        root: &Path,
    ) -> Result<(), String> {
        let (task, container) = (&spec.task, &spec.task.containers[index]);
        let user = container.user.as_deref().or(image.execution.user.as_deref()).unwrap_or_default();
        let bundle = Bundle {
            task,
            container,
            execution: &image.execution,
            ids: &user::ids(user, &image.root)?,
            directory,
            root,
            namespace: Namespace::named(&task.namespace).path(),
            group: group.container(&container.name),
            most_open_files: getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX),
        };
        let config = bundle.config()?;
        let check = container.health_check.as_ref();
        let check = check.map(|check| process(&config, &check_arguments(&check.command), false).to_string());
        let write = || -> io::Result<()> {
            for (name, content) in bundle.files() {
                fs::write(directory.join(name), content)?;
            }
            if let Some(check) = check {
                write_whole(&directory.join(CHECK), check.as_bytes(), PASSING)?;
            }
            write_whole(&directory.join(CONFIG), config.to_string().as_bytes(), PASSING)
        };
        write().map_err(|error| format!("cannot write the container's configuration: {error}"))
    }

    /// Starts it. What happens to it is sent from then on.
    pub async fn start(&mut self, events: &mpsc::Sender<Event>) -> Result<i32, Stopped> {
        let not_started = |error: String| failed("CannotStartContainerError", &error);
        let mut started = self.runtime.run(&self.name, &self.bundle).await.map_err(not_started)?;
        self.pid = Some(started.pid);
        if let Some(stdout) = started.output.stdout.take() {
            self.output.push(tokio::spawn(output::copy(stdout, Arc::clone(&self.stream))));
        }
        if let Some(stderr) = started.output.stderr.take() {
            self.output.push(tokio::spawn(output::copy(stderr, Arc::clone(&self.stream))));
        }
        let (pid, index, sender) = (started.pid, self.index, events.clone());
        self.tasks.push(tokio::spawn(async move {
            let exit_code = ended(pid).await;
            let _ = sender.send(Event::Ended { index, exit_code }).await;
        }));
        if let Some(check) = self.health_check.clone() {
            let (runtime, name, bundle) = (self.runtime.clone(), self.name.clone(), self.bundle.clone());
            self.tasks.push(tokio::spawn(check_health(runtime, name, bundle, check, index, events.clone())));
        }
        Ok(started.pid)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Digest of its image.
    pub fn image_digest(&self) -> &str {
        &self.image_digest
    }

    /// Does the task end with it?
    pub fn is_essential(&self) -> bool {
        self.essential
    }

    /// Has it a health check?
    pub fn is_checked(&self) -> bool {
        self.health_check.is_some()
    }

    /// Is it running?
    pub fn is_running(&self) -> bool {
        self.pid.is_some()
    }

    /// Where its output goes.
    pub fn set_stream(&mut self, stream: Option<Stream>) {
        self.stream = Arc::new(Mutex::new(stream));
    }

    /// From the stop signal to SIGKILL.
    pub fn stop_timeout(&self) -> Duration {
        self.stop_timeout
    }

    /// How long after the stop signal there is something to do about it.
    pub fn patience(&self) -> Duration {
        if self.killed { self.stop_timeout + timeouts::KILLED } else { self.stop_timeout }
    }

    /// Sends its stop signal, SIGTERM where the image says nothing else.
    pub fn ask_to_end(&mut self) {
        // A check that fails now says nothing about its health.
        for task in self.tasks.drain(1.min(self.tasks.len())..) {
            task.abort();
        }
        self.signal(self.stop_signal);
        // One that was frozen acts on the signal only once it goes on.
        self.signal(Signal::SIGCONT);
    }

    /// Sends SIGKILL, once.
    pub fn kill(&mut self) {
        self.killed = true;
        self.signal(Signal::SIGKILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            // It is our child and not waited for yet, so the number is still its own.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Notes that it has ended.
    pub fn ended(&mut self) {
        self.pid = None;
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }

    /// Takes the last of its output and unmounts its root.
    pub async fn finish(&mut self) {
        let deadline = tokio::time::Instant::now() + timeouts::LAST_OUTPUT;
        for task in self.output.drain(..) {
            let _ = tokio::time::timeout_at(deadline, task).await;
        }
        let _ = umount2(&self.root, MntFlags::MNT_DETACH);
    }
}

fn failed(code: &str, why: &str) -> Stopped {
    Stopped { code: code.to_owned(), reason: format!("{code}: {why}"), exit_code: None }
}

/// `SIGQUIT`, `QUIT` or a number; TERM where it is none of these.
fn stop_signal(text: &str) -> Signal {
    let named = if text.starts_with("SIG") { text.to_owned() } else { format!("SIG{text}") };
    let numbered = text.parse::<i32>().ok().and_then(|number| Signal::try_from(number).ok());
    numbered.or_else(|| Signal::from_str(&named).ok()).unwrap_or(Signal::SIGTERM)
}

/// A root that can be written without changing the image: what is written goes to the task's storage.
fn mount_root(image: &Image, bundle: &Path, storage: &Path) -> io::Result<PathBuf> {
    let (upper, work, root) = (storage.join("upper"), storage.join("work"), bundle.join("root"));
    for directory in [&upper, &work, &root] {
        private_directory(directory)?;
    }
    // The root of the container has the mode of the upper directory.
    fs::set_permissions(&upper, fs::metadata(&image.root)?.permissions())?;
    let path = |path: &Path| {
        let path = path.to_str().ok_or_else(|| io::Error::other("the path is no UTF-8"))?;
        Ok::<_, io::Error>(path.replace('\\', "\\\\").replace(',', "\\,").replace(':', "\\:"))
    };
    // The storage ends with the task, so nothing of it needs to reach the disk.
    let options = format!(
        "lowerdir={},upperdir={},workdir={},volatile",
        path(&image.root)?,
        path(&upper)?,
        path(&work)?
    );
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    mount(Some("overlay"), &root, Some("overlay"), flags, Some(options.as_str())).map_err(|error| {
        io::Error::new(io::Error::from(error).kind(), format!("overlay cannot be mounted: {error} (the lab's data must lie on a file system such as ext4, not on an overlay)"))
    })?;
    Ok(root)
}

/// Waits for the end of a child; its exit code, or 128 and the number of the signal.
async fn ended(pid: i32) -> Option<i32> {
    let pid = rustix::process::Pid::from_raw(pid)?;
    let pidfd: OwnedFd = pidfd_open(pid, PidfdFlags::NONBLOCK).ok()?;
    #[expect(
        deprecated,
        reason = "its successor is unsafe for types that may close their descriptor early; an OwnedFd that nobody can reach does not"
    )]
    let pidfd = AsyncFd::with_interest(pidfd, Interest::READABLE).ok()?;
    // A pidfd is readable once the process has ended (pidfd_open(2)).
    let _ = pidfd.readable().await;
    let began = Instant::now();
    loop {
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => {
                return status
                    .exit_status()
                    .or_else(|| status.terminating_signal().map(|signal| 128 + signal));
            }
            // It is not our child yet: the runtime that started it ends just now.
            Ok(None) | Err(_) if began.elapsed() < timeouts::TAKEN_OVER => {
                tokio::time::sleep(timeouts::TAKEN_OVER_POLL).await;
            }
            Ok(None) | Err(_) => return None,
        }
    }
}

async fn check_health(
    runtime: Runtime,
    name: String,
    bundle: PathBuf,
    check: HealthCheck,
    index: usize,
    events: mpsc::Sender<Event>,
) {
    let began = Instant::now();
    let mut machine = Machine::new(&check);
    let mut health = Health::Unknown;
    loop {
        tokio::time::sleep(machine.pause(began.elapsed())).await;
        let after = began.elapsed();
        let outcome = runtime.check(&name, &bundle, check.timeout).await;
        let passed = outcome.is_ok_and(|status| status.is_some_and(|status| status.success()));
        let now = machine.record(passed, after);
        if now != health {
            health = now;
            if events.send(Event::Health { index, health }).await.is_err() {
                return;
            }
        }
    }
}

/// The command of a health check as a program and its arguments: `CMD-SHELL` leaves the words to the container's shell.
fn check_arguments(command: &[String]) -> Vec<String> {
    match command.split_first() {
        Some((kind, words)) if kind == "CMD-SHELL" => {
            ["/bin/sh", "-c"].into_iter().map(str::to_owned).chain(words.iter().cloned()).collect()
        }
        Some((kind, words)) if kind == "CMD" => words.to_vec(),
        _ => command.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_names_its_stop_signal_in_any_way() {
        assert_eq!(stop_signal("SIGQUIT"), Signal::SIGQUIT);
        assert_eq!(stop_signal("INT"), Signal::SIGINT);
        assert_eq!(stop_signal("3"), Signal::SIGQUIT);
        assert_eq!(stop_signal("nonsense"), Signal::SIGTERM);
    }

    #[test]
    fn a_health_check_is_a_program_or_a_line_for_the_shell() {
        let arguments =
            |words: &[&str]| check_arguments(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(arguments(&["CMD", "/app", "check"]), ["/app", "check"]);
        assert_eq!(arguments(&["CMD-SHELL", "exit 1"]), ["/bin/sh", "-c", "exit 1"]);
    }
}
