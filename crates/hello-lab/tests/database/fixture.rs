//! A lab of one test: a namespace with loopback addresses, a CA, and everything gone when the test ends.

use hello_lab::{
    database::{
        Databases, Status, key,
        model::{Instance, Origin, TlsFiles},
    },
    lab::Lab,
    network::{self, netns::Namespace},
    secret::Secret,
};
use hello_testkit::{Poll, TestCa, wait_until};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};
use tempfile::TempDir;

/// Room for two WAL segments and the rest of a small cluster.
pub(crate) const STORAGE: u64 = 256 << 20;
/// The master password at first.
pub(crate) const PASSWORD: &str = "first password of the master";

/// A lab for one test.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    pub(crate) databases: Databases,
    pub(crate) namespace: Namespace,
    directory: TempDir,
    ca: TestCa,
}

impl Bench {
    /// `word` tells the tests of this program apart.
    pub(crate) fn new(word: &str) -> Bench {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests make namespaces and file systems: run them as root"
        );
        let directory = tempfile::Builder::new()
            .prefix("hl-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let name = format!("{word}{}", std::process::id());
        let lab = Lab::new(name, &directory.path().join("data"), &directory.path().join("run"));
        let namespace = lab.namespace("db");
        namespace.create().unwrap();
        let up = || Command::new("ip").args(["link", "set", "lo", "up"]).status();
        assert!(namespace.run(up).unwrap().success());
        Bench { databases: Databases::new(&lab), lab, namespace, directory, ca: TestCa::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What a daemon that was started anew knows: nothing but the files.
    pub(crate) fn other_daemon(&self) -> Databases {
        Databases::new(&self.lab)
    }

    /// A new instance at `127.0.1.HOST`.
    pub(crate) fn primary(&self, identifier: &str, host: u8) -> Instance {
        let hostname = format!("{identifier}.rds.test");
        let certificate = self.ca.issue(&[&hostname]);
        let file = |kind: &str, text: &str| -> PathBuf {
            let path = self.path().join(format!("{identifier}.{kind}"));
            fs::write(&path, text).unwrap();
            path
        };
        Instance {
            identifier: identifier.to_owned(),
            region: "eu-west-1".to_owned(),
            namespace: self.namespace.name().to_owned(),
            address: Ipv4Addr::new(127, 0, 1, host),
            tls: TlsFiles {
                certificate: file("crt", certificate.cert_pem()),
                key: file("key", certificate.key_pem()),
                ca: file("ca", &self.ca.pem()),
            },
            hostname,
            port: 5432,
            major_version: major_version(),
            origin: Origin::New { database: Some("hello".to_owned()) },
            user: Some("master".to_owned()),
            password: Some(Secret::new(PASSWORD)),
            parameters: BTreeMap::new(),
            parameters_at_reboot: BTreeSet::new(),
            memory: 1 << 30,
            vcpus: 2,
            storage: STORAGE,
            running: true,
            clients: vec!["127.0.0.0/8".parse().unwrap()],
        }
    }

    /// A replica of `source`.
    pub(crate) fn replica(&self, identifier: &str, host: u8, source: &Instance) -> Instance {
        let origin = Origin::Replica {
            source: source.key(),
            address: source.address,
            hostname: source.hostname.clone(),
            port: source.port,
        };
        Instance { origin, password: None, ..self.primary(identifier, host) }
    }

    /// A primary and a replica of it, `hello` and `hello-replica`, standing.
    pub(crate) async fn pair(&self) -> (Instance, Instance) {
        let primary = self.primary("hello", 1);
        let replica = self.replica("hello-replica", 2, &primary);
        self.make(&primary).await;
        self.make(&replica).await;
        (primary, replica)
    }

    /// An instance restored from a snapshot, in a model without a password.
    pub(crate) fn restored(&self, identifier: &str, host: u8, snapshot: &str) -> Instance {
        let origin = Origin::Snapshot { name: snapshot.to_owned() };
        Instance { origin, password: None, ..self.primary(identifier, host) }
    }

    /// Makes it, and insists on that.
    pub(crate) async fn make(&self, instance: &Instance) {
        assert_eq!(self.databases.reconcile(instance).await.unwrap(), Status::Available);
    }

    /// Makes it as a daemon does, again and again until it is there: a server that another one has started and left may be
    /// about to answer.
    pub(crate) async fn make_in_the_end(&self, instance: &Instance) {
        wait_until(&format!("{} is available", instance.identifier), Duration::from_secs(60), async || {
            let status = self.databases.reconcile(instance).await;
            Poll::ready_if(matches!(status, Ok(Status::Available)), format!("{status:?}"))
        })
        .await;
    }

    /// Number of the server's process.
    pub(crate) fn pid(&self, identifier: &str) -> i32 {
        let running = self.lab.processes().adopt(&format!("database.eu-west-1.{identifier}")).unwrap();
        running.expect("the server runs").pid()
    }

    /// A client in the namespace, as the master user.
    pub(crate) fn client<'a>(&'a self, instance: &'a Instance) -> Client<'a> {
        Client {
            bench: self,
            instance,
            password: PASSWORD,
            database: "hello",
            tls: "verify-full",
            user: "master",
        }
    }

    /// All processes that work in a directory of the lab.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            let directory = fs::read_link(format!("/proc/{pid}/cwd"));
            directory.is_ok_and(|directory| directory.starts_with(self.path()))
        })
        .collect()
    }

    /// Everything that mentions the lab or lies in its directory, apart from what the tests themselves wrote.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut found: Vec<_> = self.processes().iter().map(|pid| format!("process {pid}")).collect();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let own = self.path().to_str().unwrap();
        found.extend(mounts.lines().filter(|line| line.contains(own)).map(|line| format!("mount {line}")));
        for kind in ["databases", "snapshots", "postgresql", "sockets"] {
            let directories = [self.lab.data(kind), self.lab.run(kind)];
            found.extend(
                directories.into_iter().filter(|path| path.exists()).map(|path| path.display().to_string()),
            );
        }
        found
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let lab = self.lab.clone();
        // A runtime of its own: the test's may be the one that is unwinding.
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(Databases::new(&lab).teardown())
        });
        let removed = removed.join();
        self.lab.processes().kill_all();
        // Also those that a test's daemon made.
        let network = network::teardown(&self.lab);
        if !std::thread::panicking() {
            removed.unwrap().unwrap();
            network.unwrap();
        }
    }
}

/// `psql` in the namespace.
#[derive(Clone, Copy)]
pub(crate) struct Client<'a> {
    bench: &'a Bench,
    instance: &'a Instance,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) database: &'a str,
    pub(crate) tls: &'a str,
}

impl Client<'_> {
    fn output(&self, statement: &str) -> Output {
        let Instance { hostname, address, port, tls, .. } = self.instance;
        let (user, database, mode) = (self.user, self.database, self.tls);
        let ca = tls.ca.display();
        let target = format!(
            "host={hostname} hostaddr={address} port={port} user={user} dbname={database} sslmode={mode} \
             sslrootcert={ca} connect_timeout=10"
        );
        let mut command = Command::new("psql");
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &target, "-c", statement]);
        command.env("PGPASSWORD", self.password);
        self.bench.namespace.run(move || command.output()).unwrap()
    }

    /// The answer, with `|` between columns, or the server's complaint.
    pub(crate) fn ask(&self, statement: &str) -> Result<String, String> {
        let output = self.output(statement);
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
        } else {
            Err(String::from_utf8(output.stderr).unwrap().trim().to_owned())
        }
    }

    /// The answer.
    #[track_caller]
    pub(crate) fn tell(&self, statement: &str) -> String {
        self.ask(statement).unwrap()
    }

    /// Waits for an answer.
    pub(crate) async fn until(&self, statement: &str, wanted: &str) {
        wait_until(&format!("{statement} gives {wanted}"), Duration::from_secs(60), async || {
            let answer = self.ask(statement);
            Poll::ready_if(answer.as_deref() == Ok(wanted), format!("{answer:?}"))
        })
        .await;
    }
}

/// The key of an instance or a snapshot of the one region of most tests.
pub(crate) fn of(name: &str) -> String {
    key("eu-west-1", name)
}

/// The newest major version of this machine.
pub(crate) fn major_version() -> u32 {
    let found = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed (package postgresql)");
    let majors = found.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    majors.max().expect("PostgreSQL is installed (package postgresql)")
}
