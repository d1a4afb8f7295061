//! A witness in a third place, which no program of ours has yet: the library with a real database and a source.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hello_pg::{SystemId, Timeline};
use hello_testkit::{PgServer, Poll, wait_until};
use hello_you::domain::{BirthDate, Username};
use hello_you::store::postgres::epoch_source::EpochSource;
use hello_you::store::{Store as _, StoreError};

use crate::postgres_support::start_store;

/// Knows a timeline of one system; 0 is none.
struct Witness {
    system_id: SystemId,
    timeline: Arc<AtomicU32>,
}

impl EpochSource for Witness {
    async fn highest(&self, system_id: SystemId) -> Option<Timeline> {
        let timeline = self.timeline.load(Ordering::Relaxed);
        (system_id == self.system_id && timeline > 0).then_some(Timeline(timeline))
    }
}

/// Never answers.
struct Silent;

impl EpochSource for Silent {
    async fn highest(&self, _: SystemId) -> Option<Timeline> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_primary_below_the_timeline_of_a_witness_is_neither_written_to_nor_read_from() {
    let server = PgServer::start().await;
    let system_id = server.observe().await.system_id.unwrap();
    let (postgres, store, mut background) = start_store(&server.url("postgres", "postgres")).await;
    let timeline = Arc::new(AtomicU32::new(0));
    background.spawn(postgres.heed(Witness { system_id, timeline: Arc::clone(&timeline) }));
    // What is known of another system means nothing here, and a source that hangs holds up nobody.
    let stranger = Witness { system_id: SystemId(system_id.0 + 1), timeline: Arc::new(AtomicU32::new(9)) };
    background.spawn(postgres.heed(stranger));
    background.spawn(postgres.heed(Silent));
    let (ana, date) = (Username::parse("Ana").unwrap(), BirthDate::parse("1990-12-31").unwrap());
    store.put(&ana, date).await.unwrap();

    // The same number as the database's own changes nothing; a higher one fences it.
    timeline.store(1, Ordering::Relaxed);
    assert_eq!(store.find(&ana, None).await.unwrap(), Some(date));
    timeline.store(2, Ordering::Relaxed);
    wait_until("the database is fenced", Duration::from_secs(60), async || {
        let condition = store.condition();
        Poll::ready_if(condition.fenced, format!("{condition:?}"))
    })
    .await;
    assert!(matches!(store.find(&ana, None).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.page(None, 10).await, Err(StoreError::Unavailable(_))));
    let later = BirthDate::parse("1991-12-31").unwrap();
    assert!(matches!(store.put(&ana, later).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.delete(&ana).await, Err(StoreError::Unavailable(_))));
    let row = server.client().await.query_one("select date_of_birth::text from users", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "1990-12-31", "nothing was written");
    // A timeline that was seen once is not forgotten when the witness is.
    timeline.store(0, Ordering::Relaxed);
    assert!(store.condition().fenced);
}
