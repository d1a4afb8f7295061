//! The load generator: keep-alive connections that each send a request, read the answer, and send the next.
//!
//! It is a closed loop, as `wrk` is: a slow server is asked less often, so the percentiles are those of the
//! requests that were sent. It is in this process because everything shares the machine's processors: what
//! the generator takes, the servers lack. Two system calls per request (`write`, `read`) and one `epoll_wait`
//! for all answers that arrived meanwhile is what it costs.
//!
//! Every answer is checked: the status, and that the greeting is for the user who was asked for.

mod connection;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use crate::case::Case;
use crate::interrupt;
use crate::process::own_thread_cpu_time;
use connection::{Connection, Progress};

/// How long an answer may take before it counts as an error.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What to load, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) case: Case,
    pub(crate) users: u32,
    pub(crate) threads: u8,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    pub(crate) seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Answers per second.
    pub(crate) rate: f64,
    /// Right answers in the measured time.
    pub(crate) answers: u64,
    /// Wrong or missing answers, the warm-up's included.
    pub(crate) errors: u64,
    /// The first of them.
    pub(crate) first_error: Option<String>,
    /// From sending a request to its complete answer, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// Processor time of the generator in the measured time.
    pub(crate) cpu: Duration,
    /// How long was measured.
    pub(crate) elapsed: Duration,
}

const WARM_UP: u8 = 0;
const MEASURE: u8 = 1;
const DRAIN: u8 = 2;

/// Loads a server. `at_window` is called when the measured time begins and when it ends.
pub(crate) fn run(plan: &Plan, mut at_window: impl FnMut()) -> Result<Outcome> {
    let phase = AtomicU8::new(WARM_UP);
    let connected = AtomicUsize::new(0);
    let threads = u16::from(plan.threads).min(plan.case.connections);
    let results = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|index| {
                let share =
                    plan.case.connections / threads + u16::from(index < plan.case.connections % threads);
                let (phase, connected) = (&phase, &connected);
                scope.spawn(move || {
                    let worker = Worker::connect(plan, u64::from(index), share);
                    connected.fetch_add(1, Ordering::Relaxed);
                    worker?.run(phase)
                })
            })
            .collect();
        // A worker that could not connect has ended; waiting for its word keeps this loop bounded.
        while connected.load(Ordering::Relaxed) < usize::from(threads) {
            std::thread::sleep(Duration::from_millis(1));
        }
        // An interruption cuts the wait short; the caller looks at it next.
        let waited = interrupt::sleep(plan.warm_up).and_then(|()| {
            at_window();
            phase.store(MEASURE, Ordering::Relaxed);
            let measured = interrupt::sleep(plan.duration);
            at_window();
            measured
        });
        phase.store(DRAIN, Ordering::Relaxed);
        let results: Result<Vec<_>> = workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| anyhow!("the load generator panicked")).flatten())
            .collect();
        waited.and(results)
    })?;
    let mut outcome = Outcome {
        rate: 0.0,
        answers: 0,
        errors: 0,
        first_error: None,
        latency: new_histogram(),
        cpu: Duration::ZERO,
        elapsed: Duration::ZERO,
    };
    for tally in results {
        let answers = tally.latency.len();
        #[expect(clippy::cast_precision_loss, reason = "a count of answers is far below 2^52")]
        let rate = answers as f64 / tally.elapsed.as_secs_f64();
        outcome.rate += rate;
        outcome.answers += answers;
        outcome.errors += tally.errors;
        outcome.first_error = outcome.first_error.or(tally.first_error);
        outcome.latency.add(&tally.latency).context("add the latencies")?;
        outcome.cpu += tally.cpu;
        outcome.elapsed = outcome.elapsed.max(tally.elapsed);
    }
    ensure!(outcome.answers > 0 || outcome.errors > 0, "no answer at all");
    Ok(outcome)
}

fn new_histogram() -> Histogram<u64> {
    // From 1 microsecond (in nanoseconds) to a minute, three digits.
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("the bounds are valid")
}

/// What one thread counted.
#[derive(Debug)]
struct Tally {
    latency: Histogram<u64>,
    errors: u64,
    first_error: Option<String>,
    cpu: Duration,
    elapsed: Duration,
}

/// One thread of the generator and its connections.
#[derive(Debug)]
struct Worker {
    poll: Poll,
    // A connection that failed is gone.
    connections: Vec<Option<Connection>>,
    random: fastrand::Rng,
    users: u32,
    writes_percent: u8,
    tally: Tally,
}

impl Worker {
    fn connect(plan: &Plan, index: u64, share: u16) -> Result<Self> {
        let poll = Poll::new().context("make an epoll")?;
        let connections = (0..usize::from(share))
            .map(|token| {
                let mut connection = Connection::open(plan.address)?;
                poll.registry()
                    .register(connection.source(), Token(token), Interest::READABLE)
                    .context("watch a connection")?;
                Ok(Some(connection))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            poll,
            connections,
            random: fastrand::Rng::with_seed(plan.seed.wrapping_mul(31).wrapping_add(index)),
            users: plan.users,
            writes_percent: plan.case.kind.writes_percent(),
            tally: Tally {
                latency: new_histogram(),
                errors: 0,
                first_error: None,
                cpu: Duration::ZERO,
                elapsed: Duration::ZERO,
            },
        })
    }

    fn run(mut self, phase: &AtomicU8) -> Result<Tally> {
        for token in 0..self.connections.len() {
            self.send(token);
        }
        let mut events = Events::with_capacity(self.connections.len());
        let mut measured_since = None;
        while self.connections.iter().any(Option::is_some) {
            match (phase.load(Ordering::Relaxed), measured_since) {
                (MEASURE, None) => {
                    self.tally.latency.reset();
                    measured_since = Some((Instant::now(), own_thread_cpu_time()));
                }
                (DRAIN, _) => break,
                _ => {}
            }
            self.turn(&mut events, true)?;
        }
        if let Some((since, cpu)) = measured_since {
            self.tally.elapsed = since.elapsed();
            self.tally.cpu = own_thread_cpu_time().saturating_sub(cpu);
        }
        let answers = self.tally.latency.clone();
        self.drain(&mut events)?;
        self.tally.latency = answers;
        Ok(self.tally)
    }

    /// Waits for the answers that are still due, so that no request of this case burdens the next.
    fn drain(&mut self, events: &mut Events) -> Result<()> {
        let end = Instant::now() + ANSWER_TIMEOUT;
        let waiting = |connections: &[Option<Connection>]| {
            connections.iter().flatten().filter(|connection| connection.is_waiting()).count()
        };
        while waiting(&self.connections) > 0 && Instant::now() < end && !interrupt::interrupted() {
            self.turn(events, false)?;
        }
        for _ in 0..waiting(&self.connections) {
            self.fail(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()));
        }
        Ok(())
    }

    /// Takes the answers that have arrived, and sends the next requests if `go_on`.
    fn turn(&mut self, events: &mut Events, go_on: bool) -> Result<()> {
        match self.poll.poll(events, Some(Duration::from_millis(20))) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            result => result.context("wait for answers")?,
        }
        for event in &*events {
            let token = event.token().0;
            let Some(connection) = &mut self.connections[token] else { continue };
            match connection.receive() {
                Ok(Progress::Incomplete) => continue,
                Ok(Progress::Answer(latency)) => {
                    self.tally
                        .latency
                        .saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
                }
                Ok(Progress::Wrong(what)) => self.fail(what),
                Err(error) => {
                    self.fail(format!("{error:#}"));
                    self.connections[token] = None;
                    continue;
                }
            }
            if go_on {
                self.send(token);
            }
        }
        Ok(())
    }

    fn send(&mut self, token: usize) {
        let Some(connection) = &mut self.connections[token] else { return };
        let write = self.writes_percent > 0 && self.random.u8(..100) < self.writes_percent;
        let user = self.random.u32(..self.users);
        if let Err(error) = connection.send(user, write, &mut self.random) {
            self.fail(format!("{error:#}"));
            self.connections[token] = None;
        }
    }

    fn fail(&mut self, what: String) {
        self.tally.errors += 1;
        self.tally.first_error.get_or_insert(what);
    }
}

#[cfg(test)]
mod tests;
