//! Unusual values of settings: refused in one to three lines or taken, and never a panic.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use hello_you::cli::{self, NothingToRun};
use hello_you::config::Environment;
use hello_you::config::table::{Given, SETTINGS};
use proptest::prelude::*;
use proptest::sample::select;

/// Values that are nearly right for some setting, or hard for a parser.
const VALUES: &[&str] = &[
    "",
    " ",
    "0",
    "-1",
    "+1",
    "00",
    "1",
    "65535",
    "65536",
    "4294967296",
    "18446744073709551616",
    "1e9",
    "NaN",
    "inf",
    "0s",
    "1s",
    "-1s",
    "1.5s",
    "99999999999999999999s",
    "18446744073709551615s",
    "1ms",
    "5m",
    "1h",
    "9999999h",
    "s",
    "true",
    "false",
    "TRUE",
    "yes",
    "off",
    "auto",
    "json",
    "feb28",
    "mar01",
    "disable",
    "require",
    "verify-full",
    "127.0.0.1:0",
    "127.0.0.1",
    "[::]:8080",
    "[::1",
    "localhost:80",
    ":80",
    "0.0.0.0:99999",
    "off:off",
    "http://127.0.0.1:8080/health",
    "https://example.org",
    "http://",
    "http://[::1]:x/",
    "postgres://a:b@c:1,d:2/e?sslmode=disable",
    "postgres://",
    "postgres://@/",
    "postgres://%zz:%00@h/d",
    "postgres://u:p@[::1]:5432/d?host=/tmp&connect_timeout=9999999999",
    "postgresql://h/d?sslmode=",
    "mysql://a@b/c",
    "a,b,,c",
    ",",
    "a:b:c",
    "/nonexistent",
    "/dev/null",
    "/proc/self/mem",
    "/",
    ".",
    "..",
    "info,=",
    "info,a=b=c",
    "hello_you::access=off",
    "trace",
    "\u{202e}",
    "\u{0}",
    "\n",
    "a\nb",
    "'; drop table users; --",
    "$(id)",
    "%n%n%s",
    "-----BEGIN CERTIFICATE-----",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
];

fn variable() -> impl Strategy<Value = String> {
    let names: Vec<String> = SETTINGS
        .iter()
        .flat_map(|setting| [Some(setting.variable.to_owned()), setting.file_variable()])
        .flatten()
        .collect();
    select(names)
}

fn value() -> impl Strategy<Value = OsString> {
    prop_oneof![
        6 => select(VALUES).prop_map(OsString::from),
        2 => "\\PC{0,40}".prop_map(OsString::from),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(OsString::from_vec),
        1 => (1_usize..20_000).prop_map(|length| OsString::from("9".repeat(length))),
    ]
}

fn arguments() -> impl Strategy<Value = Vec<OsString>> {
    let flags: Vec<String> = SETTINGS
        .iter()
        .filter(|setting| matches!(setting.given, Given::ByFlag(_)))
        .filter_map(|setting| setting.flag())
        .collect();
    let command = select(&["serve", "migrate", "healthcheck", "openapi"][..]).prop_map(OsString::from);
    let pair = (select(flags), value()).prop_map(|(flag, value)| [OsString::from(flag), value]);
    (prop::option::of(command), prop::collection::vec(pair, 0..3))
        .prop_map(|(command, pairs)| command.into_iter().chain(pairs.into_iter().flatten()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_setting_makes_the_program_panic(
        variables in prop::collection::vec((variable(), value()), 0..6),
        arguments in arguments(),
    ) {
        let environment: Environment =
            variables.into_iter().map(|(name, value)| (OsString::from(name), value)).collect();
        let command_line = [OsString::from("hello-you")].into_iter().chain(arguments);
        if let Err(NothingToRun::Refused(lines)) = cli::parse(command_line, &environment) {
            prop_assert!((1..=3).contains(&lines.lines().count()), "{lines:?}");
            prop_assert!(!lines.contains('\u{0}') && !lines.contains('\u{1b}'), "{lines:?}");
        }
    }
}

/// `/dev/zero` and pipes never end: a file with a secret is read within limits.
#[test]
fn a_secret_file_without_end_is_refused() {
    for path in ["/dev/zero", "/dev/urandom", "/", "/dev/null", "/proc/self/mem"] {
        let environment: Environment =
            [(OsString::from("ADMIN_TOKEN_FILE"), OsString::from(path))].into_iter().collect();
        let refused = cli::parse([OsString::from("hello-you")], &environment);
        let Err(NothingToRun::Refused(line)) = refused else { panic!("{path}: {refused:?}") };
        assert!(line.contains("ADMIN_TOKEN_FILE"), "{line}");
    }
}
