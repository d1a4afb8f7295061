//! The command line.

mod down;
mod exec;
mod up;

use crate::{
    control::{Client, ControlError, DatabaseOperation, Fault, Request},
    daemon, dns,
    environment::DEFAULT_LAB,
    lab::Lab,
    preflight::{self, Machine},
    publish,
    task::shim,
    timeouts,
};
use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use std::{
    io::{self, Write as _},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Exit code of a wrong command line (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;
/// The port of this machine that leads to the default lab.
const DEFAULT_PORT: u16 = 8443;

/// AWS resources of Terraform made real on one Linux machine.
#[derive(Debug, Parser)]
#[command(name = "hello-lab", version, about)]
struct Arguments {
    /// Name of the lab; labs of different names share nothing.
    #[arg(long, global = true, env = "HELLO_LAB", default_value = DEFAULT_LAB, value_parser = lab_name)]
    lab: String,
    /// Where labs keep what must outlive a reboot.
    #[arg(long, global = true, env = "HELLO_LAB_DATA", default_value = "/var/lib/hello-lab")]
    data: PathBuf,
    /// Where labs keep sockets and what only counts while they run.
    #[arg(long, global = true, env = "HELLO_LAB_RUN", default_value = "/run/hello-lab")]
    run: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Name everything that this machine lacks.
    Preflight {
        /// Port of this machine to be published; 0 takes a free one.
        #[arg(long)]
        port: Option<u16>,
    },
    /// Start the lab, apply a Terraform directory, and wait until everything runs.
    Up(up::Up),
    /// End every part of the lab and leave nothing behind.
    Down(down::Down),
    /// Show the diagram with live state.
    Status,
    /// Print what a shell must export for terraform: eval "$(hello-lab env)".
    Env,
    /// Run a command in a part: client, admin, stranger, registry, task/ID, db/NAME, alb/NAME/SUBNET, nat/ID.
    Exec(exec::Exec),
    /// Show the lines of a log group.
    Logs {
        /// Name of the log group.
        group: String,
        /// Go on with what comes.
        #[arg(long, short)]
        follow: bool,
    },
    /// Break a part, or mend it again.
    Fault {
        /// What to do.
        fault: Fault,
        /// The part: task/ID, db/NAME, alb/NAME/SUBNET, nat/ID, igw/ID, dns/VPC, registry, client; as short as it is unique.
        part: String,
    },
    /// Do to a database instance what `aws rds` would: promote, reboot, stop, start, snapshot.
    Database {
        /// Identifier of the instance, or REGION/IDENTIFIER.
        identifier: String,
        /// What to do.
        #[command(subcommand)]
        operation: DatabaseOperation,
    },
    /// Show what has happened.
    Events {
        /// Go on with what happens.
        #[arg(long, short)]
        follow: bool,
        /// How many of the past.
        #[arg(long, default_value_t = 50)]
        last: usize,
    },
    /// End every part and begin anew with an empty lab.
    Reset(down::Down),
    /// The daemon itself; `up` starts it.
    #[command(hide = true)]
    Daemon {
        /// Port of this machine to be published; 0 takes a free one.
        #[arg(long)]
        port: u16,
    },
    /// Looks after one task; the daemon starts it.
    #[command(subcommand, hide = true)]
    TaskShim(shim::Action),
    /// A DNS server of the lab; the daemon starts it.
    #[command(hide = true)]
    DnsServer {
        /// The file with what it answers.
        #[arg(long)]
        data: PathBuf,
        /// Where it listens.
        #[arg(long = "address", required = true)]
        addresses: Vec<Ipv4Addr>,
    },
    /// A published port of the lab; the daemon starts it.
    #[command(hide = true)]
    Publish {
        /// The port of 127.0.0.1; 0 is a free one.
        #[arg(long)]
        port: u16,
        /// The namespace that connections are made from.
        #[arg(long)]
        namespace: String,
        /// The DNS server there.
        #[arg(long)]
        dns: Ipv4Addr,
        /// The name that is connected to.
        #[arg(long)]
        host: String,
        /// Its port.
        #[arg(long)]
        target_port: u16,
    },
}

/// Names of labs become part of namespaces' names and of directories.
fn lab_name(text: &str) -> Result<String, String> {
    let fits = text.len() <= 20
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit());
    if fits {
        Ok(text.to_owned())
    } else {
        Err("a lab's name has 1 to 20 lower-case letters and digits and begins with a letter".to_owned())
    }
}

/// Does what the command line says.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody may be reading.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match dispatch(arguments) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "hello-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { lab: name, data, run, command } = arguments;
    // The daemon has another working directory.
    let absolute =
        |path: &Path| std::path::absolute(path).with_context(|| format!("find {}", path.display()));
    let (data, run) = (absolute(&data)?, absolute(&run)?);
    let lab = Lab::new(name, &data, &run);
    match command {
        // These stay small: one thread, and no log of their own but what they say.
        Command::TaskShim(action) => shim::run(action)?,
        Command::DnsServer { data, addresses } => dns::server::run(&data, &addresses)?,
        Command::Publish { port, namespace, dns, host, target_port } => {
            publish::run(port, &publish::Destination { namespace, dns, host, port: target_port })?;
        }
        Command::Preflight { port } => return Ok(report(&preflight::problems(&Machine::this(&data, port)))),
        Command::Daemon { port } => {
            tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            let ended = runtime.block_on(daemon::run(lab, port));
            runtime.shutdown_timeout(timeouts::DAEMON_LAST_STEP);
            ended?;
        }
        command => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            return runtime.block_on(call(&lab, &data, command));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn call(lab: &Lab, data: &Path, command: Command) -> anyhow::Result<ExitCode> {
    let request = match command {
        Command::Up(up) => return up.run(lab, data).await,
        Command::Down(down) => return down.run(lab).await,
        Command::Reset(down) => {
            down.run(lab).await?;
            let started = up::start(lab, data, None).await?;
            return Ok(if started { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Exec(exec) => return exec.run(lab).await,
        Command::Status => Request::Status,
        Command::Env => Request::Environment,
        Command::Logs { group, follow } => Request::Logs { group, follow },
        Command::Fault { fault, part } => Request::Fault { fault, part },
        Command::Database { identifier, operation } => Request::Database { operation, identifier },
        Command::Events { follow, last } => Request::Events { follow, last },
        _ => bail!("this subcommand is not one of the command line's"),
    };
    let shows_result = matches!(request, Request::Fault { .. } | Request::Database { .. });
    let result = ask(lab, &request, &mut io::stdout()).await?;
    if shows_result {
        writeln!(io::stdout(), "{result}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the daemon and writes each line as it comes.
async fn ask(lab: &Lab, request: &Request, output: &mut impl io::Write) -> Result<String, ControlError> {
    let client = Client::connect(lab.name(), &daemon::control_socket(lab)).await?;
    client
        .ask(request, |line| {
            // A reader that goes away (head) ends the program at its next write by SIGPIPE or not at all.
            let _ = writeln!(output, "{line}");
            let _ = output.flush();
        })
        .await
}

fn report(problems: &[preflight::Problem]) -> ExitCode {
    for problem in problems {
        let _ = writeln!(io::stderr(), "{}\n    {}", problem.what, problem.way_out);
    }
    if problems.iter().any(|problem| problem.stops) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The port that a lab is published at unless another one is asked for: a free one, so that labs stand side by side, but
/// for the default lab, whose address people know.
fn port_of(lab: &str) -> u16 {
    if lab == DEFAULT_LAB { DEFAULT_PORT } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_default_lab_has_a_port_of_its_own_and_others_a_free_one() {
        assert_eq!((port_of("default"), port_of("second")), (8443, 0));
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_labs_name_is_fit_for_a_namespace() {
        assert!(lab_name("default").is_ok() && lab_name("ci2").is_ok());
        for name in ["", "Upper", "2nd", "with-dash", "../up", "a-very-long-name-that-fits-nowhere"] {
            assert!(lab_name(name).is_err(), "{name}");
        }
    }
}
