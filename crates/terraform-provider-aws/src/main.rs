//! The provider's executable. Its file name, or its first argument, says which provider it is.

use std::{path::Path, process::ExitCode};
use terraform_provider_aws::{
    config::Environment,
    provider::{Provider, Role},
    serve::serve_plugin,
};

#[expect(clippy::disallowed_methods, reason = "the environment is read here and passed on")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn role() -> Role {
    let mut arguments = std::env::args();
    let executable = arguments.next().unwrap_or_default();
    let file_name = Path::new(&executable).file_name().unwrap_or_default().to_string_lossy().into_owned();
    arguments.next().map_or_else(|| Role::of_executable(&file_name), |name| Role::of_name(&name))
}

#[expect(clippy::print_stderr, reason = "a person who starts it by hand reads this")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let provider = Provider::without_lab(role(), Environment::read(variable));
    match serve_plugin(provider, variable).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
