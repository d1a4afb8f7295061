//! The order of things: build, start PostgreSQL, load the users, then round after round each contender's turn.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use crate::case::Case;
use crate::contender::{Contender, Site};
use crate::load::{self, Plan};
use crate::options::Options;
use crate::postgres::{self, Postgres};
use crate::probe::{self, StartTime};
use crate::process::{self, Memory, Running};
use crate::{interrupt, pgbench, report};

/// The share of the machine that others may take before a measurement is made again. The kernel's own work for
/// the loopback network and the disk, which belongs to no process, stays below it.
const DISTURBED: f64 = 0.15;

/// How long to wait for a quiet moment before one measurement, so that the first one does not use up the patience
/// meant for all.
const QUIET_WAIT: Duration = Duration::from_secs(20);

/// One case of one contender in one round.
#[derive(Debug)]
pub(crate) struct Measurement {
    pub(crate) contender: Contender,
    pub(crate) case: Case,
    pub(crate) round: u32,
    /// Answers per second.
    pub(crate) rate: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) answers: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// Processor time per request of the server, of PostgreSQL and of the load generator, in microseconds.
    pub(crate) server_cpu: f64,
    pub(crate) postgres_cpu: f64,
    pub(crate) generator_cpu: f64,
    /// What other programs, the kernel's own threads and the host took of the machine, from 0 to 1.
    pub(crate) others: f64,
}

/// What is measured once per turn of a contender.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) contender: Contender,
    pub(crate) start: StartTime,
    pub(crate) memory: Memory,
}

/// Everything that a run has measured.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) turns: Vec<Turn>,
    /// pgbench's selects per second, by round.
    pub(crate) pgbench: Vec<(u32, f64)>,
    /// Turns that ended with an error, and why.
    pub(crate) failures: Vec<String>,
    /// How many measurements were made again because other programs kept the machine busy.
    pub(crate) repeats: u32,
    /// How long that took.
    pub(crate) waited: Duration,
}

/// Does it all.
pub(crate) fn run(options: &Options) -> Result<()> {
    interrupt::install()?;
    let site = Site::new(options)?;
    let mut contenders = options.contenders();
    if !options.no_build {
        for contender in &contenders {
            eprintln!("building {}", contender.name());
            contender.build(&site).with_context(|| format!("build {}", contender.name()))?;
            interrupt::check()?;
        }
    }
    let postgres = Postgres::start(&options.data_dir)?;
    for contender in &contenders {
        eprintln!("loading {} users for {}", options.users, contender.name());
        contender.load(&site, &postgres, options.users)?;
    }
    let mut results = Results::default();
    for round in 1..=options.rounds {
        for contender in &contenders {
            // What fails with one contender must not lose the figures of the others.
            if let Err(error) = take_turn(*contender, round, options, &site, &postgres, &mut results) {
                interrupt::check()?;
                let failure = format!("round {round}: {}: {error:#}", contender.name());
                eprintln!("{failure}");
                results.failures.push(failure);
            }
        }
        // So that none always follows the same neighbour.
        contenders.rotate_left(1);
    }
    report::write(options, &site, &postgres.version()?, &results)?;
    ensure!(results.failures.is_empty(), "{} turn(s) failed", results.failures.len());
    Ok(())
}

fn take_turn(
    contender: Contender,
    round: u32,
    options: &Options,
    site: &Site,
    postgres: &Postgres,
    results: &mut Results,
) -> Result<()> {
    if let Some(database) = contender.database() {
        postgres.query(database, "vacuum")?;
        postgres.query(database, "checkpoint")?;
    }
    if contender == Contender::Pgbench {
        let rate = pgbench::select(postgres, options.seconds.as_secs())?;
        eprintln!("round {round}  pgbench    select:{}  {rate:8.0}/s", pgbench::CLIENTS);
        results.pgbench.push((round, rate));
        return Ok(());
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, postgres::free_port()?));
    let mut command = contender.command(site, postgres, address.port(), postgres::free_port()?)?;
    let since = Instant::now();
    // Not SIGTERM, after which the service goes on for its drain delay.
    let mut server = Running::start(&mut command, Signal::INT, Duration::from_secs(10))?;
    let start = probe::wait_until_greeting(address, &mut server, since)?;
    if round == 1 {
        probe::verify(contender, address, postgres).context("it does not do what is measured")?;
    }
    for (index, case) in (0..).zip(&options.cases) {
        let plan = Plan {
            address,
            case: *case,
            users: options.users,
            threads: options.threads,
            warm_up: options.warm_up,
            duration: options.seconds,
            // The same requests for every contender, others in each round.
            seed: u64::from(round) * 1000 + index,
        };
        let mut measurement = measure(contender, round, &plan, server.id(), postgres.id())?;
        progress(&measurement);
        while measurement.others > DISTURBED && results.waited < options.patience {
            let since = Instant::now();
            wait_until_quiet(options.patience.saturating_sub(results.waited).min(QUIET_WAIT))?;
            let again = measure(contender, round, &plan, server.id(), postgres.id())?;
            progress(&again);
            measurement = less_disturbed(measurement, again);
            results.repeats += 1;
            results.waited += since.elapsed();
        }
        server.check().context("the server did not survive the load")?;
        results.measurements.push(measurement);
    }
    results.turns.push(Turn { contender, start, memory: process::memory(server.id()) });
    Ok(())
}

fn measure(contender: Contender, round: u32, plan: &Plan, server: u32, postgres: u32) -> Result<Measurement> {
    let mut samples = Vec::with_capacity(2);
    let outcome = load::run(plan, || {
        samples.push([process::cpu_time(server), process::cpu_time(postgres), process::machine_busy_time()]);
    })?;
    let used = |index: usize| match samples.as_slice() {
        [before, after] => after[index].saturating_sub(before[index]),
        _ => Duration::ZERO,
    };
    #[expect(clippy::cast_precision_loss, reason = "a count of answers is far below 2^52")]
    let per_answer = |cpu: Duration| cpu.as_secs_f64() * 1e6 / outcome.answers.max(1) as f64;
    let others = used(2).saturating_sub(used(0) + used(1) + outcome.cpu);
    Ok(Measurement {
        contender,
        case: plan.case,
        round,
        rate: outcome.rate,
        p50: Duration::from_nanos(outcome.latency.value_at_quantile(0.50)),
        p99: Duration::from_nanos(outcome.latency.value_at_quantile(0.99)),
        answers: outcome.answers,
        errors: outcome.errors,
        first_error: outcome.first_error,
        server_cpu: per_answer(used(0)),
        postgres_cpu: per_answer(used(1)),
        generator_cpu: per_answer(outcome.cpu),
        others: share_of_machine(others, outcome.elapsed),
    })
}

/// Waits for half a second in which the machine has little to do, for so long at most.
fn wait_until_quiet(limit: Duration) -> Result<()> {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        let (since, busy) = (Instant::now(), process::machine_busy_time());
        interrupt::sleep(Duration::from_millis(500))?;
        let busy = process::machine_busy_time().saturating_sub(busy);
        if share_of_machine(busy, since.elapsed()) < DISTURBED {
            break;
        }
    }
    Ok(())
}

/// What share of the machine's processors a processor time is.
fn share_of_machine(cpu: Duration, elapsed: Duration) -> f64 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let capacity = elapsed * u32::try_from(processors).unwrap_or(u32::MAX);
    cpu.as_secs_f64() / capacity.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// The one of two measurements of the same thing that other load has disturbed less, with the errors of both.
fn less_disturbed(first: Measurement, second: Measurement) -> Measurement {
    let errors = first.errors + second.errors;
    let first_error = first.first_error.clone().or_else(|| second.first_error.clone());
    let better = if second.others < first.others { second } else { first };
    Measurement { errors, first_error, ..better }
}

fn progress(measurement: &Measurement) {
    let Measurement { contender, case, round, rate, p50, p99, errors, first_error, .. } = measurement;
    let Measurement { server_cpu, postgres_cpu, generator_cpu, others, .. } = measurement;
    eprintln!(
        "round {round}  {:<9}  {:<9}  {rate:8.0}/s  p50 {:8.3} ms  p99 {:8.3} ms  \
         cpu us: server {server_cpu:6.1}, postgres {postgres_cpu:6.1}, generator {generator_cpu:4.1}; others {:2.0} %",
        contender.name(),
        case.to_string(),
        p50.as_secs_f64() * 1e3,
        p99.as_secs_f64() * 1e3,
        others * 100.0,
    );
    if *errors > 0 {
        eprintln!(
            "         void: {errors} errors, the first: {}",
            first_error.as_deref().unwrap_or_default()
        );
    }
}
