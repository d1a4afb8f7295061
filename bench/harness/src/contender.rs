//! The servers that are measured: how each is built, started, and where its users are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::postgres::Postgres;
use crate::process::supervised;
use crate::{options::Options, pgbench};

/// The database that the peers' databases are copies of.
const TEMPLATE: &str = "bench_template";

/// One of the servers that are measured.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// This project's service
    HelloYou,
    /// The web framework with no database
    Nodb,
    /// axum and sqlx, one query per request
    AxumSqlx,
    /// Go, net/http and pgx
    Go,
    /// Flask, SQLAlchemy and gunicorn
    Flask,
    /// PostgreSQL's own benchmark: prepared selects, 64 clients
    Pgbench,
}

/// Where things are, and what to run.
#[derive(Debug)]
pub(crate) struct Site {
    repository: PathBuf,
    hello_you: Option<PathBuf>,
}

impl Site {
    /// The repository that the current directory is in, else the one that the harness was built from.
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        let current = std::env::current_dir().context("find the current directory")?;
        let repository = current
            .ancestors()
            .find(|directory| directory.join("bench/harness/Cargo.toml").is_file())
            .or(built_from)
            .context("the harness is two levels below the repository")?;
        Ok(Self { repository: repository.to_owned(), hello_you: options.hello_you.clone() })
    }

    fn bench(&self) -> PathBuf {
        self.repository.join("bench")
    }

    fn peer(&self, name: &str) -> PathBuf {
        self.bench().join("peers").join(name)
    }

    /// Where results go.
    pub(crate) fn results(&self) -> PathBuf {
        self.bench().join("results")
    }

    /// Where cargo puts what it builds for a workspace, unless told otherwise by its variable.
    fn target(workspace: &Path) -> PathBuf {
        let shared = std::env::var_os("CARGO_TARGET_DIR");
        workspace.join(shared.unwrap_or_else(|| "target".into()))
    }
}

impl Contender {
    /// The name that stands in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HelloYou => "hello-you",
            Self::Nodb => "nodb",
            Self::AxumSqlx => "axum-sqlx",
            Self::Go => "go",
            Self::Flask => "flask",
            Self::Pgbench => "pgbench",
        }
    }

    /// Whether it is a peer: the same API with a database, written the plain way.
    pub(crate) fn is_peer(self) -> bool {
        matches!(self, Self::AxumSqlx | Self::Go | Self::Flask)
    }

    /// The database that it keeps its users in.
    pub(crate) fn database(self) -> Option<&'static str> {
        match self {
            Self::HelloYou => Some("bench_hello_you"),
            Self::Nodb => None,
            Self::AxumSqlx => Some("bench_axum_sqlx"),
            Self::Go => Some("bench_go"),
            Self::Flask => Some("bench_flask"),
            Self::Pgbench => Some(pgbench::DATABASE),
        }
    }

    /// The one file that is deployed, where there is such a thing.
    pub(crate) fn binary(self, site: &Site) -> Option<PathBuf> {
        let bench = site.bench();
        match self {
            Self::HelloYou => Some(
                site.hello_you
                    .clone()
                    .unwrap_or_else(|| Site::target(&site.repository).join("release/hello-you")),
            ),
            Self::Nodb => Some(Site::target(&bench).join("release/peer-axum-nodb")),
            Self::AxumSqlx => Some(Site::target(&bench).join("release/peer-axum-sqlx")),
            Self::Go => Some(site.peer("go").join("target/hello-go")),
            Self::Flask | Self::Pgbench => None,
        }
    }

    /// Builds it; quick when nothing has changed.
    pub(crate) fn build(self, site: &Site) -> Result<()> {
        let cargo = |workspace: &Path, package: &str| {
            let mut command = Command::new("cargo");
            command.args(["build", "--release", "--quiet", "-p", package]).current_dir(workspace);
            run(&mut command)
        };
        match self {
            Self::HelloYou if site.hello_you.is_some() => Ok(()),
            Self::HelloYou => cargo(&site.repository, "hello-you"),
            Self::Nodb => cargo(&site.bench(), "peer-axum-nodb"),
            Self::AxumSqlx => cargo(&site.bench(), "peer-axum-sqlx"),
            Self::Go => run(Command::new("go")
                .args(["build", "-trimpath", "-ldflags=-s -w", "-o", "target/hello-go", "."])
                .env("CGO_ENABLED", "0")
                .current_dir(site.peer("go"))),
            Self::Flask => {
                let flask = site.peer("flask");
                if !flask.join("target/venv/bin/pip").exists() {
                    run(Command::new("python3").args(["-m", "venv", "target/venv"]).current_dir(&flask))?;
                }
                run(Command::new("target/venv/bin/pip")
                    .args(["install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"])
                    .current_dir(&flask))
            }
            Self::Pgbench => Ok(()),
        }
    }

    /// Makes and fills its database.
    pub(crate) fn load(self, site: &Site, postgres: &Postgres, users: u32) -> Result<()> {
        let Some(database) = self.database() else { return Ok(()) };
        if self == Self::Pgbench {
            return pgbench::load(postgres, users);
        }
        if self == Self::HelloYou {
            postgres.query("postgres", &format!("create database {database}"))?;
            let binary = self.binary(site).context("the service is a binary")?;
            let output = Command::new(&binary)
                .arg("migrate")
                .env("DATABASE_URL", postgres.url(database))
                .output()
                .with_context(|| format!("run {} migrate", binary.display()))?;
            ensure!(
                output.status.success(),
                "hello-you migrate failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
            postgres.load_users(database, users)?;
        } else {
            let exists = format!("select 1 from pg_database where datname = '{TEMPLATE}'");
            if postgres.query("postgres", &exists)?.is_empty() {
                postgres.query("postgres", &format!("create database {TEMPLATE}"))?;
                postgres.query(
                    TEMPLATE,
                    "create table users (username text primary key, date_of_birth date not null)",
                )?;
                postgres.load_users(TEMPLATE, users)?;
            }
            postgres.query("postgres", &format!("create database {database} template {TEMPLATE}"))?;
        }
        postgres.prewarm(database)
    }

    /// The command that starts it on a port of the loopback address, silent.
    pub(crate) fn command(
        self,
        site: &Site,
        postgres: &Postgres,
        port: u16,
        admin_port: u16,
    ) -> Result<Command> {
        let flask = site.peer("flask");
        let program = match self {
            Self::Flask => flask.join("target/venv/bin/gunicorn"),
            _ => self.binary(site).context("pgbench is no server")?,
        };
        let mut command = supervised(None, "KILL", &program.to_string_lossy());
        let listen = format!("127.0.0.1:{port}");
        if self == Self::HelloYou {
            command.env("HELLO_LISTEN", listen).env("HELLO_ADMIN_LISTEN", format!("127.0.0.1:{admin_port}"));
        } else {
            command.env("LISTEN", listen);
        }
        if self == Self::Flask {
            command.args(["--config", "gunicorn.conf.py", "app:app"]).current_dir(flask);
        }
        if let Some(database) = self.database() {
            command.env("DATABASE_URL", postgres.url(database));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if self == Self::HelloYou {
            // The service writes a line per request; the peers write none.
            command.stderr(Stdio::null());
        }
        Ok(command)
    }
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| {
        let program = command.get_program().to_string_lossy();
        format!("run `{program}` (if it is not installed, install it or name what to measure in BENCH_ONLY)")
    })?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
