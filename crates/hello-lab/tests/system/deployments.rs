//! Tasks that are killed, replaced, cannot be pulled or lack a secret, while clients ask all the time.

use crate::support::{
    lab::{APPLY, LONG, SOON, TestLab},
    load::{Client, Load, Request, others},
    parts::Part,
    wait_for,
};
use std::{fs, net::Ipv4Addr, time::Instant};

#[test]
fn clients_notice_neither_a_killed_task_nor_a_deployment() {
    let lab = TestLab::standing();
    let client = Client::of(&lab);
    let nodes = nodes(&lab);
    client.writes(&nodes);

    a_killed_task_is_replaced(&lab, &client.keep_asking(&nodes, &Request::read()));

    let load = client.keep_asking(&nodes, &Request::read());
    let before = lab.parts().tasks;
    let begin = Instant::now();
    // Other tasks: twice the size.
    lab.apply(&["TF_VAR_task_size={\"cpu\":512,\"memory\":1024}"]);
    let after = lab.settled(2, LONG).tasks;
    assert!(after.iter().all(|task| before.iter().all(|old| old.name != task.name)), "old tasks run");
    lab.step(&format!("both tasks are new after {:.1} s", begin.elapsed().as_secs_f64()));
    load.goes_on();
    let answers = load.end();
    assert_eq!(others(&answers, 200), Vec::<String>::new());
    lab.step(&format!("none of {} requests has failed during the deployment", answers.len()));

    let begin = Instant::now();
    for task in lab.parts().tasks {
        lab.cli(&["fault", "kill", &format!("task/{}", task.name)]).ok();
    }
    for node in &nodes {
        wait_for("the service is back", LONG, || match client.ask(*node, &Request::read()) {
            Ok(200) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }
    lab.step(&format!(
        "the service is back {:.1} s after all tasks were killed",
        begin.elapsed().as_secs_f64()
    ));
    lab.settled(2, LONG);
}

/// With two tasks, one of which is killed.
fn a_killed_task_is_replaced(lab: &TestLab, load: &Load) {
    let before = lab.parts().tasks;
    let victim = &before[0].name;
    let asked = Instant::now();
    lab.cli(&["fault", "kill", &format!("task/{victim}")]).ok();
    wait_for("the killed task is gone", SOON, || {
        let tasks = lab.parts().tasks;
        if tasks.iter().all(|task| task.name != *victim) { Ok(()) } else { Err(format!("{tasks:?}")) }
    });
    let after = lab.settled(2, LONG).tasks;
    assert!(after.contains(&before[1]), "the other task was replaced too");
    assert!(after.iter().any(|task| task.zone == before[0].zone), "its zone has no task any more: {after:?}");
    lab.step(&format!("a killed task is replaced after {:.1} s", asked.elapsed().as_secs_f64()));
    load.goes_on();
    let answers = load.answers();
    assert_eq!(others(&answers, 200), Vec::<String>::new());
    lab.step(&format!("none of {} requests has failed", answers.len()));
    let events = lab.events();
    assert!(events.contains("Essential container in task exited"), "ECS's own reason is not told");
}

#[test]
fn a_deployment_that_cannot_start_leaves_the_old_tasks() {
    let lab = TestLab::standing();
    let client = Client::of(&lab);
    let nodes = nodes(&lab);
    client.writes(&nodes);
    let load = client.keep_asking(&nodes, &Request::read());
    let before = lab.parts().tasks;

    // A raised version of the registry's secret stores the wrong token and begins a deployment.
    let variables = ["TF_VAR_github_token=a-wrong-token", "TF_VAR_secret_versions={\"registry\":2}"];
    let said = lab.terraform(&variables, APPLY);
    lab.step(&format!("terraform ended with {}", said.status));
    happened(&lab, "CannotPullContainerError");
    assert_eq!(still_there(&lab, &before), 2, "an old task was stopped");
    lab.step("a wrong token: CannotPullContainerError, and the old tasks stay");
    lab.apply(&["TF_VAR_secret_versions={\"registry\":3}"]);
    lab.settled(2, LONG);
    lab.step("with the right token the deployment goes through");

    // A key that the secret does not have.
    let file = lab.terraform_file("modules/region/ecs-fargate.tf");
    let whole = fs::read_to_string(&file).unwrap();
    let before = lab.parts().tasks;
    let without = whole.replace(":secret_key::\"", ":no_such_key::\"");
    assert_ne!(without, whole);
    fs::write(&file, without).unwrap();
    let said = lab.terraform(&["TF_VAR_secret_versions={\"registry\":3}"], APPLY);
    lab.step(&format!("terraform ended with {}", said.status));
    happened(&lab, "ResourceInitializationError");
    assert_eq!(still_there(&lab, &before), 2, "an old task was stopped");
    lab.step("a missing key of a secret: ResourceInitializationError, and the old tasks stay");
    fs::write(&file, whole).unwrap();
    lab.apply(&["TF_VAR_secret_versions={\"registry\":3}"]);
    lab.settled(2, LONG);

    let answers = load.end();
    assert_eq!(others(&answers, 200), Vec::<String>::new());
    lab.step(&format!("none of {} requests has failed", answers.len()));
}

fn nodes(lab: &TestLab) -> Vec<Ipv4Addr> {
    lab.parts().nodes.iter().filter_map(|node| node.public).collect()
}

fn happened(lab: &TestLab, word: &str) {
    wait_for(&format!("{word} is among the events"), SOON, || {
        let events = lab.events();
        if events.contains(word) { Ok(()) } else { Err(events.lines().last().unwrap_or_default().to_owned()) }
    });
}

/// How many of these tasks still run, healthy.
fn still_there(lab: &TestLab, tasks: &[Part]) -> usize {
    let now = lab.parts().tasks;
    tasks.iter().filter(|task| now.iter().any(|other| other == *task)).count()
}
