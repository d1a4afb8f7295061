//! What a service says of itself in Prometheus' format.

use hyper::Method;

use super::service::Service;

/// The value of a series, written as the service writes it, labels included; nothing if it is absent.
pub(crate) async fn sample(service: &Service, series: &str) -> Option<f64> {
    let reply = service.administer(Method::GET, "/metrics").await;
    let value = reply.body.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map(|value| value.parse().unwrap_or_else(|_| panic!("{series} {value}")))
}
