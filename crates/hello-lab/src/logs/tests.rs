use super::*;
use std::fs::OpenOptions;
use std::io::Write as _;

fn logs() -> (tempfile::TempDir, Logs) {
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::new("logs", directory.path(), directory.path());
    let logs = Logs::new(&lab, "eu-west-1");
    logs.put_group(&Group { name: "/ecs/hello".to_owned(), retention_days: Some(7) }).unwrap();
    (directory, logs)
}

fn messages(found: &[reader::Found]) -> Vec<&str> {
    found.iter().map(|found| found.event.message.as_str()).collect()
}

fn all(reader: &mut Reader) -> Vec<reader::Found> {
    let mut all = Vec::new();
    loop {
        let found = reader.read_new().unwrap();
        if found.is_empty() {
            return all;
        }
        all.extend(found);
    }
}

#[test]
fn a_stream_of_a_group_that_does_not_exist_is_refused() {
    let (_directory, logs) = logs();
    let error = logs.stream("/ecs/other", "a/b/c").unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (io::ErrorKind::NotFound, "The specified log group does not exist.")
    );
    logs.delete_group("/ecs/hello").unwrap();
    logs.delete_group("/ecs/hello").unwrap();
    assert!(logs.stream("/ecs/hello", "a/b/c").is_err());
    assert!(logs.groups().unwrap().is_empty());
}

#[test]
fn events_of_all_streams_come_in_order_of_time() {
    let (_directory, logs) = logs();
    let mut one = logs.stream("/ecs/hello", "task/web/1").unwrap();
    let mut two = logs.stream("/ecs/hello", "task/web/2").unwrap();
    one.append(10, "first").unwrap();
    two.append(20, "second").unwrap();
    one.append(30, "third\nwith \"quotes\"").unwrap();
    one.append(30, "fourth").unwrap();
    let mut reader = logs.read("/ecs/hello", Filter::default());
    assert_eq!(messages(&all(&mut reader)), ["first", "second", "third\nwith \"quotes\"", "fourth"]);
    assert!(reader.read_new().unwrap().is_empty());
    two.append(40, "fifth").unwrap();
    assert_eq!(messages(&all(&mut reader)), ["fifth"]);
    assert_eq!(logs.streams("/ecs/hello").unwrap(), ["task/web/1", "task/web/2"]);
    let filter = Filter { stream_prefix: Some("task/web/2".to_owned()), since: 30 };
    assert_eq!(messages(&all(&mut logs.read("/ecs/hello", filter))), ["fifth"]);
}

#[test]
fn a_reader_follows_from_segment_to_segment_and_a_stream_keeps_its_bound() {
    let (directory, logs) = logs();
    let mut stream = logs.stream("/ecs/hello", "task/web/1").unwrap().with_segments_of(100);
    let mut reader = logs.read("/ecs/hello", Filter::default());
    let mut seen = Vec::new();
    for number in 0..100 {
        stream.append(number, &format!("event number {number}")).unwrap();
        seen.extend(reader.read_new().unwrap());
    }
    let expected: Vec<_> = (0..100).map(|number| format!("event number {number}")).collect();
    assert_eq!(messages(&seen), expected);
    let kept = all(&mut logs.read("/ecs/hello", Filter::default()));
    assert!(kept.len() < 40 && kept.last().unwrap().event.message == "event number 99", "{}", kept.len());
    drop(directory);
}

#[test]
fn a_line_that_is_not_complete_yet_is_not_read() {
    let (_directory, logs) = logs();
    let mut stream = logs.stream("/ecs/hello", "s").unwrap();
    stream.append(1, "whole").unwrap();
    let (_, segment) = stream::segments(&logs.group("/ecs/hello").join("s")).unwrap().pop().unwrap();
    let mut file = OpenOptions::new().append(true).open(segment).unwrap();
    file.write_all(b"{\"t\":2,\"m\":\"ha").unwrap();
    let mut reader = logs.read("/ecs/hello", Filter::default());
    assert_eq!(messages(&all(&mut reader)), ["whole"]);
    file.write_all(b"lf\"}\n").unwrap();
    assert_eq!(messages(&all(&mut reader)), ["half"]);
}

#[test]
fn a_long_line_is_cut_at_a_character() {
    let (_directory, logs) = logs();
    let mut stream = logs.stream("/ecs/hello", "s").unwrap();
    let long = "\u{e9}\u{1}".repeat(200_000);
    stream.append(1, &long).unwrap();
    let found = all(&mut logs.read("/ecs/hello", Filter::default()));
    assert_eq!(found.len(), 3);
    assert_eq!(messages(&found).concat(), long);
}

#[test]
fn what_is_older_than_the_retention_goes() {
    let (_directory, logs) = logs();
    let day = 86_400_000;
    let mut stream = logs.stream("/ecs/hello", "s").unwrap();
    stream.append(day, "old").unwrap();
    stream.append(2 * day, "young").unwrap();
    let segments = stream::segments(&logs.group("/ecs/hello").join("s")).unwrap();
    assert_eq!(segments.len(), 2, "a segment ends with the day");
    let now = SystemTime::now();
    let old = now - Duration::from_secs(8 * 86_400);
    fs::File::open(&segments[0].1).unwrap().set_modified(old).unwrap();
    assert_eq!(logs.prune(now).unwrap(), 1);
    assert_eq!(messages(&all(&mut logs.read("/ecs/hello", Filter::default()))), ["young"]);
    logs.put_group(&Group { name: "/ecs/hello".to_owned(), retention_days: None }).unwrap();
    assert_eq!(logs.prune(now + Duration::from_secs(9_999 * 86_400)).unwrap(), 0);
}

#[test]
fn a_stream_that_is_empty_for_as_long_goes_and_comes_back_with_its_next_event() {
    let (_directory, logs) = logs();
    let mut stream = logs.stream("/ecs/hello", "task/web/1").unwrap();
    let mut follower = logs.read("/ecs/hello", Filter::default());
    for number in 1..=3 {
        stream.append(number * 86_400_000, &format!("{number}")).unwrap();
    }
    assert_eq!(messages(&all(&mut follower)), ["1", "2", "3"]);
    let later = SystemTime::now() + Duration::from_secs(8 * 86_400);
    assert_eq!(logs.prune(later).unwrap(), 3);
    assert_eq!(logs.streams("/ecs/hello").unwrap(), ["task/web/1"], "it is empty since just now");
    stream.append(4 * 86_400_000, "4").unwrap();
    assert_eq!(messages(&all(&mut follower)), ["4"]);
    assert_eq!(
        (logs.prune(later).unwrap(), logs.prune(later).unwrap(), logs.prune(later).unwrap()),
        (1, 1, 0)
    );
    assert_eq!(logs.streams("/ecs/hello").unwrap(), [""; 0]);
    stream.append(5 * 86_400_000, "5").unwrap();
    assert_eq!(messages(&all(&mut follower)), ["5"]);
    // A group that is gone takes it along.
    logs.delete_group("/ecs/hello").unwrap();
    stream.append(6 * 86_400_000, "6").unwrap_err();
    assert!(!logs.group("/ecs/hello").exists());
}

#[test]
fn a_stream_whose_removal_was_killed_is_removed_or_seen_again() {
    let (_directory, logs) = logs();
    let mut streams = ["a", "b"].map(|name| logs.stream("/ecs/hello", name).unwrap());
    for name in ["a", "b"] {
        fs::remove_file(logs.group("/ecs/hello").join(name).join(STREAM)).unwrap();
    }
    streams[0].append(1, "seen").unwrap();
    assert_eq!(logs.streams("/ecs/hello").unwrap(), ["a"]);
    assert_eq!(logs.prune(SystemTime::now() + Duration::from_secs(8 * 86_400)).unwrap(), 2);
    assert!(!logs.group("/ecs/hello").join("b").exists());
}

#[tokio::test]
async fn following_waits_for_what_is_to_come() {
    let (_directory, logs) = logs();
    let mut reader = logs.read("/ecs/hello", Filter::default());
    let writer = tokio::spawn(async move {
        tokio::task::yield_now().await;
        logs.stream("/ecs/hello", "s").unwrap().append(1, "late").unwrap();
    });
    let found = tokio::time::timeout(Duration::from_secs(20), reader.follow()).await.unwrap().unwrap();
    assert_eq!(messages(&found), ["late"]);
    writer.await.unwrap();
}
