//! The HAProxy processes of a node.
//!
//! A process never changes its configuration: for a new one the next generation is started. It takes the listening
//! sockets over from the one before (`-x`), knows its targets and their health (`server-state-file`), and tells it to
//! finish what it has (`-sf`). No connection is refused in between.
//!
//! A generation has a directory `g1`, `g2`, ... with all that its process reads. The highest one that runs is the current
//! one, so nothing else needs to be remembered.

use super::{
    Error,
    admin::{Admin, Server},
    config::{self, Configuration, Servers},
    model::{LoadBalancer, Node},
};
use crate::{
    files::{PASSING, gone, write_whole},
    lab::Lab,
    network::netns::Namespace,
    process::{Described, Running, User},
    subcommand::last_lines,
    timeouts, unprivileged,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    time::Instant,
};
use tokio::{sync::watch, task::JoinHandle};

/// What is said of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Namespace and address.
    pub node: Node,
    /// Its process, if it runs.
    pub pid: Option<i32>,
}

/// A generation that was alive when it was looked at.
#[derive(Debug)]
struct Generation {
    number: u64,
    pid: i32,
    /// Ends with the process; waits for it where it is a child of this program.
    end: JoinHandle<()>,
}

impl Generation {
    fn is_alive(&self) -> bool {
        !self.end.is_finished()
    }
}

/// A node with its processes.
#[derive(Debug)]
pub(super) struct NodeProcesses {
    lab: Lab,
    user: User,
    /// Of the load balancer.
    id: String,
    pub(super) node: Node,
    directory: PathBuf,
    /// Lowest first; the last is the current one.
    generations: Vec<Generation>,
    changes: watch::Sender<u64>,
}

/// The directory of a node's generations below that of its load balancer.
fn directory_of(balancer: &Path, node: &Node) -> PathBuf {
    balancer.join(node.address.to_string())
}

impl NodeProcesses {
    /// The node with what of it runs already.
    pub(super) fn adopt(
        lab: &Lab,
        user: User,
        id: &str,
        balancer: &Path,
        node: &Node,
        changes: &watch::Sender<u64>,
    ) -> io::Result<NodeProcesses> {
        let mut adopted = NodeProcesses {
            lab: lab.clone(),
            user,
            id: id.to_owned(),
            node: node.clone(),
            directory: directory_of(balancer, node),
            generations: Vec::new(),
            changes: changes.clone(),
        };
        let mut numbers = numbers(&adopted.directory)?;
        numbers.sort_unstable();
        for number in numbers {
            match lab.processes().adopt(&adopted.process_name(number))? {
                Some(running) => adopted.watch(number, running),
                None => gone(fs::remove_dir_all(adopted.generation_directory(number)))?,
            }
        }
        Ok(adopted)
    }

    fn process_name(&self, generation: u64) -> String {
        format!("haproxy-{}-{}-{generation}", self.id, self.node.address)
    }

    fn generation_directory(&self, generation: u64) -> PathBuf {
        self.directory.join(format!("g{generation}"))
    }

    fn watch(&mut self, number: u64, mut running: Running) {
        let changes = self.changes.clone();
        let pid = running.pid();
        let end = tokio::spawn(async move {
            running.ended().await;
            changes.send_modify(|change| *change += 1);
        });
        self.generations.push(Generation { number, pid, end });
    }

    fn current(&self) -> Option<&Generation> {
        self.generations.last().filter(|generation| generation.is_alive())
    }

    /// Its admin socket, if it runs.
    pub(super) fn admin(&self) -> Option<Admin> {
        self.current().map(|generation| self.admin_of(generation.number))
    }

    fn admin_of(&self, generation: u64) -> Admin {
        Admin { socket: self.generation_directory(generation).join(admin_socket(generation)) }
    }

    /// Does a process with an older configuration still run?
    pub(super) fn older_process(&self) -> bool {
        self.generations.iter().rev().skip(1).any(Generation::is_alive)
    }

    /// What is said of it.
    pub(super) fn status(&self) -> NodeStatus {
        NodeStatus { node: self.node.clone(), pid: self.current().map(|generation| generation.pid) }
    }

    /// Makes a process with the configuration of the model run.
    pub(super) async fn ensure(&mut self, balancer: &LoadBalancer) -> Result<(), Error> {
        self.forget_the_dead()?;
        let namespace = Namespace::named(&self.node.namespace);
        if self.current().is_some_and(|current| !namespace.holds(current.pid)) {
            // The namespace was made anew: what is left of the old one reaches nobody.
            self.stop_all().await?;
        }
        let (certificates, contents) = certificates(balancer)?;
        let invalid = |reason| Error::Invalid { id: self.id.clone(), reason };
        let render = |socket: &str, servers: &Servers| {
            config::configuration(balancer, &self.node, &certificates, socket, servers)
        };
        // What makes a new process necessary: everything but the targets.
        let wanted = fingerprint(&render("", &Servers::default()).map_err(invalid)?);
        if let Some(current) = self.current() {
            let has = fs::read_to_string(self.generation_directory(current.number).join("fingerprint"));
            if has.is_ok_and(|has| has == wanted) {
                return Ok(());
            }
        }
        let (servers, state) = self.targets_of_the_old(balancer).await;
        let number = self.next_number()?;
        let mut configuration = render(&admin_socket(number), &servers).map_err(invalid)?;
        configuration.files.extend(contents);
        configuration.files.insert("state".to_owned(), state.into_bytes());
        configuration.files.insert("fingerprint".to_owned(), wanted.into_bytes());
        self.write(number, configuration)?;
        self.start(number).await
    }

    fn forget_the_dead(&mut self) -> io::Result<()> {
        let (alive, dead) = std::mem::take(&mut self.generations).into_iter().partition(Generation::is_alive);
        self.generations = alive;
        dead.iter().try_for_each(|generation: &Generation| {
            gone(fs::remove_dir_all(self.generation_directory(generation.number)))
        })
    }

    fn next_number(&self) -> io::Result<u64> {
        Ok(numbers(&self.directory)?.into_iter().max().unwrap_or(0) + 1)
    }

    /// Which targets a new process knows as members, and their states. The others are new to it.
    async fn targets_of_the_old(&self, balancer: &LoadBalancer) -> (Servers, String) {
        let mut members = BTreeSet::new();
        let mut state = String::new();
        if let Some(admin) = self.admin()
            && let (Ok(servers), Ok(states)) = (admin.servers().await, admin.ask("show servers state").await)
        {
            members.extend(
                servers
                    .into_iter()
                    .filter(|Server { backend, maintenance, weight, .. }| {
                        backend.starts_with("tg-") && !maintenance && *weight > 0
                    })
                    .map(|server| (server.backend, server.name)),
            );
            state = states_of(&states, &members);
        }
        let mut servers = Servers::default();
        for group in balancer.target_groups.values() {
            for target in group.targets.iter().filter(|target| !target.draining) {
                let name = config::server(target);
                let member = (config::members(&group.name), name.clone());
                servers.known.insert((config::all_targets(&group.name), name));
                if members.contains(&member) {
                    servers.known.insert(member);
                }
            }
        }
        (servers, state)
    }

    fn write(&self, generation: u64, configuration: Configuration) -> io::Result<()> {
        let directory = self.generation_directory(generation);
        fs::create_dir_all(&directory)?;
        // The process looks into its own directory and, for the socket, into that of the one before.
        fs::set_permissions(&self.directory, fs::Permissions::from_mode(0o711))?;
        let User { uid, gid } = self.user;
        let files = configuration.files.into_iter();
        for (name, content) in files.chain([("haproxy.cfg".to_owned(), configuration.text.into_bytes())]) {
            let path = directory.join(name);
            write_whole(&path, &content, PASSING)?;
            chown(&path, Some(uid), Some(gid))?;
        }
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
        chown(&directory, Some(uid), Some(gid))
    }

    async fn start(&mut self, number: u64) -> Result<(), Error> {
        let namespace = Namespace::named(&self.node.namespace);
        unprivileged::allow_low_ports(&namespace)?;
        let directory = self.generation_directory(number);
        let mut arguments: Vec<_> = ["-db", "-f", "haproxy.cfg"].map(Into::into).into();
        if let Some(current) = self.current() {
            arguments.extend([
                "-x".into(),
                format!("../g{0}/{1}", current.number, admin_socket(current.number)).into(),
            ]);
        }
        let older: Vec<_> =
            self.generations.iter().map(|generation| generation.pid.to_string().into()).collect();
        if !older.is_empty() {
            arguments.push("-sf".into());
            arguments.extend(older);
        }
        let described = Described {
            name: self.process_name(number),
            program: "haproxy".into(),
            arguments,
            environment: Vec::new(),
            namespace: Some(namespace),
            user: Some(self.user),
            log: directory.join("log"),
            directory: directory.clone(),
        };
        let failed = |said: String| Error::Start {
            id: self.id.clone(),
            address: self.node.address,
            said: said.trim().to_owned(),
        };
        let running = self.lab.processes().start(&described).map_err(|error| failed(error.to_string()))?;
        self.watch(number, running);
        let deadline = Instant::now() + timeouts::PROCESS_START;
        let admin = self.admin_of(number);
        let started = self.generations.last().expect("it was just pushed");
        let last = loop {
            if !started.is_alive() {
                break last_lines(&directory.join("log"));
            }
            match admin.ask("show version").await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => break error.to_string(),
                Err(_) => tokio::time::sleep(timeouts::POLL_START).await,
            }
        };
        let error = Err(Error::Start { id: self.id.clone(), address: self.node.address, said: last });
        self.stop_generation(number).await?;
        self.generations.retain(|generation| generation.number != number);
        gone(fs::remove_dir_all(&directory))?;
        error
    }

    async fn stop_generation(&self, number: u64) -> io::Result<()> {
        match self.lab.processes().adopt(&self.process_name(number))? {
            Some(running) => running.stop(timeouts::PROCESS_STOP).await,
            None => Ok(()),
        }
    }

    async fn stop_all(&mut self) -> io::Result<()> {
        for generation in std::mem::take(&mut self.generations) {
            self.stop_generation(generation.number).await?;
            // Its child is waited for before the namespace can go.
            let _ = generation.end.await;
        }
        gone(fs::remove_dir_all(&self.directory))
    }

    /// Ends its processes and removes its files.
    pub(super) async fn delete(mut self) -> io::Result<()> {
        self.stop_all().await
    }
}

fn admin_socket(generation: u64) -> String {
    // Its own name: a process takes over every listening socket whose name it knows, and must not take this one.
    format!("admin-{generation}.sock")
}

fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.strip_prefix('g')?.parse().ok()).collect())
}

/// Certificates of listeners: names of files by port, and their contents. The name follows from the content, so that a
/// renewed certificate is another configuration.
#[expect(clippy::type_complexity, reason = "two maps that are used once, together")]
fn certificates(
    balancer: &LoadBalancer,
) -> Result<(BTreeMap<u16, String>, BTreeMap<String, Vec<u8>>), Error> {
    let (mut names, mut contents) = (BTreeMap::new(), BTreeMap::new());
    for (port, listener) in &balancer.listeners {
        let Some(path) = &listener.certificate else { continue };
        let content = fs::read(path).map_err(|error| Error::Invalid {
            id: balancer.id(),
            reason: format!("cannot read the certificate {}: {error}", path.display()),
        })?;
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        let name = format!("certificate-{:016x}.pem", hasher.finish());
        names.insert(*port, name.clone());
        contents.insert(name, content);
    }
    Ok((names, contents))
}

fn fingerprint(configuration: &Configuration) -> String {
    let mut fingerprint = configuration.text.clone();
    for (name, content) in &configuration.files {
        fingerprint.extend(["\n# ", name, "\n"]);
        fingerprint.push_str(&String::from_utf8_lossy(content));
    }
    fingerprint
}

/// The lines of `show servers state` that a new process shall begin with.
fn states_of(states: &str, members: &BTreeSet<(String, String)>) -> String {
    let mut kept = String::new();
    for line in states.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        let member = fields.len() > 3 && members.contains(&(fields[1].to_owned(), fields[3].to_owned()));
        if member || line == "1" || line.starts_with('#') {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}
