//! Identifiers that look like AWS's, for values that only a real apply would know.

use super::Place;
use crate::{
    schema::{Block, Nesting, TypeSchema},
    value::{Type, Value},
};
use std::fmt::Write as _;

/// Types whose identifier is a short prefix and 17 hexadecimal digits.
const PREFIXES: &[(&str, &str)] = &[
    ("aws_default_network_acl", "acl"),
    ("aws_default_route_table", "rtb"),
    ("aws_default_security_group", "sg"),
    ("aws_default_subnet", "subnet"),
    ("aws_default_vpc", "vpc"),
    ("aws_ebs_volume", "vol"),
    ("aws_ec2_managed_prefix_list", "pl"),
    ("aws_eip", "eipalloc"),
    ("aws_eip_association", "eipassoc"),
    ("aws_flow_log", "fl"),
    ("aws_instance", "i"),
    ("aws_internet_gateway", "igw"),
    ("aws_launch_template", "lt"),
    ("aws_nat_gateway", "nat"),
    ("aws_network_acl", "acl"),
    ("aws_network_interface", "eni"),
    ("aws_route", "r"),
    ("aws_route_table", "rtb"),
    ("aws_route_table_association", "rtbassoc"),
    ("aws_security_group", "sg"),
    ("aws_security_group_rule", "sgrule"),
    ("aws_subnet", "subnet"),
    ("aws_vpc", "vpc"),
    ("aws_vpc_dhcp_options", "dopt"),
    ("aws_vpc_endpoint", "vpce"),
    ("aws_vpc_peering_connection", "pcx"),
    ("aws_vpc_security_group_egress_rule", "sgr"),
    ("aws_vpc_security_group_ingress_rule", "sgr"),
];

/// ARN by type; `{...}` names an attribute, `{hex}` and `{uuid}` are made up. `=` in front: the ARN is also the id.
const ARNS: &[(&str, &str)] = &[
    ("aws_acm_certificate", "=acm:{region}:{account}:certificate/{uuid}"),
    ("aws_alb", "=elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{hex}"),
    ("aws_alb_listener", "=elasticloadbalancing:{region}:{account}:listener/app/lb/{hex}/{hex}"),
    ("aws_alb_target_group", "=elasticloadbalancing:{region}:{account}:targetgroup/{name}/{hex}"),
    ("aws_cloudwatch_log_group", "logs:{region}:{account}:log-group:{name}"),
    ("aws_cloudwatch_metric_alarm", "cloudwatch:{region}:{account}:alarm:{alarm_name}"),
    ("aws_db_instance", "rds:{region}:{account}:db:{identifier}"),
    ("aws_db_parameter_group", "rds:{region}:{account}:pg:{name}"),
    ("aws_db_subnet_group", "rds:{region}:{account}:subgrp:{name}"),
    ("aws_dynamodb_table", "dynamodb:{region}:{account}:table/{name}"),
    ("aws_ecs_cluster", "=ecs:{region}:{account}:cluster/{name}"),
    ("aws_ecs_service", "=ecs:{region}:{account}:service/{name}"),
    ("aws_ecs_task_definition", "ecs:{region}:{account}:task-definition/{family}:1"),
    ("aws_iam_instance_profile", "iam::{account}:instance-profile/{name}"),
    ("aws_iam_openid_connect_provider", "=iam::{account}:oidc-provider/{hex}"),
    ("aws_iam_policy", "=iam::{account}:policy/{name}"),
    ("aws_iam_role", "iam::{account}:role/{name}"),
    ("aws_iam_user", "iam::{account}:user/{name}"),
    ("aws_kms_key", "kms:{region}:{account}:key/{uuid}"),
    ("aws_lb", "=elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{hex}"),
    ("aws_lb_listener", "=elasticloadbalancing:{region}:{account}:listener/app/lb/{hex}/{hex}"),
    ("aws_lb_listener_rule", "=elasticloadbalancing:{region}:{account}:listener-rule/app/lb/{hex}/{hex}/{hex}"),
    ("aws_lb_target_group", "=elasticloadbalancing:{region}:{account}:targetgroup/{name}/{hex}"),
    ("aws_route53_zone", "route53:::hostedzone/{id}"),
    ("aws_s3_bucket", "s3:::{bucket}"),
    ("aws_secretsmanager_secret", "=secretsmanager:{region}:{account}:secret:{name}-{hex6}"),
    ("aws_sns_topic", "=sns:{region}:{account}:{name}"),
    ("aws_sns_topic_subscription", "=sns:{region}:{account}:topic:{uuid}"),
    ("aws_ssm_parameter", "ssm:{region}:{account}:parameter{name}"),
];

/// Attributes that serve as identifier where a type has no form of its own, in this order.
const NAMES: &[&str] = &["identifier", "bucket", "name", "family", "role", "alarm_name", "function_name"];

/// The planned value with everything unknown made up.
pub(crate) fn fill(schema: &TypeSchema, place: &Place, planned: &Value) -> Value {
    let mut value = planned.clone();
    fill_names(&schema.block, &mut value);
    let maker = Maker { schema, place, id: identifier(schema, place, &value) };
    let filled_id = maker.id.clone();
    maker.block(&schema.block, &mut value);
    if schema.block.attributes.get("id").is_some_and(|id| id.computed) && value.get("id").is_null() {
        value.set("id", filled_id.into());
    }
    value
}

/// Names made from a prefix, which AWS or the provider completes.
fn fill_names(block: &Block, value: &mut Value) {
    for name in block.attributes.keys() {
        if let Some(stem) = name.strip_suffix("_prefix")
            && value.get(stem).is_unknown()
        {
            let prefix = value.get(name).as_str().unwrap_or("terraform-").to_owned();
            value.set(stem, format!("{prefix}{}", hexadecimal(26)).into());
        }
    }
}

fn identifier(schema: &TypeSchema, place: &Place, value: &Value) -> String {
    if let Some(known) = value.get("id").non_empty() {
        return known.to_owned();
    }
    if let Ok(position) = PREFIXES.binary_search_by_key(&schema.name.as_str(), |entry| entry.0) {
        return format!("{}-0{}", PREFIXES[position].1, hexadecimal(16));
    }
    if let Some(template) = arn_template(&schema.name).and_then(|template| template.strip_prefix('=')) {
        return arn(template, place, value, "");
    }
    let named = NAMES.iter().find_map(|name| value.get(name).non_empty());
    match (schema.name.as_str(), named) {
        ("aws_route53_zone", _) => format!("Z{}", hexadecimal(20).to_uppercase()),
        ("aws_kms_key", _) => uuid(),
        (_, Some(name)) if schema.block.attributes.contains_key("arn") => name.to_owned(),
        (_, Some(name)) => format!("{name}-{}", hexadecimal(8)),
        (_, None) => hexadecimal(20),
    }
}

fn arn_template(type_name: &str) -> Option<&'static str> {
    ARNS.binary_search_by_key(&type_name, |entry| entry.0).ok().map(|position| ARNS[position].1)
}

fn arn(template: &str, place: &Place, value: &Value, id: &str) -> String {
    let mut text = format!("arn:{}:", place.partition);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        text.push_str(before);
        match name {
            "region" => text.push_str(&place.region),
            "account" => text.push_str(&place.account_id),
            "hex" => text.push_str(&hexadecimal(16)),
            "hex6" => text.push_str(&hexadecimal(6)),
            "uuid" => text.push_str(&uuid()),
            "id" => text.push_str(id),
            attribute => text.push_str(value.get(attribute).as_str().unwrap_or(id)),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

struct Maker<'a> {
    schema: &'a TypeSchema,
    place: &'a Place,
    id: String,
}

impl Maker<'_> {
    fn block(&self, block: &Block, value: &mut Value) {
        let snapshot = value.clone();
        let Value::Map(entries) = value else { return };
        for (name, attribute) in &block.attributes {
            if let Some(entry) = entries.get_mut(name) {
                self.attribute(name, &attribute.ty, entry, &snapshot);
            }
        }
        for (name, nested) in &block.blocks {
            match entries.get_mut(name) {
                Some(Value::List(items)) => items.iter_mut().for_each(|item| self.block(&nested.block, item)),
                Some(entry @ Value::Map(_)) if nested.nesting == Nesting::Single => self.block(&nested.block, entry),
                Some(entry) if entry.is_unknown() && nested.nesting == Nesting::Single => *entry = Value::Null,
                Some(entry) if entry.is_unknown() => *entry = Value::List(Vec::new()),
                _ => {}
            }
        }
    }

    fn attribute(&self, name: &str, ty: &Type, value: &mut Value, whole: &Value) {
        match (value, ty) {
            (Value::List(items), Type::List(element) | Type::Set(element)) => {
                items.iter_mut().for_each(|item| self.attribute(name, element, item, whole));
            }
            (Value::Map(entries), Type::Map(element)) => {
                entries.values_mut().for_each(|entry| self.attribute(name, element, entry, whole));
            }
            (Value::Map(entries), Type::Object(attributes)) => {
                for (inner, entry) in entries.iter_mut() {
                    if let Some(ty) = attributes.get(inner) {
                        self.attribute(inner, ty, entry, whole);
                    }
                }
            }
            (value, ty) if value.is_unknown() => *value = self.make(name, ty, whole),
            _ => {}
        }
    }

    fn make(&self, name: &str, ty: &Type, whole: &Value) -> Value {
        match ty {
            Type::String => self.text(name, whole).into(),
            Type::Number => match name {
                "port" if whole.get("engine").as_str().is_some_and(|engine| engine.contains("mysql")) => 3306.into(),
                "port" => 5432.into(),
                "revision" | "version" | "latest_version" => 1.into(),
                _ => 0.into(),
            },
            Type::Bool => false.into(),
            Type::List(_) | Type::Set(_) | Type::Tuple(_) => Value::List(Vec::new()),
            Type::Map(_) => Value::Map(std::collections::BTreeMap::new()),
            Type::Object(attributes) => {
                Value::object(attributes.iter().map(|(inner, ty)| (inner.clone(), self.make(inner, ty, whole))))
            }
            Type::Dynamic => Value::Null,
        }
    }

    fn text(&self, name: &str, whole: &Value) -> String {
        let id = &self.id;
        match name {
            "id" => id.clone(),
            "arn" => match arn_template(&self.schema.name) {
                Some(template) if template.starts_with('=') => id.clone(),
                Some(template) => arn(template, self.place, whole, id),
                None => {
                    let words = self.schema.name.split_once('_').map_or("", |(_, words)| words);
                    let (service, kind) = words.split_once('_').unwrap_or(("ec2", words));
                    let Place { region, account_id, partition } = self.place;
                    format!("arn:{partition}:{service}:{region}:{account_id}:{}/{id}", kind.replace('_', "-"))
                }
            },
            "region" => self.place.region.clone(),
            "owner_id" | "account_id" | "registry_id" => self.place.account_id.clone(),
            "availability_zone" => format!("{}a", self.place.region),
            "private_ip" | "primary_private_ip" => "10.0.0.10".to_owned(),
            "public_ip" => "192.0.2.10".to_owned(),
            "address" | "dns_name" | "public_dns" | "private_dns" => self.host(),
            "endpoint" => format!("{}:5432", self.host()),
            "version_id" | "unique_id" | "key_id" | "allocation_id" if self.schema.name != "aws_eip" => id_or(id, name),
            "allocation_id" => id.clone(),
            "arn_suffix" => id.rsplit_once(":loadbalancer/").or_else(|| id.rsplit_once(':')).map_or("", |p| p.1).to_owned(),
            "name" | "identifier" | "bucket" => id.clone(),
            _ if name.ends_with("zone_id") => match self.schema.name.as_str() {
                "aws_route53_zone" => id.clone(),
                _ => "Z00000000MADEUP".to_owned(),
            },
            _ => format!("{name}-{}", hexadecimal(8)),
        }
    }

    fn host(&self) -> String {
        let label = self.id.rsplit(['/', ':']).next().unwrap_or_default();
        format!("{label}.{}.lab.internal", self.place.region)
    }
}

fn id_or(id: &str, name: &str) -> String {
    if name == "key_id" { id.to_owned() } else { uuid() }
}

fn uuid() -> String {
    let digits = hexadecimal(32);
    format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}

/// Random hexadecimal digits.
pub(crate) fn hexadecimal(count: usize) -> String {
    let mut bytes = vec![0; count.div_ceil(2)];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    let mut digits = bytes.iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("writing to memory cannot fail");
        digits
    });
    digits.truncate(count);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_for_the_search() {
        assert!(PREFIXES.is_sorted_by_key(|entry| entry.0));
        assert!(ARNS.is_sorted_by_key(|entry| entry.0));
    }
}
