//! What a task should be, and how it fares: plain data.

use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use std::{net::Ipv4Addr, path::PathBuf, time::Duration};

/// A task: containers that share one network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// 32 hexadecimal digits, as in the task's ARN.
    pub id: String,
    /// AWS region.
    pub region: String,
    /// Namespace of its interface; it exists before the task starts.
    pub namespace: String,
    /// Its private address.
    pub address: Ipv4Addr,
    /// Address of the VPC's resolver, for `resolv.conf`.
    pub resolver: Ipv4Addr,
    /// CPU units: 1024 are one core.
    pub cpu: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// PEM file of the CA that the registry's certificate is checked against.
    pub registry_ca: PathBuf,
    /// Its containers, started in this order.
    pub containers: Vec<Container>,
}

/// A container of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// `ghcr.io/OWNER/NAME@sha256:...` or with a tag.
    pub image: String,
    /// User and password (or token) of the registry.
    pub registry_credentials: Option<(String, Secret)>,
    /// The task ends when an essential container ends.
    pub essential: bool,
    /// In place of the image's entry point.
    pub entry_point: Option<Vec<String>>,
    /// In place of the image's command.
    pub command: Option<Vec<String>>,
    /// Environment in the clear.
    pub environment: Vec<(String, String)>,
    /// Environment from secrets, already resolved.
    pub secrets: Vec<(String, Secret)>,
    /// `user` or `user:group` in numbers, in place of the image's.
    pub user: Option<String>,
    /// Capabilities that it must not have, as ECS names them (`NET_RAW`); `ALL` for all.
    pub dropped_capabilities: Vec<String>,
    /// Is the root file system read-only?
    pub read_only_root: bool,
    /// Its health check.
    pub health_check: Option<HealthCheck>,
    /// From TERM to KILL.
    pub stop_timeout: Duration,
    /// Where its output goes.
    pub log: Option<LogDestination>,
}

/// A container's health check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// `["CMD", ...]` or `["CMD-SHELL", "..."]`.
    pub command: Vec<String>,
    /// Between two checks.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
    /// Failures in this time after the start do not count.
    pub start_period: Duration,
}

/// Where `awslogs` writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogDestination {
    /// The log group.
    pub group: String,
    /// The log stream: `PREFIX/CONTAINER/TASK`.
    pub stream: String,
}

/// How a task fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Pulling and preparing.
    Provisioning,
    /// Its containers run.
    Running {
        /// What its health checks say.
        health: Health,
    },
    /// It ends: an essential container has ended, or it was told to stop, and what still runs gets its time.
    Stopping(Stopped),
    /// It has ended, or never came to run.
    Stopped(Stopped),
}

/// What the health checks of a task say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// It has none, or none has passed or failed for good yet.
    Unknown,
    /// All pass.
    Healthy,
    /// One has failed as often as it may.
    Unhealthy,
}

/// Why a task has ended, in ECS's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// `CannotPullContainerError`, `ResourceInitializationError`, `OutOfMemoryError`, `EssentialContainerExited`, ...
    pub code: String,
    /// One sentence.
    pub reason: String,
    /// Exit code of the container that ended it, where there is one; 137 is SIGKILL, 143 SIGTERM.
    pub exit_code: Option<i32>,
}

/// All that is known of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How it fares.
    pub status: Status,
    /// When it was begun, in milliseconds since 1970; likewise below.
    pub created: u64,
    /// When its last container was started.
    pub started: Option<u64>,
    /// When it had ended.
    pub stopped: Option<u64>,
    /// Its containers, in the order of the task.
    pub containers: Vec<ContainerReport>,
    /// What this machine cannot do for it: limits that have no cgroup here.
    pub warnings: Vec<String>,
}

/// How a container fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerReport {
    /// Its name.
    pub name: String,
    /// Digest of its image, once that is pulled.
    pub image_digest: Option<String>,
    /// Its first process on this machine, while it runs.
    pub pid: Option<i32>,
    /// What its own health check says.
    pub health: Health,
    /// How it ended.
    pub exit_code: Option<i32>,
}
