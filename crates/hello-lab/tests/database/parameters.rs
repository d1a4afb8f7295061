use crate::{
    daemon::{Daemon, REGION},
    fixture::{Bench, major_version},
};
use hello_lab::database::{DatabaseError, Status, model::Instance};
use hello_testkit::{Poll, wait_until};
use std::{
    fs::File,
    time::{Duration, SystemTime},
};
use terraform_provider_aws::{backend::Backend as _, value::Value};

fn with(instance: &Instance, parameters: &[(&str, &str)]) -> Instance {
    let mut changed = instance.clone();
    changed.parameters =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    changed
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamic_parameters_count_at_once_and_static_ones_after_a_reboot() {
    let bench = Bench::new("param");
    let first = with(
        &bench.primary("hello", 1),
        &[
            ("max_connections", "LEAST({DBInstanceClassMemory/9531392},5000)"),
            ("log_min_duration_statement", "500"),
        ],
    );
    bench.make(&first).await;
    let client = bench.client(&first);
    assert_eq!(client.tell("show max_connections"), "112");
    assert_eq!(client.tell("show log_min_duration_statement"), "500ms", "a number is in PostgreSQL's unit");
    let pid = bench.pid("hello");

    let mut second = with(
        &first,
        &[("max_connections", "50"), ("log_min_duration_statement", "700"), ("random_page_cost", "1.1")],
    );
    second.parameters_at_reboot.insert("random_page_cost".to_owned());
    bench.make(&second).await;
    assert_eq!(bench.pid("hello"), pid, "nothing was restarted");
    assert_eq!(client.tell("show max_connections"), "112");
    assert_eq!(client.tell("show random_page_cost"), "4");
    assert_eq!(client.tell("show log_min_duration_statement"), "700ms");
    let waiting = bench.databases.describe(&second).await.unwrap().pending_reboot;
    assert_eq!(waiting, ["max_connections", "random_page_cost"]);
    let other = bench.other_daemon();
    assert_eq!(other.reconcile(&second).await.unwrap(), Status::Available);
    assert_eq!(other.describe(&second).await.unwrap().pending_reboot, waiting, "a new daemon knows it too");

    bench.databases.reboot(&second).await.unwrap();
    assert_eq!(client.tell("show max_connections"), "50");
    assert_eq!(client.tell("show random_page_cost"), "1.1");
    assert!(bench.databases.describe(&second).await.unwrap().pending_reboot.is_empty());

    let third = with(&second, &[]);
    bench.make(&third).await;
    assert_eq!(client.tell("show log_min_duration_statement"), "-1", "back to its default");
    assert_eq!(client.tell("show max_connections"), "50");
    assert_eq!(bench.databases.describe(&third).await.unwrap().pending_reboot, ["max_connections"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_optional_where_the_group_says_so_and_at_once() {
    let bench = Bench::new("ssl");
    let instance = with(&bench.primary("hello", 1), &[("rds.force_ssl", "0")]);
    bench.make(&instance).await;
    let mut client = bench.client(&instance);
    client.tls = "disable";
    assert_eq!(client.tell("select ssl from pg_stat_ssl where pid = pg_backend_pid()"), "f");
    bench.make(&with(&instance, &[("rds.force_ssl", "1")])).await;
    client.ask("select 1").unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_cannot_be_are_refused_by_name_and_change_nothing() {
    let bench = Bench::new("bad");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    for (name, value, sentence) in [
        ("no_such_parameter", "1", "no_such_parameter is known neither"),
        ("listen_addresses", "*", "listen_addresses cannot be set"),
        ("work_mem", "64MB", "whole number without a unit"),
        ("shared_preload_libraries", "no_such_library", "no_such_library is not installed"),
        ("synchronous_commit", "sometimes", "synchronous_commit"),
        ("pg_stat_statements.max", "1", "from 100 to"),
    ] {
        let error = bench.databases.reconcile(&with(&instance, &[(name, value)])).await.unwrap_err();
        assert!(
            matches!(error, DatabaseError::Parameter { .. } | DatabaseError::Configuration { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains(sentence), "{error}");
        assert_eq!(bench.client(&instance).tell("select 1"), "1", "after {name}");
    }
    bench.make(&instance).await;
    let recorded = with(&instance, &[("rds.adaptive_autovacuum", "1")]);
    bench.make(&recorded).await;
    assert_eq!(bench.databases.describe(&recorded).await.unwrap().recorded, ["rds.adaptive_autovacuum"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_group_as_of_this_projects_terraform_is_taken() {
    let bench = Bench::new("group");
    let instance = with(
        &bench.primary("hello", 1),
        &[
            ("rds.force_ssl", "1"),
            ("max_connections", "100"),
            ("log_min_duration_statement", "500"),
            ("log_parameter_max_length", "0"),
            ("log_lock_waits", "1"),
            ("shared_preload_libraries", "pg_stat_statements"),
            ("tcp_keepalives_idle", "30"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
            ("idle_in_transaction_session_timeout", "60000"),
            ("max_standby_streaming_delay", "10000"),
            ("hot_standby_feedback", "1"),
            ("rds.logical_replication", "1"),
        ],
    );
    bench.make(&instance).await;
    let client = bench.client(&instance);
    assert_eq!(client.tell("show idle_in_transaction_session_timeout"), "1min");
    assert_eq!(client.tell("show hot_standby_feedback"), "on");
    assert_eq!(client.tell("show wal_level"), "logical");
    client.tell("select pg_sleep(0.6)");
    let log = bench.lab.data("databases").join("eu-west-1/hello/log");
    // A process of its own writes the log.
    wait_until("the slow statement is in the log", Duration::from_secs(60), async || {
        let files = std::fs::read_dir(&log).unwrap().flatten();
        let texts: Vec<_> = files.map(|entry| std::fs::read_to_string(entry.path()).unwrap()).collect();
        Poll::ready_if(texts.iter().any(|text| text.contains("pg_sleep(0.6)")), texts.concat())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_stay_for_as_long_as_the_group_says_and_older_ones_go() {
    let bench = Bench::new("logs");
    let mut instance = bench.primary("hello", 1);
    instance.parameters.insert("rds.log_retention_period".to_owned(), "1440".to_owned());
    bench.make(&instance).await;
    let log = bench.lab.data("databases").join("eu-west-1/hello/log");
    let written = |hours: u64| {
        let path = log.join(format!("postgresql.log.{hours}-hours-ago"));
        let moment = SystemTime::now() - Duration::from_secs(hours * 3600);
        File::create(&path).unwrap().set_modified(moment).unwrap();
        path
    };
    // A day, then RDS's default of three.
    for (young, old) in [(23, 25), (71, 73)] {
        let (young, old) = (written(young), written(old));
        bench.make(&instance).await;
        assert!(young.exists() && !old.exists(), "{young:?}, {old:?}");
        instance.parameters.clear();
    }
}

/// A parameter group as a configuration has it.
fn group(parameters: &[(&str, &str)]) -> Vec<(&'static str, Value)> {
    let parameters = parameters.iter().map(|(name, value)| {
        let given = [("name", *name), ("value", *value), ("apply_method", "immediate")];
        Value::object(given.map(|(name, text)| (name, Value::from(text))))
    });
    vec![
        ("name", "parameters".into()),
        ("family", format!("postgres{}", major_version()).into()),
        ("parameter", Value::List(parameters.collect())),
    ]
}

/// What no group may have, a word of the refusal, and whether a plan sees it.
const WRONG: &[(&str, &str, &str, bool)] = &[
    ("no_such_parameter", "1", "no_such_parameter is known neither", true),
    ("max_connections", "many", "max_connections = \"many\": it has to be a whole number", true),
    ("max_connections", "0", "it has to be from 1 to", true),
    ("max_connections", "{DBInstanceMemory/2}", "does not understand", true),
    ("archive_command", "cp", "archive_command cannot be set", true),
    ("rds.no_such", "1", "rds.no_such is not modelled", true),
    ("shared_preload_libraries", "no_such", "no_such is not installed", true),
    ("log_statement", "sometimes", "invalid value for parameter \"log_statement\"", false),
    ("timezone", "Nowhere/Land", "invalid value for parameter \"TimeZone\"", false),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_no_instance_could_have_is_refused_when_it_is_planned_and_when_it_is_made() {
    let bench = Bench::new("wronggroup");
    let daemon = Daemon::start(&bench);
    for (name, value, words, is_planned) in WRONG {
        let creation = Daemon::creation(REGION, "aws_db_parameter_group", &group(&[(name, value)]));
        let remarks = daemon.backend.remarks(&creation.schema, &Value::Null, &creation.config).await;
        let planned = format!("{remarks:?}").replace("\\\"", "\"");
        assert_eq!(
            planned.contains(words) && planned.contains("InvalidParameterValue"),
            *is_planned,
            "{planned}"
        );
        let refusal = daemon.apply(creation).await.unwrap_err();
        assert!(!refusal.is_warning && refusal.detail.contains(words), "{name}: {refusal:?}");
        assert!(refusal.detail.starts_with("InvalidParameterValue: "), "{refusal:?}");
        assert_eq!(daemon.context.world.snapshot().of_type("aws_db_parameter_group").count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_stays_as_it_was_where_its_change_is_refused() {
    let bench = Bench::new("regroup");
    let daemon = Daemon::start(&bench);
    let right = group(&[
        ("max_connections", "LEAST({DBInstanceClassMemory/9531392},5000)"),
        ("rds.force_ssl", "1"),
        ("rds.adaptive_autovacuum", "1"),
        ("log_statement", "ddl"),
        ("TimeZone", "Europe/Berlin"),
        ("pg_stat_statements.track", "all"),
    ]);
    let creation = Daemon::creation(REGION, "aws_db_parameter_group", &right);
    let remarks = daemon.backend.remarks(&creation.schema, &Value::Null, &creation.config).await;
    assert!(remarks.iter().all(|remark| remark.is_warning), "{remarks:?}");
    let state = daemon.apply(creation.clone()).await.unwrap();
    for (name, value, words, _) in WRONG {
        let (_, parameters) = group(&[(name, value)]).pop().unwrap();
        let refusal =
            daemon.apply(Daemon::update(&creation, &state, &[("parameter", parameters)])).await.unwrap_err();
        assert!(refusal.detail.contains(words), "{name}: {refusal:?}");
    }
    let contents = daemon.context.world.snapshot();
    assert_eq!(contents.of_type("aws_db_parameter_group").next().unwrap().state, state);
    // What the machine cannot check, and what is of another engine, is left to who makes an instance of it.
    for (name, family) in [("newer", "postgres99"), ("other", "mysql8.0")] {
        let mut given = group(&[("no_such_parameter", "1")]);
        given[0].1 = name.into();
        given[1].1 = family.into();
        daemon.make_in(REGION, "aws_db_parameter_group", &given).await;
    }
}
