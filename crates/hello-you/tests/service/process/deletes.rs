//! Kill -9 of the service or of PostgreSQL while users are removed: whoever was acknowledged to be gone is gone.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hello_testkit::{PgServer, Poll, next_random, wait_until};
use hyper::{Method, StatusCode};
use rustix::process::Signal;
use tokio::task::JoinSet;

use super::{END_LIMIT, signal};
use crate::support::http;
use crate::support::service::{ADMIN_TOKEN, Service};

const ROUNDS: usize = 4;
const USERS: usize = 120;
/// Who removes at the same time.
const CLIENTS: usize = 8;

/// A name of 50 letters that stands nowhere by chance.
fn name(round: usize, number: usize) -> String {
    let letters = (round * 1000 + number).to_string();
    let letters: String = letters.bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
    format!("{letters:z>50}")
}

/// Stores all users of a round.
async fn fill(service: &Service, round: usize) {
    let mut writes = JoinSet::new();
    for client in 0..CLIENTS {
        let address = service.address;
        writes.spawn(async move {
            for number in (client..USERS).step_by(CLIENTS) {
                let (path, body) =
                    (format!("/hello/{}", name(round, number)), r#"{"dateOfBirth":"1990-12-31"}"#);
                let headers = [("content-type", "application/json")];
                let reply = http::send(address, Method::PUT, &path, &headers, body).await;
                assert_eq!(reply.status, StatusCode::CREATED);
            }
        });
    }
    writes.join_all().await;
}

/// Removes users of a round, calls `kill` once that many are acknowledged, and returns the acknowledged names when all
/// clients have failed or are done.
async fn remove_until_killed(
    service: &Service,
    round: usize,
    acknowledgements: usize,
    kill: impl FnOnce(),
) -> Vec<String> {
    let gone = Arc::new(Mutex::new(Vec::new()));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (address, gone) = (service.private_address, Arc::clone(&gone));
        clients.spawn(async move {
            for number in (client..USERS).step_by(CLIENTS) {
                let name = name(round, number);
                let (path, token) = (format!("/hello/{name}"), format!("Bearer {ADMIN_TOKEN}"));
                let sent =
                    http::try_send(address, Method::DELETE, &path, &[("authorization", &token)], "").await;
                match sent {
                    Ok(reply) if reply.status == StatusCode::NO_CONTENT => gone.lock().unwrap().push(name),
                    _ => return,
                }
            }
        });
    }
    wait_until("enough removals are acknowledged", Duration::from_secs(60), async || {
        let count = gone.lock().unwrap().len();
        Poll::ready_if(count >= acknowledgements, format!("{count} of {acknowledgements}"))
    })
    .await;
    kill();
    clients.join_all().await;
    std::mem::take(&mut *gone.lock().unwrap())
}

async fn assert_gone(service: &Service, names: &[String]) {
    for name in names {
        let read = service.get(&format!("/hello/{name}")).await;
        assert_eq!(read.status, StatusCode::NOT_FOUND, "{name} was acknowledged to be gone");
    }
}

/// Some acknowledgements, and some removals still to come.
fn acknowledgements(random: &mut u64) -> usize {
    let most = u64::try_from(USERS).unwrap() / 2;
    usize::try_from(1 + next_random(random) % most).unwrap()
}

/// Kills the service some times while it removes; `look` gets the names that must be gone, before the next start.
async fn kill_the_service(settings: &[(&str, &str)], ready: &str, seed: u64, look: impl Fn(&[String])) {
    let mut random = seed;
    for round in 0..ROUNDS {
        let service = Service::start(settings).await;
        service.wait_ready(ready, ready).await;
        fill(&service, round).await;
        let kill = || signal(service.process.pid(), Signal::KILL);
        let gone = remove_until_killed(&service, round, acknowledgements(&mut random), kill).await;
        service.process.wait_exit(END_LIMIT).await;
        look(&gone);
        let service = Service::start(settings).await;
        service.wait_ready(ready, ready).await;
        assert_gone(&service, &gone).await;
        look(&gone);
    }
}

/// The names that stand anywhere in the files of the directory.
fn traces<'a>(directory: &Path, names: &'a [String]) -> Vec<&'a str> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        found.extend(names.iter().map(String::as_str).filter(|name| text.contains(name)));
    }
    found
}

#[tokio::test]
async fn a_removal_acknowledged_before_a_kill_is_done_and_leaves_no_trace_in_the_sqlite_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users.db");
    let settings = [("HELLO_SQLITE_PATH", file.to_str().unwrap())];
    // Nobody reads while users are removed, so nothing holds up the erasure before the answer.
    kill_the_service(&settings, "embedded", 20_261_127, |gone| {
        assert_eq!(traces(directory.path(), gone), Vec::<&str>::new());
    })
    .await;
    let kept = [name(ROUNDS - 1, USERS - 1)];
    assert_eq!(traces(directory.path(), &kept).len(), 1, "who was not removed can be found that way");
}

#[tokio::test]
async fn a_removal_acknowledged_before_a_kill_of_the_service_is_done_on_postgresql() {
    let server = PgServer::shared().await;
    server.create_database("deletes").await;
    let url = server.url("postgres", "deletes");
    let settings = [("DATABASE_URL", url.as_str()), ("DB_POOL_SIZE", "4")];
    kill_the_service(&settings, "primary", 20_261_128, |_| {}).await;
}

#[tokio::test]
async fn a_removal_acknowledged_before_a_kill_of_postgresql_is_done() {
    let server = PgServer::start().await;
    let url = server.url("postgres", "postgres");
    let service = Service::start(&[("DATABASE_URL", &url)]).await;
    service.wait_ready("primary", "primary").await;
    let mut random = 20_261_129;
    for round in 0..ROUNDS {
        fill(&service, round).await;
        let gone =
            remove_until_killed(&service, round, acknowledgements(&mut random), || server.kill()).await;
        server.restart().await;
        wait_until("users can be read again", END_LIMIT, async || {
            let status = service.get("/hello/Nobody").await.status;
            Poll::ready_if(status == StatusCode::NOT_FOUND, status)
        })
        .await;
        assert_gone(&service, &gone).await;
        service.wait_ready("primary", "primary").await;
    }
}
