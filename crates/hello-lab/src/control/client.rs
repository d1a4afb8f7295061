//! The side of the command line.

use super::{Reply, Request};
use crate::timeouts;
use std::{io, path::Path, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
};

/// Why the daemon gave no answer, or which one it gave.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error(
        "the lab {lab:?} does not run: `hello-lab --lab {lab} up` starts it, with --no-apply if it was started so"
    )]
    NotRunning {
        /// Its name.
        lab: String,
    },
    /// Only root may ask.
    #[error("this needs root: run it with sudo")]
    NotRoot,
    /// The connection broke.
    #[error(
        "the daemon of the lab {lab:?} has gone away in the middle of an answer; `hello-lab --lab {lab} up --no-apply` starts it again and loses nothing"
    )]
    Broken {
        /// The lab's name.
        lab: String,
        /// What happened to the connection.
        #[source]
        cause: io::Error,
    },
    /// The daemon is there and says nothing.
    #[error(
        "the daemon of the lab {lab:?} has said nothing for {} s: it is stopped, or the machine is overloaded; `hello-lab --lab {lab} down` ends it all the same",
        after.as_secs()
    )]
    Silent {
        /// The lab's name.
        lab: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The daemon says no.
    #[error("{0}")]
    Refused(String),
}

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    lab: String,
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the daemon of a lab.
    pub async fn connect(lab: &str, socket: &Path) -> Result<Client, ControlError> {
        let connect = tokio::time::timeout(timeouts::CONTROL_CONNECT, UnixStream::connect(socket));
        match connect.await {
            Ok(Ok(stream)) => Ok(Client { lab: lab.to_owned(), stream: BufReader::new(stream) }),
            Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => Err(ControlError::NotRoot),
            Ok(Err(_)) | Err(_) => Err(ControlError::NotRunning { lab: lab.to_owned() }),
        }
    }

    /// Asks, hands each line to `show` as it comes, and returns the result.
    pub async fn ask(
        mut self,
        request: &Request,
        mut show: impl FnMut(&str),
    ) -> Result<String, ControlError> {
        let lab = self.lab.clone();
        let broken = |cause| ControlError::Broken { lab: lab.clone(), cause };
        let mut line = serde_json::to_vec(request).expect("a request is JSON");
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).await.map_err(&broken)?;
        let mut lines = self.stream.lines();
        loop {
            let line = match request.silence() {
                None => lines.next_line().await,
                Some(after) => match tokio::time::timeout(after, lines.next_line()).await {
                    Ok(line) => line,
                    Err(_) => return Err(ControlError::Silent { lab: self.lab, after }),
                },
            };
            let Some(line) = line.map_err(&broken)? else {
                return Err(broken(io::ErrorKind::UnexpectedEof.into()));
            };
            match serde_json::from_str(&line).map_err(|error| broken(error.into()))? {
                Reply::Line(text) => show(&text),
                Reply::Done(result) => return Ok(result),
                Reply::Error(sentence) => return Err(ControlError::Refused(sentence)),
            }
        }
    }
}
