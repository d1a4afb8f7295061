//! How a server is configured: what a builder collects, and the files made from it.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::directory::ServerDir;
use super::os::ServerUser;

/// The longest path of a Unix socket, less the room for the socket's own name.
const MAX_SOCKET_DIR: usize = 107 - "/.s.PGSQL.65535".len();

/// What distinguishes one test server from another. A replica inherits it from its primary.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerConfig {
    pub(super) settings: Vec<(String, String)>,
    pub(super) hba: Vec<String>,
    pub(super) password_auth: bool,
    /// Certificate and key in PEM.
    pub(super) tls: Option<(String, String)>,
}

/// What makes a server a replica.
#[derive(Debug, Clone)]
pub(super) struct Upstream {
    pub(super) port: u16,
    pub(super) slot: String,
}

impl ServerConfig {
    /// Writes the configuration outside the data directory, which a base backup copies as a whole.
    pub(super) fn write(&self, dir: &ServerDir, port: u16, upstream: Option<&Upstream>) -> Result<()> {
        let path_len = dir.path().as_os_str().len();
        ensure!(
            path_len <= MAX_SOCKET_DIR,
            "{} is too long for a Unix socket: set TMPDIR",
            dir.path().display()
        );
        write(&dir.hba_file(), &self.hba_lines(), 0o644)?;
        write(&dir.config_file(), &self.config_lines(dir, port, upstream), 0o644)?;
        if let Some((cert, key)) = &self.tls {
            write(&dir.cert_file(), cert, 0o644)?;
            write(&dir.key_file(), key, 0o600)?;
        }
        Ok(())
    }

    fn hba_lines(&self) -> String {
        let mut lines: Vec<&str> = self.hba.iter().map(String::as_str).collect();
        // The tests' own access: the superuser by socket, replicas by TCP, so that a proxy can stand between.
        lines.push("local all,replication postgres trust");
        lines.push("host replication postgres 127.0.0.1/32 trust");
        lines.push(match (self.tls.is_some(), self.password_auth) {
            (true, true) => "hostssl all all 127.0.0.1/32 scram-sha-256",
            (true, false) => "hostssl all all 127.0.0.1/32 trust",
            (false, true) => "hostnossl all all 127.0.0.1/32 scram-sha-256",
            (false, false) => "hostnossl all all 127.0.0.1/32 trust",
        });
        lines.join("\n") + "\n"
    }

    fn config_lines(&self, dir: &ServerDir, port: u16, upstream: Option<&Upstream>) -> String {
        let mut settings: Vec<(&str, String)> = Vec::new();
        let mut set = |name, value: &str| settings.push((name, value.to_owned()));
        set("listen_addresses", "127.0.0.1");
        set("port", &port.to_string());
        set("unix_socket_directories", &dir.path().to_string_lossy());
        set("lc_messages", "C");
        // Shared memory in the data directory: a server that is killed leaves nothing in /dev/shm.
        set("dynamic_shared_memory_type", "mmap");
        set("shared_buffers", "32MB");
        // pg_rewind needs it, and replicas must find their WAL, but not fill the disk of a test machine.
        set("wal_log_hints", "on");
        set("max_slot_wal_keep_size", "1GB");
        // A dead peer is noticed in seconds instead of a minute.
        set("wal_sender_timeout", "5s");
        set("wal_receiver_timeout", "5s");
        set("wal_receiver_status_interval", "1s");
        set("wal_retrieve_retry_interval", "200ms");
        if self.tls.is_some() {
            set("ssl", "on");
            set("ssl_cert_file", &dir.cert_file().to_string_lossy());
            set("ssl_key_file", &dir.key_file().to_string_lossy());
        }
        if let Some(Upstream { port, slot }) = upstream {
            set(
                "primary_conninfo",
                &format!("host=127.0.0.1 port={port} user=postgres connect_timeout=5 sslmode=prefer"),
            );
            set("primary_slot_name", slot);
        }
        for (name, value) in &self.settings {
            settings.push((name, value.clone()));
        }
        settings.iter().fold(String::new(), |mut text, (name, value)| {
            let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
            text
        })
    }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    ServerUser::get().own(path)
}
