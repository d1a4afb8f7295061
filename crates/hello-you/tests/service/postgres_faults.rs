//! The service and a real PostgreSQL primary and replica, through their faults.

use std::time::{Duration, Instant};

use hello_testkit::{FaultProxy, Mode, PgServer, Poll, StopMode, wait_until};
use hyper::{Method, StatusCode};

use crate::support::http;
use crate::support::service::{BUSY, Service};
use crate::support::urls::url_of_ports;

/// A primary and its replica, each behind a proxy that can break the network, and a service that knows the proxies.
struct Pair {
    primary: PgServer,
    replica: PgServer,
    to_primary: FaultProxy,
    to_replica: FaultProxy,
    service: Service,
}

impl Pair {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(variables: &[(&str, &str)]) -> Self {
        let primary = PgServer::start().await;
        let replica = primary.replica().await;
        let (to_primary, to_replica) = (primary.proxy(), replica.proxy());
        let url = url_of_ports(&[to_primary.port(), to_replica.port()]);
        let variables = [variables, &[("DATABASE_URL", url.as_str())]].concat();
        let service = Service::start(&variables).await;
        service.wait_ready("replica", "primary").await;
        assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
        replica.catch_up_with(&primary).await;
        Self { primary, replica, to_primary, to_replica, service }
    }
}

/// Reads and writes once a few milliseconds, and notes what came of it, until `end` is done.
async fn observe_while<T>(
    service: &Service,
    end: impl Future<Output = T>,
) -> (T, Vec<(Instant, StatusCode)>) {
    let mut statuses = Vec::new();
    let mut end = std::pin::pin!(end);
    loop {
        tokio::select! {
            result = &mut end => return (result, statuses),
            reply = service.get("/hello/Ana") => statuses.push((Instant::now(), reply.status)),
        }
    }
}

/// The longest time from the first failed read of a row of them to the next good one.
fn longest_outage(statuses: &[(Instant, StatusCode)]) -> Duration {
    let mut longest = Duration::ZERO;
    let mut since = None;
    for (at, status) in statuses {
        if *status == StatusCode::OK {
            if let Some(since) = since.take() {
                longest = longest.max(*at - since);
            }
        } else {
            since.get_or_insert(*at);
        }
    }
    longest.max(since.map_or(Duration::ZERO, |since| since.elapsed()))
}

#[tokio::test]
async fn while_the_primary_is_down_reads_go_on_and_writes_say_when_to_try_again() {
    let pair = Pair::start().await;
    pair.primary.stop(StopMode::Immediate).await;
    pair.service.wait_ready("replica", "unavailable").await;
    assert_eq!(pair.service.get("/hello/Ana").await.status, StatusCode::OK);
    let refused = pair.service.put("Ben", "1990-12-31").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.problem(), "database-unavailable");
    let ready = pair.service.get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::OK);
    assert_eq!(pair.service.get("/health/deep").await.status, StatusCode::OK, "within the grace time");
    pair.primary.restart().await;
    pair.service.wait_ready("replica", "primary").await;
    assert_eq!(pair.service.put("Ben", "1990-12-31").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn while_the_replica_is_down_the_primary_serves_the_reads() {
    let pair = Pair::start().await;
    let fault = async {
        pair.replica.kill();
        pair.service.wait_ready("primary", "primary").await;
    };
    let ((), statuses) = observe_while(&pair.service, fault).await;
    let outage = longest_outage(&statuses);
    assert!(outage <= BUSY * Duration::from_secs(1), "{outage:?}");
    pair.replica.restart().await;
    pair.service.wait_ready("replica", "primary").await;
}

#[tokio::test]
async fn a_replica_in_a_black_hole_is_left_for_the_primary() {
    let pair = Pair::start().await;
    let fault = async {
        pair.to_replica.set_mode(Mode::BlackHole);
        pair.service.wait_ready("primary", "primary").await;
    };
    let ((), statuses) = observe_while(&pair.service, fault).await;
    let outage = longest_outage(&statuses);
    assert!(outage <= BUSY * Duration::from_secs(1), "{outage:?}");
    pair.to_replica.set_mode(Mode::Pass);
    pair.service.wait_ready("replica", "primary").await;
}

#[tokio::test]
async fn with_both_hosts_gone_answers_still_come_and_service_is_back_with_them() {
    for mode in [Mode::Refuse, Mode::BlackHole, Mode::Reset] {
        let pair = Pair::start().await;
        pair.to_primary.set_mode(mode);
        pair.to_replica.set_mode(mode);
        let began = Instant::now();
        let deadline = began + Duration::from_secs(4);
        while Instant::now() < deadline {
            let asked = Instant::now();
            let reply = pair.service.get("/hello/Ana").await;
            let took = asked.elapsed();
            assert!(took <= BUSY * Duration::from_secs(2), "{mode:?}: {took:?}");
            assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{mode:?} {reply:?}");
            let asked = Instant::now();
            let reply = pair.service.put("Ben", "1990-12-31").await;
            let took = asked.elapsed();
            assert!(took <= BUSY * Duration::from_secs(2), "{mode:?}: {took:?}");
            assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{mode:?} {reply:?}");
        }
        assert_eq!(pair.service.get("/health").await.status, StatusCode::OK);
        assert_eq!(pair.service.get("/health/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(pair.service.get("/health/deep").await.status, StatusCode::SERVICE_UNAVAILABLE);
        pair.to_primary.set_mode(Mode::Pass);
        pair.to_replica.set_mode(Mode::Pass);
        pair.service.wait_ready_within(BUSY * Duration::from_secs(2), "replica", "primary").await;
        assert_eq!(pair.service.get("/hello/Ana").await.status, StatusCode::OK, "{mode:?}");
        assert!(pair.service.put("Ben", "1990-12-31").await.status.is_success(), "{mode:?}");
    }
}

#[tokio::test]
async fn a_primary_set_read_only_is_read_from_and_writes_say_so() {
    let pair = Pair::start().await;
    pair.primary.set_read_only(true).await;
    pair.service.wait_ready("replica", "unavailable").await;
    assert_eq!(pair.service.put("Ben", "1990-12-31").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(pair.service.get("/hello/Ana").await.status, StatusCode::OK);
    pair.primary.set_read_only(false).await;
    pair.service.wait_ready("replica", "primary").await;
}

#[tokio::test]
async fn connections_ended_by_an_administrator_are_opened_anew() {
    let pair = Pair::start().await;
    for server in [&pair.primary, &pair.replica] {
        let end_all =
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hello-you'";
        server.sql(end_all).await;
    }
    wait_until("reads and writes succeed again", BUSY * Duration::from_secs(5), async || {
        let read = pair.service.get("/hello/Ana").await.status;
        let write = pair.service.put("Ben", "1990-12-31").await.status;
        Poll::ready_if(read == StatusCode::OK && write.is_success(), format!("{read} {write}"))
    })
    .await;
}

#[tokio::test]
async fn without_a_free_connection_the_service_answers_503_and_recovers() {
    let primary = PgServer::builder().setting("max_connections", "10").start().await;
    primary.sql("create role plain login; grant all on schema public to plain").await;
    let mut others = Vec::new();
    // Superusers keep three connections for themselves: seven take the rest.
    for _ in 0..7 {
        others.push(primary.client_as("plain", "postgres").await);
    }
    let url = format!("postgres://plain@127.0.0.1:{}/postgres", primary.port());
    let service = Service::start(&[("DATABASE_URL", &url)]).await;
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(service.get("/health").await.status, StatusCode::OK);
    drop(others);
    service.wait_ready("primary", "primary").await;
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_slow_database_sheds_load_before_memory_grows() {
    let pair = Pair::start().await;
    let before = pair.service.process.resident_bytes().unwrap();
    pair.to_primary.set_mode(Mode::Delay(Duration::from_secs(3)));
    pair.to_replica.set_mode(Mode::Delay(Duration::from_secs(3)));
    let address = pair.service.address;
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..300 {
        clients.spawn(async move {
            let mut statuses = Vec::new();
            for _ in 0..5 {
                let asked = Instant::now();
                let method = if number % 10 == 0 { Method::PUT } else { Method::GET };
                let body = if method == Method::PUT { r#"{"dateOfBirth":"1990-12-31"}"# } else { "" };
                let headers = [("content-type", "application/json")];
                let reply = http::send(address, method, "/hello/Ana", &headers, body).await;
                statuses.push((reply.status, asked.elapsed()));
            }
            statuses
        });
    }
    for (status, took) in clients.join_all().await.into_iter().flatten() {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(took < BUSY * Duration::from_secs(5), "{took:?}");
    }
    let after = pair.service.process.resident_bytes().unwrap();
    assert!(after < before + 40_000_000, "{before} {after}");
    pair.to_primary.set_mode(Mode::Pass);
    pair.to_replica.set_mode(Mode::Pass);
    pair.service.wait_ready("replica", "primary").await;
}

#[tokio::test]
async fn a_frozen_primary_is_noticed_and_thawed_used_again() {
    let pair = Pair::start().await;
    let frozen = pair.primary.freeze();
    pair.service.wait_ready("replica", "unavailable").await;
    assert_eq!(pair.service.get("/hello/Ana").await.status, StatusCode::OK);
    frozen.thaw();
    pair.service.wait_ready("replica", "primary").await;
}

#[tokio::test]
async fn the_service_starts_without_a_database_and_migrates_when_a_writer_appears() {
    let primary = PgServer::start().await;
    let proxy = primary.proxy();
    proxy.set_mode(Mode::Refuse);
    let service = Service::start(&[("DATABASE_URL", &url_of_ports(&[proxy.port()]))]).await;
    assert_eq!(service.get("/health").await.status, StatusCode::OK);
    let ready = service.get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(service.get("/hello/Ana").await.status, StatusCode::SERVICE_UNAVAILABLE);
    proxy.set_mode(Mode::Pass);
    service.wait_ready("primary", "primary").await;
    assert_eq!(service.put("Ana", "1990-12-31").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn writes_failing_beyond_the_grace_time_make_the_region_unhealthy() {
    let pair = Pair::start_with(&[("HELLO_WRITE_GRACE", "1s")]).await;
    assert_eq!(pair.service.get("/health/deep").await.status, StatusCode::OK);
    pair.primary.stop(StopMode::Immediate).await;
    wait_until("the deep health is 503", Duration::from_secs(60), async || {
        let deep = pair.service.get("/health/deep").await;
        Poll::ready_if(deep.status == StatusCode::SERVICE_UNAVAILABLE, deep.body)
    })
    .await;
    assert_eq!(pair.service.get("/health/ready").await.status, StatusCode::OK, "reads still work");
}
