//! Images: pulled from the registry, checked, unpacked, and kept by content.
//!
//! The manifest is asked of the registry each time, as Fargate does, so wrong credentials fail even where every layer is
//! here already. A blob is kept under its digest, and the layers of an image, put on top of each other, under their chain
//! ID. Several tasks may pull the same image at once: a lock for each content lets one of them work. What was pulled under
//! which reference is noted, and beside each container what it uses, so that what nobody needs any more can go.
//!
//! - [`prune`]: removes that
//! - [`unpack`]: layers into a directory

pub mod prune;
pub mod unpack;

use crate::{
    files::{PASSING, sync_directory_of, write_whole},
    registry::{
        client::{Client, Credentials, Error, Resolve},
        oci::{
            Configuration, DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, Digest, Execution, INDEX, Index,
            MANIFEST, Manifest, Reference, architecture,
        },
    },
    task::files::private_directory,
    timeouts,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, TryLockError},
    io::{self, BufReader, BufWriter},
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Instant,
};

/// How often a pull is tried where the network or the registry may be about to recover.
const ATTEMPTS: u32 = 3;
/// What the layers of an image may come to: the ephemeral storage of a Fargate task.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-storage.html>
const LARGEST: u64 = 20 << 30;

/// The directory of what was pulled under each reference.
const REFERENCES: &str = "references";

/// Images on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Store {
    directory: PathBuf,
}

/// An image that is here.
#[derive(Clone, Debug)]
pub struct Image {
    /// Digest of the manifest.
    pub digest: Digest,
    /// The directory with its files. Nothing may be written there.
    pub root: PathBuf,
    /// How it is run.
    pub execution: Execution,
}

/// What an image has here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The name that it was pulled under.
    pub reference: String,
    /// The chain ID of its layers.
    pub root: Digest,
    /// Its configuration and layers.
    pub blobs: Vec<Digest>,
}

/// Where an image is pulled from.
#[derive(Debug)]
pub struct Source<'a> {
    /// Its name.
    pub reference: &'a str,
    /// User and password.
    pub credentials: Option<Credentials>,
    /// PEM file of the CA that the registry's certificate is checked against.
    pub authority: &'a Path,
    /// Who knows the registry's address.
    pub resolver: Ipv4Addr,
}

/// Why an image cannot be pulled.
#[derive(Debug, thiserror::Error)]
enum PullError {
    #[error("{0}")]
    Reference(String),
    #[error("failed to resolve ref {reference}: {cause}")]
    Resolve { reference: String, cause: Box<Error> },
    #[error("failed to copy {digest} of {reference}: {cause}")]
    Copy { reference: String, digest: Digest, cause: Box<Error> },
    #[error("{0}")]
    Content(String),
    #[error("failed to extract layer {layer}: {cause}")]
    Extract { layer: Digest, cause: io::Error },
    #[error("failed to keep the image: {0}")]
    Keep(#[from] io::Error),
}

impl PullError {
    fn is_transient(&self) -> bool {
        matches!(self, PullError::Resolve { cause, .. } | PullError::Copy { cause, .. } if cause.is_transient())
    }
}

impl Store {
    /// The images below a directory.
    pub fn new(directory: impl Into<PathBuf>) -> Store {
        Store { directory: directory.into() }
    }

    /// Pulls an image for this machine, through the network namespace of the calling thread. What goes wrong is said in
    /// the words of ECS, after `CannotPullContainerError: `. What is used of it is written to `note`, as [`Content`], and
    /// stays as long as that file is there.
    pub async fn pull(&self, source: &Source<'_>, note: &Path) -> Result<Image, String> {
        let mut attempt = 1;
        loop {
            match self.try_pull(source, note).await {
                Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                    tokio::time::sleep(timeouts::PULL_RETRY * attempt).await;
                    attempt += 1;
                }
                result => {
                    return result.map_err(|error| match &error {
                        PullError::Resolve { .. } => {
                            format!("pull image manifest has been retried {attempt} time(s): {error}")
                        }
                        _ => error.to_string(),
                    });
                }
            }
        }
    }

    async fn try_pull(&self, source: &Source<'_>, note: &Path) -> Result<Image, PullError> {
        // Nothing that is found to be here goes before it is noted.
        let lock = self.lock_file()?;
        wait_for(|| lock.try_lock_shared()).await?;
        let reference: Reference = source.reference.parse().map_err(PullError::Reference)?;
        let resolve =
            |cause| PullError::Resolve { reference: source.reference.to_owned(), cause: Box::new(cause) };
        let through = Resolve::Through(source.resolver);
        let mut client =
            Client::new(&reference.registry, through, source.authority, source.credentials.clone())
                .map_err(resolve)?;
        let accept = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX].join(", ");
        let path = |version: &str| format!("/v2/{}/manifests/{version}", reference.repository);
        let (mut content, media_type) = client
            .document(&path(&reference.version), &accept, reference.digest.as_ref())
            .await
            .map_err(resolve)?;
        let digest = Digest::of(&content);
        let unreadable =
            |error| PullError::Content(format!("{}: unknown manifest: {error}", source.reference));
        if media_type == INDEX || media_type == DOCKER_INDEX {
            let index: Index = serde_json::from_slice(&content).map_err(unreadable)?;
            let Some(platform) = index.of_this_machine() else {
                return Err(PullError::Content(format!(
                    "image Manifest does not contain descriptor matching platform 'linux/{}'",
                    architecture()
                )));
            };
            let version = platform.digest.to_string();
            (content, _) =
                client.document(&path(&version), &accept, Some(&platform.digest)).await.map_err(resolve)?;
        }
        let manifest: Manifest = serde_json::from_slice(&content).map_err(unreadable)?;
        let mut blobs = Vec::new();
        for blob in [&manifest.config].into_iter().chain(&manifest.layers) {
            blobs.push(self.blob(&mut client, &reference, source, blob).await?);
        }
        let configuration: Configuration =
            serde_json::from_slice(&fs::read(&blobs[0])?).map_err(|error| {
                PullError::Content(format!("{}: unknown configuration: {error}", source.reference))
            })?;
        let layers: Vec<_> = configuration.rootfs.diff_ids.iter().cloned().zip(blobs.drain(1..)).collect();
        let Some(chain) = configuration.rootfs.chain().filter(|_| layers.len() == manifest.layers.len())
        else {
            return Err(PullError::Content(format!(
                "{}: manifest and configuration do not name as many layers",
                source.reference
            )));
        };
        let root = self.root(&chain, &layers).await?;
        let blobs = [&manifest.config].into_iter().chain(&manifest.layers).map(|blob| blob.digest.clone());
        let content = Content { reference: source.reference.to_owned(), root: chain, blobs: blobs.collect() };
        self.note(&content)?;
        write_whole(note, &serde_json::to_vec(&content).map_err(io::Error::from)?, PASSING)?;
        Ok(Image { digest, root, execution: configuration.config.unwrap_or_default() })
    }

    /// Notes what was pulled under a reference. Where that is lost, the image is only pulled again.
    fn note(&self, content: &Content) -> io::Result<()> {
        let directory = self.directory.join(REFERENCES);
        private_directory(&directory)?;
        let name = Digest::of(content.reference.as_bytes());
        write_whole(&directory.join(format!("{}.json", name.hex())), &serde_json::to_vec(content)?, PASSING)
    }

    /// Whoever pulls holds it shared; whoever removes, alone.
    fn lock_file(&self) -> io::Result<File> {
        private_directory(&self.directory)?;
        File::create(self.directory.join("lock"))
    }

    async fn blob(
        &self,
        client: &mut Client,
        reference: &Reference,
        source: &Source<'_>,
        blob: &Descriptor,
    ) -> Result<PathBuf, PullError> {
        let failed = |cause| PullError::Copy {
            reference: source.reference.to_owned(),
            digest: blob.digest.clone(),
            cause: Box::new(cause),
        };
        let place = self.place("blobs", &blob.digest)?;
        if place.is_there() {
            return Ok(place.path);
        }
        if blob.size > LARGEST {
            return Err(failed(Error::Answer(format!("{} bytes are too many", blob.size))));
        }
        let _lock = place.lock().await?;
        if !place.is_there() {
            let mut file = BufWriter::new(File::create(&place.temporary)?);
            let path = format!("/v2/{}/blobs/{}", reference.repository, blob.digest);
            client.download(&path, &blob.digest, blob.size, &mut file).await.map_err(failed)?;
            // On the disk before it has its name: what has a name is never looked at again.
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            fs::rename(&place.temporary, &place.path)?;
            sync_directory_of(&place.path)?;
        }
        Ok(place.path)
    }

    /// The directory with these layers (each by the digest of its content, and its file) on top of each other.
    async fn root(&self, chain: &Digest, layers: &[(Digest, PathBuf)]) -> Result<PathBuf, PullError> {
        let place = self.place("roots", chain)?;
        if place.is_there() {
            return Ok(place.path);
        }
        let _lock = place.lock().await?;
        if !place.is_there() {
            // What is there was left by a pull that was killed.
            match fs::remove_dir_all(&place.temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => fs::create_dir(&place.temporary)?,
            }
            fs::set_permissions(&place.temporary, fs::Permissions::from_mode(0o755))?;
            let mut room = LARGEST;
            for (digest, file) in layers {
                let extract = |cause| PullError::Extract { layer: digest.clone(), cause };
                let archive = BufReader::new(File::open(file)?);
                let got = unpack::layer(archive, &place.temporary, &mut room).map_err(extract)?;
                if got != *digest {
                    return Err(extract(io::Error::other(format!("its content has digest {got}"))));
                }
            }
            rustix::fs::syncfs(File::open(&place.temporary)?).map_err(io::Error::from)?;
            fs::rename(&place.temporary, &place.path)?;
            sync_directory_of(&place.path)?;
        }
        Ok(place.path)
    }

    fn place(&self, kind: &str, digest: &Digest) -> io::Result<Place> {
        let directory = self.directory.join(kind);
        fs::create_dir_all(&directory)?;
        // The files of an image keep their owners and special modes; nobody else on this machine may run them.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
        Ok(Place {
            path: directory.join(digest.hex()),
            temporary: directory.join(format!("{}.new", digest.hex())),
            lock: directory.join(format!("{}.lock", digest.hex())),
        })
    }
}

/// Where one content is kept. It is there whole or not at all.
struct Place {
    path: PathBuf,
    temporary: PathBuf,
    lock: PathBuf,
}

impl Place {
    fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// Waits until nobody else makes it; the kernel lets go of the lock when its holder ends, however it ends. Whoever
    /// waits still hears that its task is to stop.
    async fn lock(&self) -> io::Result<File> {
        let file = File::create(&self.lock)?;
        wait_for(|| file.try_lock()).await?;
        Ok(file)
    }
}

async fn wait_for(lock: impl Fn() -> Result<(), TryLockError>) -> io::Result<()> {
    let deadline = Instant::now() + timeouts::IMAGE_LOCK;
    loop {
        match lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(timeouts::IMAGE_LOCK_POLL).await;
            }
            Err(TryLockError::WouldBlock) => {
                let limit = timeouts::IMAGE_LOCK.as_secs();
                let why = format!("another task has not pulled it within {limit} s");
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
        }
    }
}
