//! Removing the images from the registry that nothing needs any more.
//!
//! An image stays while a tag names it, while somebody says that it is wanted by its digest, and for a day after it was
//! pushed, so that whoever goes back to the one before finds it. All others go, with the blobs that only they have.
//!
//! The registry's own program removes the blobs. It must not run beside a push, or it takes what was just uploaded for
//! needless (<https://distribution.github.io/distribution/about/garbage-collection/>), and a registry that runs remembers
//! what is no more. So the registry is stopped for it, some tenths of a second long. Whoever is killed on the way leaves
//! a note that there is something to finish.

use super::{PART, Registry, USER};
use crate::{
    files::{DURABLE, gone, write_whole},
    lab::Lab,
    process::{Described, Processes, User},
    registry::oci::{Digest, Index, Reference},
    timeouts,
};
use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Name of the process that removes blobs.
const PRUNE: &str = "registry-prune";
/// Says that a removal was begun.
const BEGUN: &str = "prune-begun";
/// What was pushed shorter ago stays.
const YOUNG: Duration = Duration::from_secs(24 * 60 * 60);

impl Registry {
    /// Removes images but those that these references name by digest, and says how many there were. No push may be under
    /// way. Where there was something to remove, the registry must be started again.
    pub async fn prune(
        &self,
        lab: &Lab,
        wanted: &BTreeSet<String>,
        now: SystemTime,
    ) -> anyhow::Result<usize> {
        let root = lab.data(PART);
        let (begun, storage) = (root.join(BEGUN), Storage::below(&root));
        let needless = storage.needless(&self.name, wanted, now).context("look for needless images")?;
        if needless.is_empty() && !begun.exists() {
            return Ok(0);
        }
        let processes = lab.processes();
        if let Some(running) = processes.adopt(PART)? {
            running.stop(timeouts::REGISTRY_STOP).await?;
        }
        end_left_over(&processes).await?;
        write_whole(&begun, b"", DURABLE)?;
        for (repository, digest) in &needless {
            repository.forget(digest).with_context(|| format!("forget the image {digest}"))?;
        }
        collect(lab, &processes).await?;
        storage.forget_layers().context("forget layers that are gone")?;
        gone(fs::remove_file(&begun))?;
        Ok(needless.len())
    }
}

/// Ends a removal that a daemon which was killed has left behind. What is not removed then is removed by the next one.
pub(super) async fn end_left_over(processes: &Processes) -> io::Result<()> {
    match processes.adopt(PRUNE)? {
        Some(running) => running.stop_with(Signal::SIGKILL, timeouts::KILLED).await,
        None => Ok(()),
    }
}

/// Has the registry's program remove the blobs that no manifest names.
async fn collect(lab: &Lab, processes: &Processes) -> anyhow::Result<()> {
    let run = lab.run(PART);
    let log = run.join("prune.log");
    gone(fs::remove_file(&log))?;
    let mut running = processes.start(&Described {
        name: PRUNE.to_owned(),
        program: "docker-registry".into(),
        arguments: vec!["garbage-collect".into(), run.join("config.yml").into()],
        environment: Vec::new(),
        namespace: None,
        user: Some(User::named(USER)?),
        directory: run,
        log: log.clone(),
    })?;
    let ended = tokio::time::timeout(timeouts::REGISTRY_PRUNE, running.ended()).await;
    if ended == Ok(Some(0)) {
        return Ok(());
    }
    running.stop_with(Signal::SIGKILL, timeouts::KILLED).await?;
    let said = fs::read_to_string(&log).unwrap_or_default();
    bail!(
        "the registry's garbage collection has failed: {}",
        said.lines().last().unwrap_or("it said nothing")
    );
}

/// What the registry has on the disk.
/// <https://github.com/distribution/distribution/blob/v2.8.2/registry/storage/paths.go>
struct Storage {
    root: PathBuf,
}

/// What it has of one repository.
#[derive(Clone, Debug)]
struct Repository {
    name: String,
    directory: PathBuf,
}

impl Storage {
    fn below(root: &Path) -> Storage {
        Storage { root: root.join("docker/registry/v2") }
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(&digest.hex()[..2]).join(digest.hex()).join("data")
    }

    fn repositories(&self) -> io::Result<Vec<Repository>> {
        let mut found = Vec::new();
        let mut ahead = vec![Repository { name: String::new(), directory: self.root.join("repositories") }];
        while let Some(above) = ahead.pop() {
            for name in names(&above.directory)? {
                if name == "_manifests" {
                    found.push(above.clone());
                } else if !name.starts_with('_') {
                    let directory = above.directory.join(&name);
                    let name = if above.name.is_empty() { name } else { format!("{}/{name}", above.name) };
                    ahead.push(Repository { name, directory });
                }
            }
        }
        Ok(found)
    }

    /// The manifests that may go.
    fn needless(
        &self,
        registry: &str,
        wanted: &BTreeSet<String>,
        now: SystemTime,
    ) -> io::Result<Vec<(Repository, Digest)>> {
        let wanted: Vec<Reference> = wanted.iter().filter_map(|reference| reference.parse().ok()).collect();
        let mut needless = Vec::new();
        for repository in self.repositories()? {
            let all = repository.manifests()?;
            let mut kept = repository.tagged()?;
            kept.extend(wanted.iter().filter_map(|reference| {
                let is_here = reference.registry == registry && reference.repository == repository.name;
                reference.digest.clone().filter(|_| is_here)
            }));
            for digest in &all {
                let is_old = now.duration_since(repository.pushed(digest)?).is_ok_and(|age| age >= YOUNG);
                if !is_old {
                    kept.insert(digest.clone());
                }
            }
            let of_platforms: Vec<_> = kept.iter().flat_map(|digest| self.platforms(digest)).collect();
            kept.extend(of_platforms);
            needless.extend(
                all.into_iter()
                    .filter(|digest| !kept.contains(digest))
                    .map(|digest| (repository.clone(), digest)),
            );
        }
        Ok(needless)
    }

    /// The manifests that a list of them names.
    fn platforms(&self, digest: &Digest) -> Vec<Digest> {
        let content = fs::read(self.blob(digest)).unwrap_or_default();
        let index = serde_json::from_slice::<Index>(&content).ok();
        index.into_iter().flat_map(|index| index.manifests).map(|manifest| manifest.digest).collect()
    }

    /// Forgets the layers of repositories whose blobs are gone, which the registry's program leaves.
    fn forget_layers(&self) -> io::Result<()> {
        for repository in self.repositories()? {
            let layers = repository.directory.join("_layers/sha256");
            for digest in digests(&layers)? {
                if !self.blob(&digest).exists() {
                    gone(fs::remove_dir_all(layers.join(digest.hex())))?;
                }
            }
        }
        Ok(())
    }
}

impl Repository {
    fn manifests(&self) -> io::Result<Vec<Digest>> {
        digests(&self.directory.join("_manifests/revisions/sha256"))
    }

    fn manifest(&self, digest: &Digest) -> PathBuf {
        self.directory.join("_manifests/revisions/sha256").join(digest.hex())
    }

    /// When it was pushed last.
    fn pushed(&self, digest: &Digest) -> io::Result<SystemTime> {
        let directory = self.manifest(digest);
        // One that was killed may have removed the link alone.
        fs::metadata(directory.join("link")).or_else(|_| fs::metadata(directory))?.modified()
    }

    fn tags(&self) -> io::Result<Vec<PathBuf>> {
        let tags = self.directory.join("_manifests/tags");
        Ok(names(&tags)?.into_iter().map(|name| tags.join(name)).collect())
    }

    /// What its tags name.
    fn tagged(&self) -> io::Result<BTreeSet<Digest>> {
        let mut tagged = BTreeSet::new();
        for tag in self.tags()? {
            match fs::read_to_string(tag.join("current/link")) {
                // The registry is about to make or to remove it; a manifest that it makes is young.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                link => tagged.extend(link?.trim().parse::<Digest>()),
            }
        }
        Ok(tagged)
    }

    /// Forgets a manifest, and that tags have named it before.
    fn forget(&self, digest: &Digest) -> io::Result<()> {
        for tag in self.tags()? {
            gone(fs::remove_dir_all(tag.join("index/sha256").join(digest.hex())))?;
        }
        gone(fs::remove_dir_all(self.manifest(digest)))
    }
}

fn digests(directory: &Path) -> io::Result<Vec<Digest>> {
    let names = names(directory)?.into_iter();
    Ok(names.filter_map(|name| format!("sha256:{name}").parse().ok()).collect())
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}
