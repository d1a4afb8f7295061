//! A lab of its own for a test: one namespace with a registry, a resolver and the tasks, all on loopback addresses.

use crate::image;
use hello_lab::{
    lab::Lab,
    logs::{Group, Logs, reader::Filter},
    network::netns::Namespace,
    registry::{Registry, oci::Digest},
    secret::Secret,
    task::{
        cgroup,
        model::{Container, LogDestination, Status, Stopped, Task},
        tasks::Tasks,
    },
};
use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const GROUP: &str = "/ecs/hello";
pub(crate) const PASSWORD: &str = "registry-token-0123";
const REGISTRY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 10);
const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);
const TASK: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 20);
/// Nothing here takes longer but on a machine that is stuck.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

static COUNT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct World {
    pub(crate) lab: Lab,
    pub(crate) tasks: Tasks,
    pub(crate) logs: Logs,
    pub(crate) namespace: Namespace,
    pub(crate) registry: Registry,
    pub(crate) digest: Digest,
    pub(crate) directory: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        let began = Instant::now();
        // Until none is left: one that still dies may still write below the directory.
        while self.lab.processes().kill_all() > 0 && began.elapsed() < DEADLINE {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = cgroup::Group::remove_lab(self.lab.name(), Duration::from_secs(10));
        let _ = self.namespace.delete();
    }
}

impl World {
    /// With the image pushed and a log group.
    pub(crate) async fn new() -> World {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = tempfile::Builder::new().prefix("hello-lab-test-").tempdir_in("/run").unwrap();
        // The registry's user must get to its files.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let data = directory.path().join("data");
        let lab =
            Lab::new(format!("tk{}x{number}", std::process::id()), &data, &directory.path().join("run"));
        let namespace = lab.namespace("all");
        make(&namespace);
        let (certificate, key, authority) = certificates(directory.path());
        let registry = Registry {
            name: "ghcr.io".to_owned(),
            namespace: namespace.clone(),
            address: REGISTRY,
            certificate,
            key,
            authority,
            users: vec![("puller".to_owned(), Secret::new(PASSWORD))],
        };
        let mut world = World {
            tasks: tasks(&lab),
            logs: Logs::new(&lab, REGION),
            lab,
            namespace,
            registry,
            digest: Digest::of(b""),
            directory,
        };
        serve_names(&world.namespace);
        world.registry.start(&world.lab).await.unwrap();
        let credentials = ("puller".to_owned(), Secret::new(PASSWORD));
        let pushed = world.registry.push(&world.namespace, image::layout(), "owner/shell", credentials).await;
        world.digest = pushed.unwrap();
        world.logs.put_group(&Group { name: GROUP.to_owned(), retention_days: None }).unwrap();
        world
    }

    /// A task with one container that runs a script.
    pub(crate) fn task(&self, script: &str) -> Task {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:032x}", (u64::from(std::process::id()) << 32) | u64::from(number));
        Task {
            containers: vec![self.container("web", &id, script)],
            id,
            region: REGION.to_owned(),
            namespace: self.namespace.name().to_owned(),
            address: TASK,
            resolver: RESOLVER,
            cpu: 256,
            memory: 64,
            registry_ca: self.registry.authority.clone(),
        }
    }

    pub(crate) fn container(&self, name: &str, id: &str, script: &str) -> Container {
        Container {
            name: name.to_owned(),
            image: format!("ghcr.io/owner/shell@{}", self.digest),
            registry_credentials: Some(("puller".to_owned(), Secret::new(PASSWORD))),
            essential: true,
            entry_point: None,
            command: Some(vec![script.to_owned()]),
            environment: Vec::new(),
            secrets: Vec::new(),
            user: None,
            dropped_capabilities: Vec::new(),
            read_only_root: true,
            health_check: None,
            stop_timeout: Duration::from_secs(30),
            log: Some(LogDestination { group: GROUP.to_owned(), stream: format!("task/{name}/{id}") }),
        }
    }

    pub(crate) async fn start(&self, task: &Task) {
        self.tasks.start(task).await.unwrap();
    }

    pub(crate) async fn running(&self, task: &Task) {
        wait(&self.tasks, &task.id, |status| match status {
            Status::Stopped(stopped) => panic!("it has stopped: {stopped:?}; {}", self.said(task)),
            status => matches!(status, Status::Running { .. }),
        })
        .await;
    }

    pub(crate) async fn stopped(&self, task: &Task) -> Stopped {
        match wait(&self.tasks, &task.id, |status| matches!(status, Status::Stopped(_))).await {
            Status::Stopped(stopped) => stopped,
            other => panic!("{other:?}"),
        }
    }

    /// Runs a script to its end and gives what it said.
    pub(crate) async fn output(&self, task: &Task) -> (Stopped, Vec<String>) {
        self.start(task).await;
        let stopped = self.stopped(task).await;
        self.gone(task).await;
        (stopped, self.lines(&format!("task/web/{}", task.id)))
    }

    /// Waits until the shim has ended.
    pub(crate) async fn gone(&self, task: &Task) {
        if let Some(mut running) = self.lab.processes().adopt(&format!("task-{}", task.id)).unwrap() {
            tokio::time::timeout(DEADLINE, running.ended()).await.expect("the shim has not ended");
        }
    }

    /// What stands in a log stream.
    pub(crate) fn lines(&self, stream: &str) -> Vec<String> {
        let filter = Filter { stream_prefix: Some(stream.to_owned()), since: 0 };
        let found = self.logs.read(GROUP, filter).read_new().unwrap();
        found.into_iter().map(|found| found.event.message).collect()
    }

    /// Waits for a line in the task's log.
    pub(crate) async fn line(&self, task: &Task, wanted: &str) {
        let stream = format!("task/web/{}", task.id);
        let found = async {
            while !self.lines(&stream).iter().any(|line| line == wanted) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = tokio::time::timeout(DEADLINE, found).await;
        assert!(
            in_time.is_ok(),
            "no line {wanted:?}: {:?}, {:?}",
            self.lines(&stream),
            self.tasks.report(&task.id)
        );
    }

    /// The shim's own words.
    pub(crate) fn said(&self, task: &Task) -> String {
        fs::read_to_string(self.lab.run("tasks").join(&task.id).join("shim.log")).unwrap_or_default()
    }
}

/// Makes a namespace that has itself only.
pub(crate) fn make(namespace: &Namespace) {
    namespace.create().unwrap();
    let up = || Command::new("ip").args(["link", "set", "lo", "up"]).status();
    assert!(namespace.run(up).unwrap().success(), "lo cannot be set up");
}

pub(crate) fn tasks(lab: &Lab) -> Tasks {
    Tasks::with_program(lab, env!("CARGO_BIN_EXE_hello-lab").into()).unwrap()
}

/// Waits until the status is as wanted, and gives it; says the last one when it never is.
pub(crate) async fn wait(tasks: &Tasks, id: &str, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut changes = tasks.changes();
    let waiting = async {
        loop {
            changes.borrow_and_update();
            if let Some(status) = tasks.status(id).filter(&wanted) {
                return status;
            }
            changes.changed().await.unwrap();
        }
    };
    let found = tokio::time::timeout(DEADLINE, waiting).await;
    found.unwrap_or_else(|_| panic!("waited too long; the last report: {:?}", tasks.report(id)))
}

fn certificates(directory: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    let server_key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(vec!["ghcr.io".to_owned()]).unwrap();
    let server = server.signed_by(&server_key, &issuer).unwrap();
    let paths = ["server.pem", "key.pem", "ca.pem"].map(|name| directory.join(name));
    for (path, content) in paths.iter().zip([server.pem(), server_key.serialize_pem(), certificate.pem()]) {
        fs::write(path, content).unwrap();
    }
    let [server, key, authority] = paths;
    (server, key, authority)
}

/// Answers for `ghcr.io` with the registry's address, and knows no other name. It ends with the test's process.
fn serve_names(namespace: &Namespace) {
    let socket = namespace.run(|| UdpSocket::bind((RESOLVER, 53))).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Some(end) = buffer[12..length].iter().position(|byte| *byte == 0).map(|end| 12 + end + 5)
            else {
                continue;
            };
            let known = buffer[12..end].to_ascii_lowercase().starts_with(b"\x04ghcr\x02io\0\0\x01");
            let mut answer = buffer[..2].to_vec();
            // A response, recursion available; NXDOMAIN where it is not known. One question, and one answer where it is.
            answer.extend([0x81, if known { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(known), 0, 0, 0, 0]);
            answer.extend(&buffer[12..end]);
            if known {
                // The name of the question, type A, class IN, one minute, four bytes.
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                answer.extend(REGISTRY.octets());
            }
            let _ = socket.send_to(&answer, from);
        }
    });
}
