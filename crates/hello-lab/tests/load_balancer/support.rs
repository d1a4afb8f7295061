//! A namespace with a load balancer, targets that behave as told, and clients.

use hello_lab::{
    lab::Lab,
    load_balancer::{
        LoadBalancers,
        model::{Action, HealthCheck, Listener, LoadBalancer, Node, Target, TargetGroup, TargetHealth},
    },
    network::netns::Namespace,
};
use hello_testkit::{Poll, wait_until};
use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddrV4},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// For everything that a test waits for: far longer than any of it takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The nodes' addresses.
pub(crate) const NODES: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 1, 1), Ipv4Addr::new(127, 0, 2, 1)];

/// The target group of most tests.
pub(crate) const GROUP: &str = "api";

/// A lab with one namespace; removed with all that runs in it on drop.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    pub(crate) namespace: Namespace,
    pub(crate) balancers: LoadBalancers,
    pub(crate) directory: TempDir,
}

/// Numbers the labs of this program.
static NEXT: AtomicU32 = AtomicU32::new(0);

impl Bench {
    pub(crate) fn new() -> Bench {
        assert!(
            nix::unistd::Uid::effective().is_root(),
            "these tests make network namespaces: run them as root"
        );
        let name = format!("lb{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::new(name, &directory.path().join("data"), &directory.path().join("run"));
        let namespace = lab.namespace("vpc");
        namespace.create().unwrap();
        let balancers = LoadBalancers::new(&lab);
        let bench = Bench { lab, namespace, balancers, directory };
        bench.run(Command::new("ip").args(["link", "set", "lo", "up"]));
        bench
    }

    /// A command inside the namespace.
    pub(crate) fn run(&self, command: &mut Command) -> Output {
        let mut moved = Command::new(command.get_program());
        moved.args(command.get_args());
        let output = self.namespace.run(move || moved.output()).unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// curl inside the namespace; what it writes.
    pub(crate) async fn curl(&self, arguments: &[&str]) -> String {
        let namespace = self.namespace.clone();
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let shown = arguments.join(" ");
        let output = tokio::task::spawn_blocking(move || {
            namespace
                .run(move || Command::new("curl").args(["-sS", "--max-time", "20"]).args(arguments).output())
        });
        let output = output.await.unwrap().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "curl {shown}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A load balancer on both nodes with one plain listener on port 80 and the target group.
    pub(crate) fn balancer(&self, targets: &[&Server]) -> LoadBalancer {
        LoadBalancer {
            name: "web".to_owned(),
            region: "eu-central-1".to_owned(),
            nodes: NODES
                .map(|address| Node { namespace: self.namespace.name().to_owned(), address })
                .to_vec(),
            listeners: BTreeMap::from([(80, listener(Action::Forward(GROUP.to_owned())))]),
            target_groups: BTreeMap::from([(GROUP.to_owned(), group(GROUP, targets))]),
            idle_timeout: Duration::from_secs(60),
            client_keep_alive: Duration::from_secs(3600),
            drop_invalid_headers: false,
        }
    }

    /// Waits until every target of the group has this health.
    pub(crate) async fn all(&self, health: TargetHealth) {
        self.fare("all targets", |fare| fare.values().all(|one| *one == health) && !fare.is_empty()).await;
    }

    /// Waits until a target has this health.
    pub(crate) async fn one(&self, server: &Server, health: TargetHealth) {
        self.fare(&format!("{} is {health:?}", server.address), |fare| {
            fare.get(&server.address) == Some(&health)
        })
        .await;
    }

    async fn fare(&self, what: &str, holds: impl Fn(&BTreeMap<SocketAddrV4, TargetHealth>) -> bool) {
        wait_until(what, LIMIT, async || {
            let health = self.balancers.health("eu-central-1.web").unwrap_or_default();
            let fare = health.get(GROUP).cloned().unwrap_or_default();
            Poll::ready_if(holds(&fare), format!("{fare:?}"))
        })
        .await;
    }

    pub(crate) async fn client(&self, node: Ipv4Addr) -> Client {
        Client::connect(&self.namespace, SocketAddrV4::new(node, 80)).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client(NODES[0]).await.get(path).await
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.lab.processes().kill_all();
        let _ = self.namespace.delete();
    }
}

pub(crate) fn listener(default: Action) -> Listener {
    Listener { certificate: None, ssl_policy: None, rules: Vec::new(), default }
}

/// Checks so often that a test need not wait.
pub(crate) fn group(name: &str, targets: &[&Server]) -> TargetGroup {
    TargetGroup {
        name: name.to_owned(),
        health_check: HealthCheck {
            path: "/health".to_owned(),
            port: None,
            matcher: "200".to_owned(),
            interval: Duration::from_millis(100),
            // The targets are in the test's own process, which may have to wait for its turn on a busy machine.
            timeout: LIMIT,
            healthy_threshold: 2,
            unhealthy_threshold: 3,
        },
        deregistration_delay: Duration::from_secs(300),
        minimum_healthy_targets: 1,
        targets: targets.iter().map(|server| server.target()).collect(),
    }
}

/// A small HTTP server as a target.
///
/// `/who` names it, `/echo` gives the request back, `/slow` answers when released, `/close`, `/garbage` and `/never` do
/// as they say, `/status/N` answers with N. Dropping it is as killing it: every connection breaks.
pub(crate) struct Server {
    pub(crate) address: SocketAddrV4,
    state: Arc<State>,
    released: watch::Sender<bool>,
    checked: watch::Sender<bool>,
    _task: JoinSet<()>,
}

struct State {
    name: String,
    health: AtomicU16,
    checks: AtomicUsize,
    requests: AtomicUsize,
}

impl Server {
    pub(crate) fn start(bench: &Bench, address: [u8; 4]) -> Server {
        Server::start_at(bench, SocketAddrV4::new(address.into(), 8080))
    }

    pub(crate) fn start_at(bench: &Bench, address: SocketAddrV4) -> Server {
        let listener = bench
            .namespace
            .run(move || {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(listener)
            })
            .unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let (released, release) = watch::channel(false);
        let checked = watch::Sender::new(true);
        let state = Arc::new(State {
            name: address.ip().to_string(),
            health: AtomicU16::new(200),
            checks: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
        });
        let mut task = JoinSet::new();
        let shared = Arc::clone(&state);
        let checks = checked.subscribe();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared), release.clone(), checks.clone()));
            }
        });
        Server { address, state, released, checked, _task: task }
    }

    pub(crate) fn target(&self) -> Target {
        Target { address: *self.address.ip(), port: self.address.port(), draining: false }
    }

    /// The status that it answers health checks with.
    pub(crate) fn set_health(&self, status: u16) {
        self.state.health.store(status, Ordering::SeqCst);
    }

    /// Whether it answers health checks, or lets them wait until it does.
    pub(crate) fn answer_checks(&self, does: bool) {
        self.checked.send_replace(does);
    }

    pub(crate) fn checks(&self) -> usize {
        self.state.checks.load(Ordering::SeqCst)
    }

    /// Requests that have arrived, checks aside.
    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Lets every `/slow` request go on.
    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }

    pub(crate) async fn has_requests(&self, count: usize) {
        wait_until("a request has arrived", LIMIT, async || {
            Poll::ready_if(self.requests() >= count, self.requests())
        })
        .await;
    }
}

async fn serve(
    mut stream: TcpStream,
    state: Arc<State>,
    mut release: watch::Receiver<bool>,
    mut checks: watch::Receiver<bool>,
) {
    let mut pending = Vec::new();
    while let Ok(Some(head)) = read_head(&mut stream, &mut pending).await {
        let path = head.split_whitespace().nth(1).unwrap_or("").to_owned();
        let (status, body) = if path.starts_with("/health") {
            state.checks.fetch_add(1, Ordering::SeqCst);
            let _ = checks.wait_for(|answered| *answered).await;
            (state.health.load(Ordering::SeqCst), head.clone())
        } else {
            state.requests.fetch_add(1, Ordering::SeqCst);
            match path.as_str() {
                "/echo" => (200, head.clone()),
                "/slow" => {
                    let _ = release.wait_for(|released| *released).await;
                    (200, state.name.clone())
                }
                "/close" => return,
                "/never" => std::future::pending().await,
                "/garbage" => {
                    let _ = stream.write_all(b"this is no HTTP\r\n\r\n").await;
                    return;
                }
                path => match path.strip_prefix("/status/").and_then(|status| status.parse().ok()) {
                    Some(status) => (status, state.name.clone()),
                    None => (200, state.name.clone()),
                },
            }
        };
        let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).await.is_err()
            || head.to_lowercase().contains("connection: close")
        {
            return;
        }
    }
}

/// Reads up to the empty line; what follows stays in `pending`.
async fn read_head(stream: &mut TcpStream, pending: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = pending.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = pending.split_off(end + 4);
            return Ok(Some(String::from_utf8_lossy(&std::mem::replace(pending, rest)).into_owned()));
        }
        if stream.read_buf(pending).await? == 0 {
            return Ok(None);
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A connection to a load balancer.
pub(crate) struct Client {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(namespace: &Namespace, address: SocketAddrV4) -> Client {
        let namespace = namespace.clone();
        let stream = tokio::task::spawn_blocking(move || {
            namespace.run(move || {
                let stream = std::net::TcpStream::connect(address)?;
                stream.set_nonblocking(true)?;
                Ok(stream)
            })
        });
        let stream = stream.await.unwrap().unwrap_or_else(|error| panic!("connect to {address}: {error}"));
        Client { stream: TcpStream::from_std(stream).unwrap(), pending: Vec::new() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: web.example\r\n\r\n")).await
    }

    pub(crate) async fn send(&mut self, request: &str) -> Response {
        self.try_send(request).await.unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    pub(crate) async fn try_send(&mut self, request: &str) -> io::Result<Response> {
        self.stream.write_all(request.as_bytes()).await?;
        let exchange = async {
            let Some(head) = read_head(&mut self.stream, &mut self.pending).await? else {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed before an answer"));
            };
            let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
            let mut response = Response { status, head, body: String::new() };
            let length: usize =
                response.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            while self.pending.len() < length {
                if self.stream.read_buf(&mut self.pending).await? == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed inside an answer"));
                }
            }
            let rest = self.pending.split_off(length);
            response.body = String::from_utf8_lossy(&std::mem::replace(&mut self.pending, rest)).into_owned();
            Ok(response)
        };
        tokio::time::timeout(LIMIT, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Waits until the other side closes.
    pub(crate) async fn closed(&mut self) {
        let read = tokio::time::timeout(LIMIT, self.stream.read_buf(&mut self.pending)).await.unwrap();
        assert!(matches!(read, Ok(0) | Err(_)), "{:?}", String::from_utf8_lossy(&self.pending));
    }
}

/// Clients that ask again and again, one request at a time each: half keep their connection, half take a new one each
/// time. Any answer other than 200, and any broken connection, is kept.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    count: Arc<AtomicUsize>,
    clients: JoinSet<Vec<String>>,
}

impl Load {
    pub(crate) fn start(bench: &Bench) -> Load {
        let (stop, stopped) = watch::channel(false);
        let count = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for index in 0..4 {
            let (namespace, stopped, count) = (bench.namespace.clone(), stopped.clone(), Arc::clone(&count));
            let node = SocketAddrV4::new(NODES[index % 2], 80);
            clients.spawn(async move {
                let keeps = index < 2;
                let mut wrong = Vec::new();
                let mut client = Client::connect(&namespace, node).await;
                while !*stopped.borrow() {
                    match client.try_send("GET /who HTTP/1.1\r\nHost: web.example\r\n\r\n").await {
                        Ok(response) if response.status == 200 => {
                            if !keeps || response.header("connection") == Some("close") {
                                client = Client::connect(&namespace, node).await;
                            }
                        }
                        answer => {
                            wrong.push(format!("{answer:?}"));
                            client = Client::connect(&namespace, node).await;
                        }
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
                wrong
            });
        }
        Load { stop, count, clients }
    }

    /// Waits for this many more requests.
    pub(crate) async fn more(&self, requests: usize) {
        let until = self.count.load(Ordering::SeqCst) + requests;
        wait_until("the load has gone on", LIMIT, async || {
            let count = self.count.load(Ordering::SeqCst);
            Poll::ready_if(count >= until, format!("{count} of {until} requests"))
        })
        .await;
    }

    /// Ends it; how many requests there were, and those that failed.
    pub(crate) async fn end(self) -> (usize, Vec<String>) {
        self.stop.send_replace(true);
        let wrong = self.clients.join_all().await.concat();
        (self.count.load(Ordering::SeqCst), wrong)
    }
}
