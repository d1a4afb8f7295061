//! What load balancers should be: listeners, rules, target groups and who is in them.

use super::interfaces::{namespace, node_owner, task_owner};
use crate::{
    lab::Lab,
    load_balancer::model::{
        Action, Condition, HealthCheck, Listener, LoadBalancer, Node, Rule, Target, TargetGroup,
    },
    world::{Contents, Resource, TaskWish},
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use terraform_provider_aws::value::Value;

/// All load balancers.
pub fn all(contents: &Contents) -> impl Iterator<Item = &Arc<Resource>> {
    contents.of_type("aws_lb").chain(contents.of_type("aws_alb"))
}

fn target_groups(contents: &Contents) -> impl Iterator<Item = &Arc<Resource>> {
    contents.of_type("aws_lb_target_group").chain(contents.of_type("aws_alb_target_group"))
}

/// The names that a listener's certificate is for, by the certificate's ARN.
pub fn certificate_names(contents: &Contents, arn: &str) -> Option<Vec<String>> {
    let certificate = contents.find("aws_acm_certificate", "arn", arn)?;
    let mut names = vec![certificate.text("domain_name").to_owned()];
    for name in certificate.state.get("subject_alternative_names").texts() {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Some(names)
}

/// What a load balancer should be. `certificate` gives the file for a certificate's ARN.
pub fn load_balancer(
    contents: &Contents,
    lab: &Lab,
    resource: &Resource,
    certificate: &dyn Fn(&str) -> Option<PathBuf>,
) -> LoadBalancer {
    let name = resource.text("name");
    let nodes = resource.state.get("subnets").texts().into_iter().filter_map(|subnet| {
        let owner = node_owner(&resource.region, name, subnet);
        let address = contents.interfaces.get(&owner)?.address;
        Some(Node { namespace: namespace(lab, &owner).name().to_owned(), address })
    });
    let listeners: BTreeMap<u16, Listener> = listeners_of(contents, resource)
        .filter_map(|resource| Some((port(resource)?, listener(contents, resource, certificate)?)))
        .collect();
    let named = groups_of_balancer(contents, resource);
    let groups = target_groups(contents).filter(|group| {
        group.region == resource.region && named.iter().any(|name| name == group.text("name"))
    });
    let seconds = |attribute: &str, default: u64| {
        Duration::from_secs(number(resource.state.get(attribute)).unwrap_or(default))
    };
    LoadBalancer {
        name: name.to_owned(),
        region: resource.region.clone(),
        nodes: nodes.collect(),
        target_groups: groups
            .map(|group| (group.text("name").to_owned(), target_group(contents, group)))
            .collect(),
        listeners,
        // https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
        idle_timeout: seconds("idle_timeout", 60),
        client_keep_alive: seconds("client_keep_alive", 3600),
        drop_invalid_headers: resource.state.get("drop_invalid_header_fields").as_bool() == Some(true),
    }
}

fn listeners_of<'a>(
    contents: &'a Contents,
    balancer: &'a Resource,
) -> impl Iterator<Item = &'a Arc<Resource>> {
    let listeners = contents.of_type("aws_lb_listener").chain(contents.of_type("aws_alb_listener"));
    listeners.filter(|listener| listener.text("load_balancer_arn") == balancer.text("arn"))
}

fn rules_of<'a>(contents: &'a Contents, listener: &'a Resource) -> impl Iterator<Item = &'a Arc<Resource>> {
    let rules = contents.of_type("aws_lb_listener_rule").chain(contents.of_type("aws_alb_listener_rule"));
    rules.filter(|rule| rule.text("listener_arn") == listener.text("arn"))
}

/// The names of the target groups that a load balancer forwards to.
pub fn groups_of_balancer(contents: &Contents, balancer: &Resource) -> Vec<String> {
    let mut groups = Vec::new();
    for listener in listeners_of(contents, balancer) {
        let rules = rules_of(contents, listener).map(|rule| rule.state.get("action"));
        for actions in rules.chain([listener.state.get("default_action")]) {
            if let Some(Action::Forward(group)) = action(contents, actions.items()) {
                groups.push(group);
            }
        }
    }
    groups
}

fn port(listener: &Resource) -> Option<u16> {
    u16::try_from(listener.state.get("port").as_i64()?).ok()
}

/// Why a listener cannot be: what it names is not there.
pub fn unresolved(contents: &Contents, listener: &Resource) -> Option<String> {
    let arn = listener.text("certificate_arn");
    if is_secure(listener) && certificate_names(contents, arn).is_none() {
        return Some(format!("there is no certificate {arn:?}"));
    }
    unresolved_action(contents, listener.state.get("default_action").items())
}

/// Why an action cannot be: it names a target group that is not there, or nothing that is done.
pub fn unresolved_action(contents: &Contents, actions: &[Value]) -> Option<String> {
    if action(contents, actions).is_some() {
        return None;
    }
    let sentence = match actions.last().and_then(group_arn) {
        Some(arn) => format!("there is no target group {arn:?}"),
        None => "its action says nothing that can be done".to_owned(),
    };
    Some(sentence)
}

/// Why a listener or a rule cannot be beside the others: its load balancer or listener has another one with this port or
/// priority (`DuplicateListener`, `PriorityInUse`).
///
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html>
pub fn occupied(contents: &Contents, resource: &Resource, parent: &str, place: &str) -> Option<String> {
    let kind = if place == "port" {
        ["aws_lb_listener", "aws_alb_listener"]
    } else {
        ["aws_lb_listener_rule", "aws_alb_listener_rule"]
    };
    let wanted = resource.state.get(place);
    let mut others = kind.into_iter().flat_map(|kind| contents.of_type(kind));
    let same = others.find(|other| {
        other.key() != resource.key()
            && other.text(parent) == resource.text(parent)
            && !wanted.is_null()
            && other.state.get(place) == wanted
    })?;
    Some(format!("the {place} is taken already, by {}", same.text("arn")))
}

/// Listeners and rules that a model lacks, a sentence for each.
pub fn missing(contents: &Contents, resource: &Resource, model: &LoadBalancer) -> Vec<String> {
    let mut missing = Vec::new();
    for listener in listeners_of(contents, resource) {
        let there = port(listener).and_then(|port| model.listeners.get(&port));
        let name = listener.state.get("port").as_i64().unwrap_or_default();
        let Some(there) = there else {
            let why = unresolved(contents, listener);
            let why = why.unwrap_or_else(|| "its certificate could not be issued".to_owned());
            missing.push(format!("listener {name} does not listen: {why}"));
            continue;
        };
        for rule in rules_of(contents, listener) {
            let priority = number(rule.state.get("priority")).unwrap_or_default();
            if !there.rules.iter().any(|known| u64::from(known.priority) == priority) {
                let why = unresolved_action(contents, rule.state.get("action").items());
                let why = why.unwrap_or_else(|| "it has no priority".to_owned());
                missing.push(format!("rule {priority} of listener {name} is left out: {why}"));
            }
        }
    }
    missing
}

fn is_secure(listener: &Resource) -> bool {
    listener.text("protocol") == "HTTPS"
}

fn listener(
    contents: &Contents,
    resource: &Resource,
    certificate: &dyn Fn(&str) -> Option<PathBuf>,
) -> Option<Listener> {
    let secure = is_secure(resource);
    let file = if secure { Some(certificate(resource.text("certificate_arn"))?) } else { None };
    let mut rules: Vec<Rule> = rules_of(contents, resource)
        .filter_map(|rule| {
            Some(Rule {
                priority: number(rule.state.get("priority"))
                    .and_then(|priority| u32::try_from(priority).ok())?,
                conditions: rule.state.get("condition").items().iter().filter_map(condition).collect(),
                action: action(contents, rule.state.get("action").items())?,
            })
        })
        .collect();
    rules.sort_by_key(|rule| rule.priority);
    Some(Listener {
        certificate: file,
        ssl_policy: secure.then(|| resource.state.get("ssl_policy").non_empty().map(str::to_owned)).flatten(),
        rules,
        default: action(contents, resource.state.get("default_action").items())?,
    })
}

/// The one action of a listener or rule: those that would stand before it are refused.
fn action(contents: &Contents, actions: &[Value]) -> Option<Action> {
    let action = actions.last()?;
    let text =
        |value: &Value, name: &str, default: &str| value.get(name).non_empty().unwrap_or(default).to_owned();
    match action.get("type").as_str()? {
        "redirect" => {
            let redirect = action.get("redirect").only();
            Some(Action::Redirect {
                protocol: text(redirect, "protocol", "#{protocol}"),
                host: text(redirect, "host", "#{host}"),
                port: text(redirect, "port", "#{port}"),
                path: text(redirect, "path", "/#{path}"),
                query: text(redirect, "query", "#{query}"),
                status: if redirect.get("status_code").as_str() == Some("HTTP_302") { 302 } else { 301 },
            })
        }
        "fixed-response" => {
            let fixed = action.get("fixed_response").only();
            Some(Action::Fixed {
                status: text(fixed, "status_code", "503").parse().ok()?,
                content_type: text(fixed, "content_type", "text/plain"),
                body: text(fixed, "message_body", ""),
            })
        }
        _ => {
            let group = find_group(contents, group_arn(action)?)?;
            Some(Action::Forward(group.text("name").to_owned()))
        }
    }
}

/// The target group that an action forwards to.
fn group_arn(action: &Value) -> Option<&str> {
    let forward = action.get("forward").only().get("target_group").items().first();
    action.get("target_group_arn").non_empty().or(forward.and_then(|group| group.get("arn").non_empty()))
}

/// The target group of this ARN.
pub fn find_group<'a>(contents: &'a Contents, arn: &str) -> Option<&'a Arc<Resource>> {
    target_groups(contents).find(|group| group.text("arn") == arn)
}

fn condition(condition: &Value) -> Option<Condition> {
    let values = |name: &str| -> Option<Vec<String>> {
        let block = condition.get(name).items().first()?;
        Some(block.get("values").texts().into_iter().map(str::to_owned).collect())
    };
    if let Some(hosts) = values("host_header") {
        return Some(Condition::Host(hosts));
    }
    if let Some(paths) = values("path_pattern") {
        return Some(Condition::Path(paths));
    }
    if let Some(methods) = values("http_request_method") {
        return Some(Condition::Method(methods));
    }
    if let Some(sources) = values("source_ip") {
        return Some(Condition::Source(sources.iter().filter_map(|source| source.parse().ok()).collect()));
    }
    let queries = condition.get("query_string").items();
    if !queries.is_empty() {
        let pair = |query: &Value| {
            Some((query.get("key").non_empty().map(str::to_owned), query.get("value").as_str()?.to_owned()))
        };
        return Some(Condition::Query(queries.iter().filter_map(pair).collect()));
    }
    let header = condition.get("http_header").items().first()?;
    Some(Condition::Header(header.get("http_header_name").as_str()?.to_owned(), values("http_header")?))
}

fn target_group(contents: &Contents, group: &Resource) -> TargetGroup {
    let check = group.state.get("health_check").only();
    let seconds = |name: &str, default| Duration::from_secs(number(check.get(name)).unwrap_or(default));
    let count = |name: &str, default| {
        number(check.get(name)).and_then(|count| u32::try_from(count).ok()).unwrap_or(default)
    };
    let routing = group.state.get("target_group_health").only().get("unhealthy_state_routing").only();
    let least =
        number(routing.get("minimum_healthy_targets_count")).and_then(|count| u32::try_from(count).ok());
    TargetGroup {
        name: group.text("name").to_owned(),
        // https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
        health_check: HealthCheck {
            path: check.get("path").non_empty().unwrap_or("/").to_owned(),
            port: check.get("port").as_str().and_then(|port| port.parse().ok()),
            matcher: check.get("matcher").non_empty().unwrap_or("200").to_owned(),
            interval: seconds("interval", 30),
            timeout: seconds("timeout", 5),
            healthy_threshold: count("healthy_threshold", 5),
            unhealthy_threshold: count("unhealthy_threshold", 2),
        },
        deregistration_delay: deregistration_delay(group),
        minimum_healthy_targets: least.unwrap_or(1),
        targets: targets(contents, group),
    }
}

/// How long a target of a group drains.
fn deregistration_delay(group: &Resource) -> Duration {
    Duration::from_secs(number(group.state.get("deregistration_delay")).unwrap_or(300))
}

/// How long a target of a service drains: the longest delay of its target groups.
pub fn drain_time(contents: &Contents, service: &Resource) -> Duration {
    let groups = service.state.get("load_balancer").items().iter();
    let delays = groups.filter_map(|block| {
        let arn = block.get("target_group_arn").as_str()?;
        Some(deregistration_delay(find_group(contents, arn)?))
    });
    delays.max().unwrap_or_default()
}

/// The names of a service's target groups.
pub fn groups_of_service<'a>(contents: &'a Contents, service: &'a Resource) -> Vec<&'a str> {
    let named = service.state.get("load_balancer").items().iter();
    let arns: Vec<&str> = named.filter_map(|block| block.get("target_group_arn").as_str()).collect();
    target_groups(contents)
        .filter(|group| arns.contains(&group.text("arn")))
        .map(|group| group.text("name"))
        .collect()
}

fn targets(contents: &Contents, group: &Resource) -> Vec<Target> {
    let arn = group.text("arn");
    let mut targets = Vec::new();
    for service in contents.of_type("aws_ecs_service") {
        let blocks = service.state.get("load_balancer").items();
        for block in blocks.iter().filter(|block| block.get("target_group_arn").as_str() == Some(arn)) {
            let Some(port) = number(block.get("container_port")).and_then(|port| u16::try_from(port).ok())
            else {
                continue;
            };
            let own = contents
                .tasks
                .iter()
                .filter(|(_, task)| task.service == service.text("id") && task.registered);
            for (id, task) in own {
                let Some(interface) = contents.interfaces.get(&task_owner(&task.region, id)) else {
                    continue;
                };
                targets.push(Target {
                    address: interface.address,
                    port,
                    draining: task.wish != TaskWish::Run,
                });
            }
        }
    }
    let attached = contents.of_type("aws_lb_target_group_attachment");
    for attachment in attached.filter(|attachment| attachment.text("target_group_arn") == arn) {
        let port = number(attachment.state.get("port")).or_else(|| number(group.state.get("port")));
        let port = port.and_then(|port| u16::try_from(port).ok());
        if let (Ok(address), Some(port)) = (attachment.text("target_id").parse(), port) {
            targets.push(Target { address, port, draining: false });
        }
    }
    targets
}

/// A number that some attributes write as text.
fn number(value: &Value) -> Option<u64> {
    match value.as_i64() {
        Some(number) => u64::try_from(number).ok(),
        None => value.as_str()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests;
