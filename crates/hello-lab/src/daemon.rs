//! The daemon: serves the providers, runs the controllers, answers the command line. It can be killed at any moment.

mod answers;
mod tear_down;

pub use tear_down::tear_down;

use crate::{
    backend::LabBackend,
    control,
    controllers::{self, Context, internet::PASSWORD_SETTING},
    environment,
    lab::Lab,
    process::{Running, record_own},
    secret::random_digits,
    store::StoreError,
    timeouts,
    world::World,
};
use answers::Answers;
use anyhow::Context as _;
use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::Signal,
};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use terraform_provider_aws::{backend::Backend, config::Environment, provider::Role, serve::serve_reattach};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

/// The socket of the command line.
pub fn control_socket(lab: &Lab) -> PathBuf {
    lab.run("daemon").join("control.sock")
}

/// The file that a lab's daemon holds a lock on. Not in the run directory: one that is emptied while the daemon runs must
/// not let another one beside it.
fn lock(lab: &Lab) -> PathBuf {
    lab.data("daemon").join("lock")
}

/// Does a daemon of the lab run?
pub fn runs(lab: &Lab) -> std::io::Result<bool> {
    let lock = match fs::File::open(lock(lab)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        lock => lock?,
    };
    Ok(Flock::lock(lock, FlockArg::LockSharedNonblock).is_err())
}

/// Where a daemon writes down which process it is.
fn record(lab: &Lab) -> PathBuf {
    lab.data("daemon").join("process")
}

/// The process number of the lab's daemon, as it wrote it down.
pub fn process(lab: &Lab) -> Option<i32> {
    Running::recorded(&record(lab)).ok().flatten().map(|running| running.pid())
}

/// Kills the lab's daemon, whatever it is doing. Its parts go on.
pub async fn kill(lab: &Lab) -> std::io::Result<()> {
    match Running::recorded(&record(lab))? {
        Some(running) => running.stop_with(Signal::SIGKILL, timeouts::KILLED).await,
        None => Ok(()),
    }
}

/// Takes the lock of a lab's daemon; `None` where another daemon has it for good.
///
/// One that was killed keeps it until its last thread has left the kernel, where it may be in the middle of a mount.
async fn take_lock(path: &Path) -> anyhow::Result<Option<Flock<fs::File>>> {
    let mut file = fs::File::create(path).context("make the daemon's lock")?;
    let deadline = Instant::now() + timeouts::DAEMON_LOCK;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Some(lock)),
            Err(_) if Instant::now() > deadline => return Ok(None),
            Err((same, _)) => file = same,
        }
        tokio::time::sleep(timeouts::POLL_START).await;
    }
}

/// Runs the daemon of a lab until it is told to end. The parts stay.
pub async fn run(lab: Lab, port: u16) -> anyhow::Result<()> {
    lab.claim()?;
    for directory in [lab.run("daemon"), lab.data("daemon")] {
        fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
    }
    let _lock = take_lock(&lock(&lab))
        .await?
        .with_context(|| format!("the lab {:?} has a daemon already", lab.name()))?;
    record_own(&record(&lab)).context("write down the daemon's process number")?;
    let program = std::env::current_exe().context("find this program")?;
    let context = Arc::new(Context::open(lab.clone(), &program)?);
    choose_password(&context.world)?;
    let events = Arc::clone(&context.events);
    let (stop, stopped) = watch::channel(false);
    let mut organs: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let backend: Arc<dyn Backend> = Arc::new(LabBackend::new(&context));
    for (name, socket) in environment::sockets(&lab) {
        let parent = socket.parent().expect("the socket is in a directory");
        fs::create_dir_all(parent)?;
        fs::set_permissions(parent, fs::Permissions::from_mode(0o700))?;
        let (backend, stopped) = (Arc::clone(&backend), stopped.clone());
        organs.spawn(async move {
            let served =
                serve_reattach(&socket, Role::of_name(name), backend, Environment::default(), stopped);
            served.await.with_context(|| format!("serve the provider {name}"))
        });
    }
    let controllers = controllers::run(Arc::clone(&context), port, stopped.clone());
    organs.spawn(async { controllers.await.context("run the controllers") });
    events.tell("daemon", &format!("the daemon has started, version {}", env!("CARGO_PKG_VERSION")));
    let listener = control::bind(&control_socket(&lab)).context("open the daemon's socket")?;
    let answers = Arc::new(Answers::new(context, stop.clone()));
    let control = control::serve(listener, answers, stopped.clone());
    organs.spawn(async {
        control.await;
        Ok(())
    });

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut asked = stopped;
    let ended = tokio::select! {
        biased;
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        _ = asked.wait_for(|stop| *stop) => Ok(()),
        // Half a daemon would look like a whole one: it ends, and says why.
        Some(ended) = organs.join_next() => ended.context("go on").flatten(),
    };
    stop.send_replace(true);
    // What does not end by itself is ended where it is, as by a kill.
    let _ = tokio::time::timeout(timeouts::DAEMON_STOP, organs.join_all()).await;
    match &ended {
        Ok(()) => events.tell("daemon", "the daemon has ended; the parts go on"),
        Err(error) => events.tell("daemon", &format!("the daemon has failed; the parts go on: {error:#}")),
    }
    ended
}

fn choose_password(world: &World) -> Result<(), StoreError> {
    world.change(|draft| {
        if !draft.contents.settings.contains_key(PASSWORD_SETTING) {
            let password = random_digits(20);
            draft.put_setting(PASSWORD_SETTING, &password);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_lock_of_a_daemon_that_was_just_killed_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let dying = take_lock(&path).await.unwrap();
        assert!(dying.is_some());
        let (taken, ()) = tokio::join!(take_lock(&path), async {
            // The other side has looked once and sleeps.
            tokio::task::yield_now().await;
            drop(dying);
        });
        assert!(taken.unwrap().is_some());
    }
}
