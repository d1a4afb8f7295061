//! Timelines that are known in a place that is not one of the databases: a witness in a third region.

use std::sync::Arc;
use std::time::Duration;

use hello_pg::{SystemId, Timeline};
use tokio::time::{sleep, timeout};

use super::Postgres;

/// Where the highest timeline of a database is known besides the database itself.
pub trait EpochSource: Send + Sync + 'static {
    /// The highest timeline known there of a system; `None` if it knows none, or cannot be asked now.
    fn highest(&self, system_id: SystemId) -> impl Future<Output = Option<Timeline>> + Send;
}

/// How often a source is asked.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// A source that takes longer is asked again.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

impl Postgres {
    /// Asks a source for ever; what it knows fences as what a database knows.
    pub fn heed<S: EpochSource>(&self, source: S) -> impl Future<Output = ()> + Send + use<S> {
        let cluster = Arc::clone(&self.cluster);
        async move {
            loop {
                if let Some(system_id) = cluster.topology().epoch.system_id
                    && let Ok(Some(timeline)) = timeout(ASK_TIMEOUT, source.highest(system_id)).await
                {
                    cluster.timeline_seen(system_id, timeline);
                }
                sleep(ASK_EVERY).await;
            }
        }
    }
}
