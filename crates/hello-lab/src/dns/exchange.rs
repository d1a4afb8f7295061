//! Asking a DNS server one question.

use crate::timeouts;
use hickory_server::proto::{
    op::{Edns, Message, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// How often a question is asked before there is no answer.
const TRIES: usize = 2;

/// The largest answer over UDP that is asked for: it fits a packet on every link (DNS flag day 2020).
pub(super) const PAYLOAD: u16 = 1232;

/// The server's answer: over UDP, and over TCP where it does not fit.
pub(super) async fn ask(server: SocketAddr, query: &Query) -> io::Result<Message> {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(query.clone());
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD);
    question.set_edns(edns);
    let bytes = question.to_vec().map_err(io::Error::other)?;
    let mut last = io::Error::other("not asked");
    for _ in 0..TRIES {
        let exchange = async {
            let answer = over_udp(server, &bytes, &question).await?;
            if answer.metadata.truncation { over_tcp(server, &bytes, &question).await } else { Ok(answer) }
        };
        match timeout(timeouts::DNS, exchange).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => last = error,
            Err(_) => {
                last = io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("the DNS server {server} does not answer"),
                );
            }
        }
    }
    Err(last)
}

async fn over_udp(server: SocketAddr, bytes: &[u8], question: &Message) -> io::Result<Message> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; usize::from(PAYLOAD)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // Anything else that arrives here is not the answer.
        if let Some(answer) = answer_to(question, &buffer[..length]) {
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, bytes: &[u8], question: &Message) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], bytes].concat()).await?;
    let mut buffer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut buffer).await?;
    answer_to(question, &buffer).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{server} answered something else"))
    })
}

fn answer_to(question: &Message, bytes: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    (answer.metadata.id == question.metadata.id && answer.queries == question.queries).then_some(answer)
}

/// The addresses of a name; the server follows its aliases. An error says what is wrong in one sentence.
pub(crate) async fn addresses(server: Ipv4Addr, name: &str) -> io::Result<Vec<Ipv4Addr>> {
    let mut asked = Name::from_ascii(name).map_err(io::Error::other)?;
    asked.set_fqdn(true);
    let answer = ask(SocketAddrV4::new(server, 53).into(), &Query::query(asked, RecordType::A)).await?;
    let addresses: Vec<_> = answer
        .answers
        .iter()
        .filter_map(|record| match record.data {
            RData::A(address) => Some(address.0),
            _ => None,
        })
        .collect();
    if !addresses.is_empty() {
        return Ok(addresses);
    }
    let said = match answer.metadata.response_code {
        ResponseCode::NoError => "it has no address".to_owned(),
        code => code.to_string(),
    };
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        format!("the DNS server {server} does not know {name}: {said}"),
    ))
}
