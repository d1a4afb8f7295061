//! A daemon that is killed at random moments of applies and destroys: the end must be that of an undisturbed run.

use crate::arrows;
use crate::support::{
    lab::{APPLY, DESTROY, LONG, REGION, TestLab},
    load::Client,
    machine::{self, Footprint, Process},
    parts::Parts,
    setting,
    traces::Traces,
    wait_for,
};
use hello_testkit::next_random;
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

/// How often the daemon is killed, unless `HELLO_LAB_ROUNDS` says otherwise.
const ROUNDS: u64 = 10;
/// The first seed, unless `HELLO_LAB_SEED` says otherwise.
const SEED: u64 = 1;
/// The container of each task.
const CONTAINER: &str = "hello-you";
/// Applies that may be needed after one was cut short: the one that goes on, and one more that says why it did not.
const TRIES: usize = 2;

#[test]
fn a_daemon_killed_at_any_moment_of_an_apply_or_a_destroy_loses_nothing() {
    let number =
        |name: &str, default| setting(name).map_or(default, |text| text.parse().expect("it is a number"));
    let (rounds, seed) = (number("HELLO_LAB_ROUNDS", ROUNDS), number("HELLO_LAB_SEED", SEED));
    let lab = TestLab::empty();
    lab.step(&format!("{rounds} rounds with seed {seed}; HELLO_LAB_SEED={seed} repeats them"));
    let before = Footprint::of(&lab);

    // An undisturbed run, to compare with and to know how long one takes.
    lab.up();
    let destroy_time = timed(&lab, DESTROY);
    // What a destroyed lab keeps: its internet, and nothing that Terraform has made.
    lab.step("destroyed, undisturbed");
    let destroyed = settled_traces(&lab);
    let apply_time = timed(&lab, APPLY);
    lab.settled(2, LONG);
    let undisturbed = settled_traces(&lab);
    serves(&lab);
    lab.step(&format!(
        "undisturbed: apply {:.1} s, destroy {:.1} s",
        apply_time.as_secs_f64(),
        destroy_time.as_secs_f64()
    ));

    let mut random = seed;
    for round in 1..=rounds {
        // Applies and destroys take turns, since each needs the other's end.
        let applies = round % 2 == 0;
        let (arguments, longest) = if applies { (APPLY, apply_time) } else { (DESTROY, destroy_time) };
        let moment = longest.mul_f64(fraction(&mut random));
        let what = if applies { "apply" } else { "destroy" };
        let terraform = lab.terraform_under_way(&[], arguments);
        // The moment is what this test is about.
        thread::sleep(moment);
        let running = lasting(&lab);
        lab.kill_daemon();
        let said = terraform.end(LONG);
        // A destroy ends parts on purpose.
        if applies {
            outlived(&lab, &running);
        }
        lab.start_daemon();
        let mut tries = 0;
        loop {
            let again = lab.terraform(&[], arguments);
            tries += 1;
            if again.status.success() {
                break;
            }
            assert!(
                tries < TRIES,
                "round {round}: {what} killed after {moment:?} does not go on\n{}",
                again.ok()
            );
        }
        lab.step(&format!(
            "round {round}: {what} killed after {:.2} s ({}), done after {tries} more",
            moment.as_secs_f64(),
            if said.status.success() { "it had ended" } else { "it failed" }
        ));
        if applies {
            lab.settled(2, LONG);
            undisturbed.are_back(&lab, &format!("round {round}, applied"));
            lab.plan_is_clean();
            serves(&lab);
        } else {
            destroyed.are_back(&lab, &format!("round {round}, destroyed"));
            assert_eq!(lab.parts(), Parts::default(), "round {round}");
        }
    }
    if lab.parts() != Parts::default() {
        arrows::are_right(&lab);
        lab.step("every arrow is right");
    }
    lab.terraform(&[], DESTROY).ok();
    destroyed.are_back(&lab, "at the end, destroyed");
    lab.down().ok();
    before.is_restored(&lab);
    lab.step("nothing is left");
}

/// How long an apply takes that nobody disturbs.
fn timed(lab: &TestLab, arguments: &[&str]) -> Duration {
    let begin = Instant::now();
    lab.terraform(&[], arguments).ok();
    begin.elapsed()
}

/// From 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "a moment needs no more than 53 bits")]
fn fraction(random: &mut u64) -> f64 {
    (next_random(random) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The traces, once nothing changes any more: every part is as it should be, and an HAProxy with an older configuration has
/// ended.
fn settled_traces(lab: &TestLab) -> Traces {
    let mut last = Traces::of(lab);
    wait_for("the lab rests", LONG, || {
        lab.settles()?;
        lab.processes_at_rest();
        // The network is as it should be, and the namespace of a part that is gone goes after its last process.
        let of_parts = namespaces_of_parts(lab);
        if lab.parts() == Parts::default() && !of_parts.is_empty() {
            return Err(of_parts.join(", "));
        }
        let now = Traces::of(lab);
        if now == last {
            return Ok(now);
        }
        last = now;
        Err("something changes".to_owned())
    })
}

/// The namespaces that Terraform's resources have.
fn namespaces_of_parts(lab: &TestLab) -> Vec<String> {
    let prefixes = ["vpc-", REGION].map(|word| format!("hl-{}-{word}", lab.name()));
    let is_of_part = |name: &String| prefixes.iter().any(|prefix| name.starts_with(prefix));
    machine::namespaces().into_iter().filter(is_of_part).collect()
}

/// Every part is there and the service answers.
fn serves(lab: &TestLab) {
    let client = Client::of(lab);
    let nodes: Vec<_> = lab.parts().nodes.iter().filter_map(|node| node.public).collect();
    client.writes(&nodes);
}

/// The processes that a daemon's end is none of the business of. HAProxy and the DNS servers may be about to be replaced by
/// ones with a newer configuration, a tool of a database ends by itself, and so does a task whose image cannot be pulled
/// since what leads to the registry is not made yet.
fn lasting(lab: &TestLab) -> BTreeMap<String, i32> {
    let mut processes = lab.processes();
    let tasks = lab.directory().join("run").join(lab.name()).join("tasks");
    processes.retain(|name, pid| {
        let words = Process { pid: *pid }.command_line();
        let is_server = words.first().is_some_and(|program| program.ends_with("/postgres"));
        let has_container =
            |id: &str| tasks.join(id).join("containers").join(CONTAINER).join("pid").is_file();
        name.strip_prefix("task-").is_some_and(has_container)
            || name.starts_with("registry")
            || name.starts_with("database.") && is_server
    });
    processes
}

/// What ran before the daemon was killed runs after it.
fn outlived(lab: &TestLab, before: &BTreeMap<String, i32>) {
    let now = lab.processes();
    for (name, pid) in before {
        assert_eq!(now.get(name), Some(pid), "{name} did not outlive the daemon");
    }
}
