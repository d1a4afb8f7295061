//! What changes in place counts on the part that runs; what makes new tasks makes them once.

use super::{Changing, databases, files};
use crate::support::{
    lab::{LONG, SOON, TestLab},
    parts::Part,
    wait_for,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

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
