//! What is there: each namespace is asked for its links, addresses, routes, rules, settings and its packet filter.
//!
//! Whether a filter is the wanted one is told by the seal. Reading a ruleset back does not give what was written (`nft`
//! orders, merges and names things in its own way, differently from version to version), so right after a ruleset was
//! applied it is listed, and the fingerprints of both, the written and the listed one, are kept where they cannot
//! outlive what they speak of: in the alias of the namespace's loopback interface. A filter that was changed by hand
//! lists differently; one that was never applied whole has no seal.
//!
//! The same alias is the mark of a namespace that is this module's. It is set before the namespace has its name, so
//! there is no moment at which a namespace of ours could be taken for another's.

use super::{
    NetworkError,
    filter::{Ruleset, fingerprint_of_listing},
    netlink::{self, Kernel},
    netns::Namespace,
    parallel::in_parallel,
    state::{FoundNamespace, WantedNamespace},
    wanted::Wanted,
};
use std::{collections::BTreeMap, fs, io, os::unix::fs::MetadataExt as _};

/// What the alias of the loopback interface begins with.
const MARK: &str = "hello-lab";

/// The mark and seal of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    /// The fingerprint of the ruleset that was applied, and that of its listing.
    pub(super) ruleset: Option<(u64, u64)>,
}

impl Seal {
    pub(super) fn text(self) -> String {
        match self.ruleset {
            None => MARK.to_owned(),
            Some((written, listed)) => format!("{MARK} filter {written:016x} {listed:016x}"),
        }
    }

    fn read(text: &str) -> Option<Seal> {
        let rest = text.strip_prefix(MARK)?;
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        let ruleset = rest.strip_prefix(" filter ").and_then(|numbers| numbers.split_once(' '));
        Some(Seal {
            ruleset: ruleset.and_then(|(written, listed)| Some((number(written)?, number(listed)?))),
        })
    }
}

/// All namespaces of a lab by name.
pub type Found = BTreeMap<String, FoundNamespace>;

/// Looks at all namespaces whose names begin with `prefix`.
pub fn observe(prefix: &str, wanted: &Wanted) -> Result<Found, NetworkError> {
    let there = Namespace::with_prefix(prefix).map_err(NetworkError::List)?;
    let there = there.into_iter().filter(Namespace::exists).collect();
    let found = in_parallel(there, |namespace| {
        let wanted = wanted.namespaces.get(namespace.name());
        match look_into(&namespace, wanted) {
            // It went away while it was looked at.
            Err(_) if !namespace.exists() => Ok(None),
            Err(source) => Err(NetworkError::Observe { namespace: namespace.name().to_owned(), source }),
            Ok(found) => Ok(Some((namespace.name().to_owned(), found))),
        }
    });
    found.into_iter().filter_map(Result::transpose).collect()
}

fn look_into(namespace: &Namespace, wanted: Option<&WantedNamespace>) -> io::Result<FoundNamespace> {
    let settings = wanted.map(|wanted| wanted.settings.clone()).unwrap_or_default();
    let filtered = wanted.is_some_and(|wanted| wanted.ruleset.is_some());
    let mut found = netlink::inside(namespace, async move |kernel| {
        let links = kernel.links().await?;
        let seal = links.mark.as_deref().and_then(Seal::read);
        let read = |(name, wanted): (String, String)| Some((netlink::read_setting(&name, &wanted)?, name));
        Ok(FoundNamespace {
            ours: seal.is_some(),
            occupied: false,
            addresses: kernel.addresses(&links.names).await?,
            routes: kernel.routes(&links.names).await?,
            rules: kernel.rules().await?,
            settings: settings.into_iter().filter_map(read).map(|(value, name)| (name, value)).collect(),
            ruleset: if filtered { standing(seal).await? } else { None },
            links: links.by_name,
        })
    })?;
    if wanted.is_none() && found.ours {
        found.occupied = is_occupied(namespace)?;
    }
    Ok(found)
}

/// The fingerprint of the ruleset that was applied, if it still is what `nft` lists.
async fn standing(seal: Option<Seal>) -> io::Result<Option<u64>> {
    let Some((written, listed)) = seal.and_then(|seal| seal.ruleset) else { return Ok(None) };
    Ok((fingerprint_of_listing(&listing().await?)? == listed).then_some(written))
}

async fn listing() -> io::Result<Vec<u8>> {
    netlink::nft(&["-j", "list", "ruleset"], "").await
}

/// Puts a ruleset in place and seals it. Killed before the seal is written, the next one begins again.
pub(super) async fn apply_and_seal(kernel: &Kernel, ruleset: &Ruleset) -> io::Result<()> {
    netlink::nft(&["-j", "-f", "-"], ruleset.commands()).await?;
    let listing = listing().await?;
    // The `nft` of a daemon that was killed may still be at work, and must not be sealed as ours.
    if !ruleset.is_in(&listing) {
        return Err(io::Error::other("another ruleset was put in place of it at the same moment"));
    }
    let seal = Seal { ruleset: Some((ruleset.fingerprint(), fingerprint_of_listing(&listing)?)) };
    kernel.mark(&seal.text()).await
}

/// Does a process live in the namespace?
fn is_occupied(namespace: &Namespace) -> io::Result<bool> {
    let inode = fs::metadata(namespace.path())?.ino();
    let processes = fs::read_dir("/proc")?.flatten().map(|entry| entry.path().join("ns/net"));
    Ok(processes.into_iter().any(|path| fs::metadata(path).is_ok_and(|of_process| of_process.ino() == inode)))
}

#[cfg(test)]
mod tests;
