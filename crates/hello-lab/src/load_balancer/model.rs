//! What a load balancer should be, and how its targets fare: plain data, made from resources.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::Ipv4Addr, path::PathBuf, time::Duration};

/// An application load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Its name.
    pub name: String,
    /// AWS region.
    pub region: String,
    /// One node for each subnet.
    pub nodes: Vec<Node>,
    /// Its listeners by port.
    pub listeners: BTreeMap<u16, Listener>,
    /// Target groups that a listener or rule names, by name.
    pub target_groups: BTreeMap<String, TargetGroup>,
    /// `idle_timeout`
    pub idle_timeout: Duration,
    /// `client_keep_alive`
    pub client_keep_alive: Duration,
    /// `drop_invalid_header_fields`
    pub drop_invalid_headers: bool,
}

/// A node: one HAProxy in one subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Namespace of its interface.
    pub namespace: String,
    /// Its private address.
    pub address: Ipv4Addr,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// For HTTPS: the PEM file with certificate chain and key, as HAProxy reads it.
    pub certificate: Option<PathBuf>,
    /// `ssl_policy`, where it speaks TLS.
    pub ssl_policy: Option<String>,
    /// Rules in order of priority.
    pub rules: Vec<Rule>,
    /// What happens where no rule fits.
    pub default: Action,
}

/// A rule: every condition must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Priority, lowest first.
    pub priority: u32,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// What happens.
    pub action: Action,
}

/// A condition; one of its values must fit. Patterns have `*` and `?`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// Host header.
    Host(Vec<String>),
    /// Path.
    Path(Vec<String>),
    /// A header: its name and patterns.
    Header(String, Vec<String>),
    /// Methods.
    Method(Vec<String>),
    /// Pairs of the query string: key, or `None` for any, and value.
    Query(Vec<(Option<String>, String)>),
    /// Addresses of clients.
    Source(Vec<ipnet::Ipv4Net>),
}

/// What a listener does with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// To a target group, by name.
    Forward(String),
    /// An answer with a new address; `#{protocol}`, `#{host}`, `#{port}`, `#{path}`, `#{query}` stand for the request's.
    Redirect {
        /// `HTTP`, `HTTPS` or a placeholder.
        protocol: String,
        /// Host or placeholder.
        host: String,
        /// Port or placeholder.
        port: String,
        /// Path or placeholder.
        path: String,
        /// Query or placeholder.
        query: String,
        /// 301 or 302.
        status: u16,
    },
    /// A fixed answer.
    Fixed {
        /// Status.
        status: u16,
        /// Content type.
        content_type: String,
        /// Body.
        body: String,
    },
}

/// A target group with its targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Its name.
    pub name: String,
    /// Health check.
    pub health_check: HealthCheck,
    /// How long a deregistered target still finishes what it has.
    pub deregistration_delay: Duration,
    /// Below this many healthy targets the load balancer sends to all of them (fails open).
    pub minimum_healthy_targets: u32,
    /// Its targets.
    pub targets: Vec<Target>,
}

/// The health check of a target group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Path.
    pub path: String,
    /// Port; `None` is the target's own.
    pub port: Option<u16>,
    /// Accepted statuses: `200`, `200,202`, `200-299`.
    pub matcher: String,
    /// Between two checks.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Passes in a row until an unhealthy target is healthy. A new target is healthy after its first.
    pub healthy_threshold: u32,
    /// Failures in a row until a healthy target is unhealthy.
    pub unhealthy_threshold: u32,
}

/// A registered target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Address.
    pub address: Ipv4Addr,
    /// Port.
    pub port: u16,
    /// Deregistered: it finishes what it has and gets nothing new.
    pub draining: bool,
}

/// How a target fares, in the load balancer's words: all nodes taken together.
///
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetHealth {
    /// No check has passed or failed for good yet.
    Initial,
    /// Checks pass on every node.
    Healthy,
    /// Checks fail on some node.
    Unhealthy,
    /// Deregistered, with requests still running or its delay not over.
    Draining,
    /// Not known to any node.
    Unused,
}
