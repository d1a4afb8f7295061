//! Does what a plan says. No choice is left here.
//!
//! Within a phase the namespaces are worked on side by side, each from its first action to its last. An action that
//! fails ends the work on its namespace, and nothing that would be opened in or towards it is opened later; the others
//! go on.

use super::{
    netlink::{self, Kernel},
    netns::Namespace,
    observation::{self, Seal},
    parallel::in_parallel,
    plan::Action,
};
use nix::errno::Errno;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
};

/// An action that failed.
#[derive(Debug)]
pub struct Failure {
    /// What was to be done.
    pub action: Action,
    /// Why it could not be done.
    pub source: io::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.action, self.source)
    }
}

/// Does all of `actions` that can be done; what failed.
pub fn execute(actions: &[Action]) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut broken = BTreeSet::new();
    for phase in actions.chunk_by(|one, other| one.phase() == other.phase()) {
        let mut by_namespace: BTreeMap<_, Vec<Action>> = BTreeMap::new();
        for action in phase.iter().filter(|action| !touches(action, &broken)) {
            by_namespace.entry(action.namespace().to_owned()).or_default().push(action.clone());
        }
        let work = by_namespace.into_iter().collect();
        let failed = in_parallel(work, |(namespace, actions)| in_namespace(&namespace, actions).err());
        for failure in failed.into_iter().flatten() {
            broken.insert(failure.action.namespace().to_owned());
            failures.push(failure);
        }
    }
    failures
}

fn touches(action: &Action, broken: &BTreeSet<String>) -> bool {
    let other_end = match action {
        Action::CreateWire(wire) => broken.contains(&wire.part.namespace),
        _ => false,
    };
    other_end || broken.contains(action.namespace())
}

/// All of one phase in one namespace.
fn in_namespace(name: &str, actions: Vec<Action>) -> Result<(), Failure> {
    let namespace = Namespace::named(name);
    let mut inside = Vec::new();
    for action in actions {
        let done = match action {
            Action::CreateNamespace(_) => {
                let mark = Seal { ruleset: None }.text();
                namespace.create_prepared(move || netlink::here(async move |kernel| kernel.mark(&mark).await))
            }
            Action::DeleteNamespace(_) => namespace.delete(),
            _ => {
                inside.push(action);
                continue;
            }
        };
        done.map_err(|source| Failure { action, source })?;
    }
    let Some(first) = inside.first().cloned() else { return Ok(()) };
    let worked = netlink::inside(&namespace, async move |kernel| {
        for action in inside {
            if let Err(source) = act(&kernel, &action).await {
                return Ok(Err(Failure { action, source }));
            }
        }
        Ok(Ok(()))
    });
    worked.unwrap_or_else(|source| Err(Failure { action: first, source }))
}

async fn act(kernel: &Kernel, action: &Action) -> io::Result<()> {
    match action {
        Action::CreateNamespace(_) | Action::DeleteNamespace(_) => Ok(()),
        Action::DeleteLink(end) => gone(kernel.delete_link(&end.link).await),
        Action::DeleteAddress(_, address) => gone(kernel.delete_address(address).await),
        Action::DeleteRoute(_, route) => gone(kernel.delete_route(route).await),
        Action::DeleteRule(_, rule) => gone(kernel.delete_rule(rule).await),
        Action::CloseRoute(_, route) | Action::OpenRoute(_, route) => kernel.replace_route(route).await,
        Action::ApplyRuleset(_, ruleset) => {
            observation::apply_and_seal(kernel, ruleset.commands(), ruleset.fingerprint()).await
        }
        Action::CreateWire(wire) => there(kernel.add_wire(&wire.router.link, &wire.part).await),
        Action::SwitchOn(end) => kernel.switch_on(&end.link).await,
        Action::Set(_, name, value) => netlink::write_setting(name, value),
        Action::AddAddress(_, address) => there(kernel.add_address(address).await),
        Action::AddRule(_, rule) => there(kernel.add_rule(rule).await),
    }
}

/// What is gone already needs no deleting: a link takes its addresses and routes along, and its other end.
fn gone(result: io::Result<()>) -> io::Result<()> {
    unless(result, &[Errno::ENODEV, Errno::ENOENT, Errno::ESRCH, Errno::EADDRNOTAVAIL])
}

/// What is there already needs no making.
fn there(result: io::Result<()>) -> io::Result<()> {
    unless(result, &[Errno::EEXIST])
}

fn unless(result: io::Result<()>, fine: &[Errno]) -> io::Result<()> {
    match result {
        Err(error) if fine.iter().any(|errno| error.raw_os_error() == Some(*errno as i32)) => Ok(()),
        result => result,
    }
}
