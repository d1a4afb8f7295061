//! Attributes that are changed with Terraform: each must count on the real part, and replace no more than AWS would.
//!
//! Several go into one apply where they do not hide each other.

use crate::support::{
    lab::{APPLY, LONG, SOON, TestLab},
    load::Client,
    parts::{Part, Parts, namespace_of},
    probe::{ANSWER, Echo, Reach, SILENCE, connect, resolve, seen_as, time_to_live},
    wait_for,
};
use hello_lab::network::netns::Namespace;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
};

/// A lab whose configuration changes.
struct Changing {
    lab: TestLab,
    client: Client,
    /// Variables that were set so far, as `NAME=VALUE`.
    variables: Vec<String>,
}

impl Changing {
    fn standing() -> Changing {
        let lab = TestLab::standing();
        let client = Client::of(&lab);
        let changing = Changing { lab, client, variables: Vec::new() };
        changing.serves();
        changing
    }

    /// Changes texts in a file of the modules. Each must be there.
    #[track_caller]
    fn edit(&self, file: &str, edits: &[(&str, &str)]) {
        let file = self.lab.terraform_file("modules").join(file);
        let mut text = fs::read_to_string(&file).unwrap();
        for (before, after) in edits {
            assert!(text.contains(before), "{before} is not in {}", file.display());
            text = text.replace(before, after);
        }
        fs::write(file, text).unwrap();
    }

    /// Sets variables, applies, and insists that exactly `gone` was destroyed. Then the plan is clean, and the service
    /// serves.
    #[track_caller]
    fn apply(&mut self, variables: &[&str], gone: &[&str]) {
        for variable in variables {
            let name = variable.split_once('=').unwrap().0;
            self.variables.retain(|other| other.split_once('=').unwrap().0 != name);
            self.variables.push((*variable).to_owned());
        }
        let said = self.lab.apply(&self.words());
        let destroyed: BTreeSet<&str> = said
            .lines()
            .filter_map(|line| line.split_once(": Destruction complete"))
            .map(|(address, _)| address.split_once("].").map_or(address, |(_, rest)| rest))
            .map(|address| address.strip_prefix("module.region.").unwrap_or(address))
            .collect();
        assert_eq!(destroyed, gone.iter().copied().collect(), "{said}");
        // Not every apply waits for what it changes.
        wait_for("every part is as it should be", LONG, || self.lab.settles());
        self.lab.plan_is_clean_with(&self.words());
    }

    fn words(&self) -> Vec<&str> {
        self.variables.iter().map(String::as_str).collect()
    }

    /// Everybody is greeted, by each node of the load balancer.
    #[track_caller]
    fn serves(&self) {
        let nodes: Vec<_> = self.lab.parts().nodes.iter().filter_map(|node| node.public).collect();
        assert!(nodes.len() >= 2, "{nodes:?}");
        self.client.writes(&nodes);
    }

    fn run_directory(&self) -> PathBuf {
        self.lab.directory().join("run").join(self.lab.name())
    }

    /// Waits until the configuration of every node of the load balancer has a text.
    #[track_caller]
    fn balancer_has(&self, texts: &[&str]) {
        let wanted = self.lab.parts().nodes.len();
        wait_for(&format!("the load balancer has {texts:?}"), SOON, || {
            let mut found = Vec::new();
            files(&self.run_directory().join("load-balancers"), "haproxy.cfg", &mut found);
            let configurations: Vec<_> =
                found.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
            let has =
                |text: &&&str| configurations.iter().all(|configuration| configuration.contains(**text));
            let missing: Vec<_> = texts.iter().filter(|text| !has(text)).collect();
            if missing.is_empty() && configurations.len() >= wanted {
                Ok(())
            } else {
                Err(format!("{missing:?} in {} files of {wanted} nodes", configurations.len()))
            }
        });
    }

    /// What a database shows of a parameter.
    fn shows(&self, database: &str, parameter: &str) -> String {
        self.lab.sql(database, "postgres", &format!("show {parameter}")).ok().trim().to_owned()
    }

    /// The environment of a task's container, as `NAME=VALUE`.
    #[track_caller]
    fn environment_of(&self, task: &Part) -> BTreeSet<String> {
        self.lab.process_of(&task.name).environment().into_iter().collect()
    }
}

/// All files of a name below a directory, which may change meanwhile.
fn files(directory: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files(&entry.path(), name, found);
        } else if entry.file_name() == name {
            found.push(entry.path());
        }
    }
}

/// The limit of a control group of a process, whichever version this machine has; `None` where it has no such limit.
fn limit(process: i32, controller: &str, one: &str, two: &str) -> Option<String> {
    let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
    let value = |mount: PathBuf, path: &str, file: &str| {
        // The task's group is above its container's.
        let group = mount.join(path.trim_start_matches('/')).parent()?.to_owned();
        fs::read_to_string(group.join(file)).ok().map(|text| text.trim().to_owned())
    };
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let mount = Path::new("/sys/fs/cgroup");
        if controllers.split(',').any(|name| name == controller) {
            value(mount.join(controller), path, one)
        } else if controllers.is_empty() {
            value(mount.to_owned(), path, two)
        } else {
            None
        }
    })
}

#[test]
fn what_changes_in_place_counts_on_the_part_that_runs() {
    let mut changing = Changing::standing();
    let databases = changing.lab.parts().databases;
    let [primary, replica] = [databases[0].name.clone(), databases[1].name.clone()];
    let before = changing.lab.processes();
    let tasks = changing.lab.parts().tasks;
    changing.edit(
        "region/alb.tf",
        &[
            ("idle_timeout = 60", "idle_timeout = 61"),
            ("client_keep_alive = 300", "client_keep_alive = 301"),
            ("drop_invalid_header_fields = true", "drop_invalid_header_fields = false"),
            ("ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-TLS13-1-3-2021-06"),
            ("HTTP_301", "HTTP_302"),
            ("path                = \"/health\"", "path                = \"/health/ready\""),
            ("# Access logs\n", RULE),
        ],
    );
    changing
        .edit("region/rds.tf", &[("\"log_lock_waits\" ", &format!("{WORK_MEM}\n    \"log_lock_waits\" "))]);
    changing.apply(
        &[
            "TF_VAR_log_retention_days=3",
            "TF_VAR_load_balancer={\"deregistration_delay\":7,\"minimum_healthy_targets\":2,\"health_check\":\
             {\"interval\":6,\"timeout\":3,\"healthy_threshold\":4,\"unhealthy_threshold\":5}}",
            "TF_VAR_database={\"slow_query_ms\":700}",
            "TF_VAR_max_connections=250",
            "TF_VAR_database_instance_class=db.t4g.large",
        ],
        &[],
    );
    the_load_balancer_has_changed(&changing);
    log_groups_have_changed(&changing);
    databases_have_changed(&changing, &primary, &replica, &before);
    assert_eq!(changing.lab.settled(2, LONG).tasks, tasks, "tasks were replaced");
    changing.serves();
    new_tasks_have_what_changed(&mut changing, &primary);
}

/// A rule of the listener, in the place of a heading.
const RULE: &str = "# Access logs
resource \"aws_lb_listener_rule\" \"fixed\" {
  region       = var.region
  listener_arn = aws_lb_listener.https[\"this\"].arn
  priority     = 10

  action {
    type = \"fixed-response\"

    fixed_response {
      content_type = \"text/plain\"
      message_body = \"first\"
      status_code  = \"200\"
    }
  }

  condition {
    path_pattern {
      values = [\"/fixed\"]
    }
  }
}

";
/// 8 MB where the class has 8 GiB, in PostgreSQL's unit of 1 kB.
const WORK_MEM: &str =
    "\"work_mem\" = { value = \"{DBInstanceClassMemory/1048576}\", apply = \"immediate\" }";

fn the_load_balancer_has_changed(changing: &Changing) {
    changing.balancer_has(&[
        "check inter 6000 fall 5 rise 4",
        "timeout check 3000",
        "uri \"/health/ready\"",
        "nbsrv(tg-hello-you-dev-api) lt 2",
        "timeout client 61000",
        "-m int ge 301000",
        "ssl-min-ver TLSv1.3",
    ]);
    let node = changing.lab.parts().nodes[0].public.unwrap();
    let asked = |arguments: &[&str]| changing.lab.curl("client", node, arguments);
    let old = asked(&["--tls-max", "1.2", "https://hello.localhost/health"]);
    assert!(!old.status.success(), "TLS 1.2 is still spoken");
    let code = ["--output", "/dev/null", "--write-out", "%{http_code}", "http://hello.localhost/"];
    assert_eq!(asked(&code).ok(), "302");
    assert_eq!(asked(&["https://hello.localhost/fixed"]).ok(), "first");
    changing.lab.step("the load balancer has what was changed");
}

fn log_groups_have_changed(changing: &Changing) {
    let logs = changing.lab.directory().join("data").join(changing.lab.name()).join("logs");
    wait_for("every log group keeps its events for three days", SOON, || {
        let mut groups = Vec::new();
        files(&logs, "group.json", &mut groups);
        let texts: Vec<_> = groups.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
        let changed = texts.iter().filter(|text| text.contains("\"retention_days\":3")).count();
        if changed >= 6 && changed == texts.len() { Ok(()) } else { Err(format!("{texts:?}")) }
    });
}

fn databases_have_changed(changing: &Changing, primary: &str, replica: &str, before: &BTreeMap<String, i32>) {
    for database in [primary, replica] {
        for (parameter, value) in [("log_min_duration_statement", "700ms"), ("work_mem", "8MB")] {
            wait_for("a dynamic parameter counts at once", SOON, || {
                let shown = changing.shows(database, parameter);
                if shown == value { Ok(()) } else { Err(format!("{parameter} of {database} is {shown}")) }
            });
        }
        assert_eq!(changing.shows(database, "max_connections"), "300", "{database}: it waits for a reboot");
    }
    assert_eq!(databases(&changing.lab.processes()), databases(before), "a database was restarted");
    // First the primary: a standby has at least as many as the log that it has replayed says.
    changing.lab.cli(&["database", primary, "reboot"]).ok();
    let end = changing.lab.sql(primary, "postgres", "select pg_current_wal_lsn()").ok();
    let replayed = format!("select pg_last_wal_replay_lsn() >= '{}'", end.trim());
    wait_for("the replica has replayed what its primary has", SOON, || {
        let said = changing.lab.sql(replica, "postgres", &replayed);
        if said.stdout.trim() == "t" { Ok(()) } else { Err(said.stdout + &said.stderr) }
    });
    changing.lab.cli(&["database", replica, "reboot"]).ok();
    changing.lab.settled(2, LONG);
    for database in [primary, replica] {
        assert_eq!(changing.shows(database, "max_connections"), "250", "{database}");
    }
    changing.lab.step("databases and log groups have what was changed, after a reboot where it takes one");
}

/// The servers among the processes of a lab.
fn databases(processes: &BTreeMap<String, i32>) -> BTreeMap<&str, i32> {
    let servers = processes.iter().filter(|(name, _)| name.starts_with("database."));
    servers.map(|(name, pid)| (name.as_str(), *pid)).collect()
}

/// What makes new tasks, all of it in one deployment; and a rule that changes in place.
fn new_tasks_have_what_changed(changing: &mut Changing, primary: &str) {
    let old = changing.lab.parts().tasks;
    let secrets = |changing: &Changing, task: &Part| {
        let entries = changing.environment_of(task);
        ["DB_PASSWORD=", "APP_SECRET_KEY=", "ADMIN_TOKEN="].map(|name| {
            let found = entries.iter().find(|entry| entry.starts_with(name));
            found.unwrap_or_else(|| panic!("no {name}")).clone()
        })
    };
    let old_secrets = secrets(changing, &old[0]);
    let password = |lab: &TestLab| {
        let asked = "select rolpassword from pg_authid where rolname = 'hello_admin'";
        lab.sql(primary, "postgres", asked).ok()
    };
    let old_password = password(&changing.lab);
    changing.edit("region/ecs-fargate.tf", &[("ignore_changes = [desired_count]", "ignore_changes = []")]);
    changing.edit(
        "region/autoscaling.tf",
        &[("deployment_maximum_percent = 200", "deployment_maximum_percent = 150")],
    );
    changing
        .edit("region/alb.tf", &[("\"first\"", "\"second\""), ("priority     = 10", "priority     = 20")]);
    changing.apply(
        &[
            "TF_VAR_leap_day=mar01",
            "TF_VAR_pool_size=9",
            "TF_VAR_tasks={\"min\":3,\"max\":6}",
            "TF_VAR_task_size={\"cpu\":512,\"memory\":1024}",
            "TF_VAR_service={\"drain_delay\":1,\"shutdown_grace\":15}",
            "TF_VAR_secret_versions={\"database\":2,\"application\":2}",
        ],
        &[
            "aws_ecs_task_definition.this",
            "aws_secretsmanager_secret_version.application[\"this\"]",
            "aws_secretsmanager_secret_version.database[\"this\"]",
        ],
    );
    let new = changing.lab.settled(3, LONG).tasks;
    assert!(new.iter().all(|task| old.iter().all(|old| old.name != task.name)), "old tasks run");
    for task in &new {
        let found = changing.environment_of(task);
        for entry in [
            "HELLO_LEAP_DAY=mar01",
            "DB_POOL_SIZE=9",
            "HELLO_SHUTDOWN_GRACE=15s",
            "HELLO_SECRETS_VERSION=administrator=1 application=2 database=2 registry=1",
        ] {
            assert!(found.contains(entry), "{} has no {entry}", task.name);
        }
        let process = changing.lab.process_of(&task.name).pid;
        if let Some(bytes) = limit(process, "memory", "memory.limit_in_bytes", "memory.max") {
            assert_eq!(bytes, (1024_u64 << 20).to_string());
        }
        if let Some(quota) = limit(process, "cpu", "cpu.cfs_quota_us", "cpu.max") {
            assert_eq!(quota.split(' ').next(), Some("50000"));
        }
        let new_secrets = secrets(changing, task);
        let changed = [0, 1, 2].map(|index| new_secrets[index] != old_secrets[index]);
        assert_eq!(changed, [true, true, false], "database and application have new secrets");
    }
    assert_ne!(password(&changing.lab), old_password, "the database has its old password");
    changing.serves();
    let node = changing.lab.parts().nodes[0].public.unwrap();
    assert_eq!(changing.lab.curl("client", node, &["https://hello.localhost/fixed"]).ok(), "second");
    changing.lab.step("three new tasks have size, environment and secrets as changed");
}

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
