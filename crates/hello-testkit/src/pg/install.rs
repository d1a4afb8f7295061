//! Which PostgreSQL programs this machine has.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};

use crate::skip::skip;
use crate::target_dir::target_dir;

/// Names a directory of PostgreSQL programs to test with, before all others.
const BIN_DIR_VARIABLE: &str = "HELLO_TEST_PG_BIN";

/// Where Debian and its kin put each version.
const SYSTEM_DIR: &str = "/usr/lib/postgresql";

/// A PostgreSQL installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgVersion {
    major: u32,
    full: String,
    bin_dir: PathBuf,
}

impl PgVersion {
    /// The major version, for instance 15.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The whole version, for instance `15.18`.
    pub fn full(&self) -> &str {
        &self.full
    }

    /// The directory with its programs.
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// The path of one of its programs, if it has that.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let path = self.bin_dir.join(name);
        path.is_file().then_some(path)
    }

    fn in_dir(bin_dir: PathBuf) -> Result<Self> {
        let postgres = bin_dir.join("postgres");
        let output = Command::new(&postgres).arg("--version").output();
        let output = output.with_context(|| format!("run {}", postgres.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{} --version: {}", postgres.display(), output.status);
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
        let full = text.split_whitespace().nth(2).unwrap_or_default().to_owned();
        let major = full.split('.').next().and_then(|major| major.parse().ok());
        let Some(major) = major else { bail!("{} --version says {text:?}", postgres.display()) };
        Ok(Self { major, full, bin_dir })
    }
}

/// All PostgreSQL installations found, the preferred one first.
///
/// That is the directory named by `HELLO_TEST_PG_BIN`, then `/usr/lib/postgresql/*/bin` from the newest down, then
/// what `scripts/fetch-pg17.sh` has put under `target/tools`.
///
/// # Panics
/// When `HELLO_TEST_PG_BIN` is set and no PostgreSQL is there.
pub fn pg_versions() -> &'static [PgVersion] {
    static VERSIONS: OnceLock<Vec<PgVersion>> = OnceLock::new();
    VERSIONS.get_or_init(|| {
        let mut versions = Vec::new();
        if let Some(dir) = std::env::var_os(BIN_DIR_VARIABLE).filter(|dir| !dir.is_empty()) {
            let named = PgVersion::in_dir(dir.into());
            versions.push(named.unwrap_or_else(|e| panic!("{BIN_DIR_VARIABLE} names no PostgreSQL: {e:#}")));
        }
        let found = installed_below(Path::new(SYSTEM_DIR)).into_iter();
        for version in found.chain(installed_below(&target_dir().join("tools"))) {
            if versions.iter().all(|known| known.bin_dir != version.bin_dir) {
                versions.push(version);
            }
        }
        versions
    })
}

/// The installation of a major version, for a test about that one alone. Where there is none the test can only be left
/// out, which is said (see [`skip()`]).
pub fn pg_version_or_skip(major: u32) -> Option<&'static PgVersion> {
    let found = pg_versions().iter().find(|version| version.major == major);
    if found.is_none() {
        skip(&format!(
            "this machine has no PostgreSQL {major}; scripts/fetch-pg{major}.sh gets it where its package can be had"
        ));
    }
    found
}

/// The installation that tests use unless they ask for another.
pub(super) fn default_version() -> Result<PgVersion> {
    pg_versions().first().cloned().with_context(|| {
        format!(
            "no PostgreSQL found: install the package postgresql, or set {BIN_DIR_VARIABLE} to the directory that \
             holds initdb and postgres"
        )
    })
}

fn installed_below(dir: &Path) -> Vec<PgVersion> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut versions: Vec<_> =
        entries.filter_map(|entry| PgVersion::in_dir(entry.path().join("bin")).ok()).collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.major));
    versions
}
