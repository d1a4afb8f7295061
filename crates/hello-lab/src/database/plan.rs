//! What to do next with an instance: pure.
//!
//! One step at a time: after each, everything is looked at again. So it does not matter what was done before, or where
//! a daemon was killed.

use super::{model::Status, replication::Link};
use hello_pg::Role;

/// What is known of an instance before a step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts are independent of each other; the plan is what combines them"
)]
pub(super) struct Facts {
    /// The model says so, and nobody stopped it.
    pub(super) should_run: bool,
    /// A reboot was asked for.
    pub(super) rebooting: bool,
    /// The model calls it a replica, and it was not promoted.
    pub(super) should_follow: bool,
    /// Its storage.
    pub(super) volume: VolumeFacts,
    /// Its storage has no room left.
    pub(super) is_full: bool,
    /// Its data is whole.
    pub(super) has_data: bool,
    /// Its namespace, where it is missing.
    pub(super) missing_namespace: Option<String>,
    /// Namespace, address or port differ from those it was started with.
    pub(super) moved: bool,
    /// Its processes.
    pub(super) server: Server,
    /// Its configuration is as wanted, as far as it needs no restart.
    pub(super) is_configured: bool,
    /// Its roles, database and master password are as wanted.
    pub(super) is_prepared: bool,
    /// Its files are on the disk.
    pub(super) is_synced: bool,
    /// A replica's relation to its source; `None` where there is none, or the source does not answer.
    pub(super) link: Option<Link>,
}

/// The storage of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VolumeFacts {
    /// Never made.
    Missing,
    /// Made and not mounted.
    Unmounted,
    /// Smaller than wanted.
    Small,
    /// As wanted.
    Ready,
}

/// The processes of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// No server, and nothing left of one.
    Down,
    /// No server, and processes of one that was killed.
    Remains,
    /// A server.
    Up {
        /// It is in the namespace as that is now.
        inside: bool,
        /// What it says of itself, or why it does not.
        answer: Result<Role, String>,
        /// Its address accepts connections, or why not. Only looked at when it answers.
        accepts: Result<(), String>,
    },
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This.
    Do(Step),
    /// Nothing: this is what it is.
    Rest(Status),
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// End the server, in order.
    Stop,
    /// Kill what is left of a server.
    Clear,
    /// Make the storage.
    MakeVolume,
    /// Mount it.
    Mount,
    /// Give it more room.
    Grow,
    /// Make the data.
    MakeData,
    /// Throw the data away: it can never catch up with its source.
    Discard,
    /// Start the server.
    Start,
    /// Make the slot on the source.
    MakeSlot,
    /// End following.
    Promote,
    /// Note that it does not follow any more, though nobody asked.
    NotePromotion,
    /// Write the configuration and have it read.
    Reconfigure,
    /// Make roles and database, or set the password.
    Prepare,
    /// Write everything out.
    Sync,
}

/// The first thing that is not as it should be.
pub(super) fn next(facts: &Facts) -> Next {
    if let Some(step) = storage_step(facts) {
        return Next::Do(step);
    }
    let (inside, answer, accepts) = match &facts.server {
        Server::Remains => return Next::Do(Step::Clear),
        Server::Down if !facts.should_run => return Next::Rest(Status::Stopped),
        Server::Down => {
            return match &facts.missing_namespace {
                Some(name) => Next::Rest(Status::Failed(format!("its namespace {name} is not there"))),
                // Recovery writes WAL, so a start would only fail, again and again.
                None if facts.has_data && facts.is_full => Next::Rest(Status::StorageFull),
                None if facts.has_data => Next::Do(Step::Start),
                None => Next::Do(Step::MakeData),
            };
        }
        Server::Up { inside, answer, accepts } => (*inside, answer, accepts),
    };
    if !facts.should_run || !facts.has_data || facts.rebooting || facts.moved || !inside {
        return Next::Do(Step::Stop);
    }
    let role = match answer {
        Ok(role) => role,
        // It may be frozen, or recovering: nobody but its user can tell, so it is left alone.
        Err(_) if facts.is_full => return Next::Rest(Status::StorageFull),
        Err(reason) => return Next::Rest(Status::Failed(reason.clone())),
    };
    match (role, facts.should_follow, &facts.link) {
        (Role::Standby, false, _) => return Next::Do(Step::Promote),
        (Role::Primary, true, _) => return Next::Do(Step::NotePromotion),
        (Role::Standby, true, Some(Link::Broken(_))) => return Next::Do(Step::Discard),
        (Role::Standby, true, Some(Link::NoSlot)) => return Next::Do(Step::MakeSlot),
        (Role::Standby, true, Some(Link::Sound) | None) | (Role::Primary, false, _) => {}
    }
    if !facts.is_configured {
        return Next::Do(Step::Reconfigure);
    }
    if *role == Role::Primary && !facts.is_prepared {
        return Next::Do(Step::Prepare);
    }
    if !facts.is_synced {
        return Next::Do(Step::Sync);
    }
    Next::Rest(match accepts {
        Ok(()) if facts.is_full => Status::StorageFull,
        Ok(()) => Status::Available,
        Err(reason) => Status::Failed(reason.clone()),
    })
}

/// Storage comes first: without it nothing can be said of the data.
fn storage_step(facts: &Facts) -> Option<Step> {
    let is_used = !matches!(facts.server, Server::Down);
    match facts.volume {
        VolumeFacts::Ready => None,
        // What never ran and should not is not made.
        VolumeFacts::Missing | VolumeFacts::Unmounted if !facts.should_run && !is_used => None,
        VolumeFacts::Missing => Some(Step::MakeVolume),
        // Processes without their files: nothing can be saved of them.
        VolumeFacts::Unmounted if is_used => Some(Step::Stop),
        VolumeFacts::Unmounted => Some(Step::Mount),
        VolumeFacts::Small => Some(Step::Grow),
    }
}

#[cfg(test)]
mod tests;
