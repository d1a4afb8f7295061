//! The one table of settings. The command line, the merge of flags and variables, and `docs/CONFIGURATION.md` are all
//! derived from it.

use Command::{Healthcheck, Migrate, Serve};
use DefaultValue::{Depends, Is, Unset};
use Given::{ByFlag, BySecret, ByVariable};

/// A command of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Answers HTTP requests.
    Serve,
    /// Brings the database's schema up to date.
    Migrate,
    /// Asks a running service whether it is healthy.
    Healthcheck,
    /// Prints the `OpenAPI` document.
    Openapi,
}

impl Command {
    /// Every command, in the order of the help.
    pub const ALL: [Self; 4] = [Serve, Migrate, Healthcheck, Self::Openapi];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Serve => "serve",
            Migrate => "migrate",
            Healthcheck => "healthcheck",
            Self::Openapi => "openapi",
        }
    }

    /// What it does, in one sentence.
    pub const fn about(self) -> &'static str {
        match self {
            Serve => "Answer HTTP requests (what happens when no command is given)",
            Migrate => "Bring the schema of the database up to date, then end",
            Healthcheck => "Ask a running service whether it is healthy: exit code 0 if so, else 1",
            Self::Openapi => "Print the OpenAPI document of the service",
        }
    }
}

/// How a setting can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// By this flag, or by the variable.
    ByFlag(&'static str),
    /// By the variable only.
    ByVariable,
    /// A secret: by the variable, or by a file that the variable with `_FILE` names. Never by a flag, since everyone on
    /// the machine can read the process list.
    BySecret,
}

/// What holds when a setting is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// This value, read by the same rules as a given one.
    Is(&'static str),
    /// Something that depends on other things; the text says on what.
    Depends(&'static str),
    /// Nothing.
    Unset,
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// The name of its environment variable, which is also its name everywhere else.
    pub variable: &'static str,
    /// How it can be given.
    pub given: Given,
    /// What stands for the value in the help.
    pub value_name: &'static str,
    /// What holds when it is not given.
    pub default: DefaultValue,
    /// What it does, with units.
    pub help: &'static str,
    /// The commands that read it.
    pub commands: &'static [Command],
    /// The heading it stands under.
    pub section: &'static str,
}

impl Setting {
    /// The flag with its dashes, where there is one.
    pub fn flag(&self) -> Option<String> {
        match self.given {
            ByFlag(flag) => Some(format!("--{flag}")),
            ByVariable | BySecret => None,
        }
    }

    /// The variable that names a file with the value, where the setting is a secret.
    pub fn file_variable(&self) -> Option<String> {
        (self.given == BySecret).then(|| format!("{}_FILE", self.variable))
    }
}

const LISTENING: &str = "Listening";
const DATABASE: &str = "Database";
const BEHAVIOUR: &str = "Behaviour";
const TIMING: &str = "Limits and times";
const SECRETS: &str = "Keys and tokens";
const LOGGING: &str = "Logging";
const MIGRATION: &str = "Role of the service";

macro_rules! settings {
    ($($name:ident = $setting:expr;)*) => {
        $(pub(super) static $name: Setting = $setting;)*

        /// Every setting, in the order of the help and of the document.
        pub static SETTINGS: &[&Setting] = &[$(&$name),*];
    };
}

settings! {
    LISTEN = Setting {
        variable: "HELLO_LISTEN",
        given: ByFlag("listen"),
        value_name: "ADDRESS:PORT",
        default: Is("127.0.0.1:8080"),
        help: "Where clients reach the service.",
        commands: &[Serve, Healthcheck],
        section: LISTENING,
    };
    ADMIN_LISTEN = Setting {
        variable: "HELLO_ADMIN_LISTEN",
        given: ByFlag("admin-listen"),
        value_name: "ADDRESS:PORT",
        default: Is("127.0.0.1:9090"),
        help: "The private listener: metrics, and the administrators' calls. `off` switches it off.",
        commands: &[Serve],
        section: LISTENING,
    };
    HEALTHCHECK_URL = Setting {
        variable: "HELLO_HEALTHCHECK_URL",
        given: ByFlag("url"),
        value_name: "URL",
        default: Depends("/health at HELLO_LISTEN, by loopback where that names every address"),
        help: "What to ask; plain http only.",
        commands: &[Healthcheck],
        section: LISTENING,
    };
    SQLITE_PATH = Setting {
        variable: "HELLO_SQLITE_PATH",
        given: ByFlag("sqlite-path"),
        value_name: "FILE",
        default: Is("hello-you.db"),
        help: "The SQLite file, used while neither DATABASE_URL nor DB_HOSTS is set; made if missing.",
        commands: &[Serve, Migrate],
        section: DATABASE,
    };
    DATABASE_URL = Setting {
        variable: "DATABASE_URL",
        given: BySecret,
        value_name: "URL",
        default: Unset,
        help: "PostgreSQL as postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?PARAMETER=VALUE. \
               Parameters: sslmode, sslrootcert, application_name, connect_timeout (seconds), host, port, user, \
               password, dbname.",
        commands: &[Serve, Migrate],
        section: DATABASE,
    };
    DB_HOSTS = Setting {
        variable: "DB_HOSTS",
        given: ByFlag("db-hosts"),
        value_name: "HOST,...",
        default: Unset,
        help: "PostgreSQL hosts of this region instead of DATABASE_URL: HOST, HOST:PORT or [IPV6]:PORT, separated by \
               commas. Primary and replicas in any order.",
        commands: &[Serve, Migrate],
        section: DATABASE,
    };
    DB_FAR_HOSTS = Setting {
        variable: "DB_FAR_HOSTS",
        given: ByFlag("db-far-hosts"),
        value_name: "HOST,...",
        default: Unset,
        help: "PostgreSQL hosts of other regions: written to while the primary is there, read from only when no host \
               of this region can serve. Same user, password and database.",
        commands: &[Serve, Migrate],
        section: DATABASE,
    };
    DB_PORT = Setting {
        variable: "DB_PORT",
        given: ByFlag("db-port"),
        value_name: "PORT",
        default: Is("5432"),
        help: "The port of every host of DB_HOSTS and DB_FAR_HOSTS that names none.",
        commands: &[Serve, Migrate],
        section: DATABASE,
    };
    DB_NAME = Setting {
        variable: "DB_NAME",
        given: ByFlag("db-name"),
        value_name: "NAME",
        default: Is("hello"),
        help: "The database, with DB_HOSTS.",
        commands: &[Serve, Migrate],
        section: DATABASE,
    };
    DB_USER = Setting {
        variable: "DB_USER",
        given: ByFlag("db-user"),
        value_name: "NAME",
        default: Is("hello"),
        help: "The database user, with DB_HOSTS.",
        commands: &[Serve, Migrate],
        section: DATABASE,
    };
    DB_PASSWORD = Setting {
        variable: "DB_PASSWORD",
        given: BySecret,
        value_name: "PASSWORD",
        default: Unset,
        help: "The password of DB_USER; needed with DB_HOSTS.",
        commands: &[Serve, Migrate],
        section: DATABASE,
    };
    DB_SSLMODE = Setting {
        variable: "DB_SSLMODE",
        given: ByFlag("db-sslmode"),
        value_name: "disable|require|verify-full",
        default: Depends(
            "the sslmode of DATABASE_URL; else verify-full; but disable where DATABASE_URL names loopback hosts or \
             unix sockets only and no CA is given",
        ),
        help: "TLS to PostgreSQL. `require` encrypts without checking who answers.",
        commands: &[Serve, Migrate],
        section: DATABASE,
    };
    DB_CA_FILE = Setting {
        variable: "DB_CA_FILE",
        given: ByFlag("db-ca-file"),
        value_name: "FILE",
        default: Depends("the bundled roots of Amazon RDS"),
        help: "The certificates (PEM) that sign the server's certificate, with verify-full.",
        commands: &[Serve, Migrate],
        section: DATABASE,
    };
    DB_CA_PEM = Setting {
        variable: "DB_CA_PEM",
        given: ByVariable,
        value_name: "TEXT",
        default: Unset,
        help: "The text of those certificates, instead of DB_CA_FILE.",
        commands: &[Serve, Migrate],
        section: DATABASE,
    };
    DB_POOL_SIZE = Setting {
        variable: "DB_POOL_SIZE",
        given: ByFlag("db-pool-size"),
        value_name: "NUMBER",
        default: Is("12"),
        help: "Connections to PostgreSQL at most, over all hosts; 4 to 1000.",
        commands: &[Serve],
        section: DATABASE,
    };
    DB_MAX_REPLICA_LAG = Setting {
        variable: "DB_MAX_REPLICA_LAG",
        given: ByFlag("db-max-replica-lag"),
        value_name: "DURATION",
        default: Is("30s"),
        help: "A replica further behind than this is read from only when nothing else can serve.",
        commands: &[Serve],
        section: DATABASE,
    };
    MIN_TIMELINE = Setting {
        variable: "MIN_TIMELINE",
        given: ByFlag("min-timeline"),
        value_name: "NUMBER",
        default: Unset,
        help: "The lowest PostgreSQL timeline to accept: a host on a lower one is neither read from nor written to.",
        commands: &[Serve, Migrate],
        section: DATABASE,
    };
    LEAP_DAY = Setting {
        variable: "HELLO_LEAP_DAY",
        given: ByFlag("leap-day"),
        value_name: "feb28|mar01",
        default: Is("feb28"),
        help: "The birthday of those born on 29 February, in years that are not leap years.",
        commands: &[Serve],
        section: BEHAVIOUR,
    };
    MIGRATE = Setting {
        variable: "HELLO_MIGRATE",
        given: ByFlag("migrate"),
        value_name: "true|false",
        default: Is("true"),
        help: "Whether `serve` brings the schema up to date itself, as soon as it finds a database that takes writes.",
        commands: &[Serve],
        section: BEHAVIOUR,
    };
    SECRETS_VERSION = Setting {
        variable: "HELLO_SECRETS_VERSION",
        given: ByFlag("secrets-version"),
        value_name: "TEXT",
        default: Unset,
        help: "Any text that says which version of the secrets this process got; only logged.",
        commands: &[Serve],
        section: BEHAVIOUR,
    };
    SHUTDOWN_GRACE = Setting {
        variable: "HELLO_SHUTDOWN_GRACE",
        given: ByFlag("shutdown-grace"),
        value_name: "DURATION",
        default: Is("20s"),
        help: "The time from SIGTERM until the process has ended, the drain delay included.",
        commands: &[Serve],
        section: TIMING,
    };
    DRAIN_DELAY = Setting {
        variable: "HELLO_DRAIN_DELAY",
        given: ByFlag("drain-delay"),
        value_name: "DURATION",
        default: Is("5s"),
        help: "After SIGTERM new connections are still accepted for this time, while readiness is 503 already. None after \
               SIGINT.",
        commands: &[Serve],
        section: TIMING,
    };
    WRITE_GRACE = Setting {
        variable: "HELLO_WRITE_GRACE",
        given: ByFlag("write-grace"),
        value_name: "DURATION",
        default: Is("120s"),
        help: "How long writes may fail before /health/deep turns 503, which moves a region.",
        commands: &[Serve],
        section: TIMING,
    };
    REQUEST_TIMEOUT = Setting {
        variable: "HELLO_REQUEST_TIMEOUT",
        given: ByFlag("request-timeout"),
        value_name: "DURATION",
        default: Is("1500ms"),
        help: "The time that the database's part of one request may take; 503 after it.",
        commands: &[Serve],
        section: TIMING,
    };
    MAX_CONNECTIONS = Setting {
        variable: "HELLO_MAX_CONNECTIONS",
        given: ByFlag("max-connections"),
        value_name: "NUMBER",
        default: Is("4096"),
        help: "Clients' connections at a time; more are not accepted until one ends.",
        commands: &[Serve],
        section: TIMING,
    };
    WORKERS = Setting {
        variable: "HELLO_WORKERS",
        given: ByFlag("workers"),
        value_name: "NUMBER",
        default: Depends("the number of CPUs"),
        help: "Threads that answer requests.",
        commands: &[Serve],
        section: TIMING,
    };
    APP_SECRET_KEY = Setting {
        variable: "APP_SECRET_KEY",
        given: BySecret,
        value_name: "KEY",
        default: Depends("a random one, which other instances do not share"),
        help: "Signs consistency tokens. Every instance needs the same; 32 random characters or more.",
        commands: &[Serve],
        section: SECRETS,
    };
    ADMIN_TOKEN = Setting {
        variable: "ADMIN_TOKEN",
        given: BySecret,
        value_name: "TOKEN",
        default: Depends("none: the administrators' calls answer 404"),
        help: "What administrators send as `Authorization: Bearer TOKEN`; 32 random characters or more.",
        commands: &[Serve],
        section: SECRETS,
    };
    LOG_FORMAT = Setting {
        variable: "HELLO_LOG_FORMAT",
        given: ByFlag("log-format"),
        value_name: "auto|json|human",
        default: Is("auto"),
        help: "The form of log lines on standard output; auto is human on a terminal, else json.",
        commands: &[Serve, Migrate],
        section: LOGGING,
    };
    LOG = Setting {
        variable: "HELLO_LOG",
        given: ByFlag("log"),
        value_name: "FILTER",
        default: Is("info"),
        help: "What is logged: off, error, warn, info, debug or trace, and TARGET=LEVEL for parts, separated by \
               commas. `info,hello_you::access=off` has no line per request.",
        commands: &[Serve, Migrate],
        section: LOGGING,
    };
    SERVE_ROLE = Setting {
        variable: "HELLO_SERVE_ROLE",
        given: ByFlag("serve-role"),
        value_name: "NAME",
        default: Unset,
        help: "The PostgreSQL role that `serve` connects as: created if missing, and given the rights it needs.",
        commands: &[Migrate],
        section: MIGRATION,
    };
    SERVE_PASSWORD = Setting {
        variable: "HELLO_SERVE_PASSWORD",
        given: BySecret,
        value_name: "PASSWORD",
        default: Depends("the role's password is left alone"),
        help: "The password that the role of HELLO_SERVE_ROLE is given.",
        commands: &[Migrate],
        section: MIGRATION,
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_stands_for_two_settings() {
        let variables: Vec<String> = SETTINGS
            .iter()
            .flat_map(|setting| [Some(setting.variable.to_owned()), setting.file_variable()])
            .flatten()
            .collect();
        assert_eq!(variables.iter().collect::<BTreeSet<_>>().len(), variables.len());

        let flags: Vec<String> = SETTINGS.iter().filter_map(|setting| setting.flag()).collect();
        assert_eq!(flags.iter().collect::<BTreeSet<_>>().len(), flags.len());
    }

    #[test]
    fn secrets_are_exactly_those_five() {
        let secrets: Vec<&str> = SETTINGS
            .iter()
            .filter(|setting| setting.given == BySecret)
            .map(|setting| setting.variable)
            .collect();
        assert_eq!(
            secrets,
            ["DATABASE_URL", "DB_PASSWORD", "APP_SECRET_KEY", "ADMIN_TOKEN", "HELLO_SERVE_PASSWORD"]
        );
    }

    #[test]
    fn help_is_whole_sentences() {
        for setting in SETTINGS {
            assert!(setting.help.ends_with('.'), "{}", setting.variable);
            assert!(!setting.help.contains("  "), "{}", setting.variable);
        }
    }
}
