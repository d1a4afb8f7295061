//! What a namespace holds, in the kernel's words: the common ground of what is wanted and what is there.

use super::filter::Ruleset;
use ipnet::Ipv4Net;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
};

/// The table that holds what is local to a router: the way to each interface.
pub const MAIN_TABLE: u32 = 254;

/// The loopback interface.
pub const LOOPBACK: &str = "lo";

/// One end of a wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// The namespace it is in.
    pub namespace: String,
    /// Its name there.
    pub link: String,
}

impl End {
    /// The link of this name in this namespace.
    pub fn new(namespace: impl Into<String>, link: impl Into<String>) -> End {
        End { namespace: namespace.into(), link: link.into() }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.link, self.namespace)
    }
}

/// A veth pair: what goes in at one end comes out at the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wire {
    /// The end at the router.
    pub router: End,
    /// The end at what hangs on it.
    pub part: End,
}

/// An address on a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The link.
    pub link: String,
    /// The address, with the length of its network's prefix.
    pub address: Ipv4Net,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.address, self.link)
    }
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The kernel's table.
    pub table: u32,
    /// Where to.
    pub destination: Ipv4Net,
    /// Of two routes to one destination the one with the lower number counts. Ours have 0.
    pub priority: u32,
    /// Which way.
    pub way: Way,
}

impl Route {
    /// The kernel has one route for this at most.
    pub fn key(&self) -> (u32, Ipv4Net, u32) {
        (self.table, self.destination, self.priority)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in table {}", self.destination, self.way, self.table)
    }
}

/// Which way a route goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Dropped without a word.
    Blackhole,
    /// The destination is at the other end of a link.
    Link(String),
    /// By a gateway at the other end of a link.
    Gateway(Ipv4Addr, String),
    /// Something that the lab never makes.
    Foreign,
}

impl Way {
    /// The link it uses.
    pub fn link(&self) -> Option<&str> {
        match self {
            Way::Link(link) | Way::Gateway(_, link) => Some(link),
            Way::Blackhole | Way::Foreign => None,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Blackhole => f.write_str("dropped"),
            Way::Link(link) => write!(f, "by {link}"),
            Way::Gateway(address, link) => write!(f, "via {address} by {link}"),
            Way::Foreign => f.write_str("in a way that the lab never makes"),
        }
    }
}

/// A rule that says which table is looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyRule {
    /// Lower ones are asked first.
    pub priority: u32,
    /// For packets from here only.
    pub source: Option<Ipv4Net>,
    /// The table.
    pub table: u32,
    /// A route that is found there does not count when its prefix is this long or shorter.
    pub suppress_prefix_length: Option<u32>,
}

impl fmt::Display for PolicyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.priority)?;
        if let Some(source) = self.source {
            write!(f, " from {source}")?;
        }
        write!(f, " table {}", self.table)
    }
}

/// What a namespace should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedNamespace {
    /// What each link's other end is.
    pub links: BTreeMap<String, End>,
    /// Its addresses.
    pub addresses: BTreeSet<Address>,
    /// Its routes, beside those that the kernel makes for an address.
    pub routes: BTreeSet<Route>,
    /// Its policy rules, beside the kernel's three.
    pub rules: BTreeSet<PolicyRule>,
    /// Values below `/proc/sys/net`.
    pub settings: BTreeMap<String, String>,
    /// Its packet filter; where `None`, nobody looks at what is there.
    pub ruleset: Option<Ruleset>,
}

/// A link that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundLink {
    /// Its number in its namespace.
    pub index: u32,
    /// The number of its other end in that one's namespace.
    pub peer_index: Option<u32>,
    /// Is it a veth? The kernel puts tunnel devices of its own into a new namespace; those are left alone.
    pub veth: bool,
    /// Is it switched on?
    pub up: bool,
}

/// What a namespace holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundNamespace {
    /// Does it carry the mark of what this module made or was told to look after?
    pub ours: bool,
    /// Does a process live in it? Only asked for where nothing names the namespace.
    pub occupied: bool,
    /// Its links by name.
    pub links: BTreeMap<String, FoundLink>,
    /// Its addresses.
    pub addresses: BTreeSet<Address>,
    /// Its routes, beside those that the kernel makes for an address.
    pub routes: BTreeSet<Route>,
    /// Its policy rules, beside the kernel's three.
    pub rules: BTreeSet<PolicyRule>,
    /// The value of each setting that is wanted and can be read.
    pub settings: BTreeMap<String, String>,
    /// The fingerprint of the ruleset that was applied, where it stands as it was applied.
    pub ruleset: Option<u64>,
}
