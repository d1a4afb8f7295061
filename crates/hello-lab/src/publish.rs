//! Ports of the machine's loopback that lead into the lab.
//!
//! A published port is a process of its own: it listens on 127.0.0.1 of the machine and connects from inside a namespace,
//! that of the lab's internet client, to a name that the lab's internet DNS resolves for each connection. What is sent
//! passes as it is, so that TLS ends where it does for every other client of the lab.
//!
//! - [`run`]: the process
//! - [`PublishedPorts`]: all of a lab

use crate::{
    dns::exchange,
    files::{PASSING, gone, write_whole},
    lab::Lab,
    network::netns::Namespace,
    subcommand::{self, Subcommand},
    timeouts, unprivileged,
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddrV4, TcpListener as StdTcpListener},
    path::PathBuf,
    sync::Arc,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

/// Connections at a time; one more waits in the kernel's queue of the socket, which is bounded too.
const CONNECTIONS: usize = 512;

/// Where a published port leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The namespace that connections are made from.
    pub namespace: String,
    /// The DNS server that is asked there.
    pub dns: Ipv4Addr,
    /// The name that is connected to.
    pub host: String,
    /// And its port.
    pub port: u16,
}

/// Why a port is not published.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another program has the port.
    #[error(
        "port {0} of this machine is in use by another program: end that program, or choose another port for this lab (0 takes a free one)"
    )]
    Taken(u16),
    /// Anything else.
    #[error("port {port} cannot be published: {error}")]
    Other {
        /// The port that was asked for.
        port: u16,
        /// What went wrong.
        error: io::Error,
    },
}

/// How a server says that its port is in use.
const IN_USE: &str = "the port is in use";

/// The published ports of a lab.
#[derive(Debug)]
pub struct PublishedPorts {
    lab: Lab,
    program: PathBuf,
}

impl PublishedPorts {
    /// Those of this lab. `program` is the lab's own, which has the subcommand `publish`.
    pub fn new(lab: &Lab, program: impl Into<PathBuf>) -> PublishedPorts {
        PublishedPorts { lab: lab.clone(), program: program.into() }
    }

    /// Makes a port of 127.0.0.1 lead to the destination, and says which it is. With 0 it is a free one, and from then on
    /// the same one as long as it is free.
    pub async fn reconcile(&self, name: &str, port: u16, destination: &Destination) -> Result<u16, Error> {
        let other = |error| Error::Other { port, error };
        let server = self.server(name, Some(Namespace::named(&destination.namespace)));
        // Outside the server's directory, which ends with it.
        let recorded = self.lab.run("published").join(format!("{name}.port"));
        let earlier = fs::read_to_string(&recorded).ok().and_then(|port| port.trim().parse().ok());
        let chosen = if port == 0 { earlier.unwrap_or(0) } else { port };
        let told = match server.ensure(&arguments(chosen, destination), None).await {
            Err(error) if error.to_string().contains(IN_USE) && port == 0 && chosen != 0 => {
                server.ensure(&arguments(0, destination), None).await
            }
            told => told,
        };
        let told = told.map_err(|error| {
            if error.to_string().contains(IN_USE) { Error::Taken(chosen) } else { other(error) }
        })?;
        let published = told.trim().parse().map_err(|error| other(io::Error::other(error)))?;
        if earlier != Some(published) {
            fs::create_dir_all(self.lab.run("published")).map_err(other)?;
            write_whole(&recorded, published.to_string().as_bytes(), PASSING).map_err(other)?;
        }
        // A server that was told 0 is not started again for having a port by now.
        if port == 0 && chosen != published {
            server.describe(&arguments(published, destination), None).map_err(other)?;
        }
        Ok(published)
    }

    /// The port that a name is published at, if it is.
    pub fn port(&self, name: &str) -> Option<u16> {
        self.pid(name)?;
        fs::read_to_string(self.lab.run("published").join(format!("{name}.port"))).ok()?.trim().parse().ok()
    }

    /// The process number of a published port, if it is served.
    pub fn pid(&self, name: &str) -> Option<i32> {
        self.server(name, None).pid()
    }

    /// Ends a published port; one that is not there is no error.
    pub async fn delete(&self, name: &str) -> io::Result<()> {
        self.withdraw(name).await?;
        gone(fs::remove_file(self.lab.run("published").join(format!("{name}.port"))))
    }

    /// Ends a published port that leads nowhere for now: the next time it is the same one, if that is free. One that is not
    /// there is no error.
    pub async fn withdraw(&self, name: &str) -> io::Result<()> {
        self.server(name, None).delete().await
    }

    /// Ends all published ports, also those of an earlier daemon; goes on after an error and gives all.
    pub async fn teardown(&self) -> Vec<io::Error> {
        let mut errors = Vec::new();
        match subcommand::names(&self.lab.run("publish")) {
            Ok(names) => {
                for name in names {
                    errors.extend(self.delete(&name).await.err());
                }
            }
            Err(error) => errors.push(error),
        }
        errors.extend(subcommand::remove_empty(&self.lab.run("publish")).err());
        // Also the numbers of ports that were withdrawn.
        errors.extend(gone(fs::remove_dir_all(self.lab.run("published"))).err());
        errors
    }

    fn server(&self, name: &str, lives_in: Option<Namespace>) -> Subcommand<'_> {
        Subcommand {
            lab: &self.lab,
            program: &self.program,
            process: format!("publish-{name}"),
            directory: self.lab.run("publish").join(name),
            lives_in,
        }
    }
}

fn arguments(port: u16, destination: &Destination) -> Vec<String> {
    let Destination { namespace, dns, host, port: target } = destination;
    [
        ("--port", port.to_string()),
        ("--namespace", namespace.clone()),
        ("--dns", dns.to_string()),
        ("--host", host.clone()),
        ("--target-port", target.to_string()),
    ]
    .into_iter()
    .fold(vec!["publish".to_owned()], |mut words, (option, value)| {
        words.extend([option.to_owned(), value]);
        words
    })
}

/// Serves a published port until it is ended.
///
/// Begins as root in the machine's namespace, opens the port there, enters the namespace of the destination for good, and
/// gives root up.
pub fn run(port: u16, destination: &Destination) -> io::Result<()> {
    subcommand::log();
    let listener = StdTcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => io::Error::new(ErrorKind::AddrInUse, IN_USE),
        _ => error,
    })?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let destination = destination.clone();
    Namespace::named(&destination.namespace).run(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener)?;
            let announcement = subcommand::announcement()?;
            unprivileged::become_nobody()?;
            subcommand::ready(announcement, &port.to_string())?;
            serve(listener, Arc::new(destination)).await
        })
    })
}

async fn serve(listener: TcpListener, destination: Arc<Destination>) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
        let client = match listener.accept().await {
            Ok((client, _)) => client,
            // A client that has gone already, or no file descriptor left for the moment.
            Err(error) => {
                tracing::warn!("failed to accept: {error}");
                tokio::time::sleep(timeouts::ACCEPT).await;
                continue;
            }
        };
        let destination = Arc::clone(&destination);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = pass(client, &destination).await {
                tracing::warn!("failed to pass a connection on to {}: {error}", destination.host);
            }
        });
    }
}

/// Passes a connection on until both sides have said their last. The client sees the other side's end as its own.
async fn pass(mut client: TcpStream, destination: &Destination) -> io::Result<()> {
    let mut target = connect(destination).await?;
    client.set_nodelay(true)?;
    target.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut target).await.map(|_| ())
}

async fn connect(destination: &Destination) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "it has no address");
    for address in exchange::addresses(destination.dns, &destination.host).await? {
        let address = SocketAddrV4::new(address, destination.port);
        match timeout(timeouts::PUBLISHED_CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(ErrorKind::TimedOut, format!("{address} does not answer")),
        }
    }
    Err(last)
}
