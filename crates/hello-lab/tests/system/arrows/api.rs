//! The service at the end of the arrows, as its user sees it.

use crate::support::{
    command::{Said, run},
    lab::{SOON, TestLab},
    probe::{ANSWER, resolve},
};
use std::{net::Ipv4Addr, process::Command};

const JSON: &[&str] = &["--header", "Content-Type: application/json"];

/// The lab's internet DNS, asked from a client.
fn addresses(lab: &TestLab) -> Vec<Ipv4Addr> {
    // Where resolv.conf of a host of the lab's internet would point.
    let server = Ipv4Addr::new(198, 51, 100, 53);
    resolve(&lab.namespace("client"), server, "hello.localhost", ANSWER).unwrap()
}

/// From the lab's internet, by the addresses that its DNS gives: curl and browsers know `*.localhost` as themselves only.
pub(super) fn works_through_the_load_balancer(lab: &TestLab) {
    let found = addresses(lab);
    let mut nodes: Vec<Ipv4Addr> = lab.parts().nodes.iter().filter_map(|node| node.public).collect();
    nodes.sort();
    let mut sorted = found.clone();
    sorted.sort();
    assert_eq!(sorted, nodes, "the alias is not the load balancer's addresses");
    for (count, address) in found.into_iter().enumerate() {
        let user = format!("Ana{}", ["x", "y", "z"][count]);
        works(&user, "https://hello.localhost", |arguments| lab.curl("client", address, arguments));
        let redirect = lab.curl(
            "client",
            address,
            &[
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_code} %{redirect_url}",
                "http://hello.localhost/hello/Ana?tz=UTC",
            ],
        );
        assert_eq!(redirect.ok(), "301 https://hello.localhost:443/hello/Ana?tz=UTC");
        // Somebody who knows neither the authority nor the name gets nothing.
        let said =
            lab.cli(&["exec", "client", "--", "curl", "--silent", &format!("https://{address}/health")]);
        assert!(!said.status.success(), "a certificate that nobody vouches for was accepted");
    }
}

/// Programs that `exec` runs in a part ask the part's own DNS.
pub(super) fn names_are_those_of_the_lab(lab: &TestLab) {
    for part in ["client", "db/hello-you-dev-db-replica"] {
        let found = lab.cli(&["exec", part, "--", "getent", "hosts", "ghcr.io"]).ok();
        assert!(found.starts_with("198.51.100.10 "), "{part}: {found}");
    }
    let said = lab.cli(&["exec", "client", "--", "no-such-program", "-x"]);
    assert_eq!(said.status.code(), Some(127));
    assert_eq!(said.stderr, "hello-lab: no-such-program is not installed on this machine\n");
}

/// From this machine.
pub(super) fn works_through_the_published_port(lab: &TestLab) {
    let status = lab.status();
    let head = status.lines().next().unwrap();
    let url = head.rsplit(' ').next().unwrap();
    assert!(url.starts_with("https://hello.localhost:"), "{head}");
    let authority = lab.authority();
    works("Berta", url, |arguments| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "20", "--cacert"]).arg(&authority);
        run(command.args(arguments), SOON)
    });
}

fn works(user: &str, url: &str, curl: impl Fn(&[&str]) -> Said) {
    let code = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    let status = |arguments: &[&str]| curl(&[&code[..], arguments].concat()).ok();
    let path = format!("{url}/hello/{user}");
    let put = |body: &str| status(&[JSON, &["--request", "PUT", "--data", body, path.as_str()]].concat());
    assert_eq!(status(&[format!("{url}/health").as_str()]), "200");
    assert_eq!(put(r#"{"dateOfBirth":"1990-12-31"}"#), "201");
    assert_eq!(put(r#"{"dateOfBirth":"1990-12-30"}"#), "204");
    assert_eq!(put(r#"{"dateOfBirth":"1990-02-30"}"#), "400");
    assert_eq!(put(r#"{"dateOfBirth":"2990-12-31"}"#), "400");
    // A read may go to the replica, which is a moment behind, so the token of a write goes with it.
    let jar = tempfile::NamedTempFile::new().unwrap();
    let jar = jar.path().to_str().unwrap();
    let written = [
        JSON,
        &code[..],
        &["--cookie-jar", jar, "--request", "PUT"],
        &["--data", r#"{"dateOfBirth":"1990-12-31"}"#, path.as_str()],
    ];
    assert_eq!(curl(&written.concat()).ok(), "204");
    let greeting = curl(&["--cookie", jar, path.as_str()]).ok();
    let expected = format!("Hello, {user}! ");
    assert!(greeting.contains(&expected) && greeting.contains("irthday"), "{greeting}");
}
