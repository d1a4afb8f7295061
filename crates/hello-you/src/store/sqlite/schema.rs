//! Whose database a file is, and its migrations.

use rusqlite::{Connection, TransactionBehavior};

use super::open::OpenProblem;
use crate::store::migrations::{self, AppliedMigration};

/// Marks a file as ours ("Helo"), in the field of SQLite's header that is meant for it.
const APPLICATION_ID: i32 = 0x4865_6c6f;

/// Whose a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// This program's.
    Us,
    /// Nobody's: there is no table in it.
    Nobody,
    /// Another program's.
    AnotherProgram,
}

/// Whose the database is.
pub(super) fn owner(connection: &Connection) -> rusqlite::Result<Owner> {
    let application_id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let is_empty: bool =
        connection.query_row("select not exists (select 1 from sqlite_schema)", [], |row| row.get(0))?;
    Ok(match (application_id, is_empty) {
        (APPLICATION_ID, _) => Owner::Us,
        (0, true) => Owner::Nobody,
        _ => Owner::AnotherProgram,
    })
}

/// Refuses a schema that lacks a migration.
pub(super) fn check(connection: &Connection) -> Result<(), OpenProblem> {
    if owner(connection)? == Owner::Nobody {
        return Err(OpenProblem::SchemaBehind);
    }
    if migrations::pending(&applied(connection)?, migrations::SQLITE)?.is_empty() {
        Ok(())
    } else {
        Err(OpenProblem::SchemaBehind)
    }
}

/// Runs the migrations that are missing, all of them or none.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), OpenProblem> {
    // Most starts have nothing to do and need not wait for the lock.
    if owner(connection)? == Owner::Us
        && migrations::pending(&applied(connection)?, migrations::SQLITE)?.is_empty()
    {
        return Ok(());
    }
    // Immediate: of several instances that start at once, one runs them and the others then find them done.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if owner(&transaction)? == Owner::Nobody {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.execute_batch(
            "create table schema_migrations (
                 version integer primary key,
                 name text not null,
                 applied_at text not null default current_timestamp
             ) strict",
        )?;
    }
    for migration in migrations::pending(&applied(&transaction)?, migrations::SQLITE)? {
        transaction.execute_batch(migration.sql)?;
        transaction.execute(
            "insert into schema_migrations (version, name) values (?1, ?2)",
            (migration.version, migration.name),
        )?;
    }
    Ok(transaction.commit()?)
}

fn applied(connection: &Connection) -> rusqlite::Result<Vec<AppliedMigration>> {
    let mut select = connection.prepare("select version, name from schema_migrations")?;
    let rows =
        select.query_map([], |row| Ok(AppliedMigration { version: row.get(0)?, name: row.get(1)? }))?;
    rows.collect()
}
