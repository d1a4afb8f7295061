//! Settings: what they are, where they come from, what they mean together.
//!
//! - [`table`]: the one table of settings; the command line and `docs/CONFIGURATION.md` are derived from it
//! - `sources`: the merge of flag, variable and default
//! - `values`, `database_url`: how texts are read
//! - `database`: the rules about which database is meant
//! - [`document`]: renders `docs/CONFIGURATION.md`
//!
//! Nothing here, or anywhere else in the crate, reads the process's environment: it is a parameter.

mod database;
mod database_url;
pub mod document;
mod secret;
mod sources;
pub mod table;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tracing_subscriber::filter::Targets;

pub use database::{CaSource, Database, PostgresConfig, TlsMode};
pub use secret::Secret;
pub(crate) use sources::Sources;
pub use values::HostAddress;

use crate::domain::LeapDay;

/// The environment variables of the process, as `main` collects them.
pub type Environment = BTreeMap<OsString, OsString>;

/// What `serve` needs to know.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Where clients reach the service.
    pub listen: SocketAddr,
    /// Where metrics and the administrators' calls are, if anywhere.
    pub admin_listen: Option<SocketAddr>,
    /// Where users are kept.
    pub database: Database,
    /// The birthday of those born on 29 February.
    pub leap_day: LeapDay,
    /// The time from SIGTERM until the process has ended.
    pub shutdown_grace: Duration,
    /// The time after SIGTERM in which new connections are still accepted; shorter than `shutdown_grace`.
    pub drain_delay: Duration,
    /// How long writes may fail before the deep health check does.
    pub write_grace: Duration,
    /// Whether to bring the schema up to date.
    pub migrate: bool,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Threads that answer requests; the number of CPUs if absent.
    pub workers: Option<usize>,
    /// Clients' connections at a time.
    pub max_connections: usize,
    /// The time that the database's part of one request may take.
    pub request_timeout: Duration,
    /// Signs tokens and cursors; a random one is made if absent.
    pub app_secret_key: Option<Secret>,
    /// What administrators send; without one their calls are switched off.
    pub admin_token: Option<Secret>,
    /// Which version of the secrets this process got; only logged.
    pub secrets_version: Option<String>,
    /// Sentences to log at start: nothing that forbids to serve, but that an operator should know.
    pub warnings: Vec<String>,
}

/// What `migrate` needs to know.
#[derive(Debug, Clone)]
pub struct MigrateConfig {
    /// Where users are kept.
    pub database: Database,
    /// The role that `serve` uses, to be created if missing; only with PostgreSQL.
    pub serve_role: Option<ServeRole>,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Sentences to log at start.
    pub warnings: Vec<String>,
}

/// A role in PostgreSQL for `serve`.
#[derive(Debug, Clone)]
pub struct ServeRole {
    /// Its name; not that of the user who migrates.
    pub name: String,
    /// The password it is given; its own is left alone if absent.
    pub password: Option<Secret>,
}

/// What `healthcheck` needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthcheckConfig {
    /// What to ask.
    pub url: HttpUrl,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// The form of lines.
    pub format: LogFormat,
    /// Which lines are written.
    pub filter: Targets,
    /// Whether human lines on a terminal may be coloured: not where `NO_COLOR` is set.
    pub colour: bool,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, else JSON.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Human,
}

/// A URL of plain HTTP, in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path with its query; begins with a slash.
    pub path: String,
}

/// A setting that cannot be used, in one line that names its source and the way out. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// Control characters, which a path can hold, are escaped: they could break the line or disturb a terminal.
    fn new(line: impl Into<String>) -> Self {
        let line = line.into();
        if !line.contains(char::is_control) {
            return Self(line);
        }
        let mut escaped = String::with_capacity(line.len());
        for character in line.chars() {
            if character.is_control() {
                escaped.extend(character.escape_default());
            } else {
                escaped.push(character);
            }
        }
        Self(escaped)
    }

    /// A value that cannot be read.
    fn invalid(name: &str, value: &str, expected: &str) -> Self {
        const MAX_CHARACTERS: usize = 80;
        // What has an @ may be a URL with a password that was put into the wrong variable.
        if value.contains('@') || value.chars().count() > MAX_CHARACTERS {
            return Self(format!("{name} has a value that cannot be read; expected {expected}"));
        }
        Self(format!("{name} is {value:?}; expected {expected}"))
    }

    /// Two settings that say the same thing.
    fn both(first: &str, second: &str) -> Self {
        Self(format!("{first} and {second} are both set; keep one of them"))
    }
}

impl ServeConfig {
    /// Reads and checks the settings of `serve`.
    pub(crate) fn load(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let config = Self {
            listen: sources.value(&table::LISTEN, values::socket_address)?,
            admin_listen: sources.value(&table::ADMIN_LISTEN, values::socket_address_or_off)?,
            database: Database::load(sources)?,
            leap_day: sources.value(
                &table::LEAP_DAY,
                values::one_of(&[("feb28", LeapDay::Feb28), ("mar01", LeapDay::Mar01)]),
            )?,
            shutdown_grace: sources.value(&table::SHUTDOWN_GRACE, values::positive_duration)?,
            drain_delay: sources.value(&table::DRAIN_DELAY, values::duration)?,
            write_grace: sources.value(&table::WRITE_GRACE, values::duration)?,
            migrate: sources.value(&table::MIGRATE, values::one_of(&[("true", true), ("false", false)]))?,
            log: LogConfig::load(sources)?,
            workers: sources.optional(&table::WORKERS, values::number(1..=1024))?,
            max_connections: sources.value(&table::MAX_CONNECTIONS, values::number(1..=1_000_000))?,
            request_timeout: sources.value(&table::REQUEST_TIMEOUT, values::positive_duration)?,
            app_secret_key: sources.secret(&table::APP_SECRET_KEY)?,
            admin_token: sources.secret(&table::ADMIN_TOKEN)?,
            secrets_version: sources.optional(&table::SECRETS_VERSION, values::text)?,
            warnings: Vec::new(),
        };
        config.check(sources)?;
        let warnings = config.warnings(sources);
        Ok(Self { warnings, ..config })
    }

    /// The rules that concern more than one setting.
    fn check(&self, sources: &Sources<'_>) -> Result<(), ConfigError> {
        if self.drain_delay >= self.shutdown_grace {
            return Err(ConfigError::new(format!(
                "{} ({:?}) must be shorter than {} ({:?}): running requests need time to finish after it",
                sources.name_of(&table::DRAIN_DELAY),
                self.drain_delay,
                sources.name_of(&table::SHUTDOWN_GRACE),
                self.shutdown_grace
            )));
        }
        if let Some(admin_listen) = self.admin_listen
            && collide(self.listen, admin_listen)
        {
            return Err(ConfigError::new(format!(
                "{} and {} are the same ({admin_listen}); give the private listener another port, or say off",
                sources.name_of(&table::LISTEN),
                sources.name_of(&table::ADMIN_LISTEN)
            )));
        }
        if let Some(token) = &self.admin_token
            && !token.expose().bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(ConfigError::new(format!(
                "{} has a character that no HTTP header can carry; use visible ASCII without spaces",
                sources.name_of(&table::ADMIN_TOKEN)
            )));
        }
        Ok(())
    }

    fn warnings(&self, sources: &Sources<'_>) -> Vec<String> {
        /// Anything shorter is hardly random enough, however it was made.
        const SHORT_BYTES: usize = 16;
        let mut warnings = common_warnings(sources, &self.database);
        for (setting, secret) in
            [(&table::APP_SECRET_KEY, &self.app_secret_key), (&table::ADMIN_TOKEN, &self.admin_token)]
        {
            if secret.as_ref().is_some_and(|secret| secret.expose().len() < SHORT_BYTES) {
                let name = sources.name_of(setting);
                warnings.push(format!("{name} is shorter than {SHORT_BYTES} bytes and can be guessed"));
            }
        }
        if self.admin_token.is_some() && self.admin_listen.is_none() {
            let name = sources.name_of(&table::ADMIN_TOKEN);
            warnings.push(format!("{name} has no effect while the private listener is off"));
        }
        warnings
    }
}

impl MigrateConfig {
    /// Reads and checks the settings of `migrate`.
    pub(crate) fn load(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let database = Database::load(sources)?;
        let name = sources.optional(&table::SERVE_ROLE, values::database_identifier)?;
        let password = sources.secret(&table::SERVE_PASSWORD)?;
        let serve_role = match (name, password, &database) {
            (None, None, _) => None,
            (None, Some(_), _) => {
                return Err(ConfigError::new(format!(
                    "{} is set, but no role to give it to; set HELLO_SERVE_ROLE too",
                    sources.name_of(&table::SERVE_PASSWORD)
                )));
            }
            (Some(_), _, Database::Sqlite { .. }) => {
                return Err(ConfigError::new(format!(
                    "{} is set, but SQLite has no roles; set DATABASE_URL or DB_HOSTS too, or unset it",
                    sources.name_of(&table::SERVE_ROLE)
                )));
            }
            (Some(name), _, Database::Postgres(postgres)) if name == postgres.user => {
                return Err(ConfigError::new(format!(
                    "{} is {name:?}, the user that migrates; give the service a role of its own",
                    sources.name_of(&table::SERVE_ROLE)
                )));
            }
            (Some(name), _, Database::Postgres(_)) if name.starts_with("pg_") => {
                return Err(ConfigError::new(format!(
                    "{} is {name:?}; PostgreSQL keeps names that begin with pg_ for itself",
                    sources.name_of(&table::SERVE_ROLE)
                )));
            }
            (Some(name), password, Database::Postgres(_)) => Some(ServeRole { name, password }),
        };
        let warnings = common_warnings(sources, &database);
        Ok(Self { database, serve_role, log: LogConfig::load(sources)?, warnings })
    }
}

impl HealthcheckConfig {
    /// Reads and checks the settings of `healthcheck`.
    pub(crate) fn load(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        if let Some(url) = sources.optional(&table::HEALTHCHECK_URL, values::http_url)? {
            return Ok(Self { url });
        }
        let listen = sources.value(&table::LISTEN, values::socket_address)?;
        if listen.port() == 0 {
            return Err(ConfigError::new(format!(
                "{} is {listen}, so the port is not known; say what to ask with --url",
                sources.name_of(&table::LISTEN)
            )));
        }
        let host = match listen.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            address => address,
        };
        Ok(Self { url: HttpUrl { host: host.to_string(), port: listen.port(), path: "/health".to_owned() } })
    }
}

impl LogConfig {
    fn load(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let formats = [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("human", LogFormat::Human)];
        Ok(Self {
            format: sources.value(&table::LOG_FORMAT, values::one_of(&formats))?,
            filter: sources.value(&table::LOG, values::log_filter)?,
            colour: !sources.is_colour_refused(),
        })
    }
}

impl HttpUrl {
    /// Host and port as in a `Host` header.
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.authority(), self.path)
    }
}

/// Whether the second listener could not be opened beside the first.
fn collide(first: SocketAddr, second: SocketAddr) -> bool {
    let overlap = first.ip() == second.ip() || first.ip().is_unspecified() || second.ip().is_unspecified();
    first.port() != 0 && first.port() == second.port() && overlap
}

fn common_warnings(sources: &Sources<'_>, database: &Database) -> Vec<String> {
    let mut warnings: Vec<String> = sources
        .unknown_variables()
        .into_iter()
        .map(|name| format!("the variable {name} is not a setting and has no effect"))
        .collect();
    if let Database::Postgres(postgres) = database
        && !postgres.hosts.iter().chain(&postgres.far_hosts).all(HostAddress::is_local)
    {
        match postgres.tls {
            TlsMode::VerifyFull => {}
            TlsMode::Require => warnings.push(
                "sslmode is require: PostgreSQL's certificate is not checked, so another host could pose as it".to_owned(),
            ),
            TlsMode::Disable => warnings
                .push("sslmode is disable: passwords and data travel to PostgreSQL in the clear".to_owned()),
        }
    }
    warnings
}
