//! What a lab's network should be: plain data, made from resources, with no effect of its own.
//!
//! Every address is given; nothing here or below chooses one. Names of namespaces are given too.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

/// The whole network of a lab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// What stands outside all VPCs.
    pub internet: Internet,
    /// The VPCs by identifier (`vpc-...`).
    pub vpcs: BTreeMap<String, Vpc>,
    /// Namespaces of hosts and resolvers that are cut off by a fault: they have no link.
    pub cut: BTreeSet<String>,
}

/// The internet of the lab: one router and hosts with documentation addresses (RFC 5737).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Internet {
    /// Namespace of the router.
    pub namespace: String,
    /// Ranges whose first address the router has.
    pub ranges: Vec<Ipv4Net>,
    /// Hosts by name: registry, DNS, client, administrator, stranger.
    pub hosts: BTreeMap<String, Host>,
}

/// A host of the internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its namespace.
    pub namespace: String,
    /// Its address, in one of the ranges.
    pub address: Ipv4Addr,
}

/// A VPC: one router namespace, and all that hangs on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// `vpc-...`
    pub id: String,
    /// AWS region.
    pub region: String,
    /// Namespace of the router.
    pub namespace: String,
    /// Its range.
    pub cidr: Ipv4Net,
    /// Subnets by identifier.
    pub subnets: BTreeMap<String, Subnet>,
    /// Route tables by identifier.
    pub route_tables: BTreeMap<String, RouteTable>,
    /// The attached internet gateway, if any.
    pub internet_gateway: Option<InternetGateway>,
    /// Security groups by identifier.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// Network interfaces by identifier (`eni-...`).
    pub interfaces: BTreeMap<String, Interface>,
    /// The resolver at the second address of the VPC; `None` where DNS support is off.
    pub resolver: Option<Resolver>,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its range.
    pub cidr: Ipv4Net,
    /// `eu-west-1a`
    pub availability_zone: String,
    /// The route table that counts for it: the associated one, else the main one of the VPC.
    pub route_table: String,
}

/// A route table. The local route of the VPC is always there and not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Targets by destination.
    pub routes: BTreeMap<Ipv4Net, RouteTarget>,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteTarget {
    /// The internet gateway of the VPC.
    InternetGateway,
    /// The interface of a NAT gateway or of an instance.
    Interface(String),
    /// The target is gone: packets are dropped, as AWS shows it with the state `blackhole`.
    Blackhole,
}

/// An internet gateway: its own namespace between the VPC's router and the internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternetGateway {
    /// `igw-...`
    pub id: String,
    /// Its namespace.
    pub namespace: String,
    /// Its own address on the internet side.
    pub address: Ipv4Addr,
}

/// The resolver of a VPC: a leg in the VPC at the second address, and one on the internet, without forwarding between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolver {
    /// Its namespace.
    pub namespace: String,
    /// The second address of the VPC's range.
    pub address: Ipv4Addr,
    /// Its address on the internet side.
    pub outside: Ipv4Addr,
}

/// A network interface: a point-to-point link between the VPC's router and the namespace of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// `eni-...`
    pub id: String,
    /// Namespace of the part; it has this interface as `eth0`.
    pub namespace: String,
    /// Its subnet.
    pub subnet: String,
    /// Its private address.
    pub address: Ipv4Addr,
    /// The public address that the internet gateway translates, if any.
    pub public_address: Option<Ipv4Addr>,
    /// Its security groups.
    pub security_groups: BTreeSet<String>,
    /// What stands behind it.
    pub kind: InterfaceKind,
    /// Cut off by a fault: nothing passes, flows that stand included.
    pub cut: bool,
}

/// What stands behind an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InterfaceKind {
    /// A task, a database, a load balancer's node, an instance: its security groups count.
    Part,
    /// A NAT gateway: translates what comes from the VPC to its own address; no security group.
    NatGateway,
}

/// A security group: its rules. Members are the interfaces that name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// What may come in.
    pub ingress: BTreeSet<Rule>,
    /// What may go out.
    pub egress: BTreeSet<Rule>,
}

/// One permission.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// What it permits.
    pub protocol: Protocol,
    /// From whom, or to whom.
    pub peer: Peer,
}

/// Protocol and ports of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// Everything (`-1`).
    All,
    /// TCP, from port to port inclusive.
    Tcp(u16, u16),
    /// UDP, from port to port inclusive.
    Udp(u16, u16),
    /// ICMP; `None` is every type, or every code.
    Icmp(Option<u8>, Option<u8>),
}

/// The other side of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Peer {
    /// Addresses.
    Cidr(Ipv4Net),
    /// The private addresses of a security group's members.
    SecurityGroup(String),
}
