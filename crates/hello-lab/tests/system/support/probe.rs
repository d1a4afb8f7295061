//! Connections and questions from inside a namespace.

use hello_lab::network::netns::Namespace;
use hickory_server::proto::{
    op::{Message, Query},
    rr::{Name, RData, RecordType},
};
use std::{
    fmt,
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    os::fd::OwnedFd,
    thread::{self, JoinHandle},
    time::Duration,
};

/// For what must be answered: long, since a busy machine is no error.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);
/// For what must not be answered: a packet takes well below a millisecond from end to end.
pub(crate) const SILENCE: Duration = Duration::from_millis(600);

/// How far a connection came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// There and back.
    Connected,
    /// There and back, and this is what the other side said first.
    Answered(String),
    /// Somebody said no: the packet came through.
    Refused,
    /// Nothing came back.
    Silence,
    /// There is no way.
    NoRoute,
}

impl fmt::Display for Reach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reach::Connected => write!(formatter, "connected"),
            Reach::Answered(text) => write!(formatter, "seen as {text}"),
            Reach::Refused => write!(formatter, "refused by the other side"),
            Reach::Silence => write!(formatter, "dropped"),
            Reach::NoRoute => write!(formatter, "no route"),
        }
    }
}

/// Connects from a namespace.
#[track_caller]
pub(crate) fn connect(from: &Namespace, to: SocketAddrV4, limit: Duration) -> Reach {
    outcome(from.run(move || TcpStream::connect_timeout(&to.into(), limit)).map(|_| Reach::Connected))
}

/// Connects from a namespace to an [`Echo`], and takes down as whom it is seen.
#[track_caller]
pub(crate) fn seen_as(from: &Namespace, to: SocketAddrV4, limit: Duration) -> Reach {
    outcome(from.run(move || {
        let mut stream = TcpStream::connect_timeout(&to.into(), limit)?;
        stream.set_read_timeout(Some(ANSWER))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(Reach::Answered(text))
    }))
}

#[track_caller]
fn outcome(tried: io::Result<Reach>) -> Reach {
    match tried {
        Ok(reach) => reach,
        Err(error) => match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Reach::Silence,
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Reach::Refused,
            ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => Reach::NoRoute,
            _ => panic!("cannot even try: {error}"),
        },
    }
}

/// The addresses that a DNS server gives for a name, asked from a namespace; an error where nothing comes back.
pub(crate) fn resolve(
    from: &Namespace,
    server: Ipv4Addr,
    name: &str,
    limit: Duration,
) -> io::Result<Vec<Ipv4Addr>> {
    let answer = ask(from, server, name, RecordType::A, limit)?;
    let addresses = answer.answers.iter().filter_map(|record| match record.data {
        RData::A(address) => Some(address.0),
        _ => None,
    });
    Ok(addresses.collect())
}

/// For how long, in seconds, an answer about the alias of a name may be kept.
pub(crate) fn time_to_live(
    from: &Namespace,
    server: Ipv4Addr,
    name: &str,
    limit: Duration,
) -> io::Result<Option<u32>> {
    let answer = ask(from, server, name, RecordType::CNAME, limit)?;
    Ok(answer.answers.first().map(|record| record.ttl))
}

fn ask(
    from: &Namespace,
    server: Ipv4Addr,
    name: &str,
    record_type: RecordType,
    limit: Duration,
) -> io::Result<Message> {
    let mut asked = Name::from_ascii(name).unwrap();
    asked.set_fqdn(true);
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(asked, record_type));
    let bytes = question.to_vec().unwrap();
    let answer = from.run(move || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(limit))?;
        socket.connect((server, 53))?;
        socket.send(&bytes)?;
        let mut answer = vec![0; 4096];
        // A signal to this process ends a wait that has a time limit (signal(7)).
        let length = loop {
            match socket.recv(&mut answer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => break received?,
            }
        };
        answer.truncate(length);
        Ok(answer)
    })?;
    Message::from_vec(&answer).map_err(io::Error::other)
}

/// A server that tells each client as whom it is seen; ended on drop, or its namespace could not end.
pub(crate) struct Echo {
    listener: TcpListener,
    server: Option<JoinHandle<()>>,
}

impl Echo {
    /// Listens on all addresses of a namespace.
    pub(crate) fn listen(namespace: &Namespace, port: u16) -> Echo {
        let listener = namespace.run(move || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))).unwrap();
        let serving = listener.try_clone().unwrap();
        let server = thread::spawn(move || {
            while let Ok((mut client, from)) = serving.accept() {
                let _ = client.write_all(from.ip().to_string().as_bytes());
            }
        });
        Echo { listener, server: Some(server) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // A listener that is shut down accepts no more (Linux, shutdown(2)); the standard library shuts down streams only.
        let stopped = self.listener.try_clone().map(|listener| TcpStream::from(OwnedFd::from(listener)));
        let stopped = stopped.and_then(|listener| listener.shutdown(Shutdown::Both));
        if let (Ok(()), Some(server)) = (stopped, self.server.take()) {
            let _ = server.join();
        }
    }
}
