//! Partitions, regions, services and their names.

use super::{Answer, Question, accounts::parse_arn, passes_filters, regions};
use crate::{
    backend::made_up::dns_suffix, diagnostic::Diagnostic, provider::partition as partition_of, value::Value,
};

fn reversed(domain: &str) -> String {
    domain.split('.').rev().collect::<Vec<_>>().join(".")
}

pub(super) fn partition(question: &Question<'_>) -> Answer {
    let partition = question.place.partition.as_str();
    vec![
        ("id", partition.into()),
        ("partition", partition.into()),
        ("dns_suffix", dns_suffix(partition).into()),
        ("reverse_dns_prefix", reversed(dns_suffix(partition)).into()),
    ]
}

/// The form of the endpoint: hashicorp/aws 6.25, `internal/service/meta`, `regionDataSource`.
pub(super) fn region(question: &Question<'_>) -> Result<Answer, Diagnostic> {
    let config = question.config;
    let by_endpoint = config.get("endpoint").as_str().and_then(|endpoint| endpoint.split('.').nth(1));
    let name = config.get("name").as_str().or(by_endpoint).unwrap_or(&question.place.region);
    let description = regions::find(name).map(|region| region.description);
    let description = description.ok_or_else(|| {
        Diagnostic::error(
            "No such region",
            format!("{name:?} is not a region of AWS that this provider knows."),
        )
    })?;
    Ok(vec![
        ("id", name.into()),
        ("name", name.into()),
        ("region", name.into()),
        ("description", description.into()),
        ("endpoint", format!("ec2.{name}.{}", dns_suffix(partition_of(name))).into()),
    ])
}

pub(super) fn regions(question: &Question<'_>) -> Answer {
    let config = question.config;
    let all = config.get("all_regions").as_bool().unwrap_or(false);
    let here = regions::REGIONS.iter().filter(|region| partition_of(region.name) == question.place.partition);
    let names = here
        .filter(|region| all || !region.opt_in)
        .filter(|region| {
            let status = if region.opt_in { "not-opted-in" } else { "opt-in-not-required" };
            passes_filters(config, &[("opt-in-status", status), ("region-name", region.name)])
        })
        .map(|region| region.name);
    vec![("id", question.place.partition.as_str().into()), ("names", Value::strings(names))]
}

/// hashicorp/aws, `internal/service/meta/service_data_source.go`.
pub(super) fn service(question: &Question<'_>) -> Result<Answer, Diagnostic> {
    let config = question.config;
    let reverse = config.get("reverse_dns_name").as_str().map(str::to_owned);
    let reverse = reverse.or_else(|| config.get("dns_name").as_str().map(reversed));
    let (prefix, region, id) = if let Some(name) = &reverse {
        let parts: Vec<&str> = name.split('.').collect();
        match parts.as_slice() {
            [prefix @ .., region, id] if prefix.len() >= 2 => (prefix.join("."), (*region).to_owned(), *id),
            _ => {
                let detail = format!("{name} has {}", parts.len());
                return Err(Diagnostic::error(
                    "reverse service DNS names must have at least 4 parts",
                    detail,
                ));
            }
        }
    } else {
        let id = config.get("service_id").non_empty().ok_or_else(|| {
            Diagnostic::error("service ID not provided directly or through a DNS name", String::new())
        })?;
        let region = question.place.region.clone();
        let prefix = config.get("reverse_dns_prefix").as_str().map(str::to_owned);
        (prefix.unwrap_or_else(|| reversed(dns_suffix(partition_of(&region)))), region, id)
    };
    let reverse = format!("{prefix}.{region}.{id}");
    Ok(vec![
        ("id", reverse.as_str().into()),
        ("dns_name", reversed(&reverse).into()),
        ("partition", partition_of(&region).into()),
        ("reverse_dns_prefix", prefix.into()),
        ("service_id", id.into()),
        ("region", region.into()),
        ("reverse_dns_name", reverse.into()),
        ("supported", true.into()),
    ])
}

/// Services whose principal in China carries the partition's own suffix:
/// hashicorp/aws 6.25, `internal/service/meta`, `servicePrincipalNameForPartition`.
const CHINESE_PRINCIPALS: &[&str] = &["codedeploy", "elasticmapreduce", "logs"];

pub(super) fn service_principal(question: &Question<'_>) -> Answer {
    let service = question.config.get("service_name").as_str().unwrap_or_default();
    let region = &question.place.region;
    let own_suffix = partition_of(region) == "aws-cn" && CHINESE_PRINCIPALS.contains(&service);
    let suffix = if own_suffix { dns_suffix("aws-cn") } else { dns_suffix("aws") };
    vec![
        ("id", format!("{service}.{region}.{suffix}").into()),
        ("name", format!("{service}.{suffix}").into()),
        ("suffix", suffix.into()),
        ("region", region.as_str().into()),
    ]
}

pub(super) fn endpoint_service(question: &Question<'_>) -> Answer {
    let config = question.config;
    let region = &question.place.region;
    let prefix = reversed(dns_suffix(&question.place.partition));
    let service = config.get("service").as_str().unwrap_or("s3");
    let name = config.get("service_name").as_str().map(str::to_owned);
    let name = name.unwrap_or_else(|| format!("{prefix}.{region}.{service}"));
    // Gateways exist for these two alone: https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html
    let gateway = matches!(name.rsplit('.').next(), Some("s3" | "dynamodb"));
    let kind = config.get("service_type").as_str().unwrap_or(if gateway { "Gateway" } else { "Interface" });
    let zones = regions::zone_letters(region).chars().map(|letter| format!("{region}{letter}"));
    vec![
        ("service_name", name.into()),
        ("service_type", kind.into()),
        ("region", region.as_str().into()),
        ("service_region", region.as_str().into()),
        ("owner", "amazon".into()),
        ("availability_zones", Value::strings(zones)),
        ("vpc_endpoint_policy_supported", true.into()),
    ]
}

pub(super) fn engine_version(question: &Question<'_>) -> Answer {
    let config = question.config;
    let engine = config.get("engine").as_str().unwrap_or_default();
    let preferred = config.get("preferred_versions").texts();
    let asked = config.get("version").as_str().or_else(|| preferred.first().copied());
    let major = |version: &str| match engine {
        "mysql" | "mariadb" => version.splitn(3, '.').take(2).collect::<Vec<_>>().join("."),
        _ => version.split('.').next().unwrap_or(version).to_owned(),
    };
    let Some(version) = asked else { return Vec::new() };
    vec![
        ("id", version.into()),
        ("version", version.into()),
        ("version_actual", version.into()),
        ("status", "available".into()),
        ("parameter_group_family", format!("{engine}{}", major(version)).into()),
    ]
}

/// Provider functions, which need no configuration.
pub(crate) mod functions {
    use super::parse_arn;
    use crate::value::Value;

    /// hashicorp/aws, `internal/function/arn_parse_function.go`.
    pub(crate) fn arn_parse(text: &str) -> Result<Value, String> {
        let arn = parse_arn(text).ok_or_else(|| {
            format!("{text:?} is not an ARN (arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE)")
        })?;
        Ok(Value::object([
            ("partition", Value::from(arn.partition)),
            ("service", arn.service.into()),
            ("region", arn.region.into()),
            ("account_id", arn.account.into()),
            ("resource", arn.resource.into()),
        ]))
    }

    /// hashicorp/aws, `internal/function/trim_iam_role_path_function.go`.
    pub(crate) fn trim_iam_role_path(text: &str) -> Result<Value, String> {
        let arn = parse_arn(text).ok_or_else(|| {
            format!("{text:?} is not an ARN (arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE)")
        })?;
        if arn.service != "iam" {
            return Err(format!("the service is {:?}, not iam", arn.service));
        }
        if !arn.region.is_empty() {
            return Err(format!("the region of an IAM ARN is empty, not {:?}", arn.region));
        }
        let path =
            arn.resource.strip_prefix("role/").ok_or_else(|| format!("{:?} is not a role", arn.resource))?;
        let name = path.rsplit('/').next().unwrap_or(path);
        Ok(format!("arn:{}:iam::{}:role/{name}", arn.partition, arn.account).into())
    }
}
