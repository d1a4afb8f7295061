use crate::fixture::{Bench, PASSWORD, major_version, of};
use hello_lab::{
    database::{DatabaseError, Status, Storage},
    secret::Secret,
};
use hello_testkit::{Poll, wait_until};
use std::{
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    time::Duration,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_instance_answers_over_tls_and_refuses_plain_text() {
    let bench = Bench::new("new");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    let client = bench.client(&instance);
    assert_eq!(
        client.tell("select ssl, current_database() from pg_stat_ssl where pid = pg_backend_pid()"),
        "t|hello"
    );
    let mut plain = client;
    plain.tls = "disable";
    let refused = plain.ask("select 1").unwrap_err();
    assert!(refused.contains("no pg_hba.conf entry") && refused.contains("no encryption"), "{refused}");
    let mut other = instance.clone();
    other.hostname = "other.rds.test".to_owned();
    let refused = bench.client(&other).ask("select 1").unwrap_err();
    assert!(refused.contains("does not match host name"), "{refused}");
    assert_eq!(bench.databases.status(&of("hello")).await.unwrap(), Status::Available);
    let description = bench.databases.describe(&instance).await.unwrap();
    assert_eq!(description.storage, Some(Storage::Bounded(instance.storage)));
    assert_eq!(description.node.unwrap().timeline.unwrap().0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_user_has_what_rds_gives_and_is_no_superuser() {
    let bench = Bench::new("master");
    let mut instance = bench.primary("hello", 1);
    instance.parameters.insert("shared_preload_libraries".to_owned(), "pg_stat_statements".to_owned());
    bench.make(&instance).await;
    let client = bench.client(&instance);
    assert_eq!(
        client.tell("select rolsuper, rolcreatedb, rolcreaterole, rolreplication from pg_roles where rolname = 'master'"),
        "f|t|t|f"
    );
    for statement in [
        "create role app login password 'of the app'",
        "grant rds_superuser to app",
        "create database other owner master",
        "create extension pg_stat_statements",
        "create extension pgcrypto",
        "create table t (i int)",
        "checkpoint",
        "select count(*) from pg_stat_activity where query is not null",
        "select pg_cancel_backend(pid) from pg_stat_activity where usename = 'nobody'",
    ] {
        client.tell(statement);
    }
    assert_ne!(client.tell("select count(*) from pg_stat_statements"), "0");
    for statement in [
        "create role boss superuser",
        "copy (select 1) to '/tmp/file'",
        "alter system set fsync = off",
        "create extension file_fdw",
        "alter role rdsadmin password 'mine'",
    ] {
        client.ask(statement).unwrap_err();
    }
    let mut lab = client;
    for user in ["rdsadmin", "rdsrepladmin"] {
        lab.user = user;
        let refused = lab.ask("select 1").unwrap_err();
        assert!(refused.contains("pg_hba.conf rejects"), "{refused}");
    }
    let mut closed = client;
    closed.database = "rdsadmin";
    assert!(closed.ask("select 1").unwrap_err().contains("permission denied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_set_and_no_password_is_in_a_file_or_a_log() {
    let bench = Bench::new("password");
    let mut instance = bench.primary("hello", 1);
    // All that makes PostgreSQL log statements.
    for (name, value) in [
        ("log_statement", "all"),
        ("log_min_duration_statement", "0"),
        ("log_min_duration_sample", "0"),
        ("log_statement_sample_rate", "1"),
        ("log_transaction_sample_rate", "1"),
        ("log_min_error_statement", "debug5"),
        ("log_min_messages", "debug1"),
        ("log_duration", "1"),
        ("log_statement_stats", "1"),
        ("debug_print_parse", "1"),
        ("debug_print_rewritten", "1"),
        ("debug_print_plan", "1"),
    ] {
        instance.parameters.insert(name.to_owned(), value.to_owned());
    }
    bench.make(&instance).await;
    let changed = "second password of the master";
    instance.password = Some(Secret::new(changed));
    bench.make(&instance).await;
    let mut client = bench.client(&instance);
    assert!(client.ask("select 1").unwrap_err().contains("password authentication failed"));
    client.password = changed;
    assert_eq!(client.tell("select 1"), "1");
    // What the user changes inside stays until the model changes.
    client.tell("alter role master password 'third'");
    bench.make(&instance).await;
    client.password = "third";
    assert_eq!(client.tell("select 1"), "1");

    let mut directories = vec![bench.path().to_owned()];
    let mut looked_at = 0;
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() && entry.file_name() != "volume" {
                directories.push(entry.path());
            } else if entry.file_type().unwrap().is_file() && entry.file_name() != "storage.ext4" {
                let content = fs::read(entry.path()).unwrap();
                let text = String::from_utf8_lossy(&content);
                assert!(!text.contains(PASSWORD) && !text.contains(changed), "{}", entry.path().display());
                let is_log = entry.path().parent().unwrap().ends_with("log");
                // What the user sets inside is the user's.
                let verifier = text.lines().find(|line| line.contains("SCRAM-SHA-256$"));
                assert!(!is_log || verifier.is_none(), "{}: {verifier:?}", entry.path().display());
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 10);
    let key = bench.lab.run("databases").join("eu-west-1/hello/server.key");
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_major_version_is_refused_by_name_before_anything_is_made() {
    let bench = Bench::new("version");
    let mut instance = bench.primary("hello", 1);
    instance.major_version = 99;
    let error = bench.databases.reconcile(&instance).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Version { wanted: 99, .. }), "{error}");
    let sentence = error.to_string();
    assert!(sentence.starts_with("instance hello wants PostgreSQL 99, and this machine has "), "{sentence}");
    assert!(
        sentence.contains(&major_version().to_string()) && sentence.contains("postgresql-99"),
        "{sentence}"
    );
    assert_eq!(bench.leftovers(), Vec::<String>::new());
    assert!(matches!(bench.databases.status(&of("hello")).await, Err(DatabaseError::NoInstance(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_start_and_reboot_are_real_and_stay() {
    let bench = Bench::new("stop");
    let mut instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    bench.client(&instance).tell("create table t as select 1 as i");
    let first = bench.pid("hello");

    bench.databases.stop(&of("hello")).await.unwrap();
    assert_eq!(bench.databases.status(&of("hello")).await.unwrap(), Status::Stopped);
    assert_eq!(bench.other_daemon().reconcile(&instance).await.unwrap(), Status::Stopped);
    bench.client(&instance).ask("select 1").unwrap_err();

    assert_eq!(bench.databases.start(&instance).await.unwrap(), Status::Available);
    let second = bench.pid("hello");
    assert_ne!(first, second);
    assert_eq!(bench.databases.reboot(&instance).await.unwrap(), Status::Available);
    assert_ne!(second, bench.pid("hello"));
    assert_eq!(bench.client(&instance).tell("select i from t"), "1");

    instance.running = false;
    assert_eq!(bench.databases.reconcile(&instance).await.unwrap(), Status::Stopped);
    instance.running = true;
    assert_eq!(bench.databases.reconcile(&instance).await.unwrap(), Status::Available);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_or_namespace_moves_the_server() {
    let bench = Bench::new("move");
    let mut instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    instance.address = std::net::Ipv4Addr::new(127, 0, 1, 2);
    instance.port = 5433;
    bench.make(&instance).await;
    assert_eq!(
        bench.client(&instance).tell("select inet_server_addr(), inet_server_port()"),
        "127.0.1.2|5433"
    );

    bench.namespace.delete().unwrap();
    assert!(matches!(bench.databases.reconcile(&instance).await.unwrap(), Status::Failed(_)));
    bench.namespace.create().unwrap();
    let up = || Command::new("ip").args(["link", "set", "lo", "up"]).status();
    assert!(bench.namespace.run(up).unwrap().success());
    bench.make(&instance).await;
    assert_eq!(bench.client(&instance).tell("select 1"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_grows_whole_and_never_below_a_mount_that_somebody_else_still_has() {
    let bench = Bench::new("grow");
    let mut instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    bench.client(&instance).tell("create table t as select 1 as i");
    let directory = bench.lab.data("databases").join("eu-west-1/hello");
    // Somebody whose mount namespace is a copy, such as a container's or that of `ip netns exec`.
    let mut holder = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", "echo; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    holder.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    instance.storage *= 4;
    let grown = bench.databases.reconcile(&instance).await;
    let running =
        bench.lab.processes().adopt("database.eu-west-1.hello").unwrap().map(|running| running.pid());
    let pid = holder.id();
    holder.kill().unwrap();
    holder.wait().unwrap();
    // A machine on which a file system grows in use has nothing to refuse.
    if let Err(refused) = grown {
        let DatabaseError::State { what: "enlarged", reason, .. } = &refused else { panic!("{refused}") };
        assert!(reason.contains(&format!("process {pid} (s")), "{reason}");
        assert!(running.is_some(), "it was stopped for nothing");
    }
    bench.make(&instance).await;
    let room = nix::sys::statvfs::statvfs(&directory.join("volume")).unwrap();
    let size = room.blocks() * room.fragment_size();
    assert!(size > instance.storage / 10 * 9, "{size} bytes");
    assert_eq!(bench.client(&instance).tell("select i from t"), "1");

    bench.databases.stop(&of("hello")).await.unwrap();
    assert!(Command::new("umount").arg(directory.join("volume")).status().unwrap().success());
    let checked =
        Command::new("e2fsck").args(["-f", "-n"]).arg(directory.join("storage.ext4")).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_and_its_replica_fit_into_60_megabytes() {
    let bench = Bench::new("small");
    let mut primary = bench.primary("hello", 1);
    primary.parameters.insert("shared_preload_libraries".to_owned(), "pg_stat_statements".to_owned());
    bench.make(&primary).await;
    let mut replica = bench.replica("hello-replica", 2, &primary);
    replica.parameters.clone_from(&primary.parameters);
    bench.make(&replica).await;
    bench.client(&primary).tell("create table t as select 1 as i");
    bench.client(&replica).until("select i from t", "1").await;
    // What vacuums by itself, and other helpers of a moment, are more for that moment.
    wait_until("both servers are small", Duration::from_secs(60), async || {
        let kilobytes: u64 = bench.processes().into_iter().filter_map(proportional_kilobytes).sum();
        Poll::ready_if((1..60_000).contains(&kilobytes), format!("{kilobytes} kB"))
    })
    .await;
}

/// Memory of a process, with its share of what it shares.
fn proportional_kilobytes(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn teardown_leaves_no_process_no_mount_and_no_file() {
    let bench = Bench::new("gone");
    let primary = bench.primary("hello", 1);
    bench.make(&primary).await;
    let replica = bench.replica("hello-replica", 2, &primary);
    bench.make(&replica).await;
    bench.databases.snapshot(&of("hello"), "copy").await.unwrap();
    bench.databases.freeze(&of("hello")).await.unwrap();
    let segments = ["hello", "hello-replica"].map(|identifier| shared_memory(&bench, identifier));
    assert!(segments.iter().all(|segment| has_segment(segment)), "{segments:?}");
    bench.databases.kill(&of("hello-replica")).await.unwrap();
    bench.databases.teardown().await.unwrap();
    assert_eq!(bench.leftovers(), Vec::<String>::new());
    assert!(!segments.iter().any(|segment| has_segment(segment)), "shared memory is left: {segments:?}");
    bench.databases.teardown().await.unwrap();
}

/// The number of the segment of shared memory that a server has made, by its lock file.
fn shared_memory(bench: &Bench, identifier: &str) -> String {
    let data = bench.lab.data("databases").join("eu-west-1").join(identifier).join("volume/data");
    let lock = fs::read_to_string(data.join("postmaster.pid")).unwrap();
    // The seventh line has key and number: https://www.postgresql.org/docs/15/storage-file-layout.html
    lock.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)).expect("it has one").to_owned()
}

/// Is there a segment of this number among all those of the machine?
fn has_segment(number: &str) -> bool {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    table.lines().any(|line| line.split_whitespace().nth(1) == Some(number))
}
