//! The command line: which command, with which settings. Derived from [`crate::config::table`].

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches};

use crate::config::table::{Command, DefaultValue, Given, SETTINGS, Setting};
use crate::config::{ConfigError, Environment, HealthcheckConfig, MigrateConfig, ServeConfig, Sources};

/// The version and the revision it was built from, as `--version` and the metrics give it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The git revision, or `unknown` if it was built from something else than a checkout.
pub const REVISION: &str = env!("BUILD_REVISION");

/// `EX_USAGE` of BSD's `sysexits.h`: the command was used incorrectly.
const EXIT_USAGE: u8 = 64;
/// Columns of the help: what fits a narrow terminal and a golden file.
const HELP_COLUMNS: usize = 100;

/// A command with everything it needs to know.
#[derive(Debug)]
pub enum Invocation {
    /// Answer HTTP requests.
    Serve(Box<ServeConfig>),
    /// Bring the schema up to date.
    Migrate(Box<MigrateConfig>),
    /// Ask a running service.
    Healthcheck(HealthcheckConfig),
    /// Print the `OpenAPI` document.
    Openapi,
}

/// Why nothing is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NothingToRun {
    /// The user asked for this text: help or version.
    Asked(String),
    /// The command line or a setting cannot be used; one to three lines say why.
    Refused(String),
}

impl From<ConfigError> for NothingToRun {
    fn from(error: ConfigError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Runs the program: reads arguments and settings, and hands the command to `dispatch`.
///
/// Ends with 0, with 64 for a bad flag or setting, or with 1 for a failure at run time, which is told on standard error.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    dispatch: impl FnOnce(Invocation) -> anyhow::Result<()>,
) -> ExitCode {
    // If standard output or error is closed there is nobody left to tell.
    match parse(args, environment) {
        Ok(invocation) => match dispatch(invocation) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(io::stderr(), "error: {error:#}");
                ExitCode::FAILURE
            }
        },
        Err(NothingToRun::Asked(text)) => {
            let _ = write!(io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(NothingToRun::Refused(lines)) => {
            let _ = writeln!(io::stderr(), "error: {lines}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// Reads arguments (the program's name first) and settings.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    environment: &Environment,
) -> Result<Invocation, NothingToRun> {
    let matches = command_line().try_get_matches_from(args).map_err(|error| nothing_to_run(&error))?;
    let (command, flags) = chosen_command(&matches);
    let sources = Sources::new(command, flags, environment);
    Ok(match command {
        Command::Serve => Invocation::Serve(Box::new(ServeConfig::load(&sources)?)),
        Command::Migrate => Invocation::Migrate(Box::new(MigrateConfig::load(&sources)?)),
        Command::Healthcheck => Invocation::Healthcheck(HealthcheckConfig::load(&sources)?),
        Command::Openapi => Invocation::Openapi,
    })
}

/// The command that was named, or `serve`, with its flags.
fn chosen_command(matches: &ArgMatches) -> (Command, &ArgMatches) {
    let Some((name, flags)) = matches.subcommand() else {
        return (Command::Serve, matches);
    };
    let command = Command::ALL.into_iter().find(|command| command.name() == name);
    (command.expect("clap knows the commands of the table alone"), flags)
}

fn command_line() -> clap::Command {
    let root = clap::Command::new("hello-you")
        .about("The greeting service: who you are and when your birthday is")
        .version(format!("{VERSION} ({REVISION})"))
        .disable_help_subcommand(true)
        // `hello-you --log debug migrate` would otherwise take the flag for `serve` and leave it out silently.
        .args_conflicts_with_subcommands(true)
        .subcommands(Command::ALL.map(|command| {
            let about = command.about();
            with_settings(clap::Command::new(command.name()).about(about), command)
        }));
    with_settings(root, Command::Serve)
}

/// Adds the settings of a command: flags as arguments, the rest as text behind them.
fn with_settings(parser: clap::Command, command: Command) -> clap::Command {
    let settings = || SETTINGS.iter().filter(move |setting| setting.commands.contains(&command));
    let arguments = settings().filter_map(|setting| match setting.given {
        Given::ByFlag(flag) => Some(
            Arg::new(setting.variable)
                .long(flag)
                .value_name(setting.value_name)
                // Values are read together with those of the variables, by the same rules.
                .value_parser(ValueParser::os_string())
                .help(help(setting))
                .help_heading(setting.section),
        ),
        Given::ByVariable | Given::BySecret => None,
    });
    let parser = parser.next_line_help(true).args(arguments);

    let mut paragraphs = Vec::new();
    for (heading, given) in [
        ("Variables without a flag", Given::ByVariable),
        (
            "Secrets (by variable, or by a file that the variable with _FILE names; never by flag)",
            Given::BySecret,
        ),
    ] {
        let entries: Vec<String> = settings()
            .filter(|setting| setting.given == given)
            .map(|setting| {
                let text = indent(&help(setting), 10);
                format!("      {} <{}>\n{text}", setting.variable, setting.value_name)
            })
            .collect();
        if !entries.is_empty() {
            paragraphs.push(format!("{heading}:\n{}", entries.join("\n")));
        }
    }
    paragraphs.push("Exit codes: 0 done, 64 a bad flag or setting, 1 a failure at run time.".to_owned());
    parser.after_help(paragraphs.join("\n\n"))
}

/// The sentence, and on a line of their own the default and the variable.
fn help(setting: &Setting) -> String {
    let default = match setting.default {
        DefaultValue::Is(text) | DefaultValue::Depends(text) => Some(format!("[default: {text}]")),
        DefaultValue::Unset => None,
    };
    let variable = match setting.given {
        Given::ByFlag(_) => Some(format!("[env: {}]", setting.variable)),
        // It is what the entry is called.
        Given::ByVariable | Given::BySecret => None,
    };
    let facts: Vec<String> = [default, variable].into_iter().flatten().collect();
    let lines = [setting.help, &facts.join(" ")].map(|line| wrap(line, HELP_COLUMNS));
    lines.join("\n").trim_end().to_owned()
}

/// Breaks text at spaces. (clap's own wrapping would fit the terminal, and no golden file.)
fn wrap(text: &str, columns: usize) -> String {
    let mut wrapped = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > columns {
            wrapped.push('\n');
            column = 0;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
}

fn indent(text: &str, columns: usize) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("{:columns$}{line}", "")).collect();
    lines.join("\n")
}

/// What clap has to say, in our form: one line and no more of the arguments than is safe to repeat.
fn nothing_to_run(error: &clap::Error) -> NothingToRun {
    const HINT: &str = "hello-you --help lists commands and flags";
    let line = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return NothingToRun::Asked(error.to_string()),
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand => {
            let argument = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand]
                .into_iter()
                .find_map(|kind| error.get(kind))
                .map_or("", |value| match value {
                    ContextValue::String(text) => text.as_str(),
                    _ => "",
                });
            return NothingToRun::Refused(format!("{}\n{HINT}", unknown_argument(argument)));
        }
        ErrorKind::ArgumentConflict if error.get(ContextKind::InvalidSubcommand).is_some() => {
            "flags stand behind the command, as in hello-you serve --listen 127.0.0.1:8080".to_owned()
        }
        ErrorKind::TooManyValues => "a flag has a value that takes none".to_owned(),
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            line.strip_prefix("error: ").unwrap_or(line).to_owned()
        }
    };
    NothingToRun::Refused(format!("{line}\n{HINT}"))
}

fn unknown_argument(argument: &str) -> String {
    let name = argument.split('=').next().unwrap_or_default();
    let words = name.trim_start_matches('-').replace('-', "_").to_ascii_uppercase();
    let secret = SETTINGS.iter().find(|setting| {
        setting.given == Given::BySecret
            && (setting.variable == words || setting.variable.strip_prefix("HELLO_") == Some(words.as_str()))
    });
    if let Some(setting) = secret {
        let variable = setting.variable;
        return format!(
            "{variable} is a secret and no flag; set the variable {variable}, or {variable}_FILE to a path"
        );
    }
    // Anything else than a plain word may be a secret in a wrong place.
    let plain = name.len() <= 40
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    match (plain, name.starts_with('-')) {
        (true, true) => format!("there is no flag {name} here"),
        (true, false) => format!("there is no command {name}"),
        (false, _) => "there is an argument that is neither a command nor a flag".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_fault_with_the_commands() {
        command_line().debug_assert();
    }

    /// `cargo run` passes the build script's variables on, and one that looks like a setting would be warned about.
    #[test]
    fn no_variable_of_the_build_looks_like_a_setting() {
        let names = include_str!("../build.rs").split("cargo:rustc-env=").skip(1);
        let names: Vec<_> = names.filter_map(|rest| rest.split('=').next()).collect();
        assert!(!names.is_empty() && !names.iter().any(|name| name.starts_with("HELLO_")), "{names:?}");
    }

    #[test]
    fn words_are_wrapped_at_spaces() {
        assert_eq!(wrap("one two three", 7), "one two\nthree");
        assert_eq!(wrap("extraordinary", 3), "extraordinary");
    }
}
