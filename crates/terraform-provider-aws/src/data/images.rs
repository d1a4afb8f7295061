//! Machine images, and the public parameters that name them.

use super::{Answer, Question};
use crate::{
    backend::made_up::Digits,
    value::{Value, json},
};

fn image_id(seed: &str) -> String {
    format!("ami-0{}", Digits::of(seed).text("0123456789abcdef", 16))
}

/// An image that fits the question, the same each time.
pub(super) fn image(question: &Question<'_>) -> Answer {
    let config = question.config;
    let place = question.place;
    let filter = |name: &str| {
        let filter =
            config.get("filter").items().iter().find(|filter| filter.get("name").as_str() == Some(name));
        filter.and_then(|filter| filter.get("values").texts().first().map(|text| (*text).to_owned()))
    };
    let asked = filter("name").or_else(|| config.get("name_regex").as_str().map(str::to_owned));
    let name: String =
        asked.unwrap_or_else(|| "image".to_owned()).chars().filter(|c| !"^$()\\+".contains(*c)).collect();
    let name = name.replace(['*', '?'], "0");
    let by_name = if name.contains("arm64") || name.contains("aarch64") { "arm64" } else { "x86_64" };
    let architecture = filter("architecture").unwrap_or_else(|| by_name.to_owned());
    let id =
        filter("image-id").unwrap_or_else(|| image_id(&format!("{} {}", place.region, json::encode(config))));
    let windows = name.to_lowercase().contains("windows");
    let owner = config.get("owners").texts().first().map_or("amazon", |owner| owner).to_owned();
    let root = if name.contains("ubuntu") || windows { "/dev/sda1" } else { "/dev/xvda" };
    vec![
        ("arn", format!("arn:{}:ec2:{}::image/{id}", place.partition, place.region).into()),
        ("id", id.as_str().into()),
        ("image_id", id.into()),
        ("name", name.into()),
        ("architecture", architecture.into()),
        (
            "owner_id",
            if owner.bytes().all(|byte| byte.is_ascii_digit()) {
                owner.into()
            } else {
                "137112412989".into()
            },
        ),
        ("root_device_name", root.into()),
        ("root_device_type", filter("root-device-type").unwrap_or_else(|| "ebs".to_owned()).into()),
        ("virtualization_type", filter("virtualization-type").unwrap_or_else(|| "hvm".to_owned()).into()),
        ("state", "available".into()),
        ("image_type", "machine".into()),
        ("hypervisor", "xen".into()),
        ("ena_support", true.into()),
        ("public", true.into()),
        ("platform", if windows { "windows".into() } else { "".into() }),
        ("platform_details", if windows { "Windows".into() } else { "Linux/UNIX".into() }),
        ("creation_date", "2025-01-01T00:00:00.000Z".into()),
    ]
}

/// A public parameter of AWS. <https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters.html>
pub(super) fn public_parameter(question: &Question<'_>) -> Option<Answer> {
    let name = question.config.get("name").as_str()?;
    let path = name.strip_prefix("/aws/service/")?;
    let place = question.place;
    let image = image_id(&format!("{} {name}", place.region));
    let value = if path.starts_with("ecs/") && path.ends_with("/recommended") {
        format!("{{\"image_id\":\"{image}\",\"image_name\":\"made-up\",\"os\":\"Amazon Linux 2023\"}}")
    } else if path.starts_with("ami-")
        || path.ends_with("image_id")
        || path.ends_with("ami-id")
        || path.contains("/image")
    {
        image
    } else {
        return None;
    };
    Some(vec![
        ("id", name.into()),
        ("arn", format!("arn:{}:ssm:{}::parameter{name}", place.partition, place.region).into()),
        ("type", "String".into()),
        ("insecure_value", value.as_str().into()),
        ("value", value.into()),
        ("version", Value::from(1)),
    ])
}
