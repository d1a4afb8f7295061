//! What is asked of the kernel inside one namespace: netlink through the crate `rtnetlink`, files below `/proc/sys/net`,
//! and the program `nft`.
//!
//! Everything here works on the namespace of the thread that calls it; [`inside`] is the way in.

use super::{
    netns::Namespace,
    state::{Address, End, FoundLink, LOOPBACK, PolicyRule, Route, Way},
};
use crate::timeouts;
use futures_util::TryStreamExt as _;
use ipnet::Ipv4Net;
use rtnetlink::{
    AddressAddRequest, Handle, IpVersion, LinkMessageBuilder, LinkUnspec, RouteMessageBuilder,
    packet_route::{
        address::{AddressAttribute, AddressMessage},
        link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
        route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType},
        rule::{RuleAction, RuleAttribute, RuleMessage},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    net::{IpAddr, Ipv4Addr},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{io::AsyncWriteExt as _, process::Command};

/// Runs `work` inside a namespace, with a connection to its part of the kernel.
pub(super) fn inside<T: Send + 'static>(
    namespace: &Namespace,
    work: impl AsyncFnOnce(Kernel) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    namespace.run(move || here(work))
}

/// Runs `work` in the namespace that the thread is in.
pub(super) fn here<T>(work: impl AsyncFnOnce(Kernel) -> io::Result<T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        match tokio::time::timeout(timeouts::KERNEL, work(Kernel { handle })).await {
            Ok(done) => done,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel has not answered")),
        }
    })
}

/// The kernel, as far as one namespace goes.
pub(super) struct Kernel {
    handle: Handle,
}

/// What the kernel has for links: by name, and the names by number.
pub(super) struct Links {
    pub(super) by_name: BTreeMap<String, FoundLink>,
    pub(super) names: BTreeMap<u32, String>,
    /// The alias of the loopback interface.
    pub(super) mark: Option<String>,
}

impl Kernel {
    pub(super) async fn links(&self) -> io::Result<Links> {
        let mut links = Links { by_name: BTreeMap::new(), names: BTreeMap::new(), mark: None };
        let mut messages = self.handle.link().get().execute();
        while let Some(message) = messages.try_next().await.map_err(error)? {
            let mut link = FoundLink { index: message.header.index, ..FoundLink::default() };
            link.up = message.header.flags.contains(LinkFlags::Up);
            let mut name = String::new();
            for attribute in message.attributes {
                match attribute {
                    LinkAttribute::IfName(text) => name = text,
                    LinkAttribute::Link(index) => link.peer_index = Some(index),
                    LinkAttribute::IfAlias(alias) if message.header.flags.contains(LinkFlags::Loopback) => {
                        links.mark = Some(alias);
                    }
                    LinkAttribute::LinkInfo(infos) => {
                        link.veth = infos.iter().any(|info| matches!(info, LinkInfo::Kind(InfoKind::Veth)));
                    }
                    _ => {}
                }
            }
            links.names.insert(link.index, name.clone());
            links.by_name.insert(name, link);
        }
        Ok(links)
    }

    pub(super) async fn addresses(&self, names: &BTreeMap<u32, String>) -> io::Result<BTreeSet<Address>> {
        let mut addresses = BTreeSet::new();
        let mut messages = self.handle.address().get().execute();
        while let Some(message) = messages.try_next().await.map_err(error)? {
            if let (Some(link), Some(address)) = (names.get(&message.header.index), address_of(&message)) {
                addresses.insert(Address { link: link.clone(), address });
            }
        }
        Ok(addresses)
    }

    /// The routes that somebody made: those of the kernel's own follow from the addresses.
    pub(super) async fn routes(&self, names: &BTreeMap<u32, String>) -> io::Result<BTreeSet<Route>> {
        let mut routes = BTreeSet::new();
        let mut messages = self.handle.route().get(RouteMessageBuilder::<Ipv4Addr>::new().build()).execute();
        while let Some(message) = messages.try_next().await.map_err(error)? {
            if message.header.protocol != RouteProtocol::Kernel {
                routes.insert(route_of(&message, names));
            }
        }
        Ok(routes)
    }

    /// The rules that somebody made, next to the three that every namespace begins with.
    pub(super) async fn rules(&self) -> io::Result<BTreeSet<PolicyRule>> {
        let mut rules = BTreeSet::new();
        let mut messages = self.handle.rule().get(IpVersion::V4).execute();
        while let Some(message) = messages.try_next().await.map_err(error)? {
            let rule = rule_of(&message);
            if !matches!(rule.priority, 0 | 32766 | 32767) {
                rules.insert(rule);
            }
        }
        Ok(rules)
    }

    async fn index(&self, link: &str) -> io::Result<u32> {
        let mut messages = self.handle.link().get().match_name(link.to_owned()).execute();
        match messages.try_next().await.map_err(error)? {
            Some(message) => Ok(message.header.index),
            None => Err(io::Error::from_raw_os_error(nix::errno::Errno::ENODEV as i32)),
        }
    }

    /// Makes a veth pair, both ends switched off, one here and one in the namespace that `peer` names.
    pub(super) async fn add_wire(&self, link: &str, peer: &End) -> io::Result<()> {
        let namespace = File::open(Namespace::named(&peer.namespace).path())?;
        let other_end = LinkUnspec::new_with_name(&peer.link).setns_by_fd(namespace.as_raw_fd()).build();
        let pair = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Veth)
            .name(link)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(other_end)))
            .build();
        self.handle.link().add(pair).execute().await.map_err(error)
    }

    /// Makes a veth pair with both ends here.
    pub(super) async fn add_pair(&self, one: &str, other: &str) -> io::Result<()> {
        let other = LinkUnspec::new_with_name(other).build();
        let pair = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Veth)
            .name(one)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(other)))
            .build();
        self.handle.link().add(pair).execute().await.map_err(error)
    }

    pub(super) async fn delete_link(&self, link: &str) -> io::Result<()> {
        let index = self.index(link).await?;
        self.handle.link().del(index).execute().await.map_err(error)
    }

    pub(super) async fn switch_on(&self, link: &str) -> io::Result<()> {
        self.change(LinkUnspec::new_with_name(link).up().build()).await
    }

    /// Writes an alias to the loopback interface and switches it on.
    pub(super) async fn mark(&self, mark: &str) -> io::Result<()> {
        self.change(LinkUnspec::new_with_name(LOOPBACK).alias(mark).up().build()).await
    }

    async fn change(&self, message: LinkMessage) -> io::Result<()> {
        self.handle.link().change(message).execute().await.map_err(error)
    }

    pub(super) async fn add_address(&self, address: &Address) -> io::Result<()> {
        let index = self.index(&address.link).await?;
        self.address_request(index, address).execute().await.map_err(error)
    }

    pub(super) async fn delete_address(&self, address: &Address) -> io::Result<()> {
        let index = self.index(&address.link).await?;
        let message = self.address_request(index, address).message_mut().clone();
        self.handle.address().del(message).execute().await.map_err(error)
    }

    fn address_request(&self, index: u32, address: &Address) -> AddressAddRequest {
        self.handle.address().add(index, IpAddr::V4(address.address.addr()), address.address.prefix_len())
    }

    /// Puts a route in place of the one for the same destination, if there is one, in one step.
    pub(super) async fn replace_route(&self, route: &Route) -> io::Result<()> {
        let message = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(route.destination.addr(), route.destination.prefix_len())
            .table_id(route.table)
            .protocol(RouteProtocol::Static);
        let message = match &route.way {
            Way::Blackhole => message.kind(RouteType::BlackHole).scope(RouteScope::Universe),
            Way::Link(link) => message.output_interface(self.index(link).await?).scope(RouteScope::Link),
            // `onlink`: the router's end of a wire has no address, so no network that the gateway would be in.
            Way::Gateway(gateway, link) => {
                message.gateway(*gateway).output_interface(self.index(link).await?).onlink()
            }
            Way::Foreign => return Err(io::Error::from(io::ErrorKind::Unsupported)),
        };
        self.handle.route().add(message.build()).replace().execute().await.map_err(error)
    }

    /// Deletes the route for this destination, whichever way it goes.
    pub(super) async fn delete_route(&self, route: &Route) -> io::Result<()> {
        let mut message = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(route.destination.addr(), route.destination.prefix_len())
            .table_id(route.table)
            .protocol(RouteProtocol::Unspec)
            .scope(RouteScope::NoWhere)
            .kind(RouteType::Unspec);
        if route.priority > 0 {
            message = message.priority(route.priority);
        }
        self.handle.route().del(message.build()).execute().await.map_err(error)
    }

    pub(super) async fn add_rule(&self, rule: &PolicyRule) -> io::Result<()> {
        let mut request = self.handle.rule().add().v4();
        *request.message_mut() = rule_message(rule, request.message_mut().clone());
        request.execute().await.map_err(error)
    }

    /// Deletes the first rule that has all that `rule` has.
    pub(super) async fn delete_rule(&self, rule: &PolicyRule) -> io::Result<()> {
        let mut request = self.handle.rule().add().v4();
        let mut message = rule_message(rule, request.message_mut().clone());
        // Whatever it does, next to looking up a table.
        message.header.action = RuleAction::Unspec;
        self.handle.rule().del(message).execute().await.map_err(error)
    }
}

fn address_of(message: &AddressMessage) -> Option<Ipv4Net> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
        _ => None,
    })?;
    Ipv4Net::new(local, message.header.prefix_len).ok()
}

fn route_of(message: &RouteMessage, names: &BTreeMap<u32, String>) -> Route {
    let header = &message.header;
    let mut table = u32::from(header.table);
    let (mut destination, mut priority, mut gateway, mut link) = (Ipv4Addr::UNSPECIFIED, 0, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(RouteAddress::Inet(address)) => destination = *address,
            RouteAttribute::Priority(number) => priority = *number,
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => gateway = Some(*address),
            RouteAttribute::Oif(index) => link = names.get(index).cloned(),
            _ => {}
        }
    }
    let way = match (header.kind, gateway, link) {
        (RouteType::BlackHole, _, _) => Way::Blackhole,
        (RouteType::Unicast, None, Some(link)) => Way::Link(link),
        (RouteType::Unicast, Some(gateway), Some(link)) => Way::Gateway(gateway, link),
        _ => Way::Foreign,
    };
    let destination = Ipv4Net::new(destination, header.destination_prefix_length).unwrap_or_default();
    Route { table, destination, priority, way }
}

fn rule_of(message: &RuleMessage) -> PolicyRule {
    let mut rule = PolicyRule {
        priority: 0,
        source: None,
        table: u32::from(message.header.table),
        suppress_prefix_length: None,
    };
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(number) => rule.priority = *number,
            RuleAttribute::Table(number) => rule.table = *number,
            RuleAttribute::Source(IpAddr::V4(address)) => {
                rule.source = Ipv4Net::new(*address, message.header.src_len).ok();
            }
            // The kernel says "none" as the largest number.
            RuleAttribute::SuppressPrefixLen(length) if *length != u32::MAX => {
                rule.suppress_prefix_length = Some(*length);
            }
            _ => {}
        }
    }
    rule
}

fn rule_message(rule: &PolicyRule, mut message: RuleMessage) -> RuleMessage {
    message.header.table = u8::try_from(rule.table).unwrap_or(0);
    message.header.action = RuleAction::ToTable;
    message.attributes.push(RuleAttribute::Priority(rule.priority));
    message.attributes.push(RuleAttribute::Table(rule.table));
    if let Some(source) = rule.source {
        message.header.src_len = source.prefix_len();
        message.attributes.push(RuleAttribute::Source(IpAddr::V4(source.network())));
    }
    if let Some(length) = rule.suppress_prefix_length {
        message.attributes.push(RuleAttribute::SuppressPrefixLen(length));
    }
    message
}

fn error(error: rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other),
    }
}

/// A setting below `/proc/sys/net`: the files there are those of the namespace of the thread that opens them.
fn setting(name: &str) -> PathBuf {
    Path::new("/proc/sys/net").join(name)
}

/// The value of a setting; `None` where there is no such link. A kernel without IPv6 has all that is wanted of it.
pub(super) fn read_setting(name: &str, wanted: &str) -> Option<String> {
    if name.starts_with("ipv6/") && !setting("ipv6").exists() {
        return Some(wanted.to_owned());
    }
    fs::read_to_string(setting(name)).ok().map(|value| value.trim_end().to_owned())
}

pub(super) fn write_setting(name: &str, value: &str) -> io::Result<()> {
    fs::write(setting(name), value)
}

/// Runs `nft` with `input`; what it printed. The crate `nftables` could run it too, but waits without a limit.
pub(super) async fn nft(arguments: &[&str], input: &str) -> io::Result<Vec<u8>> {
    let mut command = Command::new("nft");
    command.args(arguments).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            io::Error::new(error.kind(), "there is no program nft; install it with: apt-get install nftables")
        }
        _ => error,
    })?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_owned();
    let write = async move {
        let written = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        written
    };
    let (written, output) = tokio::join!(write, child.wait_with_output());
    let output = output?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("nft refused the ruleset: {}", message.trim())));
    }
    written?;
    Ok(output.stdout)
}
