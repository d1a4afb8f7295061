//! Roles and databases of a new instance, as RDS makes them.
//!
//! The master user is no superuser: `CREATEDB`, `CREATEROLE`, member of `rds_superuser`, which has `pg_monitor`,
//! `pg_signal_backend`, `rds_replication`, `rds_password`, and from PostgreSQL 15 `pg_checkpoint`, which that version
//! brought. It owns `postgres` and `template1`.
//!
//! - <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.rds_superuser.html>
//! - <https://www.postgresql.org/docs/15/predefined-roles.html>

use super::{
    configuration::REPLICATION_USER,
    error::DatabaseError,
    password::verifier,
    session::{DATABASE, Session, identifier, literal},
};
use crate::secret::Secret;
use std::fmt::Write as _;

/// The master user and its database.
pub(super) struct Master<'a> {
    pub(super) user: &'a str,
    pub(super) password: Option<&'a Secret>,
    pub(super) database: Option<&'a str>,
}

/// Makes what is not there: run again after a kill, it goes on where it was.
pub(super) async fn prepare(
    session: &Session,
    major: u32,
    master: &Master<'_>,
    replication_password: &Secret,
) -> Result<(), DatabaseError> {
    let client = session.client();
    let rows = session.ask("list the roles", client.query("select rolname from pg_roles", &[])).await?;
    let roles: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let rows =
        session.ask("list the databases", client.query("select datname from pg_database", &[])).await?;
    let databases: Vec<String> = rows.iter().map(|row| row.get(0)).collect();

    session.run("make the roles", &role_statements(major, master, replication_password, &roles)).await?;
    // A database cannot be made in a transaction.
    if !databases.iter().any(|name| name == DATABASE) {
        session.run("make the lab's database", &format!("create database {DATABASE}")).await?;
    }
    session
        .run("close the lab's database", &format!("revoke all on database {DATABASE} from public"))
        .await?;
    if let Some(name) = master.database
        && !databases.iter().any(|found| found == name)
    {
        let statement = format!("create database {} owner {}", identifier(name), identifier(master.user));
        session.run("make the database", &statement).await?;
    }
    Ok(())
}

/// The master user of data that came from elsewhere: it owns `postgres`.
pub(super) async fn master(session: &Session) -> Result<String, DatabaseError> {
    const OWNER: &str = "select pg_get_userbyid(datdba)::text from pg_database where datname = 'postgres'";
    let row = session.ask("look for the master user", session.client().query_one(OWNER, &[])).await?;
    Ok(row.get(0))
}

/// Sets a new password of the master user.
pub(super) async fn set_password(
    session: &Session,
    user: &str,
    password: &Secret,
) -> Result<(), DatabaseError> {
    let statement = format!("alter role {} password {}", identifier(user), literal(&verifier(password)));
    session.run("set the master password", &statement).await
}

fn role_statements(
    major: u32,
    master: &Master<'_>,
    replication_password: &Secret,
    roles: &[String],
) -> String {
    let user = identifier(master.user);
    let checkpoint = if major >= 15 { ", pg_checkpoint" } else { "" };
    let mut text = "begin;\n".to_owned();
    let mut make = |name: &str, options: &str| {
        if !roles.iter().any(|role| role == name) {
            let _ = writeln!(text, "create role {} {options};", identifier(name));
        }
    };
    make("rds_superuser", "nologin");
    make("rds_replication", "nologin");
    make("rds_password", "nologin");
    make(REPLICATION_USER, "login replication noinherit");
    make(master.user, "login nosuperuser inherit createdb createrole noreplication valid until 'infinity'");
    if let Some(password) = master.password {
        let _ = writeln!(text, "alter role {user} password {};", literal(&verifier(password)));
    }
    let _ = write!(
        text,
        "grant pg_monitor, pg_signal_backend, rds_replication, rds_password{checkpoint} to rds_superuser;\n\
         grant rds_superuser to {user};\n\
         alter role {REPLICATION_USER} password {};\n\
         alter database postgres owner to {user};\n\
         alter database template1 owner to {user};\n\
         commit",
        literal(&verifier(replication_password)),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_statement_has_a_password_and_names_are_quoted() {
        let (password, other) = (Secret::new("my-pass'word"), Secret::new("replicates"));
        let master = Master { user: "we\"ird", password: Some(&password), database: None };
        let text = role_statements(15, &master, &other, &["rds_superuser".to_owned()]);
        assert!(!text.contains("my-pass") && !text.contains("replicates"), "{text}");
        assert!(text.contains("create role \"we\"\"ird\" login nosuperuser"), "{text}");
        assert!(!text.contains("create role \"rds_superuser\""), "what is there is not made again: {text}");
        assert!(text.contains("pg_checkpoint") && text.contains("SCRAM-SHA-256$"), "{text}");
        assert!(!role_statements(14, &master, &other, &[]).contains("pg_checkpoint"));
    }
}
