//! How containers run.

use crate::world::{DEADLINE, World, wait};
use hello_lab::{
    secret::Secret,
    task::model::{Health, HealthCheck, Status, Task},
};
use hello_testkit::{Poll, wait_until};
use std::{
    fs,
    time::{Duration, Instant},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_closed_in() {
    let world = World::new().await;
    let script = "id -u; id -g; grep -E '^(Cap|NoNewPrivs)' /proc/self/status; touch /file; touch /tmp/file; \
                  cat /etc/resolv.conf; echo x >/dev/null && echo null; ls /proc/1/root/ >/dev/null && echo one; ls /dev";
    let (stopped, lines) = world.output(&world.task(script)).await;
    assert_eq!(stopped.exit_code, Some(0), "{stopped:?} {lines:?}");
    let text = lines.join("\n");
    assert_eq!(lines[..2], ["65532", "65532"]);
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(text.contains(&format!("{name}:\t0000000000000000")), "{text}");
    }
    assert!(text.contains("NoNewPrivs:\t1"), "{text}");
    assert_eq!(text.matches("Read-only file system").count(), 2, "{text}");
    assert!(text.contains("nameserver 127.0.0.53") && text.contains("\nnull\n"), "{text}");
    assert!(!text.contains("kmsg") && !text.contains("vda"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_can_be_written_is_the_tasks_own() {
    let world = World::new().await;
    for _ in 0..2 {
        let mut task =
            world.task("ls /tmp; echo content >/tmp/file && cat /tmp/file; id -u; rm /bin/ls; ls /");
        task.containers[0].read_only_root = false;
        task.containers[0].user = Some("0".to_owned());
        let (stopped, lines) = world.output(&task).await;
        assert_eq!(lines[..2], ["content", "0"], "{lines:?}");
        assert_eq!(stopped.exit_code, Some(127), "{lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn environment_and_secrets_reach_the_container_and_nothing_else() {
    let world = World::new().await;
    // The script is called with its own text, so that has not the whole of it; another run of these tests has another.
    let secret = format!("secret-value-of-{}-{}", world.lab.name(), std::process::id());
    let mut task = world.task(&format!(
        "case \"$PASSWORD\" in secret-value-of-*-{}) echo matches;; esac; echo $PLAIN; exec sleep 600",
        std::process::id()
    ));
    task.containers[0].environment = vec![("PLAIN".to_owned(), "plain value".to_owned())];
    task.containers[0].secrets = vec![("PASSWORD".to_owned(), Secret::new(secret.as_str()))];
    world.start(&task).await;
    world.line(&task, "plain value").await;
    assert_eq!(world.lines("task/web/"), ["matches", "plain value"]);
    let mut seen = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        if let Ok(line) = fs::read(entry.path().join("cmdline")) {
            seen.push((entry.path(), line));
        }
    }
    let directory = world.lab.run("tasks").join(&task.id);
    // What root alone may read, for as long as the task runs, holds it.
    let mut private = 0;
    for path in files(world.directory.path()) {
        let content = fs::read(&path).unwrap_or_default();
        let holds =
            contains(&content, secret.as_bytes()) || contains(&content, crate::world::PASSWORD.as_bytes());
        if holds {
            assert!(path.starts_with(&directory), "{}", path.display());
            private += 1;
        }
        seen.push((path.clone(), if holds { Vec::new() } else { content }));
    }
    assert!(private > 0 && !seen.iter().any(|(_, content)| contains(content, secret.as_bytes())));
    let mode = |path: &std::path::Path| {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions())
    };
    assert_eq!(mode(&directory) & 0o777, 0o700);
    assert_eq!(mode(&directory.join("containers/web/config.json")) & 0o777, 0o600);
    assert!(!directory.join("task.json").exists());
    world.tasks.stop(&task.id, "UserInitiated", "test").await.unwrap();
    world.tasks.remove(&task.id).await.unwrap();
    assert!(!directory.exists());
}

fn files(below: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

fn contains(content: &[u8], wanted: &[u8]) -> bool {
    content.windows(wanted.len()).any(|window| window == wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_takes_more_memory_than_the_task_has_is_killed() {
    let world = World::new().await;
    let task = world.task("exec tail /dev/zero");
    let (stopped, _) = world.output(&task).await;
    assert_eq!(stopped.code, "OutOfMemoryError", "{stopped:?}");
    assert_eq!(stopped.reason, "OutOfMemoryError: Container killed due to memory usage");
    assert_eq!(stopped.exit_code, Some(137));
    assert_eq!(world.tasks.report(&task.id).unwrap().warnings, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_gets_its_share_of_the_cpu() {
    // A quarter of a second on a core, for which a quarter of a core takes a whole one.
    const TICKS: u64 = 25;
    let world = World::new().await;
    let mut task = world.task("echo ready; while :; do :; done");
    task.containers[0].stop_timeout = Duration::from_millis(1);
    world.start(&task).await;
    world.line(&task, "ready").await;
    let pid = world.tasks.report(&task.id).unwrap().containers[0].pid.unwrap();
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let (before, began) = (ticks(), Instant::now());
    wait_until("it has had a quarter of a second", DEADLINE, async || {
        let used = ticks() - before;
        Poll::ready_if(used >= TICKS, used)
    })
    .await;
    assert!(began.elapsed() >= Duration::from_millis(700), "{TICKS} ticks in {:?}", began.elapsed());
}

fn check(script: &str) -> HealthCheck {
    HealthCheck {
        command: vec!["CMD-SHELL".to_owned(), script.to_owned()],
        interval: Duration::from_millis(100),
        timeout: Duration::from_secs(5),
        retries: 2,
        start_period: Duration::ZERO,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_becomes_healthy_and_unhealthy_by_its_check() {
    let world = World::new().await;
    let mut task = world.task("exec sleep 600");
    task.containers[0].read_only_root = false;
    task.containers[0].health_check = Some(check("[ ! -e /tmp/ill ]"));
    world.start(&task).await;
    wait(&world.tasks, &task.id, |status| *status == Status::Running { health: Health::Healthy }).await;
    let ill = ["/bin/touch".to_owned(), "/tmp/ill".to_owned()];
    let output = world.tasks.exec(&task.id, "web", &ill).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    wait(&world.tasks, &task.id, |status| *status == Status::Running { health: Health::Unhealthy }).await;
    assert_eq!(world.tasks.report(&task.id).unwrap().containers[0].health, Health::Unhealthy);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_takes_too_long_is_a_failure_and_leaves_no_process() {
    let world = World::new().await;
    let mut task = world.task("exec sleep 600");
    task.containers[0].health_check =
        Some(HealthCheck { timeout: Duration::from_millis(100), ..check("exec sleep 500") });
    world.start(&task).await;
    wait(&world.tasks, &task.id, |status| *status == Status::Running { health: Health::Unhealthy }).await;
    assert_eq!(left_by_checks(&world, &task), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_whose_time_is_over_before_its_process_is_there_leaves_none_either() {
    let world = World::new().await;
    let mut task = world.task("exec sleep 600");
    task.containers[0].health_check =
        Some(HealthCheck { timeout: Duration::from_millis(1), ..check("exec sleep 500") });
    world.start(&task).await;
    wait(&world.tasks, &task.id, |status| *status == Status::Running { health: Health::Unhealthy }).await;
    assert_eq!(left_by_checks(&world, &task), Vec::<String>::new());
}

/// The processes of checks that nobody waits for any more: the shim takes them over. The next check has one too, whose parent
/// is the runtime.
fn left_by_checks(world: &World, task: &Task) -> Vec<String> {
    let shim = world.lab.processes().adopt(&format!("task-{}", task.id)).unwrap().unwrap().pid();
    let children = fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap();
    let words = children.split_whitespace().map(|pid| {
        let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.replace('\0', " ").trim().to_owned()
    });
    words.filter(|words| words == "sleep 500").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_in_a_container_with_its_environment_and_exit_code() {
    let world = World::new().await;
    let mut task = world.task("exec sleep 600");
    task.containers[0].environment = vec![("PLAIN".to_owned(), "value".to_owned())];
    world.start(&task).await;
    world.running(&task).await;
    let argv = ["/bin/sh", "-c", "echo $PLAIN; id -u; exit 9"].map(str::to_owned);
    let output = world.tasks.exec(&task.id, "web", &argv).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "value\n65532\n", "{output:?}");
    assert_eq!(output.status.code(), Some(9));
    let error = world.tasks.exec(&task.id, "other", &argv).await.unwrap_err().to_string();
    assert_eq!(error, format!("task {} has no running container other; running: web", task.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_arrive_in_order_in_the_stream_of_container_and_task() {
    let world = World::new().await;
    let task = world.task("i=0; while [ $i -lt 500 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done");
    let (_, lines) = world.output(&task).await;
    // Two pipes are read beside each other, each in its own order.
    for word in ["out", "err"] {
        let found: Vec<_> = lines.iter().filter(|line| line.starts_with(word)).cloned().collect();
        let expected: Vec<_> = (0..500).map(|number| format!("{word} {number}")).collect();
        assert_eq!(found, expected);
    }
    assert_eq!(world.logs.streams(crate::world::GROUP).unwrap(), [format!("task/web/{}", task.id)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_container_wrote_last_is_in_the_log_once_its_task_has_stopped() {
    let world = World::new().await;
    // 1024 lines at once, which is what the pipe holds, and nothing after them.
    let script = "nl='\n'; x='one of very many lines, each some fifty letters long'; \
                  for i in 1 2 3 4 5 6 7 8 9 10; do x=\"$x$nl$x\"; done; echo \"$x\"; exit 3";
    let task = world.task(script);
    world.start(&task).await;
    world.stopped(&task).await;
    // As the daemon does at once.
    world.tasks.remove(&task.id).await.unwrap();
    let lines = world.lines(&format!("task/web/{}", task.id));
    assert_eq!(lines.len(), 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_without_its_log_group_does_not_start() {
    let world = World::new().await;
    world.logs.delete_group(crate::world::GROUP).unwrap();
    let task = world.task("exit 0");
    world.start(&task).await;
    let stopped = world.stopped(&task).await;
    assert_eq!(stopped.code, "ResourceInitializationError");
    let expected = "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: \
                    failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.";
    assert_eq!(stopped.reason, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_in_the_image_cannot_be_started() {
    let world = World::new().await;
    let mut task = world.task("");
    task.containers[0].entry_point = Some(vec!["/bin/missing".to_owned()]);
    let (stopped, _) = world.output(&task).await;
    assert_eq!(stopped.code, "CannotStartContainerError");
    assert!(stopped.reason.contains("/bin/missing"), "{}", stopped.reason);
}
