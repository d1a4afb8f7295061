//! Every time that the lab waits, in one place, each with its reason.

use std::time::Duration;

/// For the end of a process after SIGKILL: only a process inside the kernel takes longer than an instant.
pub const KILLED: Duration = Duration::from_secs(10);

/// For one look at a database server. It answers in milliseconds; one that is frozen never does, and the reconciler
/// must go on to the next part soon.
pub const DATABASE_PROBE: Duration = Duration::from_secs(2);

/// For a started database server until it answers. A new one takes a tenth of a second; one that was killed under load
/// replays up to `max_wal_size` first.
pub const DATABASE_START: Duration = Duration::from_secs(60);

/// For a fast shutdown of a database server, which writes a checkpoint. Then it is ended without one.
pub const DATABASE_STOP: Duration = Duration::from_secs(30);

/// For an immediate shutdown of a database server, which writes nothing. Then it is killed.
pub const DATABASE_QUIT: Duration = Duration::from_secs(5);

/// For a promotion: WAL that was received is replayed first.
pub const DATABASE_PROMOTION: Duration = Duration::from_secs(60);

/// For one statement of the lab's own. The slowest copies a template database.
pub const DATABASE_STATEMENT: Duration = Duration::from_secs(30);

/// For programs that make or check something small: `initdb`, `mkfs`, `mount`. Half a second, more on a busy machine.
pub const DATABASE_TOOL: Duration = Duration::from_secs(120);

/// For copies of a whole cluster: a base backup across a slow link, a snapshot.
pub const DATABASE_COPY: Duration = Duration::from_secs(1800);

/// Pause between two looks at a database server. Short, since most things happen within some milliseconds.
pub const DATABASE_PAUSE: Duration = Duration::from_millis(10);
