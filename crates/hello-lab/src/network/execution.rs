//! Does what a plan says. No choice is left here.
//!
//! Within a phase the namespaces are worked on side by side, each from its first action to its last. What fails holds
//! back what must not be done without it, and nothing else:
//!
//! - A link that cannot be made, given its settings or switched on gets no address and no route.
//! - Where something cannot be closed or the filter cannot be replaced, nothing is opened in that namespace.

use super::{
    netlink::{self, Kernel},
    netns::Namespace,
    observation::{self, Seal},
    parallel::in_parallel,
    plan::{Action, Phase},
    state::End,
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
    let mut held = Held::default();
    for phase in actions.chunk_by(|one, other| one.phase() == other.phase()) {
        let mut by_namespace: BTreeMap<_, Vec<Action>> = BTreeMap::new();
        for action in phase {
            by_namespace.entry(action.namespace().to_owned()).or_default().push(action.clone());
        }
        let done = in_parallel(by_namespace.into_iter().collect(), |(namespace, actions)| {
            let mut held = held.clone();
            let failures = in_namespace(&namespace, actions, &mut held);
            (failures, held)
        });
        for (failed, held_there) in done {
            failures.extend(failed);
            held.namespaces.extend(held_there.namespaces);
            held.links.extend(held_there.links);
        }
    }
    failures
}

/// What is held back, because something that belongs before it failed.
#[derive(Clone, Debug, Default)]
struct Held {
    namespaces: BTreeSet<String>,
    links: BTreeSet<End>,
}

impl Held {
    fn holds(&self, action: &Action) -> bool {
        let other_end = match action {
            Action::CreateWire(wire) => self.namespaces.contains(&wire.part.namespace),
            _ => false,
        };
        // Closing goes on where something else could not be closed.
        let opens = action.phase() > Phase::Close;
        let link = action.link().map(|link| End::new(action.namespace(), link));
        opens
            && (other_end
                || self.namespaces.contains(action.namespace())
                || link.is_some_and(|link| self.links.contains(&link)))
    }

    /// Holds back what must not be done without `action`.
    fn hold(&mut self, action: &Action) {
        match (action, action.link()) {
            (Action::CreateWire(wire), _) => self.links.extend([wire.router.clone(), wire.part.clone()]),
            (_, Some(link)) if action.phase() == Phase::Open => {
                self.links.insert(End::new(action.namespace(), link));
            }
            _ if action.phase() < Phase::Connect => {
                self.namespaces.insert(action.namespace().to_owned());
            }
            _ => {}
        }
    }
}

/// All of one phase in one namespace.
fn in_namespace(name: &str, actions: Vec<Action>, held: &mut Held) -> Vec<Failure> {
    let namespace = Namespace::named(name);
    let mut failures = Vec::new();
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
        if let Err(source) = done {
            held.hold(&action);
            failures.push(Failure { action, source });
        }
    }
    let Some(first) = inside.first().cloned() else { return failures };
    let mut held_inside = held.clone();
    let worked = netlink::inside(&namespace, async move |kernel| {
        let mut failures = Vec::new();
        for action in inside {
            if held_inside.holds(&action) {
                held_inside.hold(&action);
            } else if let Err(source) = act(&kernel, &action).await {
                held_inside.hold(&action);
                failures.push(Failure { action, source });
            }
        }
        Ok((failures, held_inside))
    });
    match worked {
        Ok((failed, held_inside)) => {
            *held = held_inside;
            failures.extend(failed);
        }
        Err(source) => {
            held.namespaces.insert(name.to_owned());
            failures.push(Failure { action: first, source });
        }
    }
    failures
}

async fn act(kernel: &Kernel, action: &Action) -> io::Result<()> {
    match action {
        // These are done from outside.
        Action::CreateNamespace(_) | Action::DeleteNamespace(_) => Ok(()),
        Action::AdoptNamespace(_) => kernel.mark(&Seal { ruleset: None }.text()).await,
        Action::DeleteLink(end) => gone(kernel.delete_link(&end.link).await),
        Action::DeleteAddress(_, address) => gone(kernel.delete_address(address).await),
        Action::DeleteRoute(_, route) => gone(kernel.delete_route(route).await),
        Action::DeleteRule(_, rule) => gone(kernel.delete_rule(rule).await),
        Action::CloseRoute(_, route) | Action::OpenRoute(_, route) => kernel.replace_route(route).await,
        Action::ApplyRuleset(_, ruleset) => observation::apply_and_seal(kernel, ruleset).await,
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

#[cfg(test)]
mod tests;
