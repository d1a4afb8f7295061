//! Servers of the lab without root.
//!
//! HAProxy is started as its own user. Our own servers run the daemon's program, which may lie where only root can reach
//! it, so they begin as root, open their sockets, and give it up before they read a byte from one.

use crate::{network::netns::Namespace, process::User};
use nix::{
    sys::prctl,
    unistd::{Gid, Uid, setgroups, setresgid, setresuid},
};
use std::{fs, io};

/// Lets every process of the namespace listen on every port: a part's process is no root, and nothing else is inside.
///
/// `ip_unprivileged_port_start` counts for the namespace of who writes it (ip-sysctl of the kernel's documentation).
pub(crate) fn allow_low_ports(namespace: &Namespace) -> io::Result<()> {
    namespace.run(|| fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"))
}

/// Becomes `nobody` for good, in all threads. A process that leaves user 0 this way keeps no capability
/// (capabilities(7)), and gets none by running a program (`no_new_privs`).
pub(crate) fn become_nobody() -> io::Result<()> {
    let User { uid, gid } = User::named("nobody")?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    prctl::set_no_new_privs()?;
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    Ok(())
}
