//! Clients that never stop asking, through the load balancer and with the certificate verified. Nothing is tried twice.

use super::{
    lab::{SOON, TestLab},
    wait_for,
};
use hello_lab::network::netns::Namespace;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Clients at a time.
const CLIENTS: usize = 2;
/// Between two requests of a client: some forty requests each second in all, on two cores that do everything else too.
const PAUSE: Duration = Duration::from_millis(40);
/// A client gives up after this time, and counts it as a failure.
const PATIENCE: Duration = Duration::from_secs(15);

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// When it had come, since the load began.
    pub(crate) at: Duration,
    /// The status, or why there is none.
    pub(crate) status: Result<u16, String>,
}

/// A request that is sent again and again.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: &'static str,
    user: String,
    body: &'static str,
}

impl Request {
    /// A read.
    pub(crate) fn read() -> Request {
        Request { method: "GET", user: "Ana".to_owned(), body: "" }
    }

    /// A write.
    pub(crate) fn write() -> Request {
        Request::write_of("Ana")
    }

    /// A write of another user.
    pub(crate) fn write_of(user: &str) -> Request {
        Request { method: "PUT", user: user.to_owned(), body: r#"{"dateOfBirth":"1990-12-31"}"# }
    }

    fn text(&self) -> String {
        format!(
            "{} /hello/{} HTTP/1.1\r\nHost: hello.localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{}",
            self.method,
            self.user,
            self.body.len(),
            self.body
        )
    }
}

/// A way to the service.
#[derive(Clone)]
pub(crate) struct Client {
    namespace: Namespace,
    tls: Arc<ClientConfig>,
}

impl Client {
    /// A browser on the lab's internet.
    pub(crate) fn of(lab: &TestLab) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(lab.authority()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        Client { namespace: lab.namespace("client"), tls }
    }

    /// Asks once, by the node of the load balancer at this address.
    pub(crate) fn ask(&self, node: Ipv4Addr, request: &Request) -> Result<u16, String> {
        let tls = Arc::clone(&self.tls);
        let text = request.text();
        let asked = self.namespace.run(move || exchange(node, tls, &text));
        asked.map_err(|error| error.to_string())
    }

    /// Waits until every task writes, by every node: a task passes its checks, which ask for liveness only, a moment
    /// before it has found its databases. Then the user that [`Request::read`] asks for is there too.
    #[track_caller]
    pub(crate) fn writes(&self, nodes: &[Ipv4Addr]) {
        for request in [Request::write(), Request::read()] {
            wait_for("every task serves", SOON, || {
                // The load balancer takes its targets in turn.
                for node in nodes.iter().cycle().take(4 * nodes.len()) {
                    match self.ask(*node, &request) {
                        Ok(200 | 201 | 204) => {}
                        other => return Err(format!("{other:?}")),
                    }
                }
                Ok(())
            });
        }
    }

    /// Asks again and again until [`Load::end`].
    pub(crate) fn keep_asking(&self, nodes: &[Ipv4Addr], request: &Request) -> Load {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let ending = Arc::new(AtomicBool::new(false));
        let begin = Instant::now();
        let clients = (0..CLIENTS).map(|client| {
            let (tls, text, nodes) = (Arc::clone(&self.tls), request.text(), nodes.to_vec());
            let (answers, ending, namespace) =
                (Arc::clone(&answers), Arc::clone(&ending), self.namespace.clone());
            thread::spawn(move || {
                let asked = namespace.run(move || {
                    let mut turn = client;
                    while !ending.load(Ordering::Relaxed) {
                        let status = exchange(nodes[turn % nodes.len()], Arc::clone(&tls), &text);
                        let status = status.map_err(|error| error.to_string());
                        answers.lock().unwrap().push(Answer { at: begin.elapsed(), status });
                        turn += 1;
                        thread::sleep(PAUSE);
                    }
                    Ok(())
                });
                asked.unwrap();
            })
        });
        let load =
            Load { answers: Arc::clone(&answers), ending: Arc::clone(&ending), clients: clients.collect() };
        load.goes_on();
        load
    }
}

fn exchange(node: Ipv4Addr, tls: Arc<ClientConfig>, text: &str) -> io::Result<u16> {
    let stream = TcpStream::connect_timeout(&SocketAddrV4::new(node, 443).into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("hello.localhost").expect("it is a DNS name");
    let connection = ClientConnection::new(tls, name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(text.as_bytes())?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let head = String::from_utf8_lossy(&head).into_owned();
    let status =
        head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::other(format!("no status: {head:?}")))
}

/// Clients under way; ended on drop.
pub(crate) struct Load {
    answers: Arc<Mutex<Vec<Answer>>>,
    ending: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// The answers so far.
    pub(crate) fn answers(&self) -> Vec<Answer> {
        self.answers.lock().unwrap().clone()
    }

    /// Waits until each client has had answers from now on.
    pub(crate) fn goes_on(&self) {
        let enough = self.answers().len() + 2 * CLIENTS;
        wait_for("the clients have asked on", SOON, || match self.answers().len() {
            count if count >= enough => Ok(()),
            count => Err(format!("{count} answers")),
        });
    }

    /// Ends it; all answers.
    pub(crate) fn end(mut self) -> Vec<Answer> {
        self.stop();
        self.answers()
    }

    fn stop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Those that do not have the status.
pub(crate) fn others(answers: &[Answer], status: u16) -> Vec<String> {
    let others = answers.iter().filter(|answer| answer.status != Ok(status));
    others.map(|answer| format!("at {:.2} s: {:?}", answer.at.as_secs_f64(), answer.status)).collect()
}
