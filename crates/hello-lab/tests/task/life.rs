//! How tasks end, and what is left of them.

use crate::world::{DEADLINE, World, tasks, wait};
use hello_lab::{
    registry::Registry,
    task::{model::Status, tasks::exec_command},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_of_a_container_is_seen() {
    let world = World::new().await;
    let first = world.task("exit 0");
    world.output(&first).await;
    let task = world.task("exec sleep 600");
    let began = Instant::now();
    world.start(&task).await;
    world.running(&task).await;
    let started = began.elapsed();
    let pid = world.tasks.report(&task.id).unwrap().containers[0].pid.unwrap();
    let killed = Instant::now();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    let stopped = world.stopped(&task).await;
    let seen = killed.elapsed();
    assert_eq!((stopped.code.as_str(), stopped.exit_code), ("EssentialContainerExited", Some(137)));
    println!("started with layers at hand in {started:?}, end seen after {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_leaves_no_directory_below_the_mounts_of_control_groups() {
    let world = World::new().await;
    let task = world.task("exit 0");
    world.output(&task).await;
    world.tasks.remove(&task.id).await.unwrap();
    // Of version 2 there is a mount beside those of version 1 on some machines; below it is a directory like any other.
    let look = "umount /sys/fs/cgroup/unified 2>/dev/null; find /sys/fs/cgroup -name \"$0\"";
    let found = Command::new("unshare").args(["--mount", "sh", "-c", look, &task.id]).output().unwrap();
    assert_eq!(String::from_utf8(found.stdout).unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_heeds_term_ends_in_order() {
    let world = World::new().await;
    let task = world.task("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.01; done");
    world.start(&task).await;
    world.line(&task, "ready").await;
    world
        .tasks
        .stop(&task.id, "ServiceSchedulerInitiated", "Scaling activity initiated by test")
        .await
        .unwrap();
    world.tasks.stop(&task.id, "UserInitiated", "a second time").await.unwrap();
    let stopped = world.stopped(&task).await;
    assert_eq!(stopped.code, "ServiceSchedulerInitiated");
    assert_eq!((stopped.reason.as_str(), stopped.exit_code), ("Scaling activity initiated by test", Some(5)));
    world.gone(&task).await;
    assert_eq!(world.lines("task/web/"), ["ready", "bye"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_ignores_term_is_killed_after_its_time() {
    let world = World::new().await;
    let mut task = world.task("trap 'echo no' TERM; echo ready; while :; do sleep 0.01; done");
    // The shell has to be told and to answer before.
    task.containers[0].stop_timeout = Duration::from_secs(5);
    world.start(&task).await;
    world.line(&task, "ready").await;
    let began = Instant::now();
    world.tasks.stop(&task.id, "UserInitiated", "Task stopped by user").await.unwrap();
    wait(&world.tasks, &task.id, |status| matches!(status, Status::Stopping(_) | Status::Stopped(_))).await;
    let stopped = world.stopped(&task).await;
    assert_eq!((stopped.code.as_str(), stopped.exit_code), ("UserInitiated", Some(137)));
    assert!(began.elapsed() >= Duration::from_secs(5));
    world.gone(&task).await;
    assert_eq!(world.lines("task/web/"), ["ready", "no"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_container_ends_too() {
    let world = World::new().await;
    let mut task = world.task("echo ready; exec sleep 600");
    task.containers[0].stop_timeout = Duration::from_millis(100);
    world.start(&task).await;
    world.line(&task, "ready").await;
    let pid = world.tasks.report(&task.id).unwrap().containers[0].pid.unwrap();
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    world.tasks.stop(&task.id, "UserInitiated", "Task stopped by user").await.unwrap();
    assert_eq!(world.stopped(&task).await.exit_code, Some(137));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_task_goes_on_without_a_container_that_is_not_essential_and_ends_with_one_that_is() {
    let world = World::new().await;
    let mut task = world.task("while [ ! -e /tmp/go ]; do sleep 0.01; done; exit 4");
    task.containers[0].read_only_root = false;
    let mut helper = world.container("helper", &task.id, "echo done");
    helper.essential = false;
    let mut sidecar =
        world.container("sidecar", &task.id, "trap 'exit 0' TERM; while :; do sleep 0.01; done");
    sidecar.stop_timeout = Duration::from_secs(10);
    task.containers.extend([helper, sidecar]);
    world.start(&task).await;
    let mut changes = world.tasks.changes();
    let ended = async {
        while world.tasks.report(&task.id).is_none_or(|report| report.containers[1].exit_code.is_none()) {
            changes.changed().await.unwrap();
        }
    };
    let in_time = tokio::time::timeout(DEADLINE, ended).await;
    assert!(in_time.is_ok(), "{:?}", world.tasks.report(&task.id));
    let status = world.tasks.status(&task.id);
    assert!(matches!(status, Some(Status::Running { .. })), "{status:?}");
    let go = ["/bin/touch".to_owned(), "/tmp/go".to_owned()];
    assert!(world.tasks.exec(&task.id, "web", &go).await.unwrap().status.success());
    let stopped = world.stopped(&task).await;
    assert_eq!((stopped.code.as_str(), stopped.exit_code), ("EssentialContainerExited", Some(4)));
    let report = world.tasks.report(&task.id).unwrap();
    let codes: Vec<_> = report.containers.iter().map(|container| container.exit_code).collect();
    assert_eq!(codes, [Some(4), Some(0), Some(0)]);
    world.gone(&task).await;
    assert_eq!(world.lines(&format!("task/helper/{}", task.id)), ["done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_daemon_adopts_what_runs() {
    let world = World::new().await;
    let task = world.task("i=0; echo ready; while :; do sleep 0.02; i=$((i+1)); echo $i; done");
    world.start(&task).await;
    world.line(&task, "ready").await;
    let before = world.tasks.report(&task.id).unwrap();
    let adopted = tasks(&world.lab);
    wait(&adopted, &task.id, |status| matches!(status, Status::Running { .. })).await;
    assert_eq!(adopted.report(&task.id).unwrap(), before);
    adopted.start(&task).await.unwrap();
    assert_eq!(adopted.report(&task.id).unwrap().containers[0].pid, before.containers[0].pid);
    let written = world.lines("task/web/").len();
    world.line(&task, &format!("{}", written + 5)).await;
    adopted.stop(&task.id, "UserInitiated", "Task stopped by user").await.unwrap();
    let pid = before.containers[0].pid.unwrap();
    // As process 1 of its namespace the shell ignores TERM.
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    let stopped = wait(&adopted, &task.id, |status| matches!(status, Status::Stopped(_))).await;
    assert!(matches!(stopped, Status::Stopped(stopped) if stopped.code == "UserInitiated"));
    let third = tasks(&world.lab);
    assert!(matches!(third.status(&task.id), Some(Status::Stopped(_))));
    third.remove(&task.id).await.unwrap();
    assert_eq!(third.status(&task.id), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_shim_is_killed_is_stopped_and_cleaned() {
    let world = World::new().await;
    let task = world.task("echo ready; exec sleep 600");
    world.start(&task).await;
    world.line(&task, "ready").await;
    let pid = world.tasks.report(&task.id).unwrap().containers[0].pid.unwrap();
    let shim = world.lab.processes().adopt(&format!("task-{}", task.id)).unwrap().unwrap();
    shim.signal(Signal::SIGKILL).unwrap();
    let stopped = world.stopped(&task).await;
    assert_eq!(stopped.code, "InternalError");
    assert!(!Path::new(&format!("/proc/{pid}")).exists() || is_zombie(pid), "the container still runs");
    assert!(!world.lab.run("tasks").join(&task.id).exists());
    assert!(groups(world.lab.name()).iter().all(|group| !group.contains(&task.id)));
}

fn is_zombie(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_shim_was_killed_while_there_was_no_daemon_is_cleaned_by_the_next() {
    let world = World::new().await;
    let task = world.task("echo ready; exec sleep 600");
    // The first daemon lives in a runtime of its own, which ends before the shim does.
    let (lab, described) = (world.lab.clone(), task.clone());
    let first = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let tasks = tasks(&lab);
            tasks.start(&described).await.unwrap();
            wait(&tasks, &described.id, |status| matches!(status, Status::Running { .. })).await;
        });
    });
    first.join().unwrap();
    world
        .lab
        .processes()
        .adopt(&format!("task-{}", task.id))
        .unwrap()
        .unwrap()
        .signal(Signal::SIGKILL)
        .unwrap();
    let next = tasks(&world.lab);
    let stopped = wait(&next, &task.id, |status| matches!(status, Status::Stopped(_))).await;
    assert!(matches!(stopped, Status::Stopped(stopped) if stopped.code == "InternalError"));
    assert!(groups(world.lab.name()).iter().all(|group| !group.contains(&task.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tear_down_leaves_nothing() {
    let world = World::new().await;
    let running = world.task("exec sleep 600");
    let mut stubborn = world.task("trap '' TERM; while :; do sleep 600; done");
    stubborn.containers[0].read_only_root = false;
    let ended = world.task("exit 0");
    for task in [&running, &stubborn, &ended] {
        world.start(task).await;
    }
    world.running(&running).await;
    world.running(&stubborn).await;
    world.stopped(&ended).await;
    assert!(!groups(world.lab.name()).is_empty());
    world.tasks.teardown().await.unwrap();
    world.tasks.teardown().await.unwrap();
    Registry::remove(&world.lab).await.unwrap();
    Registry::remove(&world.lab).await.unwrap();
    assert!(world.tasks.list().is_empty());
    assert_eq!(world.lab.processes().kill_all(), 0);
    assert_eq!(groups(world.lab.name()), Vec::<String>::new());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let directory = world.directory.path().to_str().unwrap();
    assert!(!mounts.contains(directory), "{mounts}");
    let left = |path: std::path::PathBuf| fs::read_dir(path).map_or(0, Iterator::count);
    // The logs stay: they are resources of their own.
    let names = |path: std::path::PathBuf| {
        fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(world.lab.data("")), ["logs"]);
    assert_eq!(names(world.lab.run("")), ["processes"]);
    assert_eq!(left(world.lab.run("processes")), 0);
    world.namespace.delete().unwrap();
}

/// The control groups of a lab.
fn groups(lab: &str) -> Vec<String> {
    let mut found = Vec::new();
    for root in fs::read_dir("/sys/fs/cgroup")
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .chain(["/sys/fs/cgroup".into()])
    {
        let group = root.join("hello-lab").join(lab);
        if group.exists() {
            found.push(group.display().to_string());
            for task in fs::read_dir(group).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
                found.push(task.path().display().to_string());
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_told_to_stop_while_it_pulls_never_starts() {
    let world = World::new().await;
    let mut task = world.task("echo started");
    // Nobody answers there, so the pull takes its time.
    task.resolver = [127, 0, 0, 55].into();
    task.containers[0].image = "ghcr.io/owner/shell:1".to_owned();
    world.start(&task).await;
    let mut changes = world.tasks.changes();
    let reported = async {
        while world.tasks.report(&task.id).is_none() {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, reported).await.unwrap();
    world.tasks.stop(&task.id, "UserInitiated", "Task stopped by user").await.unwrap();
    let stopped = world.stopped(&task).await;
    assert!(["UserInitiated", "CannotPullContainerError"].contains(&stopped.code.as_str()), "{stopped:?}");
    assert!(world.lines("task/web/").is_empty());
}

/// The daemon has written what the shim is to read, and has not started it yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_line_leaves_a_task_alone_that_is_about_to_start() {
    let world = World::new().await;
    let running = world.task("exec sleep 600");
    world.start(&running).await;
    world.running(&running).await;
    let directory = world.lab.run("tasks").join(world.task("exit 0").id);
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("task.json"), "{}").unwrap();
    let argv = ["id".to_owned()];
    exec_command(&world.lab, &running.id, "web", &argv, false).unwrap();
    let error = exec_command(&world.lab, &running.id, "other", &argv, false).unwrap_err().to_string();
    assert!(error.contains("no running container other; running: web"), "{error}");
    assert!(directory.join("task.json").exists(), "the task's files are gone");
}
