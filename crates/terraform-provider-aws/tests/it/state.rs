//! State that is not the lab's is refused before anything is planned; state of older schemas is read.

use crate::harness::Workspace;
use serde_json::json;

const DATABASE: &str = r#"
resource "aws_db_instance" "d" {
  identifier          = "production"
  engine              = "postgres"
  instance_class      = "db.m7g.large"
  allocated_storage   = 100
  username            = "owner"
  skip_final_snapshot = true
}
"#;

/// A state file as HashiCorp's provider 6 writes it: its private data holds the schema version and timeouts.
fn production_state() -> String {
    json!({
        "version": 4,
        "terraform_version": "1.11.4",
        "serial": 7,
        "lineage": "3f1d2b9c-7a5e-4d0c-9a59-0d3f4f1d6a11",
        "outputs": {},
        "resources": [{
            "mode": "managed",
            "type": "aws_db_instance",
            "name": "d",
            "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
            "instances": [{
                "schema_version": 2,
                "attributes": {
                    "allocated_storage": 100,
                    "arn": "arn:aws:rds:eu-west-1:111122223333:db:production",
                    "engine": "postgres",
                    "id": "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                    "identifier": "production",
                    "instance_class": "db.m7g.large",
                    "region": "eu-west-1",
                    "skip_final_snapshot": true,
                    "username": "owner",
                },
                "sensitive_attributes": [],
                // {"e2bfb730-...":{"create":2400000000000,...},"schema_version":"2"}
                "private": "eyJlMmJmYjczMC1lY2FhLTExZTYtOGY4OC0zNDM2M2JjN2M0YzAiOnsiY3JlYXRlIjoyNDAwMDAwMDAwMDAwfSwic2NoZW1hX3ZlcnNpb24iOiIyIn0=",
            }],
        }],
        "check_results": null,
    })
    .to_string()
}

const REFUSAL: &str = "does not carry the lab's mark";

#[test]
fn production_state_is_refused_before_anything_is_planned() {
    let workspace = Workspace::new(DATABASE);
    workspace.write("terraform.tfstate", &production_state());
    let before = workspace.read("terraform.tfstate");
    for arguments in [
        &["plan", "-json"][..],
        &["plan", "-json", "-refresh=false"],
        &["plan", "-json", "-destroy"],
        &["plan", "-json", "-destroy", "-refresh=false"],
        &["plan", "-json", "-refresh-only"],
        &["apply", "-json", "-auto-approve"],
        &["destroy", "-json", "-auto-approve", "-refresh=false"],
    ] {
        let run = workspace.run(arguments);
        run.assert_refused(REFUSAL);
        let errors = run.errors();
        assert_eq!(errors.len(), 1, "{arguments:?}: {errors:#?}");
        assert_eq!(workspace.read("terraform.tfstate"), before, "{arguments:?}");
    }
}

#[test]
fn production_state_is_refused_without_a_lab_too() {
    let workspace = Workspace::new(DATABASE).set("HELLO_PROVIDER_APPLY", "");
    workspace.write("terraform.tfstate", &production_state());
    workspace.plan(&[]).assert_refused(REFUSAL);
    workspace.write("main.tf", "provider \"aws\" {}\n");
    workspace.plan(&["-refresh=false"]).assert_refused(REFUSAL);
}

#[test]
fn state_without_private_data_is_refused() {
    let workspace = Workspace::new("resource \"aws_sns_topic\" \"t\" {\n  name = \"t\"\n}\n");
    workspace.apply(&[]);
    workspace.plan(&[]).assert_no_changes();
    let mut state = workspace.state();
    state["resources"][0]["instances"][0].as_object_mut().unwrap().remove("private");
    workspace.write("terraform.tfstate", &state.to_string());
    workspace.plan(&[]).assert_refused(REFUSAL);
}

/// Makes the only resource's state one of an older schema.
fn as_if_of(
    version: i64,
    workspace: &Workspace,
    edit: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>),
) {
    let mut state = workspace.state();
    let instance = &mut state["resources"][0]["instances"][0];
    instance["schema_version"] = version.into();
    edit(instance["attributes"].as_object_mut().unwrap());
    workspace.write("terraform.tfstate", &state.to_string());
}

#[test]
fn state_of_an_older_schema_gains_what_it_lacks() {
    let workspace = Workspace::new(DATABASE);
    workspace.apply(&[]);
    as_if_of(1, &workspace, |attributes| {
        assert!(attributes.remove("dedicated_log_volume").is_some());
        attributes.insert("an_argument_of_old".to_owned(), "gone since".into());
        attributes.insert("publicly_accessible".to_owned(), "false".into());
    });
    let run = workspace.plan(&[]);
    assert!(run.success, "{:#?}", run.errors());
    assert!(!run.actions().values().any(|action| action != "update"), "{:?}", run.actions());
    workspace.apply(&[]);
    workspace.plan(&[]).assert_no_changes();
}

#[test]
fn state_of_an_older_schema_is_upgraded_as_the_provider_upgrades_it() {
    let workspace = Workspace::new(DATABASE);
    workspace.apply(&[]);
    let mut resource_id = serde_json::Value::Null;
    as_if_of(0, &workspace, |attributes| {
        resource_id = attributes["resource_id"].clone();
        attributes.remove("delete_automated_backups");
        attributes.insert("id".to_owned(), "production".into());
    });
    workspace.plan(&[]).assert_no_changes();
    workspace.apply(&[]);
    let (_, shown) = workspace.terraform(&["show", "-json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let values = &shown["values"]["root_module"]["resources"][0]["values"];
    assert_eq!(values["id"], resource_id);
    assert_eq!(values["delete_automated_backups"], true);
}

#[test]
fn numbers_and_large_sets_survive_a_round_trip() {
    let workspace = Workspace::new(
        r#"
resource "aws_wafv2_ip_set" "s" {
  name               = "large"
  scope              = "REGIONAL"
  ip_address_version = "IPV4"
  addresses          = flatten([for high in range(10) : [for low in range(200) : "10.${high}.${low}.0/24"]])
}
resource "aws_cloudwatch_metric_alarm" "a" {
  alarm_name          = "precise"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  metric_name         = "m"
  namespace           = "n"
  period              = 60
  statistic           = "Average"
  threshold           = 0.1
}
resource "aws_cloudwatch_metric_alarm" "b" {
  alarm_name          = "huge"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  metric_name         = "m"
  namespace           = "n"
  period              = 60
  statistic           = "Average"
  threshold           = 12345678901234567890.123456789
}
"#,
    );
    workspace.apply(&[]);
    let state = workspace.read("terraform.tfstate");
    assert!(state.contains("\"threshold\": 0.1,"), "0.1 was rounded");
    assert!(state.contains("12345678901234567890.123456789"), "a long number was rounded");
    workspace.plan(&[]).assert_no_changes();
}
