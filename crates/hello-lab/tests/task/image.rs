//! An image made of this machine's shell and a few programs, as an OCI layout of two layers.

use hello_lab::registry::oci::Digest;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Programs beside the shell.
const PROGRAMS: [&str; 9] = ["cat", "env", "grep", "id", "ls", "rm", "sleep", "tail", "touch"];

/// The layout, made once for all tests. Its tag is `1`.
pub(crate) fn layout() -> &'static Path {
    static LAYOUT: OnceLock<tempfile::TempDir> = OnceLock::new();
    LAYOUT.get_or_init(|| make(&json!({ "User": "65532:65532", "Entrypoint": ["/bin/sh", "-c"] }))).path()
}

fn make(execution: &Value) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let blobs = directory.path().join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let store = |content: &[u8], media_type: &str| {
        let digest = Digest::of(content);
        fs::write(blobs.join(digest.hex()), content).unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
    };

    let mut lower = tar::Builder::new(Vec::new());
    for (from, to) in programs() {
        let content = fs::read(&from).unwrap();
        let mut header = header(content.len() as u64, 0o755);
        lower.append_data(&mut header, to.strip_prefix("/").unwrap(), &content[..]).unwrap();
    }
    lower.append_data(&mut header(0, 0o644), "hidden", &b""[..]).unwrap();
    let lower = lower.into_inner().unwrap();

    let mut upper = tar::Builder::new(Vec::new());
    upper.append_data(&mut header(0, 0o644), ".wh.hidden", &b""[..]).unwrap();
    let mut directory_header = header(0, 0o1777);
    directory_header.set_entry_type(tar::EntryType::Directory);
    upper.append_data(&mut directory_header, "tmp/", &b""[..]).unwrap();
    let upper = upper.into_inner().unwrap();

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&lower).unwrap();
    let layers = [
        store(&gzip.finish().unwrap(), "application/vnd.oci.image.layer.v1.tar+gzip"),
        store(&zstd::encode_all(&upper[..], 1).unwrap(), "application/vnd.oci.image.layer.v1.tar+zstd"),
    ];
    let configuration = json!({
        "architecture": hello_lab::registry::oci::architecture(), "os": "linux", "config": execution,
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&lower), Digest::of(&upper)] },
    });
    let configuration =
        store(configuration.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": media_type, "config": configuration, "layers": layers });
    let mut manifest = store(manifest.to_string().as_bytes(), media_type);
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "ghcr.io/owner/shell:1" });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(directory.path().join("index.json"), index.to_string()).unwrap();
    directory
}

/// The same image with one more layer, which is no other's: another image under the same tag.
pub(crate) fn another(number: u32) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (layout().join("blobs/sha256"), directory.path().join("blobs/sha256"));
    fs::create_dir_all(&to).unwrap();
    for blob in fs::read_dir(&from).unwrap().flatten() {
        fs::copy(blob.path(), to.join(blob.file_name())).unwrap();
    }
    let read = |path: PathBuf| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let blob = |descriptor: &Value| {
        from.join(descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap())
    };
    let store = |content: &[u8], descriptor: &mut Value| {
        let digest = Digest::of(content);
        fs::write(to.join(digest.hex()), content).unwrap();
        descriptor["digest"] = json!(digest);
        descriptor["size"] = json!(content.len());
    };
    let mut index = read(layout().join("index.json"));
    let mut manifest = read(blob(&index["manifests"][0]));
    let mut configuration = read(blob(&manifest["config"]));

    let mut layer = tar::Builder::new(Vec::new());
    let content = number.to_string();
    layer.append_data(&mut header(content.len() as u64, 0o644), "number", content.as_bytes()).unwrap();
    let layer = layer.into_inner().unwrap();
    let mut descriptor = json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar" });
    store(&layer, &mut descriptor);
    manifest["layers"].as_array_mut().unwrap().push(descriptor);
    configuration["rootfs"]["diff_ids"].as_array_mut().unwrap().push(json!(Digest::of(&layer)));
    store(configuration.to_string().as_bytes(), &mut manifest["config"]);
    store(manifest.to_string().as_bytes(), &mut index["manifests"][0]);
    fs::write(directory.path().join("index.json"), index.to_string()).unwrap();
    directory
}

/// Of a file that is root's.
fn header(size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Programs and the libraries that they need, with their places in the image.
fn programs() -> BTreeSet<(PathBuf, PathBuf)> {
    let mut files = BTreeSet::new();
    for program in ["sh"].iter().chain(&PROGRAMS) {
        let found = ["/usr/bin", "/bin"]
            .iter()
            .map(|place| Path::new(place).join(program))
            .find(|path| path.exists());
        let found = found.unwrap_or_else(|| panic!("this machine has no {program}"));
        let libraries = Command::new("ldd").arg(&found).output().unwrap();
        for word in String::from_utf8(libraries.stdout).unwrap().split_whitespace() {
            if word.starts_with('/') {
                files.insert((word.into(), word.into()));
            }
        }
        files.insert((found, Path::new("/bin").join(program)));
    }
    files
}
