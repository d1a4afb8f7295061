//! The `hello-you` program.

use std::process::ExitCode;

use hello_you::{cli, commands};

fn main() -> ExitCode {
    let environment = std::env::vars_os().collect();
    cli::run(std::env::args_os(), &environment, commands::dispatch)
}
