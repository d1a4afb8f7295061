//! The arrows: derived from the picture and the table of `docs/system_diagram.md`, not from what the lab does.
//!
//! The bastion and who it reaches are not in it: the lab only records it.

use crate::support::{
    lab::{REGION, TestLab},
    parts::{Parts, namespace_of},
    probe::{ANSWER, Echo, Reach, SILENCE, connect, resolve, seen_as},
};
use hello_lab::network::netns::Namespace;
use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    net::{Ipv4Addr, SocketAddrV4},
    thread::{self, ScopedJoinHandle},
};

/// A box of the diagram, or somebody outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Anybody with a browser.
    Client,
    /// The administrator.
    Administrator,
    /// Another host of the internet, which serves 443 and 80 here and tells clients as whom it sees them.
    Stranger,
    /// The container registry.
    Registry,
    /// The node of the load balancer in this zone.
    Node(char),
    /// The NAT gateway, whose public address is meant from outside.
    Nat,
    /// The task in this zone.
    Task(char),
    /// The primary, which is in zone a.
    Primary,
    /// The read replica, which is in zone b.
    Replica,
    /// The DNS server of the VPC.
    Resolver,
}

impl Place {
    fn is_outside(self) -> bool {
        matches!(self, Client | Administrator | Stranger | Registry)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Client => formatter.pad("client"),
            Administrator => formatter.pad("administrator"),
            Stranger => formatter.pad("internet"),
            Registry => formatter.pad("registry"),
            Node(zone) => formatter.pad(&format!("load balancer {zone}")),
            Nat => formatter.pad("NAT gateway"),
            Task(zone) => formatter.pad(&format!("task {zone}")),
            Primary => formatter.pad("primary"),
            Replica => formatter.pad("replica"),
            Resolver => formatter.pad("resolver"),
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// A TCP connection.
    Tcp(u16),
    /// A question to a DNS server.
    Dns,
}

/// One arrow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrow {
    pub(super) from: Place,
    pub(super) to: Place,
    port: Port,
    pub(super) allowed: bool,
    /// As whom the other side must see it.
    seen_as: Option<Place>,
    why: &'static str,
}

impl fmt::Display for Arrow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = match self.port {
            Port::Tcp(port) => format!("tcp {port}"),
            Port::Dns => "dns".to_owned(),
        };
        write!(formatter, "{:<16} {:<16} {port:<9}", self.from, self.to)
    }
}

const fn yes(from: Place, to: Place, port: u16, why: &'static str) -> Arrow {
    Arrow { from, to, port: Port::Tcp(port), allowed: true, seen_as: None, why }
}

const fn no(from: Place, to: Place, port: u16, why: &'static str) -> Arrow {
    Arrow { from, to, port: Port::Tcp(port), allowed: false, seen_as: None, why }
}

const fn as_nat(from: Place, why: &'static str) -> Arrow {
    Arrow { from, to: Stranger, port: Port::Tcp(443), allowed: true, seen_as: Some(Nat), why }
}

const fn dns(from: Place) -> Arrow {
    let why = "every part of a VPC may ask its resolver";
    Arrow { from, to: Resolver, port: Port::Dns, allowed: true, seen_as: None, why }
}

use Place::{Administrator, Client, Nat, Node, Primary, Registry, Replica, Resolver, Stranger, Task};

/// The arrows of the diagram, and what is closed.
pub(super) const TABLE: &[Arrow] = &[
    yes(Client, Node('a'), 443, "clients speak TLS with the load balancer"),
    yes(Client, Node('b'), 443, "it has a node in each zone"),
    yes(Client, Node('a'), 80, "answered with a redirect"),
    yes(Client, Node('b'), 80, "answered with a redirect"),
    yes(Stranger, Node('a'), 443, "from anywhere"),
    no(Client, Node('a'), 8080, "only 443 and 80"),
    no(Client, Node('a'), 22, "only 443 and 80"),
    no(Client, Task('a'), 8080, "tasks have no public address"),
    no(Client, Task('b'), 9090, "tasks have no public address"),
    no(Client, Primary, 5432, "databases have no public address"),
    no(Client, Replica, 5432, "databases have no public address"),
    no(Stranger, Task('b'), 8080, "tasks have no public address"),
    no(Stranger, Primary, 5432, "databases have no public address"),
    no(Administrator, Task('a'), 9090, "administrators come through the bastion"),
    no(Administrator, Primary, 5432, "administrators come through the bastion"),
    no(Client, Resolver, 53, "the resolver is the VPC's own"),
    no(Client, Nat, 443, "nothing comes in through the NAT gateway"),
    no(Client, Nat, 8080, "nothing comes in through the NAT gateway"),
    no(Stranger, Nat, 443, "not even from where a task has been"),
    no(Administrator, Nat, 22, "nothing comes in through the NAT gateway"),
    yes(Node('a'), Task('a'), 8080, "requests and checks"),
    yes(Node('a'), Task('b'), 8080, "across zones"),
    yes(Node('b'), Task('a'), 8080, "across zones"),
    yes(Node('b'), Task('b'), 8080, "requests and checks"),
    no(Node('a'), Task('a'), 9090, "the private listener is the bastion's"),
    no(Node('b'), Task('a'), 9090, "the private listener is the bastion's"),
    no(Node('a'), Primary, 5432, "databases are the tasks'"),
    no(Node('b'), Primary, 5432, "databases are the tasks'"),
    no(Node('a'), Replica, 5432, "databases are the tasks'"),
    no(Node('a'), Stranger, 443, "it talks to tasks only"),
    no(Node('b'), Registry, 443, "it talks to tasks only"),
    yes(Task('a'), Primary, 5432, "SQL"),
    yes(Task('b'), Primary, 5432, "SQL, across zones"),
    yes(Task('a'), Replica, 5432, "SQL, across zones"),
    yes(Task('b'), Replica, 5432, "SQL"),
    no(Task('a'), Task('b'), 8080, "tasks do not call each other"),
    no(Task('b'), Task('a'), 8080, "tasks do not call each other"),
    no(Task('a'), Task('b'), 9090, "tasks do not call each other"),
    no(Task('a'), Node('a'), 8080, "nobody comes in on 8080 there"),
    yes(Task('b'), Node('a'), 443, "from anywhere, and tasks may go anywhere on 443"),
    as_nat(Task('a'), "image, secrets, logs; seen as the NAT gateway"),
    as_nat(Task('b'), "through the one NAT gateway, which is in the other zone"),
    yes(Task('a'), Registry, 443, "the image"),
    yes(Task('b'), Registry, 443, "the image"),
    no(Task('a'), Stranger, 80, "443 is the only port out"),
    no(Task('b'), Stranger, 80, "443 is the only port out"),
    no(Task('a'), Nat, 443, "a way and not a destination"),
    yes(Replica, Primary, 5432, "streaming"),
    no(Primary, Stranger, 443, "databases begin no connection"),
    no(Replica, Stranger, 443, "databases begin no connection"),
    no(Primary, Registry, 443, "databases begin no connection"),
    no(Primary, Task('a'), 8080, "databases begin no connection"),
    no(Replica, Task('a'), 8080, "databases begin no connection"),
    no(Primary, Node('a'), 443, "databases begin no connection"),
    dns(Task('a')),
    dns(Task('b')),
    dns(Primary),
    dns(Replica),
    dns(Node('a')),
    dns(Node('b')),
];

/// What came of an arrow.
pub(super) struct Outcome {
    arrow: Arrow,
    reach: Reach,
    right: bool,
}

/// A place of a running lab.
struct Found {
    namespace: Option<Namespace>,
    address: Ipv4Addr,
    public: Option<Ipv4Addr>,
}

/// The diagram of a running lab.
pub(super) struct Diagram {
    places: BTreeMap<Place, Found>,
    /// Name and address of the primary.
    primary: (String, Ipv4Addr),
    _servers: Vec<Echo>,
}

impl Diagram {
    /// That of a lab in which everything stands.
    pub(super) fn of(lab: &TestLab) -> Diagram {
        let parts = lab.parts();
        let mut places = BTreeMap::new();
        let inside = |part: &crate::support::parts::Part| Found {
            namespace: Some(
                namespace_of(lab, part.address).unwrap_or_else(|| panic!("no namespace has {part:?}")),
            ),
            address: part.address,
            public: part.public,
        };
        for zone in ['a', 'b'] {
            places.insert(Node(zone), inside(Parts::in_zone(&parts.nodes, zone)));
            places.insert(Task(zone), inside(Parts::in_zone(&parts.tasks, zone)));
        }
        places.insert(Nat, inside(Parts::in_zone(&parts.nat, 'a')));
        places.insert(Primary, inside(Parts::in_zone(&parts.databases, 'a')));
        places.insert(Replica, inside(Parts::in_zone(&parts.databases, 'b')));
        for (place, name) in
            [(Client, "client"), (Administrator, "admin"), (Stranger, "stranger"), (Registry, "registry")]
        {
            let namespace = lab.namespace(name);
            let address = own_address(&namespace);
            places.insert(place, Found { namespace: Some(namespace), address, public: Some(address) });
        }
        // AWS gives a VPC its resolver at the second address.
        let network = u32::from(places[&Primary].address) & 0xffff_0000;
        let resolver = Found { namespace: None, address: Ipv4Addr::from(network + 2), public: None };
        places.insert(Resolver, resolver);
        // What the NAT gateway keeps out is something that would answer.
        let servers = [(Stranger, 443), (Stranger, 80), (Nat, 443), (Nat, 8080), (Nat, 22)];
        let servers =
            servers.map(|(place, port)| Echo::listen(places[&place].namespace.as_ref().unwrap(), port));
        let primary = Parts::in_zone(&parts.databases, 'a');
        let hosts = lab.terraform(&[], &["output", "-json", "database_hosts"]).ok();
        let hosts: Vec<String> = serde_json::from_str(&hosts).unwrap();
        Diagram { places, primary: (hosts[0].clone(), primary.address), _servers: servers.into() }
    }

    /// Tries every arrow.
    pub(super) fn run(&self) -> Vec<Outcome> {
        // Many wait for silence, so they wait side by side.
        thread::scope(|scope| {
            let tries: Vec<_> =
                TABLE.iter().map(|arrow| (arrow, scope.spawn(move || self.follow(arrow)))).collect();
            let outcome = |(arrow, tried): (&Arrow, ScopedJoinHandle<'_, Reach>)| {
                let reach = tried.join().unwrap();
                Outcome { arrow: *arrow, right: self.is_right(arrow, &reach), reach }
            };
            tries.into_iter().map(outcome).collect()
        })
    }

    fn follow(&self, arrow: &Arrow) -> Reach {
        let (from, to) = (&self.places[&arrow.from], &self.places[&arrow.to]);
        let namespace = from.namespace.as_ref().unwrap();
        let limit = if arrow.allowed { ANSWER } else { SILENCE };
        // A part that has no public address is tried at its private one, as somebody would who has heard of it.
        let address = if arrow.from.is_outside() { to.public.unwrap_or(to.address) } else { to.address };
        match arrow.port {
            Port::Tcp(port) if arrow.seen_as.is_some() => {
                seen_as(namespace, SocketAddrV4::new(address, port), limit)
            }
            Port::Tcp(port) => connect(namespace, SocketAddrV4::new(address, port), limit),
            Port::Dns => {
                let (name, address_of_primary) = &self.primary;
                assert!(name.contains(REGION), "{name}");
                let registry = self.places[&Registry].address;
                let answers =
                    [name.as_str(), "ghcr.io"].map(|name| resolve(namespace, to.address, name, limit));
                match answers {
                    [Ok(private), Ok(forwarded)]
                        if private == [*address_of_primary] && forwarded == [registry] =>
                    {
                        Reach::Connected
                    }
                    [Ok(private), Ok(forwarded)] => Reach::Answered(format!("{private:?} {forwarded:?}")),
                    _ => Reach::Silence,
                }
            }
        }
    }

    /// Is it as the table has it?
    fn is_right(&self, arrow: &Arrow, reach: &Reach) -> bool {
        match (arrow.allowed, reach) {
            (true, Reach::Connected) => arrow.seen_as.is_none(),
            (true, Reach::Answered(text)) => arrow
                .seen_as
                .and_then(|place| self.places[&place].public)
                .is_some_and(|address| *text == address.to_string()),
            // A refusal would say that the packet came through.
            (false, reach) => matches!(reach, Reach::Silence | Reach::NoRoute),
            (true, _) => false,
        }
    }
}

/// The one address that a host of the internet has.
fn own_address(namespace: &Namespace) -> Ipv4Addr {
    // The address that a connection to anywhere would have; nothing is sent.
    let found = namespace.run(|| {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(198, 51, 100, 1), 9))?;
        socket.local_addr()
    });
    match found.unwrap().ip() {
        std::net::IpAddr::V4(address) => address,
        std::net::IpAddr::V6(address) => panic!("{address} is not IPv4"),
    }
}

/// The table with what came of each arrow.
pub(super) fn picture(outcomes: &[Outcome]) -> String {
    let mut text =
        format!("\n{:<16} {:<16} {:<9} {:<8} {:<24} why\n", "from", "to", "port", "allowed", "result");
    for Outcome { arrow, reach, right } in outcomes {
        let allowed = if arrow.allowed { "yes" } else { "no" };
        let verdict = if *right { reach.to_string() } else { format!("WRONG: {reach}") };
        // A text can always be written to a text.
        let _ = writeln!(text, "{arrow} {allowed:<8} {verdict:<24} {}", arrow.why);
    }
    let right = outcomes.iter().filter(|outcome| outcome.right).count();
    let _ = writeln!(text, "{right} of {} arrows are as they should be", outcomes.len());
    text
}

/// The arrows that are not as they should be.
pub(super) fn wrong(outcomes: &[Outcome]) -> Vec<String> {
    let wrong = outcomes.iter().filter(|outcome| !outcome.right);
    wrong.map(|outcome| outcome.arrow.to_string()).collect()
}
