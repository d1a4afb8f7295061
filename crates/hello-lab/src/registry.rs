//! The container registry: Debian's `docker-registry`, in place of the public one that the images are named after.
//!
//! It runs as its own unprivileged user in a namespace of the lab's internet, under the public registry's name with a
//! certificate of the lab's CA, and lets nobody in without a password.
//!
//! - [`client`]: the HTTP client that pushes here and pulls in the tasks
//! - [`push`]: an image layout on disk into the registry
//! - [`prune`]: removes the images that nothing needs any more
//! - [`oci`]: names of images, manifests, configurations

pub mod client;
pub mod oci;
pub mod prune;
pub mod push;

use crate::{
    files::{PASSING, gone, write_whole},
    lab::Lab,
    network::netns::Namespace,
    process::{Described, Running, User},
    registry::{
        client::{Client, Error, Resolve},
        oci::Digest,
    },
    secret::Secret,
    timeouts,
};
use anyhow::{Context as _, bail};
use hyper::{Method, StatusCode};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    time::Instant,
};

/// The file with the digest of what the process was started with. It is written while none runs, so that one that did not
/// read the newest certificate is told from one that did, whenever the daemon was killed.
const STARTED: &str = "started";
/// Name of the process, and of the directories.
const PART: &str = "registry";
/// The user that the Debian package makes.
const USER: &str = "docker-registry";
/// The least that bcrypt knows. The registry checks the password at every request, and the hash never leaves this
/// machine.
const BCRYPT_COST: u32 = 4;

/// The registry as it should be.
#[derive(Clone, Debug)]
pub struct Registry {
    /// The name under which it is known: `ghcr.io`.
    pub name: String,
    /// Its namespace, which exists.
    pub namespace: Namespace,
    /// Its address there.
    pub address: Ipv4Addr,
    /// PEM file with its certificate and what leads to the CA.
    pub certificate: PathBuf,
    /// PEM file with the key.
    pub key: PathBuf,
    /// PEM file with the CA.
    pub authority: PathBuf,
    /// Who may pull and push, with password or token.
    pub users: Vec<(String, Secret)>,
}

impl Registry {
    /// Makes it run as it should be and waits until it answers. What runs and is right stays as it is.
    pub async fn start(&self, lab: &Lab) -> anyhow::Result<Running> {
        let user = User::named(USER).context("install the Debian package docker-registry")?;
        let (run, data) = (lab.run(PART), lab.data(PART));
        for directory in [&run, &data] {
            fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
            fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
            chown(directory, Some(user.uid), Some(user.gid))?;
        }
        self.write_users(&run.join("users"), user).context("write the registry's users")?;
        let certificate =
            fs::read(&self.certificate).with_context(|| format!("read {}", self.certificate.display()))?;
        let key = fs::read(&self.key).with_context(|| format!("read {}", self.key.display()))?;
        let mut hasher = Sha256::new();
        for (name, content) in [
            ("config.yml", self.configuration(&run, &data).into_bytes()),
            ("certificate.pem", certificate),
            ("key.pem", key),
        ] {
            write_for(user, &run.join(name), &content)?;
            hasher.update(&content);
        }
        let (wanted, started) = (Digest::finish(hasher).to_string(), run.join(STARTED));
        let processes = lab.processes();
        // One whose namespace was deleted listens where nobody is.
        let is_right = |running: &Running| {
            self.namespace.holds(running.pid()) && fs::read_to_string(&started).is_ok_and(|has| has == wanted)
        };
        prune::end_left_over(&processes).await?;
        let running = processes.adopt(PART)?;
        if !running.as_ref().is_some_and(is_right) {
            if let Some(running) = running {
                running.stop(timeouts::REGISTRY_STOP).await?;
            }
            write_whole(&started, wanted.as_bytes(), PASSING)?;
        }
        // It listens on 443 without any capability.
        self.namespace
            .run(|| fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"))
            .context("open port 443 to the registry's user")?;
        let log = run.join("log");
        let described = Described {
            name: PART.to_owned(),
            program: "docker-registry".into(),
            arguments: vec!["serve".into(), run.join("config.yml").into()],
            environment: Vec::new(),
            namespace: Some(self.namespace.clone()),
            user: Some(user),
            directory: run.clone(),
            log: log.clone(),
        };
        let said_before = fs::metadata(&log).map_or(0, |log| log.len());
        let running = processes.start(&described)?;
        match self.wait_until_it_answers(&running, &log, said_before).await {
            Ok(()) => Ok(running),
            Err(error) => {
                // The next one may.
                running.stop(timeouts::REGISTRY_STOP).await?;
                Err(error)
            }
        }
    }

    /// Ends it and removes its files; what is gone already is no error.
    pub async fn remove(lab: &Lab) -> anyhow::Result<()> {
        let processes = lab.processes();
        prune::end_left_over(&processes).await?;
        if let Some(running) = processes.adopt(PART)? {
            running.stop(timeouts::REGISTRY_STOP).await?;
        }
        for directory in [lab.run(PART), lab.data(PART)] {
            gone(fs::remove_dir_all(&directory))
                .with_context(|| format!("remove {}", directory.display()))?;
        }
        Ok(())
    }

    /// Pushes the image layout in the directory `layout` from the namespace `from`, and gives the digest to run it by.
    pub async fn push(
        &self,
        from: &Namespace,
        layout: &Path,
        repository: &str,
        credentials: client::Credentials,
    ) -> anyhow::Result<Digest> {
        let registry = self.clone();
        let (layout, repository) = (layout.to_owned(), repository.to_owned());
        inside(from, async move {
            let resolve = Resolve::Given(registry.address);
            let mut client = Client::new(&registry.name, resolve, &registry.authority, Some(credentials))?;
            push::push(&mut client, &layout, &repository)
                .await
                .with_context(|| format!("push {} to {}/{repository}", layout.display(), registry.name))
        })
        .await
    }

    fn configuration(&self, run: &Path, data: &Path) -> String {
        // JSON is YAML too, and needs no care for what the paths hold.
        let configuration = serde_json::json!({
            "version": 0.1,
            // It is asked every few seconds, without a password: not a word of that is news.
            "log": { "level": "error", "accesslog": { "disabled": true } },
            "storage": {
                "filesystem": { "rootdirectory": data },
                "delete": { "enabled": true },
                "cache": { "blobdescriptor": "inmemory" },
            },
            "http": {
                "addr": format!("{}:443", self.address),
                "host": format!("https://{}", self.name),
                "tls": { "certificate": run.join("certificate.pem"), "key": run.join("key.pem") },
                "http2": { "disabled": true },
            },
            "auth": { "htpasswd": { "realm": self.name, "path": run.join("users") } },
        });
        format!("{configuration:#}\n")
    }

    /// The registry reads the file again when it changes. It is left alone as long as everybody's password fits: a hash
    /// is new each time.
    fn write_users(&self, path: &Path, user: User) -> anyhow::Result<()> {
        let present = fs::read_to_string(path).unwrap_or_default();
        let known: Vec<(&str, &str)> = present.lines().filter_map(|line| line.split_once(':')).collect();
        let fits = known.len() == self.users.len()
            && self.users.iter().all(|(name, password)| {
                known.iter().any(|(known, hash)| {
                    known == name && bcrypt::verify(password.reveal(), hash).unwrap_or(false)
                })
            });
        if fits {
            return Ok(());
        }
        let mut content = String::new();
        for (name, password) in &self.users {
            if name.contains([':', '\n']) {
                bail!("a user of the registry cannot be named {name:?}");
            }
            let hash = bcrypt::hash_with_result(password.reveal(), BCRYPT_COST)
                .with_context(|| format!("the password of {name} cannot be hashed"))?;
            let hash = hash.format_for_version(bcrypt::Version::TwoY);
            content.extend([name.as_str(), ":", &hash, "\n"]);
        }
        write_for(user, path, content.as_bytes())?;
        Ok(())
    }

    async fn wait_until_it_answers(
        &self,
        running: &Running,
        log: &Path,
        said_before: u64,
    ) -> anyhow::Result<()> {
        let registry = self.clone();
        let alive = running.pid();
        let log = log.to_owned();
        inside(&self.namespace, async move {
            let began = Instant::now();
            loop {
                let resolve = Resolve::Given(registry.address);
                let mut client = Client::new(&registry.name, resolve, &registry.authority, None)?;
                let answer =
                    client.ask(Method::GET, "/v2/", &[], bytes::Bytes::new(), &[StatusCode::OK]).await;
                let status = match answer {
                    // It asks for a password: that is what it is for.
                    Ok(_) | Err(Error::Refused { status: StatusCode::UNAUTHORIZED, .. }) => return Ok(()),
                    Err(error) => error,
                };
                let ended = !Path::new(&format!("/proc/{alive}/exe")).exists();
                if ended || began.elapsed() > timeouts::REGISTRY_READY {
                    let said = fs::read_to_string(&log).unwrap_or_default();
                    // After its error it explains all its options.
                    let said = said.get(usize::try_from(said_before)?..).and_then(|said| said.lines().next());
                    let said = said.unwrap_or("nothing");
                    bail!("the registry does not answer: {status}; it said: {said}");
                }
                tokio::time::sleep(timeouts::READY_POLL).await;
            }
        })
        .await
    }
}

/// Writes a file that this user alone may read, unless it is there with this content.
fn write_for(user: User, path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    write_whole(path, content, PASSING.owned_by(Some(user)))
        .with_context(|| format!("write {}", path.display()))?;
    Ok(())
}

/// Runs the future on a thread that has entered the namespace, so that its sockets belong there.
async fn inside<T: Send + 'static>(
    namespace: &Namespace,
    future: impl Future<Output = anyhow::Result<T>> + Send + 'static,
) -> anyhow::Result<T> {
    let namespace = namespace.clone();
    let work = move || {
        namespace.run(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(future))
        })
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done?,
        Err(error) if error.is_cancelled() => bail!("the lab ends"),
        Err(error) => Err(error).context("the thread inside the namespace ended in a panic"),
    }
}
