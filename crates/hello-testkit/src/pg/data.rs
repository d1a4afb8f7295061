//! Where data directories come from: a template made once per PostgreSQL version, or a backup of a running server.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::directory::ServerDir;
use super::install::PgVersion;
use super::os::{ServerUser, run};
use crate::target_dir::target_dir;

/// To be raised when the arguments of `initdb` below change.
const TEMPLATE_REVISION: u32 = 1;

/// Puts a freshly initialised cluster at `data`: a copy of the template, which is made if there is none yet.
pub(super) async fn initialise(version: &PgVersion, data: &Path) -> Result<()> {
    let templates = target_dir().join("testkit");
    let name = format!("pg-{}-uid-{}-rev-{TEMPLATE_REVISION}", version.full(), ServerUser::get().uid());
    let template = templates.join(&name);
    if !template.is_dir() {
        fs::create_dir_all(&templates).with_context(|| format!("create {}", templates.display()))?;
        // Test programs run in parallel: the first makes the template, the others wait for it.
        let lock_path = templates.join(format!("{name}.lock"));
        let lock = tokio::task::spawn_blocking(move || -> Result<File> {
            let lock = File::create(&lock_path).with_context(|| format!("create {}", lock_path.display()))?;
            lock.lock().with_context(|| format!("lock {}", lock_path.display()))?;
            Ok(lock)
        })
        .await??;
        if !template.is_dir() {
            make_template(version, &template).await.context("initialise a database cluster")?;
        }
        drop(lock);
    }
    copy(&template, data).await
}

async fn make_template(version: &PgVersion, template: &Path) -> Result<()> {
    // In a directory of its own first: the server's user may not be able to write below the target directory.
    let staging = ServerDir::create()?;
    initialise_anew(version, &staging.data()).await?;
    let unfinished = template.with_extension("unfinished");
    fs::remove_dir_all(&unfinished).or_else(ignore_not_found)?;
    copy(&staging.data(), &unfinished).await?;
    fs::rename(&unfinished, template).with_context(|| format!("rename to {}", template.display()))
}

/// Puts a freshly initialised cluster at `data` that is no copy: with a system identifier of its own.
pub(super) async fn initialise_anew(version: &PgVersion, data: &Path) -> Result<()> {
    let initdb = version.program("initdb").context("this PostgreSQL has no initdb")?;
    let mut command = ServerUser::get().command(&initdb);
    command.arg("--pgdata").arg(data);
    command.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
    // What pg_rewind needs. No sync: a template that a crash of the machine damaged goes with the target directory.
    command.args(["--data-checksums", "--no-sync", "--no-instructions"]);
    run(command).await
}

/// Copies with owners and modes; at no cost on file systems that share blocks.
async fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut command = Command::new("cp");
    command.args(["--archive", "--reflink=auto"]).arg(from).arg(to);
    run(command).await
}

/// Takes a base backup of the server that listens on a socket in `socket_dir`.
///
/// With `pg_basebackup` where the installation has it, otherwise by the same steps done by hand.
pub(super) async fn back_up(
    version: &PgVersion,
    source: &ServerDir,
    port: u16,
    superuser: &tokio_postgres::Client,
    data: &Path,
) -> Result<()> {
    let Some(pg_basebackup) = version.program("pg_basebackup") else {
        return copy_online(source, superuser, data).await.context("copy the data of a running server");
    };
    let mut command = ServerUser::get().command(&pg_basebackup);
    command.arg("--host").arg(source.path()).arg("--port").arg(port.to_string()).arg("--username=postgres");
    command.arg("--pgdata").arg(data);
    command.args(["--checkpoint=fast", "--wal-method=stream", "--no-sync", "--no-password"]);
    run(command).await
}

/// The low-level backup of PostgreSQL's documentation: announce it, copy the files while they change, ask for
/// the label. WAL is not copied; the replica's slot, made before this, keeps it for streaming.
async fn copy_online(source: &ServerDir, superuser: &tokio_postgres::Client, data: &Path) -> Result<()> {
    superuser.batch_execute("select pg_backup_start('hello-testkit', fast => true)").await?;
    let (from, to) = (source.data(), data.to_path_buf());
    let copied = tokio::task::spawn_blocking(move || -> Result<()> {
        copy_tree(&from, &to, Path::new(""))?;
        // The control file last, as the documentation asks of a backup taken from a standby.
        copy_file(&from.join("global/pg_control"), &to.join("global/pg_control"))
    });
    copied.await??;
    let row =
        superuser.query_one("select labelfile from pg_backup_stop(wait_for_archive => false)", &[]).await?;
    let label: String = row.try_get(0)?;
    let label_path = data.join("backup_label");
    fs::write(&label_path, label)?;
    ServerUser::get().own(&label_path)
}

/// What belongs to the running server and not to its data, and WAL: directories are made, but left empty.
const LEFT_EMPTY: [&str; 8] = [
    "pg_wal",
    "pg_replslot",
    "pg_dynshmem",
    "pg_notify",
    "pg_serial",
    "pg_snapshots",
    "pg_stat_tmp",
    "pg_subtrans",
];
const LEFT_OUT: [&str; 3] = ["postmaster.pid", "postmaster.opts", "standby.signal"];

fn copy_tree(from: &Path, to: &Path, inside: &Path) -> Result<()> {
    let target = to.join(inside);
    fs::create_dir(&target).with_context(|| format!("create {}", target.display()))?;
    fs::set_permissions(&target, fs::Permissions::from_mode(0o700))?;
    ServerUser::get().own(&target)?;
    if LEFT_EMPTY.iter().any(|name| inside == Path::new(name)) {
        return Ok(());
    }
    for entry in fs::read_dir(from.join(inside))? {
        let entry = entry?;
        let path = inside.join(entry.file_name());
        if LEFT_OUT.iter().any(|name| path == Path::new(name)) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_tree(from, to, &path)?;
        } else {
            copy_file(&from.join(&path), &to.join(&path))?;
        }
    }
    Ok(())
}

/// Copies a file of a running server; one that has vanished meanwhile was not needed.
fn copy_file(from: &Path, to: &Path) -> Result<()> {
    match fs::copy(from, to) {
        Ok(_) => ServerUser::get().own(to),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            ensure!(!from.ends_with("pg_control"), "the server has no control file");
            Ok(())
        }
        Err(error) => Err(error).with_context(|| format!("copy {}", from.display())),
    }
}

fn ignore_not_found(error: std::io::Error) -> Result<(), std::io::Error> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
