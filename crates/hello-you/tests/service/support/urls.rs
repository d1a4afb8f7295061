//! How services are told where their databases are.

use hello_testkit::PgServer;

/// The URL of servers on this machine, in this order, for the superuser.
pub(crate) fn url(servers: &[&PgServer]) -> String {
    url_of_ports(&servers.iter().map(|server| server.port()).collect::<Vec<_>>())
}

/// The same by their ports, or those of proxies in front of them.
pub(crate) fn url_of_ports(ports: &[u16]) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("postgres://postgres@{}/postgres", hosts.join(","))
}
