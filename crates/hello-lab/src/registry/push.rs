//! Pushes an OCI image layout: blobs first, then the manifest that names them.

use crate::registry::{
    client::Client,
    oci::{Descriptor, Digest, INDEX, Index, Manifest},
};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use hyper::{
    Method, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

/// Of a blob that much is in memory at a time.
const CHUNK: u64 = 4 << 20;

/// Pushes the one image of the layout, under its tag where the layout gives one, and gives its digest.
pub async fn push(client: &mut Client, layout: &Path, repository: &str) -> anyhow::Result<Digest> {
    let index: Index = read(&layout.join("index.json"))?;
    let [image] = &index.manifests[..] else {
        bail!("{} must hold one image and holds {}", layout.display(), index.manifests.len());
    };
    if image.media_type == INDEX {
        let platforms: Index = read(&blob(layout, &image.digest))?;
        for platform in &platforms.manifests {
            push_manifest(client, layout, repository, platform, &platform.digest.to_string()).await?;
        }
        put_manifest(client, layout, repository, image, &version(image)).await?;
    } else {
        push_manifest(client, layout, repository, image, &version(image)).await?;
    }
    Ok(image.digest.clone())
}

/// The tag that the layout's index gives, else the digest.
fn version(image: &Descriptor) -> String {
    let name =
        image.annotations.get("org.opencontainers.image.ref.name").map(String::as_str).unwrap_or_default();
    match name.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => tag.to_owned(),
        _ if !name.is_empty() && !name.contains('/') => name.to_owned(),
        _ => image.digest.to_string(),
    }
}

fn blob(layout: &Path, digest: &Digest) -> PathBuf {
    layout.join("blobs/sha256").join(digest.hex())
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let content = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&content).with_context(|| format!("understand {}", path.display()))
}

async fn push_manifest(
    client: &mut Client,
    layout: &Path,
    repository: &str,
    descriptor: &Descriptor,
    version: &str,
) -> anyhow::Result<()> {
    let manifest: Manifest = read(&blob(layout, &descriptor.digest))?;
    for content in manifest.layers.iter().chain([&manifest.config]) {
        push_blob(client, layout, repository, content)
            .await
            .with_context(|| format!("push the blob {}", content.digest))?;
    }
    put_manifest(client, layout, repository, descriptor, version).await
}

async fn put_manifest(
    client: &mut Client,
    layout: &Path,
    repository: &str,
    descriptor: &Descriptor,
    version: &str,
) -> anyhow::Result<()> {
    let path = blob(layout, &descriptor.digest);
    let content = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    if Digest::of(&content) != descriptor.digest {
        bail!("the content of {} is not that of its name", path.display());
    }
    let address = format!("/v2/{repository}/manifests/{version}");
    let headers = [(CONTENT_TYPE, descriptor.media_type.as_str())];
    client.ask(Method::PUT, &address, &headers, content.into(), &[StatusCode::CREATED]).await?;
    Ok(())
}

async fn push_blob(
    client: &mut Client,
    layout: &Path,
    repository: &str,
    content: &Descriptor,
) -> anyhow::Result<()> {
    let path = format!("/v2/{repository}/blobs/{}", content.digest);
    let known = [StatusCode::OK, StatusCode::NOT_FOUND];
    if client.ask(Method::HEAD, &path, &[], Bytes::new(), &known).await?.status() == StatusCode::OK {
        return Ok(());
    }
    let file = blob(layout, &content.digest);
    let mut file = File::open(&file).with_context(|| format!("open {}", file.display()))?;
    let uploads = format!("/v2/{repository}/blobs/uploads/");
    let accepted = [StatusCode::ACCEPTED];
    let mut answer = client.ask(Method::POST, &uploads, &[], Bytes::new(), &accepted).await?;
    let mut left = file.metadata()?.len();
    loop {
        let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.context("the registry does not say where to upload to")?.to_owned();
        let mut chunk = Vec::new();
        (&mut file).take(CHUNK).read_to_end(&mut chunk)?;
        left = left.saturating_sub(chunk.len() as u64);
        let headers = [(CONTENT_TYPE, "application/octet-stream")];
        if left > 0 && !chunk.is_empty() {
            answer = client.ask(Method::PATCH, &location, &headers, chunk.into(), &accepted).await?;
            continue;
        }
        let separator = if location.contains('?') { '&' } else { '?' };
        let location = format!("{location}{separator}digest={}", content.digest);
        client.ask(Method::PUT, &location, &headers, chunk.into(), &[StatusCode::CREATED]).await?;
        return Ok(());
    }
}
