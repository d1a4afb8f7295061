//! Every type in depth through its life: validate, plan, apply, no change, change in place, replacement, destruction.
//!
//! A type's configuration is made from its schema and facts; where that is not enough, it stands in `depth/TYPE.tf`.

use crate::{example, harness::Workspace};
use std::{collections::BTreeMap, fs, path::Path};
use terraform_provider_aws::{facts, schema::Catalogue};

/// How many groups the types are spread over: enough to use the cores, few enough that Terraform's start is cheap.
const GROUPS: usize = 4;

struct Life {
    hcl: String,
    changes_in_place: bool,
    is_replaced: bool,
}

fn life(type_name: &str) -> Result<Life, String> {
    // `aws_alb` and its parts are older names of `aws_lb` and its parts.
    let written = type_name.replacen("aws_alb", "aws_lb", 1);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/depth/{written}.tf"));
    if let Ok(hcl) = fs::read_to_string(path) {
        let (changes_in_place, is_replaced) = (hcl.contains("\"in_place\""), hcl.contains("\"replace\""));
        return Ok(Life { hcl: hcl.replace(&written, type_name), changes_in_place, is_replaced });
    }
    let catalogue = if type_name.starts_with("random_") { Catalogue::random() } else { Catalogue::aws() };
    let schema = catalogue.resource(type_name).ok_or("no schema")?;
    let example = example::of_type(&schema)?;
    Ok(Life {
        hcl: example.hcl,
        changes_in_place: example.changes_in_place,
        is_replaced: example.is_replaced,
    })
}

const HEAD: &str = r#"
terraform {
  required_providers {
    aws    = { source = "hashicorp/aws" }
    random = { source = "hashicorp/random" }
  }
}

variable "step" {
  default = "first"
}
"#;

fn lives(group: usize) {
    let names: Vec<&str> = facts::type_names().skip(group).step_by(GROUPS).collect();
    let mut lives = BTreeMap::new();
    let mut failed = Vec::new();
    for name in names {
        match life(name) {
            Ok(life) if life.changes_in_place || life.is_replaced => {
                lives.insert(name, life);
            }
            Ok(_) => failed.push(format!("{name}: no change of it is known")),
            Err(cause) => failed.push(format!("{name}: {cause}")),
        }
    }
    assert!(failed.is_empty(), "types that need a configuration in tests/it/depth/:\n{}", failed.join("\n"));
    let main: String =
        [HEAD.to_owned()].into_iter().chain(lives.values().map(|life| life.hcl.clone())).collect();
    let workspace = Workspace::new(&main);
    assert_eq!(workspace.validate(), Vec::<String>::new());
    let expect = |actions: BTreeMap<String, String>, action: &str, expected: &dyn Fn(&Life) -> bool| {
        let mut wrong = Vec::new();
        for (name, life) in &lives {
            let found = actions.get(&format!("{name}.depth")).map_or("nothing", String::as_str);
            if expected(life) != (found == action) {
                wrong.push(format!("{name}: {found} instead of {action}\n{}", life.hcl));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    };
    expect(workspace.apply(&[]).actions(), "create", &|_| true);
    workspace.plan(&[]).assert_no_changes();
    expect(workspace.apply(&["-var=step=in_place"]).actions(), "update", &|life| life.changes_in_place);
    workspace.plan(&["-var=step=in_place"]).assert_no_changes();
    expect(workspace.apply(&["-var=step=replace"]).actions(), "replace", &|life| life.is_replaced);
    expect(workspace.destroy(&["-var=step=replace"]).actions(), "delete", &|_| true);
}

#[test]
fn types_in_depth_live_and_die_as_planned_first_quarter() {
    lives(0);
}

#[test]
fn types_in_depth_live_and_die_as_planned_second_quarter() {
    lives(1);
}

#[test]
fn types_in_depth_live_and_die_as_planned_third_quarter() {
    lives(2);
}

#[test]
fn types_in_depth_live_and_die_as_planned_fourth_quarter() {
    lives(3);
}
