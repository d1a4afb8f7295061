//! The versions of the schema, and which of them a database still needs; shared by both stores.
//!
//! The texts are compiled in. `migrations/README.md` has the rule by which they are written (expand/contract). Each
//! store runs them its own way, under its own lock, and records them in
//! `schema_migrations(version, name, applied_at)`.

use std::fmt;

/// One step of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its place in the order: 1, 2, 3 ...
    pub version: i32,
    /// What it is about; the file's name without number and ending.
    pub name: &'static str,
    /// The statements, to be run in one transaction together with their record in `schema_migrations`.
    pub sql: &'static str,
}

/// A step that a database says it has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    /// Its place in the order.
    pub version: i32,
    /// Its name as recorded.
    pub name: String,
}

/// The schema of the SQLite store.
pub const SQLITE: &[Migration] =
    &[Migration { version: 1, name: "users", sql: include_str!("../../migrations/sqlite/0001_users.sql") }];

/// The schema of the PostgreSQL store.
pub const POSTGRES: &[Migration] =
    &[Migration { version: 1, name: "users", sql: include_str!("../../migrations/postgres/0001_users.sql") }];

/// Why the recorded migrations cannot be those of this program's schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrationError {
    /// A version was left out, or one comes twice.
    #[error("the recorded migrations have no version {missing} but a later one")]
    Gap {
        /// The first version that is not there.
        missing: i32,
    },
    /// A version has another name here than there.
    #[error("migration {version} is recorded as \"{recorded}\", but this program knows it as \"{known}\"")]
    Renamed {
        /// The version.
        version: i32,
        /// Its name in the database.
        recorded: String,
        /// Its name in this program.
        known: &'static str,
    },
}

/// The migrations of `known` that a database which has `applied` (in any order) still needs, in the order to run them.
///
/// Versions beyond the known ones are accepted: during a rolling deployment an older program runs beside the newer one
/// that has already migrated, and the expand/contract rule keeps that schema usable for it.
pub fn pending<'a>(
    applied: &[AppliedMigration],
    known: &'a [Migration],
) -> Result<&'a [Migration], MigrationError> {
    let mut in_order: Vec<&AppliedMigration> = applied.iter().collect();
    in_order.sort_by_key(|step| step.version);
    for (expected, step) in (1..).zip(&in_order) {
        if step.version != expected {
            return Err(MigrationError::Gap { missing: expected });
        }
    }
    for (step, migration) in in_order.iter().zip(known) {
        if step.name != migration.name {
            return Err(MigrationError::Renamed {
                version: step.version,
                recorded: step.name.clone(),
                known: migration.name,
            });
        }
    }
    Ok(&known[in_order.len().min(known.len())..])
}

/// `0001_users`.
impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}_{}", self.version, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Migration] = &[
        Migration { version: 1, name: "users", sql: "" },
        Migration { version: 2, name: "nickname", sql: "" },
        Migration { version: 3, name: "drop_title", sql: "" },
    ];

    fn applied(steps: &[(i32, &str)]) -> Vec<AppliedMigration> {
        steps.iter().map(|&(version, name)| AppliedMigration { version, name: name.to_owned() }).collect()
    }

    #[test]
    fn a_new_database_needs_every_migration_in_order() {
        assert_eq!(pending(&[], KNOWN), Ok(KNOWN));
    }

    #[test]
    fn a_database_half_way_needs_the_rest() {
        assert_eq!(pending(&applied(&[(1, "users")]), KNOWN), Ok(&KNOWN[1..]));
    }

    #[test]
    fn an_up_to_date_database_needs_nothing() {
        let steps = applied(&[(2, "nickname"), (1, "users"), (3, "drop_title")]);
        assert_eq!(pending(&steps, KNOWN), Ok(&[][..]));
    }

    #[test]
    fn an_older_program_accepts_a_newer_schema() {
        let steps = applied(&[(1, "users"), (2, "nickname"), (3, "drop_title"), (4, "unheard_of")]);
        assert_eq!(pending(&steps, KNOWN), Ok(&[][..]));
    }

    #[test]
    fn a_gap_is_refused() {
        for (steps, missing) in [
            (applied(&[(2, "nickname")]), 1),
            (applied(&[(1, "users"), (3, "drop_title")]), 2),
            (applied(&[(1, "users"), (2, "nickname"), (3, "drop_title"), (5, "unheard_of")]), 4),
            (applied(&[(0, "zero"), (1, "users")]), 1),
            (applied(&[(1, "users"), (1, "users")]), 2),
        ] {
            assert_eq!(pending(&steps, KNOWN), Err(MigrationError::Gap { missing }), "{steps:?}");
        }
    }

    #[test]
    fn a_changed_name_is_refused_and_both_names_are_told() {
        let error = pending(&applied(&[(1, "users"), (2, "alias")]), KNOWN).unwrap_err();
        assert_eq!(
            error.to_string(),
            "migration 2 is recorded as \"alias\", but this program knows it as \"nickname\""
        );
    }

    #[test]
    fn the_embedded_lists_are_numbered_without_a_gap_and_named_after_their_files() {
        for (list, folder) in [(SQLITE, "sqlite"), (POSTGRES, "postgres")] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
            let mut files: Vec<String> = std::fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let embedded: Vec<String> = list.iter().map(|migration| format!("{migration}.sql")).collect();
            assert_eq!(embedded, files, "{}", folder.display());
            for (expected, migration) in (1..).zip(list) {
                assert_eq!(migration.version, expected);
                let file = std::fs::read_to_string(folder.join(format!("{migration}.sql"))).unwrap();
                assert_eq!(migration.sql, file);
            }
        }
    }
}
