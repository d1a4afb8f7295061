//! Availability zones, load balancers' fixed names, prefix lists.

use super::{Answer, Question, passes_filters, regions};
use crate::{backend::made_up::Digits, diagnostic::Diagnostic, value::Value};

struct Zone {
    name: String,
    id: String,
}

fn zones(question: &Question<'_>) -> Vec<Zone> {
    let region = &question.place.region;
    let letters = regions::zone_letters(region).chars().enumerate();
    let zone =
        |(index, letter)| Zone { name: format!("{region}{letter}"), id: regions::zone_id(region, index + 1) };
    letters
        .map(zone)
        .filter(|zone| {
            passes_filters(
                question.config,
                &[
                    ("opt-in-status", "opt-in-not-required"),
                    ("zone-name", &zone.name),
                    ("zone-id", &zone.id),
                    ("zone-type", "availability-zone"),
                    ("state", "available"),
                    ("region-name", region),
                    ("group-name", region),
                ],
            )
        })
        .collect()
}

pub(super) fn availability_zones(question: &Question<'_>) -> Answer {
    let config = question.config;
    let (names, ids) = (config.get("exclude_names").texts(), config.get("exclude_zone_ids").texts());
    let unavailable = config.get("state").as_str().is_some_and(|state| state != "available");
    let kept = |zone: &Zone| !unavailable && !names.contains(&&*zone.name) && !ids.contains(&&*zone.id);
    let zones: Vec<Zone> = zones(question).into_iter().filter(kept).collect();
    let region = question.place.region.as_str();
    vec![
        ("id", region.into()),
        ("names", Value::strings(zones.iter().map(|zone| zone.name.as_str()))),
        ("zone_ids", Value::strings(zones.iter().map(|zone| zone.id.as_str()))),
        ("group_names", Value::strings(if zones.is_empty() { None } else { Some(region) })),
    ]
}

pub(super) fn availability_zone(question: &Question<'_>) -> Result<Answer, Diagnostic> {
    let config = question.config;
    let asked = |key: &str, value: &str| config.get(key).non_empty().is_none_or(|asked| asked == value);
    let found =
        zones(question).into_iter().find(|zone| asked("name", &zone.name) && asked("zone_id", &zone.id));
    let zone = found.ok_or_else(|| {
        Diagnostic::error(
            "No matching availability zone",
            format!("No zone of {} fits the question.", question.place.region),
        )
    })?;
    let region = question.place.region.as_str();
    let suffix = zone.name[region.len()..].to_owned();
    Ok(vec![
        ("id", zone.name.as_str().into()),
        ("name", zone.name.into()),
        ("name_suffix", suffix.into()),
        ("zone_id", zone.id.into()),
        ("zone_type", "availability-zone".into()),
        ("state", "available".into()),
        ("opt_in_status", "opt-in-not-required".into()),
        ("group_name", region.into()),
        ("network_border_group", region.into()),
        ("parent_zone_id", "".into()),
        ("parent_zone_name", "".into()),
    ])
}

fn unknown_region(region: &str) -> Diagnostic {
    // Wording: hashicorp/aws, internal/service/elb/service_account_data_source.go.
    Diagnostic::error(format!("Unknown region ({region:?})"), "AWS publishes no such value for this region.")
}

pub(super) fn balancer_account(question: &Question<'_>) -> Result<Answer, Diagnostic> {
    let place = question.place;
    let account = regions::find(&place.region).and_then(|region| region.elb_account);
    let account = account.ok_or_else(|| unknown_region(&place.region))?;
    Ok(vec![("id", account.into()), ("arn", format!("arn:{}:iam::{account}:root", place.partition).into())])
}

pub(super) fn balancer_zone(question: &Question<'_>) -> Result<Answer, Diagnostic> {
    let region = &question.place.region;
    let network = question.config.get("load_balancer_type").as_str() == Some("network");
    let zone =
        regions::find(region).and_then(|region| if network { region.nlb_zone } else { region.alb_zone });
    Ok(vec![("id", zone.ok_or_else(|| unknown_region(region))?.into())])
}

/// The id is made up from region and name; what AWS keeps in its lists changes, so they are empty here.
pub(super) fn prefix_list(question: &Question<'_>) -> Answer {
    let config = question.config;
    let filter = config
        .get("filter")
        .items()
        .iter()
        .find(|filter| filter.get("name").as_str() == Some("prefix-list-name"));
    let filtered = filter.and_then(|filter| filter.get("values").texts().first().copied());
    let place = question.place;
    let default = format!("com.amazonaws.{}.s3", place.region);
    let name = config.get("name").as_str().or(filtered).unwrap_or(&default);
    let made = Digits::of(&format!("prefix list {} {name}", place.region)).text("0123456789abcdef", 8);
    let id = config
        .get("id")
        .as_str()
        .or(config.get("prefix_list_id").as_str())
        .map_or(format!("pl-{made}"), str::to_owned);
    vec![
        ("arn", format!("arn:{}:ec2:{}:aws:prefix-list/{id}", place.partition, place.region).into()),
        ("id", id.into()),
        ("name", name.into()),
        ("owner_id", "AWS".into()),
        ("address_family", if name.contains("ipv6") { "IPv6".into() } else { "IPv4".into() }),
    ]
}
