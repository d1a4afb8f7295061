//! The PostgreSQL server of the run: made for it, on a free loopback port, gone afterwards.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use crate::process::{Running, supervised};
use crate::{interrupt, users};

/// Settings of the server. Durability is on; what a default installation leaves small is set to what the data
/// needs; autovacuum and timed checkpoints are off because the harness vacuums and checkpoints before each
/// contender's turn instead, so that none of it falls into one contender's window and not another's.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("max_connections", "300"),
    ("shared_buffers", "1GB"),
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "1h"),
    ("autovacuum", "off"),
    ("ssl", "off"),
    ("log_min_messages", "fatal"),
];

/// A database server, running until dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    running: Running,
    port: u16,
    bin: PathBuf,
    // After `running`, so that the files go when the server has gone.
    _directory: tempfile::TempDir,
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}

/// The directory with PostgreSQL's programs: the newest that Debian's packages installed, else what
/// `pg_config` says.
fn find_bin() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| Path::new(&format!("/usr/lib/postgresql/{version}/bin/postgres")).exists())
        .max();
    if let Some(version) = newest {
        return Ok(format!("/usr/lib/postgresql/{version}/bin").into());
    }
    let output = Command::new("pg_config")
        .arg("--bindir")
        .output()
        .context("no PostgreSQL found: apt-get install postgresql")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}

impl Postgres {
    /// Makes a cluster under `parent` and starts it.
    pub(crate) fn start(parent: &Path) -> Result<Self> {
        let bin = find_bin()?;
        let directory = tempfile::Builder::new()
            .prefix("hello-you-bench-")
            .tempdir_in(parent)
            .with_context(|| format!("make a directory in {}", parent.display()))?;
        // PostgreSQL refuses to run as root.
        let user = rustix::process::geteuid().is_root().then_some("postgres");
        if let Some(user) = user {
            let status =
                Command::new("chown").arg(user).arg(directory.path()).status().context("run chown")?;
            ensure!(status.success(), "the system has no user `{user}` to run PostgreSQL as");
        }
        let data = directory.path().join("data");
        // Locale C for all: comparing names costs no contender more than another.
        let status = supervised(user, "KILL", &bin.join("initdb").to_string_lossy())
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .status()
            .context("run initdb")?;
        ensure!(status.success(), "initdb failed: {status}");

        let port = free_port()?;
        let mut command = supervised(user, "INT", &bin.join("postgres").to_string_lossy());
        command.arg("-D").arg(&data).arg("-p").arg(port.to_string()).current_dir(directory.path());
        for (name, value) in SETTINGS {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let log_path = directory.path().join("log");
        let log = File::create(&log_path).context("make PostgreSQL's log")?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let running = Running::start(&mut command, Signal::INT, Duration::from_secs(20))?;
        let mut postgres = Self { running, port, bin, _directory: directory };
        postgres.wait_until_ready().with_context(|| {
            let log = std::fs::read_to_string(&log_path).unwrap_or_default();
            format!("start PostgreSQL, which says: {}", log.trim())
        })?;
        Ok(postgres)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            self.running.check().context("PostgreSQL does not start")?;
            let status = Command::new(self.bin.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-U", "postgres", "-p"])
                .arg(self.port.to_string())
                .status()
                .context("run pg_isready")?;
            if status.success() {
                return Ok(());
            }
            ensure!(Instant::now() < end, "PostgreSQL does not answer within 30 s");
            interrupt::sleep(Duration::from_millis(50))?;
        }
    }

    /// The server's main process.
    pub(crate) fn id(&self) -> u32 {
        self.running.id()
    }

    /// The server's port on the loopback address.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The path of one of PostgreSQL's programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// How a contender reaches a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.bin.join("psql"));
        command
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
            .arg(self.url(database))
            .env("PGOPTIONS", "-c statement_timeout=300s");
        command
    }

    /// Runs a statement and gives its output as text.
    pub(crate) fn query(&self, database: &str, sql: &str) -> Result<String> {
        interrupt::check()?;
        let output = self.psql(database).arg("--command").arg(sql).output().context("run psql")?;
        if !output.status.success() {
            bail!("`{sql}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Fills the `users` table of a database and readies it for reading.
    pub(crate) fn load_users(&self, database: &str, count: u32) -> Result<()> {
        let mut random = fastrand::Rng::with_seed(1);
        let mut child = self
            .psql(database)
            .arg("--command=copy users (username, date_of_birth) from stdin")
            .stdin(Stdio::piped())
            .spawn()
            .context("run psql")?;
        let mut input = std::io::BufWriter::new(child.stdin.take().context("psql has no input")?);
        for number in 0..count {
            input.write_all(&users::username(number)).context("load the users")?;
            input.write_all(b"\t").context("load the users")?;
            input.write_all(&users::date_of_birth(&mut random)).context("load the users")?;
            input.write_all(b"\n").context("load the users")?;
        }
        drop(input.into_inner().context("load the users")?);
        ensure!(child.wait().context("wait for psql")?.success(), "loading the users of {database} failed");
        self.query(database, "vacuum (analyze, freeze) users")?;
        Ok(())
    }

    /// Brings the tables and indexes of a database into the server's memory.
    pub(crate) fn prewarm(&self, database: &str) -> Result<()> {
        let mut sql = String::from("create extension if not exists pg_prewarm; ");
        write!(
            sql,
            "select count(pg_prewarm(oid)) from pg_class where relkind in ('r', 'i')
             and relnamespace = 'public'::regnamespace"
        )?;
        self.query(database, &sql)?;
        Ok(())
    }

    /// The server's version.
    pub(crate) fn version(&self) -> Result<String> {
        self.query("postgres", "show server_version")
    }
}
