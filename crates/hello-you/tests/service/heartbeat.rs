//! The heartbeat row, and the replica lag that is measured by it.

use std::time::Duration;

use hello_testkit::{PgServer, Poll, wait_until};

use crate::support::metrics::sample;
use crate::support::service::Service;
use crate::support::urls::url;

/// Enough for some periods of five seconds on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Notes each update of the heartbeat, with the time of the clock and not of the transaction.
const NOTE_BEATS: &str = "
    create table beats (at timestamptz not null, backend int not null);
    create function note_beat() returns trigger language plpgsql as
        $$ begin insert into beats values (clock_timestamp(), pg_backend_pid()); return null; end $$;
    create trigger note_beat after update on heartbeat for each row execute function note_beat()";

/// The seconds between beats, in order.
async fn gaps(server: &PgServer) -> Vec<f64> {
    let select = "select extract(epoch from at - lag(at) over (order by at))::float8 from beats order by at";
    let rows = server.client().await.query(select, &[]).await.unwrap();
    rows.iter().filter_map(|row| row.get(0)).collect()
}

async fn wait_gaps(server: &PgServer, count: usize) -> Vec<f64> {
    wait_until(&format!("{count} gaps between beats are seen"), LIMIT, async || {
        let gaps = gaps(server).await;
        if gaps.len() >= count { Poll::Ready(gaps) } else { Poll::not_yet(format!("{gaps:?}")) }
    })
    .await
}

#[tokio::test]
async fn of_two_instances_one_writes_the_heartbeat_about_every_five_seconds_while_nobody_else_writes() {
    let server = PgServer::start().await;
    let database = url(&[&server]);
    let first = Service::start(&[("DATABASE_URL", &database)]).await;
    let second = Service::start(&[("DATABASE_URL", &database)]).await;
    for service in [&first, &second] {
        service.wait_ready("primary", "primary").await;
    }
    server.sql(NOTE_BEATS).await;
    let together = wait_gaps(&server, 3).await;
    // Who is left goes on alone.
    first.process.terminate(LIMIT).await;
    let all = wait_gaps(&server, together.len() + 2).await;
    for gap in all {
        // Two who write would be closer together. Later it may be: the beat waits for the first look after five seconds, which
        // a busy machine may hold up.
        assert!(gap >= 4.99, "{gap} s between two beats");
    }
}

#[tokio::test]
async fn replica_lag_stays_low_while_nobody_writes_and_a_real_delay_moves_the_reads() {
    /// In seconds, as in the setting below.
    const MAX_LAG: f64 = 3.0;
    let primary = PgServer::start().await;
    let replica = primary.replica().await;
    let settings = [("DATABASE_URL", &*url(&[&primary, &replica])), ("DB_MAX_REPLICA_LAG", "3s")];
    let service = Service::start(&settings).await;
    service.wait_ready("replica", "primary").await;
    let lag = async || sample(&service, "hello_replica_lag_seconds").await;

    primary.sql(NOTE_BEATS).await;
    wait_until("some beats have come while nobody wrote", LIMIT, async || {
        let lag = lag().await;
        let Some(lag) = lag else { return Poll::not_yet("no lag is known yet") };
        if lag >= MAX_LAG {
            return Poll::Failed(format!("{lag} s of lag on a replica that is not behind"));
        }
        let beats = gaps(&primary).await;
        Poll::ready_if(beats.len() >= 2, format!("{beats:?}"))
    })
    .await;
    service.wait_ready("replica", "primary").await;

    replica.pause_replay().await;
    service.wait_ready_within(LIMIT, "primary", "primary").await;
    let behind = lag().await.unwrap();
    assert!((MAX_LAG..LIMIT.as_secs_f64()).contains(&behind), "{behind}");

    replica.resume_replay().await;
    service.wait_ready_within(LIMIT, "replica", "primary").await;
    let caught_up = lag().await.unwrap();
    assert!(caught_up < MAX_LAG, "{caught_up}");
}
