//! A DNS server: a process of its own, single-threaded and without root.

use super::{
    answer::{Answer, Data},
    exchange,
    model::ServerData,
};
use crate::{subcommand, timeouts, unprivileged};
use async_trait::async_trait;
use hickory_server::{
    Server,
    net::runtime::Time,
    proto::{
        op::{Edns, Header, HeaderCounts, Metadata, OpCode, Query, ResponseCode},
        rr::{DNSClass, Name, Record, RecordType},
    },
    server::{Request, RequestHandler, ResponseHandler, ResponseInfo},
    zone_handler::MessageResponseBuilder,
};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket},
    path::Path,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    net::unix::pipe,
    sync::{Semaphore, TryAcquireError},
};

/// Questions under way to the server that the rest is asked of. One more is refused: nobody waits in a queue.
const FORWARDED: usize = 256;

/// Bytes of answers that may wait for a slow reader of a TCP connection.
const TCP_BUFFER: usize = 64 * 1024;

/// Serves the data in a file on these addresses until it is ended. Reads the file again when it changes.
///
/// Begins as root, in the directory and the namespace that it serves from, and gives root up.
pub fn run(data: &Path, addresses: &[Ipv4Addr]) -> io::Result<()> {
    subcommand::log();
    let mut sockets = Vec::new();
    for address in addresses {
        let address = SocketAddrV4::new(*address, 53);
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
        let (udp, tcp) =
            (UdpSocket::bind(address).map_err(named)?, TcpListener::bind(address).map_err(named)?);
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        sockets.push((udp, tcp));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let changes = Changes::in_directory_of(data)?;
        let known = Arc::new(RwLock::new(read(data)?));
        let mut server = Server::new(Handler {
            known: Arc::clone(&known),
            turn: AtomicUsize::new(0),
            forwarded: Semaphore::new(FORWARDED),
        });
        for (udp, tcp) in sockets {
            server.register_socket(tokio::net::UdpSocket::from_std(udp)?);
            server.register_listener(
                tokio::net::TcpListener::from_std(tcp)?,
                timeouts::DNS_CONNECTION,
                TCP_BUFFER,
            );
        }
        let announcement = subcommand::announcement()?;
        unprivileged::become_nobody()?;
        subcommand::ready(announcement, "")?;
        // Whatever changed since the file was read is an event already.
        loop {
            changes.next().await?;
            match read(data) {
                Ok(data) => *known.write().unwrap_or_else(PoisonError::into_inner) = data,
                // The file is replaced as a whole; what cannot be read is no reason to stop answering.
                Err(error) => {
                    tracing::error!("failed to read {}: {error}; the old data stay", data.display());
                }
            }
        }
    })
}

fn read(path: &Path) -> io::Result<Data> {
    let model: ServerData = serde_json::from_slice(&fs::read(path)?)?;
    let data = Data::new(&model);
    for problem in &data.problems {
        tracing::warn!("left out: {problem}");
    }
    Ok(data)
}

/// Changes of a directory's files: the daemon replaces a file by another of its name.
struct Changes {
    /// An inotify instance is read like a pipe. What it tells of each event is not needed.
    events: pipe::Receiver,
}

impl Changes {
    fn in_directory_of(path: &Path) -> io::Result<Changes> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        inotify.add_watch(directory, AddWatchFlags::IN_MOVED_TO)?;
        Ok(Changes { events: pipe::Receiver::from_owned_fd_unchecked(inotify.into())? })
    }

    async fn next(&self) -> io::Result<()> {
        let mut events = [0; 4096];
        loop {
            self.events.readable().await?;
            match self.events.try_read(&mut events) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

struct Handler {
    known: Arc<RwLock<Data>>,
    turn: AtomicUsize,
    forwarded: Semaphore,
}

/// What goes into a response, next to its head.
#[derive(Default)]
struct Sections {
    answers: Vec<Record>,
    authorities: Vec<Record>,
    soa: Vec<Record>,
}

impl Handler {
    async fn respond(&self, request: &Request, head: &mut Metadata) -> Sections {
        let mut sections = Sections::default();
        let Ok(info) = request.request_info() else {
            head.response_code = ResponseCode::FormErr;
            return sections;
        };
        if request.metadata.op_code != OpCode::Query {
            head.response_code = ResponseCode::NotImp;
            return sections;
        }
        let asked = info.query.original();
        if asked.query_class() != DNSClass::IN {
            head.response_code = ResponseCode::Refused;
            return sections;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let (answer, forward) = {
            let data = self.known.read().unwrap_or_else(PoisonError::into_inner);
            (data.answer(asked.name(), asked.query_type(), turn), data.forward)
        };
        let Answer { code, authoritative, answers, soa, elsewhere } = answer;
        head.recursion_available = forward.is_some();
        head.response_code = code;
        head.authoritative = authoritative;
        sections.answers = answers;
        sections.soa.extend(soa);
        if let (Some(name), Some(server)) = (elsewhere, forward) {
            self.forward(server, name, asked.query_type(), head, &mut sections).await;
        }
        sections
    }

    async fn forward(
        &self,
        server: Ipv4Addr,
        name: Name,
        record_type: RecordType,
        head: &mut Metadata,
        sections: &mut Sections,
    ) {
        let _place = match self.forwarded.try_acquire() {
            Ok(place) => place,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                head.response_code = ResponseCode::ServFail;
                return;
            }
        };
        match exchange::ask(SocketAddrV4::new(server, 53).into(), &Query::query(name, record_type)).await {
            Ok(answer) => {
                head.response_code = answer.metadata.response_code;
                head.authoritative = false;
                sections.answers.extend(answer.answers);
                sections.authorities.extend(answer.authorities);
            }
            Err(error) => {
                tracing::debug!("failed to forward a question: {error}");
                head.response_code = ResponseCode::ServFail;
            }
        }
    }
}

#[async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let mut head = Metadata::response_from_request(&request.metadata);
        let sections = self.respond(request, &mut head).await;
        let mut edns = Edns::new();
        // What is sent is bounded by what the client takes, and by what fits a packet.
        edns.set_max_payload(request.max_payload().clamp(512, exchange::PAYLOAD));
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if request.edns.is_some() {
            builder.edns(&edns);
        }
        let response = builder.build(head, &sections.answers, &sections.authorities, &sections.soa, []);
        match response_handle.send_response(response).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!("failed to send an answer: {error}");
                head.response_code = ResponseCode::ServFail;
                Header { metadata: head, counts: HeaderCounts::default() }.into()
            }
        }
    }
}
