//! The HAProxy configuration of a node: a pure function of the model.
//!
//! A target group is three backends:
//!
//! - `tg-NAME`: its targets, checked as configured. Requests go here.
//! - `new-NAME`: targets that have not passed or failed for good yet. No request goes here; they are checked more often
//!   ([`timeouts::FIRST_TARGET_CHECKS`]), with as much time to pass as an unhealthy target has, and move to `tg-NAME` with
//!   the first pass.
//! - `all-NAME`: all of them, unchecked. Requests go here while too few are healthy: the load balancer fails open.
//!
//! A request passes two frontends of the one process: `listener-PORT` is the client's side of the connection, `rules-PORT`
//! has the rules and knows the targets. Between them a connection carries a single request. HAProxy closes a client's
//! connection without a word when a target fails a request that is not its first; this way each request is the first one,
//! and the client gets the 502 that an ALB gives.
//!
//! A request that a dying target refuses or cuts off is sent once more if it may be ([`REPEATABLE`]). An ALB does not do
//! that, so the lab does as little of it as keeps clients from noticing one killed task of two: `rules-PORT` answers its
//! own 502 as 425 ("send again"), which `listener-PORT` does, or else shows as the 502 it is. The second attempt goes to
//! `all-NAME`, where a refused connection passes to another target. What times out is a 504 and is not sent again.
//!
//! What is not modelled of a request's way: `docs/LAB.md`.
//!
//! Statuses are those of
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html>.

use super::{
    model::{Action, HealthCheck, LoadBalancer, Node, Rule, Target, TargetGroup},
    policy::{self, Policy},
    rules::{self, Place, page, page_of, phrase, quoted},
};
use crate::timeouts;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::SocketAddrV4,
    time::Duration,
};

/// The backend of a target group's members.
pub(super) fn members(group: &str) -> String {
    format!("tg-{group}")
}

/// The backend of its new targets.
pub(super) fn new_targets(group: &str) -> String {
    format!("new-{group}")
}

/// The backend of all its targets.
pub(super) fn all_targets(group: &str) -> String {
    format!("all-{group}")
}

/// The name of a target's server: its address, which `%[srv_name]` gives as the host that a check asks for.
pub(super) fn server(target: &Target) -> String {
    SocketAddrV4::new(target.address, target.port).to_string()
}

/// Each target once. One that is registered while it still drains is registered.
pub(super) fn once(targets: &[Target]) -> impl Iterator<Item = &Target> {
    let mut targets: Vec<_> = targets.iter().collect();
    targets.sort_by_key(|target| (target.address, target.port, target.draining));
    targets.dedup_by_key(|target| (target.address, target.port));
    targets.into_iter()
}

/// What follows a member's address in its `server` line.
pub(super) fn member_words(check: &HealthCheck) -> String {
    let HealthCheck { interval, healthy_threshold, unhealthy_threshold, .. } = check;
    check_words(check, *interval, *unhealthy_threshold, *healthy_threshold)
}

/// What follows a new target's address.
pub(super) fn new_words(check: &HealthCheck) -> String {
    let interval = check.interval.min(timeouts::FIRST_TARGET_CHECKS).max(Duration::from_millis(1));
    let until_unhealthy = check.interval * check.unhealthy_threshold.max(1);
    let failures = until_unhealthy.as_millis().div_ceil(interval.as_millis());
    check_words(check, interval, u32::try_from(failures).unwrap_or(u32::MAX), 1)
}

fn check_words(check: &HealthCheck, interval: Duration, fall: u32, rise: u32) -> String {
    let mut words =
        format!("check inter {} fall {} rise {}", interval.as_millis().max(1), fall.max(1), rise.max(1));
    if let Some(port) = check.port {
        write!(words, " port {port}").expect("a String takes everything");
    }
    words
}

/// The servers that a process begins with. New targets are none of them: a server of a configuration has failed with its
/// first check.
#[derive(Clone, Debug, Default)]
pub(super) struct Servers {
    /// Backend and name.
    pub(super) known: BTreeSet<(String, String)>,
}

/// What a process is started with, next to its certificates.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Configuration {
    /// The configuration file.
    pub(super) text: String,
    /// Files beside it, by name.
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

/// The configuration of the load balancer on a node. Paths in it are relative to the directory it lies in.
///
/// `certificates` are the files of listeners with TLS by port. The error is one sentence for the user.
pub(super) fn configuration(
    balancer: &LoadBalancer,
    node: &Node,
    certificates: &BTreeMap<u16, String>,
    admin_socket: &str,
    servers: &Servers,
) -> Result<Configuration, String> {
    let mut lines = head(balancer, admin_socket);
    let mut files = BTreeMap::new();
    let groups: BTreeSet<&str> = balancer.target_groups.keys().map(String::as_str).collect();
    for (port, listener) in &balancer.listeners {
        let certificate = certificates.get(port).map(String::as_str);
        let place = Place {
            protocol: if certificate.is_some() { "https" } else { "http" },
            port: *port,
            directory: ".",
        };
        lines.push(String::new());
        let mut bind = format!("bind {}:{port}", node.address);
        if let Some(certificate) = certificate {
            let name = listener.ssl_policy.as_deref().unwrap_or(policy::DEFAULT);
            let policy = Policy::named(name).ok_or_else(|| {
                let known: Vec<_> = Policy::names().collect();
                format!("the lab does not know the security policy {name}; it knows {}", known.join(", "))
            })?;
            write!(bind, " ssl crt {certificate} alpn h2,http/1.1 {}", policy.words())
                .expect("a String takes everything");
        }
        let inner = format!("abns@hello-lab-{}-{port}", node.address);
        lines.extend(client_side(balancer, *port, bind, &inner));
        lines.extend([String::new(), format!("frontend rules-{port}")]);
        let mut body = vec![
            format!("bind {inner} accept-proxy"),
            // One entry a request, for as long as its second attempt may take to come.
            format!(
                "stick-table type string len 36 size 10k expire {} store conn_cnt",
                balancer.idle_timeout.as_millis()
            ),
            "http-request track-sc0 fc_pp_unique_id".to_owned(),
        ];
        body.extend(inner_timeouts(balancer, &["client", "http-request"]));
        body.extend(before_rules(balancer));
        body.extend(rule_lines(&listener.rules, &listener.default, place, &mut files)?);
        body.extend(forwarded(place));
        for (condition, action) in actions(&listener.rules, &listener.default) {
            if let Action::Forward(group) = action {
                if !groups.contains(group.as_str()) {
                    return Err(format!(
                        "listener {port} forwards to the target group {group}, which is not there"
                    ));
                }
                body.extend(forward(&balancer.target_groups[group], &condition));
            }
        }
        body.push(OWN_SERVER.to_owned());
        body.push(
            "http-after-response set-status 425 if { status 502 } !{ var(txn.answered) -m found }".to_owned(),
        );
        lines.extend(body.into_iter().map(|line| format!("    {line}")));
    }
    // Nobody to send to: HAProxy says 503.
    lines.extend([String::new(), "backend none".to_owned()]);
    for group in balancer.target_groups.values() {
        lines.extend(backends(group, servers)?);
    }
    lines.push(String::new());
    Ok(Configuration { text: lines.join("\n"), files })
}

/// A name that would mean something else in a configuration or a path. AWS takes letters, digits and hyphens.
pub(super) fn unfit_name(balancer: &LoadBalancer) -> Option<&str> {
    let fits = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let groups = balancer.target_groups.iter().flat_map(|(key, group)| [key.as_str(), group.name.as_str()]);
    [balancer.name.as_str(), balancer.region.as_str()].into_iter().chain(groups).find(|name| !fits(name))
}

fn head(balancer: &LoadBalancer, admin_socket: &str) -> Vec<String> {
    let idle = balancer.idle_timeout.as_millis();
    // What was begun before a change of configuration may take its time, but not for ever.
    let stop = (balancer.idle_timeout + balancer.client_keep_alive).max(timeouts::OLD_CONFIGURATION);
    let mut lines = vec![
        format!("# {} in {}", balancer.name, balancer.region),
        "global".to_owned(),
        format!("    stats socket unix@{admin_socket} mode 600 level admin expose-fd listeners"),
        "    server-state-file state".to_owned(),
        format!("    hard-stop-after {}", stop.as_millis()),
        // One thread: what the lab needs, and commands to the admin socket do not race with requests.
        "    nbthread 1".to_owned(),
        // A client's connection counts twice, once for each frontend.
        "    maxconn 8000".to_owned(),
        "    no strict-limits".to_owned(),
        // Two lines of 16 KB, an ALB's longest, fit.
        "    tune.bufsize 34816".to_owned(),
        "    tune.ssl.cachesize 2000".to_owned(),
        "    tune.ssl.default-dh-param 2048".to_owned(),
        // An ALB's limit for one HTTP/2 connection.
        "    tune.h2.max-concurrent-streams 128".to_owned(),
        String::new(),
        "defaults".to_owned(),
        "    mode http".to_owned(),
        "    load-server-state-from-file global".to_owned(),
        format!("    timeout connect {}", timeouts::TARGET_CONNECT.as_millis()),
        format!("    timeout client {idle}"),
        format!("    timeout server {idle}"),
        format!("    timeout tunnel {idle}"),
        format!("    timeout http-request {idle}"),
        format!("    timeout http-keep-alive {idle}"),
        // What is sent again is said where it is.
        "    retries 0".to_owned(),
        // A client whose connection is idle while the configuration changes is told with its next answer.
        "    option idle-close-on-response".to_owned(),
    ];
    lines.extend([400, 405, 408, 501, 502, 503, 504].map(|status| {
        format!(
            "    http-error status {status} content-type text/html string {}",
            quoted(&page(status), false)
        )
    }));
    lines
}

/// Answers that are not a target's have the load balancer's name.
const OWN_SERVER: &str =
    "http-after-response set-header Server awselb/2.0 if !{ var(txn.answered) -m found }";

/// Methods that may be sent twice: <https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2>
const REPEATABLE: &str = "GET HEAD PUT DELETE OPTIONS";

/// Whether this is the second attempt at a request.
const AGAIN: &str = "{ sc0_conn_cnt gt 1 }";

const ANSWERED: &str = "http-response set-var(txn.answered) bool(true)";

/// The frontend that clients connect to, and the way to the rules.
fn client_side(balancer: &LoadBalancer, port: u16, bind: String, inner: &str) -> Vec<String> {
    let mut lines = vec![format!("frontend listener-{port}")];
    let frontend = [
        bind,
        "tcp-request connection set-var(sess.since) date(0,ms)".to_owned(),
        "http-request set-var(txn.age) date(0,ms),sub(sess.since)".to_owned(),
        format!("default_backend to-rules-{port}"),
        "unique-id-format %[uuid]".to_owned(),
        OWN_SERVER.to_owned(),
        format!(
            "http-after-response set-status 502 reason \"{}\" if {{ status 425 }} {{ res.hdr(server) -m str awselb/2.0 }}",
            phrase(502)
        ),
        format!(
            "http-after-response set-header Connection close if {{ var(txn.age) -m int ge {} }}",
            balancer.client_keep_alive.as_millis()
        ),
    ];
    let mut backend = vec![
        "option http-server-close".to_owned(),
        "http-reuse never".to_owned(),
        ANSWERED.to_owned(),
        "retries 1".to_owned(),
        "retry-on 425".to_owned(),
        format!("http-request disable-l7-retry unless {{ method {REPEATABLE} }}"),
        format!("server rules {inner} send-proxy-v2 proxy-v2-options unique-id"),
    ];
    backend.extend(inner_timeouts(balancer, &["server"]));
    lines.extend(frontend.into_iter().map(|line| format!("    {line}")));
    lines.extend([String::new(), format!("backend to-rules-{port}")]);
    lines.extend(backend.into_iter().map(|line| format!("    {line}")));
    lines
}

/// Between the two frontends nothing times out before client or target do.
fn inner_timeouts<'a>(balancer: &LoadBalancer, names: &'a [&'a str]) -> impl Iterator<Item = String> + 'a {
    let timeout = (balancer.idle_timeout + timeouts::TARGET_CONNECT).as_millis();
    names.iter().map(move |name| format!("timeout {name} {timeout}"))
}

/// What happens to every request before a rule looks at it.
fn before_rules(balancer: &LoadBalancer) -> Vec<String> {
    let mut lines = vec![
        "http-request set-var(txn.since) date(0,ms)".to_owned(),
        own_answer(405, "{ method TRACE }"),
        own_answer(463, "{ req.hdr_cnt(x-forwarded-for) gt 30 }"),
    ];
    if balancer.drop_invalid_headers {
        // https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
        lines.push("http-request del-header [^-A-Za-z0-9] -m reg".to_owned());
    }
    lines
}

fn own_answer(status: u16, condition: &str) -> String {
    format!(
        "http-request return status {status} content-type text/html string {} if {condition}",
        quoted(&page(status), false)
    )
}

/// The actions with the conditions under which they are taken.
fn actions<'a>(rules: &'a [Rule], default: &'a Action) -> Vec<(String, &'a Action)> {
    let mut actions: Vec<_> = rules.iter().map(|rule| (chosen(rule.priority), &rule.action)).collect();
    actions.push((chosen(0), default));
    actions
}

/// Priorities start at 1; 0 is the default rule.
fn chosen(priority: u32) -> String {
    format!("if {{ var(txn.rule) -m int {priority} }}")
}

fn rule_lines(
    listener_rules: &[Rule],
    default: &Action,
    place: Place<'_>,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    let mut in_order: Vec<_> = listener_rules.iter().collect();
    in_order.sort_by_key(|rule| rule.priority);
    for rule in in_order {
        if rule.conditions.is_empty() {
            return Err(format!(
                "the rule with priority {} of port {} has no condition",
                rule.priority, place.port
            ));
        }
        let mut names = String::new();
        for (index, condition) in rule.conditions.iter().enumerate() {
            let name = format!("rule-{}-{index}", rule.priority);
            lines.push(format!("acl {name} {}", rules::test(condition)?));
            names.push(' ');
            names.push_str(&name);
        }
        let first = "!{ var(txn.rule) -m found }";
        lines.push(format!("http-request set-var(txn.rule) int({}) if {first}{names}", rule.priority));
    }
    lines.push("http-request set-var(txn.rule) int(0) if !{ var(txn.rule) -m found }".to_owned());
    for (condition, action) in actions(listener_rules, default) {
        lines.extend(rules::lines(action, &condition, place, files)?);
    }
    Ok(lines)
}

/// The headers by which a target knows its client:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html>
fn forwarded(place: Place<'_>) -> Vec<String> {
    let root = "1-%[date,hex,bytes(8,8)]-%[uuid,regsub(-,,g),bytes(0,24)]";
    vec![
        "http-request set-var(txn.lines) req.fhdr_cnt(x-forwarded-for)".to_owned(),
        "http-request set-header X-Forwarded-For \"%[req.fhdr(x-forwarded-for)], %[src]\" if { var(txn.lines) -m int 1 }".to_owned(),
        "http-request add-header X-Forwarded-For %[src] if !{ var(txn.lines) -m int 1 }".to_owned(),
        format!("http-request set-header X-Forwarded-Proto {}", place.protocol),
        format!("http-request set-header X-Forwarded-Port {}", place.port),
        format!("http-request set-header X-Amzn-Trace-Id \"Self={root};%[req.fhdr(x-amzn-trace-id)]\" if {{ req.fhdr(x-amzn-trace-id) -m found }} !{{ req.fhdr(x-amzn-trace-id) -m beg Self= }}"),
        format!("http-request set-header X-Amzn-Trace-Id \"Root={root}\" if !{{ req.fhdr(x-amzn-trace-id) -m found }}"),
    ]
}

/// Which backend of a group gets the request.
///
/// A process that is being replaced counts no server of any backend any more (`nbsrv`), though it still sends the last
/// requests of its connections to them: those go to the members.
fn forward(group: &TargetGroup, condition: &str) -> [String; 4] {
    let (members, all) = (members(&group.name), all_targets(&group.name));
    [
        // A first attempt that failed, and nobody is left: what failed it is the answer.
        format!("use_backend none {condition} !{{ stopping }} {{ nbsrv({all}) eq 0 }} !{AGAIN}"),
        format!(
            "use_backend {all} {condition} !{{ stopping }} {{ nbsrv({members}) lt {} }}",
            group.minimum_healthy_targets.max(1)
        ),
        format!("use_backend {all} {condition} !{{ stopping }} {AGAIN}"),
        format!("use_backend {members} {condition}"),
    ]
}

fn backends(group: &TargetGroup, servers: &Servers) -> Result<Vec<String>, String> {
    let check = &group.health_check;
    let one = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !check.matcher.split([',', '-']).all(one) {
        return Err(format!(
            "the matcher {:?} of the target group {} is not of the form 200, 200,202 or 200-299",
            check.matcher, group.name
        ));
    }
    let checks = vec![
        "option httpchk".to_owned(),
        format!("timeout check {}", check.timeout.as_millis().max(1)),
        "http-check connect".to_owned(),
        format!(
            "http-check send meth GET uri {} ver HTTP/1.1 hdr Host %[srv_name] hdr User-Agent ELB-HealthChecker/2.0 hdr Accept-Encoding \"gzip, compressed\" hdr Connection close",
            quoted(&check.path, false)
        ),
        format!("http-check expect status {}", check.matcher),
    ];
    let late = (timeouts::TARGET_CONNECT.as_millis() * 99) / 100;
    let title = format!(
        "%[date(0,ms),sub(txn.since),div({late}),bool,iif('504 {}','502 {}')]",
        phrase(504),
        phrase(502)
    );
    let requests = vec![
        "balance roundrobin".to_owned(),
        // Each request comes on a connection of its own (from the other frontend), and still finds one to the target.
        "http-reuse always".to_owned(),
        ANSWERED.to_owned(),
        // HAProxy says 503 where it gets no connection; an ALB says 504 when that took too long, else 502.
        format!("http-error status 503 content-type text/html lf-string \"{}\"", page_of(&title)),
        "http-after-response set-var(txn.took) date(0,ms),sub(txn.since)".to_owned(),
        format!(
            "http-after-response set-status 504 reason \"{}\" if !{{ var(txn.answered) -m found }} {{ status 503 }} {{ var(txn.took) -m int ge {late} }}",
            phrase(504)
        ),
        format!(
            "http-after-response set-status 502 reason \"{}\" if !{{ var(txn.answered) -m found }} {{ status 503 }}",
            phrase(502)
        ),
    ];
    // Refused connections pass to another target. Both attempts together take as long as one elsewhere.
    let passed_on = vec![
        "retries 1".to_owned(),
        "option redispatch 1".to_owned(),
        format!("timeout connect {}", timeouts::TARGET_CONNECT.as_millis() / 2),
    ];
    let mut lines = Vec::new();
    for (name, settings, words) in [
        (members(&group.name), [requests.clone(), checks.clone()].concat(), member_words(check)),
        (new_targets(&group.name), [vec!["balance roundrobin".to_owned()], checks].concat(), String::new()),
        (all_targets(&group.name), [requests, passed_on].concat(), String::new()),
    ] {
        lines.extend([String::new(), format!("backend {name}")]);
        lines.extend(settings.into_iter().map(|line| format!("    {line}")));
        for target in once(&group.targets) {
            let server = server(target);
            if servers.known.contains(&(name.clone(), server.clone())) {
                lines.push(format!("    server {server} {server} {words}").trim_end().to_owned());
            }
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests;
