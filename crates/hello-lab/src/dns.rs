//! DNS servers of the lab: the internet's, and a resolver for each VPC.
//!
//! A server is a process of its own in the namespace of its addresses. It answers from a file that the daemon writes, and
//! reads it again when it changes, so names are answered without the daemon.
//!
//! - [`model`]: what a server answers
//! - `answer`: a question's answer, a pure function; `exchange`: asking another server
//! - [`server`]: the process

mod answer;
pub(crate) mod exchange;
pub mod model;
pub mod server;

use crate::{
    files::{PASSING, write_whole},
    lab::Lab,
    network::netns::Namespace,
    subcommand::{self, Subcommand},
};
use model::ServerData;
use std::{collections::BTreeSet, fs, io, net::Ipv4Addr, os::unix::fs::PermissionsExt as _, path::PathBuf};

/// The file that a server reads, in its directory.
const DATA: &str = "data.json";

/// The DNS servers of a lab.
#[derive(Debug)]
pub struct DnsServers {
    lab: Lab,
    program: PathBuf,
}

impl DnsServers {
    /// Those of this lab. `program` is the lab's own, which has the subcommand `dns-server`.
    pub fn new(lab: &Lab, program: impl Into<PathBuf>) -> DnsServers {
        DnsServers { lab: lab.clone(), program: program.into() }
    }

    /// Makes a server answer on these addresses in the namespace with these data. Once it runs, other data are a matter
    /// of milliseconds, and interrupt nothing.
    pub async fn reconcile(
        &self,
        name: &str,
        namespace: &Namespace,
        addresses: &[Ipv4Addr],
        data: &ServerData,
    ) -> io::Result<()> {
        let server = self.server(name, Some(namespace));
        fs::create_dir_all(&server.directory)?;
        // The server reads its own directory as nobody.
        fs::set_permissions(&server.directory, fs::Permissions::from_mode(0o755))?;
        let path = server.directory.join(DATA);
        let wanted = serde_json::to_vec_pretty(data)?;
        if !fs::read(&path).is_ok_and(|has| has == wanted) {
            write_whole(&path, &wanted, PASSING.with_mode(0o644))?;
        }
        let mut arguments = vec!["dns-server".to_owned(), "--data".to_owned(), DATA.to_owned()];
        for address in addresses {
            arguments.extend(["--address".to_owned(), address.to_string()]);
        }
        let failed = |error: io::Error| {
            io::Error::new(error.kind(), format!("the DNS server {name} does not start: {error}"))
        };
        server.ensure(&arguments, Some(namespace)).await.map_err(failed)?;
        Ok(())
    }

    /// The process number of a server, if it runs.
    pub fn pid(&self, name: &str) -> Option<i32> {
        self.server(name, None).pid()
    }

    /// Ends a server; one that is not there is no error.
    pub async fn delete(&self, name: &str) -> io::Result<()> {
        self.server(name, None).delete().await
    }

    /// Ends all servers but these, also those of an earlier daemon; goes on after an error and gives all.
    pub async fn delete_others(&self, wanted: &BTreeSet<String>) -> Vec<io::Error> {
        let mut errors = Vec::new();
        match subcommand::names(&self.lab.run("dns")) {
            Ok(names) => {
                for name in names.iter().filter(|name| !wanted.contains(*name)) {
                    errors.extend(self.delete(name).await.err());
                }
            }
            Err(error) => errors.push(error),
        }
        errors
    }

    /// Ends all servers, also those of an earlier daemon; goes on after an error and gives all.
    pub async fn teardown(&self) -> Vec<io::Error> {
        let mut errors = self.delete_others(&BTreeSet::new()).await;
        errors.extend(subcommand::remove_empty(&self.lab.run("dns")).err());
        errors
    }

    fn server(&self, name: &str, lives_in: Option<&Namespace>) -> Subcommand<'_> {
        Subcommand {
            lab: &self.lab,
            program: &self.program,
            process: format!("dns-{name}"),
            directory: self.lab.run("dns").join(name),
            lives_in: lives_in.cloned(),
        }
    }
}
