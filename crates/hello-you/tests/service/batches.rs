//! Writes that are committed together: each caller gets its own answer, whatever becomes of its neighbours.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hello_testkit::{PgServer, Poll, wait_until};
use hyper::{Method, StatusCode};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::support::http::{self, Reply};
use crate::support::metrics::sample;
use crate::support::raw::Raw;
use crate::support::service::{ADMIN_TOKEN, Service};
use crate::support::urls::url;

const LIMIT: Duration = Duration::from_secs(60);

/// Names of letters, since digits are none.
fn name(number: usize) -> String {
    let letters = number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect::<String>();
    format!("User{letters}")
}

async fn put(address: SocketAddr, username: &str, date: &str) -> Reply {
    let body = format!("{{\"dateOfBirth\":\"{date}\"}}");
    let headers = [("content-type", "application/json")];
    http::send(address, Method::PUT, &format!("/hello/{username}"), &headers, &body).await
}

/// A service on a server of its own whose writes wait until the lock is let go, and who holds it.
async fn held_up(settings: &[(&str, &str)]) -> (PgServer, Service, Client) {
    let server = PgServer::start().await;
    let shared = [("DATABASE_URL", &*url(&[&server])), ("HELLO_REQUEST_TIMEOUT", "60s")];
    let service = Service::start(&[&shared, settings].concat()).await;
    service.wait_ready("primary", "primary").await;
    connect_all_workers(&service).await;
    let holder = server.client().await;
    holder.batch_execute("begin; lock table users in share mode").await.unwrap();
    (server, service, holder)
}

/// Lets each worker write once, so that its connection to the database is there. Connections go to the worker that has
/// the fewest, so some that stay open reach all.
async fn connect_all_workers(service: &Service) {
    let mut clients = Vec::new();
    for _ in 0..16 {
        clients.push(Raw::connect(service.address).await);
    }
    for client in &mut clients {
        client.send(put_request("Early")).await;
        let status = client.reply().await.status;
        assert!(status == 201 || status == 204, "{status}");
    }
}

fn put_request(username: &str) -> String {
    let body = r#"{"dateOfBirth":"1990-12-31"}"#;
    let length = body.len();
    format!(
        "PUT /hello/{username} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Waits until that many batches wait for the lock.
async fn wait_blocked(server: &PgServer, batches: i64) {
    let select =
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '-- hello-you%'";
    wait_until(&format!("{batches} batches wait in the database"), LIMIT, async || {
        let count: i64 = server.client().await.query_one(select, &[]).await.unwrap().get(0);
        Poll::ready_if(count == batches, count)
    })
    .await;
}

async fn wait_queued(service: &Service, count: f64) {
    wait_until(&format!("{count} writes wait in the queues"), LIMIT, async || {
        let queued = sample(service, "hello_queue_depth{operation=\"write\"}").await.unwrap();
        Poll::ready_if(queued >= count, queued)
    })
    .await;
}

#[tokio::test]
async fn a_row_that_is_refused_and_clients_that_go_away_do_not_harm_their_neighbours() {
    // One worker with one lane for writes: what waits is one batch.
    let (server, service, holder) = held_up(&[("HELLO_WORKERS", "1"), ("DB_POOL_SIZE", "4")]).await;
    let refuse = "create function refuse() returns trigger language plpgsql as
            $$ begin raise exception 'refused'; end $$;
        create trigger refuse before insert on users for each row when (new.username = 'Bad')
            execute function refuse()";
    // The lock that holds up the writes is its own, and lets it make a trigger.
    holder.batch_execute(refuse).await.unwrap();
    let address = service.address;
    let first = tokio::spawn(async move { put(address, "First", "1990-12-31").await });
    wait_blocked(&server, 1).await;

    let mut neighbours = JoinSet::new();
    let mut leaving = Vec::new();
    for number in 0..20 {
        neighbours.spawn(async move { (number, put(address, &name(number), "1990-12-31").await) });
        let mut client = Raw::connect(address).await;
        client.send(put_request(&name(100 + number))).await;
        leaving.push(client);
    }
    let bad = tokio::spawn(async move { put(address, "Bad", "1990-12-31").await });
    wait_queued(&service, 41.0).await;
    drop(leaving);
    // Those who left are noticed before the batch is taken: their connections are closed from the other side.
    wait_until("the service has noticed who left", LIMIT, async || {
        let open = sample(&service, "hello_connections").await.unwrap();
        Poll::ready_if(open < 30.0, open)
    })
    .await;
    holder.batch_execute("commit").await.unwrap();

    assert_eq!(first.await.unwrap().status, StatusCode::CREATED);
    let bad = bad.await.unwrap();
    assert_eq!((bad.status, bad.problem()), (StatusCode::INTERNAL_SERVER_ERROR, "internal-error".to_owned()));
    assert!(!bad.body.contains("refused"), "{bad:?}");
    for (number, reply) in neighbours.join_all().await {
        assert_eq!(reply.status, StatusCode::CREATED, "{number}: {reply:?}");
        let read = service.get(&format!("/hello/{}", name(number))).await;
        assert_eq!(read.status, StatusCode::OK, "{number}");
    }
    assert_eq!(service.get("/hello/Bad").await.status, StatusCode::NOT_FOUND);
    for number in 100..120 {
        let read = service.get(&format!("/hello/{}", name(number))).await;
        assert_eq!(read.status, StatusCode::NOT_FOUND, "nobody waited for that write any more");
    }
    let largest = sample(&service, "hello_batch_size_bucket{operation=\"write\",le=\"16\"}").await.unwrap();
    let all = sample(&service, "hello_batch_size_count{operation=\"write\"}").await.unwrap();
    assert!(largest < all, "no batch was large: the test proves nothing");
}

#[tokio::test]
async fn the_queues_of_all_workers_are_measured() {
    let (server, service, holder) = held_up(&[("HELLO_WORKERS", "3"), ("DB_POOL_SIZE", "10")]).await;
    let mut writes = JoinSet::new();
    let mut write = |number| {
        let address = service.address;
        writes.spawn(async move { put(address, &name(number), "1990-12-31").await.status });
    };
    // Each worker's batch that is under way, and behind it those that wait.
    (0..12).for_each(&mut write);
    wait_blocked(&server, 3).await;
    (12..72).for_each(&mut write);
    wait_queued(&service, 60.0).await;
    holder.batch_execute("commit").await.unwrap();
    assert!(writes.join_all().await.iter().all(|status| *status == StatusCode::CREATED));
    let queued = sample(&service, "hello_queue_depth{operation=\"write\"}").await;
    assert_eq!(queued, Some(0.0));
}

/// Each row takes its time, so that two batches that begin together surely meet in the middle.
const SLOWLY: &str = "create function take_time() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.005); return coalesce(new, old); end $$;
    create trigger take_time before insert or update or delete on users
        for each row execute function take_time()";

#[tokio::test]
async fn one_instance_removes_the_users_that_another_one_writes_without_a_deadlock() {
    const USERS: usize = 40;
    let server = PgServer::start().await;
    let database = url(&[&server]);
    let settings = [
        ("DATABASE_URL", database.as_str()),
        ("HELLO_REQUEST_TIMEOUT", "60s"),
        ("HELLO_WORKERS", "1"),
        ("DB_POOL_SIZE", "4"),
    ];
    let (writing, removing) = tokio::join!(Service::start(&settings), Service::start(&settings));
    for service in [&writing, &removing] {
        service.wait_ready("primary", "primary").await;
        connect_all_workers(service).await;
    }
    // On the disk they lie in the opposite order of their names.
    let mut names: Vec<String> = (0..USERS).map(name).collect();
    names.sort();
    names.push("FirstA".to_owned());
    names.push("FirstB".to_owned());
    for username in names.iter().rev() {
        server.sql(&format!("insert into users values ('{username}', '1990-12-31')")).await;
    }
    server.sql(SLOWLY).await;

    let holder = server.client().await;
    holder.batch_execute("begin; lock table users in share mode").await.unwrap();
    let mut writes = JoinSet::new();
    let mut write = |username: String| {
        let address = writing.address;
        writes.spawn(async move {
            let reply = put(address, &username, "1991-12-31").await;
            (username, reply)
        });
    };
    let mut removals = JoinSet::new();
    let mut remove = |username: String| {
        let (address, token) = (removing.private_address, format!("Bearer {ADMIN_TOKEN}"));
        removals.spawn(async move {
            let path = format!("/hello/{username}");
            http::send(address, Method::DELETE, &path, &[("authorization", &token)], "").await
        });
    };
    // The first of each is under way, and behind it a batch of the others waits.
    write("FirstA".to_owned());
    remove("FirstB".to_owned());
    wait_blocked(&server, 2).await;
    for username in &names[..USERS] {
        write(username.clone());
        remove(username.clone());
    }
    for service in [&writing, &removing] {
        wait_queued(service, f64::from(u32::try_from(USERS).unwrap())).await;
    }
    holder.batch_execute("commit").await.unwrap();
    for reply in removals.join_all().await {
        assert_eq!(
            reply.status,
            StatusCode::NO_CONTENT,
            "everyone was there, before the write and after: {reply:?}"
        );
    }
    for (username, reply) in writes.join_all().await {
        // Who was removed first has been made anew; who was changed first is gone.
        let expected = match reply.status {
            StatusCode::CREATED => StatusCode::OK,
            StatusCode::NO_CONTENT => StatusCode::NOT_FOUND,
            other => panic!("{other}: {reply:?}"),
        };
        if !username.starts_with("First") {
            assert_eq!(writing.get(&format!("/hello/{username}")).await.status, expected, "{username}");
        }
    }
    assert!(!server.log_tail().contains("deadlock"), "{}", server.log_tail());
}

#[tokio::test]
async fn two_instances_write_the_same_users_together_without_a_deadlock_and_create_each_once() {
    const USERS: usize = 40;
    let server = PgServer::start().await;
    let database = url(&[&server]);
    // One lane for writes each: what waits is one batch.
    let settings = [
        ("DATABASE_URL", database.as_str()),
        ("HELLO_REQUEST_TIMEOUT", "60s"),
        ("HELLO_WORKERS", "1"),
        ("DB_POOL_SIZE", "4"),
    ];
    let (one, other) = tokio::join!(Service::start(&settings), Service::start(&settings));
    let services = [&one, &other];
    for service in services {
        service.wait_ready("primary", "primary").await;
        connect_all_workers(service).await;
    }
    server.sql(SLOWLY).await;

    // In the first round the users are made, in the others changed.
    let mut created = BTreeMap::new();
    for round in 0..3 {
        let holder = server.client().await;
        holder.batch_execute("begin; lock table users in share mode").await.unwrap();
        let mut writes = JoinSet::new();
        let mut write = |service: &Service, username: String| {
            let address = service.address;
            let date = format!("199{round}-12-31");
            writes.spawn(async move { (put(address, &username, &date).await, username) });
        };
        for (letter, service) in ["A", "B"].into_iter().zip(services) {
            write(service, format!("First{letter}"));
        }
        wait_blocked(&server, 2).await;
        for number in 0..USERS {
            // Each instance gets them in an order of its own.
            write(&one, name(number));
            write(&other, name(USERS - 1 - number));
        }
        for service in services {
            wait_queued(service, f64::from(u32::try_from(USERS).unwrap())).await;
        }
        holder.batch_execute("commit").await.unwrap();
        for (reply, username) in writes.join_all().await {
            match reply.status {
                StatusCode::CREATED => *created.entry(username).or_insert(0) += 1,
                status => assert_eq!(status, StatusCode::NO_CONTENT, "{username}: {reply:?}"),
            }
        }
    }
    assert_eq!(created.len(), USERS + 2, "{created:?}");
    assert!(created.values().all(|times| *times == 1), "{created:?}");
    // A batch that was repeated after a deadlock would show here alone; PostgreSQL writes each into its log.
    assert!(!server.log_tail().contains("deadlock"), "{}", server.log_tail());
}
