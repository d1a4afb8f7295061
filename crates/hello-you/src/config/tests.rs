//! The settings together, as a user gives them: arguments and environment in, configuration or one line out.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::cli::{Invocation, NothingToRun, parse};

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

fn run(args: &[&str], variables: &[(&str, &str)]) -> Result<Invocation, NothingToRun> {
    parse(["hello-you"].iter().chain(args).map(OsString::from), &environment(variables))
}

fn serve(args: &[&str], variables: &[(&str, &str)]) -> ServeConfig {
    match run(args, variables) {
        Ok(Invocation::Serve(config)) => *config,
        other => panic!("{args:?} {variables:?} gave {other:?}"),
    }
}

fn migrate(variables: &[(&str, &str)]) -> MigrateConfig {
    match run(&["migrate"], variables) {
        Ok(Invocation::Migrate(config)) => *config,
        other => panic!("{variables:?} gave {other:?}"),
    }
}

fn healthcheck_url(args: &[&str], variables: &[(&str, &str)]) -> String {
    match run(args, variables) {
        Ok(Invocation::Healthcheck(config)) => config.url.to_string(),
        other => panic!("{args:?} {variables:?} gave {other:?}"),
    }
}

fn postgres(variables: &[(&str, &str)]) -> PostgresConfig {
    match serve(&[], variables).database {
        Database::Postgres(postgres) => postgres,
        Database::Sqlite { .. } => panic!("{variables:?} gave SQLite"),
    }
}

fn refused(args: &[&str], variables: &[(&str, &str)]) -> String {
    match run(args, variables) {
        Err(NothingToRun::Refused(lines)) => lines,
        other => panic!("{args:?} {variables:?} gave {other:?}"),
    }
}

fn shown(hosts: &[HostAddress]) -> Vec<String> {
    hosts.iter().map(ToString::to_string).collect()
}

#[test]
fn without_any_setting_the_defaults_hold() {
    let config = serve(&[], &[]);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.admin_listen.unwrap().to_string(), "127.0.0.1:9090");
    assert!(matches!(config.database, Database::Sqlite { ref path } if path == Path::new("hello-you.db")));
    assert_eq!(config.leap_day, LeapDay::Feb28);
    assert_eq!(config.shutdown_grace, Duration::from_secs(20));
    assert_eq!(config.drain_delay, Duration::from_secs(5));
    assert_eq!(config.write_grace, Duration::from_secs(120));
    assert_eq!(config.request_timeout, Duration::from_millis(1500));
    assert_eq!(config.max_connections, 4096);
    assert_eq!(config.workers, None);
    assert!(config.migrate);
    assert_eq!(config.log.format, LogFormat::Auto);
    assert!(config.log.colour);
    assert!(config.app_secret_key.is_none() && config.admin_token.is_none());
    assert_eq!(config.secrets_version, None);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn a_flag_goes_before_a_variable_and_a_variable_before_the_default() {
    let variables = [("HELLO_LISTEN", "127.0.0.1:1"), ("HELLO_LEAP_DAY", "mar01")];
    assert_eq!(serve(&[], &variables).listen.port(), 1);
    assert_eq!(serve(&["--listen", "127.0.0.1:2"], &variables).listen.port(), 2);
    assert_eq!(serve(&["serve", "--listen=127.0.0.1:2"], &variables).listen.port(), 2);
    assert_eq!(serve(&["serve"], &variables).leap_day, LeapDay::Mar01);
}

#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    let config =
        serve(&[], &[("HELLO_LISTEN", ""), ("DB_FAR_HOSTS", ""), ("DB_CA_PEM", ""), ("MIN_TIMELINE", "")]);
    assert_eq!(config.listen.port(), 8080);
    assert!(matches!(config.database, Database::Sqlite { .. }));
}

#[test]
fn an_empty_secret_is_an_error() {
    let line = "ADMIN_TOKEN holds an empty value; give one, or unset the variable";
    assert_eq!(refused(&[], &[("ADMIN_TOKEN", "")]), line);
}

#[test]
fn the_private_listener_can_be_off() {
    assert_eq!(serve(&["--admin-listen", "off"], &[]).admin_listen, None);
}

#[test]
fn a_secret_can_stand_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    for (content, expected) in [("t0ken\n", "t0ken"), ("t0ken\r\n", "t0ken"), ("t0ken", "t0ken")] {
        fs::write(&path, content).unwrap();
        let config = serve(&[], &[("ADMIN_TOKEN_FILE", path.to_str().unwrap())]);
        assert_eq!(config.admin_token.unwrap().expose(), expected);
    }
    fs::write(&path, "a\n\n").unwrap();
    let config = serve(&[], &[("APP_SECRET_KEY_FILE", path.to_str().unwrap())]);
    assert_eq!(config.app_secret_key.unwrap().expose(), "a\n");
}

#[test]
fn a_secret_file_that_cannot_serve_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("empty"), "\n").unwrap();
    fs::write(path("binary"), b"\xff\xfe").unwrap();
    fs::write(path("large"), vec![b'x'; 70_000]).unwrap();
    for (name, expected) in [
        ("missing", "cannot be read: No such file"),
        ("", "cannot be read: Is a directory"),
        ("empty", "holds an empty value"),
        ("binary", "does not hold valid UTF-8"),
        ("large", "larger than 65536 bytes"),
    ] {
        let line = refused(&[], &[("ADMIN_TOKEN_FILE", &path(name))]);
        assert!(line.starts_with("ADMIN_TOKEN_FILE ") && line.contains(expected), "{name}: {line}");
    }
    let line = refused(&[], &[("ADMIN_TOKEN", "a"), ("ADMIN_TOKEN_FILE", &path("empty"))]);
    assert_eq!(line, "ADMIN_TOKEN and ADMIN_TOKEN_FILE are both set; keep one of them");
}

#[test]
fn separate_variables_describe_postgresql() {
    let config = postgres(&[
        ("DB_HOSTS", "db1,db2:6000"),
        ("DB_FAR_HOSTS", "far,[fd00::1]:7000"),
        ("DB_PORT", "5433"),
        ("DB_NAME", "greetings"),
        ("DB_USER", "ana"),
        ("DB_PASSWORD", "p@ss"),
        ("DB_POOL_SIZE", "20"),
        ("DB_MAX_REPLICA_LAG", "10s"),
        ("MIN_TIMELINE", "7"),
    ]);
    assert_eq!(shown(&config.hosts), ["db1:5433", "db2:6000"]);
    assert_eq!(shown(&config.far_hosts), ["far:5433", "[fd00::1]:7000"]);
    assert_eq!((config.dbname.as_str(), config.user.as_str()), ("greetings", "ana"));
    assert_eq!(config.password.unwrap().expose(), "p@ss");
    assert_eq!(config.application_name, "hello-you");
    assert_eq!(config.pool_size, 20);
    assert_eq!(config.max_replica_lag, Duration::from_secs(10));
    assert_eq!(config.min_timeline, Some(hello_pg::Timeline(7)));
    assert_eq!((config.tls, config.ca), (TlsMode::VerifyFull, CaSource::Bundled));
}

#[test]
fn separate_variables_have_defaults() {
    let config = postgres(&[("DB_HOSTS", "localhost"), ("DB_PASSWORD", "p")]);
    assert_eq!(shown(&config.hosts), ["localhost:5432"]);
    assert_eq!((config.dbname.as_str(), config.user.as_str()), ("hello", "hello"));
    assert_eq!(config.pool_size, 12);
    assert_eq!(config.max_replica_lag, Duration::from_secs(30));
    assert_eq!(config.min_timeline, None);
    assert_eq!(config.tls, TlsMode::VerifyFull, "loopback makes no difference to DB_HOSTS");
}

#[test]
fn a_url_may_have_far_hosts() {
    let config = postgres(&[("DATABASE_URL", "postgres://ana:p@near/hello"), ("DB_FAR_HOSTS", "far")]);
    assert_eq!(
        (shown(&config.hosts), shown(&config.far_hosts)),
        (vec!["near:5432".into()], vec!["far:5432".into()])
    );
}

#[test]
fn tls_depends_on_what_is_said_and_on_where_the_hosts_are() {
    for (url, sslmode, far, expected) in [
        ("postgres://u:p@db/x", None, None, TlsMode::VerifyFull),
        ("postgres://u:p@localhost,127.0.0.1:1,[::1]/x", None, None, TlsMode::Disable),
        ("postgres://u@/x?host=/run/postgresql", None, None, TlsMode::Disable),
        ("postgres://u:p@localhost,db/x", None, None, TlsMode::VerifyFull),
        ("postgres://u:p@localhost/x", None, Some("far"), TlsMode::VerifyFull),
        ("postgres://u:p@localhost/x?sslmode=verify-full", None, None, TlsMode::VerifyFull),
        ("postgres://u:p@db/x?sslmode=require", None, None, TlsMode::Require),
        ("postgres://u:p@db/x", Some("disable"), None, TlsMode::Disable),
        ("postgres://u:p@localhost/x", Some("require"), None, TlsMode::Require),
    ] {
        let mut variables = vec![("DATABASE_URL", url)];
        variables.extend(sslmode.map(|mode| ("DB_SSLMODE", mode)));
        variables.extend(far.map(|far| ("DB_FAR_HOSTS", far)));
        assert_eq!(postgres(&variables).tls, expected, "{variables:?}");
    }
}

#[test]
fn certificates_come_from_a_file_or_a_variable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    fs::write(&path, CERTIFICATE).unwrap();
    let file = path.to_str().unwrap();

    let hosts = [("DB_HOSTS", "db"), ("DB_PASSWORD", "p")];
    let with = |more: (&'static str, &str)| postgres(&[hosts[0], hosts[1], more]).ca;
    assert_eq!(with(("DB_CA_FILE", file)), CaSource::File(path.clone()));
    assert_eq!(with(("DB_CA_PEM", CERTIFICATE)), CaSource::Pem(CERTIFICATE.to_owned()));

    let url = format!("postgres://u:p@localhost/x?sslrootcert={file}");
    let config = postgres(&[("DATABASE_URL", &url)]);
    assert_eq!(config.ca, CaSource::File(path.clone()));
    assert_eq!(config.tls, TlsMode::VerifyFull, "a CA is given to be checked against");
}

#[test]
fn a_bad_value_is_one_line_that_names_its_source() {
    for (args, variables, expected) in [
        (
            &["--listen", "localhost"][..],
            &[][..],
            "--listen is \"localhost\"; expected an IP address with a port",
        ),
        (&[], &[("HELLO_LISTEN", "8080")], "HELLO_LISTEN is \"8080\"; expected an IP address with a port"),
        (
            &[],
            &[("HELLO_ADMIN_LISTEN", "no")],
            "HELLO_ADMIN_LISTEN is \"no\"; expected off, or an IP address",
        ),
        (&["--sqlite-path", ""], &[], "--sqlite-path is empty; name a file"),
        (&["--sqlite-path", ":memory:"], &[], "--sqlite-path must be the path of a file"),
        (&[], &[("HELLO_LEAP_DAY", "feb29")], "HELLO_LEAP_DAY is \"feb29\"; expected feb28 or mar01"),
        (&[], &[("HELLO_MIGRATE", "1")], "HELLO_MIGRATE is \"1\"; expected true or false"),
        (&["--shutdown-grace", "soon"], &[], "--shutdown-grace is \"soon\"; expected a duration up to 24h"),
        (
            &["--request-timeout", "0"],
            &[],
            "--request-timeout is \"0\"; expected a duration longer than zero",
        ),
        (&[], &[("HELLO_WORKERS", "0")], "HELLO_WORKERS is \"0\"; expected a whole number from 1 to 1024"),
        (&[], &[("HELLO_LOG", "inof")], "HELLO_LOG is \"inof\"; expected off, error, warn, info"),
        (&[], &[("HELLO_LOG_FORMAT", "xml")], "HELLO_LOG_FORMAT is \"xml\"; expected auto or json or human"),
        (&[], &[("ADMIN_TOKEN", "two words")], "ADMIN_TOKEN has a character that no HTTP header can carry"),
        (
            &["healthcheck", "--url", "https://x"],
            &[],
            "--url is \"https://x\"; expected a URL such as http://",
        ),
        (&["healthcheck"], &[("HELLO_LISTEN", "[::]:0")], "HELLO_LISTEN is [::]:0, so the port is not known"),
    ] {
        let line = refused(args, variables);
        assert!(line.starts_with(expected), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
}

#[test]
fn a_bad_database_is_one_line_that_names_its_source() {
    const HOSTS: (&str, &str) = ("DB_HOSTS", "db");
    const PASSWORD: (&str, &str) = ("DB_PASSWORD", "hunter2");
    const URL: (&str, &str) = ("DATABASE_URL", "postgres://u:hunter2@db/x");
    for (variables, expected) in [
        (&[URL, HOSTS][..], "DATABASE_URL and DB_HOSTS are both set; keep one of them"),
        (&[URL, PASSWORD], "DB_PASSWORD cannot be used together with DATABASE_URL"),
        (&[URL, ("DB_USER", "ana")], "DB_USER cannot be used together with DATABASE_URL"),
        (&[HOSTS], "DB_PASSWORD is missing: DB_HOSTS is set"),
        (&[PASSWORD], "DB_PASSWORD is set, but no PostgreSQL"),
        (&[("DB_PASSWORD_FILE", "/none")], "DB_PASSWORD_FILE is set, but no PostgreSQL"),
        (&[("DB_FAR_HOSTS", "far")], "DB_FAR_HOSTS is set, but no PostgreSQL"),
        (&[("MIN_TIMELINE", "3")], "MIN_TIMELINE is set, but no PostgreSQL"),
        (&[("DATABASE_URL", "postgres://u:hunter2@")], "DATABASE_URL names no host"),
        (
            &[HOSTS, PASSWORD, ("DB_POOL_SIZE", "3")],
            "DB_POOL_SIZE is \"3\"; expected a whole number from 4 to 1000",
        ),
        (&[HOSTS, PASSWORD, ("MIN_TIMELINE", "0")], "MIN_TIMELINE is \"0\"; expected a whole number from 1"),
        (
            &[HOSTS, PASSWORD, ("DB_SSLMODE", "prefer")],
            "DB_SSLMODE is \"prefer\"; expected disable or require or",
        ),
        (
            &[HOSTS, PASSWORD, ("DB_FAR_HOSTS", "far,db:5432")],
            "DB_FAR_HOSTS names db:5432, which is a host of this",
        ),
        (&[("DB_HOSTS", "db,db"), PASSWORD], "DB_HOSTS is \"db,db\"; expected each host once"),
        (
            &[("DB_HOSTS", "u:hunter2@db"), PASSWORD],
            "DB_HOSTS has a value that cannot be read; expected HOST",
        ),
        (&[("DB_HOSTS", "postgres://u:hunter2@db"), PASSWORD], "DB_HOSTS has a value that cannot be read"),
        (
            &[("DATABASE_URL", "postgres://u:hunter2@db/x?sslmode=disable"), ("DB_SSLMODE", "disable")],
            "DB_SSLMODE and the sslmode of DATABASE_URL are both set",
        ),
        (
            &[HOSTS, PASSWORD, ("DB_CA_FILE", "/none")],
            "DB_CA_FILE names /none, which cannot be read: No such file",
        ),
        (
            &[HOSTS, PASSWORD, ("DB_CA_FILE", "/dev/null")],
            "DB_CA_FILE names /dev/null, which holds no certificate",
        ),
        (&[HOSTS, PASSWORD, ("DB_CA_PEM", "hello")], "DB_CA_PEM holds no certificate in PEM form"),
        (
            &[HOSTS, PASSWORD, ("DB_CA_PEM", CERTIFICATE), ("DB_CA_FILE", "/x")],
            "DB_CA_FILE and DB_CA_PEM are both set",
        ),
        (
            &[HOSTS, PASSWORD, ("DB_CA_PEM", CERTIFICATE), ("DB_SSLMODE", "require")],
            "DB_CA_PEM is set, but nothing is checked against it",
        ),
        (&[URL, ("DATABASE_URL_FILE", "/x")], "DATABASE_URL and DATABASE_URL_FILE are both set"),
    ] {
        let line = refused(&[], variables);
        assert!(line.starts_with(expected), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    assert_eq!(
        refused(&["--shutdown-grace", "5s"], &[("HELLO_DRAIN_DELAY", "5000ms")]),
        "HELLO_DRAIN_DELAY (5s) must be shorter than --shutdown-grace (5s): running requests need time to finish after it"
    );
    for (listen, admin_listen) in [
        ("127.0.0.1:9090", "127.0.0.1:9090"),
        ("0.0.0.0:9090", "127.0.0.1:9090"),
        ("127.0.0.1:9090", "[::]:9090"),
    ] {
        let line = refused(&["--listen", listen, "--admin-listen", admin_listen], &[]);
        assert!(line.starts_with("--listen and --admin-listen are the same"), "{line}");
    }
    serve(&["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"], &[]);
    serve(&["--listen", "127.0.0.1:9090", "--admin-listen", "127.0.0.2:9090"], &[]);
}

#[test]
fn migrate_takes_a_role_for_the_service() {
    let variables = [("DB_HOSTS", "db"), ("DB_PASSWORD", "p"), ("DB_USER", "owner")];
    let with = |more: &[(&'static str, &'static str)]| [&variables[..], more].concat();
    assert!(migrate(&variables).serve_role.is_none());
    let role = migrate(&with(&[("HELLO_SERVE_ROLE", "hello")])).serve_role.unwrap();
    assert!(role.name == "hello" && role.password.is_none());
    let role =
        migrate(&with(&[("HELLO_SERVE_ROLE", "hello"), ("HELLO_SERVE_PASSWORD", "s")])).serve_role.unwrap();
    assert_eq!(role.password.unwrap().expose(), "s");
}

#[test]
fn a_role_that_cannot_be_made_is_refused() {
    let url = ("DATABASE_URL", "postgres://owner:p@db/x");
    for (variables, expected) in [
        (&[url, ("HELLO_SERVE_PASSWORD", "s")][..], "HELLO_SERVE_PASSWORD is set, but no role to give it to"),
        (&[("HELLO_SERVE_ROLE", "hello")], "HELLO_SERVE_ROLE is set, but SQLite has no roles"),
        (&[url, ("HELLO_SERVE_ROLE", "owner")], "HELLO_SERVE_ROLE is \"owner\", the user that migrates"),
        (&[url, ("HELLO_SERVE_ROLE", "pg_x")], "HELLO_SERVE_ROLE is \"pg_x\"; PostgreSQL keeps names"),
        (
            &[url, ("HELLO_SERVE_ROLE", "a\nb")],
            "HELLO_SERVE_ROLE is \"a\\nb\"; expected a name of 1 to 63 bytes",
        ),
    ] {
        let line = refused(&["migrate"], variables);
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn settings_of_another_command_are_left_alone() {
    // One environment is often shared by `serve` and `migrate`.
    migrate(&[("HELLO_WORKERS", "none"), ("ADMIN_TOKEN", "")]);
    serve(&[], &[("HELLO_SERVE_ROLE", "a\nb")]);
    assert!(refused(&["serve", "--serve-role", "x"], &[]).starts_with("there is no flag --serve-role here"));
}

#[test]
fn the_health_check_asks_where_the_service_listens() {
    assert_eq!(healthcheck_url(&["healthcheck"], &[]), "http://127.0.0.1:8080/health");
    for (listen, expected) in [
        ("0.0.0.0:80", "http://127.0.0.1:80/health"),
        ("[::]:8080", "http://[::1]:8080/health"),
        ("10.1.2.3:8080", "http://10.1.2.3:8080/health"),
    ] {
        assert_eq!(healthcheck_url(&["healthcheck"], &[("HELLO_LISTEN", listen)]), expected);
    }
    let args = ["healthcheck", "--url", "http://localhost:1/health/ready?x"];
    assert_eq!(healthcheck_url(&args, &[("HELLO_LISTEN", "what")]), "http://localhost:1/health/ready?x");
    assert_eq!(healthcheck_url(&["healthcheck", "--url", "http://db"], &[]), "http://db:80/");
}

#[test]
fn what_an_operator_should_know_is_a_warning() {
    let config = serve(
        &["--admin-listen", "off"],
        &[
            ("HELLO_LISTEM", "x"),
            ("APP_SECRET_KEY", "short"),
            ("ADMIN_TOKEN", "a-token-that-is-long-enough"),
            ("DATABASE_URL", "postgres://u:p@db/x?sslmode=require"),
            ("HELLO_SERVE_PASSWORD_FILE", "/not/of/this/command"),
        ],
    );
    assert_eq!(
        config.warnings,
        [
            "the variable HELLO_LISTEM is not a setting and has no effect",
            "sslmode is require: PostgreSQL's certificate is not checked, so another host could pose as it",
            "APP_SECRET_KEY is shorter than 16 bytes and can be guessed",
            "ADMIN_TOKEN has no effect while the private listener is off",
        ]
    );
}

#[test]
fn debug_shows_no_secret() {
    let config = serve(
        &[],
        &[
            ("APP_SECRET_KEY", "hunter2-hunter2-hunter2"),
            ("ADMIN_TOKEN", "hunter2-hunter2-hunter2"),
            ("DATABASE_URL", "postgres://u:hunter2@db/x"),
        ],
    );
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2") && shown.matches("[redacted]").count() == 3, "{shown}");
}

#[test]
fn no_color_is_honoured() {
    assert!(!serve(&[], &[("NO_COLOR", "1")]).log.colour);
    assert!(serve(&[], &[("NO_COLOR", "")]).log.colour);
}

proptest! {
    #[test]
    fn no_value_makes_it_panic(setting in 0..table::SETTINGS.len(), value in "\\PC{0,30}|[0-9a-z:,./@%\\[\\]]{0,30}") {
        let variable = table::SETTINGS[setting].variable;
        for command in ["serve", "migrate", "healthcheck"] {
            let _ = run(&[command], &[(variable, &value)]);
            let _ = run(&[command], &[(variable, &value), ("DB_HOSTS", "db"), ("DB_PASSWORD", "p")]);
            let _ = run(&[command, &value], &[]);
        }
    }
}
