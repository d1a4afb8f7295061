//! Files that are no sound database of this program: refused with a clear sentence and left as they are.

use std::path::{Path, PathBuf};

use hello_you::store::sqlite::{OpenProblem, SqliteStore};

use crate::{beside, contents, fill, new_path};

/// Whether this is the problem that a case is about.
type Expected = fn(&OpenProblem) -> bool;

/// The bytes of a sound database with a few hundred users.
async fn sound_bytes() -> Vec<u8> {
    let (_directory, path) = new_path();
    let store = SqliteStore::open(&path, true).unwrap();
    fill(&store, 500).await;
    drop(store);
    std::fs::read(path).unwrap()
}

fn assert_refused_and_untouched(path: &Path, what: &str, expected: impl Fn(&OpenProblem) -> bool) {
    let before = contents(path.parent().unwrap());
    for migrate in [true, false] {
        let Err(error) = SqliteStore::open(path, migrate) else { panic!("{what}: accepted") };
        assert!(expected(&error.problem), "{what}: {error}");
        let sentence = error.to_string();
        assert!(sentence.contains(path.to_str().unwrap()), "{what}: {sentence}");
        assert!(!sentence.contains('\n'), "{what}: {sentence}");
        assert!(contents(path.parent().unwrap()) == before, "{what}: the files were changed");
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_as_it_is() {
    let sound = sound_bytes().await;
    let page = 4096;
    let overwritten = |from: usize, bytes: &[u8]| {
        let mut damaged = sound.clone();
        damaged[from..from + bytes.len()].copy_from_slice(bytes);
        damaged
    };
    let cases = [
        ("text", b"username,date\nAna,1990-06-15\n".repeat(300)),
        ("one byte", vec![0]),
        ("zeros", vec![0; 3 * page]),
        ("half of the file", sound[..sound.len() / 2].to_vec()),
        ("a page and a half", sound[..page + page / 2].to_vec()),
        ("the header alone", sound[..100].to_vec()),
        ("another magic text", overwritten(0, b"SQLite format 4")),
        ("an impossible page size", overwritten(16, &[0x12, 0x34])),
        ("a format of the future", overwritten(18, &[9, 9])),
        ("noise in the schema", overwritten(100, &[0xa5; 200])),
        ("noise in a page of users", overwritten(4 * page, &[0xa5; 4096])),
    ];
    for (what, bytes) in cases {
        let (_directory, path) = new_path();
        std::fs::write(&path, bytes).unwrap();
        assert_refused_and_untouched(&path, what, |problem| matches!(problem, OpenProblem::Damaged(_)));
    }
}

#[tokio::test]
async fn a_damaged_file_with_a_log_keeps_both_as_they_are() {
    let (_source_directory, source) = new_path();
    let store = SqliteStore::open(&source, true).unwrap();
    fill(&store, 500).await;
    // What a crash would leave: a file and its log.
    let (_directory, path) = new_path();
    let damaged = b"no database".repeat(1000);
    let log = std::fs::read(beside(&source, "-wal")).unwrap();
    std::fs::write(&path, &damaged).unwrap();
    std::fs::write(beside(&path, "-wal"), &log[..log.len() / 3]).unwrap();
    let log_before = std::fs::read(beside(&path, "-wal")).unwrap();
    let error = SqliteStore::open(&path, true).unwrap_err();
    assert!(matches!(error.problem, OpenProblem::Damaged(_)), "{error}");
    assert!(std::fs::read(&path).unwrap() == damaged);
    assert!(std::fs::read(beside(&path, "-wal")).unwrap() == log_before);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    for (what, statements) in [
        ("in WAL mode", "pragma journal_mode = wal; create table bookmarks (url text)"),
        ("with a journal", "create table bookmarks (url text)"),
        ("with the same table", "create table users (username text primary key, date_of_birth text)"),
        ("with its own mark", "pragma application_id = 7"),
    ] {
        let (_directory, path) = new_path();
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch(statements).unwrap();
        drop(other);
        assert_refused_and_untouched(&path, what, |problem| matches!(problem, OpenProblem::Foreign));
    }
}

#[test]
fn a_history_of_migrations_that_is_not_ours_is_refused() {
    let (_directory, path) = new_path();
    drop(SqliteStore::open(&path, true).unwrap());
    let editor = rusqlite::Connection::open(&path).unwrap();
    editor.execute_batch("update schema_migrations set name = 'people' where version = 1").unwrap();
    drop(editor);
    assert_refused_and_untouched(&path, "renamed", |problem| {
        matches!(problem, OpenProblem::UnknownHistory(_))
    });
}

#[test]
fn places_where_no_file_can_be_are_refused_with_their_reason() {
    let (directory, path) = new_path();
    let cases: [(PathBuf, Expected); 3] = [
        (directory.path().join("missing/users.db"), |problem| {
            matches!(problem, OpenProblem::DirectoryMissing)
        }),
        (directory.path().to_owned(), |problem| matches!(problem, OpenProblem::NotAFile)),
        ("/dev/null".into(), |problem| matches!(problem, OpenProblem::NotAFile)),
    ];
    for (place, expected) in cases {
        let error = SqliteStore::open(&place, true).unwrap_err();
        assert!(expected(&error.problem), "{error}");
        assert!(error.to_string().contains(place.to_str().unwrap()), "{error}");
    }
    std::fs::write(&path, []).unwrap();
    let error = SqliteStore::open(&path.join("users.db"), true).unwrap_err();
    assert!(matches!(error.problem, OpenProblem::DirectoryMissing), "{error}");
}
