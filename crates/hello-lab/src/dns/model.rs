//! What a DNS server of the lab answers: plain data, in a file that the daemon writes and the server reads again when it
//! changes.

use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

/// The data of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerData {
    /// Zones it is authoritative for, by name without the last dot, lower case. A name below one that has no record is
    /// answered NXDOMAIN.
    pub zones: BTreeMap<String, Zone>,
    /// Where everything else is asked; refused where `None`.
    pub forward: Option<Ipv4Addr>,
}

/// A zone: records by full name without the last dot, lower case. `*.` at the beginning of a name is a wildcard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Record sets.
    pub names: BTreeMap<String, Vec<RecordSet>>,
}

/// Records of one type under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    /// Seconds.
    pub ttl: u32,
    /// Their content.
    pub data: RecordData,
}

/// Content of a record set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordData {
    /// Addresses; every answer turns them round by one.
    A(BTreeSet<Ipv4Addr>),
    /// Another name.
    Cname(String),
    /// Texts.
    Txt(Vec<String>),
    /// Name servers.
    Ns(Vec<String>),
    /// Any other type, in presentation form: answered as it is where the server can, else not at all.
    Other(String, Vec<String>),
}
