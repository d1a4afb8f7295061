//! What a run has found, as tables to read and as JSON to keep.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::case::{Case, Kind};
use crate::contender::{Contender, Site};
use crate::options::Options;
use crate::pgbench;
use crate::run::{Measurement, Results};

/// Prints the tables, and writes them and the JSON to the directory of results.
pub(crate) fn write(options: &Options, site: &Site, postgres_version: &str, results: &Results) -> Result<()> {
    let machine = Machine::look(postgres_version);
    let mut text = heading(options, &machine, results);
    for case in &options.cases {
        case_table(&mut text, *case, results);
    }
    process_table(&mut text, site, results);
    ratio_table(&mut text, site, results);
    for failure in &results.failures {
        let _ = writeln!(text, "\nFailed: {failure}");
    }
    println!("{text}");

    let directory = site.results();
    fs::create_dir_all(&directory).context("make the directory of results")?;
    // A part must not overwrite the whole.
    let name = if options.is_complete() { "latest" } else { "partial" };
    let write = |extension: &str, content: &str| {
        let path = directory.join(name).with_extension(extension);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))
    };
    write("md", &text)?;
    write("json", &format!("{:#}\n", as_json(options, site, &machine, results)))?;
    eprintln!("written to {}", directory.join(name).with_extension("{md,json}").display());
    Ok(())
}

/// What the figures depend on.
#[derive(Debug)]
struct Machine {
    time: String,
    processor: String,
    processors: usize,
    kernel: String,
    postgres: String,
}

impl Machine {
    fn look(postgres: &str) -> Self {
        let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            processor: model.map_or("unknown", |(_, model)| model).to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            postgres: postgres.to_owned(),
        }
    }
}

fn heading(options: &Options, machine: &Machine, results: &Results) -> String {
    format!(
        "Measured {} on {} x {}, Linux {}, PostgreSQL {}; {} users, {} rounds of {} s per case \
         (median of the rounds), load generator with {} thread(s), {} measurements repeated.\n",
        machine.time,
        machine.processors,
        machine.processor,
        machine.kernel,
        machine.postgres,
        options.users,
        options.rounds,
        options.seconds.as_secs_f64(),
        options.threads,
        results.repeats,
    )
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[len / 2]),
        len => Some(f64::midpoint(values[len / 2 - 1], values[len / 2])),
    }
}

/// The contenders that were measured, in the order of the tables.
fn contenders(results: &Results) -> impl Iterator<Item = Contender> {
    let all = <Contender as clap::ValueEnum>::value_variants();
    all.iter().copied().filter(|one| results.turns.iter().any(|turn| turn.contender == *one))
}

fn of(results: &Results, contender: Contender, case: Case) -> impl Iterator<Item = &Measurement> {
    results.measurements.iter().filter(move |one| one.contender == contender && one.case == case)
}

fn case_table(text: &mut String, case: Case, results: &Results) {
    let what = match case.kind {
        Kind::Read => "Reads",
        Kind::Write => "Writes",
        Kind::Mixed => "95 reads to 5 writes",
    };
    let _ = writeln!(text, "### {what}, {} connection(s)\n", case.connections);
    text.push_str(
        "| contender | requests/s | lowest - highest | p50 ms | p99 ms | CPU us: server | PostgreSQL | generator | other load | errors |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for contender in contenders(results) {
        let figure = |get: fn(&Measurement) -> f64| {
            median(of(results, contender, case).map(get).collect()).unwrap_or(f64::NAN)
        };
        let rates = || of(results, contender, case).map(|one| one.rate);
        let errors: u64 = of(results, contender, case).map(|one| one.errors).sum();
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} - {:.0} | {:.3} | {:.3} | {:.1} | {:.1} | {:.1} | {:.0} % | {} |",
            contender.name(),
            figure(|one| one.rate),
            rates().fold(f64::INFINITY, f64::min),
            rates().fold(0.0, f64::max),
            figure(|one| one.p50.as_secs_f64() * 1e3),
            figure(|one| one.p99.as_secs_f64() * 1e3),
            figure(|one| one.server_cpu),
            figure(|one| one.postgres_cpu),
            figure(|one| one.generator_cpu),
            figure(|one| one.others * 100.0),
            if errors == 0 { "0".to_owned() } else { format!("{errors}, void") },
        );
    }
    if case.kind == Kind::Read && !results.pgbench.is_empty() {
        let rate = median(results.pgbench.iter().map(|(_, rate)| *rate).collect()).unwrap_or_default();
        let _ = writeln!(text, "| pgbench -S, {} clients | {rate:.0} | | | | | | | | |", pgbench::CLIENTS);
    }
    text.push('\n');
}

/// A size in megabytes.
#[expect(clippy::cast_precision_loss, reason = "no size here is near 2^52 bytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn binary_size(contender: Contender, site: &Site) -> Option<f64> {
    Some(megabytes(fs::metadata(contender.binary(site)?).ok()?.len()))
}

fn peak_memory(contender: Contender, results: &Results) -> Option<f64> {
    let turns = results.turns.iter().filter(|turn| turn.contender == contender);
    median(turns.map(|turn| megabytes(turn.memory.peak_resident)).collect())
}

fn start_time(contender: Contender, results: &Results) -> Option<f64> {
    let turns = results.turns.iter().filter(|turn| turn.contender == contender);
    median(turns.map(|turn| turn.start.first_greeting.as_secs_f64() * 1e3).collect())
}

fn process_table(text: &mut String, site: &Site, results: &Results) {
    text.push_str(
        "### Processes\n\n\
         | contender | peak resident MB | shared pages counted once, MB | processes | first answer ms | first greeting ms | binary MB |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    for contender in contenders(results) {
        let turns = || results.turns.iter().filter(|turn| turn.contender == contender);
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.1} | {} | {:.1} | {:.1} | {} |",
            contender.name(),
            peak_memory(contender, results).unwrap_or(f64::NAN),
            median(turns().map(|turn| megabytes(turn.memory.proportional)).collect()).unwrap_or(f64::NAN),
            turns().map(|turn| turn.memory.processes).max().unwrap_or_default(),
            median(turns().map(|turn| turn.start.first_answer.as_secs_f64() * 1e3).collect())
                .unwrap_or(f64::NAN),
            start_time(contender, results).unwrap_or(f64::NAN),
            binary_size(contender, site).map_or_else(|| "-".to_owned(), |size| format!("{size:.1}")),
        );
    }
    text.push('\n');
}

/// A figure of the service next to what it is to reach.
#[derive(Debug)]
struct Goal {
    what: &'static str,
    figure: Option<f64>,
    /// The most that other programs took of the machine in a measurement that the figure comes from.
    others: Option<f64>,
    unit: &'static str,
    at_least: bool,
    bound: f64,
}

/// A ratio of two contenders, and the most that others took of the machine in a measurement behind it.
#[derive(Clone, Copy, Debug)]
struct Ratio {
    value: f64,
    others: f64,
}

/// The median of the ratios of the rounds.
fn median_ratio(rounds: &[Ratio]) -> Option<Ratio> {
    let value = median(rounds.iter().map(|round| round.value).collect())?;
    Some(Ratio { value, others: rounds.iter().map(|round| round.others).fold(0.0, f64::max) })
}

/// What `get` gives for the service, divided by the best of `others` in the same round. Without void cases.
fn ratio(
    results: &Results,
    case: Case,
    others: fn(Contender) -> bool,
    get: fn(&Measurement) -> f64,
    better: fn(f64, f64) -> bool,
) -> Option<Ratio> {
    let rounds: Vec<_> = of(results, Contender::HelloYou, case)
        .filter(|ours| ours.errors == 0)
        .filter_map(|ours| {
            let best = results
                .measurements
                .iter()
                .filter(|one| one.case == case && one.round == ours.round && one.errors == 0)
                .filter(|one| others(one.contender))
                .reduce(|best, one| if better(get(one), get(best)) { one } else { best })?;
            Some(Ratio { value: get(ours) / get(best), others: ours.others.max(best.others) })
        })
        .collect();
    median_ratio(&rounds)
}

fn ratio_to_pgbench(results: &Results, case: Case) -> Option<Ratio> {
    let rounds: Vec<_> = of(results, Contender::HelloYou, case)
        .filter(|ours| ours.errors == 0)
        .filter_map(|ours| {
            let (_, theirs) = results.pgbench.iter().find(|(round, _)| *round == ours.round)?;
            Some(Ratio { value: ours.rate / theirs, others: ours.others })
        })
        .collect();
    median_ratio(&rounds)
}

fn goals(site: &Site, results: &Results) -> Vec<Goal> {
    let case = |kind, connections| Case { kind, connections };
    let rate = |case, others| ratio(results, case, others, |one| one.rate, |a, b| a > b);
    let p50 =
        |kind| ratio(results, case(kind, 1), Contender::is_peer, |one| one.p50.as_secs_f64(), |a, b| a < b);
    let reads = case(Kind::Read, 256);
    let writes = case(Kind::Write, 256);
    let of_ratio = |what, ratio: Option<Ratio>, at_least, bound| Goal {
        what,
        figure: ratio.map(|ratio| ratio.value),
        others: ratio.map(|ratio| ratio.others),
        unit: "x",
        at_least,
        bound,
    };
    let at_most =
        |what, figure, unit, bound| Goal { what, figure, others: None, unit, at_least: false, bound };
    let (nodb, flask) = (|one| one == Contender::Nodb, |one| one == Contender::Flask);
    vec![
        of_ratio("reads, 256 connections, of the framework with no database", rate(reads, nodb), true, 0.65),
        of_ratio("reads, 256 connections, of pgbench -S", ratio_to_pgbench(results, reads), true, 1.7),
        of_ratio("reads, 256 connections, of the best peer", rate(reads, Contender::is_peer), true, 1.4),
        of_ratio("reads, 256 connections, of Flask", rate(reads, flask), true, 30.0),
        of_ratio("writes, 256 connections, of the best peer", rate(writes, Contender::is_peer), true, 2.0),
        of_ratio("p50 of reads, 1 connection, of the best peer", p50(Kind::Read), false, 1.1),
        of_ratio("p50 of writes, 1 connection, of the best peer", p50(Kind::Write), false, 1.1),
        at_most("peak resident memory under load", peak_memory(Contender::HelloYou, results), " MB", 20.0),
        at_most("start to first greeting", start_time(Contender::HelloYou, results), " ms", 50.0),
        at_most("binary", binary_size(Contender::HelloYou, site), " MB", 10.0),
    ]
}

fn ratio_table(text: &mut String, site: &Site, results: &Results) {
    if !contenders(results).any(|one| one == Contender::HelloYou) {
        return;
    }
    text.push_str(
        "### hello-you against what it is to reach\n\n\
         | figure | measured | to reach | reached | highest other load |\n|---|--:|--:|---|--:|\n",
    );
    for Goal { what, figure, others, unit, at_least, bound } in goals(site, results) {
        let Some(figure) = figure else { continue };
        let reached = if at_least { figure >= bound } else { figure <= bound };
        let sign = if at_least { "at least" } else { "at most" };
        let verdict = if reached { "yes" } else { "no" };
        let others = others.map_or_else(|| "-".to_owned(), |others| format!("{:.0} %", others * 100.0));
        let _ =
            writeln!(text, "| {what} | {figure:.2}{unit} | {sign} {bound}{unit} | {verdict} | {others} |");
    }
}

fn as_json(options: &Options, site: &Site, machine: &Machine, results: &Results) -> Value {
    json!({
        "time": machine.time,
        "machine": { "processor": machine.processor, "processors": machine.processors, "kernel": machine.kernel },
        "postgres": machine.postgres,
        "commit": commit(&site.results()),
        "users": options.users,
        "rounds": options.rounds,
        "seconds": options.seconds.as_secs_f64(),
        "generator_threads": options.threads,
        "repeats": results.repeats,
        "measurements": results.measurements.iter().map(|one| json!({
            "contender": one.contender.name(),
            "case": one.case.to_string(),
            "round": one.round,
            "requests_per_second": one.rate,
            "p50_ms": one.p50.as_secs_f64() * 1e3,
            "p99_ms": one.p99.as_secs_f64() * 1e3,
            "answers": one.answers,
            "errors": one.errors,
            "first_error": one.first_error,
            "cpu_us_per_request": {
                "server": one.server_cpu, "postgres": one.postgres_cpu, "generator": one.generator_cpu,
            },
            "other_load": one.others,
        })).collect::<Vec<_>>(),
        "pgbench_select": results.pgbench.iter().map(|(round, rate)| json!({
            "round": round, "clients": pgbench::CLIENTS, "transactions_per_second": rate,
        })).collect::<Vec<_>>(),
        "turns": results.turns.iter().map(|turn| json!({
            "contender": turn.contender.name(),
            "first_answer_ms": turn.start.first_answer.as_secs_f64() * 1e3,
            "first_greeting_ms": turn.start.first_greeting.as_secs_f64() * 1e3,
            "peak_resident_bytes": turn.memory.peak_resident,
            "proportional_bytes": turn.memory.proportional,
            "processes": turn.memory.processes,
        })).collect::<Vec<_>>(),
        "failures": results.failures,
        "goals": goals(site, results).iter().filter_map(|goal| Some(json!({
            "what": goal.what, "measured": goal.figure?, "bound": goal.bound, "at_least": goal.at_least,
            "highest_other_load": goal.others,
        }))).collect::<Vec<_>>(),
    })
}

fn commit(directory: &Path) -> Option<String> {
    let output =
        Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(directory).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
