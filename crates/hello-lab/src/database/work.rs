//! Working on one instance: looking, in `observe`, and doing one step, here, with `configure` for a server's files and
//! `tidy` for what nobody needs any more.

mod configure;
mod observe;
mod tidy;

pub(super) use self::{observe::accepts, tidy::drop_slots};

use super::{
    Shared,
    configuration::{SUPERUSER, Source},
    error::{DatabaseError, Doing as _},
    files::{self, Endpoint, Files, ServerUser, State, Storage},
    installation::Installation,
    model::{Instance, Origin, Status},
    parameters::{Parameters, catalogue::Catalogue},
    password::{self, Fingerprint},
    plan::Step,
    replication,
    roles::{self, Master},
    server::{self, Ending},
    session::{self, Session},
    snapshot,
    storage::Volume,
    tool::{self, Tool},
};
use crate::{network::netns::Namespace, timeouts};
use hello_pg::control::{self, ControlError};
use std::{fs, path::PathBuf, sync::Arc, time::Instant};
use tokio_postgres::error::SqlState;

/// What is at hand while one instance is worked on.
pub(super) struct Work<'a> {
    pub(super) shared: &'a Shared,
    pub(super) instance: &'a Instance,
    pub(super) files: Files,
    pub(super) state: State,
    pub(super) parameters: Parameters,
    catalogue: Arc<Catalogue>,
    installation: Installation,
    user: ServerUser,
}

/// How a step ended.
pub(super) enum Progress {
    /// It is done.
    Made,
    /// It has to be tried again later; until then this is what the instance is.
    Waits(Status),
}

impl<'a> Work<'a> {
    /// Checks what is wanted before anything is made.
    pub(super) async fn begin(shared: &'a Shared, instance: &'a Instance) -> Result<Work<'a>, DatabaseError> {
        let files = Files::of(&shared.lab, &instance.key())?;
        let installation = Installation::find(&shared.lab, &instance.identifier, instance.major_version)?;
        let user = ServerUser::find()?;
        files.make_directories(user)?;
        let state = files.read_state()?.unwrap_or_default();
        if matches!(instance.origin, Origin::New { .. }) && instance.user.is_none() && !state.prepared {
            return Err(DatabaseError::NoUser(instance.identifier.clone()));
        }
        let catalogue = shared.catalogue(&installation).await?;
        let parameters = Parameters::of(instance, &catalogue, &installation.libraries())
            .map_err(|source| DatabaseError::Parameter { identifier: instance.identifier.clone(), source })?;
        Ok(Work { shared, instance, files, state, parameters, catalogue, installation, user })
    }

    pub(super) fn save(&self) -> Result<(), DatabaseError> {
        self.files.write_state(&self.state)
    }

    fn volume(&self) -> Volume<'_> {
        Volume { processes: &self.shared.processes, files: &self.files, user: self.user }
    }

    fn namespace(&self) -> Namespace {
        Namespace::named(&self.instance.namespace)
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint {
            namespace: self.instance.namespace.clone(),
            address: self.instance.address,
            port: self.instance.port,
        }
    }

    /// The source to follow.
    fn source(&self) -> Option<Source<'_>> {
        if self.state.promoted { None } else { Source::of(self.instance) }
    }

    /// A session with the source, when that answers.
    async fn source_session(&self, key: &str) -> Result<Option<Session>, DatabaseError> {
        let files = Files::of(&self.shared.lab, key)?;
        let Some(state) = files.read_state()? else { return Ok(None) };
        Ok(Session::with_source(&files, &state).await)
    }

    async fn session(&self) -> Result<Session, DatabaseError> {
        let port = self.state.endpoint.as_ref().map_or(self.instance.port, |endpoint| endpoint.port);
        let connected = Session::connect(&self.files, port).await;
        connected.map_err(|refusal| DatabaseError::State {
            identifier: self.files.identifier.clone(),
            what: "connected to",
            reason: refusal.reason,
        })
    }

    fn tool(&self, program: PathBuf, arguments: Vec<std::ffi::OsString>) -> Tool<'_> {
        Tool {
            processes: &self.shared.processes,
            owner: self.files.owner(),
            program,
            arguments,
            user: Some(self.user),
            namespace: None,
            limit: timeouts::DATABASE_TOOL,
        }
    }

    /// Does one step.
    pub(super) async fn execute(&mut self, step: Step) -> Result<Progress, DatabaseError> {
        tracing::debug!(instance = self.files.identifier, ?step, "database step");
        match step {
            Step::Stop => server::stop(&self.shared.processes, &self.files, Ending::Clean).await?,
            Step::Clear => server::kill_members(&self.files.data()).await?,
            Step::MakeVolume => {
                self.state.storage = Some(self.volume().make(self.instance.storage).await?);
                self.save()?;
            }
            Step::Mount => self.volume().mount().await?,
            Step::Grow => self.grow().await?,
            Step::MakeData => return self.make_data().await,
            Step::Discard => self.discard().await?,
            Step::Start => return self.start().await,
            Step::MakeSlot => self.make_slot().await?,
            Step::Promote => self.promote().await?,
            Step::NotePromotion => {
                self.state.promoted = true;
                self.save()?;
            }
            Step::Reconfigure => self.reconfigure(self.state.synced).await?,
            Step::Prepare => self.prepare().await?,
            Step::Sync => self.sync().await?,
        }
        Ok(Progress::Made)
    }

    /// As RDS does, without an interruption; where the kernel does not allow that, with a restart.
    async fn grow(&mut self) -> Result<(), DatabaseError> {
        let bytes = self.instance.storage;
        match self.volume().grow(bytes).await {
            Err(DatabaseError::Program { output, .. }) => {
                self.volume().check_alone()?;
                tracing::warn!(
                    instance = self.files.identifier,
                    output,
                    "storage cannot grow in use; the server is restarted"
                );
                server::stop(&self.shared.processes, &self.files, Ending::Clean).await?;
                self.volume().grow_unused(bytes).await?;
            }
            grown => grown?,
        }
        self.state.storage = Some(Storage::Bounded(bytes));
        self.save()
    }

    /// Makes PGDATA under another name and renames it once it is whole.
    async fn make_data(&mut self) -> Result<Progress, DatabaseError> {
        let unfinished = self.files.unfinished();
        tool::end_all(&self.shared.processes, &self.files).await?;
        server::kill_members(&unfinished).await?;
        files::remove_directory(&unfinished)?;
        files::remove_directory(&self.files.data())?;
        self.state.synced = false;
        self.state.prepared = false;
        self.state.made_in_boot = files::boot()?;
        self.save()?;
        // Nobody wants an empty database in place of one that was promoted.
        let gone = || {
            let reason = "it was promoted, and its data is gone; delete it and make it anew";
            Ok(Progress::Waits(Status::Failed(reason.to_owned())))
        };
        match (&self.instance.origin, self.source()) {
            (Origin::New { .. }, _) if self.state.promoted => return gone(),
            (Origin::Replica { .. }, None) => return gone(),
            (Origin::New { .. }, _) => self.initialise().await?,
            (Origin::Snapshot { name }, _) => self.copy().restore(name, self.installation.major).await?,
            (Origin::Replica { .. }, Some(source)) => {
                let key = source.key.to_owned();
                let session = self.source_session(&key).await?;
                let is_ready = match &session {
                    Some(session) => replication::is_source_prepared(session).await?,
                    None => false,
                };
                let Some(session) = session.filter(|_| is_ready) else {
                    return Ok(Progress::Waits(Status::Creating));
                };
                self.state.slots.insert(key);
                self.save()?;
                self.follow(&session).await?;
            }
        }
        // Roles and databases came with a copy.
        self.state.prepared = !matches!(self.instance.origin, Origin::New { .. });
        self.save()?;
        fs::rename(&unfinished, self.files.data()).at("make", &self.files.data())?;
        Ok(Progress::Made)
    }

    /// Nothing waits for the disk here either; see [`replication::base_backup`].
    async fn initialise(&self) -> Result<(), DatabaseError> {
        let mut arguments = vec!["-D".into(), self.files.unfinished().into(), "-U".into(), SUPERUSER.into()];
        let options =
            ["-A", "peer", "-E", "UTF8", "--locale=C.UTF-8", "-k", "--no-sync", "--no-instructions"];
        arguments.extend(options.map(Into::into));
        self.tool(self.installation.program("initdb"), arguments).run().await.map(|_| ())
    }

    async fn follow(&self, session: &Session) -> Result<(), DatabaseError> {
        let Some(source) = self.source() else { return Ok(()) };
        self.configure(&self.parameters.values, self.state.synced).await?;
        // One that was left by an earlier attempt may have been invalidated.
        replication::drop_slot(session, &self.files.identifier).await?;
        replication::make_slot(session, &self.files.identifier).await?;
        replication::base_backup(
            &self.shared.processes,
            &self.files,
            &self.installation,
            self.user,
            self.namespace(),
            source,
        )
        .await?;
        // A copy of a replica has it already.
        files::write_file(&self.files.unfinished().join("standby.signal"), b"", 0o600, Some(self.user))
    }

    fn copy(&self) -> snapshot::Copy<'_> {
        snapshot::Copy {
            lab: &self.shared.lab,
            processes: &self.shared.processes,
            files: &self.files,
            user: self.user,
        }
    }

    async fn discard(&mut self) -> Result<(), DatabaseError> {
        tracing::warn!(
            instance = self.files.identifier,
            "the replica cannot catch up with its source; it is made anew"
        );
        server::stop(&self.shared.processes, &self.files, Ending::Immediate).await?;
        server::forget_shared_memory(&self.shared.processes, &self.files).await?;
        let unfinished = self.files.unfinished();
        files::remove_directory(&unfinished)?;
        fs::rename(self.files.data(), &unfinished).at("remove", &self.files.data())
    }

    async fn start(&mut self) -> Result<Progress, DatabaseError> {
        let found = snapshot::major_of(&self.files)?;
        if found != self.instance.major_version {
            return Err(DatabaseError::DataVersion {
                identifier: self.files.identifier.clone(),
                found: found.to_string(),
                wanted: self.instance.major_version,
            });
        }
        self.shared.lay_out(&self.installation).await?;
        let parameters = self.startable_parameters().await?;
        self.configure(&parameters, self.state.synced).await?;
        self.state.endpoint = Some(self.endpoint());
        self.state.parameters = parameters;
        self.state.reload_pending = false;
        self.save()?;
        self.shared.reaped(&self.files.key).await;
        let running = server::start(
            &self.shared.processes,
            &self.files,
            &self.installation,
            self.user,
            self.namespace(),
        )?;
        let pid = running.pid();
        self.shared.watch(&self.files.key, running);

        let deadline = Instant::now() + timeouts::DATABASE_START;
        loop {
            let answer = session::answer(&self.files, self.instance.port, Instant::now()).await;
            let Err(refusal) = answer else { break };
            let is_alive = self.shared.adopt(&self.files)?.is_some_and(|running| running.pid() == pid);
            if !is_alive || Instant::now() >= deadline {
                return Ok(Progress::Waits(if self.volume().is_full() {
                    Status::StorageFull
                } else if is_alive {
                    Status::Failed(format!("it did not answer after its start: {}", refusal.reason))
                } else {
                    Status::Failed(format!("it ended at its start: {}", server::last_words(&self.files)))
                }));
            }
            tokio::time::sleep(timeouts::DATABASE_PAUSE).await;
        }
        if self.state.rebooting {
            self.state.rebooting = false;
            self.save()?;
        }
        Ok(Progress::Made)
    }

    async fn make_slot(&mut self) -> Result<(), DatabaseError> {
        let Some(key) = self.source().map(|source| source.key.to_owned()) else { return Ok(()) };
        let Some(session) = self.source_session(&key).await? else { return Ok(()) };
        self.state.slots.insert(key);
        self.save()?;
        replication::make_slot(&session, &self.files.identifier).await
    }

    pub(super) async fn promote(&mut self) -> Result<(), DatabaseError> {
        // Said first: a daemon that is killed now goes on here.
        self.state.promoted = true;
        self.save()?;
        promote(&self.session().await?, &self.files).await
    }

    /// From now on every commit is on the disk, and all that was done before is too.
    async fn sync(&mut self) -> Result<(), DatabaseError> {
        // While nothing waits for the disk. Else the first base backup would, for each file.
        self.session().await?.run("write a checkpoint", "checkpoint").await?;
        self.reconfigure(true).await?;
        self.volume().sync().await?;
        self.state.synced = true;
        self.save()
    }

    async fn prepare(&mut self) -> Result<(), DatabaseError> {
        let session = self.session().await?;
        let password = self.instance.password.as_ref();
        match (&self.instance.origin, &self.instance.user) {
            (Origin::New { database }, Some(user)) if !self.state.prepared => {
                let master = Master { user, password, database: database.as_deref() };
                let replication_password = password::of_replication(&self.shared.lab)?;
                roles::prepare(&session, self.installation.major, &master, &replication_password).await?;
            }
            (_, user) => {
                if let Some(password) = password {
                    let user = match user {
                        Some(user) => user.clone(),
                        None => roles::master(&session).await?,
                    };
                    roles::set_password(&session, &user, password).await?;
                }
            }
        }
        self.state.prepared = true;
        if let Some(password) = password {
            self.state.password = Some(Fingerprint::of(password)?);
        }
        self.save()
    }
}

/// Promotes a standby.
pub(super) async fn promote(session: &Session, files: &Files) -> Result<(), DatabaseError> {
    match control::promote(session.client(), timeouts::DATABASE_PROMOTION).await {
        Ok(()) => Ok(()),
        // It was asked for before, by a daemon that was killed, and has just come to its end.
        Err(ControlError::Query { source, .. })
            if source.code() == Some(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE) =>
        {
            Ok(())
        }
        Err(error) => Err(DatabaseError::Statement {
            identifier: files.identifier.clone(),
            what: "promote it",
            source: session::with_causes(&error).into(),
        }),
    }
}
