//! A region's network as our Terraform has it, and servers and connections in it.

use hello_lab::{
    lab::Lab,
    network::{
        self, Report,
        model::{
            Host, Interface, InterfaceKind, Internet, InternetGateway, Network, Peer, Protocol, Resolver,
            RouteTable, RouteTarget, Rule, SecurityGroup, Subnet, Vpc,
        },
        netns::Namespace,
    },
};
use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// For what must be answered: long, since a busy machine is no error.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);
/// For what TCP sends again after a cut: the longer that was, the longer it waits.
const AGAIN: Duration = Duration::from_secs(60);
/// For what must not be answered: a packet takes well below a millisecond from end to end.
pub(crate) const SILENCE: Duration = Duration::from_millis(300);

/// A lab with its network; removed at the end of the test.
pub(crate) struct Region {
    pub(crate) lab: Lab,
    pub(crate) network: Network,
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Err(error) = network::teardown(&self.lab) {
            eprintln!("{error}");
        }
    }
}

impl Region {
    /// The network of one region, standing.
    pub(crate) fn standing() -> Region {
        let region = Region::described();
        region.reconcile();
        region
    }

    /// The same, with nothing made yet.
    pub(crate) fn described() -> Region {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Region::named(format!("t{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The same, of the lab of this name.
    pub(crate) fn named(name: String) -> Region {
        let nowhere = Path::new("/nonexistent");
        let lab = Lab::new(name, nowhere, nowhere);
        let mut network = Network { internet: internet(&lab), ..Network::default() };
        network.vpcs.insert("vpc-a".to_owned(), vpc(&lab, "a", "eu-west-1", 0, "203.0.113"));
        Region { lab, network }
    }

    /// Makes it so, and makes sure that nothing is left to do.
    pub(crate) fn reconcile(&self) {
        let report = self.pass();
        assert!(report.refused.is_empty(), "refused: {:?}", report.refused);
        let again = self.pass();
        assert!(again.done.is_empty(), "a second pass found work: {:?}", again.done);
    }

    /// One pass.
    pub(crate) fn pass(&self) -> Report {
        network::reconcile(&self.lab, &self.network).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The VPC of the first region.
    pub(crate) fn vpc(&mut self) -> &mut Vpc {
        self.network.vpcs.get_mut("vpc-a").unwrap()
    }

    pub(crate) fn interface(&mut self, name: &str) -> &mut Interface {
        self.vpc().interfaces.get_mut(&format!("eni-{name}")).unwrap()
    }

    pub(crate) fn group(&mut self, name: &str) -> &mut SecurityGroup {
        self.vpc().security_groups.get_mut(&format!("sg-{name}")).unwrap()
    }

    pub(crate) fn namespace(&self, part: &str) -> Namespace {
        self.lab.namespace(part)
    }

    /// The namespaces of the lab that `ip netns list` shows.
    pub(crate) fn listed(&self) -> Vec<String> {
        let output = std::process::Command::new("ip").args(["netns", "list"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let names = text.lines().filter_map(|line| line.split_whitespace().next());
        names.filter(|name| name.starts_with(&self.lab.namespace_prefix())).map(str::to_owned).collect()
    }

    /// Runs `ip` inside the namespace of a part, as somebody would by hand.
    pub(crate) fn by_hand(&self, part: &str, program: &'static str, arguments: &str) {
        let line = arguments.to_owned();
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        let run = move || std::process::Command::new(program).args(arguments).output();
        let output = self.namespace(part).run(run).unwrap();
        assert!(output.status.success(), "{program} {line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Serves `ports` in the namespace of a part, over TCP and UDP. A client is told which address it came from, and
    /// then gets back what it sends.
    pub(crate) fn serve(&self, part: &str, ports: &[u16]) {
        for port in ports.iter().copied() {
            let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            let listener = self.namespace(part).run(move || TcpListener::bind(any)).unwrap();
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let Ok(stream) = stream else { break };
                    thread::spawn(move || echo(stream));
                }
            });
            let socket = self.namespace(part).run(move || UdpSocket::bind(any)).unwrap();
            thread::spawn(move || {
                while let Ok((_, client)) = socket.recv_from(&mut [0; 16]) {
                    let _ = socket.send_to(client.ip().to_string().as_bytes(), client);
                }
            });
        }
    }

    /// A connection from a part that must come about.
    pub(crate) fn connect(&self, from: &str, to: &str, port: u16) -> Flow {
        match self.try_connect(from, to, port, ANSWER) {
            Ok(flow) => flow,
            Err(error) => panic!("{from} does not reach {to} on port {port}: {error}"),
        }
    }

    /// From which address a part is seen by the server that it reaches.
    pub(crate) fn seen_as(&self, from: &str, to: &str, port: u16) -> String {
        self.connect(from, to, port).source
    }

    /// The packets of a part must be dropped on their way, without an answer.
    pub(crate) fn dropped(&self, from: &str, to: &str, port: u16) {
        match self.try_connect(from, to, port, SILENCE) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => panic!("{from} to {to} on port {port}: not dropped, but {error}"),
            Ok(_) => panic!("{from} reaches {to} on port {port}"),
        }
    }

    pub(crate) fn try_connect(&self, from: &str, to: &str, port: u16, limit: Duration) -> io::Result<Flow> {
        let to = SocketAddr::from((to.parse::<Ipv4Addr>().unwrap(), port));
        self.namespace(from).run(move || {
            let mut stream = TcpStream::connect_timeout(&to, limit)?;
            stream.set_read_timeout(Some(limit))?;
            let mut source = [0; 16];
            let length = uninterrupted(|| stream.read(&mut source))?;
            Ok(Flow { stream, source: String::from_utf8_lossy(&source[..length]).into_owned() })
        })
    }

    /// The address from which a datagram of a part is seen, if it is answered.
    pub(crate) fn datagram(&self, from: &str, to: &str, port: u16, limit: Duration) -> Option<String> {
        let to = SocketAddr::from((to.parse::<Ipv4Addr>().unwrap(), port));
        let answer = self.namespace(from).run(move || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.set_read_timeout(Some(limit))?;
            socket.connect(to)?;
            socket.send(b"hello")?;
            let mut source = [0; 16];
            let length = uninterrupted(|| socket.recv(&mut source))?;
            Ok(String::from_utf8_lossy(&source[..length]).into_owned())
        });
        answer.ok()
    }

    /// Does a datagram from this address of one part get to another? One that is not answered can do harm too, so the
    /// receiver is asked.
    pub(crate) fn arrives(&self, (from, source): (&str, &str), (part, to): (&str, &str), port: u16) -> bool {
        self.arrives_within((from, source), (part, to), port, SILENCE)
    }

    fn arrives_within(
        &self,
        (from, source): (&str, &str),
        (part, to): (&str, &str),
        port: u16,
        limit: Duration,
    ) -> bool {
        let [source, to] = [source, to].map(|address| address.parse::<Ipv4Addr>().unwrap());
        let receiver = self.datagram_socket(part, port);
        receiver.set_read_timeout(Some(limit)).unwrap();
        let sender = self.namespace(from).run(move || UdpSocket::bind((source, 0))).unwrap();
        // A way that is closed may also be an error.
        let _ = sender.send_to(b"hello", (to, port));
        uninterrupted(|| receiver.recv(&mut [0; 5])).is_ok()
    }

    /// The port may still be held for an instant by a process that another test just starts: it has copies of all
    /// sockets until it becomes another program.
    fn datagram_socket(&self, part: &str, port: u16) -> UdpSocket {
        let deadline = Instant::now() + ANSWER;
        loop {
            match self.namespace(part).run(move || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {}
                socket => return socket.unwrap(),
            }
        }
    }

    /// The same where it must get there.
    pub(crate) fn must_arrive(&self, from: (&str, &str), to: (&str, &str), port: u16) {
        assert!(
            self.arrives_within(from, to, port, ANSWER),
            "{from:?} does not get to {to:?} on UDP port {port}"
        );
    }

    /// Does an echo request of a part come back? The standard library has no ICMP, so Python asks.
    pub(crate) fn pings(&self, from: &str, to: &str, limit: Duration) -> bool {
        const ECHO: &str = "
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(float(sys.argv[2]))
s.sendto(bytes.fromhex('0800f7ff00000000'), (sys.argv[1], 0))
try:
    while s.recvfrom(64)[0][20] != 0:
        pass
except TimeoutError:
    sys.exit(1)
";
        let (to, limit) = (to.to_owned(), limit.as_secs_f64().to_string());
        let run = move || std::process::Command::new("python3").args(["-c", ECHO, &to, &limit]).status();
        self.namespace(from).run(run).unwrap().success()
    }

    pub(crate) fn datagram_answered(&self, from: &str, to: &str, port: u16) -> String {
        self.datagram(from, to, port, ANSWER).unwrap_or_else(|| panic!("no answer from {to} to {from}"))
    }

    pub(crate) fn datagram_dropped(&self, from: &str, to: &str, port: u16) {
        assert_eq!(self.datagram(from, to, port, SILENCE), None, "{from} to {to} on UDP port {port}");
    }
}

/// A signal to this process ends a wait that has a time limit (`signal(7)`); then it is waited once more.
fn uninterrupted<T>(mut wait: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match wait() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            waited => return waited,
        }
    }
}

fn echo(mut stream: TcpStream) {
    let Ok(client) = stream.peer_addr() else { return };
    let _ = stream.write_all(client.ip().to_string().as_bytes());
    let mut word = [0; 16];
    while let Ok(length @ 1..) = stream.read(&mut word) {
        if stream.write_all(&word[..length]).is_err() {
            return;
        }
    }
}

/// A connection that stands.
pub(crate) struct Flow {
    stream: TcpStream,
    pub(crate) source: String,
}

impl Flow {
    /// Something goes there and comes back.
    pub(crate) fn passes(&mut self) {
        self.exchange(ANSWER).unwrap();
    }

    /// Nothing passes any more.
    pub(crate) fn is_cut(&mut self) {
        let error = self.exchange(SILENCE).expect_err("something came back");
        assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{error}");
    }

    /// After a cut, what was sent meanwhile is sent again by TCP.
    pub(crate) fn goes_on(&mut self) {
        self.stream.set_read_timeout(Some(AGAIN)).unwrap();
        self.stream.read_exact(&mut [0; 5]).unwrap();
        self.passes();
    }

    fn exchange(&mut self, limit: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(limit))?;
        self.stream.write_all(b"hello")?;
        self.stream.read_exact(&mut [0; 5])
    }
}

fn internet(lab: &Lab) -> Internet {
    let hosts = [
        ("client", "203.0.113.50"),
        ("admin", "203.0.113.77"),
        ("stranger", "203.0.113.99"),
        ("registry", "198.51.100.10"),
        ("idns", "198.51.100.53"),
    ];
    let host = |(name, address): (&str, &str)| {
        let namespace = lab.namespace(name).name().to_owned();
        (name.to_owned(), Host { namespace, address: address.parse().unwrap() })
    };
    Internet {
        namespace: lab.namespace("internet").name().to_owned(),
        ranges: ["203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24"]
            .map(|range| range.parse().unwrap())
            .to_vec(),
        hosts: BTreeMap::from(hosts.map(host)),
    }
}

/// A VPC with two zones; `public` begins its public addresses. The parts of region `a` have no prefix.
pub(crate) fn vpc(lab: &Lab, letter: &str, region: &str, second: u8, public: &str) -> Vpc {
    let part = |name: &str| if letter == "a" { name.to_owned() } else { format!("{letter}-{name}") };
    let namespace = |name: &str| lab.namespace(&part(name)).name().to_owned();
    let subnet = |third: u8, zone: &str, table: &str| Subnet {
        cidr: format!("10.{second}.{third}.0/20").parse().unwrap(),
        availability_zone: format!("{region}{zone}"),
        route_table: table.to_owned(),
    };
    let everywhere = "0.0.0.0/0".parse().unwrap();
    let table = |target| RouteTable { routes: BTreeMap::from([(everywhere, target)]) };
    let to_nat = || RouteTarget::Interface("eni-nat".to_owned());
    let interface = |name: &str, subnet: &str, rest: &str, public_address: Option<u8>, group: &str| {
        let id = format!("eni-{name}");
        let kind = if group.is_empty() { InterfaceKind::NatGateway } else { InterfaceKind::Part };
        let interface = Interface {
            id: id.clone(),
            namespace: namespace(name),
            subnet: subnet.to_owned(),
            address: format!("10.{second}.{rest}").parse().unwrap(),
            public_address: public_address.map(|last| format!("{public}.{last}").parse().unwrap()),
            security_groups: (!group.is_empty()).then(|| format!("sg-{group}")).into_iter().collect(),
            kind,
            cut: false,
        };
        (id, interface)
    };
    Vpc {
        id: format!("vpc-{letter}"),
        region: region.to_owned(),
        namespace: namespace("router"),
        cidr: format!("10.{second}.0.0/16").parse().unwrap(),
        subnets: BTreeMap::from([
            ("public-a".to_owned(), subnet(0, "a", "public")),
            ("public-b".to_owned(), subnet(16, "b", "public")),
            ("private-a".to_owned(), subnet(128, "a", "private-a")),
            ("private-b".to_owned(), subnet(144, "b", "private-b")),
        ]),
        route_tables: BTreeMap::from([
            ("public".to_owned(), table(RouteTarget::InternetGateway)),
            ("private-a".to_owned(), table(to_nat())),
            ("private-b".to_owned(), table(to_nat())),
        ]),
        internet_gateway: Some(InternetGateway {
            id: "igw-1".to_owned(),
            namespace: namespace("igw"),
            address: format!("{public}.254").parse().unwrap(),
        }),
        security_groups: groups(),
        interfaces: BTreeMap::from([
            interface("nat", "public-a", "0.10", Some(10), ""),
            interface("alb-a", "public-a", "0.20", Some(11), "alb"),
            interface("alb-b", "public-b", "16.20", Some(12), "alb"),
            interface("bastion", "public-a", "0.30", Some(13), "bastion"),
            interface("task-a", "private-a", "128.50", None, "tasks"),
            interface("task-b", "private-b", "144.50", None, "tasks"),
            interface("db", "private-a", "128.40", None, "database"),
            interface("replica", "private-b", "144.40", None, "database"),
        ]),
        resolver: Some(Resolver {
            namespace: namespace("resolver"),
            address: format!("10.{second}.0.2").parse().unwrap(),
            outside: format!("{public}.253").parse().unwrap(),
        }),
    }
}

pub(crate) fn tcp(port: u16, peer: Peer) -> Rule {
    Rule { protocol: Protocol::Tcp(port, port), peer }
}

pub(crate) fn anyone() -> Peer {
    Peer::Cidr("0.0.0.0/0".parse().unwrap())
}

pub(crate) fn group_peer(name: &str) -> Peer {
    Peer::SecurityGroup(format!("sg-{name}"))
}

/// The rules of our Terraform.
fn groups() -> BTreeMap<String, SecurityGroup> {
    let admin = || Peer::Cidr("203.0.113.77/32".parse().unwrap());
    let group = |name: &str, ingress: Vec<Rule>, egress: Vec<Rule>| {
        let group =
            SecurityGroup { ingress: ingress.into_iter().collect(), egress: egress.into_iter().collect() };
        (format!("sg-{name}"), group)
    };
    BTreeMap::from([
        group("alb", vec![tcp(443, anyone()), tcp(80, anyone())], vec![tcp(8080, group_peer("tasks"))]),
        group(
            "tasks",
            vec![tcp(8080, group_peer("alb")), tcp(9090, group_peer("bastion"))],
            vec![tcp(5432, group_peer("database")), tcp(443, anyone())],
        ),
        group("database", vec![tcp(5432, group_peer("tasks")), tcp(5432, group_peer("bastion"))], vec![]),
        group(
            "bastion",
            vec![tcp(22, admin())],
            vec![tcp(5432, group_peer("database")), tcp(9090, group_peer("tasks")), tcp(443, anyone())],
        ),
    ])
}
