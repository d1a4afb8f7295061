//! The lab's daemon and command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    hello_lab::cli::run()
}
