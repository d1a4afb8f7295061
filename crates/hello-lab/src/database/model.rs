//! What a database instance should be: plain data, made from resources.

use super::files::key;
use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    path::PathBuf,
};

/// An RDS instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `identifier` of the resource, unique in its region: also the name of its part and directory, and `cluster_name`.
    pub identifier: String,
    /// AWS region.
    pub region: String,
    /// Namespace in which its one address lives.
    pub namespace: String,
    /// Its private address.
    pub address: Ipv4Addr,
    /// The endpoint's host name, as Terraform sees it; the certificate is for it.
    pub hostname: String,
    /// The port it listens on.
    pub port: u16,
    /// Major version that is wanted: `15`.
    pub major_version: u32,
    /// Where its data came from.
    pub origin: Origin,
    /// The master user, where it is known: who owns the database `postgres`, where not.
    pub user: Option<String>,
    /// The master password, where one is given: a changed one is set. A copy has its source's until then.
    pub password: Option<Secret>,
    /// Parameters of its parameter group by name, as given there.
    pub parameters: BTreeMap<String, String>,
    /// Those of them whose `apply_method` is `pending-reboot`: a change waits for the next reboot even where PostgreSQL
    /// could take it at once.
    #[serde(default)]
    pub parameters_at_reboot: BTreeSet<String>,
    /// Memory of the instance class in bytes, for formulas over `DBInstanceClassMemory`; 0 where it is not known.
    #[serde(default)]
    pub memory: u64,
    /// Processors of the instance class, for formulas over `DBInstanceVCPU`; 0 where they are not known.
    #[serde(default)]
    pub vcpus: u32,
    /// Storage in bytes. It only grows, as on RDS.
    pub storage: u64,
    /// Should it run?
    pub running: bool,
    /// Certificate chain and key for `hostname`, and the CA that clients check against (PEM files).
    pub tls: TlsFiles,
    /// The addresses of the VPCs it may be reached from, for `pg_hba.conf`; the security groups decide the rest.
    pub clients: Vec<ipnet::Ipv4Net>,
}

impl Instance {
    /// What it is found by among all instances of the lab.
    pub fn key(&self) -> String {
        key(&self.region, &self.identifier)
    }
}

/// How an instance came to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// Empty, with a master user and perhaps a database. What has data already is left as it is: a replica that is none
    /// any more was promoted.
    New {
        /// The database made at creation (`db_name`).
        database: Option<String>,
    },
    /// A read replica by streaming. Ignored once it was promoted.
    Replica {
        /// Key of the source: region and identifier.
        source: String,
        /// Address of the source.
        address: Ipv4Addr,
        /// Endpoint name of the source, for which its certificate is.
        hostname: String,
        /// Port of the source.
        port: u16,
    },
    /// Restored from a snapshot of this name in its region.
    Snapshot {
        /// Name of the snapshot.
        name: String,
    },
}

/// Files of a server's TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFiles {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// Certificate of the lab's CA.
    pub ca: PathBuf,
}

/// What an instance is doing, in RDS's words.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Data is being made or copied.
    Creating,
    /// It answers.
    Available,
    /// It goes down and comes up again.
    Rebooting,
    /// It was stopped and stays so.
    Stopped,
    /// Its storage has no room left. It may still answer, and refuses what needs room; or it does not run, since it could
    /// not recover.
    StorageFull,
    /// It should run and does not answer: why.
    Failed(String),
}
