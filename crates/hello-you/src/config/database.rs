//! Which database: `SQLite`, or PostgreSQL by `DATABASE_URL` or by separate variables.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hello_pg::Timeline;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::database_url::DatabaseUrl;
use super::sources::Sources;
use super::table;
use super::values::{self, HostAddress};
use super::{ConfigError, Secret};

/// How the service's connections are called in `pg_stat_activity`.
const APPLICATION_NAME: &str = "hello-you";

/// Where users are kept.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one per process")]
pub enum Database {
    /// In an embedded `SQLite` file.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// In PostgreSQL.
    Postgres(PostgresConfig),
}

/// How to reach PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// The hosts of this region, primary and replicas in any order; at least one.
    pub hosts: Vec<HostAddress>,
    /// The hosts of other regions.
    pub far_hosts: Vec<HostAddress>,
    /// The database.
    pub dbname: String,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: Option<Secret>,
    /// What the connections are called in `pg_stat_activity`.
    pub application_name: String,
    /// How long making a connection may take, where the user says so.
    pub connect_timeout: Option<Duration>,
    /// Whether connections are encrypted, and the server's certificate checked.
    pub tls: TlsMode,
    /// Who may sign the server's certificate.
    pub ca: CaSource,
    /// Connections at most, over all hosts; at least 4.
    pub pool_size: usize,
    /// A replica further behind is read from only when nothing else can serve.
    pub max_replica_lag: Duration,
    /// Hosts on a lower timeline are not used.
    pub min_timeline: Option<Timeline>,
}

/// TLS to PostgreSQL. It does not apply to unix sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// No TLS.
    Disable,
    /// TLS, whoever answers.
    Require,
    /// TLS, and the certificate must be signed by a known authority and name the host.
    VerifyFull,
}

/// The words for [`TlsMode`] in `DB_SSLMODE` and `sslmode`.
pub(super) const SSL_MODES: &[(&str, TlsMode)] =
    &[("disable", TlsMode::Disable), ("require", TlsMode::Require), ("verify-full", TlsMode::VerifyFull)];

/// Where the certificates of the authorities come from. They have been read once, and hold at least one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaSource {
    /// The roots of Amazon RDS that are part of the program.
    Bundled,
    /// A PEM file.
    File(PathBuf),
    /// PEM text.
    Pem(String),
}

impl Database {
    /// Reads the settings of the database.
    pub(super) fn load(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let url = sources.secret(&table::DATABASE_URL)?;
        let hosts_given = sources.is_given(&table::DB_HOSTS);
        match url {
            Some(_) if hosts_given => Err(ConfigError::new(format!(
                "{} and {} are both set; keep one of them",
                sources.name_of(&table::DATABASE_URL),
                sources.name_of(&table::DB_HOSTS)
            ))),
            Some(url) => from_url(sources, &url).map(Self::Postgres),
            None if hosts_given => from_variables(sources).map(Self::Postgres),
            None => sqlite(sources),
        }
    }
}

/// Who connects where, whichever way it was given.
struct Login {
    hosts: Vec<HostAddress>,
    dbname: String,
    user: String,
    password: Option<Secret>,
    application_name: String,
    connect_timeout: Option<Duration>,
    root_certificates: Option<PathBuf>,
    tls: Option<TlsMode>,
    /// The mode where none is given and every host is on this machine.
    tls_if_all_local: TlsMode,
}

fn sqlite(sources: &Sources<'_>) -> Result<Database, ConfigError> {
    // A password without a database is a slip that would otherwise show as an empty list of users.
    for setting in [
        &table::DB_FAR_HOSTS,
        &table::DB_PORT,
        &table::DB_NAME,
        &table::DB_USER,
        &table::DB_PASSWORD,
        &table::DB_SSLMODE,
        &table::DB_CA_FILE,
        &table::DB_CA_PEM,
        &table::DB_POOL_SIZE,
        &table::DB_MAX_REPLICA_LAG,
        &table::MIN_TIMELINE,
    ] {
        if sources.is_given(setting) {
            let name = sources.name_of(setting);
            return Err(ConfigError::new(format!(
                "{name} is set, but no PostgreSQL: set DB_HOSTS or DATABASE_URL too, or unset {name} to use SQLite"
            )));
        }
    }
    let path = sources.path(&table::SQLITE_PATH)?;
    if path.to_str().is_some_and(|path| path == ":memory:" || path.starts_with("file:")) {
        let name = sources.name_of(&table::SQLITE_PATH);
        return Err(ConfigError::new(format!("{name} must be the path of a file, such as hello-you.db")));
    }
    Ok(Database::Sqlite { path })
}

fn from_url(sources: &Sources<'_>, url: &Secret) -> Result<PostgresConfig, ConfigError> {
    let name = sources.name_of(&table::DATABASE_URL);
    for setting in [&table::DB_PORT, &table::DB_NAME, &table::DB_USER, &table::DB_PASSWORD] {
        if sources.is_given(setting) {
            return Err(ConfigError::new(format!(
                "{} cannot be used together with {name}; write it into the URL, or use DB_HOSTS instead of the URL",
                sources.name_of(setting)
            )));
        }
    }
    let url =
        DatabaseUrl::parse(url.expose()).map_err(|mistake| ConfigError::new(format!("{name} {mistake}")))?;
    if url.tls.is_some() && sources.is_given(&table::DB_SSLMODE) {
        return Err(ConfigError::both(
            &sources.name_of(&table::DB_SSLMODE),
            &format!("the sslmode of {name}"),
        ));
    }
    let login = Login {
        hosts: url.hosts,
        dbname: url.dbname,
        user: url.user,
        password: url.password,
        application_name: url.application_name.unwrap_or_else(|| APPLICATION_NAME.to_owned()),
        connect_timeout: url.connect_timeout,
        root_certificates: url.root_certificates,
        tls: url.tls,
        tls_if_all_local: TlsMode::Disable,
    };
    complete(sources, login)
}

fn from_variables(sources: &Sources<'_>) -> Result<PostgresConfig, ConfigError> {
    let port = sources.value(&table::DB_PORT, values::port_number)?;
    let hosts =
        sources.optional(&table::DB_HOSTS, |text| values::host_list(text, port))?.expect("DB_HOSTS is given");
    let Some(password) = sources.secret(&table::DB_PASSWORD)? else {
        return Err(ConfigError::new(format!(
            "DB_PASSWORD is missing: {} is set; set DB_PASSWORD, or DB_PASSWORD_FILE to the path of a file with it",
            sources.name_of(&table::DB_HOSTS)
        )));
    };
    let login = Login {
        hosts,
        dbname: sources.value(&table::DB_NAME, values::database_identifier)?,
        user: sources.value(&table::DB_USER, values::database_identifier)?,
        password: Some(password),
        application_name: APPLICATION_NAME.to_owned(),
        connect_timeout: None,
        root_certificates: None,
        tls: None,
        tls_if_all_local: TlsMode::VerifyFull,
    };
    complete(sources, login)
}

/// Adds what does not depend on how the login was given.
fn complete(sources: &Sources<'_>, login: Login) -> Result<PostgresConfig, ConfigError> {
    let port = sources.value(&table::DB_PORT, values::port_number)?;
    let far_hosts =
        sources.optional(&table::DB_FAR_HOSTS, |text| values::host_list(text, port))?.unwrap_or_default();
    if let Some(host) = far_hosts.iter().find(|host| login.hosts.contains(host)) {
        return Err(ConfigError::new(format!(
            "{} names {host}, which is a host of this region too; a host is either near or far",
            sources.name_of(&table::DB_FAR_HOSTS)
        )));
    }
    let given_ca = given_ca(sources, login.root_certificates)?;
    let given_tls = login.tls.or(sources.optional(&table::DB_SSLMODE, values::one_of(SSL_MODES))?);
    let all_local = login.hosts.iter().chain(&far_hosts).all(HostAddress::is_local);
    let tls = match (given_tls, &given_ca) {
        (Some(TlsMode::Disable | TlsMode::Require), Some((name, _))) => {
            return Err(ConfigError::new(format!(
                "{name} is set, but nothing is checked against it; set sslmode to verify-full, or unset it"
            )));
        }
        (Some(tls), _) => tls,
        (None, None) if all_local => login.tls_if_all_local,
        (None, _) => TlsMode::VerifyFull,
    };
    Ok(PostgresConfig {
        hosts: login.hosts,
        far_hosts,
        dbname: login.dbname,
        user: login.user,
        password: login.password,
        application_name: login.application_name,
        connect_timeout: login.connect_timeout,
        tls,
        ca: given_ca.map_or(CaSource::Bundled, |(_, source)| source),
        pool_size: sources.value(&table::DB_POOL_SIZE, values::number(4..=1000))?,
        max_replica_lag: sources.value(&table::DB_MAX_REPLICA_LAG, values::positive_duration)?,
        min_timeline: sources.optional(&table::MIN_TIMELINE, values::number(1..=u32::MAX))?.map(Timeline),
    })
}

/// The authorities that the user names, and what to call the setting in an error.
fn given_ca(
    sources: &Sources<'_>,
    root_certificates: Option<PathBuf>,
) -> Result<Option<(String, CaSource)>, ConfigError> {
    let in_url = root_certificates.map(|path| {
        (format!("the sslrootcert of {}", sources.name_of(&table::DATABASE_URL)), CaSource::File(path))
    });
    let file = sources
        .optional_path(&table::DB_CA_FILE)?
        .map(|path| (sources.name_of(&table::DB_CA_FILE), CaSource::File(path)));
    let pem = sources
        .optional(&table::DB_CA_PEM, |text| Ok(text.to_owned()))?
        .map(|text| (sources.name_of(&table::DB_CA_PEM), CaSource::Pem(text)));
    let mut given = [in_url, file, pem].into_iter().flatten();
    let Some((name, source)) = given.next() else {
        return Ok(None);
    };
    if let Some((other, _)) = given.next() {
        return Err(ConfigError::both(&name, &other));
    }
    match &source {
        CaSource::Bundled => {}
        CaSource::File(path) => {
            let shown = path.display();
            let pem = read_certificates(path).map_err(|error| {
                ConfigError::new(format!("{name} names {shown}, which cannot be read: {error}"))
            })?;
            if !holds_a_certificate(&pem) {
                return Err(ConfigError::new(format!(
                    "{name} names {shown}, which holds no certificate in PEM form"
                )));
            }
        }
        CaSource::Pem(text) if holds_a_certificate(text.as_bytes()) => {}
        CaSource::Pem(_) => return Err(ConfigError::new(format!("{name} holds no certificate in PEM form"))),
    }
    Ok(Some((name, source)))
}

/// Reads the file, unless it is far too large: the path could name anything.
fn read_certificates(path: &Path) -> std::io::Result<Vec<u8>> {
    const MAX_BYTES: u64 = 8 * 1024 * 1024;
    let mut pem = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut pem)?;
    Ok(pem)
}

fn holds_a_certificate(pem: &[u8]) -> bool {
    let mut certificates = CertificateDer::pem_slice_iter(pem).peekable();
    certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok())
}
