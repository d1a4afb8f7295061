//! PostgreSQL's own benchmark, for reference: prepared selects by primary key over TCP.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::postgres::Postgres;

/// The database of its tables.
pub(crate) const DATABASE: &str = "bench_pgbench";

/// Clients: about what gives the most selects per second on few processors.
pub(crate) const CLIENTS: u16 = 64;

/// Makes and fills its tables; 100,000 rows per unit of scale.
pub(crate) fn load(postgres: &Postgres, users: u32) -> Result<()> {
    postgres.query("postgres", &format!("create database {DATABASE}"))?;
    run(postgres, &["--initialize", "--quiet", "--scale", &(users / 100_000).max(1).to_string()])?;
    postgres.prewarm(DATABASE)
}

/// Selects per second.
pub(crate) fn select(postgres: &Postgres, seconds: u64) -> Result<f64> {
    let output = run(
        postgres,
        &[
            "--select-only",
            "--no-vacuum",
            "--protocol=prepared",
            "--jobs=2",
            "--client",
            &CLIENTS.to_string(),
            "--time",
            &seconds.max(1).to_string(),
        ],
    )?;
    let rate = output.lines().find_map(|line| line.strip_prefix("tps = "));
    rate.and_then(|rest| rest.split(' ').next()?.parse().ok()).context("pgbench prints no rate")
}

fn run(postgres: &Postgres, arguments: &[&str]) -> Result<String> {
    let output = Command::new(postgres.program("pgbench"))
        .args(arguments)
        .args(["--host=127.0.0.1", "--username=postgres", "--port", &postgres.port().to_string(), DATABASE])
        .env("PGSSLMODE", "disable")
        .output()
        .context("run pgbench")?;
    if !output.status.success() {
        bail!("pgbench failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
