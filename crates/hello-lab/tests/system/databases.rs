//! A primary that is frozen, killed, and replaced by its replica, while clients read and write.

use crate::support::{
    command::run,
    lab::{LONG, SOON, TestLab},
    load::{Client, Request, others},
    wait_for,
};
use std::{fs, net::Ipv4Addr, process::Command, time::Instant};

#[test]
fn the_service_follows_its_database() {
    let lab = TestLab::standing();
    let client = Client::of(&lab);
    let node = lab.parts().nodes[0].public.unwrap();
    client.writes(&[node]);
    let databases = lab.parts().databases;
    let primary = format!("db/{}", databases[0].name);

    // Frozen: the kernel still accepts connections, and nobody answers.
    lab.cli(&["fault", "freeze", &primary]).ok();
    let begin = Instant::now();
    becomes(&client, node, &Request::write(), 503);
    lab.step(&format!("writes say 503 {:.1} s after the primary was frozen", begin.elapsed().as_secs_f64()));
    becomes(&client, node, &Request::read(), 200);
    let load = client.keep_asking(&[node], &Request::read());
    load.goes_on();
    assert_eq!(others(&load.end(), 200), Vec::<String>::new());
    lab.step("reads go on");
    assert!(is_frozen(&lab, &databases[0].name));
    lab.kill_daemon();
    lab.start_daemon();
    assert!(is_frozen(&lab, &databases[0].name), "another daemon does not see it");
    lab.cli(&["fault", "restore", &primary]).ok();
    assert!(!is_frozen(&lab, &databases[0].name));
    let begin = Instant::now();
    becomes(&client, node, &Request::write(), 204);
    lab.step(&format!("writes work {:.1} s after it goes on", begin.elapsed().as_secs_f64()));

    // Killed, though it was frozen: started again.
    lab.settled(2, LONG);
    let before = leader(&lab, &databases[0].name);
    lab.cli(&["fault", "freeze", &primary]).ok();
    lab.cli(&["fault", "kill", &primary]).ok();
    let begin = Instant::now();
    assert!(before.is_some(), "no PostgreSQL leads {primary}");
    wait_for("another PostgreSQL serves", LONG, || match leader(&lab, &databases[0].name) {
        Some(pid) if Some(pid) != before => Ok(()),
        other => Err(format!("{other:?}")),
    });
    becomes(&client, node, &Request::write(), 204);
    lab.step(&format!("writes work {:.1} s after PostgreSQL was killed", begin.elapsed().as_secs_f64()));
    assert!(!is_frozen(&lab, &databases[0].name), "the new one is not");
    lab.settled(2, LONG);
    lab.plan_is_clean();

    // Cut off, and its replica takes its place.
    lab.cli(&["fault", "cut", &primary]).ok();
    becomes(&client, node, &Request::write(), 503);
    let begin = Instant::now();
    lab.cli(&["database", &databases[1].name, "promote"]).ok();
    becomes(&client, node, &Request::write(), 204);
    lab.step(&format!(
        "writes work {:.1} s after the replica's promotion was asked for",
        begin.elapsed().as_secs_f64()
    ));
    becomes(&client, node, &Request::read(), 200);
    // The old one is an older timeline: nothing is written there when it is back.
    lab.cli(&["fault", "restore", &primary]).ok();
    let load = client.keep_asking(&[node], &Request::write());
    load.goes_on();
    assert_eq!(others(&load.end(), 204), Vec::<String>::new());
    assert_eq!(client.ask(node, &Request::read()), Ok(200));
    lab.step("the service stays with the new primary when the old one is back");
}

/// Does `status` mark a database as frozen?
fn is_frozen(lab: &TestLab, database: &str) -> bool {
    let databases = lab.parts().databases;
    let found = databases.iter().find(|part| part.name == database);
    found.expect("it is in the picture").words.ends_with("FROZEN")
}

/// Asks until the answer of every task is this one: the load balancer takes them in turn, and each has to find out by
/// itself what has become of the databases.
#[track_caller]
fn becomes(client: &Client, node: Ipv4Addr, request: &Request, status: u16) {
    const IN_A_ROW: usize = 4;
    wait_for(&format!("{request:?} is answered by {status}"), LONG, || {
        for _ in 0..IN_A_ROW {
            match client.ask(node, request) {
                Ok(found) if found == status => {}
                other => return Err(format!("{other:?}")),
            }
        }
        Ok(())
    });
}

/// The postmaster of a database.
fn leader(lab: &TestLab, name: &str) -> Option<i32> {
    lab.processes().get(&format!("database.eu-west-1.{name}")).copied()
}

#[test]
fn databases_obey_the_command_line_and_a_replica_is_promoted_by_terraform() {
    let lab = TestLab::standing();
    let databases = lab.parts().databases;
    let (primary, replica) = (&databases[0], &databases[1]);
    let ask = |name: &str, statement: &str| {
        let socket = lab.directory().join("run").join(lab.name()).join("databases/eu-west-1").join(name);
        let socket = socket.join("socket").canonicalize().unwrap();
        let mut psql = Command::new("psql");
        psql.args(["-XAtq", "-U", "rdsadmin", "-d", "postgres", "-c", statement, "-h"]).arg(socket);
        run(&mut psql, SOON).ok().trim().to_owned()
    };

    let before = leader(&lab, &replica.name).expect("it runs");
    assert!(lab.cli(&["database", &replica.name, "reboot"]).ok().contains("was rebooted"));
    assert_ne!(leader(&lab, &replica.name).expect("it runs again"), before);
    lab.cli(&["database", &replica.name, "stop"]).ok();
    assert_eq!(lab.parts().databases[1].words, "stopped");
    lab.cli(&["database", &format!("eu-west-1/{}", replica.name), "start"]).ok();
    assert_eq!(lab.parts().databases[1].words, "ready");
    lab.settled(2, LONG);
    assert!(lab.cli(&["database", &primary.name, "snapshot", "before"]).ok().contains("is kept as snapshot"));
    let taken = lab.cli(&["database", &primary.name, "snapshot", "before"]);
    assert!(!taken.status.success() && taken.stderr.contains("DBSnapshotAlreadyExists"), "{taken:?}");
    lab.step("reboot, stop, start and snapshot work");

    let state = lab.terraform(&[], &["state", "pull"]).ok();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let resources = state["resources"].as_array().unwrap();
    let attributes = |name: &str| {
        let found = resources.iter().find(|it| it["type"] == "aws_db_instance" && it["name"] == name);
        found.unwrap()["instances"][0]["attributes"].clone()
    };
    let (source, copy) = (attributes("primary"), attributes("replica"));
    for name in ["engine", "username", "db_name", "allocated_storage"] {
        assert_eq!(copy[name], source[name], "{name}");
    }
    let hostname = copy["address"].as_str().unwrap();
    let found = lab.cli(&["exec", &format!("db/{}", primary.name), "--", "getent", "hosts", hostname]).ok();
    assert!(found.starts_with(&replica.address.to_string()), "{hostname} is {found}");

    assert_eq!(ask(&replica.name, "select pg_is_in_recovery()"), "t");
    let file = lab.terraform_file("modules/region/rds.tf");
    let text = fs::read_to_string(&file).unwrap();
    let promoted = text
        .replace("  replicate_source_db = aws_db_instance.primary.identifier\n", "")
        .replace("ignore_changes = [replicate_source_db, ", "ignore_changes = [");
    assert_ne!(text, promoted);
    fs::write(&file, promoted).unwrap();
    lab.apply(&[]);
    assert_eq!(ask(&replica.name, "select pg_is_in_recovery()"), "f");
    // Its source is asked for it when it answers.
    wait_for("the slot of the replica is gone", SOON, || {
        match ask(&primary.name, "select count(*) from pg_replication_slots").as_str() {
            "0" => Ok(()),
            count => Err(format!("{count} slots")),
        }
    });
    lab.plan_is_clean();
    lab.step("terraform has promoted the replica");
}
