use super::*;
use crate::{
    lab::Lab,
    logs::{Group, Logs, reader::Filter, stream},
};
use std::{io::Write as _, path::Path, time::Duration};

const GROUP: &str = "/aws/rds/instance/hello/postgresql";

struct Fixture {
    _directory: tempfile::TempDir,
    from: PathBuf,
    logs: Logs,
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let logs = Logs::new(&Lab::new("copier", directory.path(), directory.path()), "eu-west-1");
    logs.put_group(&Group { name: GROUP.to_owned(), retention_days: None }).unwrap();
    let from = directory.path().join("log");
    fs::create_dir(&from).unwrap();
    Fixture { _directory: directory, from, logs }
}

impl Fixture {
    fn copier(&self) -> Copier {
        Copier::resume(self.from.clone(), "startup.log", self.logs.stream(GROUP, "hello").unwrap()).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        append(&self.from.join(name), text.as_bytes());
    }

    fn segments(&self) -> Vec<PathBuf> {
        let directory = self.logs.group(GROUP).join("hello");
        stream::segments(&directory).unwrap().into_iter().map(|(_, path)| path).collect()
    }

    fn copied(&self) -> Vec<String> {
        let mut reader = self.logs.read(GROUP, Filter::default());
        let mut all = Vec::new();
        loop {
            let found = reader.read_new().unwrap();
            if found.is_empty() {
                return all;
            }
            all.extend(found.into_iter().map(|found| found.event.message));
        }
    }
}

fn append(path: &Path, bytes: &[u8]) {
    File::options().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// A file that was last written that many seconds ago.
fn age(path: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    File::open(path).unwrap().set_modified(time).unwrap();
}

fn all(copier: &mut Copier) {
    while copier.advance(None).unwrap() {}
}

#[test]
fn lines_are_copied_once_whoever_goes_on() {
    let fixture = fixture();
    fixture.write("startup.log", "no log\n");
    fixture.write("log.1", "one\ntwo\n\nha");
    let mut copier = fixture.copier();
    all(&mut copier);
    assert_eq!(fixture.copied(), ["one", "two"], "half a line waits");
    fixture.write("log.1", "lf\n");
    // The first is killed.
    let mut other = fixture.copier();
    all(&mut other);
    all(&mut fixture.copier());
    assert_eq!(fixture.copied(), ["one", "two", "half"]);
    age(&fixture.from.join("log.1"), 60);
    fixture.write("log.2", "four\n");
    all(&mut other);
    fixture.write("log.2", "five\n");
    all(&mut fixture.copier());
    assert_eq!(fixture.copied(), ["one", "two", "half", "four", "five"]);
    assert_eq!(fixture.segments().len(), 1, "each daemon has begun a segment of its own");
}

#[test]
fn a_write_that_was_cut_off_is_made_again_whole() {
    let fixture = fixture();
    fixture.write("log.1", "one\n");
    all(&mut fixture.copier());
    fixture.write("log.1", "two\n");
    all(&mut fixture.copier());
    let [segment] = fixture.segments().try_into().unwrap();
    let content = fs::read(&segment).unwrap();
    fs::write(&segment, &content[..content.len() - 5]).unwrap();
    assert_eq!(fixture.copied(), ["one"]);
    all(&mut fixture.copier());
    assert_eq!(fixture.copied(), ["one", "two"]);
}

#[test]
fn what_the_server_does_with_its_files_loses_and_doubles_nothing() {
    let fixture = fixture();
    fixture.write("log.1", "old\n");
    age(&fixture.from.join("log.1"), 300);
    fixture.write("log.2", "cut off");
    age(&fixture.from.join("log.2"), 200);
    let mut copier = fixture.copier();
    all(&mut copier);
    assert_eq!(fixture.copied(), ["old"], "it may be written on");
    // Names need not be in order.
    fixture.write("a", "third\n");
    all(&mut copier);
    assert_eq!(fixture.copied(), ["old", "cut off", "third"]);
    fs::remove_file(fixture.from.join("log.1")).unwrap();
    fs::remove_file(fixture.from.join("log.2")).unwrap();
    all(&mut copier);
    // Emptied and begun anew.
    fs::write(fixture.from.join("a"), "4\n").unwrap();
    all(&mut copier);
    // Another file of that name, longer than the first was.
    fs::rename(fixture.from.join("a"), fixture.from.with_extension("aside")).unwrap();
    fixture.write("a", "fifth, and longer than the first\n");
    all(&mut fixture.copier());
    let expected = ["old", "cut off", "third", "4", "fifth, and longer than the first"];
    assert_eq!(fixture.copied(), expected);
}

#[test]
fn files_that_retention_has_passed_are_not_copied_again() {
    let fixture = fixture();
    fixture.write("log.1", "old\n");
    age(&fixture.from.join("log.1"), 3600);
    fixture.write("log.2", "young\n");
    let oldest = Some(SystemTime::now() - Duration::from_secs(1800));
    let mut copier = fixture.copier();
    while copier.advance(oldest).unwrap() {}
    assert_eq!(fixture.copied(), ["young"]);
}

#[test]
fn lines_of_any_length_and_bytes_are_copied_in_pieces() {
    let fixture = fixture();
    let long = "\u{20ac}".repeat(LONGEST);
    fixture.write("log.1", &format!("{long}\n"));
    append(&fixture.from.join("log.1"), b"\xff\xfe\n");
    append(&fixture.from.join("log.1"), &[vec![0x80; LONGEST + 10], vec![b'\n']].concat());
    fixture.write("log.1", "end\n");
    all(&mut fixture.copier());
    let copied = fixture.copied();
    let whole: String =
        copied.iter().take_while(|piece| piece.starts_with('\u{20ac}')).map(String::as_str).collect();
    assert!(whole == long, "{} of {} bytes", whole.len(), long.len());
    assert!(copied.iter().all(|piece| piece.len() <= LONGEST));
    assert_eq!(copied.last().unwrap(), "end");
}

#[test]
fn a_group_that_is_gone_takes_the_position_with_it() {
    let fixture = fixture();
    fixture.write("log.1", "one\n");
    let mut copier = fixture.copier();
    all(&mut copier);
    assert!(copier.has_stream());
    fixture.logs.delete_group(GROUP).unwrap();
    assert!(!copier.has_stream());
}

#[test]
fn the_time_of_a_line_is_the_one_that_it_begins_with() {
    for (line, wanted) in [
        ("1970-01-01 00:00:00 UTC::@:[1]:LOG:  x", Some(0)),
        ("2024-02-29 12:34:56 UTC:10.0.0.5(1):me@db:[7]:ERROR:  x", Some(1_709_210_096_000)),
        ("2024-02-29 12:34:56.7 GMT [7]", Some(1_709_210_096_700)),
        ("2024-12-31 23:59:60.123 UTC", Some(1_735_689_600_123)),
        ("2024-02-29 12:34:56 CET [7]", None),
        ("2024-13-29 12:34:56 UTC", None),
        ("1969-12-31 12:34:56 UTC", None),
        ("2024-02-29 -1:34:56 UTC", None),
        ("99999999999999999999-02-29 12:34:56 UTC", None),
        ("\tgoes on", None),
        ("", None),
    ] {
        assert_eq!(moment(line), wanted, "{line}");
    }
    let fixture = fixture();
    fixture.write("log.1", "2024-02-29 12:34:56 UTC::@:[1]:LOG:  x\n\tgoes on\n");
    all(&mut fixture.copier());
    let found = fixture.logs.read(GROUP, Filter::default()).read_new().unwrap();
    assert!(found.iter().all(|found| found.event.timestamp == 1_709_210_096_000), "{found:?}");
}
