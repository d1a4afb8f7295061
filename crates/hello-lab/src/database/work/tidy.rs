//! Removing what an instance does not need any more.

use super::Work;
use crate::database::{
    Shared, configuration,
    error::{DatabaseError, Doing as _},
    files::{self, Files, State},
    parameters::LOG_RETENTION,
    replication,
    session::Session,
};
use std::{
    fs,
    time::{Duration, SystemTime},
};

/// RDS's default of `rds.log_retention_period`, in minutes.
const LOG_RETENTION_MINUTES: u64 = 4320;

impl Work<'_> {
    /// Removes what nobody needs: slots of ours on other sources, slots of replicas that are gone, logs that are too old.
    pub(in crate::database) async fn tidy(
        &mut self,
        available: Option<Session>,
    ) -> Result<(), DatabaseError> {
        let current = self.source().map(|source| source.key.to_owned());
        let unneeded = self.state.slots.iter().filter(|source| Some(*source) != current.as_ref()).cloned();
        let unneeded: Vec<_> = unneeded.collect();
        if !unneeded.is_empty() {
            drop_slots(self.shared, &self.files, &mut self.state, &unneeded).await?;
        }
        if let Some(session) = available {
            let mut used = Vec::new();
            for key in files::keys(&self.shared.lab) {
                let replica = Files::of(&self.shared.lab, &key)?;
                if replica.read_state()?.is_some_and(|state| state.slots.contains(&self.files.key)) {
                    used.push(configuration::slot_name(&replica.identifier));
                }
            }
            replication::drop_unused_slots(&session, &used).await?;
        }
        let minutes = self.parameters.values.get(LOG_RETENTION).and_then(|minutes| minutes.parse().ok());
        let age = Duration::from_secs(60 * minutes.unwrap_or(LOG_RETENTION_MINUTES));
        remove_logs(&self.files, age)
    }
}

/// Removes the slots on these sources; a source that does not answer is asked again the next time.
pub(in crate::database) async fn drop_slots(
    shared: &Shared,
    files: &Files,
    state: &mut State,
    sources: &[String],
) -> Result<(), DatabaseError> {
    for key in sources {
        let source = Files::of(&shared.lab, key)?;
        if let Some(found) = source.read_state()? {
            let Some(session) = Session::with_source(&source, &found).await else { continue };
            replication::drop_slot(&session, &files.identifier).await?;
        }
        state.slots.remove(key);
        files.write_state(state)?;
    }
    Ok(())
}

fn remove_logs(files: &Files, age: Duration) -> Result<(), DatabaseError> {
    let Some(oldest) = SystemTime::now().checked_sub(age) else { return Ok(()) };
    for entry in fs::read_dir(files.log()).at("read", &files.log())?.flatten() {
        let modified = entry.metadata().and_then(|found| found.modified());
        if entry.path() != files.startup_log() && modified.is_ok_and(|modified| modified < oldest) {
            files::remove_file(&entry.path())?;
        }
    }
    Ok(())
}
