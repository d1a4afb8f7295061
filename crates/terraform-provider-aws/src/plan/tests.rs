use super::*;
use crate::{facts, schema::Catalogue, value::json};
use serde_json::{Value as Json, json};

/// Plans a change as Terraform asks for it: what is computed and not configured is proposed as it was.
fn planned(type_name: &str, prior: Json, config: Json) -> (Value, Vec<String>) {
    let schema = Catalogue::aws().resource(type_name).unwrap();
    let read = |json: Json| {
        let mut value = json::decode(&json.to_string(), &schema.ty).unwrap();
        if !value.is_null() {
            schema.block.normalise(&mut value);
        }
        value
    };
    let (prior, config) = (read(prior), read(config));
    let mut proposed = config.clone();
    for (name, attribute) in &schema.block.attributes {
        if attribute.computed && proposed.get(name).is_null() {
            proposed.set(name, prior.get(name).clone());
        }
    }
    let facts = facts::of_type(type_name);
    let settings = Settings::default();
    let request = PlanRequest {
        schema: &schema,
        facts: facts.as_deref(),
        settings: &settings,
        prior: &prior,
        proposed: &proposed,
        config: &config,
    };
    let plan = plan(request);
    let paths = plan.requires_replace.iter().map(ToString::to_string).collect();
    (plan.planned.unwrap(), paths)
}

#[test]
fn a_creation_plans_defaults_and_unknowns() {
    let (planned, replace) = planned("aws_vpc", Json::Null, json!({ "cidr_block": "10.0.0.0/16" }));
    assert_eq!(planned.get("enable_dns_support"), &Value::Bool(true));
    assert_eq!(planned.get("region").as_str(), Some("us-east-1"));
    assert!(planned.get("id").is_unknown() && planned.get("arn").is_unknown());
    assert!(planned.get("tags").is_null());
    assert_eq!(replace, Vec::<String>::new());
}

#[test]
fn an_argument_that_is_left_out_goes_back_to_its_default() {
    let prior = json!({ "cidr_block": "10.0.0.0/16", "enable_dns_support": false, "region": "us-east-1", "id": "vpc-1" });
    let (planned, _) = planned("aws_vpc", prior, json!({ "cidr_block": "10.0.0.0/16" }));
    assert_eq!(planned.get("enable_dns_support"), &Value::Bool(true));
    assert_eq!(planned.get("id").as_str(), Some("vpc-1"));
}

#[test]
fn an_element_of_a_set_changes_when_an_argument_is_taken_away() {
    let parameter = |method: Option<&str>| json!({ "name": "p", "value": "1", "apply_method": method });
    let group = |method| json!({ "name": "g", "family": "postgres16", "parameter": [parameter(method)] });
    let mut prior = group(Some("pending-reboot"));
    prior["region"] = "us-east-1".into();
    let method =
        |planned: &Value| planned.get("parameter").only().get("apply_method").as_str().map(str::to_owned);
    let (kept, _) = planned("aws_db_parameter_group", prior.clone(), group(Some("pending-reboot")));
    assert_eq!(method(&kept).as_deref(), Some("pending-reboot"));
    let (taken, replace) = planned("aws_db_parameter_group", prior, group(None));
    assert_eq!(method(&taken).as_deref(), Some("immediate"), "the default stands again");
    assert_eq!(replace, Vec::<String>::new());
}

#[test]
fn what_was_computed_in_a_block_stays_where_the_block_does() {
    let device = |name: &str, id: Option<&str>| json!({ "device_name": name, "volume_size": 10, "volume_id": id, "delete_on_termination": id.map(|_| true) });
    let prior = json!({ "ami": "ami-1", "region": "us-east-1", "ebs_block_device": [device("/dev/sdf", Some("vol-1"))] });
    let config =
        json!({ "ami": "ami-1", "ebs_block_device": [device("/dev/sdf", None), device("/dev/sdg", None)] });
    let (planned, _) = planned("aws_instance", prior, config);
    let devices = planned.get("ebs_block_device").items();
    let volume = |name: &str| {
        devices
            .iter()
            .find(|device| device.get("device_name").as_str() == Some(name))
            .unwrap()
            .get("volume_id")
    };
    assert_eq!(volume("/dev/sdf").as_str(), Some("vol-1"));
    assert!(volume("/dev/sdg").is_unknown());
}

#[test]
fn only_some_changes_of_a_value_replace() {
    let parameter = |tier: &str| json!({ "name": "/p", "type": "String", "value": "v", "tier": tier, "region": "us-east-1" });
    let (_, down) = planned("aws_ssm_parameter", parameter("Advanced"), parameter("Standard"));
    assert_eq!(down, ["tier"]);
    let (_, up) = planned("aws_ssm_parameter", parameter("Standard"), parameter("Advanced"));
    assert_eq!(up, Vec::<String>::new());
}

#[test]
fn a_resource_that_changes_region_is_replaced() {
    let prior = json!({ "name": "t", "region": "eu-west-1" });
    assert_eq!(planned("aws_sns_topic", prior, json!({ "name": "t" })).1, ["region"]);
}

#[test]
fn a_destruction_plans_nothing() {
    let (planned, replace) =
        planned("aws_sns_topic", json!({ "name": "t", "region": "us-east-1" }), Json::Null);
    assert!(planned.is_null() && replace.is_empty());
}

#[test]
fn a_source_named_by_identifier_or_arn_is_the_same() {
    let replica = |source: &str| json!({ "identifier": "r", "instance_class": "c", "replicate_source_db": source, "region": "us-east-1", "skip_final_snapshot": true });
    let arn = "arn:aws:rds:us-east-1:123456789012:db:primary";
    let (planned, _) = planned("aws_db_instance", replica(arn), replica("primary"));
    assert_eq!(planned.get("replicate_source_db").as_str(), Some(arn));
}

#[test]
fn the_order_of_a_set_replaces_nothing() {
    let device = |name: &str, tag: &str| json!({ "device_name": name, "encrypted": name == "/dev/sdf", "tags": { "a": tag }, "volume_size": 10, "volume_type": "gp3", "delete_on_termination": true });
    let instance = |first: &str, second: &str| json!({ "ami": "ami-1", "region": "us-east-1", "ebs_block_device": [device("/dev/sdf", first), device("/dev/sdg", second)] });
    let (_, replace) = planned("aws_instance", instance("a", "b"), instance("c", "a"));
    assert_eq!(replace, Vec::<String>::new());
    let mut fewer = instance("a", "b");
    fewer["ebs_block_device"].as_array_mut().unwrap().pop();
    assert_eq!(planned("aws_instance", instance("a", "b"), fewer).1, ["ebs_block_device"]);
}
