//! The lab's daemon and CLI.

use clap::Parser;
use hello_lab::task::shim;

#[derive(Parser)]
#[command(version, about)]
enum Command {
    /// Looks after one task; started by the daemon.
    #[command(subcommand, hide = true)]
    TaskShim(shim::Action),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::TaskShim(action) => shim::run(action),
    }
}
