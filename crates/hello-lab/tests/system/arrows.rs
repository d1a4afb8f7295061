//! Every arrow of the diagram, and every arrow that is not in it, run with real connections.
//!
//! - [`table`]: the arrows, from `docs/system_diagram.md`, and how one is tried
//! - [`api`]: what the user of the service sees at the end of the arrows

mod api;
mod table;

use crate::support::{
    lab::{LONG, SOON, TestLab},
    load::Client,
    machine::Footprint,
    parts::namespace_of,
    probe::{ANSWER, Reach, SILENCE, connect, seen_as},
    wait_for,
};
use hello_lab::network::netns::Namespace;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    path::Path,
};
use table::{Diagram, Place, TABLE};

/// Every arrow of a lab is as the table has it.
#[track_caller]
pub(crate) fn are_right(lab: &TestLab) {
    assert_eq!(table::wrong(&Diagram::of(lab).run()), Vec::<String>::new());
}

#[test]
fn the_arrows_of_the_diagram_are_the_only_ones() {
    let lab = TestLab::empty();
    let before = Footprint::of(&lab);
    lab.up();
    lab.step("everything stands");
    let diagram = Diagram::of(&lab);
    let results = diagram.run();
    lab.step(&table::picture(&results));
    assert_eq!(table::wrong(&results), Vec::<String>::new());
    lab.step("every arrow is right");

    let nodes: Vec<_> = lab.parts().nodes.iter().filter_map(|node| node.public).collect();
    Client::of(&lab).writes(&nodes);
    api::works_through_the_load_balancer(&lab);
    api::works_through_the_published_port(&lab);
    api::names_are_those_of_the_lab(&lab);
    lab.step("the service answers through every way in");

    lab.plan_is_clean();
    let again = lab.apply(&[]);
    assert!(again.contains("Resources: 0 added, 0 changed, 0 destroyed."), "{again}");
    lab.plan_is_clean();
    lab.step("a second apply has nothing to do");

    let rules = lab.terraform_file("modules/region/ecs-fargate.tf");
    broken_by(&lab, &diagram, "the rule from the tasks to the databases", &rules, TO_DATABASE, |arrow| {
        matches!(arrow.from, Place::Task(_)) && matches!(arrow.to, Place::Primary | Place::Replica)
    });
    let routes = lab.terraform_file("modules/region/vpc.tf");
    broken_by(
        &lab,
        &diagram,
        "the route from the private subnets to the internet",
        &routes,
        TO_INTERNET,
        |arrow| matches!(arrow.from, Place::Task(_)) && matches!(arrow.to, Place::Stranger | Place::Registry),
    );
    only_the_group_is_in_the_way(&lab);
    drop(diagram);
    lab.down().ok();
    before.is_restored(&lab);
    lab.step("nothing is left");
}

const TO_DATABASE: &str = r#"resource "aws_vpc_security_group_egress_rule" "tasks_to_database" {"#;
const TO_INTERNET: &str = r#"resource "aws_route" "private_internet" {"#;

/// From the internet, private addresses are closed twice: there is no way to them, and the security groups would not let
/// anybody in. So tasks are put into the public subnets with public addresses, and one rule lets the administrator in: the
/// way is open, and the group alone keeps everybody else out.
fn only_the_group_is_in_the_way(lab: &TestLab) {
    let file = lab.terraform_file("modules/region/ecs-fargate.tf");
    let whole = fs::read_to_string(&file).unwrap();
    let public = whole
        .replace(
            "for subnet in aws_subnet.private : subnet.id",
            "for subnet in aws_subnet.public : subnet.id",
        )
        .replace("assign_public_ip = false", "assign_public_ip = true");
    let rule = r#"
        resource "aws_vpc_security_group_ingress_rule" "tasks_from_administrator" {
          region            = var.region
          security_group_id = aws_security_group.tasks.id
          cidr_ipv4         = "198.51.100.77/32"
          ip_protocol       = "tcp"
          from_port         = 9090
          to_port           = 9090
        }
    "#;
    fs::write(&file, public + rule).unwrap();
    // Another network configuration: other tasks, in other subnets.
    lab.apply(&[]);
    wait_for("every task has a public address", LONG, || {
        let tasks = lab.parts().tasks;
        let moved = tasks.len() == 2 && tasks.iter().all(|task| task.public.is_some());
        if moved { Ok(()) } else { Err(format!("{tasks:?}")) }
    });
    let outside = |name: &str| lab.namespace(name);
    let mut tried = 0;
    for task in lab.settled(2, LONG).tasks {
        let public = task.public.expect("it has one");
        // There and back, by the way that is closed below.
        reaches(&outside("admin"), public, 9090);
        for (from, port) in
            [("client", 9090), ("stranger", 9090), ("client", 8080), ("stranger", 8080), ("admin", 8080)]
        {
            let reach = connect(&outside(from), SocketAddrV4::new(public, port), SILENCE);
            assert_eq!(reach, Reach::Silence, "{from} to {public} on {port}");
            tried += 1;
        }
        // Outwards it is seen as itself, and not as the NAT gateway.
        let inside = namespace_of(lab, task.address).expect("it stands");
        let stranger = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 99), 443);
        assert_eq!(seen_as(&inside, stranger, ANSWER), Reach::Answered(public.to_string()));
    }
    lab.step(&format!("{tried} arrows to public addresses of tasks are closed by their group alone"));
}

#[track_caller]
fn reaches(from: &Namespace, to: Ipv4Addr, port: u16) {
    wait_for(&format!("{to} answers on {port}"), SOON, || {
        match connect(from, SocketAddrV4::new(to, port), ANSWER) {
            Reach::Connected => Ok(()),
            other => Err(other.to_string()),
        }
    });
}

/// Removes a resource with Terraform: exactly the arrows that `expected` names break. Then puts it back.
fn broken_by(
    lab: &TestLab,
    diagram: &Diagram,
    what: &str,
    file: &Path,
    head: &str,
    expected: impl Fn(&table::Arrow) -> bool,
) {
    let whole = fs::read_to_string(file).unwrap();
    let service = lab.terraform_file("modules/region/ecs-fargate.tf");
    let service_whole = fs::read_to_string(&service).unwrap();
    fs::write(file, without_block(&whole, head)).unwrap();
    // The service is made after the route; without the route there is nothing to be made after.
    let rest = fs::read_to_string(&service).unwrap();
    if head == TO_INTERNET {
        fs::write(&service, rest.replace("    aws_route.private_internet,\n", "")).unwrap();
    }
    lab.apply(&[]);
    let broken: Vec<String> =
        TABLE.iter().filter(|arrow| arrow.allowed && expected(arrow)).map(ToString::to_string).collect();
    assert!(!broken.is_empty(), "no arrow of the table is expected to break");
    // Each look takes as long as those that are broken are waited for.
    wait_for(&format!("without {what} its arrows alone are broken"), LONG, || {
        let results = diagram.run();
        let differing = table::wrong(&results);
        if differing == broken { Ok(()) } else { Err(format!("broken are {differing:#?}")) }
    });
    lab.step(&format!(
        "without {what}, {} arrows are broken and {} are as before",
        broken.len(),
        TABLE.len() - broken.len()
    ));
    fs::write(&service, service_whole).unwrap();
    fs::write(file, whole).unwrap();
    lab.apply(&[]);
    wait_for(&format!("with {what} every arrow is right"), LONG, || {
        let wrong = table::wrong(&diagram.run());
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    });
    lab.plan_is_clean();
    lab.step(&format!("with {what} every arrow is right again"));
}

/// The text without the block that begins with this line.
#[track_caller]
fn without_block(text: &str, head: &str) -> String {
    let begin = text.find(head).unwrap_or_else(|| panic!("{head} is not there"));
    let end = begin + text[begin..].find("\n}\n").expect("the block ends") + 3;
    format!("{}{}", &text[..begin], &text[end..])
}
