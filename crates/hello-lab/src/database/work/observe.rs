//! Looking at an instance.

use super::{Work, replication};
use crate::{
    database::{
        error::DatabaseError,
        files::{self, Storage},
        plan::{Facts, Server, VolumeFacts},
        server,
        session::{self, Session},
    },
    network::netns::Namespace,
    timeouts,
};
use hello_pg::{NodeStatus, Role};
use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    time::Instant,
};

impl Work<'_> {
    /// Looks at everything. The session is one with the server, where that answers.
    pub(in crate::database) async fn observe(&self) -> Result<(Facts, Option<Session>), DatabaseError> {
        let volume = match &self.state.storage {
            None => VolumeFacts::Missing,
            Some(storage) if !self.volume().is_ready(storage) => VolumeFacts::Unmounted,
            Some(Storage::Bounded(bytes)) if *bytes < self.instance.storage => VolumeFacts::Small,
            Some(_) => VolumeFacts::Ready,
        };
        let namespace = self.namespace();
        let is_mounted = matches!(volume, VolumeFacts::Ready | VolumeFacts::Small);
        let (server, answered) = self.observe_server(&namespace).await?;
        let link = match (&answered, self.source()) {
            (Some((own, status)), Some(source)) if status.role == Role::Standby => {
                match self.source_session(source.key).await? {
                    Some(session) => {
                        // One that went away while it was asked is asked again the next time.
                        replication::link(&session, own, status, &self.files.identifier).await.ok()
                    }
                    None => None,
                }
            }
            _ => None,
        };
        let facts = Facts {
            should_run: self.instance.running && !self.state.stopped,
            rebooting: self.state.rebooting,
            should_follow: self.source().is_some(),
            is_full: is_mounted && self.volume().is_full(),
            has_data: is_mounted && self.has_data()?,
            missing_namespace: (!namespace.exists()).then(|| namespace.name().to_owned()),
            moved: self.state.endpoint.as_ref() != Some(&self.endpoint()),
            is_configured: self.is_configured()?,
            is_prepared: self.is_prepared(),
            is_synced: self.state.synced,
            volume,
            server,
            link,
        };
        Ok((facts, answered.map(|(session, _)| session)))
    }

    /// Is there data that can be relied on? What was not written out before a crash of the machine may be damaged.
    fn has_data(&self) -> Result<bool, DatabaseError> {
        let is_there = self.files.data().join("PG_VERSION").is_file();
        Ok(is_there && (self.state.synced || self.state.made_in_boot == files::boot()?))
    }

    async fn observe_server(
        &self,
        namespace: &Namespace,
    ) -> Result<(Server, Option<(Session, NodeStatus)>), DatabaseError> {
        let Some(running) = self.shared.adopt(&self.files)? else { return Ok((self.without_server(), None)) };
        let inside = namespace.holds(running.pid());
        self.shared.watch_adopted(&self.files.key, running);
        let port = self.state.endpoint.as_ref().map_or(self.instance.port, |endpoint| endpoint.port);
        let answer = session::answer(&self.files, port, Instant::now() + timeouts::DATABASE_PROBE).await;
        if answer.is_err() && self.shared.adopt(&self.files)?.is_none() {
            // It ended while it was asked.
            return Ok((self.without_server(), None));
        }
        let accepts = match answer {
            Ok(_) => accepts(namespace.clone(), SocketAddr::from((self.instance.address, port))).await,
            Err(_) => Ok(()),
        };
        let (answer, answered) = match answer {
            Ok((session, status)) => (Ok(status.role), Some((session, status))),
            Err(refusal) => (Err(refusal.reason), None),
        };
        Ok((Server::Up { inside, answer, accepts }, answered))
    }

    fn without_server(&self) -> Server {
        if server::members(&self.files.data()).is_empty() { Server::Down } else { Server::Remains }
    }

    fn is_configured(&self) -> Result<bool, DatabaseError> {
        if self.state.reload_pending {
            return Ok(false);
        }
        let rendered = self.render(&self.running_parameters(), self.state.synced)?;
        Ok(rendered.iter().all(|file| fs::read(&file.path).is_ok_and(|content| content == file.content)))
    }

    fn is_prepared(&self) -> bool {
        let last = self.state.password.as_ref();
        let is_set = |password| last.is_some_and(|fingerprint| fingerprint.is_of(password));
        self.state.prepared && self.instance.password.as_ref().is_none_or(is_set)
    }
}

/// Does the address take a connection, inside its namespace? Why not in words.
pub(in crate::database) async fn accepts(namespace: Namespace, address: SocketAddr) -> Result<(), String> {
    let connected = tokio::task::spawn_blocking(move || {
        // Nothing is sent: the server takes that for a look at its port, and logs nothing.
        namespace.run(move || TcpStream::connect_timeout(&address, timeouts::DATABASE_PROBE).map(drop))
    });
    let connected = connected.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    connected.map_err(|error| format!("{address} does not accept connections: {error}"))
}
