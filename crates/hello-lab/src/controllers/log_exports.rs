//! Logs of databases go to their log groups, where their instances export them.
//!
//! What PostgreSQL writes is in files of its own first, and is copied from there. While no daemon runs, nothing is copied;
//! the next one goes on where the last one has stopped.

use super::{Context, Wake};
use crate::{
    board::{Condition, part},
    database::STARTUP_LOG,
    logs::{Logs, copier::Copier},
    meaning::{databases, log_groups},
    timeouts,
};
use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::watch;

/// Runs until `stop` turns true.
pub async fn run(context: Arc<Context>, stop: watch::Receiver<bool>) {
    let mut wake = Wake::new(&context, None, stop.clone());
    let mut exports = Exports::default();
    loop {
        wake.begin();
        let pass = {
            let (context, stop) = (Arc::clone(&context), stop.clone());
            tokio::task::spawn_blocking(move || {
                let condition = exports.pass(&context, &stop);
                (exports, condition)
            })
        };
        let condition;
        (exports, condition) = match pass.await {
            Ok(done) => done,
            Err(error) => (Exports::default(), Condition::Pending(format!("a copy has failed: {error}"))),
        };
        context.set(part::LOG_EXPORTS, condition);
        if wake.wait(timeouts::LOG_EXPORT).await.is_none() {
            return;
        }
    }
}

/// Who copies the log of each instance, by region and identifier.
#[derive(Debug, Default)]
struct Exports {
    copiers: BTreeMap<(String, String), Copier>,
}

impl Exports {
    /// Copies what has come, of every instance.
    fn pass(&mut self, context: &Context, stop: &watch::Receiver<bool>) -> Condition {
        let generation = context.world.generation();
        let contents = context.world.snapshot();
        let groups = log_groups::wanted(&contents);
        let mut problems = Vec::new();
        let mut wanted = Vec::new();
        for instance in contents.of_type("aws_db_instance") {
            let (region, identifier) = (&instance.region, instance.text("identifier"));
            let Some(name) = databases::log_group(instance) else { continue };
            let Some(group) = groups.get(&(region.clone(), name)) else { continue };
            let oldest = group.retention_days.and_then(|days| {
                SystemTime::now().checked_sub(Duration::from_secs(u64::from(days) * 86_400))
            });
            let key = (region.clone(), identifier.to_owned());
            if let Err(error) = self.copy(context, &key, &group.name, oldest, stop) {
                self.copiers.remove(&key);
                problems.push(format!("the log of {identifier} cannot be copied to {}: {error}", group.name));
            }
            wanted.push(key);
        }
        self.copiers.retain(|key, _| wanted.contains(key));
        if problems.is_empty() {
            Condition::Ready(generation)
        } else {
            Condition::Pending(problems.join("; "))
        }
    }

    fn copy(
        &mut self,
        context: &Context,
        key: &(String, String),
        group: &str,
        oldest: Option<SystemTime>,
        stop: &watch::Receiver<bool>,
    ) -> io::Result<()> {
        let (region, identifier) = key;
        // A group that was made anew has nothing of what the old one had.
        if !self.copiers.get(key).is_some_and(Copier::has_stream) {
            let Some(from) = context.databases.log_directory(region, identifier) else { return Ok(()) };
            let stream = match Logs::new(&context.lab, region).stream(group, identifier) {
                // It is about to be made.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                stream => stream?,
            };
            self.copiers.insert(key.clone(), Copier::resume(from, STARTUP_LOG, stream)?);
        }
        let Some(copier) = self.copiers.get_mut(key) else { return Ok(()) };
        while copier.advance(oldest)? && !*stop.borrow() {}
        Ok(())
    }
}
