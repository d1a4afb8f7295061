use super::*;
use crate::{database::model::TlsFiles, lab::Lab};
use std::{net::Ipv4Addr, path::Path};

fn instance(origin: Origin) -> Instance {
    Instance {
        identifier: "hello-replica".to_owned(),
        region: "eu-west-1".to_owned(),
        namespace: "hello".to_owned(),
        address: Ipv4Addr::new(10, 0, 20, 5),
        hostname: "hello-replica.rds".to_owned(),
        port: 5433,
        major_version: 15,
        origin,
        user: None,
        password: None,
        parameters: BTreeMap::new(),
        parameters_at_reboot: std::collections::BTreeSet::new(),
        memory: 0,
        vcpus: 0,
        storage: 0,
        running: true,
        tls: TlsFiles { certificate: "c".into(), key: "k".into(), ca: "a".into() },
        clients: vec!["10.0.0.0/16".parse().unwrap(), "10.1.0.0/16".parse().unwrap()],
    }
}

fn replica() -> Instance {
    instance(Origin::Replica {
        source: "hello".to_owned(),
        address: Ipv4Addr::new(10, 0, 10, 5),
        hostname: "hello.rds".to_owned(),
        port: 5432,
    })
}

fn files() -> Files {
    Files::of(&Lab::new("test", Path::new("/data"), Path::new("/it's run")), "eu-west-1/hello-replica")
        .unwrap()
}

fn parameters(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_group_overrides_the_labs_bounds_and_nothing_overrides_the_address() {
    let text = postgresql_conf(
        &instance(Origin::Snapshot { name: "s".to_owned() }),
        &files(),
        &parameters(&[("shared_buffers", "4096"), ("rds.force_ssl", "1"), ("log_line_prefix", "a'b\\c")]),
        None,
        true,
    );
    let lines: Vec<_> = text.lines().collect();
    for line in [
        "shared_buffers = '4096'",
        "listen_addresses = '10.0.20.5'",
        "port = '5433'",
        "wal_level = 'replica'",
        "log_line_prefix = 'a''b\\\\c'",
        "unix_socket_directories = '/it''s run/test/sockets/74fe7f6e2dc1'",
    ] {
        assert!(lines.contains(&line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("primary_") && !text.contains("rds.") && !text.contains("fsync"), "{text}");
}

#[test]
fn a_replica_checks_its_sources_name_and_has_no_password_in_its_configuration() {
    let instance = replica();
    let text = postgresql_conf(&instance, &files(), &BTreeMap::new(), Source::of(&instance), false);
    for part in [
        "host=''hello.rds'' hostaddr=''10.0.10.5'' port=''5432''",
        "sslmode=''verify-full''",
        "primary_slot_name = 'hello_replica'",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(!text.contains("password="), "{text}");
    assert!(text.contains("\nfsync = 'off'"), "it is still being made: {text}");
}

#[test]
fn tls_is_required_from_version_15_on_unless_the_group_says_otherwise() {
    let mut instance = replica();
    assert!(pg_hba_conf(&instance, &BTreeMap::new()).contains("hostssl all all 10.0.0.0/16 scram-sha-256"));
    let open = pg_hba_conf(&instance, &parameters(&[(FORCE_SSL, "0"), (PASSWORD_METHOD, "md5+scram")]));
    assert!(open.contains("\nhost all all 10.1.0.0/16 md5"), "{open}");
    instance.major_version = 14;
    assert!(pg_hba_conf(&instance, &BTreeMap::new()).contains("\nhost all all 10.0.0.0/16"));
}

#[test]
fn the_labs_own_users_never_come_in_as_clients() {
    let text = pg_hba_conf(&replica(), &BTreeMap::new());
    let before = |first: &str, second: &str| text.find(first).unwrap() < text.find(second).unwrap();
    assert!(before("host all,replication rdsadmin all reject", "hostssl"));
    assert!(before("host all,replication rdsrepladmin all reject", "hostssl all all"));
    assert!(!text.contains("0.0.0.0/0") && !text.contains("trust"), "{text}");
}

#[test]
fn slots_of_different_replicas_have_different_names() {
    assert_eq!(slot_name("hello-you-Replica"), "hello_you_replica");
}
