//! A namespace with DNS servers, and a client that speaks the protocol.

use hello_lab::{
    dns::{
        DnsServers,
        model::{RecordData, RecordSet, ServerData, Zone},
    },
    lab::Lab,
    network::netns::Namespace,
};
use hickory_server::proto::{
    op::{Edns, Message, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream, UdpSocket},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tempfile::TempDir;

/// For everything that a test waits for: far longer than any of it takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The program with the subcommands.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_hello-lab");

/// Where the server of most tests listens.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// A lab with one namespace; removed with all that runs in it on drop.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    pub(crate) namespace: Namespace,
    pub(crate) servers: DnsServers,
    _directory: TempDir,
}

/// Numbers the labs of this program.
static NEXT: AtomicU32 = AtomicU32::new(0);

impl Bench {
    pub(crate) fn new() -> Bench {
        assert!(
            nix::unistd::Uid::effective().is_root(),
            "these tests make network namespaces: run them as root"
        );
        let name = format!("dns{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::new(name, &directory.path().join("data"), &directory.path().join("run"));
        let namespace = lab.namespace("internet");
        namespace.create().unwrap();
        let servers = DnsServers::new(&lab, PROGRAM);
        let bench = Bench { lab, namespace, servers, _directory: directory };
        let up = bench.namespace.run(|| Command::new("ip").args(["link", "set", "lo", "up"]).status());
        assert!(up.unwrap().success());
        bench
    }

    pub(crate) async fn serve(&self, data: &ServerData) {
        self.servers.reconcile("main", &self.namespace, &[SERVER], data).await.unwrap();
    }

    /// Asks over UDP.
    pub(crate) fn ask(&self, server: Ipv4Addr, name: &str, record_type: RecordType) -> Message {
        let (question, bytes) = question(name, record_type, Some(1232));
        let answer = self.send_udp(server, bytes);
        assert_eq!(answer.metadata.id, question.metadata.id);
        answer
    }

    pub(crate) fn send_udp(&self, server: Ipv4Addr, bytes: Vec<u8>) -> Message {
        let answer = self.namespace.run(move || {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.set_read_timeout(Some(LIMIT))?;
            socket.connect((server, 53))?;
            socket.send(&bytes)?;
            let mut buffer = vec![0; 65_535];
            let length = receive(&socket, &mut buffer)?;
            buffer.truncate(length);
            Ok(buffer)
        });
        Message::from_vec(&answer.unwrap()).unwrap()
    }

    /// Asks over TCP.
    pub(crate) fn ask_tcp(&self, server: Ipv4Addr, name: &str, record_type: RecordType) -> Message {
        let (_, bytes) = question(name, record_type, None);
        let answer = self.namespace.run(move || {
            let mut stream = TcpStream::connect((server, 53))?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.write_all(&u16::try_from(bytes.len()).unwrap().to_be_bytes())?;
            stream.write_all(&bytes)?;
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut answer)?;
            Ok(answer)
        });
        Message::from_vec(&answer.unwrap()).unwrap()
    }

    /// The addresses of a name, in the order of the answer.
    pub(crate) fn addresses(&self, server: Ipv4Addr, name: &str) -> Vec<Ipv4Addr> {
        addresses(&self.ask(server, name, RecordType::A))
    }

    pub(crate) fn code(&self, server: Ipv4Addr, name: &str) -> ResponseCode {
        self.ask(server, name, RecordType::A).metadata.response_code
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.lab.processes().kill_all();
        let _ = self.namespace.delete();
    }
}

/// Receives a datagram. A signal to this process ends a wait that has a time limit (`signal(7)`).
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.recv(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            received => return received,
        }
    }
}

pub(crate) fn question(name: &str, record_type: RecordType, payload: Option<u16>) -> (Message, Vec<u8>) {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), record_type));
    if let Some(payload) = payload {
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        message.set_edns(edns);
    }
    let bytes = message.to_vec().unwrap();
    (message, bytes)
}

pub(crate) fn addresses(message: &Message) -> Vec<Ipv4Addr> {
    let address = |data: &RData| match data {
        RData::A(address) => Some(address.0),
        _ => None,
    };
    message.answers.iter().filter_map(|record| address(&record.data)).collect()
}

/// A server with one zone of address records.
pub(crate) fn zone(apex: &str, names: &[(&str, &[[u8; 4]])], forward: Option<Ipv4Addr>) -> ServerData {
    let set = |list: &[[u8; 4]]| RecordSet {
        ttl: 60,
        data: RecordData::A(list.iter().map(|address| Ipv4Addr::from(*address)).collect()),
    };
    let names = names.iter().map(|(name, list)| ((*name).to_owned(), vec![set(list)])).collect();
    ServerData { zones: BTreeMap::from([(apex.to_owned(), Zone { names })]), forward }
}
