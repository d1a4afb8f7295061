//! Every statement this store sends. Each begins with its name, so that a slow-query log names the caller.

/// Users by name, many at once. Parameter: `text[]`.
pub(super) const FIND: &str =
    "-- hello-you: find\nselect username, date_of_birth from users where username = any($1)";

/// Makes or changes users, many at once and sorted by name (two instances would deadlock otherwise).
/// Parameters: `text[]`, `date[]`.
///
/// A row that was inserted has no `xmax`; one that was updated carries the lock that `on conflict` took on it.
pub(super) const PUT: &str = "-- hello-you: put\n\
    insert into users as u (username, date_of_birth) select * from unnest($1::text[], $2::date[]) \
    on conflict (username) do update set date_of_birth = excluded.date_of_birth \
    returning username, xmax = 0 as created";

/// Removes users, many at once. Parameter: `text[]`.
///
/// The rows are locked in the order of their names first, as [`PUT`] does. A plain delete locks them in the order of its
/// plan, often that of the disk, and deadlocks with an instance that writes the same users.
pub(super) const DELETE: &str = "-- hello-you: delete\n\
    with found as materialized \
        (select username from users where username = any($1) order by username for update) \
    delete from users using found where users.username = found.username returning users.username";

/// How far the write-ahead log is written; after a commit, at least the commit. On a primary.
pub(super) const WRITTEN_LSN: &str = "-- hello-you: written lsn\nselect pg_current_wal_lsn()";

/// How far the write-ahead log is replayed. On a standby.
pub(super) const REPLAYED_LSN: &str = "-- hello-you: replayed lsn\nselect pg_last_wal_replay_lsn()";

/// A page of users after a name, in the order of the names' bytes. Parameters: `text` or null, `bigint`.
pub(super) const PAGE: &str = "-- hello-you: page\n\
    select username, date_of_birth from users where username > coalesce($1::text, '') order by username limit $2";

/// The session of a connection that reads.
///
/// The plan for a list of names never depends on the names, so planning it each time is wasted.
pub(super) const READ_SESSION: &str = "set plan_cache_mode = force_generic_plan; \
    set default_transaction_read_only = on";

/// The session of a connection that writes: an acknowledged write is durable whatever the server's default; a stricter
/// default (`remote_apply`) stays.
pub(super) const WRITE_SESSION: &str = "select set_config('synchronous_commit', 'on', false) \
    where current_setting('synchronous_commit') in ('off', 'local')";

/// What the tables say of a host, once they are there: the highest timeline recorded for its system identifier, and the
/// age of the heartbeat. Parameter: `text`, the system identifier.
pub(super) const RECORDED: &str = "-- hello-you: recorded\n\
    select (select timeline from epoch where system_identifier = $1) as timeline, \
    (select extract(epoch from clock_timestamp() - at)::float8 from heartbeat where id = 1) as heartbeat_age";

/// Records a timeline, if it is higher than what is recorded. Parameters: `text`, `bigint`.
pub(super) const RECORD_EPOCH: &str = "-- hello-you: record epoch\n\
    insert into epoch as e (system_identifier, timeline) values ($1, $2) \
    on conflict (system_identifier) do update set timeline = excluded.timeline, seen_at = now() \
    where e.timeline < excluded.timeline";

/// Keeps the heartbeat fresh. Of many instances the first one that finds it old writes it.
pub(super) const HEARTBEAT: &str = "-- hello-you: heartbeat\n\
    update heartbeat set at = now() where id = 1 and at < now() - interval '5 s'";
