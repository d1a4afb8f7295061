//! The schema, and the role that serves.

use postgres_protocol::password::scram_sha_256;
use postgres_types::Type;
use tokio_postgres::{Client, Error};

use super::connect::{ConnectError, Connector};
use super::tls::TlsError;
use super::topology::HostId;
use crate::config::{PostgresConfig, ServeRole};
use crate::store::migrations::{self, AppliedMigration, MigrationError};

/// Whoever migrates holds this advisory lock, so that instances that start together take turns. The number is ours to
/// choose: the bytes of "hello-yo".
const LOCK: i64 = i64::from_be_bytes(*b"hello-yo");

/// The schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// None of the hosts accepts writes.
    #[error("none of the database hosts accepts writes: {0}")]
    NoWriter(String),
    /// TLS is set up wrongly.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The database has a schema this program does not know.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// The database cannot hold the letters of every script: a name it has none for would fail with its whole batch.
    #[error("the database's encoding is {0}; create one with encoding UTF8, since names are of any script")]
    Encoding(String),
    /// PostgreSQL refused a statement.
    #[error("migration {version} failed: {}", with_detail(.source))]
    Statement {
        /// The migration.
        version: i32,
        /// What PostgreSQL says.
        source: Error,
    },
    /// PostgreSQL refused something around the migrations.
    #[error("the database refused: {}", with_detail(.0))]
    Postgres(#[from] Error),
}

fn with_detail(error: &Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |refused| refused.message().to_owned())
}

const CREATE_TABLE: &str = "create table if not exists schema_migrations (\
    version integer primary key, name text not null, applied_at timestamptz not null default now())";

/// Runs what is pending, each migration in its own transaction together with its record.
pub(super) async fn run(client: &Client) -> Result<(), MigrateError> {
    client.query_typed("select pg_advisory_lock($1)", &[(&LOCK, Type::INT8)]).await?;
    let result = run_locked(client).await;
    // Where unlocking fails the session is gone, and its lock with it.
    let _ = client.query_typed("select pg_advisory_unlock($1)", &[(&LOCK, Type::INT8)]).await;
    result
}

async fn run_locked(client: &Client) -> Result<(), MigrateError> {
    let encoding = client.query_typed_one("select current_setting('server_encoding')", &[]).await?;
    let encoding: String = encoding.try_get(0)?;
    if encoding != "UTF8" {
        return Err(MigrateError::Encoding(encoding));
    }
    let exists = client.query_typed_one("select to_regclass('schema_migrations') is not null", &[]).await?;
    if !exists.try_get::<_, bool>(0)? {
        client.batch_execute(CREATE_TABLE).await?;
    }
    let applied = client
        .query_typed("select version, name from schema_migrations order by version", &[])
        .await?
        .iter()
        .map(|row| Ok(AppliedMigration { version: row.try_get(0)?, name: row.try_get(1)? }))
        .collect::<Result<Vec<_>, Error>>()?;
    for migration in migrations::pending(&applied, migrations::POSTGRES)? {
        let version = migration.version;
        let record =
            format!("insert into schema_migrations (version, name) values ({version}, '{}')", migration.name);
        let migrated = client.batch_execute(&format!("begin;\n{}\n;{record};\ncommit;", migration.sql)).await;
        if let Err(source) = migrated {
            // The session goes on, and nothing may find itself within the transaction that failed.
            let _ = client.batch_execute("rollback").await;
            return Err(MigrateError::Statement { version, source });
        }
        tracing::info!(version, name = migration.name, "migrated the schema");
    }
    Ok(())
}

/// The command `migrate`: finds the host that accepts writes, brings its schema up to date and, where asked to, makes
/// the role that `serve` uses.
pub async fn migrate(config: &PostgresConfig, serve_role: Option<&ServeRole>) -> Result<(), MigrateError> {
    let connector = Connector::new(config)?;
    let hosts = config.hosts.len() + config.far_hosts.len();
    let mut failures = Vec::new();
    for host in (0..hosts).map(HostId) {
        let attempt = tokio::time::timeout(CONNECT_TIMEOUT, connector.connect(host)).await;
        match attempt.unwrap_or(Err(ConnectError::TimedOut)) {
            Err(error) => failures.push(format!("host {}: {error}", host.0 + 1)),
            Ok(connection) => {
                let row = connection.query_typed_one("select pg_is_in_recovery()", &[]).await?;
                if row.try_get(0)? {
                    failures.push(format!("host {}: a replica", host.0 + 1));
                    continue;
                }
                run(&connection).await?;
                if let Some(role) = serve_role {
                    make_role(&connection, role).await?;
                }
                return Ok(());
            }
        }
    }
    Err(MigrateError::NoWriter(failures.join("; ")))
}

/// How long `migrate` waits for one host.
const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// Makes the role, or changes its password, and gives it exactly what `serve` does.
///
/// Names and passwords cannot be parameters of these statements; PostgreSQL itself quotes them (`format`).
async fn make_role(client: &Client, role: &ServeRole) -> Result<(), MigrateError> {
    // The verifier and not the password is sent, so that no log of statements ever holds it.
    let verifier = role.password.as_ref().map(|password| scram_sha_256(password.expose().as_bytes()));
    let quoted = client
        .query_typed_one(
            "select quote_ident($1), quote_literal($2), exists (select from pg_roles where rolname = $1), \
             quote_ident(current_database()), quote_ident(current_schema())",
            &[(&role.name, Type::TEXT), (&verifier, Type::TEXT)],
        )
        .await?;
    let name: String = quoted.try_get(0)?;
    let verifier: Option<String> = quoted.try_get(1)?;
    let verb = if quoted.try_get(2)? { "alter" } else { "create" };
    let database: String = quoted.try_get(3)?;
    let schema: String = quoted.try_get(4)?;
    let password = verifier.map_or_else(String::new, |verifier| format!(" password {verifier}"));
    client
        .batch_execute(&format!(
            "begin; \
             {verb} role {name} login{password}; \
             grant connect on database {database} to {name}; \
             grant usage on schema {schema} to {name}; \
             grant select, insert, update, delete on users to {name}; \
             grant select, insert, update on epoch to {name}; \
             grant select, update on heartbeat to {name}; \
             grant select on schema_migrations to {name}; \
             commit;"
        ))
        .await?;
    Ok(())
}
