//! The files of a server's configuration: written, checked, and read again by a running server.

use super::Work;
use crate::{
    database::{
        configuration,
        error::{DatabaseError, Doing as _},
        files, password, replication, server,
    },
    timeouts,
};
use nix::sys::signal::Signal;
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Instant, SystemTime},
};

/// A file of a server's configuration.
pub(super) struct Rendered {
    pub(super) path: PathBuf,
    pub(super) content: Vec<u8>,
    mode: u32,
}

impl Work<'_> {
    pub(super) fn running_parameters(&self) -> BTreeMap<String, String> {
        self.parameters.without_restart(&self.state.parameters, &self.catalogue)
    }

    /// All files of the configuration with these parameters.
    pub(super) fn render(
        &self,
        parameters: &BTreeMap<String, String>,
        is_durable: bool,
    ) -> Result<Vec<Rendered>, DatabaseError> {
        let tls = &self.instance.tls;
        let read = |path: &PathBuf| fs::read(path).at("read", path);
        let file = |name: &str, mode, content| Rendered { path: self.files.run.join(name), content, mode };
        let source = self.source();
        let config =
            configuration::postgresql_conf(self.instance, &self.files, parameters, source, is_durable);
        let mut rendered = vec![
            file("pg_hba.conf", 0o644, configuration::pg_hba_conf(self.instance, parameters).into_bytes()),
            file("pg_ident.conf", 0o644, configuration::pg_ident_conf(self.user.name).into_bytes()),
            file("server.crt", 0o644, read(&tls.certificate)?),
            file("server.key", 0o600, read(&tls.key)?),
            file("ca.crt", 0o644, read(&tls.ca)?),
            file("postgresql.conf", 0o644, config.into_bytes()),
        ];
        if source.is_some() {
            let password = password::of_replication(&self.shared.lab)?;
            let line = format!("*:*:*:{}:{}\n", configuration::REPLICATION_USER, password.reveal());
            rendered.push(file("replication.pass", 0o600, line.into_bytes()));
        }
        Ok(rendered)
    }

    /// Writes the configuration, unless PostgreSQL refuses it.
    pub(super) async fn configure(
        &self,
        parameters: &BTreeMap<String, String>,
        is_durable: bool,
    ) -> Result<(), DatabaseError> {
        let rendered = self.render(parameters, is_durable)?;
        for file in &rendered {
            if file.path == self.files.config() && fs::read(&file.path).ok().as_ref() != Some(&file.content) {
                self.check(&file.content).await?;
            }
        }
        for file in &rendered {
            files::write_file(&file.path, &file.content, file.mode, Some(self.user))?;
        }
        Ok(())
    }

    /// Has PostgreSQL read a configuration and do nothing else.
    async fn check(&self, config: &[u8]) -> Result<(), DatabaseError> {
        let candidate = self.files.run.join("postgresql.conf.candidate");
        files::write_file(&candidate, config, 0o644, Some(self.user))?;
        let mut arguments = ["-C", "max_connections", "-D"].map(Into::into).to_vec();
        arguments.extend([self.files.run.clone().into(), "-c".into()]);
        arguments.push(format!("config_file={}", candidate.display()).into());
        let checked = self.tool(self.installation.server(), arguments).run().await;
        files::remove_file(&candidate)?;
        match checked {
            Err(DatabaseError::Program { identifier, output, .. }) => {
                Err(DatabaseError::Configuration { identifier, reason: output })
            }
            checked => checked.map(|_| ()),
        }
    }

    /// The parameters of the group, as far as the server can start with them.
    pub(super) async fn startable_parameters(&self) -> Result<BTreeMap<String, String>, DatabaseError> {
        let wanted = &self.parameters.values;
        if self.source().is_none() {
            return Ok(wanted.clone());
        }
        let arguments = vec!["-D".into(), self.files.data().into()];
        let said = self.tool(self.installation.program("pg_controldata"), arguments).run().await?;
        Ok(replication::startable(wanted, &said))
    }

    pub(super) async fn reconfigure(&mut self, is_durable: bool) -> Result<(), DatabaseError> {
        let parameters = self.running_parameters();
        self.state.reload_pending = true;
        self.save()?;
        self.configure(&parameters, is_durable).await?;
        let before = self.load_time().await?;
        let running = self.shared.adopt(&self.files)?;
        if let Some(running) = running {
            running.signal(Signal::SIGHUP).doing(|| format!("reload {}", self.files.process()))?;
        }
        // A session that begins after this has the new values.
        let deadline = Instant::now() + timeouts::DATABASE_STATEMENT;
        while self.load_time().await? == before {
            if Instant::now() >= deadline {
                return Err(DatabaseError::TimedOut {
                    identifier: self.files.identifier.clone(),
                    what: "reading its configuration".to_owned(),
                    limit: timeouts::DATABASE_STATEMENT,
                    status: server::last_words(&self.files),
                });
            }
            tokio::time::sleep(timeouts::DATABASE_PAUSE).await;
        }
        self.state.parameters = parameters;
        self.state.reload_pending = false;
        self.save()
    }

    async fn load_time(&self) -> Result<SystemTime, DatabaseError> {
        let session = self.session().await?;
        let asked = session.client().query_one("select pg_conf_load_time()", &[]);
        Ok(session.ask("ask when the configuration was read", asked).await?.get(0))
    }
}
