use super::*;
use crate::database::model::{Origin, TlsFiles};
use std::net::Ipv4Addr;

fn instance(parameters: &[(&str, &str)], at_reboot: &[&str]) -> Instance {
    Instance {
        identifier: "hello".to_owned(),
        region: "eu-west-1".to_owned(),
        namespace: "hello".to_owned(),
        address: Ipv4Addr::LOCALHOST,
        hostname: "hello.localhost".to_owned(),
        port: 5432,
        major_version: 15,
        origin: Origin::Snapshot { name: "none".to_owned() },
        user: None,
        password: None,
        parameters: parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        parameters_at_reboot: at_reboot.iter().map(|name| (*name).to_owned()).collect(),
        memory: 1 << 30,
        vcpus: 2,
        storage: 20 << 30,
        running: true,
        tls: TlsFiles { certificate: "c".into(), key: "k".into(), ca: "a".into() },
        clients: Vec::new(),
    }
}

fn checked(parameters: &[(&str, &str)]) -> Result<Parameters, ParameterError> {
    Parameters::of(&instance(parameters, &[]), &catalogue(), Path::new("/nowhere"))
}

fn catalogue() -> Catalogue {
    Catalogue::read(catalogue::OUTPUT)
}

fn value(name: &str, value: &str) -> Result<String, ParameterError> {
    checked(&[(name, value)]).map(|parameters| parameters.values[&name.to_ascii_lowercase()].clone())
}

#[test]
fn the_list_of_what_cannot_be_set_is_sorted() {
    assert!(NOT_MODIFIABLE.is_sorted_by_key(|(name, _)| name));
}

#[test]
fn values_pass_in_postgresql_units_and_formulas_are_computed() {
    assert_eq!(value("log_min_duration_statement", "500").unwrap(), "500");
    assert_eq!(value("max_connections", "LEAST({DBInstanceClassMemory/9531392},5000)").unwrap(), "112");
    assert_eq!(value("log_lock_waits", "on").unwrap(), "1");
    assert_eq!(value("random_page_cost", "1.1").unwrap(), "1.1");
    assert_eq!(value("TimeZone", "Europe/Berlin").unwrap(), "Europe/Berlin");
    assert_eq!(value(FORCE_SSL, "1").unwrap(), "1");
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    for (name, value, sentence) in [
        ("no_such", "1", "parameter no_such is known neither to PostgreSQL 15 nor to the lab"),
        (
            "listen_addresses",
            "*",
            "parameter listen_addresses cannot be set: it is the address of the instance",
        ),
        ("rds.allowed_extensions", "*", "parameter rds.allowed_extensions is not modelled"),
        ("max_connections", "0", "it has to be from 1 to 262143"),
        ("max_connections", "64kB", "a whole number without a unit"),
        ("max_connections", "{Nonsense}", "Nonsense"),
        ("random_page_cost", "-1", "it has to be from 0 to"),
        ("random_page_cost", "NaN", "it has to be from 0 to"),
        ("log_lock_waits", "maybe", "it has to be 0 or 1"),
        ("timezone", "UTC'\nfsync = off", "it has to be one line"),
        ("shared_preload_libraries", "pg_stat_statements", "the library pg_stat_statements is not installed"),
        ("shared_preload_libraries", "../../evil", "the library ../../evil is not installed"),
        (LOG_RETENTION, "5", "it has to be from 1440 to 10080"),
        (PASSWORD_METHOD, "trust", "it has to be scram or md5+scram"),
    ] {
        let error = checked(&[(name, value)]).unwrap_err().to_string();
        assert!(error.contains(sentence), "{name} = {value:?}: {error}");
    }
}

#[test]
fn what_the_lab_does_not_model_is_recorded_and_never_reaches_postgresql() {
    let parameters = checked(&[("rds.adaptive_autovacuum", "1")]).unwrap();
    assert_eq!(parameters.recorded, ["rds.adaptive_autovacuum"]);
    assert!(parameters.values.is_empty());
}

#[test]
fn static_parameters_and_those_of_the_next_reboot_wait_while_the_server_runs() {
    let wanted = instance(
        &[("max_connections", "50"), ("log_lock_waits", "1"), ("random_page_cost", "1.1")],
        &["random_page_cost"],
    );
    let wanted = Parameters::of(&wanted, &catalogue(), Path::new("/nowhere")).unwrap();
    let before = BTreeMap::from([
        ("max_connections".to_owned(), "100".to_owned()),
        ("wal_level".to_owned(), "logical".to_owned()),
        ("timezone".to_owned(), "UTC".to_owned()),
    ]);
    let now = wanted.without_restart(&before, &catalogue());
    let expected = [("log_lock_waits", "1"), ("max_connections", "100"), ("wal_level", "logical")];
    assert_eq!(now.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
    assert_eq!(wanted.pending(&now), ["max_connections", "random_page_cost", "wal_level"]);
    assert!(wanted.pending(&wanted.values).is_empty(), "nothing waits after a restart");
}
