//! The network of a lab: namespaces, links, routes and packet filters.
//!
//! [`reconcile`] makes the kernel's state equal to a [`model::Network`], whatever that state is: nothing, half of it
//! (the daemon was killed), changed by hand, or more than is wanted. It compares and never remembers, so calling it
//! again is always right, and calling it twice changes nothing. [`teardown`] removes all that a lab has.
//!
//! # Where things are
//!
//! - [`model`]: what a network should be, in AWS's words
//! - [`wanted`]: what that means for each namespace, in the kernel's words; [`filter`] has the packet filters
//! - [`observation`]: what is there
//! - [`plan`]: what is to be done about the difference, in which order
//! - [`execution`]: does it
//! - [`state`]: the words that these share
//! - [`netns`]: the one place that makes, enters and removes network namespaces
//!
//! # Whose a namespace is
//!
//! All namespaces of a lab begin with its prefix. One that the model names is made equal to it, and marked
//! ([`observation`]) whoever made it. One that the model no longer names goes only if it carries the mark and no process
//! lives in it: its links go at once, it itself with the first pass after the last process. A namespace that the model
//! never named stays until [`teardown`].

pub mod execution;
pub mod filter;
pub mod model;
mod netlink;
pub mod netns;
pub mod observation;
mod parallel;
pub mod plan;
pub mod state;
pub mod wanted;

use crate::lab::Lab;
use execution::{Failure, execute};
use model::Network;
use netns::Namespace;
use observation::observe;
use plan::{Action, Plan};
use std::{fmt::Display, io};
use wanted::Wanted;

/// How often it is looked again before giving up. What is done can undo something else (the last address of a link
/// takes its routes along), which the next look sees; more than this is somebody else at work.
const LOOKS: usize = 4;

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Report {
    /// What was done.
    pub done: Vec<Action>,
    /// What the model asks for and cannot be had, each as a sentence.
    pub refused: Vec<String>,
    /// What cannot be done yet, each as a sentence.
    pub waiting: Vec<String>,
}

/// Why the network is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A name in the model is not one of this lab's.
    #[error("namespace {namespace:?} is not one of the lab's: their names begin with {prefix}")]
    Foreign {
        /// The name.
        namespace: String,
        /// What it should begin with.
        prefix: String,
    },
    /// The namespaces cannot be listed.
    #[error("cannot list the network namespaces: {0}")]
    List(#[source] io::Error),
    /// A namespace cannot be looked into.
    #[error("cannot look into namespace {namespace}: {source}")]
    Observe {
        /// Which one.
        namespace: String,
        /// Why.
        source: io::Error,
    },
    /// Something could not be done; all else was.
    #[error("the network is not as it should be: {}", list(.0))]
    Execute(Vec<Failure>),
    /// It changes as fast as it is put right.
    #[error("the network does not settle; does somebody else change it? Still to do: {}", list(.0))]
    Unsettled(Vec<Action>),
    /// Some namespaces could not be removed; all others were.
    #[error("cannot remove {}", list(&.0.iter().map(|(name, error)| format!("{name}: {error}")).collect::<Vec<_>>()))]
    Teardown(Vec<(String, io::Error)>),
}

fn list(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Makes the network of `lab` equal to `network`. It blocks: call it where that is allowed, and for one lab once at a
/// time (two at work on the same links end in an error at worst, and the next pass puts it right).
pub fn reconcile(lab: &Lab, network: &Network) -> Result<Report, NetworkError> {
    let prefix = lab.namespace_prefix();
    let wanted = Wanted::of(network);
    if let Some(namespace) = wanted.namespaces.keys().find(|name| !name.starts_with(&prefix)) {
        return Err(NetworkError::Foreign { namespace: namespace.clone(), prefix });
    }
    let mut report = Report { refused: wanted.refused.clone(), ..Report::default() };
    let mut failures = Vec::new();
    for _ in 0..LOOKS {
        let plan = Plan::of(&wanted, &observe(&prefix, &wanted)?);
        report.waiting = plan.waiting;
        if plan.actions.is_empty() {
            return Ok(report);
        }
        failures = execute(&plan.actions);
        report.done.extend(plan.actions);
    }
    if !failures.is_empty() {
        return Err(NetworkError::Execute(failures));
    }
    let plan = Plan::of(&wanted, &observe(&prefix, &wanted)?);
    if plan.actions.is_empty() { Ok(report) } else { Err(NetworkError::Unsettled(plan.actions)) }
}

/// What this machine's kernel, or who runs this, lacks to make a network, each as a sentence. It is tried out in a namespace
/// without a name, which ends with the try.
pub fn lacking() -> Vec<String> {
    let tried = netns::unnamed(|| {
        netlink::here(async |kernel| {
            let mut lacking = Vec::new();
            if let Err(error) = kernel.add_pair("try", "tried").await {
                lacking.push(format!("veth links cannot be made: {error}"));
            }
            // A filter with state and translation of addresses, as routers and gateways have.
            let rules = "add table inet try; \
                         add chain inet try filter { type filter hook forward priority 0; policy drop; }; \
                         add rule inet try filter ct state established,related accept; \
                         add chain inet try translation { type nat hook postrouting priority 100; }; \
                         add rule inet try translation masquerade";
            if let Err(error) = netlink::nft(&["-f", "-"], rules).await {
                lacking.push(format!("packets cannot be filtered and translated by nftables: {error}"));
            }
            Ok(lacking)
        })
    });
    tried.unwrap_or_else(|error| vec![format!("network namespaces cannot be made: {error}")])
}

/// Removes every namespace of `lab`, and with it all links, routes and filters. Processes inside are not its business.
pub fn teardown(lab: &Lab) -> Result<(), NetworkError> {
    let namespaces = Namespace::with_prefix(&lab.namespace_prefix()).map_err(NetworkError::List)?;
    let results = parallel::in_parallel(namespaces, |namespace| match namespace.delete() {
        Ok(()) => None,
        Err(error) => Some((namespace.name().to_owned(), error)),
    });
    let failed: Vec<_> = results.into_iter().flatten().collect();
    if failed.is_empty() { Ok(()) } else { Err(NetworkError::Teardown(failed)) }
}
