//! Ephemeral and write-only values end in neither plan, state nor record.

use crate::harness::Workspace;

const CONFIGURATION: &str = r#"
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
variable "rotation" {
  default = 1
}
ephemeral "aws_secretsmanager_random_password" "new" {
  password_length    = 40
  exclude_characters = "/@\" "
}
resource "aws_secretsmanager_secret" "s" {
  name = "database"
}
resource "aws_secretsmanager_secret_version" "s" {
  secret_id                = aws_secretsmanager_secret.s.id
  secret_string_wo         = "planted-${ephemeral.aws_secretsmanager_random_password.new.random_password}"
  secret_string_wo_version = var.rotation
}
ephemeral "aws_secretsmanager_secret_version" "s" {
  secret_id  = aws_secretsmanager_secret_version.s.secret_id
  version_id = aws_secretsmanager_secret_version.s.version_id
}
resource "aws_db_instance" "d" {
  identifier          = "database"
  engine              = "postgres"
  instance_class      = "db.t4g.micro"
  allocated_storage   = 20
  username            = "owner"
  password_wo         = "planted-${ephemeral.aws_secretsmanager_secret_version.s.secret_string}"
  password_wo_version = var.rotation
  skip_final_snapshot = true
}
resource "aws_ssm_parameter" "p" {
  name             = "/app/token"
  type             = "SecureString"
  value_wo         = "planted-token"
  value_wo_version = var.rotation
}
"#;

#[test]
fn a_secret_is_nowhere_to_be_found() {
    let workspace = Workspace::new(CONFIGURATION);
    let plan = workspace.planned(&[]);
    for part in ["planned_values", "resource_changes", "output_changes"] {
        assert!(!plan[part].to_string().contains("planted-"), "{part} of the plan holds a secret");
    }
    workspace.apply(&[]);
    for file in ["terraform.tfstate", "hello-provider-record.jsonl"] {
        assert!(!workspace.read(file).contains("planted-"), "{file} holds a secret");
    }
    workspace.plan(&[]).assert_no_changes();
    let rotated = workspace.apply(&["-var=rotation=2"]).actions();
    assert_eq!(rotated.get("aws_db_instance.d").map(String::as_str), Some("update"), "{rotated:?}");
    assert!(rotated.contains_key("aws_secretsmanager_secret_version.s"), "{rotated:?}");
    for file in ["terraform.tfstate", "terraform.tfstate.backup", "hello-provider-record.jsonl"] {
        assert!(!workspace.read(file).contains("planted-"), "{file} holds a secret");
    }
    workspace.destroy(&["-var=rotation=2"]);
}

/// A secret whose content is JSON, kept in the state or write-only.
fn json_secret(argument: &str) -> String {
    format!(
        r#"
resource "aws_secretsmanager_secret" "s" {{
  name = "database"
}}
resource "aws_secretsmanager_secret_version" "s" {{
  secret_id = aws_secretsmanager_secret.s.id
  {argument}
}}
ephemeral "aws_secretsmanager_secret_version" "s" {{
  secret_id  = aws_secretsmanager_secret_version.s.secret_id
  version_id = aws_secretsmanager_secret_version.s.version_id
}}
resource "aws_ssm_parameter" "p" {{
  name             = "/app/user"
  type             = "SecureString"
  value_wo         = try(jsondecode(ephemeral.aws_secretsmanager_secret_version.s.secret_string).user, "made-up")
  value_wo_version = 1
  lifecycle {{
    precondition {{
      condition     = jsondecode(ephemeral.aws_secretsmanager_secret_version.s.secret_string).user == "owner"
      error_message = "The secret must be read back as it was written."
    }}
  }}
}}
"#
    )
}

#[test]
fn a_secret_that_the_state_keeps_is_read_back_and_a_write_only_one_is_made_up() {
    let workspace = Workspace::new(&json_secret("secret_string = jsonencode({ user = \"owner\" })"));
    workspace.apply(&[]);
    workspace.plan(&[]).assert_no_changes();
    let write_only =
        json_secret("secret_string_wo = jsonencode({ user = \"owner\" })\n  secret_string_wo_version = 1");
    let workspace = Workspace::new(&write_only);
    let run = workspace.run(&["apply", "-json", "-auto-approve"]);
    run.assert_refused("jsondecode");
    // Whoever reads JSON back expects that it may be none.
    let (configuration, _) = write_only.split_once("  lifecycle").unwrap();
    workspace.write("main.tf", &format!("{configuration}}}\n"));
    workspace.apply(&[]);
    workspace.plan(&[]).assert_no_changes();
}

#[test]
fn a_bad_write_only_password_is_refused_and_not_shown() {
    let bad = CONFIGURATION.replace(
        "\"planted-${ephemeral.aws_secretsmanager_secret_version.s.secret_string}\"",
        "\"bad/secret value\"",
    );
    let workspace = Workspace::new(&bad);
    let errors = workspace.validate();
    assert!(errors.iter().any(|error| error.contains("is not a valid password")), "{errors:?}");
    assert!(!errors.concat().contains("bad/secret"), "{errors:?}");
}

#[test]
fn random_values_are_real_and_stay() {
    let workspace = Workspace::new(
        r#"
terraform {
  required_providers {
    random = { source = "hashicorp/random" }
  }
}
resource "random_password" "p" {
  length           = 24
  special          = true
  override_special = "-_"
  min_special      = 2
}
resource "random_id" "i" {
  byte_length = 4
  prefix      = "app-"
}
resource "random_string" "s" {
  length  = 8
  upper   = false
  special = false
}
resource "random_pet" "p" {}
ephemeral "random_password" "e" {
  length = 20
}
check "ephemeral" {
  assert {
    condition     = ephemeralasnull(length(ephemeral.random_password.e.result)) == null
    error_message = "An ephemeral value must stay ephemeral."
  }
}
output "names" {
  value = [random_id.i.hex, random_string.s.result, random_pet.p.id]
}
output "length" {
  value = nonsensitive(length(random_password.p.result))
}
"#,
    );
    workspace.apply(&[]);
    let outputs = workspace.state()["outputs"].clone();
    assert_eq!(outputs["length"]["value"], 24);
    let names: Vec<&str> =
        outputs["names"]["value"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    assert!(names[0].starts_with("app-") && names[0].len() == 12, "{names:?}");
    assert!(
        names[1].len() == 8 && names[1].chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
        "{names:?}"
    );
    assert_eq!(names[2].split('-').count(), 2, "{names:?}");
    workspace.plan(&[]).assert_no_changes();
    let run = workspace.plan(&["-no-color"]);
    assert!(!run.text.contains("result"), "{}", run.text);
}
