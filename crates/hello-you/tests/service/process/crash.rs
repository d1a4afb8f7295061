//! Kill -9 of the service or of PostgreSQL under a load of writes: whatever was acknowledged is there afterwards.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hello_testkit::{PgServer, Poll, next_random, wait_until};
use hyper::{Method, StatusCode};
use rustix::process::Signal;
use tokio::task::JoinSet;

use super::{END_LIMIT, signal};
use crate::support::http;
use crate::support::service::Service;

const WRITERS: u32 = 16;
const ROUNDS: u32 = 4;
/// Fewer acknowledged writes before the kills would prove little; kept small enough for a busy machine.
const MOST_WRITES: u64 = 400;

/// The dates a user may have: the last acknowledged one, and those sent since.
type Allowed = BTreeMap<String, Vec<Option<String>>>;

/// What the writers of all rounds sent and got acknowledged.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<(Allowed, u64)>>);

impl Ledger {
    fn sends(&self, name: &str, date: &str) {
        let mut ledger = self.0.lock().unwrap();
        ledger.0.entry(name.to_owned()).or_insert_with(|| vec![None]).push(Some(date.to_owned()));
    }

    fn acknowledged(&self, name: &str) {
        let mut ledger = self.0.lock().unwrap();
        let dates = ledger.0.get_mut(name).unwrap();
        *dates = dates.split_off(dates.len() - 1);
        ledger.1 += 1;
    }

    fn count(&self) -> u64 {
        self.0.lock().unwrap().1
    }

    /// Compares with what the service lists, and from here on expects exactly that.
    async fn check(&self, service: &Service, round: u32) {
        let found = every_user(service).await;
        let mut ledger = self.0.lock().unwrap();
        for (name, dates) in &mut ledger.0 {
            let date = found.get(name).cloned();
            assert!(dates.contains(&date), "round {round}: {name} has {date:?} and may have {dates:?}");
            *dates = vec![date];
        }
        let strangers: Vec<_> = found.keys().filter(|name| !ledger.0.contains_key(*name)).collect();
        assert!(strangers.is_empty(), "round {round}: nobody wrote {strangers:?}");
    }
}

async fn every_user(service: &Service) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut path = "/users?limit=1000".to_owned();
    loop {
        let reply = service.administer(Method::GET, &path).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        let page = reply.json();
        for user in page["users"].as_array().unwrap() {
            let text = |field: &str| user[field].as_str().unwrap().to_owned();
            found.insert(text("username"), text("dateOfBirth"));
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/users?limit=1000&after={next}"),
            None => return found,
        }
    }
}

fn letters(number: u32) -> String {
    number.to_string().bytes().map(|digit| char::from(digit + (b'a' - b'0'))).collect()
}

/// Writes until something goes wrong: new users, and changes of those before.
async fn write(address: SocketAddr, ledger: Ledger, round: u32, writer: u32) {
    for step in 0_u32.. {
        let name = format!("User{}x{}x{}", letters(writer), letters(step / 3), letters(round * (step % 2)));
        let date = format!("19{:02}-{:02}-{:02}", step % 100, 1 + round % 12, 1 + writer % 28);
        let body = format!("{{\"dateOfBirth\":\"{date}\"}}");
        ledger.sends(&name, &date);
        let headers = [("content-type", "application/json")];
        match http::try_send(address, Method::PUT, &format!("/hello/{name}"), &headers, &body).await {
            Ok(reply) if reply.status.is_success() => ledger.acknowledged(&name),
            _ => return,
        }
    }
}

/// Runs the writers, and calls `kill` once that many further writes are acknowledged; returns when all have failed.
async fn write_until_killed(
    service: &Service,
    ledger: &Ledger,
    round: u32,
    acknowledgements: u64,
    kill: impl FnOnce(),
) {
    let wanted = ledger.count() + acknowledgements;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(service.address, ledger.clone(), round, writer));
    }
    wait_until("enough writes are acknowledged", Duration::from_secs(60), async || {
        let count = ledger.count();
        Poll::ready_if(count >= wanted, format!("{count} of {wanted}"))
    })
    .await;
    kill();
    writers.join_all().await;
}

/// Kills the service some times; each next one must find what was acknowledged.
async fn kill_the_service(settings: &[(&str, &str)], reads: &str, writes: &str, seed: u64) {
    let ledger = Ledger::default();
    let mut random = seed;
    for round in 0..ROUNDS {
        let service = Service::start(settings).await;
        service.wait_ready(reads, writes).await;
        ledger.check(&service, round).await;
        let acknowledgements = 1 + next_random(&mut random) % MOST_WRITES;
        let kill = || signal(service.process.pid(), Signal::KILL);
        write_until_killed(&service, &ledger, round, acknowledgements, kill).await;
        service.process.wait_exit(END_LIMIT).await;
    }
    let service = Service::start(settings).await;
    service.wait_ready(reads, writes).await;
    ledger.check(&service, ROUNDS).await;
    assert!(ledger.count() > 100, "enough was written to prove something: {}", ledger.count());
}

#[tokio::test]
async fn a_killed_service_has_lost_no_acknowledged_write_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users.db");
    let settings = [("HELLO_SQLITE_PATH", file.to_str().unwrap())];
    kill_the_service(&settings, "embedded", "embedded", 20_261_124).await;
}

#[tokio::test]
async fn a_killed_service_has_lost_no_acknowledged_write_on_postgresql() {
    let server = PgServer::shared().await;
    server.create_database("crash").await;
    let url = server.url("postgres", "crash");
    let settings = [("DATABASE_URL", url.as_str()), ("DB_POOL_SIZE", "4")];
    kill_the_service(&settings, "primary", "primary", 20_261_125).await;
}

#[tokio::test]
async fn a_killed_postgresql_has_lost_no_acknowledged_write() {
    let server = PgServer::start().await;
    let url = server.url("postgres", "postgres");
    let service = Service::start(&[("DATABASE_URL", &url)]).await;
    service.wait_ready("primary", "primary").await;
    let ledger = Ledger::default();
    let mut random = 20_261_126;
    for round in 0..3 {
        let acknowledgements = 1 + next_random(&mut random) % MOST_WRITES;
        write_until_killed(&service, &ledger, round, acknowledgements, || server.kill()).await;
        server.restart().await;
        service.wait_ready("primary", "primary").await;
        ledger.check(&service, round).await;
    }
    assert!(ledger.count() > 100, "enough was written to prove something: {}", ledger.count());
}
