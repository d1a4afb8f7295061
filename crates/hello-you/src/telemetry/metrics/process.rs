//! What Linux knows about the process, under the names that Prometheus clients share.

use std::fs;

use super::{Gauge, IntGaugeVec, Opts, Registry, SystemTime, UNIX_EPOCH, registered};

/// Memory, open files and start of the process.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    resident_memory: IntGaugeVec,
    open_files: IntGaugeVec,
}

impl ProcessMetrics {
    /// Made at the start of the process, whose time it keeps.
    pub(super) fn new(registry: &Registry) -> Self {
        let start = registered(
            registry,
            Gauge::new("process_start_time_seconds", "When the process began, in seconds since the epoch."),
        );
        start.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        let memory = Opts::new("process_resident_memory_bytes", "Memory of the process that is in RAM.");
        let files = Opts::new("process_open_fds", "Open files and sockets.");
        Self {
            // Without labels, as vectors: absent where the system does not say.
            resident_memory: registered(registry, IntGaugeVec::new(memory, &[])),
            open_files: registered(registry, IntGaugeVec::new(files, &[])),
        }
    }

    /// Reads them anew.
    pub(super) fn update(&self) {
        const NO_LABELS: &[&str] = &[];
        if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident_bytes)
        {
            self.resident_memory.with_label_values(NO_LABELS).set(bytes);
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // The directory itself is open while it is read.
            let count = files.count().saturating_sub(1);
            self.open_files.with_label_values(NO_LABELS).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

/// The line `VmRSS:     1234 kB` of `/proc/self/status`.
fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_its_line() {
        assert_eq!(resident_bytes("Name:\thello-you\nVmRSS:\t    1234 kB\nThreads:\t3\n"), Some(1234 * 1024));
        assert_eq!(resident_bytes("Name:\thello-you\n"), None);
    }
}
