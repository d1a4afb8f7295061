use super::*;
use std::fs;

fn record() -> (tempfile::TempDir, Record) {
    let directory = tempfile::tempdir().unwrap();
    let record = Record::new(directory.path().join("record.jsonl"));
    (directory, record)
}

#[test]
fn the_last_line_of_a_key_counts() {
    let (_directory, record) = record();
    assert_eq!(record.last("a/b/c").unwrap(), None);
    record.append("a/b/c", "{\"n\":1}").unwrap();
    record.append("a/b/cc", "{\"n\":2}").unwrap();
    record.append("a/b/c", "null").unwrap();
    assert_eq!(record.last("a/b/c").unwrap(), Some(("null".to_owned(), false)));
    assert_eq!(record.last("a/b/cc").unwrap(), Some(("{\"n\":2}".to_owned(), false)));
}

#[test]
fn half_a_line_is_no_line_and_the_next_one_takes_its_place() {
    let (_directory, record) = record();
    record.append("a/b/c", "{\"n\":1}").unwrap();
    let whole = fs::read_to_string(&record.file).unwrap();
    fs::write(&record.file, format!("{whole}{}", &whole[..20])).unwrap();
    assert_eq!(record.last("a/b/c").unwrap(), Some(("{\"n\":1}".to_owned(), false)));
    record.append("a/b/d", "{\"n\":2}").unwrap();
    assert_eq!(fs::read_to_string(&record.file).unwrap().lines().count(), 2);
    assert!(record.last("a/b/d").unwrap().is_some());
}

#[test]
fn an_edited_line_without_its_end_is_kept() {
    let (_directory, record) = record();
    fs::write(&record.file, "{\"key\":\"a/b/c\",\"digest\":\"\",\"state\":null}").unwrap();
    record.append("a/b/d", "{}").unwrap();
    assert_eq!(record.last("a/b/c").unwrap(), Some(("null".to_owned(), true)));
}

#[test]
fn what_is_not_of_the_records_form_is_said_with_its_line() {
    let (_directory, record) = record();
    record.append("a/b/c", "{}").unwrap();
    let whole = fs::read_to_string(&record.file).unwrap();
    fs::write(&record.file, format!("{whole}a/b/c\n")).unwrap();
    assert!(record.last("a/b/c").unwrap_err().to_string().contains("line 2 is not of the record's form"));
    assert!(Record::new("/dev/zero".into()).last("a").is_err(), "what has no end is not read");
}
