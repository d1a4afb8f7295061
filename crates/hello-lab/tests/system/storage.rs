//! A primary whose disk is full: writes are refused, reads go on, and nothing that was acknowledged is lost.

use crate::support::{
    lab::{LONG, REGION, SOON, TestLab},
    load::{Client, Request, others},
    wait_for,
};
use std::{
    collections::BTreeSet, fs, net::Ipv4Addr, os::unix::fs::MetadataExt as _, path::PathBuf, time::Instant,
};

/// New users until the pages that a table and its index have are full: a page has 8 kB, and a user some 60 bytes.
const ENOUGH_USERS: usize = 5000;
/// What filling and the writes after it may take of the machine's own disk, of the instance's 20 GiB.
const SMALL: u64 = 256 << 20;
/// More than the 16 MB of the WAL file that is there.
const WAL: &str =
    "select pg_logical_emit_message(true, '', repeat('x', 1000000)) from generate_series(1, 40)";

#[test]
fn a_full_disk_refuses_writes_and_loses_none() {
    let lab = TestLab::standing();
    let client = Client::of(&lab);
    let nodes: Vec<_> = lab.parts().nodes.iter().filter_map(|node| node.public).collect();
    client.writes(&nodes);
    let databases = lab.parts().databases;
    let primary = &databases[0].name;
    let mut users = Users { client: &client, node: nodes[0], next: 0, stored: BTreeSet::new() };
    users.write(20);

    let taken = || fs::metadata(image(&lab, primary)).unwrap().blocks() * 512;
    let before = taken();
    lab.cli(&["fault", "fill", &format!("db/{primary}")]).ok();
    assert!(lab.parts().databases[0].words.ends_with("FILLED"), "{:?}", lab.parts().databases);
    is_full(&lab, primary);
    users.write_until_refused();
    lab.step(&format!("writes of new users are refused after {} of them", users.stored.len()));
    let load = client.keep_asking(&nodes, &Request::read());

    // What does not need the disk goes on, and hides nothing.
    let other = &["TF_VAR_log_retention_days=3"];
    lab.apply(other);
    is_full(&lab, primary);
    lab.plan_is_clean_with(other);
    load.goes_on();
    assert!(
        load.answers().iter().all(|answer| answer.status == Ok(200)),
        "{:?}",
        others(&load.answers(), 200)
    );
    lab.step("reads go on, and so does a change that needs no room");

    // The log of writes has no room either: PostgreSQL gives up, and would at each start.
    let said = lab.sql(primary, "postgres", WAL);
    assert!(!said.status.success(), "40 MB of WAL found room");
    let server = || lab.processes().get(&format!("database.{REGION}.{primary}")).copied();
    wait_for("PostgreSQL has given up", SOON, || server().map_or(Ok(()), |pid| Err(format!("{pid} runs"))));
    is_full(&lab, primary);
    assert_eq!(users.try_next(), 503);
    load.goes_on();
    assert_eq!(server(), None, "it was started without room");
    assert_eq!(others(&load.end(), 200), Vec::<String>::new());
    lab.step("without room for its WAL the primary is down, and reads go on from the replica");

    lab.cli(&["fault", "restore", &format!("db/{primary}")]).ok();
    assert!(!lab.status().contains("FILLED"));
    let begin = Instant::now();
    users.write_again();
    lab.step(&format!("writes work {:.1} s after there is room", begin.elapsed().as_secs_f64()));
    lab.settled(2, LONG);
    users.are_all_there(&lab, primary);

    // The other way out, as on AWS: more storage. Where the kernel lets it grow in use, nothing is interrupted.
    lab.cli(&["fault", "fill", &format!("db/{primary}")]).ok();
    users.write_until_refused();
    let larger = &[other[0], "TF_VAR_database_storage_gib={\"initial\":25,\"max\":100}"];
    let said = lab.apply(larger);
    assert!(said.contains(" 0 destroyed"), "{said}");
    users.write_again();
    lab.settled(2, LONG);
    users.are_all_there(&lab, primary);
    let room = nix::sys::statvfs::statvfs(image(&lab, primary).with_file_name("volume").as_path()).unwrap();
    let size = (room.blocks() * room.fragment_size()) >> 30;
    assert!((24..=25).contains(&size), "{size} GiB");
    lab.plan_is_clean_with(larger);
    lab.step("with more storage writes work");

    let grown = taken().saturating_sub(before);
    assert!(grown < SMALL, "the machine's disk has {grown} bytes less");
    lab.step(&format!("filling 20 GiB twice has taken {} MiB of the machine's disk", grown >> 20));
}

fn image(lab: &TestLab, database: &str) -> PathBuf {
    lab.directory()
        .join("data")
        .join(lab.name())
        .join("databases")
        .join(REGION)
        .join(database)
        .join("storage.ext4")
}

/// Waits until a user of the lab sees what is wrong.
#[track_caller]
fn is_full(lab: &TestLab, database: &str) {
    wait_for("status says that the storage is full", SOON, || {
        let status = lab.status();
        let line = format!("database/{database}: storage-full: ");
        if status.contains(&line) && status.contains("not as they should be") { Ok(()) } else { Err(status) }
    });
}

/// New users, each written once.
struct Users<'a> {
    client: &'a Client,
    node: Ipv4Addr,
    next: usize,
    /// Those whose write was acknowledged.
    stored: BTreeSet<String>,
}

impl Users<'_> {
    /// Writes the next one; the answer's status.
    #[track_caller]
    fn try_next(&mut self) -> u16 {
        // A name has letters only.
        let name: String =
            format!("{:08}", self.next).bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        self.next += 1;
        let status = self.client.ask(self.node, &Request::write_of(&name)).unwrap();
        if status == 201 {
            self.stored.insert(name);
        }
        status
    }

    #[track_caller]
    fn write(&mut self, count: usize) {
        for _ in 0..count {
            assert_eq!(self.try_next(), 201);
        }
    }

    /// Writes until one is refused, and a few more, which must be refused too.
    #[track_caller]
    fn write_until_refused(&mut self) {
        for _ in 0..ENOUGH_USERS {
            match self.try_next() {
                201 => {}
                503 => {
                    assert_eq!([self.try_next(), self.try_next(), self.try_next()], [503; 3]);
                    return;
                }
                other => panic!("a full disk is answered by {other}"),
            }
        }
        panic!("{ENOUGH_USERS} users have found room on a full disk");
    }

    /// Waits until every task writes; the load balancer takes them in turn.
    #[track_caller]
    fn write_again(&mut self) {
        wait_for("every task writes new users", LONG, || {
            let statuses: [u16; 8] = std::array::from_fn(|_| self.try_next());
            if statuses == [201; 8] { Ok(()) } else { Err(format!("{statuses:?}")) }
        });
    }

    /// Every user whose write was acknowledged is in the database.
    #[track_caller]
    fn are_all_there(&self, lab: &TestLab, database: &str) {
        let found = lab.sql(database, "hello", "select username from users").ok();
        let found: BTreeSet<&str> = found.lines().collect();
        let lost: Vec<_> = self.stored.iter().filter(|user| !found.contains(user.as_str())).collect();
        assert_eq!(lost, Vec::<&String>::new(), "of {} acknowledged writes", self.stored.len());
        lab.step(&format!("all {} acknowledged writes are there", self.stored.len()));
    }
}
