//! Which lab this is, and where its files are.

use crate::{network::netns::Namespace, process::Processes};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The file that says that a directory is a lab's, which may be removed.
const MARK: &str = "hello-lab";

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

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

    /// Makes its directories and marks them as the lab's own. Refuses ones that hold what is not: `down` removes them.
    pub fn claim(&self) -> io::Result<()> {
        self.is_nobody_elses()?;
        for directory in [&self.data, &self.run] {
            fs::create_dir_all(directory).map_err(|error| naming(directory, &error))?;
            fs::write(directory.join(MARK), "").map_err(|error| naming(directory, &error))?;
        }
        Ok(())
    }

    /// Whether its directories are its own, empty or not there. The error names the one that is not.
    pub fn is_nobody_elses(&self) -> io::Result<()> {
        for directory in [&self.data, &self.run] {
            let entries = match fs::read_dir(directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(naming(directory, &error)),
                Ok(entries) => entries,
            };
            if entries.count() > 0 && !directory.join(MARK).exists() {
                return Err(io::Error::other(format!(
                    "{} holds what no lab has made, and is left alone; choose another --data, --run or name",
                    directory.display()
                )));
            }
        }
        Ok(())
    }

    /// Its processes.
    pub fn processes(&self) -> Processes {
        Processes::new(&self.name, self.run("processes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_holds_what_no_lab_has_made_is_neither_taken_nor_removed() {
        let root = tempfile::tempdir().unwrap();
        let (data, run) = (root.path().join("data"), root.path().join("run"));
        let lab = Lab::new("victim", &data, &run);
        lab.claim().unwrap();
        lab.claim().unwrap();
        fs::write(lab.data("precious"), "gold").unwrap();
        lab.is_nobody_elses().unwrap();

        for root in [&data, &run] {
            let other = Lab::new("other", &data, &run);
            fs::create_dir_all(root.join("other")).unwrap();
            other.is_nobody_elses().unwrap();
            fs::write(root.join("other/precious"), "gold").unwrap();
            for refused in [other.claim(), other.is_nobody_elses()] {
                let error = refused.unwrap_err().to_string();
                let expected = format!("{} holds what no lab has made", root.join("other").display());
                assert!(error.starts_with(&expected), "{error}");
            }
            fs::remove_dir_all(root.join("other")).unwrap();
        }
    }
}
