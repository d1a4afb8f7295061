//! Counters and histograms for Prometheus.
//!
//! A counter with labels costs a lock and a hash to find. So each is found once, and kept in a table by route, method and
//! status; from then on counting a request is a few atomic additions.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hello_pg::Timeline;
use hyper::{Method, StatusCode};
use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::cli::{REVISION, VERSION};
use crate::http::Route;

mod process;

/// From half a millisecond, which an answer from one machine takes, to the longest time-out.
const DURATION_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Requests that one statement answered.
const BATCH_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

const METHODS: [&str; 8] = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH", "OTHER"];
/// The statuses that have a place in the table; others, which the service does not send, are found the slow way.
const STATUSES: [u16; 19] =
    [200, 201, 204, 304, 400, 401, 404, 405, 406, 408, 411, 413, 414, 415, 431, 500, 501, 503, 505];

/// Everything that is counted and measured.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    /// By route, method and status.
    requests_found: Vec<OnceLock<IntCounter>>,
    /// By route and status.
    durations_found: Vec<OnceLock<Histogram>>,
    connections: IntGauge,
    log_lines_dropped: IntCounter,
    store: StoreMetrics,
    process: process::ProcessMetrics,
}

/// What the stores count and measure.
#[derive(Debug, Clone)]
pub struct StoreMetrics {
    read_batches: Histogram,
    write_batches: Histogram,
    reads_queued: IntGauge,
    writes_queued: IntGauge,
    reads_rejected: IntCounter,
    writes_rejected: IntCounter,
    connections: IntGaugeVec,
    replica_lag: GaugeVec,
    writer_timeline: IntGaugeVec,
}

/// What a request asks of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A read.
    Read,
    /// A write.
    Write,
}

/// What a database host is, for metrics: never its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostRole {
    /// Takes writes.
    Primary,
    /// Follows the primary.
    Replica,
    /// Does not answer, or is not used.
    Other,
}

impl HostRole {
    const fn label(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
            Self::Other => "other",
        }
    }
}

/// A client's connection while it is open.
#[derive(Debug)]
pub struct ConnectionCount(IntGauge);

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        let requests = Opts::new("hello_http_requests_total", "Requests answered.");
        let requests = registered(&registry, IntCounterVec::new(requests, &["method", "route", "status"]));
        let durations = HistogramOpts::new(
            "hello_http_request_duration_seconds",
            "Time from a request's head to its answer.",
        )
        .buckets(DURATION_BUCKETS.to_vec());
        let durations = registered(&registry, HistogramVec::new(durations, &["route", "status"]));
        let connections =
            registered(&registry, IntGauge::new("hello_connections", "Clients' connections that are open."));
        let log_lines_dropped = registered(
            &registry,
            IntCounter::new(
                "hello_log_lines_dropped_total",
                "Log lines that found no room or could not be written.",
            ),
        );
        let build = Opts::new("hello_build_info", "Always 1; the labels say what runs.");
        let build = registered(&registry, IntGaugeVec::new(build, &["version", "revision"]));
        build.with_label_values(&[VERSION, REVISION]).set(1);
        Self {
            requests,
            durations,
            requests_found: empty_table(Route::ALL.len() * METHODS.len() * STATUSES.len()),
            durations_found: empty_table(Route::ALL.len() * STATUSES.len()),
            connections,
            log_lines_dropped,
            store: StoreMetrics::new(&registry),
            process: process::ProcessMetrics::new(&registry),
            registry,
        }
    }

    /// Counts a request that was answered.
    pub fn request(&self, method: &Method, route: Route, status: StatusCode, duration: Duration) {
        let (method_index, method) = method_label(method);
        let seconds = duration.as_secs_f64();
        let find_counter = || self.requests.with_label_values(&[method, route.template(), status.as_str()]);
        let find_histogram = || self.durations.with_label_values(&[route.template(), status.as_str()]);
        let Some(status_index) = status_index(status) else {
            find_counter().inc();
            find_histogram().observe(seconds);
            return;
        };
        let row = route.index() * STATUSES.len() + status_index;
        self.requests_found[row * METHODS.len() + method_index].get_or_init(find_counter).inc();
        self.durations_found[row].get_or_init(find_histogram).observe(seconds);
    }

    /// Counts a client's connection until what this gives back is dropped.
    pub fn connection(&self) -> ConnectionCount {
        self.connections.inc();
        ConnectionCount(self.connections.clone())
    }

    /// What the stores count and measure.
    pub fn store(&self) -> StoreMetrics {
        self.store.clone()
    }

    /// The `Content-Type` of [`Self::render`].
    pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

    /// Everything in Prometheus' text format.
    pub fn render(&self) -> String {
        self.process.update();
        let mut text = String::new();
        let families = self.registry.gather();
        match TextEncoder::new().encode_utf8(&families, &mut text) {
            Ok(()) => text,
            // It fails for a family without a name or without metrics alone; a registry gives neither.
            Err(error) => {
                tracing::error!(%error, "failed to render the metrics");
                String::new()
            }
        }
    }

    pub(super) fn log_lines_dropped(&self) -> &IntCounter {
        &self.log_lines_dropped
    }
}

impl StoreMetrics {
    fn new(registry: &Registry) -> Self {
        let operation = &["operation"];
        let batches = HistogramOpts::new("hello_batch_size", "Requests that one statement answered.")
            .buckets(BATCH_BUCKETS.to_vec());
        let batches = registered(registry, HistogramVec::new(batches, operation));
        let queued = Opts::new("hello_queue_depth", "Requests that wait for the database.");
        let queued = registered(registry, IntGaugeVec::new(queued, operation));
        let rejected = Opts::new(
            "hello_queue_rejected_total",
            "Requests refused because too many waited for the database.",
        );
        let rejected = registered(registry, IntCounterVec::new(rejected, operation));
        let connections = Opts::new("hello_db_connections", "Open connections to database hosts.");
        // Gauges without a label, as vectors: they are absent until they are known, where a plain one would say 0.
        let lag =
            Opts::new("hello_replica_lag_seconds", "How far the replica that is furthest behind is behind.");
        let timeline = Opts::new("hello_writer_timeline", "The highest timeline seen of the database.");
        Self {
            read_batches: batches.with_label_values(&["read"]),
            write_batches: batches.with_label_values(&["write"]),
            reads_queued: queued.with_label_values(&["read"]),
            writes_queued: queued.with_label_values(&["write"]),
            reads_rejected: rejected.with_label_values(&["read"]),
            writes_rejected: rejected.with_label_values(&["write"]),
            connections: registered(registry, IntGaugeVec::new(connections, &["role"])),
            replica_lag: registered(registry, GaugeVec::new(lag, &[])),
            writer_timeline: registered(registry, IntGaugeVec::new(timeline, &[])),
        }
    }

    /// Metrics that nobody reads, for tests.
    pub fn detached() -> Self {
        Self::new(&Registry::new())
    }

    /// One statement answered that many reads.
    #[expect(clippy::cast_precision_loss, reason = "no batch is that large")]
    pub fn read_batch(&self, size: usize) {
        self.read_batches.observe(size as f64);
    }

    /// One transaction committed that many writes.
    #[expect(clippy::cast_precision_loss, reason = "no batch is that large")]
    pub fn write_batch(&self, size: usize) {
        self.write_batches.observe(size as f64);
    }

    /// A request was refused because too many wait.
    pub fn rejected(&self, operation: Operation) {
        match operation {
            Operation::Read => self.reads_rejected.inc(),
            Operation::Write => self.writes_rejected.inc(),
        }
    }

    /// How many requests wait now.
    pub fn queued(&self, reads: usize, writes: usize) {
        self.reads_queued.set(to_i64(reads));
        self.writes_queued.set(to_i64(writes));
    }

    /// How many connections are open to hosts of that role.
    pub fn connections(&self, role: HostRole, count: usize) {
        self.connections.with_label_values(&[role.label()]).set(to_i64(count));
    }

    /// The highest timeline, and the lag of the replica furthest behind, where they are known.
    pub fn topology(&self, timeline: Option<Timeline>, replica_lag: Option<Duration>) {
        const NO_LABELS: &[&str] = &[];
        match timeline {
            Some(timeline) => self.writer_timeline.with_label_values(NO_LABELS).set(timeline.0.into()),
            None => self.writer_timeline.reset(),
        }
        match replica_lag {
            Some(lag) => self.replica_lag.with_label_values(NO_LABELS).set(lag.as_secs_f64()),
            None => self.replica_lag.reset(),
        }
    }
}

/// A place in tables, and the name in logs and metrics. A method that a client made up would be a label of its own.
pub(super) fn method_label(method: &Method) -> (usize, &'static str) {
    let index = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
    (index, METHODS[index])
}

fn status_index(status: StatusCode) -> Option<usize> {
    STATUSES.iter().position(|known| *known == status.as_u16())
}

fn empty_table<T>(length: usize) -> Vec<OnceLock<T>> {
    std::iter::repeat_with(OnceLock::new).take(length).collect()
}

fn to_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Registers a collector that was just made.
fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: prometheus::Result<C>) -> C {
    let collector = collector.expect("names and labels are constants that a test has tried");
    registry
        .register(Box::new(collector.clone()))
        .expect("each name is registered once, which a test has tried");
    collector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_method_route_and_status() {
        let metrics = Metrics::new();
        for _ in 0..3 {
            metrics.request(&Method::GET, Route::Hello, StatusCode::OK, Duration::from_millis(2));
        }
        metrics.request(&Method::PUT, Route::Hello, StatusCode::CREATED, Duration::from_millis(20));
        metrics.request(&Method::GET, Route::Unmatched, StatusCode::IM_A_TEAPOT, Duration::from_millis(2));
        let text = metrics.render();
        for line in [
            "hello_http_requests_total{method=\"GET\",route=\"/hello/{username}\",status=\"200\"} 3\n",
            "hello_http_requests_total{method=\"PUT\",route=\"/hello/{username}\",status=\"201\"} 1\n",
            "hello_http_requests_total{method=\"GET\",route=\"unmatched\",status=\"418\"} 1\n",
            "hello_http_request_duration_seconds_bucket{route=\"/hello/{username}\",status=\"200\",le=\"0.001\"} 0\n",
            "hello_http_request_duration_seconds_bucket{route=\"/hello/{username}\",status=\"200\",le=\"0.0025\"} 3\n",
            "hello_http_request_duration_seconds_count{route=\"/hello/{username}\",status=\"201\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn every_combination_has_a_place_of_its_own() {
        let metrics = Metrics::new();
        let methods = METHODS.map(|method| Method::from_bytes(method.as_bytes()).unwrap());
        for route in Route::ALL {
            for method in &methods {
                for status in STATUSES {
                    metrics.request(method, route, StatusCode::from_u16(status).unwrap(), Duration::ZERO);
                }
            }
        }
        let text = metrics.render();
        let counts: Vec<&str> =
            text.lines().filter(|line| line.starts_with("hello_http_requests_total{")).collect();
        assert_eq!(counts.len(), Route::ALL.len() * METHODS.len() * STATUSES.len());
        assert!(counts.iter().all(|line| line.ends_with("} 1")), "{counts:?}");
    }

    #[test]
    fn a_made_up_method_is_no_label_of_its_own() {
        let metrics = Metrics::new();
        metrics.request(&Method::from_bytes(b"JOSE").unwrap(), Route::Home, StatusCode::OK, Duration::ZERO);
        assert!(metrics.render().contains("{method=\"OTHER\",route=\"/\",status=\"200\"} 1\n"));
    }

    #[test]
    fn what_the_stores_measure_is_rendered() {
        let metrics = Metrics::new();
        let store = metrics.store();
        store.read_batch(17);
        store.write_batch(3);
        store.queued(5, 6);
        store.rejected(Operation::Write);
        store.connections(HostRole::Primary, 4);
        store.topology(Some(Timeline(7)), Some(Duration::from_millis(1500)));
        let text = metrics.render();
        for line in [
            "hello_batch_size_bucket{operation=\"read\",le=\"16\"} 0\n",
            "hello_batch_size_bucket{operation=\"read\",le=\"32\"} 1\n",
            "hello_batch_size_sum{operation=\"write\"} 3\n",
            "hello_queue_depth{operation=\"read\"} 5\n",
            "hello_queue_depth{operation=\"write\"} 6\n",
            "hello_queue_rejected_total{operation=\"read\"} 0\n",
            "hello_queue_rejected_total{operation=\"write\"} 1\n",
            "hello_db_connections{role=\"primary\"} 4\n",
            "hello_writer_timeline 7\n",
            "hello_replica_lag_seconds 1.5\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_absent() {
        let metrics = Metrics::new();
        assert!(!metrics.render().contains("hello_writer_timeline"));
        metrics.store().topology(Some(Timeline(7)), Some(Duration::ZERO));
        metrics.store().topology(None, None);
        let text = metrics.render();
        assert!(
            !text.contains("hello_writer_timeline") && !text.contains("hello_replica_lag_seconds"),
            "{text}"
        );
    }

    #[test]
    fn the_process_and_the_build_are_rendered() {
        let metrics = Metrics::new();
        let connection = metrics.connection();
        let text = metrics.render();
        assert!(text.contains("hello_connections 1\n"), "{text}");
        assert!(text.contains("hello_log_lines_dropped_total 0\n"), "{text}");
        assert!(text.contains(&format!("revision=\"{REVISION}\",version=\"{VERSION}\"}} 1\n")), "{text}");
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} is absent:\n{text}")).parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_start_time_seconds") > 1.7e9);
        drop(connection);
        assert!(metrics.render().contains("hello_connections 0\n"));
    }
}
