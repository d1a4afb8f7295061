//! The command line of the real program: help, exit codes, messages, and no secret in any of them.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

#[path = "support/golden.rs"]
mod golden;

use std::fs;
use std::process::{Command, Output};

const EXIT_USAGE: i32 = 64;

fn run(args: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hello-you"))
        .args(args)
        .env_clear()
        .envs(variables.iter().copied())
        // Even one who asks for backtraces gets none for a slip of the pen.
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs what cannot work, and gives back the lines that say why.
fn refusal(args: &[&str], variables: &[(&str, &str)]) -> String {
    let output = run(args, variables);
    let lines = stderr(&output);
    assert_eq!(output.status.code(), Some(EXIT_USAGE), "{args:?} {variables:?}: {lines}");
    assert_eq!(stdout(&output), "", "{args:?} {variables:?}");
    assert!(lines.starts_with("error: ") && (1..=3).contains(&lines.lines().count()), "{lines}");
    lines
}

#[test]
fn help_is_complete() {
    for (name, args) in [
        ("hello-you", &["--help"][..]),
        ("serve", &["serve", "--help"]),
        ("migrate", &["migrate", "--help"]),
        ("healthcheck", &["healthcheck", "--help"]),
        ("openapi", &["openapi", "--help"]),
    ] {
        let output = run(args, &[]);
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert_eq!(stderr(&output), "", "{name}");
        golden::assert_golden(&format!("tests/golden/help-{name}.txt"), &stdout(&output));
    }
}

#[test]
fn help_does_not_depend_on_settings() {
    let output = run(&["--help"], &[("HELLO_LISTEN", "nonsense"), ("DATABASE_URL", "")]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn version_names_the_version_and_the_revision() {
    let output = run(&["--version"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let revision = text
        .strip_prefix(concat!("hello-you ", env!("CARGO_PKG_VERSION"), " ("))
        .and_then(|rest| rest.strip_suffix(")\n"))
        .unwrap_or_else(|| panic!("{text}"));
    assert!(!revision.is_empty() && revision.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
}

#[test]
fn a_bad_command_line_is_refused() {
    for (args, expected) in [
        (&["--colour"][..], "there is no flag --colour"),
        (&["-x"], "there is no flag -x"),
        (&["start"], "there is no command start"),
        (&["serve", "now"], "there is no command now"),
        (&["--listen"], "a value is required for '--listen <ADDRESS:PORT>'"),
        (
            &["--listen", "[::]:1", "--listen", "[::]:2"],
            "'--listen <ADDRESS:PORT>' cannot be used multiple times",
        ),
        (&["--log", "debug", "migrate"], "flags stand behind the command"),
        (&["openapi", "--listen", "[::]:1"], "there is no flag --listen"),
        (&["--version=1"], "a flag has a value that takes none"),
    ] {
        let lines = refusal(args, &[]);
        assert!(lines.contains(expected) && lines.contains("hello-you --help"), "{args:?}: {lines}");
    }
}

#[test]
fn a_bad_setting_is_one_line_that_names_it() {
    for (args, variables, expected) in [
        (
            &["--listen", "here"][..],
            &[][..],
            "error: --listen is \"here\"; expected an IP address with a port",
        ),
        (
            &["serve"],
            &[("HELLO_LISTEN", "here")],
            "error: HELLO_LISTEN is \"here\"; expected an IP address with a",
        ),
        (
            &[],
            &[("HELLO_DRAIN_DELAY", "30s")],
            "error: HELLO_DRAIN_DELAY (30s) must be shorter than HELLO_SHUTDOWN_G",
        ),
        (&["migrate"], &[("DB_HOSTS", "db")], "error: DB_PASSWORD is missing: DB_HOSTS is set"),
        (
            &["healthcheck"],
            &[("HELLO_LISTEN", "[::]:0")],
            "error: HELLO_LISTEN is [::]:0, so the port is not known",
        ),
        (&[], &[("DATABASE_URL", "")], "error: DATABASE_URL holds an empty value"),
        (
            &[],
            &[("ADMIN_TOKEN_FILE", "/nonexistent/token")],
            "error: ADMIN_TOKEN_FILE names /nonexistent/token, which",
        ),
    ] {
        let lines = refusal(args, variables);
        assert!(lines.starts_with(expected), "{lines}");
        assert_eq!(lines.lines().count(), 1, "{lines}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_not_utf8_is_refused_and_not_a_panic() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let bytes = OsStr::from_bytes(b"\xff\xfe");
    for configure in [
        (|command| command.env("HELLO_LISTEN", OsStr::from_bytes(b"\xff")))
            as fn(&mut Command) -> &mut Command,
        |command| command.env("ADMIN_TOKEN", OsStr::from_bytes(b"\xff")),
        |command| command.args([OsStr::new("--listen"), OsStr::from_bytes(b"\xff")]),
        |command| command.arg(OsStr::from_bytes(b"--\xff")),
        |command| command.arg(OsStr::from_bytes(b"\xff")),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hello-you"));
        command.env_clear().env(bytes, bytes);
        let output = configure(&mut command).output().unwrap();
        assert_eq!(output.status.code(), Some(EXIT_USAGE), "{command:?}");
        let lines = stderr(&output);
        assert!(lines.starts_with("error: ") && !lines.contains("panicked"), "{lines}");
    }
}

#[test]
fn no_secret_is_in_what_is_printed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    fs::write(&file, "postgres://ana:hunter2/@db/x").unwrap();
    let file = file.to_str().unwrap();
    for (args, variables) in [
        (&[][..], &[("DATABASE_URL", "postgres://ana:hunter2@db:x/hello")][..]),
        (&[], &[("DATABASE_URL", "postgres://ana:hunter2@db/hello?hunter2=1&mode=hunter2")]),
        (&[], &[("DATABASE_URL", "hunter2")]),
        (&[], &[("DATABASE_URL_FILE", file)]),
        (&[], &[("DB_HOSTS", "postgres://ana:hunter2@db/hello"), ("DB_PASSWORD", "hunter2")]),
        (&[], &[("DB_HOSTS", "db:x"), ("DB_PASSWORD", "hunter2")]),
        (&[], &[("ADMIN_TOKEN", "hunter2 hunter2")]),
        (&[], &[("APP_SECRET_KEY", "hunter2"), ("HELLO_LISTEN", "x")]),
        (&["migrate"], &[("HELLO_SERVE_PASSWORD", "hunter2")]),
        (&["--database-url", "postgres://ana:hunter2@db/hello"], &[]),
        (&["--admin-token=hunter2"], &[]),
        (&["--password=hunter2"], &[]),
        (&["postgres://ana:hunter2@db/hello"], &[]),
        (&["--sqlite-path", "postgres://ana:hunter2@db/hello", "--db-port", "ana:hunter2@db"], &[]),
    ] {
        let lines = refusal(args, variables);
        // A parameter of a URL is named, and this one looks like a name.
        assert!(
            !lines.replace("the parameter hunter2", "").contains("hunter2"),
            "{args:?} {variables:?}: {lines}"
        );
    }
}

#[test]
fn a_secret_given_as_a_flag_is_told_where_it_belongs() {
    for (flag, variable) in [
        ("--database-url", "DATABASE_URL"),
        ("--admin-token", "ADMIN_TOKEN"),
        ("--serve-password", "HELLO_SERVE_PASSWORD"),
    ] {
        let lines = refusal(&[flag, "x"], &[]);
        assert!(
            lines.starts_with(&format!("error: {variable} is a secret and no flag; set the variable")),
            "{lines}"
        );
    }
}
