//! What the scheduler decides: amid a deployment whose daemon is killed, for a task that fails its checks, and for a
//! deployment that never comes up.

use crate::support::{
    command::{Running, start},
    lab::{APPLY, LONG, SOON, TestLab},
    load::{Client, Request, others},
    parts::Part,
    wait_for,
};
use nix::errno::Errno;
use std::{fs, net::Ipv4Addr, path::Path, process::Command};

#[test]
fn a_daemon_that_is_killed_amid_a_deployment_costs_no_request_and_the_next_goes_on() {
    let lab = TestLab::standing();
    let nodes = nodes(&lab);
    let client = Client::of(&lab);
    client.writes(&nodes);
    let load = client.keep_asking(&nodes, &Request::read());

    // The new tasks do not run yet, or are not asked for: nobody registers them while there is no daemon.
    killed_amid_a_deployment(&lab, &["TF_VAR_task_size={\"cpu\":512,\"memory\":1024}"], "starts a task");
    load.goes_on();
    killed_amid_a_deployment(&lab, &[], "drains task");
    load.goes_on();

    let answers = load.end();
    assert_eq!(others(&answers, 200), Vec::<String>::new());
    lab.step(&format!("none of {} requests has failed", answers.len()));
    lab.plan_is_clean();
}

/// Kills the daemon as soon as it has told of `moment` in the deployment that an apply with these variables begins. The
/// apply may be at its end by then, or fail. The next daemon must go on to the end, where all tasks are new.
fn killed_amid_a_deployment(lab: &TestLab, variables: &[&str], moment: &str) {
    let before = lab.parts().tasks;
    let events = lab.follow(&["events", "-f", "--last", "1"]);
    events.says("", 0);
    let past = events.count();
    let apply = lab.terraform_under_way(variables, APPLY);
    events.says(moment, past);
    lab.kill_daemon();
    lab.step(&format!("the daemon is killed when it {moment}"));
    apply.end(LONG);
    lab.start_daemon();
    lab.apply(variables);
    let after = lab.settled(2, LONG).tasks;
    assert!(after.iter().all(|task| is_new(task, &before)), "old tasks run: {after:?}, before: {before:?}");
    lab.step("the next one has finished it");
}

fn is_new(task: &Part, before: &[Part]) -> bool {
    before.iter().all(|old| old.name != task.name)
}

#[test]
fn a_task_that_fails_its_checks_goes_when_its_replacement_is_ready() {
    let lab = TestLab::standing();
    let before = lab.parts().tasks;
    let victim = &before[0].name;
    lab.cli(&["fault", "freeze", &format!("task/{victim}")]).ok();
    lab.step("a task is frozen");
    let after = wait_for("it is replaced", LONG, || {
        let tasks = lab.parts().tasks;
        let done = tasks.len() == 2
            && tasks.iter().all(|task| task.name != *victim && task.words == "running, healthy");
        if done { Ok(tasks) } else { Err(format!("{tasks:?}")) }
    });
    assert!(after.contains(&before[1]), "the other task was replaced too");
    let zones = |tasks: &[Part]| tasks.iter().map(|task| task.zone.clone()).collect::<Vec<_>>();
    assert_eq!(zones(&after), zones(&before), "the zone has no task any more");
    let events = lab.events();
    let new = after.iter().find(|task| task.name != before[1].name).unwrap();
    let ready = events.find(&format!("task {} is ready", new.name)).expect("its replacement is ready");
    let drained = events.find(&format!("drains task {victim}: Task failed ")).expect("it was drained");
    assert!(ready < drained, "it went before its replacement was ready:\n{events}");
    lab.settled(2, LONG);
    lab.step("it went when its replacement was ready");

    let victim = &before[1].name;
    let _hog = exhaust_memory(&lab, victim);
    let told = format!("task {victim} has ended: OutOfMemoryError: Container killed due to memory usage");
    wait_for("it is out of memory", LONG, || {
        if lab.events().contains(&told) { Ok(()) } else { Err(format!("{:?}", lab.parts().tasks)) }
    });
    let after = lab.settled(2, LONG).tasks;
    assert_eq!(zones(&after), zones(&before), "the zone has no task any more");
    lab.step("one that was out of memory is replaced");
}

/// Takes the memory of a task in its container's control group, where the container is the one that the kernel ends.
fn exhaust_memory(lab: &TestLab, task: &str) -> Running {
    let roots = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
    let group = roots.map(|root| root.join("hello-lab").join(lab.name()).join(task));
    let group = group.iter().find(|group| group.is_dir()).expect("the task has a control group");
    let container =
        fs::read_dir(group).unwrap().flatten().map(|entry| entry.path()).find(|path| path.is_dir());
    let members = container.expect("it has a container").join("cgroup.procs");
    for pid in fs::read_to_string(&members).unwrap().lines() {
        // The first that the kernel takes. A check of its health is in there too, and ends at any time.
        match fs::write(format!("/proc/{pid}/oom_score_adj"), "1000") {
            Err(error)
                if [Errno::ENOENT, Errno::ESRCH]
                    .map(|it| Some(it as i32))
                    .contains(&error.raw_os_error()) => {}
            written => written.unwrap(),
        }
    }
    // The task has 512 MiB; a text without an end of a line is kept whole.
    let script = format!("echo $$ > {}; head -c 600M /dev/zero | tail | head -c 1", members.display());
    start(Command::new("sh").args(["-c", &script]))
}

#[test]
fn a_deployment_that_is_given_up_fails_the_apply_that_waits_for_it_and_starts_no_more_tasks() {
    let lab = TestLab::standing();
    let nodes = nodes(&lab);
    let client = Client::of(&lab);
    client.writes(&nodes);
    let load = client.keep_asking(&nodes, &Request::read());
    let before = lab.parts().tasks;
    let file = lab.terraform_file("modules/region/ecs-fargate.tf");
    let whole = fs::read_to_string(&file).unwrap();
    let breaker = "deployment_circuit_breaker {\n    enable   = true\n    rollback = ";
    let waits = replaced(
        &whole,
        &format!("{breaker}true\n  }}"),
        &format!("{breaker}false\n  }}\n\n  wait_for_steady_state = true"),
    );
    let essential = "    essential = true\n";
    let with = |line: &str| replaced(&waits, essential, &format!("{essential}    {line}\n"));
    let broken = [
        ("CannotStartContainerError", with("entryPoint = [\"/no-such-program\"]")),
        ("Essential container in task exited", with("command = [\"no-such-command\"]")),
    ];
    for (word, content) in broken {
        let told = lab.events().len();
        fs::write(&file, content).unwrap();
        let said = lab.terraform(&[], APPLY);
        assert!(!said.status.success(), "{}", said.stdout);
        // Terraform breaks lines.
        let sentence = said.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(sentence.contains("the deployment failed") && sentence.contains(word), "{}", said.stderr);
        // The apply has its answer when the last but one has failed: the last may still be on its way.
        let events = wait_for("every task that was started has failed", SOON, || {
            let events = lab.events().split_off(told);
            if starts(&events) == failures(&events).len() { Ok(events) } else { Err(events) }
        });
        assert!(events.contains(word), "{word} is not told:\n{events}");
        assert_eq!(deployment(&events), Ok(()), "{events}");
        let now = lab.parts().tasks;
        assert!(before.iter().all(|task| now.contains(task)), "an old task was ended: {now:?}");
        lab.step(&format!("{word}: the apply says why it failed, and the old tasks stay"));
    }
    fs::write(&file, waits).unwrap();
    lab.apply(&[]);
    let after = lab.parts().tasks;
    assert!(after.len() == 2 && after.iter().all(|task| is_new(task, &before)), "{after:?}");
    lab.step("the apply of one that works has waited until it was steady");
    let answers = load.end();
    assert_eq!(others(&answers, 200), Vec::<String>::new());
    lab.step(&format!("none of {} requests has failed", answers.len()));
}

fn replaced(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old:?} is not in the configuration");
    text.replacen(old, new, 1)
}

/// How many tasks the events tell of as started.
fn starts(events: &str) -> usize {
    events.lines().filter(|line| line.contains(STARTS)).count()
}

/// When the events tell of a failure, in milliseconds of the day.
fn failures(events: &str) -> Vec<u64> {
    events.lines().filter(|line| line.contains(FAILS)).filter_map(time).collect()
}

const STARTS: &str = "starts a task of";
const FAILS: &str = "counts as a failure of the deployment";
const DAY: u64 = 24 * 60 * 60 * 1000;

/// Is a deployment of two tasks given up after three failures, with two tasks at a time, and with a pause after each that
/// doubles? Whether one or two have failed when the next is started depends on how fast they fail.
fn deployment(events: &str) -> Result<(), String> {
    let (mut running, mut failed, mut last) = (0, 0_u32, 0);
    for line in events.lines() {
        let Some(at) = time(line) else { continue };
        if line.contains(STARTS) {
            running += 1;
            let pause = if failed == 0 { 0 } else { 1000 << (failed - 1) };
            let waited = (at + DAY - last) % DAY;
            if failed >= 3 || running > 2 || waited < pause {
                return Err(format!(
                    "{running} run, {failed} have failed, {waited} ms after the last: {line}"
                ));
            }
        } else if line.contains(FAILS) {
            (running, failed, last) = (running - 1, failed + 1, at);
        }
    }
    // With the third another one may have been on its way.
    if (3..=4).contains(&failed) { Ok(()) } else { Err(format!("{failed} have failed")) }
}

/// When an event happened, in milliseconds of the day.
fn time(line: &str) -> Option<u64> {
    let numbers: Vec<u64> = line.get(..12)?.split([':', '.']).filter_map(|part| part.parse().ok()).collect();
    let [hours, minutes, seconds, milliseconds] = numbers[..] else { return None };
    Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds)
}

fn nodes(lab: &TestLab) -> Vec<Ipv4Addr> {
    lab.parts().nodes.iter().filter_map(|node| node.public).collect()
}
