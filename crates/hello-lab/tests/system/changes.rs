//! Attributes that are changed with Terraform: each must count on the real part, and replace no more than AWS would.
//!
//! Several go into one apply where they do not hide each other.

use crate::support::{
    lab::{LONG, SOON, TestLab},
    load::{Client, Request},
    parts::{Part, Parts, namespace_of},
    probe::{ANSWER, Echo, Reach, SILENCE, connect, seen_as},
    wait_for,
};
use std::{
    collections::BTreeSet,
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
    domain: &'static str,
}

impl Changing {
    fn standing() -> Changing {
        let lab = TestLab::standing();
        let client = Client::of(&lab);
        let changing = Changing { lab, client, variables: Vec::new(), domain: "hello.localhost" };
        changing.serves();
        changing
    }

    /// Changes texts in a file of the configuration. Each must be there.
    #[track_caller]
    fn edit(&self, file: &str, edits: &[(&str, &str)]) {
        let file = self.lab.terraform_file("modules/region").join(file);
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

    /// Waits until everything is well with that many tasks, and all of them have this environment.
    #[track_caller]
    fn tasks_have(&self, count: usize, environment: &[&str]) -> Vec<Part> {
        let tasks = self.lab.settled(count, LONG).tasks;
        for task in &tasks {
            let process = self.process_of(task);
            let text = fs::read_to_string(format!("/proc/{process}/environ")).unwrap();
            let found: BTreeSet<&str> = text.split('\0').collect();
            for entry in environment {
                assert!(found.contains(entry), "no {entry} in {found:?}");
            }
        }
        tasks
    }

    /// The process of a task's container.
    #[track_caller]
    fn process_of(&self, task: &Part) -> i32 {
        let file = self.run_directory().join("tasks").join(&task.name).join("containers/hello-you/pid");
        fs::read_to_string(file).unwrap().trim().parse().unwrap()
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
    let (primary, replica) = (databases[0].name.clone(), databases[1].name.clone());
    let before = changing.lab.processes();
    let tasks = changing.lab.parts().tasks;

    changing.edit(
        "alb.tf",
        &[
            ("idle_timeout = 60", "idle_timeout = 61"),
            ("client_keep_alive = 300", "client_keep_alive = 301"),
            ("drop_invalid_header_fields = true", "drop_invalid_header_fields = false"),
            ("ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-TLS13-1-3-2021-06"),
            ("HTTP_301", "HTTP_302"),
            ("path                = \"/health\"", "path                = \"/health/ready\""),
        ],
    );
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
    changing.lab.step("the load balancer has what was changed");

    let mut groups = Vec::new();
    let logs = changing.lab.directory().join("data").join(changing.lab.name()).join("logs");
    wait_for("every log group keeps its events for three days", SOON, || {
        groups.clear();
        files(&logs, "group.json", &mut groups);
        let texts: Vec<_> = groups.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
        let changed = texts.iter().filter(|text| text.contains("\"retention_days\":3")).count();
        if changed >= 6 && changed == texts.len() { Ok(()) } else { Err(format!("{texts:?}")) }
    });
    for database in [&primary, &replica] {
        wait_for("a dynamic parameter counts at once", SOON, || {
            let shown = changing.shows(database, "log_min_duration_statement");
            if shown == "700ms" { Ok(()) } else { Err(shown) }
        });
        assert_eq!(changing.shows(database, "max_connections"), "300", "{database}: it waits for a reboot");
    }
    let now = changing.lab.processes();
    for (name, pid) in before.iter().filter(|(name, _)| name.starts_with("database.")) {
        assert_eq!(now.get(name), Some(pid), "{name} was restarted");
    }
    assert_eq!(changing.lab.settled(2, LONG).tasks, tasks, "tasks were replaced");
    // First the primary: a standby has at least as many as the log that it has replayed says.
    changing.lab.cli(&["database", &primary, "reboot"]).ok();
    let end = changing.lab.sql(&primary, "postgres", "select pg_current_wal_lsn()").ok();
    let replayed = format!("select pg_last_wal_replay_lsn() >= '{}'", end.trim());
    wait_for("the replica has replayed what its primary has", SOON, || {
        let said = changing.lab.sql(&replica, "postgres", &replayed);
        if said.stdout.trim() == "t" { Ok(()) } else { Err(said.stdout + &said.stderr) }
    });
    changing.lab.cli(&["database", &replica, "reboot"]).ok();
    changing.lab.settled(2, LONG);
    for database in [&primary, &replica] {
        assert_eq!(changing.shows(database, "max_connections"), "250", "{database}");
    }
    changing.serves();
    changing.lab.step("databases and log groups have what was changed, after a reboot where it takes one");

    // What makes new tasks: all of it in one deployment.
    changing.edit("ecs-fargate.tf", &[("ignore_changes = [desired_count]", "ignore_changes = []")]);
    changing
        .edit("autoscaling.tf", &[("deployment_maximum_percent = 200", "deployment_maximum_percent = 150")]);
    let password = |lab: &TestLab| {
        let asked = "select rolpassword from pg_authid where rolname = 'hello_admin'";
        lab.sql(&primary, "postgres", asked).ok()
    };
    let old_password = password(&changing.lab);
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
    let new = changing.tasks_have(
        3,
        &[
            "HELLO_LEAP_DAY=mar01",
            "DB_POOL_SIZE=9",
            "HELLO_SHUTDOWN_GRACE=15s",
            "HELLO_SECRETS_VERSION=administrator=1 application=2 database=2 registry=1",
        ],
    );
    assert!(new.iter().all(|task| tasks.iter().all(|old| old.name != task.name)), "old tasks run");
    for task in &new {
        let process = changing.process_of(task);
        if let Some(bytes) = limit(process, "memory", "memory.limit_in_bytes", "memory.max") {
            assert_eq!(bytes, (1024_u64 << 20).to_string());
        }
        if let Some(quota) = limit(process, "cpu", "cpu.cfs_quota_us", "cpu.max") {
            assert_eq!(quota.split(' ').next(), Some("50000"));
        }
    }
    assert_ne!(password(&changing.lab), old_password, "the database has its old password");
    changing.serves();
    changing.lab.step("three new tasks have size, environment and secrets as changed");
}

#[test]
fn the_network_changes_below_what_runs() {
    let mut changing = Changing::standing();
    let before = changing.lab.parts();
    let processes = changing.lab.processes();
    let (client, stranger) = (changing.lab.namespace("client"), changing.lab.namespace("stranger"));
    let host = |octet| Ipv4Addr::new(198, 51, 100, octet);
    let node = before.nodes[0].public.unwrap();
    let task_b = namespace_of(&changing.lab, Parts::in_zone(&before.tasks, 'b').address).unwrap();
    let _servers = [80, 443].map(|port| Echo::listen(&stranger, port));

    // Rules that are replaced, since their key is the range, and one that changes in place.
    let egress = "cidr_ipv4         = \"0.0.0.0/0\"\n  ip_protocol       = \"tcp\"\n  from_port         = ";
    let (https, both) = (format!("{egress}443"), format!("{egress}80"));
    changing.edit("ecs-fargate.tf", &[(&https, &both)]);
    assert_eq!(connect(&task_b, SocketAddrV4::new(host(99), 80), SILENCE), Reach::Silence);
    changing.apply(
        &["TF_VAR_load_balancer={\"ingress_cidrs\":[\"198.51.100.100/32\"]}"],
        &[
            "aws_vpc_security_group_ingress_rule.alb_http[\"0.0.0.0/0\"]",
            "aws_vpc_security_group_ingress_rule.alb_https[\"0.0.0.0/0\"]",
        ],
    );
    assert_eq!(connect(&client, SocketAddrV4::new(node, 443), ANSWER), Reach::Connected);
    for port in [443, 80] {
        assert_eq!(connect(&stranger, SocketAddrV4::new(node, port), SILENCE), Reach::Silence);
    }
    assert_eq!(connect(&task_b, SocketAddrV4::new(host(99), 80), ANSWER), Reach::Connected);
    changing.serves();
    changing.lab.step("security groups let in and out whom the new rules name");

    // A third zone, a NAT gateway for each, another name.
    let nat = before.nat[0].public.unwrap();
    let seen = |port| seen_as(&task_b, SocketAddrV4::new(host(99), port), ANSWER);
    assert_eq!(seen(443), Reach::Answered(nat.to_string()));
    changing.apply(&["TF_VAR_availability_zones=[\"a\",\"b\",\"c\"]", "TF_VAR_nat_gateway_per_az=true"], &[]);
    let now = changing.lab.settled(2, LONG);
    let zones = |parts: &[Part]| parts.iter().map(|part| part.zone.clone()).collect::<Vec<_>>();
    let three = ["eu-west-1a", "eu-west-1b", "eu-west-1c"];
    assert_eq!(zones(&now.nodes), three);
    assert_eq!(zones(&now.nat), three);
    assert_eq!(now.tasks, before.tasks, "tasks were replaced");
    assert_eq!(now.databases, before.databases);
    let own = Parts::in_zone(&now.nat, 'b').public.unwrap();
    wait_for("the task goes out by its own zone's gateway", SOON, || match seen(443) {
        Reach::Answered(address) if address == own.to_string() => Ok(()),
        other => Err(other.to_string()),
    });
    changing.serves();
    changing.lab.step("a third zone has its subnets, gateway and node of the load balancer");

    changing.domain = "hallo.localhost";
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
    let resolved = |name: &str| {
        let found = crate::support::probe::resolve(&client, host(53), name, ANSWER).unwrap();
        found.into_iter().collect::<BTreeSet<_>>()
    };
    wait_for("the new name leads to the load balancer", SOON, || match resolved(changing.domain) {
        found if found == nodes => Ok(()),
        found => Err(format!("{found:?}")),
    });
    assert_eq!(resolved("hello.localhost"), BTreeSet::new());
    for node in &nodes {
        let name = format!("{}:443:{node}", changing.domain);
        let greeting = format!("https://{}/hello/Ana", changing.domain);
        wait_for("the certificate is for the new name", SOON, || {
            let said = changing.lab.curl("client", *node, &["--resolve", &name, &greeting]);
            if said.stdout.contains("Hello, Ana!") { Ok(()) } else { Err(said.stderr) }
        });
    }
    changing.lab.step("name and certificate are the new ones");

    // What is protected stays, whatever else of an apply has happened.
    let unprotected = "deletion_protection        = local.protected";
    changing.edit("rds.tf", &[(unprotected, "deletion_protection        = true")]);
    changing.apply(&[], &[]);
    let mut without = changing.words();
    without.push("TF_VAR_read_replica=false");
    let said = changing.lab.terraform(&without, crate::support::lab::APPLY);
    assert!(
        !said.status.success() && said.stderr.contains("Cannot delete protected DB Instance"),
        "{said:?}"
    );
    assert_eq!(changing.lab.parts().databases.len(), 2);
    changing.edit("rds.tf", &[("deletion_protection        = true", unprotected)]);
    changing.lab.apply(&changing.words());
    changing.lab.settled(2, LONG);
    changing.lab.plan_is_clean_with(&changing.words());
    let databases = changing.lab.processes();
    for (name, pid) in processes.iter().filter(|(name, _)| name.starts_with("database.")) {
        assert_eq!(databases.get(name), Some(pid), "{name} was restarted");
    }
    let read = Request::read();
    for node in &nodes {
        let name = format!("{}:443:{node}", changing.domain);
        let url = format!("https://{}/hello/Ana", changing.domain);
        assert!(
            changing.lab.curl("client", *node, &["--resolve", &name, &url]).ok().contains("Ana"),
            "{read:?}"
        );
    }
    changing.lab.step("a protected database is not destroyed");
}
