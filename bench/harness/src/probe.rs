//! Single requests: how long until a started server answers, and whether it does what it is measured for.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::contender::Contender;
use crate::postgres::Postgres;
use crate::process::Running;
use crate::{interrupt, users};

/// How long a server may take to its first greeting.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a started server took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartTime {
    /// Until it answered at all, were it with 503.
    pub(crate) first_answer: Duration,
    /// Until it greeted a user.
    pub(crate) first_greeting: Duration,
}

fn name(number: u32) -> String {
    String::from_utf8_lossy(&users::username(number)).into_owned()
}

fn request(address: SocketAddr, method: &str, username: &str, body: &str) -> Result<(u16, String)> {
    let timeout = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    let content = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
    };
    let head = format!(
        "{method} /hello/{username} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{content}\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

/// Waits for the first greeting of a server that was started at `since`.
pub(crate) fn wait_until_greeting(
    address: SocketAddr,
    server: &mut Running,
    since: Instant,
) -> Result<StartTime> {
    let username = name(0);
    let mut first_answer = None;
    loop {
        server.check().context("the server does not start")?;
        interrupt::check()?;
        if let Ok((status, _)) = request(address, "GET", &username, "") {
            let answered = *first_answer.get_or_insert_with(|| since.elapsed());
            if status == 200 {
                return Ok(StartTime { first_answer: answered, first_greeting: since.elapsed() });
            }
        }
        ensure!(since.elapsed() < START_TIMEOUT, "no greeting within {} s", START_TIMEOUT.as_secs());
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Checks that a write is in the database when it is answered, that a greeting is for who was asked for,
/// and that an impossible date is refused.
pub(crate) fn verify(contender: Contender, address: SocketAddr, postgres: &Postgres) -> Result<()> {
    let username = name(1);
    for date in ["1987-06-05", "1988-07-06"] {
        let (status, body) = request(address, "PUT", &username, &format!("{{\"dateOfBirth\":\"{date}\"}}"))?;
        ensure!(matches!(status, 201 | 204), "PUT is answered with {status} {body}");
        if let Some(database) = contender.database() {
            let sql = format!("select date_of_birth from users where username = '{username}'");
            let stored = postgres.query(database, &sql)?;
            ensure!(stored == date, "PUT of {date} is acknowledged, but `{stored}` is stored");
        }
    }
    let (status, body) = request(address, "GET", &username, "")?;
    if status != 200 || !body.starts_with(&format!("{{\"message\":\"Hello, {username}! ")) {
        bail!("GET is answered with {status} {body}");
    }
    let (status, _) = request(address, "PUT", &username, "{\"dateOfBirth\":\"not-a-date\"}")?;
    // The framework alone looks at the length only.
    ensure!(status == 400 || contender == Contender::Nodb, "a bad date is answered with {status}");
    Ok(())
}
