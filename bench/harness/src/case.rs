//! One case: what is asked, over how many connections.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail};

/// What the requests of a case are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `GET /hello/{username}` of a random user.
    Read,
    /// `PUT /hello/{username}` of a random user with a random date.
    Write,
    /// 95 reads to 5 writes.
    Mixed,
}

impl Kind {
    /// The share of writes, in percent.
    pub(crate) fn writes_percent(self) -> u8 {
        match self {
            Self::Read => 0,
            Self::Write => 100,
            Self::Mixed => 5,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Mixed => "mixed",
        })
    }
}

/// A kind of request over a number of connections, written `read:256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) connections: u16,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.connections)
    }
}

impl FromStr for Case {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, connections) = text.split_once(':').context("a case looks like read:256")?;
        let kind = match kind {
            "read" => Kind::Read,
            "write" => Kind::Write,
            "mixed" => Kind::Mixed,
            other => bail!("`{other}` is none of read, write, mixed"),
        };
        let connections = connections.parse().context("the connections of a case are a number")?;
        if !(1..=1024).contains(&connections) {
            bail!("a case has 1 to 1024 connections");
        }
        Ok(Self { kind, connections })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_reads_as_it_is_written() {
        for text in ["read:1", "write:256", "mixed:32"] {
            assert_eq!(text.parse::<Case>().unwrap().to_string(), text);
        }
        for text in ["read", "read:0", "read:99999", "delete:1", "read:x"] {
            assert!(text.parse::<Case>().is_err(), "{text} is no case");
        }
    }
}
