//! What to tell a node so that its targets become what they should be: a pure function.
//!
//! A target's way: `new-GROUP` until a check passes or it has failed for good, then `tg-GROUP`; and from the beginning
//! `all-GROUP`. A draining target has weight 0 until it has no request left or its time is over. A server is removed in
//! two steps: into maintenance, then deleted, which HAProxy refuses while a connection is open.

use super::{
    admin::{Check, Server},
    config::{all_targets, member_words, members, new_targets, new_words, once, server},
    model::{LoadBalancer, TargetGroup, TargetHealth},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddrV4,
};

/// Health by target group and target.
pub type Health = BTreeMap<String, BTreeMap<SocketAddrV4, TargetHealth>>;

/// A command for the admin socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// It must be obeyed; the answer says so with this text, or with none.
    Must(String, &'static str),
    /// It may be refused for now.
    May(String),
}

/// What a node is told, and how its targets fare.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// In this order.
    pub(super) commands: Vec<Command>,
    /// Health of every target of the model.
    pub(super) health: Health,
}

/// What decides whether a draining target may go.
#[derive(Debug, Default)]
pub(super) struct Draining {
    /// Group and server whose time is over.
    pub(super) expired: BTreeSet<(String, String)>,
    /// A process with an older configuration still finishes requests, and does not say of whom.
    pub(super) older_process: bool,
}

/// The plan of one node.
pub(super) fn plan(balancer: &LoadBalancer, servers: &[Server], draining: &Draining) -> Plan {
    let mut plan = Plan::default();
    let mut wanted = BTreeSet::new();
    for group in balancer.target_groups.values() {
        let health = plan.health.entry(group.name.clone()).or_default();
        for target in once(&group.targets) {
            let node = Here { group, name: server(target), servers };
            let fares = if target.draining {
                node.drain(draining, &mut wanted, &mut plan.commands)
            } else {
                node.register(&mut wanted, &mut plan.commands)
            };
            health.insert(SocketAddrV4::new(target.address, target.port), fares);
        }
    }
    for server in servers {
        let path = format!("{}/{}", server.backend, server.name);
        if !wanted.contains(&path) {
            plan.commands.extend(remove(&path, server.maintenance));
        }
    }
    plan
}

fn must(command: String) -> Command {
    Command::Must(command, "")
}

fn add(path: &str, name: &str, words: &str) -> Command {
    Command::Must(format!("add server {path} {name} {words}").trim_end().to_owned(), "New server registered.")
}

fn remove(path: &str, maintenance: bool) -> Vec<Command> {
    let mut commands = Vec::new();
    if !maintenance {
        commands.push(must(format!("set server {path} state maint")));
    }
    commands.push(must(format!("shutdown sessions server {path}")));
    commands.push(Command::May(format!("del server {path}")));
    commands
}

/// A target on a node.
struct Here<'a> {
    group: &'a TargetGroup,
    name: String,
    servers: &'a [Server],
}

impl Here<'_> {
    /// Its server in a backend, unless that is about to go.
    fn find(&self, backend: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.backend == backend && server.name == self.name)
    }

    fn register(&self, wanted: &mut BTreeSet<String>, commands: &mut Vec<Command>) -> TargetHealth {
        let check = &self.group.health_check;
        let name = &self.name;
        let member = format!("{}/{name}", members(&self.group.name));
        let fresh = format!("{}/{name}", new_targets(&self.group.name));
        let all = format!("{}/{name}", all_targets(&self.group.name));
        wanted.insert(all.clone());
        match self.find(&all_targets(&self.group.name)) {
            None => {
                commands.push(add(&all, name, ""));
                commands.push(must(format!("enable server {all}")));
            }
            Some(server) => commands.extend(in_service(server, &all)),
        }
        match (self.find(&members(&self.group.name)), self.find(&new_targets(&self.group.name))) {
            (Some(server), _) if !server.maintenance => {
                wanted.insert(member.clone());
                commands.extend(in_service(server, &member));
                if server.up { TargetHealth::Healthy } else { TargetHealth::Unhealthy }
            }
            // Still leaving from an earlier registration: first it must be gone.
            (Some(_), _) => TargetHealth::Initial,
            (None, Some(server)) if server.maintenance => {
                // Added, but what followed was cut off.
                wanted.insert(fresh.clone());
                commands.push(must(begin_checks(&fresh)));
                TargetHealth::Initial
            }
            (None, Some(server)) => {
                let verdict = match (server.up, server.check) {
                    (true, Check::Passed) => Some(("up", TargetHealth::Healthy)),
                    (false, _) => Some(("down", TargetHealth::Unhealthy)),
                    (true, Check::None | Check::Failed) => None,
                };
                let Some((health, fares)) = verdict else {
                    wanted.insert(fresh.clone());
                    return TargetHealth::Initial;
                };
                wanted.insert(member.clone());
                commands.push(add(&member, name, &member_words(check)));
                // In one go: a server that leaves maintenance is up until told otherwise.
                commands.push(must(format!(
                    "enable health {member}; enable server {member}; set server {member} health {health}"
                )));
                // What is not wanted is removed: so is the new one.
                fares
            }
            (None, None) => {
                wanted.insert(fresh.clone());
                commands.push(add(&fresh, name, &new_words(check)));
                commands.push(must(begin_checks(&fresh)));
                TargetHealth::Initial
            }
        }
    }

    fn drain(
        &self,
        draining: &Draining,
        wanted: &mut BTreeSet<String>,
        commands: &mut Vec<Command>,
    ) -> TargetHealth {
        let has: Vec<&Server> = [members(&self.group.name), all_targets(&self.group.name)]
            .iter()
            .filter_map(|backend| self.find(backend))
            .collect();
        let expired = draining.expired.contains(&(self.group.name.clone(), self.name.clone()));
        let idle = !draining.older_process && has.iter().all(|server| server.requests == 0);
        let out_of_service = has.iter().all(|server| server.weight == 0 || server.maintenance);
        if expired || (idle && out_of_service) {
            return TargetHealth::Unused;
        }
        for server in has {
            let path = format!("{}/{}", server.backend, server.name);
            if server.weight != 0 && !server.maintenance {
                commands.push(must(format!("set server {path} weight 0")));
            }
            wanted.insert(path);
        }
        TargetHealth::Draining
    }
}

/// Checks of a new target: up with all the failures it may have before it is unhealthy.
fn begin_checks(path: &str) -> String {
    format!("enable health {path}; enable server {path}; set server {path} health up")
}

/// A server that was draining, or was on its way out, takes requests again.
fn in_service(server: &Server, path: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    if server.maintenance {
        commands.push(must(format!("enable server {path}")));
    }
    if server.weight == 0 {
        commands.push(must(format!("set server {path} weight 1")));
    }
    commands
}

/// The health of a load balancer from that of its nodes. `None` is a node that does not answer, and what is known where
/// none does. A node that does not answer may still have requests for a target that drains.
pub(super) fn together(nodes: Vec<Option<Health>>) -> Option<Health> {
    let silent = nodes.iter().any(Option::is_none);
    let mut health = nodes.into_iter().flatten().reduce(|mut one, other| {
        for (group, targets) in other {
            let known = one.entry(group).or_default();
            for (target, health) in targets {
                known.entry(target).and_modify(|known| *known = worse(*known, health)).or_insert(health);
            }
        }
        one
    })?;
    for health in health.values_mut().flat_map(BTreeMap::values_mut) {
        if silent && *health == TargetHealth::Unused {
            *health = TargetHealth::Draining;
        }
    }
    Some(health)
}

/// What two nodes' views come to: one that still drains holds the target, one that finds it unhealthy makes it so.
fn worse(one: TargetHealth, other: TargetHealth) -> TargetHealth {
    let rank = |health| match health {
        TargetHealth::Draining => 0,
        TargetHealth::Unhealthy => 1,
        TargetHealth::Initial => 2,
        TargetHealth::Healthy => 3,
        TargetHealth::Unused => 4,
    };
    if rank(other) < rank(one) { other } else { one }
}

#[cfg(test)]
mod tests;
