//! From the model to what each namespace should hold. All that a VPC means in the kernel's words is decided here.
//!
//! - A network interface is a veth pair without a bridge. The part's end is `eth0` with the subnet's prefix. The router's
//!   end carries the name of the address it leads to, has no address, and answers for every other one (`proxy_arp`), so
//!   packets within a subnet cross the router's filter too.
//! - A router has the first address of each subnet on its loopback, a route to each interface in the main table, and
//!   below them a black hole for the rest of the VPC's range. That is the local route.
//! - Each subnet has a table of its own with the routes of its route table, asked for packets from the subnet that the
//!   main table has no way for. Its number follows from the subnet's place in the VPC, so that no other one moves it.
//! - A subnet without a way to the internet gateway has no way in either: the router drops what comes from the gateway
//!   unless its answer would leave by it (`rp_filter` on that one link).

use super::{
    filter::{gateways, security_groups},
    model::{Interface, InterfaceKind, InternetGateway, Network, Resolver, RouteTarget, Subnet, Vpc},
    state::{Address, End, LOOPBACK, MAIN_TABLE, PolicyRule, Route, WantedNamespace, Way, Wire},
};
use ipnet::Ipv4Net;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

/// The part's end of a wire.
const PART_LINK: &str = "eth0";
/// The router's link to the internet gateway, and the gateway's to the router.
const GATEWAY_LINK: &str = "igw";
const VPC_LINK: &str = "vpc";
/// The link of a gateway or resolver to the internet.
const OUTSIDE_LINK: &str = "internet";

/// Between router and internet gateway: link-local addresses, which no VPC can have.
const ROUTER_AT_GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 1);
const GATEWAY_AT_ROUTER: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 2);

/// The main table is asked first, then that of the subnet.
const LOCAL_RULE: u32 = 100;
const SUBNET_RULE: u32 = 200;
/// The longest prefix that is no VPC's: a route that somebody puts into the main table must not go before a subnet's.
/// "The allowed block size is between a /28 netmask and /16 netmask."
/// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html>
const NOT_LOCAL: u32 = 15;
/// Tables of subnets have this number and above; the longest prefix of a subnet ("between a /28 netmask and /16
/// netmask", same page).
const SUBNET_TABLES: u32 = 1000;
const SMALLEST_SUBNET: u8 = 28;

/// What a network should be in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Namespaces by name.
    pub namespaces: BTreeMap<String, WantedNamespace>,
    /// The veth pairs between them.
    pub wires: BTreeSet<Wire>,
    /// What the model asks for and cannot be had, each as a sentence.
    pub refused: Vec<String>,
}

impl Wanted {
    /// What `network` should be.
    pub fn of(network: &Network) -> Wanted {
        let mut wanted = Wanted::default();
        wanted.internet(network);
        for vpc in network.vpcs.values() {
            wanted.vpc(network, vpc);
        }
        wanted
    }

    fn internet(&mut self, network: &Network) {
        let internet = &network.internet;
        if internet.namespace.is_empty() {
            return;
        }
        let router = self.namespace(&internet.namespace, true);
        for range in &internet.ranges {
            router.addresses.insert(on_loopback(first_address(*range)));
        }
        router.routes.insert(blackhole(MAIN_TABLE, everywhere()));
        for (name, host) in &internet.hosts {
            self.on_the_internet(network, &format!("host {name}"), &host.namespace, PART_LINK, host.address);
        }
    }

    /// Hangs a namespace on the internet's router, if the internet has its address.
    fn on_the_internet(
        &mut self,
        network: &Network,
        what: &str,
        namespace: &str,
        link: &str,
        address: Ipv4Addr,
    ) -> bool {
        let internet = &network.internet;
        let range =
            internet.ranges.iter().find(|range| range.contains(&address) && !internet.namespace.is_empty());
        let Some(range) = range else {
            self.refused.push(format!("{what}: {address} is in no range of the internet"));
            return false;
        };
        if network.cut.contains(namespace) {
            self.namespace(namespace, false);
            return true;
        }
        let router = self.namespace(&internet.namespace, true);
        if router.routes.iter().any(|route| route.destination == Ipv4Net::from(address)) {
            self.refused.push(format!("{what}: {address} is taken"));
            return false;
        }
        let gateway = Some(first_address(*range));
        let end = End::new(namespace, link);
        // No other address is next door, not even one of the same range: all go by the router, and those that a gateway
        // has on behalf of others may lead back to it.
        self.attach(&internet.namespace, end, address, 32, gateway);
        true
    }

    fn vpc(&mut self, network: &Network, vpc: &Vpc) {
        let cidr = vpc.cidr.trunc();
        let router = self.namespace(&vpc.namespace, true);
        router.routes.insert(blackhole(MAIN_TABLE, cidr));
        router.rules.insert(PolicyRule {
            priority: LOCAL_RULE,
            source: None,
            table: MAIN_TABLE,
            suppress_prefix_length: Some(NOT_LOCAL),
        });
        let subnets = self.subnets(vpc);
        let interfaces = self.interfaces(vpc, &subnets);
        for subnet in subnets.values() {
            self.subnet(vpc, subnet, &interfaces);
        }
        for interface in &interfaces {
            self.interface(vpc, interface);
        }
        if let Some(resolver) = &vpc.resolver {
            self.resolver(network, vpc, resolver);
        }
        if let Some(gateway) = &vpc.internet_gateway {
            self.internet_gateway(network, vpc, gateway, &interfaces);
        }
        let ruleset =
            security_groups::of_vpc(vpc, &interfaces, GATEWAY_LINK, |interface| link_to(interface.address));
        self.namespace(&vpc.namespace, true).ruleset = Some(ruleset);
    }

    /// The subnets that can be had. What is wrong with one must not take the others down.
    fn subnets<'model>(&mut self, vpc: &'model Vpc) -> BTreeMap<&'model str, &'model Subnet> {
        let mut fit: BTreeMap<&str, &Subnet> = BTreeMap::new();
        for (id, subnet) in &vpc.subnets {
            let Subnet { cidr, .. } = subnet;
            let overlaps = |other: &&&Subnet| {
                other.cidr.contains(&cidr.network()) || cidr.contains(&other.cidr.network())
            };
            let trouble = match fit.values().find(overlaps) {
                _ if !vpc.cidr.contains(cidr) => {
                    format!("{cidr} is not in {}, the range of its VPC: choose one that is", vpc.cidr)
                }
                _ if cidr.prefix_len() > SMALLEST_SUBNET => {
                    format!("{cidr} is smaller than the /{SMALLEST_SUBNET} that a subnet has at least")
                }
                Some(other) => {
                    format!("{cidr} overlaps {}, another subnet of the VPC: choose a free range", other.cidr)
                }
                None => {
                    fit.insert(id, subnet);
                    continue;
                }
            };
            self.refused.push(format!("subnet {id}: {trouble}"));
        }
        fit
    }

    /// The interfaces that can be had.
    fn interfaces<'model>(
        &mut self,
        vpc: &'model Vpc,
        subnets: &BTreeMap<&str, &Subnet>,
    ) -> Vec<&'model Interface> {
        let mut addresses: BTreeSet<_> = vpc.resolver.iter().map(|resolver| resolver.address).collect();
        addresses.extend(subnets.values().map(|subnet| first_address(subnet.cidr)));
        let mut fit = Vec::new();
        for interface in vpc.interfaces.values() {
            let Interface { id, namespace, subnet, address, .. } = interface;
            let trouble = match subnets.get(subnet.as_str()) {
                None => Some(format!("there is no subnet {subnet}")),
                Some(found) if !found.cidr.contains(address) => {
                    Some(format!("{address} is not in {}", found.cidr))
                }
                Some(_) if self.namespaces.contains_key(namespace) => Some(format!("{namespace} is taken")),
                Some(_) if !addresses.insert(*address) => Some(format!("{address} is taken")),
                Some(_) => None,
            };
            if let Some(trouble) = trouble {
                self.refused.push(format!("interface {id}: {trouble}"));
                continue;
            }
            self.namespace(namespace, interface.kind == InterfaceKind::NatGateway);
            fit.push(interface);
        }
        fit
    }

    fn subnet(&mut self, vpc: &Vpc, subnet: &Subnet, interfaces: &[&Interface]) {
        let cidr = subnet.cidr.trunc();
        let place = u32::from(cidr.network()) - u32::from(vpc.cidr.network());
        let table = SUBNET_TABLES + (place >> (32 - SMALLEST_SUBNET));
        let mut ways = BTreeMap::from([(everywhere(), Way::Blackhole)]);
        let routes = vpc.route_tables.get(&subnet.route_table).map(|table| &table.routes);
        for (destination, target) in routes.into_iter().flatten() {
            let destination = destination.trunc();
            if vpc.cidr.contains(&destination) {
                let table = &subnet.route_table;
                self.refused.push(format!(
                    "route {destination} of {table}: inside the VPC only the local route is modelled"
                ));
                continue;
            }
            ways.insert(destination, way_to(vpc, target, interfaces));
        }
        let router = self.namespace(&vpc.namespace, true);
        router.addresses.insert(on_loopback(first_address(cidr)));
        router.rules.insert(PolicyRule {
            priority: SUBNET_RULE,
            source: Some(cidr),
            table,
            suppress_prefix_length: None,
        });
        let routes =
            ways.into_iter().map(|(destination, way)| Route { table, destination, priority: 0, way });
        router.routes.extend(routes);
    }

    fn interface(&mut self, vpc: &Vpc, interface: &Interface) {
        let Some(subnet) = vpc.subnets.get(&interface.subnet) else { return };
        let gateway = Some(first_address(subnet.cidr));
        let end = End::new(&interface.namespace, PART_LINK);
        self.attach(&vpc.namespace, end, interface.address, subnet.cidr.prefix_len(), gateway);
        if interface.kind == InterfaceKind::NatGateway {
            let ruleset = gateways::nat_gateway(PART_LINK, interface.address, vpc.cidr.trunc());
            self.namespace(&interface.namespace, true).ruleset = Some(ruleset);
        }
    }

    /// The leg in the VPC sees the whole VPC as its network, so that the way out can lead to the internet.
    fn resolver(&mut self, network: &Network, vpc: &Vpc, resolver: &Resolver) {
        if self.is_taken(&resolver.namespace, &format!("resolver of {}", vpc.id)) {
            return;
        }
        if network.cut.contains(&resolver.namespace) {
            self.namespace(&resolver.namespace, false);
            return;
        }
        let end = End::new(&resolver.namespace, PART_LINK);
        self.attach(&vpc.namespace, end, resolver.address, vpc.cidr.prefix_len(), None);
        let what = format!("resolver of {}", vpc.id);
        self.on_the_internet(network, &what, &resolver.namespace, OUTSIDE_LINK, resolver.outside);
    }

    fn internet_gateway(
        &mut self,
        network: &Network,
        vpc: &Vpc,
        gateway: &InternetGateway,
        interfaces: &[&Interface],
    ) {
        if self.is_taken(&gateway.namespace, &gateway.id) {
            return;
        }
        self.namespace(&gateway.namespace, true);
        if !self.on_the_internet(network, &gateway.id, &gateway.namespace, OUTSIDE_LINK, gateway.address) {
            return;
        }
        self.wire(End::new(&vpc.namespace, GATEWAY_LINK), End::new(&gateway.namespace, VPC_LINK));
        let router = self.namespace(&vpc.namespace, true);
        router.addresses.insert(on(GATEWAY_LINK, ROUTER_AT_GATEWAY, 30));
        router.settings.insert(of_link("ipv4/conf", GATEWAY_LINK, "rp_filter"), "1".to_owned());
        let inside = self.namespace(&gateway.namespace, true);
        inside.addresses.insert(on(VPC_LINK, GATEWAY_AT_ROUTER, 30));
        let way = Way::Gateway(ROUTER_AT_GATEWAY, VPC_LINK.to_owned());
        inside.routes.insert(Route { table: MAIN_TABLE, destination: vpc.cidr.trunc(), priority: 0, way });

        let mut public = BTreeMap::new();
        for interface in interfaces {
            let Some(address) = interface.public_address else { continue };
            let way = Way::Gateway(gateway.address, link_to(gateway.address));
            let route = Route { table: MAIN_TABLE, destination: Ipv4Net::from(address), priority: 0, way };
            let outside = self.namespace(&network.internet.namespace, true);
            if outside.routes.iter().any(|other| other.key() == route.key()) {
                self.refused.push(format!("interface {}: {address} is taken", interface.id));
                continue;
            }
            outside.routes.insert(route);
            public.insert(interface.address, address);
        }
        let ruleset = gateways::internet_gateway(VPC_LINK, OUTSIDE_LINK, &public);
        self.namespace(&gateway.namespace, true).ruleset = Some(ruleset);
    }

    /// Hangs `part` with `address` on a router.
    fn attach(&mut self, router: &str, part: End, address: Ipv4Addr, prefix: u8, gateway: Option<Ipv4Addr>) {
        let link = link_to(address);
        let at_router = self.namespace(router, true);
        let way = Way::Link(link.clone());
        at_router.routes.insert(Route {
            table: MAIN_TABLE,
            destination: Ipv4Net::from(address),
            priority: 0,
            way,
        });
        at_router.settings.insert(of_link("ipv4/conf", &link, "proxy_arp"), "1".to_owned());
        // An answer to ARP on behalf of another would else wait a random time.
        at_router.settings.insert(of_link("ipv4/neigh", &link, "proxy_delay"), "0".to_owned());

        let inside = self.namespaces.entry(part.namespace.clone()).or_insert_with(|| bare(false));
        inside.addresses.insert(on(&part.link, address, prefix));
        if let Some(gateway) = gateway {
            let way = Way::Gateway(gateway, part.link.clone());
            inside.routes.insert(Route { table: MAIN_TABLE, destination: everywhere(), priority: 0, way });
        }
        self.wire(End::new(router, link), part);
    }

    fn wire(&mut self, router: End, part: End) {
        for (end, other) in [(&router, &part), (&part, &router)] {
            let namespace = self.namespaces.entry(end.namespace.clone()).or_insert_with(|| bare(false));
            namespace.links.insert(end.link.clone(), other.clone());
            namespace.settings.insert(of_link("ipv4/conf", &end.link, "rp_filter"), "0".to_owned());
            namespace.settings.insert(of_link("ipv4/conf", &end.link, "send_redirects"), "0".to_owned());
            namespace.settings.insert(of_link("ipv6/conf", &end.link, "disable_ipv6"), "1".to_owned());
        }
        self.wires.insert(Wire { router, part });
    }

    /// Refuses a second use of a namespace.
    fn is_taken(&mut self, namespace: &str, what: &str) -> bool {
        let taken = self.namespaces.contains_key(namespace);
        if taken {
            self.refused.push(format!("{what}: {namespace} is taken"));
        }
        taken
    }

    fn namespace(&mut self, name: &str, forwards: bool) -> &mut WantedNamespace {
        self.namespaces.entry(name.to_owned()).or_insert_with(|| bare(forwards))
    }
}

/// A namespace with nothing in it yet. What it takes over from the machine's own namespace is set as well.
fn bare(forwards: bool) -> WantedNamespace {
    let settings = [
        ("ipv4/ip_forward", if forwards { "1" } else { "0" }),
        ("ipv4/conf/all/rp_filter", "0"),
        // Packets that leave by the link they came in by are meant to: no one is told of a shorter way.
        ("ipv4/conf/all/send_redirects", "0"),
        // A part runs as an ordinary user and may serve port 443 or 53.
        ("ipv4/ip_unprivileged_port_start", "0"),
        // The model is IPv4 only: no link has an address that no security group knows of.
        ("ipv6/conf/default/disable_ipv6", "1"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    WantedNamespace { settings: BTreeMap::from(settings), ..WantedNamespace::default() }
}

fn way_to(vpc: &Vpc, target: &RouteTarget, interfaces: &[&Interface]) -> Way {
    match target {
        RouteTarget::InternetGateway if vpc.internet_gateway.is_some() => {
            Way::Gateway(GATEWAY_AT_ROUTER, GATEWAY_LINK.to_owned())
        }
        RouteTarget::Interface(id) => match interfaces.iter().find(|interface| interface.id == *id) {
            Some(interface) => Way::Gateway(interface.address, link_to(interface.address)),
            None => Way::Blackhole,
        },
        RouteTarget::InternetGateway | RouteTarget::Blackhole => Way::Blackhole,
    }
}

/// The router's end of a wire carries the address it leads to: an IPv4 address has at most the 15 characters that the
/// kernel allows, and no two interfaces of a VPC have the same.
fn link_to(address: Ipv4Addr) -> String {
    address.to_string()
}

fn of_link(kind: &str, link: &str, name: &str) -> String {
    format!("{kind}/{link}/{name}")
}

fn everywhere() -> Ipv4Net {
    Ipv4Net::default()
}

fn blackhole(table: u32, destination: Ipv4Net) -> Route {
    Route { table, destination, priority: 0, way: Way::Blackhole }
}

fn first_address(network: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(network.network()).saturating_add(1))
}

fn on(link: &str, address: Ipv4Addr, prefix: u8) -> Address {
    let address =
        Ipv4Net::new(address, prefix).expect("a prefix comes from a network and is at most 32 long");
    Address { link: link.to_owned(), address }
}

fn on_loopback(address: Ipv4Addr) -> Address {
    on(LOOPBACK, address, 32)
}

#[cfg(test)]
mod tests;
