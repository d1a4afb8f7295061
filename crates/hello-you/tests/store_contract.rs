//! What every store keeps to, written once and run against each.
//!
//! A store joins with one line at the end of this file and a [`Fixture`] that starts it empty.

#![expect(
    clippy::unwrap_used,
    reason = "an error is the test's failure, also in the functions that tests share"
)]

#[path = "store_contract/postgres.rs"]
mod postgres;
#[path = "support/postgres.rs"]
mod postgres_support;
#[path = "store_contract/properties.rs"]
mod properties;
#[path = "store_contract/sqlite.rs"]
mod sqlite;

use hello_you::store::Store;

/// A store for one test: empty, its own, gone when dropped.
pub(crate) trait Fixture: Sized {
    /// The store under test.
    type Store: Store + Clone + 'static;

    /// Starts an empty one; nothing where this machine lacks what it needs, which has been said then.
    fn start() -> impl Future<Output = Option<Self>>;

    /// A handle to it.
    fn store(&self) -> Self::Store;
}

/// Runs every property against the stores that a fixture starts.
macro_rules! store_contract {
    ($store:ident, $fixture:ty) => {
        store_contract!(@each $store, $fixture:
            a_user_never_stored_is_not_found
            the_first_write_creates_and_the_next_one_changes
            of_several_writes_the_last_one_wins
            of_many_first_writes_at_once_exactly_one_creates
            an_acknowledged_write_is_seen_by_the_next_read
            a_deleted_user_is_gone_and_can_come_back
            of_many_deletes_at_once_exactly_one_finds_the_user
            names_that_differ_in_case_are_different_users
            names_of_fifty_long_characters_are_kept
            the_first_and_the_last_day_of_the_calendar_are_kept
            pages_come_in_the_order_of_the_names_bytes
            pages_are_stable_while_others_write
            a_page_keeps_to_its_limit
            abandoned_calls_do_not_harm_their_neighbours
            many_tasks_at_once_each_get_their_own_answers
        );
    };
    (@each $store:ident, $fixture:ty: $($property:ident)+) => {
        mod $store {
            $(
                #[tokio::test]
                async fn $property() {
                    let Some(fixture) = <$fixture as super::Fixture>::start().await else { return };
                    super::properties::$property(super::Fixture::store(&fixture)).await;
                }
            )+
        }
    };
}

store_contract!(on_sqlite, crate::sqlite::SqliteFixture);
store_contract!(on_postgresql, crate::postgres::PostgresFixture);
store_contract!(on_postgresql_17, crate::postgres::Postgres17Fixture);
