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

/// Terraform forgets every resource of AWS and imports those that can be imported, by the ids that the record names
/// them by: nothing changes by that.
fn forget_and_import(workspace: &Workspace, names: &[&str]) {
    let ours: Vec<String> =
        names.iter().filter(|name| name.starts_with("aws_")).map(|name| format!("{name}.depth")).collect();
    let arguments: Vec<&str> = ["state", "rm"].into_iter().chain(ours.iter().map(String::as_str)).collect();
    let (success, text) = workspace.terraform(&arguments);
    assert!(success, "{text}");
    let record = workspace.read("hello-provider-record.jsonl");
    // The record names what has a form with a part that says nothing by its `id`.
    let can_be_named = |name: &str| match &facts::of_type(name).unwrap().import {
        Some(import) => import.id.first().is_some_and(|form| !form.contains("{*}")),
        None => true,
    };
    let mut imports = BTreeMap::new();
    for line in record.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let mut key = line["key"].as_str().unwrap().splitn(3, '/').map(str::to_owned);
        let (name, _region, id) = (key.next().unwrap(), key.next().unwrap(), key.next().unwrap());
        if can_be_named(&name) {
            imports.insert(name, id);
        }
    }
    let blocks =
        imports.iter().map(|(name, id)| format!("import {{\n  to = {name}.depth\n  id = {id:?}\n}}\n"));
    workspace.write("imports.tf", &blocks.collect::<String>());
    let run = workspace.plan(&[]);
    assert!(run.success, "{:#?}", run.errors());
    let wrong: Vec<(String, String)> = run
        .actions()
        .into_iter()
        .filter(|(address, action)| {
            let is_imported = imports.contains_key(address.trim_end_matches(".depth"));
            is_imported != (action == "import" || action == "no-op")
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    workspace.apply(&[]);
    workspace.write("imports.tf", "");
    workspace.plan(&[]).assert_no_changes();
}

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
    forget_and_import(&workspace, &lives.keys().copied().collect::<Vec<_>>());
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
