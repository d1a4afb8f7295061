//! How the text of a setting is read.
//!
//! Errors are the end of a sentence that begins with "expected".

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};

use super::HttpUrl;

/// Where a PostgreSQL server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostAddress {
    /// A name, an address without brackets, or the absolute path of a directory with a unix socket.
    pub host: String,
    /// The port; of a unix socket, the number in the socket's name.
    pub port: u16,
}

impl HostAddress {
    /// Whether the host is a directory with a unix socket. TLS does not apply there.
    pub fn is_unix_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Whether what is sent to the host never leaves this machine.
    pub fn is_local(&self) -> bool {
        self.is_unix_socket()
            || self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(formatter, "[{host}]:{port}")
        } else {
            write!(formatter, "{host}:{port}")
        }
    }
}

/// A time with a unit: `20s`, `1500ms`, `2m`, `1h`, or plain seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    /// Longer than any of the settings can sensibly be, and safe to add to a clock.
    const MAX: Duration = Duration::from_secs(24 * 60 * 60);
    let expected = || "a duration up to 24h, such as 20s, 1500ms, 2m, or plain seconds".to_owned();
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| expected())?;
    let milliseconds_per_unit = match &text[digits..] {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(expected()),
    };
    number
        .checked_mul(milliseconds_per_unit)
        .map(Duration::from_millis)
        .filter(|duration| *duration <= MAX)
        .ok_or_else(expected)
}

/// A duration that is not zero.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("a duration longer than zero".to_owned()),
        duration => Ok(duration),
    }
}

/// A whole number in that range.
pub(super) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + fmt::Display,
{
    move |text| {
        // Digits only: `FromStr` would take a plus sign too.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && range.contains(&number) => Ok(number),
            _ => Err(format!("a whole number from {} to {}", range.start(), range.end())),
        }
    }
}

/// One of some words.
pub(super) fn one_of<T: Copy>(words: &[(&str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let value = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        value.ok_or_else(|| words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or "))
    }
}

/// An address with a port.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "an IP address with a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080".to_owned()
    })
}

/// An address with a port, or `off`.
pub(super) fn socket_address_or_off(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    socket_address(text).map(Some).map_err(|expected| format!("off, or {expected}"))
}

/// A URL of plain HTTP. User names and fragments make no sense here and are refused.
pub(super) fn http_url(text: &str) -> Result<HttpUrl, String> {
    let expected = || "a URL such as http://127.0.0.1:8080/health (without TLS)".to_owned();
    let rest = text.strip_prefix("http://").ok_or_else(expected)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = split_host_and_port(authority).ok_or_else(expected)?;
    let host = host_name(host).filter(|host| !host.starts_with('/')).ok_or_else(expected)?;
    let port = port.map_or(Ok(80), port_number).map_err(|_| expected())?;
    if path.contains('#') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(expected());
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(HttpUrl { host, port, path })
}

/// Text that is not empty and has no control characters.
pub(super) fn text(text: &str) -> Result<String, String> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("text without control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// The name of a role or database in PostgreSQL, which cuts longer ones off without a word.
pub(super) fn database_identifier(text: &str) -> Result<String, String> {
    const MAX_BYTES: usize = 63;
    if text.is_empty() || text.len() > MAX_BYTES || text.chars().any(char::is_control) {
        return Err(format!("a name of 1 to {MAX_BYTES} bytes without control characters"));
    }
    Ok(text.to_owned())
}

/// Levels, for everything or by target.
pub(super) fn log_filter(text: &str) -> Result<Targets, String> {
    let expected = || {
        "off, error, warn, info, debug or trace, and TARGET=LEVEL for parts, separated by commas (such as \
         info,hello_you::access=off)"
            .to_owned()
    };
    // The library knows more spellings (numbers, nothing at all), which only hide mistakes.
    let is_level = |word: &str| {
        ["off", "error", "warn", "info", "debug", "trace"]
            .iter()
            .any(|level| level.eq_ignore_ascii_case(word))
    };
    let mut names_level_for_all = false;
    for directive in text.split(',') {
        // The library reads a bare word that is no level as a target: a misspelt level would silence everything else.
        let level = match directive.split_once('=') {
            Some(("", _)) => return Err(expected()),
            Some((_, level)) => level,
            None => {
                names_level_for_all = true;
                directive
            }
        };
        if !is_level(level) {
            return Err(expected());
        }
    }
    let targets: Targets = text.parse().map_err(|_| expected())?;
    Ok(if names_level_for_all { targets } else { targets.with_default(LevelFilter::INFO) })
}

/// Hosts separated by commas: `host`, `host:port`, `[v6]:port`, or the directory of a unix socket.
pub(super) fn host_list(text: &str, default_port: u16) -> Result<Vec<HostAddress>, String> {
    if text.contains("://") {
        return Err("hosts, not a URL (that goes into DATABASE_URL)".to_owned());
    }
    let hosts =
        text.split(',').map(|item| host_address(item.trim(), default_port)).collect::<Result<Vec<_>, _>>()?;
    refuse_repeated_hosts(&hosts)?;
    Ok(hosts)
}

/// One host, with a port or without.
pub(super) fn host_address(text: &str, default_port: u16) -> Result<HostAddress, String> {
    let expected = || "HOST, HOST:PORT or [IPV6]:PORT, separated by commas".to_owned();
    let (host, port) = split_host_and_port(text).ok_or_else(expected)?;
    let port = match port {
        Some(port) => port_number(port).map_err(|_| expected())?,
        None => default_port,
    };
    let host = host_name(host).ok_or_else(expected)?;
    Ok(HostAddress { host, port })
}

/// Splits at the colon before the port, but not at those in brackets. Takes the brackets off.
pub(super) fn split_host_and_port(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        return match rest {
            "" => Some((host, None)),
            _ => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    match text.split_once(':') {
        // An IPv6 address without brackets: which colon is the port's cannot be known.
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
        None => Some((text, None)),
    }
}

/// A host as [`HostAddress`] keeps it, if the text can be one.
pub(super) fn host_name(text: &str) -> Option<String> {
    let is_path = Path::new(text).is_absolute() && !text.contains('\0');
    let is_name = !text.is_empty()
        && text.len() <= 253
        && text.chars().all(|character| character.is_alphanumeric() || matches!(character, '-' | '.' | '_'));
    let is_address = text.parse::<Ipv6Addr>().is_ok();
    (is_path || is_name || is_address).then(|| text.to_owned())
}

/// A port that can be connected to.
pub(super) fn port_number(text: &str) -> Result<u16, String> {
    number(1..=u16::MAX)(text)
}

/// The same host twice would be observed, and counted, as two.
pub(super) fn refuse_repeated_hosts(hosts: &[HostAddress]) -> Result<(), String> {
    let repeated = hosts.iter().enumerate().any(|(index, host)| hosts[..index].contains(host));
    if repeated { Err("each host once".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn other_durations_are_refused() {
        for text in ["", "s", "-1s", "+1s", "1.5s", "1 s", "1S", "1d", "25h", "99999999999999999999", "1sé"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(positive_duration("0ms").is_err());
    }

    #[test]
    fn numbers_are_digits_in_range() {
        assert_eq!(number(4..=1000_u32)("12"), Ok(12));
        for text in ["", "3", "1001", "+5", "-5", "5.0", "0x10", "99999999999"] {
            assert!(number(4..=1000_u32)(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_come_with_or_without_port() {
        let hosts =
            host_list("db-1.example, db2:6000,[::1]:6001,[::2],10.0.0.1,/run/postgresql", 5432).unwrap();
        let shown: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "db-1.example:5432",
                "db2:6000",
                "[::1]:6001",
                "[::2]:5432",
                "10.0.0.1:5432",
                "/run/postgresql:5432"
            ]
        );
    }

    #[test]
    fn other_hosts_are_refused() {
        for text in
            ["", ",", "a,", "a,,b", "::1", "a:b", "a:0", "a:70000", "[a]:1", "[::1", "[::1]x", "a b", "a/b"]
        {
            assert!(host_list(text, 5432).is_err(), "{text}");
        }
        assert!(host_list("a,b,a:5432", 5432).is_err());
    }

    #[test]
    fn a_misspelt_level_is_refused() {
        for text in ["", "inof", "info,", "hello_you=loud", "=info", "3", "hello_you=3"] {
            assert!(log_filter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_filter_of_targets_alone_leaves_the_rest_at_info() {
        let filter = log_filter("hello_you::access=off").unwrap();
        assert!(!filter.would_enable("hello_you::access", &tracing::Level::ERROR));
        assert!(filter.would_enable("hello_you", &tracing::Level::INFO));
        assert!(!filter.would_enable("hello_you", &tracing::Level::DEBUG));
    }

    #[test]
    fn local_hosts_are_loopback_and_sockets() {
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "::1", "/run/postgresql"] {
            assert!(HostAddress { host: host.to_owned(), port: 1 }.is_local(), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "::2"] {
            assert!(!HostAddress { host: host.to_owned(), port: 1 }.is_local(), "{host}");
        }
    }
}
