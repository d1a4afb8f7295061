//! Three answers about health, for three who ask: a load balancer (liveness), an operator (readiness), and DNS
//! fail-over (the region). None of them touches the database; the background looks at it every second.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use serde::Serialize;

use super::{App, Body, Response};
use crate::store::{Condition, ReadSource, Store, WriteTarget};

/// The process answers. A load balancer must not empty itself because a database is down.
#[utoipa::path(
    get, path = "/health", tag = "health",
    responses((status = 200, description = "The process can answer", body = super::openapi::Health, content_type = "application/json"))
)]
pub(super) fn health() -> Response {
    let mut response = Response::new(Body::from(Bytes::from_static(b"{\"status\":\"healthy\"}")));
    decorate(&mut response);
    response
}

/// What can be served now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HealthReport {
    /// `healthy` or `unhealthy`: the answer to what was asked, as the status code gives it.
    status: &'static str,
    /// Where reads go: `replica`, `primary`, `far`, `embedded`, or `unavailable`.
    reads: &'static str,
    /// Where writes go: `primary`, `far`, `embedded`, or `unavailable`.
    writes: &'static str,
    /// For how many seconds writes have failed; null while they work.
    writes_failing_for_seconds: Option<u64>,
    /// The highest timeline of PostgreSQL that was seen.
    timeline: Option<u32>,
    /// Whether the databases of this region are on a timeline that has been left.
    fenced: bool,
    /// Whether the process is about to end.
    draining: bool,
    /// What is not as it should be.
    reasons: Vec<&'static str>,
}

/// Whether reads can be served, and whether writes can.
#[utoipa::path(
    get, path = "/health/ready", tag = "health",
    responses(
        (status = 200, description = "Reads can be served", body = HealthReport, content_type = "application/json"),
        (status = 503, description = "Reads cannot be served, or the process is about to end", body = HealthReport, content_type = "application/json", headers(
            ("Retry-After" = u32, description = "Seconds to wait"),
        )),
    )
)]
pub(super) fn ready(app: &App) -> Response {
    let draining = app.shared.draining.load(Ordering::Relaxed);
    let condition = app.store.condition();
    report(condition.reads.is_some() && !draining, condition, draining)
}

/// Whether this region should get traffic: the health of the region, for DNS fail-over.
#[utoipa::path(
    get, path = "/health/deep", tag = "health",
    responses(
        (status = 200, description = "This region serves", body = HealthReport, content_type = "application/json"),
        (status = 503, description = "Reads are unusable, this region is fenced, or writes have failed for too long", body = HealthReport, content_type = "application/json", headers(
            ("Retry-After" = u32, description = "Seconds to wait"),
        )),
    )
)]
pub(super) fn deep(app: &App) -> Response {
    let draining = app.shared.draining.load(Ordering::Relaxed);
    let condition = app.store.condition();
    report(region_is_healthy(&condition, app.shared.write_grace), condition, draining)
}

fn report(healthy: bool, condition: Condition, draining: bool) -> Response {
    let document = HealthReport {
        status: if healthy { "healthy" } else { "unhealthy" },
        reads: reads(&condition),
        writes: writes(&condition),
        writes_failing_for_seconds: condition.writes_failing_for.map(|duration| duration.as_secs()),
        timeline: condition.timeline.map(|timeline| timeline.0),
        fenced: condition.fenced,
        draining,
        reasons: condition.reasons,
    };
    json(if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &document)
}

/// `write_grace`: a database's own fail-over or reboot takes a minute or two and must not move a region.
fn region_is_healthy(condition: &Condition, write_grace: Duration) -> bool {
    let writes_given_up = condition.writes_failing_for.is_some_and(|duration| duration > write_grace);
    condition.reads.is_some() && !condition.fenced && !writes_given_up
}

fn reads(condition: &Condition) -> &'static str {
    match condition.reads {
        Some(ReadSource::Embedded) => "embedded",
        Some(ReadSource::Replica) => "replica",
        Some(ReadSource::Primary) => "primary",
        Some(ReadSource::Far) => "far",
        None => "unavailable",
    }
}

fn writes(condition: &Condition) -> &'static str {
    match condition.writes {
        Some(WriteTarget::Embedded) => "embedded",
        Some(WriteTarget::Primary) => "primary",
        Some(WriteTarget::Far) => "far",
        None => "unavailable",
    }
}

fn json(status: StatusCode, document: &impl Serialize) -> Response {
    let json = serde_json::to_vec(document).expect("strings and numbers always become JSON");
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    decorate(&mut response);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn decorate(response: &mut Response) {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition() -> Condition {
        Condition {
            reads: Some(ReadSource::Replica),
            writes: Some(WriteTarget::Primary),
            writes_failing_for: None,
            timeline: None,
            fenced: false,
            reasons: Vec::new(),
        }
    }

    const GRACE: Duration = Duration::from_secs(120);

    #[test]
    fn a_region_that_reads_and_writes_is_healthy() {
        assert!(region_is_healthy(&condition(), GRACE));
    }

    #[test]
    fn writes_may_fail_for_the_grace_time() {
        let failing = |seconds| Condition {
            writes: None,
            writes_failing_for: Some(Duration::from_secs(seconds)),
            ..condition()
        };
        assert!(region_is_healthy(&failing(120), GRACE));
        assert!(!region_is_healthy(&failing(121), GRACE));
    }

    #[test]
    fn without_reads_or_when_fenced_a_region_is_unhealthy_at_once() {
        assert!(!region_is_healthy(&Condition { reads: None, ..condition() }, GRACE));
        assert!(!region_is_healthy(&Condition { fenced: true, ..condition() }, GRACE));
    }
}
