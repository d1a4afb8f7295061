//! Every time that the lab waits, in one place, each with its reason.

use std::time::Duration;

/// For the end of a process after SIGKILL: only a process inside the kernel takes longer than an instant.
pub const KILLED: Duration = Duration::from_secs(10);

/// For another process that holds the store's or the daemon's lock: one that was just killed, or a second one by mistake.
pub const STORE_BUSY: Duration = Duration::from_secs(5);

/// For links, routes, filters, DNS and load balancers: a pass takes a fraction of a second; the rest is a busy machine.
pub const PART_READY: Duration = Duration::from_secs(60);

/// For a database: `initdb` or a copy of its source, then recovery.
pub const DATABASE_READY: Duration = Duration::from_secs(300);

/// For a service that its configuration wants steady: Terraform's own default for `aws_ecs_service` is twenty minutes.
pub const SERVICE_STEADY: Duration = Duration::from_secs(1200);

/// For the end of a part: draining takes up to the deregistration delay, five minutes unless configured otherwise.
pub const PART_GONE: Duration = Duration::from_secs(420);

/// For the daemon to accept a caller: it does nothing else on that socket.
pub const CONTROL_CONNECT: Duration = Duration::from_secs(5);

/// For the next line of an answer that needs no more than the daemon's memory and files.
pub const CONTROL_ANSWER: Duration = Duration::from_secs(10);

/// For a caller to read a line: its terminal may be held for a moment, but one that was stopped must not keep a place.
pub const CONTROL_WRITE: Duration = Duration::from_secs(30);

/// For a caller's one line: a command line sends it at once.
pub const CONTROL_REQUEST: Duration = Duration::from_secs(5);

/// Between two looks at parts that are as they should be: what was changed by hand is put right within this time. Looks
/// are most of what an idle lab costs.
pub const RESYNC: Duration = Duration::from_secs(8);

/// Between two looks for what the lab keeps and needs no more, where nothing changes: it goes by the day.
pub const HOUSEKEEPING: Duration = Duration::from_secs(600);

/// And after a change: what is needed no more takes room, and no more than that.
pub const HOUSEKEEPING_REST: Duration = Duration::from_secs(10);

/// Before what has failed is tried again: most causes are another part that is on its way.
pub const RETRY: Duration = Duration::from_millis(200);

/// For a daemon that was just started to listen: it reads its store first.
pub const DAEMON_START: Duration = Duration::from_secs(15);

/// For the lock of a daemon that was just killed: its last step inside the kernel ends within milliseconds, on a busy
/// machine within a second. Shorter than [`DAEMON_START`], so that who waits for the start is told.
pub const DAEMON_LOCK: Duration = Duration::from_secs(5);

/// In a daemon that was told to end, for its controllers to finish the steps that they are in.
pub const DAEMON_STOP: Duration = Duration::from_secs(10);

/// And for calls that block: what is asked of the kernel.
pub const DAEMON_LAST_STEP: Duration = Duration::from_secs(5);

/// For the end of a daemon that said it would end, then it is killed: [`DAEMON_STOP`] and [`DAEMON_LAST_STEP`], and some
/// seconds of a busy machine.
pub const DAEMON_END: Duration = Duration::from_secs(20);

/// For everything to be as it should be after `terraform apply`: tasks are pulled, started and checked.
pub const SETTLED: Duration = Duration::from_secs(120);

/// For the kernel's answers to all that is asked of one namespace at a time: each takes milliseconds, on a busy machine
/// some hundred of them.
pub const KERNEL: Duration = Duration::from_secs(20);

/// Until a small server process (HAProxy, DNS, a published port) answers: it takes some 30 ms, and far longer only on a
/// machine that does nothing else.
pub const PROCESS_START: Duration = Duration::from_secs(10);

/// Between two looks at a process that is starting.
pub const POLL_START: Duration = Duration::from_millis(5);

/// Between TERM and KILL for a process that has nothing to finish.
pub const PROCESS_STOP: Duration = Duration::from_secs(2);

/// For an answer of HAProxy's admin socket: it answers in under a millisecond unless it is stopped.
pub const ADMIN_SOCKET: Duration = Duration::from_secs(1);

/// Between two looks at targets that are as they should be. The daemon learns of a failed target this late at most.
pub const TARGETS: Duration = Duration::from_millis(200);

/// Between two looks while a target is being registered or drained: it is waited for.
pub const TARGETS_UNDER_WAY: Duration = Duration::from_millis(50);

/// Between two checks of a new target, where its group's own interval is longer. An ALB has many nodes that each check at
/// a time of their own, so that its first check comes soon; here there is one node for a subnet.
pub const FIRST_TARGET_CHECKS: Duration = Duration::from_millis(100);

/// For a connection from a load balancer to a target: an ALB answers 504 after 10 seconds.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html#http-504-issues>
pub const TARGET_CONNECT: Duration = Duration::from_secs(10);

/// The least that requests of an older HAProxy configuration get to end in.
pub const OLD_CONFIGURATION: Duration = Duration::from_secs(60);

/// For one look at a database server. It answers in milliseconds; one that is frozen never does, and the reconciler
/// must go on to the next part soon.
pub const DATABASE_PROBE: Duration = Duration::from_secs(2);

/// For a started database server until it answers. A new one takes a tenth of a second; one that was killed under load
/// replays up to `max_wal_size` first.
pub const DATABASE_START: Duration = Duration::from_secs(60);

/// For the daemon's next look at an instance, for whom a command of the user waits: of a server that answers it takes some
/// milliseconds, of one that does not [`DATABASE_PROBE`]. The command is done by then, so it does not wait longer.
pub const DATABASE_LOOK: Duration = Duration::from_secs(10);

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

/// Before a user who waits for a database is told what is being done with it: most is done sooner.
pub const DATABASE_PATIENCE: Duration = Duration::from_secs(1);

/// Pause between two looks at a database server. Short, since most things happen within some milliseconds.
pub const DATABASE_PAUSE: Duration = Duration::from_millis(10);

/// For an answer of a DNS server of the lab: it answers in under a millisecond, and a client asks again after 5 s.
pub const DNS: Duration = Duration::from_secs(2);

/// For a client of a DNS server that says nothing on its TCP connection (RFC 7766, 6.2.3: a few seconds).
pub const DNS_CONNECTION: Duration = Duration::from_secs(5);

/// For a connection from a published port to one address of its destination, before the next one is tried.
pub const PUBLISHED_CONNECT: Duration = Duration::from_secs(3);

/// After a connection could not be accepted: long enough not to spin, short enough not to be noticed.
pub const ACCEPT: Duration = Duration::from_millis(50);

/// For an answer of a DNS server: it is at most one continent away, and asked twice.
pub const DNS_ANSWER: Duration = Duration::from_secs(2);

/// For a connection to a registry: where no route leads there, nothing ever answers.
pub const REGISTRY_CONNECT: Duration = Duration::from_secs(3);

/// For an answer of a registry, and for each piece of one: it may have to read from a slow disk.
pub const REGISTRY_ANSWER: Duration = Duration::from_secs(30);

/// For a registry that was just started: it answers within 50 ms on an idle machine.
pub const REGISTRY_READY: Duration = Duration::from_secs(20);

/// For a registry to end by itself.
pub const REGISTRY_STOP: Duration = Duration::from_secs(5);

/// For the registry's program to remove blobs: a tenth of a second for a hundred images, more on a slow disk. Nobody can
/// pull meanwhile.
pub const REGISTRY_PRUNE: Duration = Duration::from_secs(60);

/// Between two looks at a part that is about to be ready.
pub const READY_POLL: Duration = Duration::from_millis(10);

/// Between two looks at a log that is followed: soon enough for an eye.
pub const LOG_POLL: Duration = Duration::from_millis(200);

/// Between two looks at the logs of databases that go to log groups: soon enough for who follows one, and a look is some
/// system calls for each instance.
pub const LOG_EXPORT: Duration = Duration::from_secs(1);

/// Before a pull is tried again, times the number of attempts so far: what a task needs (routes, DNS, registry) is made
/// at the same time as the task.
pub const PULL_RETRY: Duration = Duration::from_millis(300);

/// Between two health checks of a container in its start period, until the first passes. ECS waits for the whole interval
/// (5 s and more), which would only make the lab slow to come up.
pub const FIRST_HEALTH_CHECKS: Duration = Duration::from_millis(500);

/// After this time a task that nothing checks has not failed at its start: a program that cannot work ends sooner.
pub const TASK_STAYS: Duration = Duration::from_secs(5);

/// Before a task is started in place of one that ended before it was ready; doubled with each further one.
pub const TASK_RETRY: Duration = Duration::from_secs(1);

/// The longest such pause. That of ECS grows to 27 minutes, for which nobody waits at a lab.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html>
pub const TASK_RETRY_MOST: Duration = Duration::from_secs(60);

/// For processes that were killed to leave their control group.
pub const GROUP_EMPTY: Duration = Duration::from_secs(5);

/// For the runtime to start a container: 30 ms on an idle machine, seconds on one that is overloaded.
pub const CONTAINER_START: Duration = Duration::from_secs(60);

/// For the last output of a container that has ended: nobody holds the other end of the pipe any more.
pub const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// For a command that is run in a container for its output.
pub const EXEC: Duration = Duration::from_secs(60);

/// For a container that has ended to become the child of its shim: the runtime that started it ends at that moment.
pub const TAKEN_OVER: Duration = Duration::from_secs(5);

/// Between two looks whether it has: that takes less than a millisecond.
pub const TAKEN_OVER_POLL: Duration = Duration::from_millis(1);

/// For another task that pulls the same image: as long as a large layer takes on a slow link.
pub const IMAGE_LOCK: Duration = Duration::from_secs(600);

/// Between two looks whether that other task has finished.
pub const IMAGE_LOCK_POLL: Duration = Duration::from_millis(20);

/// Between two looks at a control group whose last process has ended.
pub const GROUP_POLL: Duration = Duration::from_millis(2);
