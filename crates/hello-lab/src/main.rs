//! The lab's program.

use clap::{Parser, Subcommand};
use hello_lab::{dns, publish};
use std::{io, net::Ipv4Addr, path::PathBuf};

/// The lab.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
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

fn main() -> io::Result<()> {
    match Arguments::parse().command {
        Command::DnsServer { data, addresses } => dns::server::run(&data, &addresses),
        Command::Publish { port, namespace, dns, host, target_port } => {
            publish::run(port, &publish::Destination { namespace, dns, host, port: target_port })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
