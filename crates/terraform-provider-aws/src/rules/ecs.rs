//! Task definitions and services.

use super::is_absent;
use crate::{
    diagnostic::{Diagnostic, Path},
    value::Value,
};
use serde_json::Value as Json;

/// Memory, in MiB, that Fargate offers for so many CPU units: least, most, step.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size>
const FARGATE_SIZES: &[(u64, u64, u64, u64)] = &[
    (256, 512, 2_048, 512),
    (512, 1_024, 4_096, 1_024),
    (1_024, 2_048, 8_192, 1_024),
    (2_048, 4_096, 16_384, 1_024),
    (4_096, 8_192, 30_720, 1_024),
    (8_192, 16_384, 61_440, 4_096),
    (16_384, 32_768, 122_880, 8_192),
];

/// Does Fargate offer this size? 256 CPU units come with 0.5, 1 or 2 GB, but not with 1.5.
fn fargate_offers(cpu: u64, memory: u64) -> bool {
    let fits = |(units, least, most, step): &(u64, u64, u64, u64)| {
        *units == cpu && (*least..=*most).contains(&memory) && (memory - least).is_multiple_of(*step)
    };
    FARGATE_SIZES.iter().any(fits) && (cpu, memory) != (256, 1_536)
}

/// A size as units, `256`, or with a unit, `.25 vCPU` and `0.5 GB`; both forms are the API's.
fn size(text: &str, unit: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    match text.strip_suffix(unit) {
        None => text.parse().ok(),
        Some(number) => {
            let thousandths: f64 = number.trim().parse::<f64>().ok()? * 1_024.0;
            // A size beyond this is none of the table's, whatever it is exactly.
            (0.0..1e9).contains(&thousandths).then(|| format!("{thousandths:.0}").parse().ok())?
        }
    }
}

fn refuse(attribute: &str, sentence: &str) -> Diagnostic {
    Diagnostic::error("ClientException", sentence).at(Path::attribute(attribute))
}

/// Sentences: the answers of `RegisterTaskDefinition`.
///
/// - network mode: <https://github.com/aws/amazon-ecs-cli/issues/1145>
/// - sizes: <https://repost.aws/knowledge-center/ecs-fargate-task-definition-error>
/// - the rest: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>
pub(super) fn task_definition(config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    containers(config, diagnostics);
    let compatibilities = config.get("requires_compatibilities");
    if !compatibilities.texts().contains(&"FARGATE") {
        return;
    }
    let mode = config.get("network_mode");
    if !mode.is_unknown() && mode.as_str() != Some("awsvpc") {
        diagnostics.push(refuse("network_mode", "Fargate only supports network mode 'awsvpc'."));
    }
    for name in ["cpu", "memory"] {
        if is_absent(config.get(name)) {
            diagnostics
                .push(refuse(name, &format!("Fargate requires that '{name}' be defined at the task level.")));
        }
    }
    let (cpu, memory) = (config.get("cpu").as_str(), config.get("memory").as_str());
    if let (Some(cpu), Some(memory)) = (cpu, memory) {
        let offered = match (size(cpu, "vcpu"), size(memory, "gb")) {
            (Some(cpu), Some(memory)) => fargate_offers(cpu, memory),
            _ => false,
        };
        if !offered {
            let sentence =
                format!("No Fargate configuration exists for given values: {cpu} CPU, {memory} memory.");
            diagnostics.push(refuse("cpu", &sentence));
        }
    }
}

fn containers(config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    let Some(text) = config.get("container_definitions").as_str() else { return };
    let invalid = |cause: &str| {
        let sentence = format!("ECS Task Definition container_definitions is invalid: {cause}");
        Diagnostic::error(sentence, "").at(Path::attribute("container_definitions"))
    };
    let definitions = match serde_json::from_str::<Json>(text) {
        Ok(Json::Array(definitions)) => definitions,
        Ok(_) => return diagnostics.push(invalid("Error decoding JSON: it is not a list of containers")),
        Err(error) => return diagnostics.push(invalid(&format!("Error decoding JSON: {error}"))),
    };
    let mut names: Vec<&str> = Vec::new();
    for definition in &definitions {
        let Some(name) = definition["name"].as_str() else {
            return diagnostics
                .push(refuse("container_definitions", "Container.name should not be null or empty."));
        };
        if names.contains(&name) {
            return diagnostics.push(refuse("container_definitions", "Container.name should be unique."));
        }
        names.push(name);
    }
    if definitions.is_empty() {
        diagnostics.push(refuse("container_definitions", "Container list cannot be empty."));
    }
}

/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html> (`launchType`).
pub(super) fn service(config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    if config.get("launch_type").non_empty().is_some()
        && !config.get("capacity_provider_strategy").items().is_empty()
    {
        diagnostics.push(
            Diagnostic::error(
                "InvalidParameterException",
                "specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
            )
            .at(Path::attribute("launch_type")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fargate_sizes_are_those_of_the_table() {
        for (cpu, memory) in
            [(256, 512), (256, 2_048), (512, 3_072), (4_096, 30_720), (8_192, 20_480), (16_384, 122_880)]
        {
            assert!(fargate_offers(cpu, memory), "{cpu} {memory}");
        }
        for (cpu, memory) in
            [(256, 1_536), (256, 4_096), (300, 512), (512, 512), (4_096, 31_744), (8_192, 17_408)]
        {
            assert!(!fargate_offers(cpu, memory), "{cpu} {memory}");
        }
    }

    #[test]
    fn sizes_are_read_in_both_forms() {
        assert_eq!(size(".25 vCPU", "vcpu"), Some(256));
        assert_eq!(size("0.5 GB", "gb"), Some(512));
        assert_eq!(size("1024", "gb"), Some(1_024));
        assert_eq!(size("1e300 GB", "gb"), None);
        assert_eq!(size("much", "gb"), None);
    }
}
