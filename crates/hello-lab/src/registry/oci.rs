//! The few words of the OCI image specification that pushing, pulling and running need.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Media type of a manifest of one platform.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of a list of manifests, one for each platform.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's media type of a manifest; it has the same members.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's media type of a list of manifests; it has the same members.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// `sha256:` and 64 hexadecimal digits: the name of a content. No other algorithm is in use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// That of a content.
    pub fn of(content: &[u8]) -> Digest {
        Digest::finish(Sha256::new_with_prefix(content))
    }

    /// That of what was hashed.
    pub fn finish(hasher: Sha256) -> Digest {
        let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Digest(format!("sha256:{hex}"))
    }

    /// The 64 digits, fit for a file name.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Digest, String> {
        let digits = text.strip_prefix("sha256:").unwrap_or_default();
        if digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Digest(text.to_owned()))
        } else {
            Err(format!("{text:?} is no digest: it must be sha256: and 64 hexadecimal digits"))
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Digest, String> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

/// The name of an image: `ghcr.io/OWNER/NAME`, then `:TAG`, `@DIGEST`, or both, of which the digest counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Host of the registry, with its port where one is given.
    pub registry: String,
    /// `OWNER/NAME`
    pub repository: String,
    /// A tag or a digest, as the registry's API takes it.
    pub version: String,
    /// The digest, where one is given.
    pub digest: Option<Digest>,
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Reference, String> {
        let invalid = |why: &str| format!("invalid reference format: {text:?}: {why}");
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse::<Digest>()?)),
            None => (text, None),
        };
        let (path, tag) = match name.rsplit_once(':') {
            // A colon before the last slash belongs to the registry's port.
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (name, None),
        };
        let (registry, repository) = match path.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest.to_owned()),
            // Without a host it is Docker Hub; a single word is one of its official images.
            Some(_) => ("registry-1.docker.io", path.to_owned()),
            None => ("registry-1.docker.io", format!("library/{path}")),
        };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if !repository.split('/').all(|part| {
            part.bytes().all(plain) && part.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        }) {
            return Err(invalid("a repository is of lower-case words with slashes between them"));
        }
        let tag = tag.unwrap_or("latest");
        let in_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if tag.is_empty() || tag.len() > 128 || !tag.bytes().all(in_tag) {
            return Err(invalid("a tag is of letters, digits, dots and dashes"));
        }
        let version = digest.as_ref().map_or_else(|| tag.to_owned(), Digest::to_string);
        Ok(Reference { registry: registry.to_owned(), repository, version, digest })
    }
}

/// Points to a content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What kind of content.
    #[serde(default)]
    pub media_type: String,
    /// Its name.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// What the index says of it beside.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// For which machine, in an index.
    #[serde(default)]
    pub platform: Option<Platform>,
}

/// A kind of machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// In Go's words: `amd64`, `arm64`.
    pub architecture: String,
    /// `linux`
    pub os: String,
}

/// The image of one platform.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

/// Manifests to choose from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Index {
    /// One for each platform.
    pub manifests: Vec<Descriptor>,
}

impl Index {
    /// That of this machine.
    pub fn of_this_machine(&self) -> Option<&Descriptor> {
        self.manifests.iter().find(|manifest| {
            manifest
                .platform
                .as_ref()
                .is_some_and(|platform| platform.os == "linux" && platform.architecture == architecture())
        })
    }
}

/// This machine in the words of images.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The configuration of an image.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Configuration {
    /// How it is run.
    #[serde(default)]
    pub config: Option<Execution>,
    /// What its layers hold.
    pub rootfs: RootFs,
}

/// How an image is run where the task says nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Execution {
    /// `user` or `user:group`, names or numbers.
    pub user: Option<String>,
    /// `NAME=VALUE`
    pub env: Option<Vec<String>>,
    /// The program and its first arguments.
    pub entrypoint: Option<Vec<String>>,
    /// The arguments that follow.
    pub cmd: Option<Vec<String>>,
    /// Where it starts.
    pub working_dir: Option<String>,
    /// The signal that asks it to end, in place of TERM.
    pub stop_signal: Option<String>,
}

/// What the layers hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RootFs {
    /// Digests of the layers before compression, the lowest first.
    pub diff_ids: Vec<Digest>,
}

impl RootFs {
    /// One name for all layers on top of each other: the chain ID of the specification.
    pub fn chain(&self) -> Option<Digest> {
        let mut layers = self.diff_ids.iter();
        let lowest = layers.next()?.clone();
        Some(layers.fold(lowest, |below, layer| Digest::of(format!("{below} {layer}").as_bytes())))
    }
}

#[cfg(test)]
mod tests;
