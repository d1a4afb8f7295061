//! What telemetry costs per request: `cargo bench -p hello-you --bench telemetry > /dev/null`.
//!
//! The lines go to standard output as in the running program, thread and buffer included; the figures to standard error.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use hello_you::config::{LogConfig, LogFormat};
use hello_you::http::Route;
use hello_you::telemetry::{AccessRecord, Telemetry};
use hyper::{Method, StatusCode};
use tracing_subscriber::filter::{LevelFilter, Targets};

const REQUESTS: u32 = 1_000_000;

fn main() {
    let filter = Targets::new().with_default(LevelFilter::INFO);
    let telemetry = Telemetry::start(&LogConfig { format: LogFormat::Json, filter, colour: false });
    for threads in [1, 2] {
        measure("access log line", threads, |number| {
            telemetry.access_log.write(&AccessRecord {
                method: black_box(&Method::GET),
                route: black_box(Route::Hello),
                status: black_box(StatusCode::OK),
                duration: Duration::from_nanos(number.into()),
                request_id: black_box("0192f0c1a7b84d2c9e3f5a6b7c8d9e0f"),
                trace_id: black_box(Some("4bf92f3577b34da6a3ce929d0e0e4736")),
            });
        });
        measure("metrics of a request", threads, |number| {
            let duration = Duration::from_nanos(number.into());
            telemetry.metrics.request(
                black_box(&Method::GET),
                Route::Hello,
                black_box(StatusCode::OK),
                duration,
            );
        });
    }
    let text = telemetry.metrics.render();
    let dropped =
        text.lines().find(|line| line.starts_with("hello_log_lines_dropped_total")).unwrap_or_default();
    report(dropped);
}

/// Times that many requests on each thread.
fn measure(what: &str, threads: u32, request: impl Fn(u32) + Sync) {
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..REQUESTS).for_each(&request));
        }
    });
    let nanoseconds = start.elapsed().as_secs_f64() * 1e9 / f64::from(REQUESTS);
    report(&format!("{what}, {threads} thread(s): {nanoseconds:.0} ns each"));
}

fn report(line: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(io::stderr(), "{line}");
}
