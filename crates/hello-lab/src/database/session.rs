//! Sessions of the lab's own: the superuser, over the socket.

use super::{
    configuration::SUPERUSER,
    error::DatabaseError,
    files::{Files, State},
};
use crate::timeouts;
use hello_pg::{NodeStatus, observe};
use std::{future::Future, time::Instant};
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{Client, NoTls, error::SqlState};

/// The lab's own database, as on RDS: whatever the master user does to the others, the lab can look.
pub(super) const DATABASE: &str = "rdsadmin";

/// Nothing of these sessions depends on the group's parameters, and nothing of them is logged: a verifier of a password
/// is in a statement. They do not wait for a standby either.
const OPTIONS: &str = "-c log_statement=none -c log_min_duration_statement=-1 -c log_min_duration_sample=-1 \
    -c log_transaction_sample_rate=0 -c log_min_error_statement=panic -c log_duration=off -c debug_print_parse=off \
    -c debug_print_rewritten=off -c debug_print_plan=off -c default_transaction_read_only=off -c synchronous_commit=local -c lock_timeout=10s \
    -c idle_in_transaction_session_timeout=0 -c standard_conforming_strings=on";

/// A session. Its connection ends with it.
pub(super) struct Session {
    client: Client,
    connection: JoinHandle<()>,
    identifier: String,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Session {
    async fn open(files: &Files, port: u16, database: &str) -> Result<Session, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::Config::new()
            .host_path(files.socket())
            .port(port)
            .user(SUPERUSER)
            .dbname(database)
            .application_name("hello-lab")
            .options(OPTIONS)
            .connect(NoTls)
            .await?;
        let connection = tokio::spawn(async move {
            // Its end is seen by the client's next statement.
            let _ = connection.await;
        });
        Ok(Session { client, connection, identifier: files.identifier.clone() })
    }

    /// Opens a session with the lab's database, or with `postgres` where that is not made yet. Says why not in words.
    pub(super) async fn connect(files: &Files, port: u16) -> Result<Session, Refusal> {
        let attempt = async {
            match Session::open(files, port, DATABASE).await {
                Err(error) if error.code() == Some(&SqlState::UNDEFINED_DATABASE) => {
                    Session::open(files, port, "postgres").await
                }
                opened => opened,
            }
        };
        match timeout(timeouts::DATABASE_PROBE, attempt).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(Refusal {
                is_starting: error.code() == Some(&SqlState::CANNOT_CONNECT_NOW),
                reason: with_causes(&error),
            }),
            Err(_) => Err(Refusal {
                is_starting: false,
                reason: format!("it did not answer within {} s", timeouts::DATABASE_PROBE.as_secs()),
            }),
        }
    }

    /// A session with an instance of which only the state is known.
    pub(super) async fn with_source(files: &Files, state: &State) -> Option<Session> {
        let port = state.endpoint.as_ref()?.port;
        Session::connect(files, port).await.ok()
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Bounds a statement, and says of its error what was being done.
    pub(super) async fn ask<T>(
        &self,
        what: &'static str,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        match timeout(timeouts::DATABASE_STATEMENT, statement).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(DatabaseError::Statement {
                identifier: self.identifier.clone(),
                what,
                source: with_causes(&error).into(),
            }),
            Err(_) => Err(DatabaseError::TimedOut {
                identifier: self.identifier.clone(),
                what: what.to_owned(),
                limit: timeouts::DATABASE_STATEMENT,
                status: "no answer".to_owned(),
            }),
        }
    }

    /// Runs statements of which no answer is wanted.
    pub(super) async fn run(&self, what: &'static str, statements: &str) -> Result<(), DatabaseError> {
        self.ask(what, self.client.batch_execute(statements)).await
    }
}

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The server is starting up, or going down.
    pub(super) is_starting: bool,
    /// In words.
    pub(super) reason: String,
}

/// A session, and what the server is, once it answers. While it starts up, it is asked again until `deadline`.
pub(super) async fn answer(
    files: &Files,
    port: u16,
    deadline: Instant,
) -> Result<(Session, NodeStatus), Refusal> {
    loop {
        let refusal = match Session::connect(files, port).await {
            Ok(session) => match timeout(timeouts::DATABASE_PROBE, observe(session.client())).await {
                Ok(Ok(status)) => return Ok((session, status)),
                Ok(Err(error)) => Refusal { is_starting: false, reason: with_causes(&error) },
                Err(_) => Refusal {
                    is_starting: false,
                    reason: format!("it did not answer within {} s", timeouts::DATABASE_PROBE.as_secs()),
                },
            },
            Err(refusal) => refusal,
        };
        if !refusal.is_starting || Instant::now() >= deadline {
            return Err(refusal);
        }
        tokio::time::sleep(timeouts::DATABASE_PAUSE).await;
    }
}

/// An error with all its causes: the driver keeps the server's words in the cause.
pub(super) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

/// An identifier of SQL.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text of SQL, with `standard_conforming_strings` as it is by default.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
