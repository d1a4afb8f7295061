//! From what is wanted and what is there to what is to be done, in which order. Pure.
//!
//! The order keeps packets from passing that neither the old nor the new network would let pass: see [`Phase`].

use super::{
    filter::Ruleset,
    observation::Found,
    state::{Address, End, FoundNamespace, LOOPBACK, PolicyRule, Route, WantedNamespace, Way, Wire},
    wanted::Wanted,
};
use std::{collections::BTreeSet, fmt};

/// One step. Each can be done twice, and each can be the last one that is done before the daemon is killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a namespace.
    CreateNamespace(String),
    /// Mark a namespace that somebody else made, and that the model names.
    AdoptNamespace(String),
    /// Delete a link, and with it the one at its other end.
    DeleteLink(End),
    /// Take an address away.
    DeleteAddress(String, Address),
    /// Delete a route.
    DeleteRoute(String, Route),
    /// Let a route lead nowhere.
    CloseRoute(String, Route),
    /// Delete a policy rule.
    DeleteRule(String, PolicyRule),
    /// Replace the packet filter.
    ApplyRuleset(String, Ruleset),
    /// Make a veth pair.
    CreateWire(Wire),
    /// Switch a link on.
    SwitchOn(End),
    /// Write a setting.
    Set(String, String, String),
    /// Give an address.
    AddAddress(String, Address),
    /// Make a route, in place of the one for the same destination.
    OpenRoute(String, Route),
    /// Make a policy rule.
    AddRule(String, PolicyRule),
    /// Delete a namespace.
    DeleteNamespace(String),
}

/// When an action's turn is. A phase begins when the one before it has ended in all namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Namespaces are made, empty.
    Make,
    /// What is not wanted goes: links, addresses, ways.
    Close,
    /// Filters are replaced, each in one step. They stand before a new link does.
    Filter,
    /// New links.
    Connect,
    /// Settings and addresses, then the links are switched on, then ways.
    Open,
    /// Namespaces that are no longer needed.
    Remove,
}

impl Action {
    /// When its turn is.
    pub fn phase(&self) -> Phase {
        match self {
            Action::CreateNamespace(_) | Action::AdoptNamespace(_) => Phase::Make,
            Action::DeleteLink(_)
            | Action::DeleteAddress(..)
            | Action::DeleteRoute(..)
            | Action::CloseRoute(..)
            | Action::DeleteRule(..) => Phase::Close,
            Action::ApplyRuleset(..) => Phase::Filter,
            Action::CreateWire(_) => Phase::Connect,
            Action::SwitchOn(_)
            | Action::Set(..)
            | Action::AddAddress(..)
            | Action::OpenRoute(..)
            | Action::AddRule(..) => Phase::Open,
            Action::DeleteNamespace(_) => Phase::Remove,
        }
    }

    /// The namespace in which it is done.
    pub fn namespace(&self) -> &str {
        match self {
            Action::CreateNamespace(namespace)
            | Action::AdoptNamespace(namespace)
            | Action::DeleteAddress(namespace, _)
            | Action::DeleteRoute(namespace, _)
            | Action::CloseRoute(namespace, _)
            | Action::DeleteRule(namespace, _)
            | Action::ApplyRuleset(namespace, _)
            | Action::Set(namespace, ..)
            | Action::AddAddress(namespace, _)
            | Action::OpenRoute(namespace, _)
            | Action::AddRule(namespace, _)
            | Action::DeleteNamespace(namespace) => namespace,
            Action::DeleteLink(end) | Action::SwitchOn(end) => &end.namespace,
            Action::CreateWire(wire) => &wire.router.namespace,
        }
    }

    /// The link that it is about, if it is about one.
    pub fn link(&self) -> Option<&str> {
        match self {
            Action::DeleteLink(end) | Action::SwitchOn(end) => Some(&end.link),
            Action::CreateWire(wire) => Some(&wire.router.link),
            Action::DeleteAddress(_, address) | Action::AddAddress(_, address) => Some(&address.link),
            Action::OpenRoute(_, route) => route.way.link(),
            Action::Set(_, name, _) => link_of(name),
            Action::CreateNamespace(_)
            | Action::AdoptNamespace(_)
            | Action::DeleteRoute(..)
            | Action::CloseRoute(..)
            | Action::DeleteRule(..)
            | Action::ApplyRuleset(..)
            | Action::AddRule(..)
            | Action::DeleteNamespace(_) => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::CreateNamespace(namespace) => write!(f, "make namespace {namespace}"),
            Action::AdoptNamespace(namespace) => write!(f, "adopt namespace {namespace}"),
            Action::DeleteLink(end) => write!(f, "delete link {end}"),
            Action::DeleteAddress(namespace, address) => write!(f, "take away {address} in {namespace}"),
            Action::DeleteRoute(namespace, route) => write!(f, "delete route {route} of {namespace}"),
            Action::CloseRoute(namespace, route) => write!(f, "close route {route} of {namespace}"),
            Action::DeleteRule(namespace, rule) => write!(f, "delete rule {rule} of {namespace}"),
            Action::ApplyRuleset(namespace, _) => write!(f, "replace the packet filter of {namespace}"),
            Action::CreateWire(Wire { router, part }) => write!(f, "connect {router} with {part}"),
            Action::SwitchOn(end) => write!(f, "switch on {end}"),
            Action::Set(namespace, name, value) => write!(f, "set {name} = {value} in {namespace}"),
            Action::AddAddress(namespace, address) => write!(f, "give {address} in {namespace}"),
            Action::OpenRoute(namespace, route) => write!(f, "make route {route} in {namespace}"),
            Action::AddRule(namespace, rule) => write!(f, "make rule {rule} in {namespace}"),
            Action::DeleteNamespace(namespace) => write!(f, "delete namespace {namespace}"),
        }
    }
}

/// What is to be done, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps.
    pub actions: Vec<Action>,
    /// What cannot be done yet, each as a sentence.
    pub waiting: Vec<String>,
}

impl Plan {
    /// What makes what is `found` into what is `wanted`.
    pub fn of(wanted: &Wanted, found: &Found) -> Plan {
        let mut plan = Plan::default();
        let doomed = doomed_links(wanted, found);
        plan.actions.extend(doomed.iter().cloned().map(Action::DeleteLink));
        for (name, wanted) in &wanted.namespaces {
            let nothing = FoundNamespace::default();
            let found = match found.get(name) {
                None => {
                    plan.actions.push(Action::CreateNamespace(name.clone()));
                    &nothing
                }
                // The seal of a filter is a mark too.
                Some(found) if !found.ours && wanted.ruleset.is_none() => {
                    plan.actions.push(Action::AdoptNamespace(name.clone()));
                    found
                }
                Some(found) => found,
            };
            plan.namespace(name, wanted, found, &doomed);
        }
        let connected = |wire: &&Wire| is_connected(wire, found) && !doomed.contains(&wire.router);
        let missing = wanted.wires.iter().filter(|wire| !connected(wire));
        plan.actions.extend(missing.cloned().map(Action::CreateWire));
        for (name, found) in found.iter().filter(|(name, _)| !wanted.namespaces.contains_key(*name)) {
            match found {
                FoundNamespace { ours: false, .. } => {}
                FoundNamespace { occupied: true, .. } => {
                    plan.waiting.push(format!("namespace {name} stays until no process is left in it"));
                }
                FoundNamespace { .. } => plan.actions.push(Action::DeleteNamespace(name.clone())),
            }
        }
        plan.actions.sort_by_key(Action::phase);
        plan
    }

    fn namespace(
        &mut self,
        name: &str,
        wanted: &WantedNamespace,
        found: &FoundNamespace,
        doomed: &BTreeSet<End>,
    ) {
        let goes = |link: &str| doomed.contains(&End::new(name, link));
        let actions = &mut self.actions;
        // What is on a link goes with it, and must be made anew.
        let addresses: BTreeSet<_> = found.addresses.iter().filter(|address| !goes(&address.link)).collect();
        let stays = |route: &&Route| !route.way.link().is_some_and(&goes);
        let routes: BTreeSet<_> = found.routes.iter().filter(stays).collect();

        let namespace = || name.to_owned();
        // The kernel gives the loopback interface 127.0.0.1 itself. Links of others are others' business.
        let ours = |address: &&&Address| {
            wanted.links.contains_key(&address.link)
                || !address.address.addr().is_loopback() && address.link == LOOPBACK
        };
        let unwanted = addresses.iter().filter(|address| !wanted.addresses.contains(**address)).filter(ours);
        actions.extend(unwanted.map(|address| Action::DeleteAddress(namespace(), (*address).clone())));
        let keys: BTreeSet<_> = wanted.routes.iter().map(Route::key).collect();
        let unwanted = routes.iter().filter(|route| !keys.contains(&route.key()));
        actions.extend(unwanted.map(|route| Action::DeleteRoute(namespace(), (*route).clone())));
        let unwanted = found.rules.difference(&wanted.rules).cloned();
        actions.extend(unwanted.map(|rule| Action::DeleteRule(namespace(), rule)));

        if let Some(ruleset) = &wanted.ruleset
            && found.ruleset != Some(ruleset.fingerprint())
        {
            actions.push(Action::ApplyRuleset(namespace(), ruleset.clone()));
        }

        for (setting, value) in &wanted.settings {
            // The settings of a link go with it.
            let of_gone = link_of(setting).is_some_and(&goes);
            if of_gone || found.settings.get(setting) != Some(value) {
                actions.push(Action::Set(namespace(), setting.clone(), value.clone()));
            }
        }
        let missing = wanted.addresses.iter().filter(|address| !addresses.contains(address)).cloned();
        actions.extend(missing.map(|address| Action::AddAddress(namespace(), address)));
        // A new link is made switched off. The mark switches the loopback interface of a new namespace on.
        let on = |link: &&String| found.links.get(*link).is_some_and(|found| found.up) && !goes(link);
        let off = wanted.links.keys().filter(|link| !on(link)).map(String::as_str);
        let loopback = found.links.get(LOOPBACK).is_some_and(|found| !found.up).then_some(LOOPBACK);
        actions.extend(off.chain(loopback).map(|link| Action::SwitchOn(End::new(name, link))));
        for route in wanted.routes.iter().filter(|route| !routes.contains(route)) {
            let there = routes.iter().any(|other| other.key() == route.key());
            actions.push(match route.way {
                Way::Blackhole if there => Action::CloseRoute(namespace(), route.clone()),
                _ => Action::OpenRoute(namespace(), route.clone()),
            });
        }
        let missing = wanted.rules.difference(&found.rules).cloned();
        actions.extend(missing.map(|rule| Action::AddRule(namespace(), rule)));
    }
}

/// The link that a setting is about: `ipv4/conf/LINK/NAME`.
fn link_of(setting: &str) -> Option<&str> {
    setting.split('/').nth(2).filter(|link| !matches!(*link, "all" | "default"))
}

/// Links that must go: those that lead elsewhere than wanted, and those that nobody wants.
fn doomed_links(wanted: &Wanted, found: &Found) -> BTreeSet<End> {
    let mut doomed = BTreeSet::new();
    for (name, namespace) in found {
        // What neither carries the mark nor is named by the model is not ours to touch.
        let links = match wanted.namespaces.get(name) {
            None if !namespace.ours => continue,
            None => None,
            Some(wanted) => Some(&wanted.links),
        };
        let veths = namespace.links.iter().filter(|(_, link)| link.veth).map(|(link, _)| link);
        let unwanted = veths.filter(|link| links.is_none_or(|links| !links.contains_key(*link)));
        doomed.extend(unwanted.map(|link| End::new(name, link)));
    }
    for wire in wanted.wires.iter().filter(|wire| !is_connected(wire, found)) {
        let there =
            |end: &&End| found.get(&end.namespace).is_some_and(|found| found.links.contains_key(&end.link));
        doomed.extend([&wire.router, &wire.part].into_iter().filter(there).cloned());
    }
    doomed
}

/// Are both ends there, and each the other's other end?
fn is_connected(wire: &Wire, found: &Found) -> bool {
    let end = |end: &End| found.get(&end.namespace)?.links.get(&end.link);
    match (end(&wire.router), end(&wire.part)) {
        (Some(router), Some(part)) => {
            router.veth && router.peer_index == Some(part.index) && part.peer_index == Some(router.index)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
