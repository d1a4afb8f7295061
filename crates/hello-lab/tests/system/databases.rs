//! A primary that is frozen, killed, and replaced by its replica, while clients read and write.

use crate::support::{
    lab::{LONG, SOON, TestLab},
    load::{Client, Request, others},
    wait_for,
};
use std::{net::Ipv4Addr, time::Instant};

#[test]
fn the_service_follows_its_database() {
    let lab = TestLab::standing();
    let client = Client::of(&lab);
    let node = lab.parts().nodes[0].public.unwrap();
    client.writes(&[node]);
    let databases = lab.parts().databases;
    let primary = format!("db/{}", databases[0].name);

    // Frozen: the kernel still accepts connections, and nobody answers.
    lab.cli(&["fault", "freeze", &primary]).ok();
    let begin = Instant::now();
    becomes(&client, node, &Request::write(), 503);
    lab.step(&format!("writes say 503 {:.1} s after the primary was frozen", begin.elapsed().as_secs_f64()));
    becomes(&client, node, &Request::read(), 200);
    let load = client.keep_asking(&[node], &Request::read());
    load.goes_on();
    assert_eq!(others(&load.end(), 200), Vec::<String>::new());
    lab.step("reads go on");
    lab.cli(&["fault", "restore", &primary]).ok();
    let begin = Instant::now();
    becomes(&client, node, &Request::write(), 204);
    lab.step(&format!("writes work {:.1} s after it goes on", begin.elapsed().as_secs_f64()));

    // Killed: started again.
    lab.settled(2, LONG);
    let before = leader(&lab, &databases[0].name);
    lab.cli(&["fault", "kill", &primary]).ok();
    let begin = Instant::now();
    wait_for("another PostgreSQL serves", SOON, || match leader(&lab, &databases[0].name) {
        Some(pid) if Some(pid) != before => Ok(()),
        other => Err(format!("{other:?}")),
    });
    becomes(&client, node, &Request::write(), 204);
    lab.step(&format!("writes work {:.1} s after PostgreSQL was killed", begin.elapsed().as_secs_f64()));
    lab.settled(2, LONG);
    lab.plan_is_clean();

    // Cut off, and its replica takes its place.
    lab.cli(&["fault", "cut", &primary]).ok();
    becomes(&client, node, &Request::write(), 503);
    let begin = Instant::now();
    lab.cli(&["database", &databases[1].name, "promote"]).ok();
    becomes(&client, node, &Request::write(), 204);
    lab.step(&format!(
        "writes work {:.1} s after the replica's promotion was asked for",
        begin.elapsed().as_secs_f64()
    ));
    becomes(&client, node, &Request::read(), 200);
    // The old one is an older timeline: nothing is written there when it is back.
    lab.cli(&["fault", "restore", &primary]).ok();
    let load = client.keep_asking(&[node], &Request::write());
    load.goes_on();
    assert_eq!(others(&load.end(), 204), Vec::<String>::new());
    assert_eq!(client.ask(node, &Request::read()), Ok(200));
    lab.step("the service stays with the new primary when the old one is back");
}

/// Asks until the answer is this one.
#[track_caller]
fn becomes(client: &Client, node: Ipv4Addr, request: &Request, status: u16) {
    wait_for(&format!("{request:?} is answered by {status}"), LONG, || match client.ask(node, request) {
        Ok(found) if found == status => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// The postmaster of a database.
fn leader(lab: &TestLab, name: &str) -> Option<i32> {
    lab.processes().get(&format!("database.eu-west-1.{name}")).copied()
}
