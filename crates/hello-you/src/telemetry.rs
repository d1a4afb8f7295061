//! What the process tells about itself: log lines and metrics.
//!
//! - `buffer`: the one bounded buffer in front of standard output, and the thread that empties it
//! - `logging`: events of `tracing`, and panics, as lines
//! - `access_log`: one line per request
//! - `metrics`: counters and histograms for Prometheus
//!
//! Nothing here waits for whoever reads standard output, and nothing here ever names a user.

mod access_log;
mod buffer;
mod logging;
mod metrics;
mod timestamp;

use std::io;
use std::sync::Arc;

pub use access_log::{AccessLog, AccessRecord};
pub use metrics::{ConnectionCount, HostRole, Metrics, Operation, StoreMetrics};

use crate::config::LogConfig;
use buffer::WriterThread;
use logging::Form;

/// Everything that is started once per process. Dropping it writes the lines that wait.
#[derive(Debug)]
pub struct Telemetry {
    /// One line per request.
    pub access_log: AccessLog,
    /// Counters and histograms.
    pub metrics: Arc<Metrics>,
    _writer: WriterThread,
}

impl Telemetry {
    /// Starts the thread that writes, and from here on takes the events and panics of the whole process.
    pub fn start(config: &LogConfig) -> Self {
        let metrics = Arc::new(Metrics::new());
        let (buffer, writer) = buffer::start(Box::new(io::stdout()), metrics.log_lines_dropped().clone());
        let form = Form::choose(config);
        logging::take_events(&buffer, form, config);
        logging::take_panics();
        let access_log = AccessLog::new(&buffer, form, &config.filter);
        Self { access_log, metrics, _writer: writer }
    }
}
