//! Which parts stand: what `hello-lab status` shows, read as a user reads it.

use super::lab::{REGION, TestLab};
use hello_lab::network::netns::Namespace;
use std::net::{Ipv4Addr, UdpSocket};

/// A part with an address in the VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Name: a task's identifier, a database's, a load balancer's.
    pub(crate) name: String,
    /// Address in the VPC.
    pub(crate) address: Ipv4Addr,
    /// Address on the internet.
    pub(crate) public: Option<Ipv4Addr>,
    /// Availability zone.
    pub(crate) zone: String,
    /// How it fares.
    pub(crate) words: String,
}

/// The parts of a region, each kind in the order of zones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) nodes: Vec<Part>,
    pub(crate) nat: Vec<Part>,
    pub(crate) databases: Vec<Part>,
    pub(crate) tasks: Vec<Part>,
}

impl Parts {
    /// Reads the picture.
    pub(crate) fn of(picture: &str) -> Parts {
        let mut parts = Parts::default();
        let mut zone = String::new();
        for line in picture.lines() {
            let mut words = line.split_whitespace();
            let first = words.next().unwrap_or_default();
            if first.starts_with(REGION) {
                first.clone_into(&mut zone);
            }
            let Ok(address) = first.parse() else { continue };
            let rest: Vec<&str> = words.collect();
            let (public, rest) = match rest.as_slice() {
                ["=", public, rest @ ..] => (public.parse().ok(), rest),
                rest => (None, rest),
            };
            let text = rest.join(" ");
            let (list, text) = if let Some(text) = text.strip_prefix("load balancer ") {
                (&mut parts.nodes, text)
            } else if let Some(text) = text.strip_prefix("RDS ") {
                (&mut parts.databases, text)
            } else if let Some(text) = text.strip_prefix("task ") {
                (&mut parts.tasks, text)
            } else {
                (&mut parts.nat, text.as_str())
            };
            let (name, words) = text.split_once(": ").unwrap_or((text, ""));
            let part =
                Part { name: name.to_owned(), address, public, zone: zone.clone(), words: words.to_owned() };
            list.push(part);
        }
        for list in [&mut parts.nodes, &mut parts.nat, &mut parts.databases, &mut parts.tasks] {
            list.sort_by_key(|part| (part.zone.clone(), part.address));
        }
        parts
    }

    /// Any of a kind in a zone, by its letter.
    #[track_caller]
    pub(crate) fn in_zone(list: &[Part], letter: char) -> &Part {
        let found = list.iter().find(|part| part.zone.ends_with(letter));
        found.unwrap_or_else(|| panic!("nothing in zone {letter}: {list:?}"))
    }
}

/// The namespace that has the address.
pub(crate) fn namespace_of(lab: &TestLab, address: Ipv4Addr) -> Option<Namespace> {
    let prefix = format!("hl-{}-{REGION}-", lab.name());
    let names = super::machine::namespaces().into_iter().filter(|name| name.starts_with(&prefix));
    // An address can be bound only where it is one of the namespace's own.
    names.map(Namespace::named).find(|namespace| namespace.run(move || UdpSocket::bind((address, 0))).is_ok())
}
