//! Ports below 1024 for unprivileged processes of a namespace.

use crate::network::netns::Namespace;
use std::{fs, io};

/// Lets every process of the namespace listen on every port: a part's process is no root, and nothing else is inside.
///
/// `ip_unprivileged_port_start` counts for the namespace of who writes it (ip-sysctl of the kernel's documentation).
pub(crate) fn allow(namespace: &Namespace) -> io::Result<()> {
    namespace.run(|| fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"))
}
