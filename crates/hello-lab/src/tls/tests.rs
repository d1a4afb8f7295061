use super::*;
use std::{os::unix::fs::PermissionsExt as _, process::Command};
use tempfile::TempDir;

fn authority() -> (TempDir, Authority) {
    let directory = tempfile::tempdir().unwrap();
    let authority = again(&directory);
    (directory, authority)
}

fn again(directory: &TempDir) -> Authority {
    Authority::of(&Lab::new("ca", directory.path(), directory.path())).unwrap()
}

fn names(names: &[&str]) -> Request {
    Request { names: names.iter().map(|name| (*name).to_owned()).collect(), addresses: BTreeSet::new() }
}

fn openssl(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn a_certificate_is_what_browsers_take() {
    let (_directory, authority) = authority();
    let issued = authority
        .issue(&Request {
            addresses: [Ipv4Addr::LOCALHOST].into(),
            ..names(&["hello.localhost", "*.hello.localhost"])
        })
        .unwrap();
    let (ca, chain) = (authority.certificate(), issued.chain);
    let (ca, chain) = (ca.to_str().unwrap(), chain.to_str().unwrap());
    for named in
        ["-verify_hostname=hello.localhost", "-verify_hostname=a.hello.localhost", "-verify_ip=127.0.0.1"]
    {
        let (option, value) = named.split_once('=').unwrap();
        let (good, said) = openssl(&[
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-CAfile",
            ca,
            option,
            value,
            chain,
        ]);
        assert!(good, "{named}: {said}");
    }
    let (good, _) = openssl(&["verify", "-CAfile", ca, "-verify_hostname", "example.com", chain]);
    assert!(!good);
    let (_, text) = openssl(&["x509", "-noout", "-text", "-in", chain]);
    assert!(text.contains("TLS Web Server Authentication"), "{text}");
    // 398 days from now it has ended.
    let (lasts, _) =
        openssl(&["x509", "-noout", "-in", chain, "-checkend", &(397 * 24 * 60 * 60).to_string()]);
    assert!(!lasts);
}

#[test]
fn the_same_request_gets_the_same_files_also_of_a_restarted_daemon() {
    let (directory, authority) = authority();
    let first = authority.issue(&names(&["db.example"])).unwrap();
    let content = fs::read(&first.combined).unwrap();
    let restarted = again(&directory);
    assert_eq!(restarted.pem(), authority.pem());
    assert_eq!(restarted.issue(&names(&["db.example"])).unwrap(), first);
    assert_eq!(fs::read(&first.combined).unwrap(), content);
    assert_ne!(restarted.issue(&names(&["other.example"])).unwrap(), first);
}

#[test]
fn a_certificate_near_its_end_is_replaced_at_the_same_place() {
    let (_directory, authority) = authority();
    let requested = names(&["db.example"]);
    let old = authority.issue_at(&requested, SystemTime::now() - 310 * DAY).unwrap();
    let before = fs::read(&old.chain).unwrap();
    let new = authority.issue(&requested).unwrap();
    assert_eq!(new, old);
    assert_ne!(fs::read(&new.chain).unwrap(), before);
}

#[test]
fn keys_are_readable_by_root_alone() {
    let (directory, authority) = authority();
    let issued = authority.issue(&names(&["db.example"])).unwrap();
    for path in [directory.path().join("ca/tls/ca.key"), issued.key, issued.combined] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn a_name_that_is_none_is_refused() {
    let (_directory, authority) = authority();
    for name in ["", "a b", "ä.example", "../x"] {
        let error = authority.issue(&names(&[name])).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name:?}");
    }
}

#[test]
fn what_was_issued_for_a_part_that_is_gone_is_removed_after_an_hour() {
    let (directory, authority) = authority();
    let issued = ["stays.example", "gone.example"].map(|name| authority.issue(&names(&[name])).unwrap());
    let before = fs::read(&issued[0].combined).unwrap();
    let wanted = [names(&["stays.example"])].into();
    let now = SystemTime::now();
    assert_eq!(authority.prune(&wanted, now).unwrap(), 0, "it may be for a part that comes up");
    assert_eq!(authority.prune(&wanted, now + DAY).unwrap(), 1);
    assert_eq!(authority.prune(&wanted, now + DAY).unwrap(), 0);
    assert!(!issued[1].key.parent().unwrap().exists());
    assert_eq!(again(&directory).issue(&names(&["stays.example"])).unwrap(), issued[0]);
    assert_eq!(fs::read(&issued[0].combined).unwrap(), before);
}
