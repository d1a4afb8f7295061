//! The text of a server's configuration files: pure.

use super::{
    files::Files,
    model::{Instance, Origin},
    parameters::{FORCE_SSL, LOGICAL_REPLICATION, PASSWORD_METHOD},
};
use std::{collections::BTreeMap, fmt::Write as _};

/// The superuser, which only the lab uses, and only over the socket. RDS's has the same name.
pub(super) const SUPERUSER: &str = "rdsadmin";
/// Whom replicas connect as. RDS's has the same name.
pub(super) const REPLICATION_USER: &str = "rdsrepladmin";

/// What the lab sets and the group may change: small enough that a region fits into a laptop, and such that a peer that
/// is gone is noticed in seconds.
const DEFAULTS: &[(&str, &str)] = &[
    // 16 MB in pages of 8 kB. RDS takes a quarter of the class's memory.
    ("shared_buffers", "2048"),
    // Disk, in MB: RDS keeps 2 GB of WAL for replicas; here a slot keeps it, and not more than this.
    ("max_slot_wal_keep_size", "256"),
    ("max_wal_size", "256"),
    ("min_wal_size", "32"),
    // Shared memory as files of the data directory: a server that is killed leaves nothing in /dev/shm.
    ("dynamic_shared_memory_type", "mmap"),
    // pg_rewind needs it.
    ("wal_log_hints", "1"),
    ("wal_sender_timeout", "5000"),
    ("wal_receiver_timeout", "5000"),
    ("wal_receiver_status_interval", "1"),
    ("wal_retrieve_retry_interval", "500"),
    ("tcp_user_timeout", "5000"),
    ("password_encryption", "scram-sha-256"),
    ("ssl_min_protocol_version", "TLSv1.2"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("lc_messages", "C"),
    // RDS's names of log files and prefix of their lines:
    // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_LogAccess.Concepts.PostgreSQL.overview.parameter-groups.html
    ("log_filename", "postgresql.log.%Y-%m-%d-%H"),
    ("log_rotation_age", "60"),
    ("log_rotation_size", "0"),
    ("log_line_prefix", "%t:%r:%u@%d:[%p]:"),
];

/// The source of a replica.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) key: &'a str,
    conninfo: (&'a str, std::net::Ipv4Addr, u16),
}

impl<'a> Source<'a> {
    /// That of an instance whose model has one.
    pub(super) fn of(instance: &'a Instance) -> Option<Source<'a>> {
        match &instance.origin {
            Origin::Replica { source, address, hostname, port } => {
                Some(Source { key: source, conninfo: (hostname, *address, *port) })
            }
            Origin::New { .. } | Origin::Snapshot { .. } => None,
        }
    }

    /// How `replica` connects to it. The certificate is checked against the name, the address needs no resolver.
    pub(super) fn conninfo(&self, replica: &Files) -> String {
        let (hostname, address, port) = self.conninfo;
        [
            ("host", hostname.to_owned()),
            ("hostaddr", address.to_string()),
            ("port", port.to_string()),
            ("user", REPLICATION_USER.to_owned()),
            ("passfile", replica.passfile().display().to_string()),
            ("sslmode", "verify-full".to_owned()),
            ("sslrootcert", replica.ca().display().to_string()),
            ("application_name", replica.identifier.clone()),
            ("connect_timeout", "5".to_owned()),
            ("keepalives_idle", "5".to_owned()),
            ("keepalives_interval", "2".to_owned()),
            ("keepalives_count", "3".to_owned()),
            ("tcp_user_timeout", "5000".to_owned()),
        ]
        .map(|(key, value)| format!("{key}='{}'", value.replace('\\', "\\\\").replace('\'', "\\'")))
        .join(" ")
    }
}

/// The name of a replica's slot on its source. Identifiers have no underscore, so no two share a slot.
pub(super) fn slot_name(identifier: &str) -> String {
    identifier.to_ascii_lowercase().replace('-', "_")
}

/// `postgresql.conf` with these parameters of the group in effect.
///
/// `is_durable` is false while an instance is being made: nothing then waits for the disk, and all is written out at once
/// before it is available, as the manual describes it for turning `fsync` on:
/// <https://www.postgresql.org/docs/15/runtime-config-wal.html#GUC-FSYNC>. That saves a thousand waits.
pub(super) fn postgresql_conf(
    instance: &Instance,
    files: &Files,
    parameters: &BTreeMap<String, String>,
    source: Option<Source<'_>>,
    is_durable: bool,
) -> String {
    let mut settings: BTreeMap<&str, String> =
        DEFAULTS.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    for (name, value) in parameters.iter().filter(|(name, _)| !name.starts_with("rds.")) {
        settings.insert(name, value.clone());
    }
    if instance.major_version >= 14 {
        // After a crash, one call for the instance's own file system instead of one for each file.
        settings.entry("recovery_init_sync_method").or_insert_with(|| "syncfs".to_owned());
    }
    let path = |name: &str| files.run.join(name).display().to_string();
    let logical = parameters.get(LOGICAL_REPLICATION).is_some_and(|value| value == "1");
    settings.extend([
        ("wal_level", if logical { "logical" } else { "replica" }.to_owned()),
        ("listen_addresses", instance.address.to_string()),
        ("port", instance.port.to_string()),
        ("unix_socket_directories", files.socket().display().to_string()),
        ("hba_file", path("pg_hba.conf")),
        ("ident_file", path("pg_ident.conf")),
        ("ssl", "on".to_owned()),
        ("ssl_cert_file", path("server.crt")),
        ("ssl_key_file", path("server.key")),
        ("cluster_name", instance.identifier.clone()),
        ("log_destination", "stderr".to_owned()),
        ("logging_collector", "on".to_owned()),
        ("log_directory", files.log().display().to_string()),
        ("log_file_mode", "0644".to_owned()),
    ]);
    if !is_durable {
        settings.insert("fsync", "off".to_owned());
    }
    if let Some(source) = source {
        settings.insert("primary_conninfo", source.conninfo(files));
        settings.insert("primary_slot_name", slot_name(&instance.identifier));
    }
    self::settings(&settings)
}

/// Settings as lines of a configuration.
pub(super) fn settings<N: std::fmt::Display>(settings: &BTreeMap<N, String>) -> String {
    settings.iter().fold(String::new(), |mut text, (name, value)| {
        // Both doubled: a quote ends the value, a backslash begins an escape.
        let value = value.replace('\\', "\\\\").replace('\'', "''");
        let _ = writeln!(text, "{name} = '{value}'");
        text
    })
}

/// `pg_hba.conf`: the superuser by socket, replicas and clients by TCP from the VPCs' ranges. Whatever no line names is
/// refused with RDS's words for it: `no pg_hba.conf entry for host ..., no encryption`.
///
/// `rds.force_ssl` is on from PostgreSQL 15 unless the group says otherwise:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.SSL.html>
pub(super) fn pg_hba_conf(instance: &Instance, parameters: &BTreeMap<String, String>) -> String {
    let forced = parameters.get(FORCE_SSL).map_or(instance.major_version >= 15, |value| value == "1");
    let kind = if forced { "hostssl" } else { "host" };
    // `md5` takes SCRAM passwords too.
    let method = match parameters.get(PASSWORD_METHOD).map(String::as_str) {
        Some("md5+scram") => "md5",
        _ => "scram-sha-256",
    };
    let mut text = format!(
        "local all,replication {SUPERUSER} peer map=lab\n\
         host all,replication {SUPERUSER} all reject\n"
    );
    for range in &instance.clients {
        let _ = writeln!(text, "hostssl replication {REPLICATION_USER} {range} scram-sha-256");
    }
    let _ = writeln!(text, "host all,replication {REPLICATION_USER} all reject");
    for range in &instance.clients {
        let _ = writeln!(text, "{kind} all all {range} {method}");
    }
    text
}

/// `pg_ident.conf`: the daemon, and the server's own user for base backups, are the superuser.
pub(super) fn pg_ident_conf(server_user: &str) -> String {
    format!("lab root {SUPERUSER}\nlab {server_user} {SUPERUSER}\n")
}

#[cfg(test)]
mod tests;
