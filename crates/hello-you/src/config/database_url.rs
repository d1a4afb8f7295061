//! Reads `DATABASE_URL`, in the form that `PostgreSQL`'s own library takes.
//!
//! No error repeats a part of the URL, except the name of a parameter: with a `/` or `?` that is not encoded, any part
//! can turn out to be a part of the password.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::Secret;
use super::database::{SSL_MODES, TlsMode};
use super::values::{self, HostAddress};

const DEFAULT_PORT: u16 = 5432;
const PARAMETERS: &str =
    "sslmode, sslrootcert, application_name, connect_timeout, host, port, user, password, dbname";

/// The parts of the URL that are there.
#[derive(Debug)]
pub(super) struct DatabaseUrl {
    pub(super) hosts: Vec<HostAddress>,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    pub(super) dbname: String,
    pub(super) tls: Option<TlsMode>,
    pub(super) root_certificates: Option<PathBuf>,
    pub(super) application_name: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
}

/// What the parameters after `?` say.
#[derive(Debug, Default)]
struct Parameters {
    hosts: Option<String>,
    ports: Option<String>,
    user: Option<String>,
    password: Option<String>,
    dbname: Option<String>,
    tls: Option<TlsMode>,
    root_certificates: Option<PathBuf>,
    application_name: Option<String>,
    connect_timeout: Option<Duration>,
}

impl DatabaseUrl {
    /// Reads the URL. The error is the rest of a sentence that begins with the variable's name.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or("must begin with postgres:// or postgresql://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // From the right: an @ in a password is often not encoded, and no host has one.
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (decode(user)?, Some(decode(password)?)),
            None => (decode(credentials)?, None),
        };
        let dbname = decode(path)?;

        // The hosts come first: if the URL was cut in a wrong place, this is where it shows.
        let hosts = if hosts.is_empty() { Vec::new() } else { authority_hosts(hosts)? };
        let parameters = Parameters::parse(query)?;
        let hosts = match (hosts.is_empty(), parameters.hosts) {
            (false, None) if parameters.ports.is_none() => hosts,
            (false, None) => {
                return Err("gives ports twice: behind a host, and as the parameter port".to_owned());
            }
            (true, Some(hosts)) => parameter_hosts(&hosts, parameters.ports.as_deref())?,
            (true, None) => return Err("names no host".to_owned()),
            (false, Some(_)) => {
                return Err("gives hosts twice: before the path, and as the parameter host".to_owned());
            }
        };
        values::refuse_repeated_hosts(&hosts).map_err(|_| "names the same host twice".to_owned())?;

        let user = only_one("the user", non_empty(user), parameters.user)?.ok_or("names no user")?;
        let password = only_one("the password", password.and_then(non_empty), parameters.password)?;
        // As PostgreSQL's own library has it, the database is called like the user if nothing else is said.
        let dbname =
            only_one("the database", non_empty(dbname), parameters.dbname)?.unwrap_or_else(|| user.clone());
        for (what, name) in [("user", &user), ("database", &dbname)] {
            values::database_identifier(name)
                .map_err(|expected| format!("names a {what} that is not {expected}"))?;
        }
        Ok(Self {
            hosts,
            user,
            password: password.map(Secret::new),
            dbname,
            tls: parameters.tls,
            root_certificates: parameters.root_certificates,
            application_name: parameters.application_name,
            connect_timeout: parameters.connect_timeout,
        })
    }
}

impl Parameters {
    fn parse(query: &str) -> Result<Self, String> {
        let mut parameters = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.set(name, decode(value)?)?;
        }
        Ok(parameters)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        if value.is_empty() {
            return Err(format!("has no value for {}", shown(name)));
        }
        let repeated = match name {
            "host" => self.hosts.replace(value).is_some(),
            "port" => self.ports.replace(value).is_some(),
            "user" => self.user.replace(value).is_some(),
            "password" => self.password.replace(value).is_some(),
            "dbname" => self.dbname.replace(value).is_some(),
            "sslmode" => {
                let mode = values::one_of(SSL_MODES)(&value)
                    .map_err(|words| format!("has an sslmode that is not supported; it takes {words}"))?;
                self.tls.replace(mode).is_some()
            }
            "sslrootcert" => self.root_certificates.replace(PathBuf::from(value)).is_some(),
            "application_name" => {
                let name =
                    values::text(&value).map_err(|_| "has an application_name with control characters")?;
                self.application_name.replace(name).is_some()
            }
            "connect_timeout" => {
                let seconds = values::number(1..=600_u64)(&value)
                    .map_err(|expected| format!("has a connect_timeout that is not {expected}"))?;
                self.connect_timeout.replace(Duration::from_secs(seconds)).is_some()
            }
            _ => return Err(format!("has {}, which is not known; known are {PARAMETERS}", shown(name))),
        };
        if repeated { Err(format!("has the parameter {name} twice")) } else { Ok(()) }
    }
}

/// The name of a parameter for an error, if it looks like one: else it may be a piece of something secret.
fn shown(name: &str) -> String {
    let looks_like_a_name =
        name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if looks_like_a_name { format!("the parameter {name}") } else { "a parameter".to_owned() }
}

/// Hosts before the path: separated by commas, each with its port.
fn authority_hosts(text: &str) -> Result<Vec<HostAddress>, String> {
    text.split(',')
        .map(|item| {
            let (host, port) = values::split_host_and_port(item)?;
            let port = match port {
                Some(port) => values::port_number(port).ok()?,
                None => DEFAULT_PORT,
            };
            Some(HostAddress { host: values::host_name(&decode(host).ok()?)?, port })
        })
        .collect::<Option<_>>()
        .ok_or_else(|| {
            "has a host or port that cannot be read; hosts are HOST:PORT or [IPV6]:PORT, separated by commas, and in \
             user and password the characters / ? # % : must be percent-encoded"
                .to_owned()
        })
}

/// Hosts of the parameter `host`, with one port for all or one for each.
fn parameter_hosts(hosts: &str, ports: Option<&str>) -> Result<Vec<HostAddress>, String> {
    let hosts = hosts
        .split(',')
        .map(values::host_name)
        .collect::<Option<Vec<String>>>()
        .ok_or("has a host that cannot be read in the parameter host")?;
    let ports = ports
        .map_or_else(|| Ok(vec![DEFAULT_PORT]), |ports| ports.split(',').map(values::port_number).collect())
        .map_err(|_: String| "has a port that cannot be read in the parameter port")?;
    match ports[..] {
        [port] => Ok(hosts.into_iter().map(|host| HostAddress { host, port }).collect()),
        _ if ports.len() == hosts.len() => {
            Ok(hosts.into_iter().zip(ports).map(|(host, port)| HostAddress { host, port }).collect())
        }
        _ => Err("has another number of ports than of hosts".to_owned()),
    }
}

fn decode(text: &str) -> Result<String, String> {
    let broken = text.split('%').skip(1).any(|after| {
        let bytes = after.as_bytes();
        bytes.len() < 2 || !bytes[..2].iter().all(u8::is_ascii_hexdigit)
    });
    if broken {
        return Err("has a % without two hexadecimal digits after it; write a % itself as %25".to_owned());
    }
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| "is not valid UTF-8 after percent-decoding".to_owned())?;
    if decoded.contains('\0') {
        return Err("holds a NUL character".to_owned());
    }
    Ok(decoded.into_owned())
}

fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn only_one(what: &str, first: Option<String>, second: Option<String>) -> Result<Option<String>, String> {
    match (first, second) {
        (Some(_), Some(_)) => Err(format!("gives {what} twice: in the URL itself, and as a parameter")),
        (first, second) => Ok(first.or(second)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> DatabaseUrl {
        DatabaseUrl::parse(url).unwrap()
    }

    fn hosts(url: &str) -> Vec<String> {
        parse(url).hosts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_complete_url_is_read() {
        let url = parse(
            "postgresql://ana:p%40ss%2Fw@h1:5432,h2:5433/hello?sslmode=verify-full&sslrootcert=/etc/ca.pem\
             &application_name=lab&connect_timeout=3",
        );
        assert_eq!(url.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["h1:5432", "h2:5433"]);
        assert_eq!(url.user, "ana");
        assert_eq!(url.password.unwrap().expose(), "p@ss/w");
        assert_eq!(url.dbname, "hello");
        assert_eq!(url.tls, Some(TlsMode::VerifyFull));
        assert_eq!(url.root_certificates, Some(PathBuf::from("/etc/ca.pem")));
        assert_eq!(url.application_name.as_deref(), Some("lab"));
        assert_eq!(url.connect_timeout, Some(Duration::from_secs(3)));
    }

    #[test]
    fn what_is_missing_has_defaults() {
        let url = parse("postgres://ana@db");
        assert_eq!(url.hosts, [HostAddress { host: "db".to_owned(), port: 5432 }]);
        assert!(url.password.is_none());
        assert_eq!(url.dbname, "ana");
        assert_eq!(url.tls, None);
    }

    #[test]
    fn ipv6_hosts_stand_in_brackets() {
        assert_eq!(
            hosts("postgres://ana@[::1]:6000,[fe80::1],db/x"),
            ["[::1]:6000", "[fe80::1]:5432", "db:5432"]
        );
    }

    #[test]
    fn a_unix_socket_is_a_host_that_is_a_directory() {
        assert_eq!(hosts("postgres:///hello?host=/run/postgresql&user=ana"), ["/run/postgresql:5432"]);
        assert_eq!(hosts("postgres://ana@/hello?host=/tmp/a,/tmp/b&port=1,2"), ["/tmp/a:1", "/tmp/b:2"]);
        assert_eq!(hosts("postgres://ana@%2Frun%2Fpostgresql/hello"), ["/run/postgresql:5432"]);
    }

    #[test]
    fn an_at_sign_in_a_password_need_not_be_encoded() {
        assert_eq!(parse("postgres://ana:p@ss@db/x").password.unwrap().expose(), "p@ss");
    }

    #[test]
    fn mistakes_are_named_without_the_password() {
        for (url, expected) in [
            ("mysql://u:hunter2@h/db", "must begin with"),
            ("u:hunter2@h/db", "must begin with"),
            ("postgres://u:hunter2@/db", "names no host"),
            ("postgres://:hunter2@h/db", "names no user"),
            ("postgres://u:hunter2/x@h/db", "has a host or port that cannot be read"),
            ("postgres://u:hunter2?x@h/db", "has a host or port that cannot be read"),
            ("postgres://u:hunter2@h:0/db", "has a host or port that cannot be read"),
            ("postgres://u:hunter2@h,,g/db", "has a host or port that cannot be read"),
            ("postgres://u:hunter2@h,h:5432/db", "names the same host twice"),
            ("postgres://u:hunter2%@h/db", "has a % without"),
            ("postgres://u:hunter2%ff@h/db", "is not valid UTF-8"),
            ("postgres://u:hunter2%00@h/db", "holds a NUL"),
            ("postgres://u:hunter2@h/db?sslmode=prefer", "takes disable or require or verify-full"),
            (
                "postgres://u:hunter2@h/db?target_session_attrs=any",
                "the parameter target_session_attrs, which is not",
            ),
            ("postgres://u@h/db?Hunter2@=1", "has a parameter, which is not known"),
            (
                "postgres://u:hunter2@h/db?connect_timeout=0",
                "connect_timeout that is not a whole number from 1",
            ),
            ("postgres://u:hunter2@h/db?sslmode=require&sslmode=disable", "has the parameter sslmode twice"),
            ("postgres://u:hunter2@h/db?host=g", "gives hosts twice"),
            ("postgres://u:hunter2@h/db?port=1", "gives ports twice"),
            ("postgres://u:hunter2@/db?host=g,f&port=1,2,3", "another number of ports"),
            ("postgres://u:hunter2@h/db?password=hunter2", "gives the password twice"),
            ("postgres://u:hunter2@h/db?sslmode", "has no value for the parameter sslmode"),
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err();
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.to_lowercase().contains("hunter2"), "{url}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = DatabaseUrl::parse(&text);
            let _ = DatabaseUrl::parse(&format!("postgres://{text}"));
        }

        #[test]
        fn any_password_survives_encoding(password in "[^\0]{1,40}") {
            let encoded = percent_encoding::utf8_percent_encode(&password, percent_encoding::NON_ALPHANUMERIC);
            let url = parse(&format!("postgres://ana:{encoded}@db/x"));
            let decoded = url.password.unwrap();
            proptest::prop_assert_eq!(decoded.expose(), password);
        }
    }
}
