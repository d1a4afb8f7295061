//! Which lab this is, and where its files are.

use crate::{network::netns::Namespace, process::Processes};
use std::path::{Path, PathBuf};

/// A lab by name: labs of different names share nothing.
#[derive(Clone, Debug)]
pub struct Lab {
    name: String,
    data: PathBuf,
    run: PathBuf,
}

impl Lab {
    /// The lab `name` with durable files below `data` and those of running parts below `run`.
    pub fn new(name: impl Into<String>, data: &Path, run: &Path) -> Lab {
        let name = name.into();
        Lab { data: data.join(&name), run: run.join(&name), name }
    }

    /// The directories that it shares with labs of other names: durable files, and those of running parts.
    pub fn roots(&self) -> (&Path, &Path) {
        (self.data.parent().unwrap_or(&self.data), self.run.parent().unwrap_or(&self.run))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory of a kind of part that must outlive a reboot: `databases`, `images`, `logs`, `tls`.
    pub fn data(&self, kind: &str) -> PathBuf {
        self.data.join(kind)
    }

    /// The directory of what only counts while parts run: sockets, process records, generated configuration.
    pub fn run(&self, kind: &str) -> PathBuf {
        self.run.join(kind)
    }

    /// The namespace of a part. Namespaces of a lab share the prefix `hl-NAME-`.
    pub fn namespace(&self, part: &str) -> Namespace {
        Namespace::named(format!("{}{part}", self.namespace_prefix()))
    }

    /// What the names of all its namespaces begin with.
    pub fn namespace_prefix(&self) -> String {
        format!("hl-{}-", self.name)
    }

    /// Its processes.
    pub fn processes(&self) -> Processes {
        Processes::new(&self.name, self.run("processes"))
    }
}
