//! The machine's PostgreSQL, and the lab's view of it.
//!
//! On RDS the master user, who is no superuser, creates extensions such as `pg_stat_statements`. PostgreSQL allows that
//! for extensions whose control file says `trusted`, and Debian's do not. So the lab runs the server from a tree of its
//! own, in which those control files do: PostgreSQL finds its files relative to its program, and everything else in the
//! tree is a link to the installed files. No file of the system is changed.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-extensions.html>

use super::error::{DatabaseError, Doing as _};
use crate::lab::Lab;
use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
};

/// Where Debian's packages put the major versions: `15/bin/postgres`.
const LIBRARY: &str = "/usr/lib/postgresql";
/// Where they put what is the same on all architectures.
const SHARE: &str = "/usr/share/postgresql";

/// Extensions that RDS offers and that PostgreSQL leaves to superusers. Those that reach the server's files or raw pages
/// are left out: `adminpack`, `file_fdw`, `pageinspect`, `pg_surgery`, `xml2`.
const OFFERED: [&str; 21] = [
    "amcheck",
    "autoinc",
    "bloom",
    "dblink",
    "dict_xsyn",
    "earthdistance",
    "insert_username",
    "intagg",
    "moddatetime",
    "old_snapshot",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_visibility",
    "pg_walinspect",
    "pgrowlocks",
    "pgstattuple",
    "postgres_fdw",
    "refint",
    "sslinfo",
];

/// A major version of PostgreSQL.
#[derive(Clone, Debug)]
pub(super) struct Installation {
    pub(super) major: u32,
    /// The lab's tree.
    tree: PathBuf,
}

impl Installation {
    /// The wanted major version.
    pub(super) fn find(lab: &Lab, identifier: &str, major: u32) -> Result<Installation, DatabaseError> {
        let found = majors();
        if !found.contains(&major) {
            let found: Vec<_> = found.iter().map(u32::to_string).collect();
            return Err(DatabaseError::Version {
                identifier: identifier.to_owned(),
                wanted: major,
                found: if found.is_empty() { "none".to_owned() } else { found.join(", ") },
            });
        }
        Ok(Installation { major, tree: lab.data("postgresql").join(major.to_string()) })
    }

    /// One of the installed programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        Path::new(LIBRARY).join(self.major.to_string()).join("bin").join(name)
    }

    /// The server, in the lab's tree.
    pub(super) fn server(&self) -> PathBuf {
        self.tree.join("lib/postgresql").join(self.major.to_string()).join("bin/postgres")
    }

    /// Where loadable libraries are.
    pub(super) fn libraries(&self) -> PathBuf {
        Path::new(LIBRARY).join(self.major.to_string()).join("lib")
    }

    /// Makes the lab's tree, or makes it anew after the package was upgraded.
    pub(super) fn lay_out(&self) -> Result<(), DatabaseError> {
        let installed = self.program("postgres");
        let stamp = stamp(&installed).at("look at", &installed)?;
        let marker = self.tree.join("made-from");
        if fs::read_to_string(&marker).is_ok_and(|made_from| made_from == stamp) {
            return Ok(());
        }
        // Made aside and renamed: a server may be starting from the old one. Running ones have their files open.
        let aside = self.tree.with_extension(format!("{}.new", std::process::id()));
        super::files::remove_directory(&aside)?;
        self.make(&aside, &installed, &stamp).at("lay out PostgreSQL in", &aside)?;
        super::files::remove_directory(&self.tree)?;
        match fs::rename(&aside, &self.tree) {
            // Another instance's reconciliation has made it at the same time.
            Err(_) if marker.exists() => super::files::remove_directory(&aside),
            renamed => renamed.at("make", &self.tree),
        }
    }

    fn make(&self, tree: &Path, installed: &Path, stamp: &str) -> io::Result<()> {
        let major = self.major.to_string();
        let (library, share) =
            (tree.join("lib/postgresql").join(&major), tree.join("share/postgresql").join(&major));
        fs::create_dir_all(library.join("bin"))?;
        fs::create_dir_all(share.join("extension"))?;
        let server = library.join("bin/postgres");
        // A second name for the same file, so that its memory is shared; a copy on another file system.
        if fs::hard_link(installed, &server).is_err() {
            fs::copy(installed, &server)?;
        }
        symlink(self.libraries(), library.join("lib"))?;
        let from = Path::new(SHARE).join(&major);
        link_all(&from, &share, |name| name == "extension")?;
        link_all(&from.join("extension"), &share.join("extension"), is_offered)?;
        for extension in OFFERED {
            let control = format!("extension/{extension}.control");
            match fs::read_to_string(from.join(&control)) {
                Ok(text) => fs::write(share.join(&control), format!("{text}\ntrusted = true\n"))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        fs::write(tree.join("made-from"), stamp)
    }
}

/// The installed major versions, lowest first.
fn majors() -> Vec<u32> {
    let entries = fs::read_dir(LIBRARY).into_iter().flatten().flatten();
    let mut found: Vec<u32> = entries
        .filter(|entry| entry.path().join("bin/postgres").is_file())
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    found.sort_unstable();
    found
}

/// Changes whenever the file is another one.
fn stamp(file: &Path) -> io::Result<String> {
    let found = fs::metadata(file)?;
    Ok(format!("{} {} {}", found.ino(), found.size(), found.mtime()))
}

fn is_offered(name: &OsStr) -> bool {
    let name = name.to_str().and_then(|name| name.strip_suffix(".control"));
    name.is_some_and(|name| OFFERED.contains(&name))
}

/// Links to everything in a directory, apart from what is left out.
fn link_all(from: &Path, to: &Path, left_out: impl Fn(&OsStr) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if !left_out(&entry.file_name()) {
            symlink(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
