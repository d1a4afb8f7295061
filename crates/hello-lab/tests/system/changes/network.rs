//! The network changes below what runs: rules, zones, gateways, names, groups of databases, the resolver.

use super::{Changing, databases};
use crate::support::{
    lab::{APPLY, LONG, SOON},
    parts::{Part, Parts, namespace_of},
    probe::{ANSWER, Echo, Reach, SILENCE, connect, resolve, seen_as, time_to_live},
    wait_for,
};
use hello_lab::network::netns::Namespace;
use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
};

#[test]
fn the_network_changes_below_what_runs() {
    let mut changing = Changing::standing();
    let before = changing.lab.parts();
    let processes = changing.lab.processes();
    let task = namespace_of(&changing.lab, Parts::in_zone(&before.tasks, 'b').address).unwrap();
    let stranger = changing.lab.namespace("stranger");
    let _servers = [80, 443].map(|port| Echo::listen(&stranger, port));
    rules_change(&mut changing, &before, &task);
    zones_and_gateways_change(&mut changing, &before, &task);
    name_and_certificate_change(&mut changing);
    let task = namespace_of(&changing.lab, Parts::in_zone(&changing.lab.parts().tasks, 'b').address).unwrap();
    protection_groups_and_resolver_change(&mut changing, &task);
    assert_eq!(databases(&changing.lab.processes()), databases(&processes), "a database was restarted");
}

/// A host of the lab's internet.
const fn host(octet: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, octet)
}
const STRANGER: Ipv4Addr = host(99);

/// Rules that are replaced, since their key is the range, and one that changes in place.
fn rules_change(changing: &mut Changing, before: &Parts, task: &Namespace) {
    let node = before.nodes[0].public.unwrap();
    let egress = "cidr_ipv4         = \"0.0.0.0/0\"\n  ip_protocol       = \"tcp\"\n  from_port         = ";
    let (https, both) = (format!("{egress}443"), format!("{egress}80"));
    changing.edit("region/ecs-fargate.tf", &[(&https, &both)]);
    assert_eq!(connect(task, SocketAddrV4::new(STRANGER, 80), SILENCE), Reach::Silence);
    changing.apply(
        &["TF_VAR_load_balancer={\"ingress_cidrs\":[\"198.51.100.100/32\"]}"],
        &[
            "aws_vpc_security_group_ingress_rule.alb_http[\"0.0.0.0/0\"]",
            "aws_vpc_security_group_ingress_rule.alb_https[\"0.0.0.0/0\"]",
        ],
    );
    let [client, stranger] = ["client", "stranger"].map(|name| changing.lab.namespace(name));
    assert_eq!(connect(&client, SocketAddrV4::new(node, 443), ANSWER), Reach::Connected);
    for port in [443, 80] {
        assert_eq!(connect(&stranger, SocketAddrV4::new(node, port), SILENCE), Reach::Silence);
    }
    assert_eq!(connect(task, SocketAddrV4::new(STRANGER, 80), ANSWER), Reach::Connected);
    changing.serves();
    changing.lab.step("security groups let in and out whom the new rules name");
}

/// A third zone, a NAT gateway for each, and a third task, which belongs there. Other subnets of a service begin a
/// deployment, as on ECS.
fn zones_and_gateways_change(changing: &mut Changing, before: &Parts, task: &Namespace) {
    let seen = |task: &Namespace| seen_as(task, SocketAddrV4::new(STRANGER, 443), ANSWER);
    assert_eq!(seen(task), Reach::Answered(before.nat[0].public.unwrap().to_string()));
    let record = "module.global[\"this\"].aws_route53_record.validation";
    let record = changing.lab.terraform(&[], &["state", "show", "-no-color", record]).ok();
    let record = record.lines().find_map(|line| line.trim().strip_prefix("fqdn")).expect("it has a name");
    let record = record.trim_start_matches([' ', '=']).trim_matches('"');
    let client = changing.lab.namespace("client");
    let kept = || time_to_live(&client, host(53), record, ANSWER).map_err(|error| error.to_string());
    assert_eq!(kept(), Ok(Some(60)));
    changing.edit("global/zone.tf", &[("ttl     = 60", "ttl     = 90")]);
    changing.edit("region/ecs-fargate.tf", &[("ignore_changes = [desired_count]", "ignore_changes = []")]);
    changing.apply(
        &[
            "TF_VAR_availability_zones=[\"a\",\"b\",\"c\"]",
            "TF_VAR_nat_gateway_per_az=true",
            "TF_VAR_tasks={\"min\":3,\"max\":6}",
        ],
        &[],
    );
    let now = wait_for("the service has other tasks", LONG, || {
        let now = changing.lab.settled(3, LONG);
        if now.tasks.iter().any(|task| before.tasks.contains(task)) {
            Err(format!("{:?}", now.tasks))
        } else {
            Ok(now)
        }
    });
    let zones = |parts: &[Part]| parts.iter().map(|part| part.zone.clone()).collect::<Vec<_>>();
    let three = ["eu-west-1a", "eu-west-1b", "eu-west-1c"];
    assert_eq!([zones(&now.nodes), zones(&now.nat), zones(&now.tasks)], [three; 3]);
    assert_eq!(now.databases, before.databases);
    wait_for("the record has its new time to live", SOON, || match kept()? {
        Some(90) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let own = Parts::in_zone(&now.nat, 'b').public.unwrap();
    let task = namespace_of(&changing.lab, Parts::in_zone(&now.tasks, 'b').address).unwrap();
    wait_for("the task goes out by its own zone's gateway", SOON, || match seen(&task) {
        Reach::Answered(address) if address == own.to_string() => Ok(()),
        other => Err(other.to_string()),
    });
    changing.serves();
    changing.lab.step("a third zone has its subnets, gateway, task and node of the load balancer");
}

fn name_and_certificate_change(changing: &mut Changing) {
    changing.apply(
        &["TF_VAR_domain=hallo.localhost"],
        &[
            "aws_acm_certificate.this[\"this\"]",
            "aws_acm_certificate_validation.this[\"this\"]",
            "aws_route53_record.only[\"a\"]",
            "aws_route53_record.validation",
            "aws_route53_zone.this[\"this\"]",
        ],
    );
    let nodes: BTreeSet<Ipv4Addr> =
        changing.lab.parts().nodes.iter().filter_map(|node| node.public).collect();
    let client = changing.lab.namespace("client");
    for (name, wanted) in [("hallo.localhost", &nodes), ("hello.localhost", &BTreeSet::new())] {
        wait_for("the new name alone leads to the load balancer", SOON, || {
            let found = resolve(&client, host(53), name, ANSWER).map_err(|error| error.to_string())?;
            if found.iter().copied().collect::<BTreeSet<_>>() == *wanted {
                Ok(())
            } else {
                Err(format!("{name} is {found:?}"))
            }
        });
    }
    for node in &nodes {
        let name = format!("hallo.localhost:443:{node}");
        wait_for("the certificate is for the new name", SOON, || {
            let url = "https://hallo.localhost/hello/Ana";
            let said = changing.lab.curl("client", *node, &["--resolve", &name, url]);
            if said.stdout.contains("Hello, Ana!") { Ok(()) } else { Err(said.stderr) }
        });
    }
    changing.lab.step("name and certificate are the new ones");
}

/// What would keep the service from its databases is changed and changed back.
fn protection_groups_and_resolver_change(changing: &mut Changing, task: &Namespace) {
    let databases = changing.lab.parts().databases;
    let reached = |part: &Part, limit| connect(task, SocketAddrV4::new(part.address, 5432), limit);
    let resolver = Ipv4Addr::from((u32::from(databases[0].address) & 0xffff_0000) + 2);
    let edits = [
        (
            "region/rds.tf",
            "deletion_protection        = local.protected",
            "deletion_protection        = true",
        ),
        (
            "region/rds.tf",
            "second_zone}\"\n  vpc_security_group_ids = [aws_security_group.database.id]",
            "second_zone}\"\n  vpc_security_group_ids = [aws_security_group.alb.id]",
        ),
        ("region/vpc.tf", "enable_dns_support   = true", "enable_dns_support   = false"),
        ("region/vpc.tf", "enable_dns_hostnames = true", "enable_dns_hostnames = false"),
    ];
    for (file, before, after) in edits {
        changing.edit(file, &[(before, after)]);
    }
    changing.apply(&[], &[]);
    assert_eq!(reached(&databases[0], ANSWER), Reach::Connected);
    assert_eq!(reached(&databases[1], SILENCE), Reach::Silence, "the replica has its old groups");
    assert!(resolve(task, resolver, "ghcr.io", SILENCE).is_err(), "the VPC's resolver answers");
    let mut without = changing.words();
    without.push("TF_VAR_read_replica=false");
    let said = changing.lab.terraform(&without, APPLY);
    assert!(
        !said.status.success() && said.stderr.contains("Cannot delete protected DB Instance"),
        "{said:?}"
    );
    assert_eq!(changing.lab.parts().databases, databases);
    changing.lab.step("a protected database is not destroyed");

    for (file, before, after) in edits {
        changing.edit(file, &[(after, before)]);
    }
    changing.lab.apply(&changing.words());
    changing.lab.settled(3, LONG);
    changing.lab.plan_is_clean_with(&changing.words());
    // What was applied before the refusal has replaced the tasks.
    let task = namespace_of(&changing.lab, changing.lab.parts().tasks[0].address).unwrap();
    let replica = SocketAddrV4::new(databases[1].address, 5432);
    assert_eq!(connect(&task, replica, ANSWER), Reach::Connected);
    assert!(resolve(&task, resolver, "ghcr.io", ANSWER).is_ok());
    changing.lab.step("security groups of a database and the resolver of the VPC are back");
}
