//! The command line on a lab in which everything stands, and what Terraform says of what is not modelled. One lab for all:
//! whatever breaks something mends it again.

use crate::support::{
    lab::{LONG, SOON, TestLab},
    load::{Client, Request},
    parts::{Parts, namespace_of},
    probe::{ANSWER, Reach, SILENCE, connect, resolve},
    wait_for,
};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    path::Path,
};

/// The log group of the tasks.
const GROUP: &str = "/ecs/hello-you-dev";

#[test]
fn the_command_line_shows_breaks_and_mends() {
    let lab = TestLab::standing();
    let client = Client::of(&lab);
    let nodes: Vec<Ipv4Addr> = lab.parts().nodes.iter().filter_map(|node| node.public).collect();
    client.writes(&nodes);

    shows_everything(&lab);
    runs_programs_in_parts(&lab);
    names_lead_to_the_addresses_that_terraform_knows(&lab, &nodes);
    warns_of_what_is_not_modelled(&lab);
    the_log_of_a_database_is_in_its_group(&lab);
    lab.step("it shows, runs and warns");

    a_killed_task_is_told_of_as_it_happens(&lab);
    a_killed_node_comes_back(&lab, &client);
    a_frozen_task_and_a_cut_one_are_mended(&lab);
    lab.step("what it breaks it mends");

    a_parameter_reaches_the_container_and_a_missing_secret_stops_it(&lab);
    lab.step("a task has its parameter, and does not start without its secret");

    lab.cli(&["reset"]).ok();
    assert_eq!(lab.parts(), Parts::default());
    assert!(lab.cli(&["status"]).ok().starts_with(&format!("lab {}: nothing is published", lab.name())));
    let said = lab.cli(&["logs", GROUP]);
    assert!(said.stderr.contains("there is no log group"), "{}", said.stderr);
    lab.step("reset has begun anew");
}

/// The picture, and what a machine lacks.
fn shows_everything(lab: &TestLab) {
    let picture = lab.status();
    let mut rest = picture.lines();
    // In this order, whatever stands between them.
    for words in [
        &format!("lab {}: https://hello.localhost:", lab.name())[..],
        "eu-west-1  vpc-",
        "  internet gateway igw-",
        "  service hello-you-dev: ready",
        "recorded, not modelled:",
        " aws_cloudwatch_metric_alarm",
    ] {
        assert!(
            rest.any(|line| line.contains(words)),
            "{words:?} is not there or not in its place:\n{picture}"
        );
    }
    assert_eq!(picture.matches(": running, healthy").count(), 2, "{picture}");
    let nodes = picture.lines().filter(|line| line.contains("load balancer hello-you-dev-alb/"));
    assert_eq!(nodes.filter(|line| line.ends_with(": ready")).count(), 2, "{picture}");

    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = lab.cli(&["preflight", "--port", &port]);
    assert!(!said.status.success() && said.stderr.contains(&format!("port {port}")), "{}", said.stderr);
    lab.cli(&["preflight", "--port", "0"]).ok();
}

fn runs_programs_in_parts(lab: &TestLab) {
    let task = &lab.parts().tasks[0].name;
    // In the container, which has no program but its own; the beginning of the name is enough.
    for name in [&task[..], &task[..8]] {
        let said = lab.cli(&["exec", &format!("task/{name}"), "--", "/hello-you", "--version"]).ok();
        assert!(said.starts_with("hello-you "), "{said}");
    }
    let said = lab.cli(&["exec", &format!("task/{task}"), "--", "/hello-you", "--no-such-option"]);
    assert!(!said.status.success());
    let said = lab.cli(&["exec", "client", "--", "sh", "-c", "ip -brief address; exit 7"]);
    assert_eq!(said.status.code(), Some(7));
    assert!(said.stdout.contains("198.51.100.100"), "{}", said.stdout);
    let said = lab.cli(&["exec", "db/nobody", "--", "true"]);
    assert!(said.stderr.contains("there is no part \"db/nobody\"") && said.stderr.contains(task.as_str()));
}

/// The names of the load balancer and of both databases.
fn names_lead_to_the_addresses_that_terraform_knows(lab: &TestLab, nodes: &[Ipv4Addr]) {
    let output = |name: &str| lab.terraform(&[], &["output", "-json", name]).ok();
    let name: String = serde_json::from_str(&output("alb_dns_name")).unwrap();
    let server = Ipv4Addr::new(198, 51, 100, 53);
    let mut found = resolve(&lab.namespace("client"), server, &name, ANSWER).unwrap();
    found.sort();
    let mut nodes = nodes.to_vec();
    nodes.sort();
    assert_eq!(found, nodes, "{name}");
    let hosts: Vec<String> = serde_json::from_str(&output("database_hosts")).unwrap();
    let databases = lab.parts().databases;
    let task = lab.parts().tasks[0].address;
    let inside = namespace_of(lab, task).unwrap();
    let resolver = Ipv4Addr::from((u32::from(task) & 0xffff_0000) + 2);
    assert_eq!(hosts.len(), databases.len());
    for host in hosts {
        let identifier = host.split('.').next().unwrap();
        let database = databases.iter().find(|database| database.name == identifier).unwrap();
        assert_eq!(resolve(&inside, resolver, &host, ANSWER).unwrap(), [database.address], "{host}");
    }
}

fn warns_of_what_is_not_modelled(lab: &TestLab) {
    let said = lab.terraform(&[], &["plan", "-input=false", "-no-color"]).ok();
    assert!(said.contains("Warning: Recorded, not modelled"), "{said}");
    let extra = lab.terraform_file("single-region/extra.tf");
    let network = r#"
        resource "aws_lb" "network" {
          name               = "network"
          load_balancer_type = "network"
          subnets            = ["subnet-1"]
        }
    "#;
    fs::write(&extra, network).unwrap();
    let said = lab.terraform(&[], &["plan", "-input=false", "-no-color", "-target=aws_lb.network"]);
    let words = "load_balancer_type = \"network\" is not modelled; the lab has application only";
    let flat = said.stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    assert!(!said.status.success() && flat.contains(words), "{}", said.stderr);
    let group = r#"
        resource "aws_db_parameter_group" "wrong" {
          name   = "wrong"
          family = "postgres15"

          parameter {
            name  = "max_connection"
            value = "100"
          }
        }
    "#;
    let version = hello_lab::preflight::newest_postgresql(Path::new("/usr/lib/postgresql")).unwrap();
    fs::write(&extra, group.replace("postgres15", &format!("postgres{version}"))).unwrap();
    let wrong = "-target=aws_db_parameter_group.wrong";
    let said = lab.terraform(&[], &["plan", "-input=false", "-no-color", wrong]);
    assert!(!said.status.success() && said.stderr.contains("InvalidParameterValue"), "{}", said.stderr);
    let recorded = "resource \"aws_sqs_queue\" \"jobs\" {\n  name = \"jobs\"\n}\n";
    fs::write(&extra, recorded).unwrap();
    let said = lab.terraform(&[], &["plan", "-input=false", "-no-color", "-target=aws_sqs_queue.jobs"]).ok();
    assert!(said.contains("The lab keeps this aws_sqs_queue"), "{said}");
    fs::remove_file(extra).unwrap();
}

/// Also what was logged while no daemon ran.
fn the_log_of_a_database_is_in_its_group(lab: &TestLab) {
    let database = lab.parts().databases[0].name.clone();
    let group = |kind: &str| format!("/aws/rds/instance/{database}/{kind}");
    let fails = |column: &str| {
        let said = lab.sql(&database, "postgres", &format!("select {column}"));
        assert!(said.stderr.contains("does not exist"), "{}", said.stderr);
    };
    let log = lab.follow(&["logs", &group("postgresql"), "--follow"]);
    log.says("database system is ready to accept connections", 0);
    fails("no_first_column");
    log.says("ERROR:  column \"no_first_column\" does not exist", 0);
    log.says("STATEMENT:  select no_first_column", 0);
    lab.kill_daemon();
    fails("no_second_column");
    lab.start_daemon();
    let log = lab.follow(&["logs", &group("postgresql"), "--follow"]);
    log.says("STATEMENT:  select no_second_column", 0);
    let said = lab.cli(&["logs", &group("postgresql")]).ok();
    for once in ["STATEMENT:  select no_first_column", "STATEMENT:  select no_second_column"] {
        assert_eq!(said.matches(once).count(), 1, "{once}");
    }
    assert_eq!(lab.cli(&["logs", &group("upgrade")]).ok(), "");
}

/// `events -f` and `logs --follow` while it happens.
fn a_killed_task_is_told_of_as_it_happens(lab: &TestLab) {
    let past = lab.cli(&["logs", GROUP]).ok();
    assert!(past.lines().count() > 1, "{past}");
    let events = lab.follow(&["events", "-f", "--last", "1"]);
    let logs = lab.follow(&["logs", GROUP, "--follow"]);
    // What there is comes first.
    logs.says(past.lines().next().unwrap(), 0);
    wait_for("an event of the past is shown", SOON, || match events.count() {
        0 => Err("none".to_owned()),
        count => Ok(count),
    });
    let (told, logged) = (events.count(), logs.count());
    let victim = lab.parts().tasks[0].name.clone();
    let said = lab.cli(&["fault", "kill", &format!("task/{victim}")]).ok();
    assert!(said.contains(&victim) && said.contains("is killed"), "{said}");
    events.says(&format!("task/{victim} is killed"), told);
    events.says("Essential container in task exited", told);
    let tasks = lab.settled(2, LONG).tasks;
    let new = tasks.iter().find(|task| !past.contains(&task.name)).expect("a task is new");
    // Its stream is new too.
    logs.says(&new.name, logged);
}

fn a_killed_node_comes_back(lab: &TestLab, client: &Client) {
    let parts = lab.parts();
    let node = Parts::in_zone(&parts.nodes, 'a');
    let before = lab.processes();
    let owner = lab.cli(&["fault", "kill", "alb/hello-you-dev-alb"]);
    assert!(owner.stderr.contains("may mean"), "{}", owner.stderr);
    // The picture has the name of each node.
    lab.cli(&["fault", "kill", &format!("alb/{}", node.name)]).ok();
    wait_for("another HAProxy serves", SOON, || match client.ask(node.public.unwrap(), &Request::read()) {
        Ok(200) if lab.processes() != before => Ok(()),
        other => Err(format!("{other:?}")),
    });
    lab.settled(2, LONG);
    // A NAT gateway is the kernel's: there is nothing to kill, and it says so. It can be cut off.
    let said = lab.cli(&["fault", "kill", "nat/"]);
    assert!(said.stderr.contains("no process runs in"), "{}", said.stderr);
    let task = namespace_of(lab, Parts::in_zone(&lab.parts().tasks, 'a').address).unwrap();
    let registry = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 10), 443);
    lab.cli(&["fault", "cut", "nat/"]).ok();
    assert_eq!(connect(&task, registry, SILENCE), Reach::Silence);
    lab.cli(&["fault", "restore", "nat/"]).ok();
    assert_eq!(connect(&task, registry, ANSWER), Reach::Connected);
}

fn a_frozen_task_and_a_cut_one_are_mended(lab: &TestLab) {
    let parts = lab.parts();
    let task = Parts::in_zone(&parts.tasks, 'b').clone();
    let name = format!("task/{}", task.name);
    let node = namespace_of(lab, Parts::in_zone(&parts.nodes, 'a').address).unwrap();
    let own = SocketAddrV4::new(task.address, 8080);

    lab.cli(&["fault", "freeze", &name]).ok();
    assert_eq!(lab.process_of(&task.name).state(), 'T');
    // The kernel still takes connections for it.
    assert_eq!(connect(&node, own, ANSWER), Reach::Connected);
    let line = || lab.status().lines().find(|line| line.contains(&task.name)).map(str::to_owned);
    assert!(line().is_some_and(|line| line.ends_with("FROZEN")), "{:?}", line());
    lab.cli(&["fault", "restore", &name]).ok();
    assert!(!line().is_some_and(|line| line.contains("FROZEN")), "{:?}", line());
    assert_ne!(lab.process_of(&task.name).state(), 'T');

    lab.cli(&["fault", "cut", &name]).ok();
    assert_eq!(connect(&node, own, SILENCE), Reach::Silence);
    assert!(line().is_some_and(|line| line.ends_with("CUT OFF")), "{:?}", line());
    lab.cli(&["fault", "restore", &name]).ok();
    assert_eq!(connect(&node, own, ANSWER), Reach::Connected);
    lab.settled(2, LONG);
}

fn a_parameter_reaches_the_container_and_a_missing_secret_stops_it(lab: &TestLab) {
    let file = lab.terraform_file("modules/region/ecs-fargate.tf");
    let whole = fs::read_to_string(&file).unwrap();
    let first = "    DB_USER        = ";
    assert!(whole.contains(first));
    let with = |reference: &str, rest: &str| {
        let more = format!("    COLOR = {reference}\n{first}");
        fs::write(&file, whole.replacen(first, &more, 1) + rest).unwrap();
    };
    let parameter = r#"
        resource "aws_ssm_parameter" "color" {
          region = var.region
          name   = "/hello/color"
          type   = "String"
          value  = "blue-as-the-sky"
        }
    "#;
    with("aws_ssm_parameter.color.arn", parameter);
    lab.apply(&[]);
    lab.settled(2, LONG);
    let tasks = lab.parts().tasks;
    let has = |name: &str| {
        let mut inside = lab.processes_in_tasks().filter(|process| process.groups().contains(name));
        inside.any(|process| process.environment().iter().any(|entry| entry == "COLOR=blue-as-the-sky"))
    };
    assert!(tasks.iter().all(|task| has(&task.name)), "a task has not the parameter");

    let before = lab.parts().tasks;
    let missing = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:no-such-secret-AbCdEf";
    with(&format!("\"{missing}\""), parameter);
    // Whether Terraform waits for the service is not what this is about.
    lab.terraform(&[], crate::support::lab::APPLY);
    wait_for("the missing secret is told of", SOON, || {
        let events = lab.events();
        let told = events.lines().any(|line| {
            line.contains("ResourceInitializationError")
                && line.contains("no-such-secret")
                && line.contains("ResourceNotFoundException")
        });
        if told { Ok(()) } else { Err(events.lines().last().unwrap_or_default().to_owned()) }
    });
    let now = lab.parts().tasks;
    assert!(before.iter().all(|old| now.iter().any(|task| task.name == old.name)), "an old task was stopped");
}
