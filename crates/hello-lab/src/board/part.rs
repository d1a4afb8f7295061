//! The names of parts on the board.
//!
//! A name begins with the kind of the part, then comes all that makes it unique: the region, for a service the cluster
//! too. Users see it as short as it is unique ([`shown`]).

use terraform_provider_aws::value::Value;

/// The part that all routes, filters and links are.
pub const NETWORK: &str = "network";
/// The part that all answers of DNS servers are.
pub const DNS: &str = "dns";

/// The part of a database instance.
pub fn database(region: &str, identifier: &str) -> String {
    format!("database/{region}/{identifier}")
}

/// The part of a snapshot of a database.
pub fn snapshot(region: &str, name: &str) -> String {
    format!("snapshot/{region}/{name}")
}

/// The part of a load balancer.
pub fn load_balancer(region: &str, name: &str) -> String {
    format!("load-balancer/{region}/{name}")
}

/// The part of a service, by what is known of its resource. Its cluster is given by name or by ARN.
pub fn service(region: &str, resource: &Value) -> String {
    let text = |name: &str| resource.get(name).as_str().unwrap_or_default();
    let cluster = text("cluster").rsplit('/').next().filter(|name| !name.is_empty());
    // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html#ECS-CreateService-request-cluster
    format!("service/{region}/{}/{}", cluster.unwrap_or("default"), text("name"))
}

/// A part's name as short as it is unique among all: `KIND/NAME` unless another region or cluster has the name too.
pub fn shown<'a>(part: &str, all: impl IntoIterator<Item = &'a str>) -> String {
    let short = |part: &str| match part.split_once('/') {
        Some((kind, rest)) => format!("{kind}/{}", rest.rsplit('/').next().unwrap_or(rest)),
        None => part.to_owned(),
    };
    let own = short(part);
    if all.into_iter().any(|other| other != part && short(other) == own) { part.to_owned() } else { own }
}

/// The container registry.
pub const REGISTRY: &str = "registry";
/// The port of this machine that leads into the lab.
pub const PUBLISHED: &str = "published-port";

/// The log groups.
pub const LOGS: &str = "log-groups";
/// The logs of databases that go to log groups.
pub const LOG_EXPORTS: &str = "log-exports";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_shown_as_short_as_it_is_unique() {
        let all =
            ["load-balancer/eu-west-1/hello", "service/eu-west-1/a/hello", "service/eu-west-1/b/hello", DNS];
        assert_eq!(shown(all[0], all), "load-balancer/hello");
        assert_eq!(shown(all[1], all), "service/eu-west-1/a/hello");
        assert_eq!(shown("service/eu-central-1/a/other", all), "service/other");
        assert_eq!(shown(DNS, all), DNS);
    }

    #[test]
    fn the_cluster_of_a_service_is_given_by_name_or_arn_or_not_at_all() {
        let service_in = |cluster: &str| {
            let value = |text: &str| Value::String(text.to_owned());
            let state = Value::object([("cluster", value(cluster)), ("name", value("hello"))]);
            service("eu-west-1", &state)
        };
        assert_eq!(service_in("one"), "service/eu-west-1/one/hello");
        assert_eq!(
            service_in("arn:aws:ecs:eu-west-1:123456789012:cluster/one"),
            "service/eu-west-1/one/hello"
        );
        assert_eq!(service_in(""), "service/eu-west-1/default/hello");
    }
}
