//! The names of parts on the board.

/// The part that all routes, filters and links are.
pub const NETWORK: &str = "network";
/// The part that all answers of DNS servers are.
pub const DNS: &str = "dns";

/// The part of a database instance.
pub fn database(identifier: &str) -> String {
    format!("database/{identifier}")
}

/// The part of a snapshot of a database.
pub fn snapshot(name: &str) -> String {
    format!("snapshot/{name}")
}

/// The part of a load balancer.
pub fn load_balancer(name: &str) -> String {
    format!("load-balancer/{name}")
}

/// The part of a service.
pub fn service(name: &str) -> String {
    format!("service/{name}")
}

/// The container registry.
pub const REGISTRY: &str = "registry";
/// The port of this machine that leads into the lab.
pub const PUBLISHED: &str = "published-port";

/// The log groups.
pub const LOGS: &str = "log-groups";
