//! Databases from the provider's backend to the servers.

use crate::{
    daemon::{Daemon, REGION, instance, psql},
    fixture::{Bench, PASSWORD, of},
};
use hello_lab::{board::Condition, database::key};
use terraform_provider_aws::{
    backend::{Backend as _, Existing},
    value::Value,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_database_is_not_ready_whatever_else_changes() {
    let bench = Bench::new("halted");
    let daemon = Daemon::with_network(&bench).await;
    daemon.make_in(REGION, "aws_db_instance", &instance("hello")).await;
    daemon.context.databases.stop(&of("hello")).await.unwrap();
    daemon.until("hello", |condition| *condition == Condition::Pending("stopped".to_owned())).await;
    let mut board = daemon.context.board.watch();
    for _ in 0..3 {
        daemon.make_in(REGION, "aws_eip", &[("domain", "vpc".into())]).await;
    }
    // The controller has seen all of them once it says so of a later one.
    daemon.context.databases.start(&daemon.model("hello")).await.unwrap();
    let generation = daemon.context.world.generation();
    loop {
        match daemon.context.board.get("database/eu-west-1/hello").unwrap() {
            Condition::Ready(reached) => {
                assert!(reached >= generation, "it was ready while it was stopped");
                break;
            }
            condition => assert_eq!(condition, Condition::Pending("stopped".to_owned())),
        }
        board.changed().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_a_database_is_on_the_board_once_a_look_was_asked_for() {
    let bench = Bench::new("looked");
    let daemon = Daemon::with_network(&bench).await;
    daemon.make_in(REGION, "aws_db_instance", &instance("hello")).await;
    let databases = &daemon.context.databases;
    let model = daemon.model("hello");
    for _ in 0..5 {
        databases.stop(&of("hello")).await.unwrap();
        databases.look_again(&of("hello")).await;
        assert_eq!(daemon.condition("hello"), Some(Condition::Pending("stopped".to_owned())));
        databases.start(&model).await.unwrap();
        databases.look_again(&of("hello")).await;
        assert!(matches!(daemon.condition("hello"), Some(Condition::Ready(_))));
    }
    databases.fill(&of("hello")).await.unwrap();
    databases.look_again(&of("hello")).await;
    let condition = daemon.condition("hello");
    assert!(
        matches!(&condition, Some(Condition::Pending(sentence)) if sentence.starts_with("storage-full")),
        "{condition:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_database_stays_refused_until_it_is_mended() {
    let bench = Bench::new("refused");
    let daemon = Daemon::with_network(&bench).await;
    let creation = Daemon::creation(REGION, "aws_db_instance", &instance("hello"));
    let state = daemon.apply(creation.clone()).await.unwrap();
    let wrong = Daemon::update(&creation, &state, &[("engine_version", "99".into())]);
    let refusal = daemon.apply(wrong.clone()).await.unwrap_err();
    assert!(format!("{refusal:?}").contains("wants PostgreSQL 99"), "{refusal:?}");
    for _ in 0..3 {
        let generation = daemon.context.world.generation();
        daemon.make_in(REGION, "aws_eip", &[("domain", "vpc".into())]).await;
        daemon
            .until("hello", |condition| match condition {
                Condition::Failed(seen, _) => *seen > generation,
                condition => panic!("{condition:?}"),
            })
            .await;
    }
    let mended = [("engine_version", state.get("engine_version").clone())];
    daemon.apply(Daemon::update(&wrong, &wrong.planned, &mended)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_without_a_master_user_is_refused() {
    let bench = Bench::new("nobody");
    let daemon = Daemon::with_network(&bench).await;
    let mut given = instance("hello");
    given.retain(|(name, _)| *name != "username");
    let refusal = daemon.apply(Daemon::creation(REGION, "aws_db_instance", &given)).await.unwrap_err();
    assert!(format!("{refusal:?}").contains("set username and password"), "{refusal:?}");
    assert_eq!(daemon.context.world.snapshot().of_type("aws_db_instance").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_whose_last_snapshot_is_refused_leaves_the_database_as_it_was() {
    let bench = Bench::new("kept");
    let daemon = Daemon::with_network(&bench).await;
    let mut given = instance("hello");
    given.retain(|(name, _)| *name != "skip_final_snapshot");
    given.push(("final_snapshot_identifier", "last".into()));
    let creation = Daemon::creation(REGION, "aws_db_instance", &given);
    let state = daemon.apply(creation.clone()).await.unwrap();
    daemon.ask("hello", "create table t as select 1 as i");
    daemon.context.databases.snapshot(&of("hello"), "last").await.unwrap();

    let refusal = daemon.apply(Daemon::deletion(&creation, &state)).await.unwrap_err();
    assert!(format!("{refusal:?}").contains("DBSnapshotAlreadyExists"), "{refusal:?}");
    let read = Existing {
        schema: creation.schema.clone(),
        place: creation.place.clone(),
        state: state.clone(),
        imported: false,
    };
    assert_eq!(daemon.backend.read(read).await.unwrap(), state, "it is there as before");
    assert_eq!(daemon.ask("hello", "select i from t"), "1");

    let renamed = Daemon::update(&creation, &state, &[("final_snapshot_identifier", "very-last".into())]);
    let state = daemon.apply(renamed.clone()).await.unwrap();
    daemon.apply(Daemon::deletion(&renamed, &state)).await.unwrap();
    let snapshots = daemon.context.databases.snapshots().unwrap();
    let names: Vec<_> = snapshots.iter().map(|snapshot| snapshot.name.as_str()).collect();
    assert_eq!(names, ["last", "very-last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn terraform_promotes_a_replica_and_gives_it_a_password_of_its_own() {
    let bench = Bench::new("promoted");
    let daemon = Daemon::with_network(&bench).await;
    let mut given = instance("hello");
    given.push(("port", 5433.into()));
    let primary = Daemon::creation(REGION, "aws_db_instance", &given);
    let source = daemon.apply(primary.clone()).await.unwrap();
    daemon.ask_at(5433, "hello", "create table t as select 1 as i");
    let creation = Daemon::creation(
        REGION,
        "aws_db_instance",
        &[
            ("identifier", "copy".into()),
            ("replicate_source_db", "hello".into()),
            ("instance_class", "db.t4g.micro".into()),
            ("skip_final_snapshot", true.into()),
        ],
    );
    let replica = daemon.apply(creation.clone()).await.unwrap();
    for name in ["engine", "engine_version", "username", "allocated_storage", "port", "db_subnet_group_name"]
    {
        assert_eq!(replica.get(name), source.get(name), "{name}");
    }
    let endpoint = format!("{}:5433", replica.get("address").as_str().unwrap());
    assert_eq!(replica.get("endpoint").as_str(), Some(endpoint.as_str()));
    daemon.log_in("copy", "master", PASSWORD).unwrap();

    let promotion = Daemon::update(&creation, &replica, &[("replicate_source_db", Value::Null)]);
    let promoted = daemon.apply(promotion.clone()).await.unwrap();
    assert_eq!(daemon.ask_at(5433, "copy", "select pg_is_in_recovery(), i from t"), "f|1");
    daemon.log_in("copy", "master", PASSWORD).unwrap();
    // It stands on its own.
    daemon.apply(Daemon::deletion(&primary, &source)).await.unwrap();
    let given = [("password_wo", "one of its own".into()), ("password_wo_version", 1.into())];
    let own = Daemon::update(&promotion, &promoted, &given);
    let state = daemon.apply(own.clone()).await.unwrap();
    daemon.log_in("copy", "master", "one of its own").unwrap();
    assert!(daemon.log_in("copy", "master", PASSWORD).unwrap_err().contains("authentication failed"));
    // Another value counts with another version only.
    let unversioned = Daemon::update(&own, &state, &[("password_wo", "not yet".into())]);
    let state = daemon.apply(unversioned.clone()).await.unwrap();
    daemon.log_in("copy", "master", "one of its own").unwrap();
    let raised = Daemon::update(&unversioned, &state, &[("password_wo_version", 2.into())]);
    daemon.apply(raised).await.unwrap();
    daemon.log_in("copy", "master", "not yet").unwrap();
    assert_eq!(daemon.ask_at(5433, "copy", "select i from t"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_instance_has_the_password_that_is_given() {
    let bench = Bench::new("restored");
    let daemon = Daemon::with_network(&bench).await;
    daemon.make_in(REGION, "aws_db_instance", &instance("hello")).await;
    let given = [("db_instance_identifier", "hello".into()), ("db_snapshot_identifier", "before".into())];
    daemon.make_in(REGION, "aws_db_snapshot", &given).await;
    let mut given = instance("copy");
    given.retain(|(name, _)| !["username", "engine", "engine_version", "password"].contains(name));
    given.push(("snapshot_identifier", "before".into()));
    let creation = Daemon::creation(REGION, "aws_db_instance", &given);
    let state = daemon.apply(creation.clone()).await.unwrap();
    daemon.log_in("copy", "master", PASSWORD).unwrap();
    let changed = Daemon::update(&creation, &state, &[("password", "one of its own".into())]);
    daemon.apply(changed).await.unwrap();
    daemon.log_in("copy", "master", "one of its own").unwrap();

    // At once, and without knowing whose it is: the snapshot was taken by hand.
    daemon.context.databases.snapshot(&of("hello"), "by-hand").await.unwrap();
    let mut given = instance("other");
    given.retain(|(name, _)| !["username", "password"].contains(name));
    given.push(("snapshot_identifier", "by-hand".into()));
    given.push(("password", "another".into()));
    daemon.make_in(REGION, "aws_db_instance", &given).await;
    daemon.log_in("other", "master", "another").unwrap();
    daemon.log_in("hello", "master", PASSWORD).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_identifier_in_two_regions_is_two_databases_with_snapshots_of_their_own() {
    const OTHER: &str = "eu-central-1";
    let bench = Bench::new("regions");
    let daemon = Daemon::with_network(&bench).await;
    daemon.make_network(OTHER, 1).await;
    let mut servers = Vec::new();
    for (number, region) in [REGION, OTHER].iter().enumerate() {
        let creation = Daemon::creation(region, "aws_db_instance", &instance("hello"));
        let state = daemon.apply(creation.clone()).await.unwrap();
        let key = key(region, "hello");
        let socket = daemon.context.lab.run("databases").join(&key).join("socket");
        let table = format!("create table t as select {number} as i");
        assert_eq!(psql(&socket, 5432, &table), "");
        let given = [("db_instance_identifier", "hello".into()), ("db_snapshot_identifier", "all".into())];
        daemon.make_in(region, "aws_db_snapshot", &given).await;
        let mut copy = instance("copy");
        copy.retain(|(name, _)| !["username", "engine", "engine_version", "password"].contains(name));
        copy.push(("snapshot_identifier", "all".into()));
        daemon.make_in(region, "aws_db_instance", &copy).await;
        servers.push((number, socket, creation, state));
    }
    for (number, socket, ..) in &servers {
        let copy = socket.parent().unwrap().with_file_name("copy").join("socket");
        for socket in [socket, &copy] {
            assert_eq!(psql(socket, 5432, "select i from t"), number.to_string(), "{}", socket.display());
        }
    }
    let (_, _, creation, state) = &servers[0];
    daemon.apply(Daemon::deletion(creation, state)).await.unwrap();
    assert_eq!(psql(&servers[1].1, 5432, "select i from t"), "1", "the other one stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_identifier_of_rds_is_served_and_a_longer_one_refused_at_once() {
    let bench = Bench::new("long");
    let daemon = Daemon::with_network(&bench).await;
    let longest = "a".repeat(63);
    let mut given = instance(&longest);
    given.push(("final_snapshot_identifier", Value::Null));
    daemon.make_in(REGION, "aws_db_instance", &given).await;
    assert_eq!(daemon.ask(&longest, "show cluster_name"), longest);
    let replica = [
        ("identifier", "b".repeat(63).as_str().into()),
        ("replicate_source_db", longest.as_str().into()),
        ("instance_class", "db.t4g.micro".into()),
        ("skip_final_snapshot", true.into()),
    ];
    daemon.make_in(REGION, "aws_db_instance", &replica).await;
    let longer = Daemon::creation(REGION, "aws_db_instance", &instance(&"a".repeat(64)));
    let refusal = daemon.apply(longer).await.unwrap_err();
    assert!(format!("{refusal:?}").contains("at most 63"), "{refusal:?}");
}
