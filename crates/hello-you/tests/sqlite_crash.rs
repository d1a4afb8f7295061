//! A process that writes is killed at any moment: whatever it had acknowledged is in the file.
//!
//! The process is this test program itself, started again with [`DATABASE`] set. A kill shows that acknowledged writes
//! do not depend on the process; that they do not depend on the machine either rests on `synchronous = full`, which no
//! test without a power switch can show.

#![expect(
    clippy::unwrap_used,
    reason = "an error is the test's failure, also in the functions that tests share"
)]

use hello_testkit::next_random;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hello_you::domain::{BirthDate, Username};
use hello_you::store::Store as _;
use hello_you::store::sqlite::SqliteStore;

const DATABASE: &str = "HELLO_TEST_CRASH_DATABASE";
const ROUND: &str = "HELLO_TEST_CRASH_ROUND";
const ROUNDS: u32 = 8;
const WRITERS: u32 = 16;

/// What may be in the file of one user: the states that can be true after the last acknowledgement.
type Allowed = Vec<Option<i32>>;

/// The child is killed also when the test fails in between.
struct Writing(Child);

impl Drop for Writing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn letters(number: u32) -> String {
    number.to_string().bytes().map(|digit| char::from(b'a' + (digit - b'0'))).collect()
}

/// The child: writes until it is killed, and says before each write what it is about to do, and after it that it is
/// done. Does nothing in an ordinary run of the tests.
#[tokio::test]
async fn child_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(DATABASE) else { return };
    let round: u32 = std::env::var_os(ROUND).unwrap().into_string().unwrap().parse().unwrap();
    let store = SqliteStore::open(Path::new(&path), true).unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for step in 0_u32.. {
                    // Some names come back: they are then changed, or deleted.
                    let text = format!("Ana{}x{}", letters(writer), letters(round * 100_000 + step / 3));
                    let username = Username::parse(&text).unwrap();
                    if step % 7 == 5 {
                        println!("begin {text} none");
                        store.delete(&username).await.unwrap();
                    } else {
                        let days = i32::try_from(step).unwrap();
                        println!("begin {text} {days}");
                        store
                            .put(&username, BirthDate::from_days_since_unix_epoch(days).unwrap())
                            .await
                            .unwrap();
                    }
                    println!("done {text}");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

/// Starts the child and kills it once it has acknowledged that many writes; notes what the file may hold then.
fn write_until_killed(
    path: &Path,
    round: u32,
    acknowledgements: u64,
    allowed: &mut BTreeMap<String, Allowed>,
) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_writes_until_it_is_killed", "--nocapture"])
        .env(DATABASE, path)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Writing(child);
    let mut acknowledged = 0;
    let lines = BufReader::new(child.0.stdout.take().unwrap()).split(b'\n');
    for line in lines {
        let line = String::from_utf8(line.unwrap()).unwrap();
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["begin", name, state] => {
                let state = (state != "none").then(|| state.parse().unwrap());
                allowed.entry(name.to_owned()).or_insert_with(|| vec![None]).push(state);
            }
            ["done", name] => {
                let states = allowed.get_mut(name).unwrap();
                *states = states.split_off(states.len() - 1);
                acknowledged += 1;
                if acknowledged == acknowledgements {
                    child.0.kill().unwrap();
                }
            }
            // The test harness talks too. A line is one write to the pipe, so that the kill cuts none.
            _ => {}
        }
    }
    assert!(acknowledged >= acknowledgements, "the child ended by itself after {acknowledged} writes");
}

#[tokio::test]
async fn after_a_kill_every_acknowledged_write_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    let mut random = 20_261_124;
    let mut allowed = BTreeMap::new();
    for round in 0..ROUNDS {
        let acknowledgements = 1 + next_random(&mut random) % 2_000;
        write_until_killed(&path, round, acknowledgements, &mut allowed);
        let store = SqliteStore::open(&path, round % 2 == 0).unwrap();
        for (name, states) in &allowed {
            let found = store.find(&Username::parse(name).unwrap(), None).await.unwrap();
            let found = found.map(BirthDate::days_since_unix_epoch);
            assert!(
                states.contains(&found),
                "round {round}, killed after {acknowledgements}: {name} is {found:?} and may be {states:?}"
            );
        }
        // What was under way at the kill is settled now.
        for (name, states) in &mut allowed {
            let found = store.find(&Username::parse(name).unwrap(), None).await.unwrap();
            *states = vec![found.map(BirthDate::days_since_unix_epoch)];
        }
    }
    assert!(allowed.len() > 1_000, "enough was written to prove something: {}", allowed.len());
}
