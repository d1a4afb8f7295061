//! Facts are data, and data can be wrong in form: a path that does not exist, a default of another type, an entry without a
//! source. These tests read every file.

use serde_json::Value as Json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{Arc, LazyLock},
};
use terraform_provider_aws::{
    facts::{self, AttributeFacts, TypeFacts, template},
    schema::{Block, Catalogue, TypeSchema},
    value::Type,
};

/// An attribute or a kind of block.
enum Place {
    Attribute(Type),
    Block { required: bool },
}

type Places = BTreeMap<String, Place>;

/// Every path of a schema, into blocks and into attributes of objects.
fn places(block: &Block) -> Places {
    let mut places = Places::new();
    collect_block(block, "", &mut places);
    places
}

fn collect_block(block: &Block, prefix: &str, places: &mut Places) {
    for (name, attribute) in &block.attributes {
        collect_type(&attribute.ty, &format!("{prefix}{name}"), places);
    }
    for (name, nested) in &block.blocks {
        let path = format!("{prefix}{name}");
        collect_block(&nested.block, &format!("{path}."), places);
        places.insert(path, Place::Block { required: nested.min_items > 0 });
    }
}

fn collect_type(ty: &Type, path: &str, places: &mut Places) {
    if let Type::Object(members) = element(ty) {
        for (name, member) in members {
            collect_type(member, &format!("{path}.{name}"), places);
        }
    }
    places.insert(path.to_owned(), Place::Attribute(ty.clone()));
}

/// The type of the innermost elements: constraints hold for each element of a collection.
fn element(ty: &Type) -> &Type {
    match ty {
        Type::List(inner) | Type::Set(inner) | Type::Map(inner) => element(inner),
        other => other,
    }
}

static AWS: LazyLock<Catalogue> = LazyLock::new(Catalogue::aws);
static RANDOM: LazyLock<Catalogue> = LazyLock::new(Catalogue::random);

fn schema_of(type_name: &str) -> Arc<TypeSchema> {
    let catalogue = if type_name.starts_with("random_") { &RANDOM } else { &AWS };
    catalogue.resource(type_name).unwrap_or_else(|| panic!("no schema for {type_name}"))
}

fn all_facts() -> impl Iterator<Item = Arc<TypeFacts>> {
    facts::type_names()
        .map(|name| facts::of_type(name).unwrap_or_else(|| panic!("the facts of {name} do not parse")))
}

/// Calls `check` for each entry; collects what it says and fails with all of it.
fn each_entry(check: impl Fn(&TypeFacts, &Places, &AttributeFacts, &Place) -> Option<String>) {
    let mut wrong = Vec::new();
    for facts in all_facts() {
        let places = places(&schema_of(&facts.type_name).block);
        for (path, entry) in &facts.attributes {
            let said = match places.get(path) {
                Some(place) => check(&facts, &places, entry, place),
                None => Some("is not in the schema".to_owned()),
            };
            wrong.extend(said.map(|said| format!("{}.{path} {said}", facts.type_name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn fits(value: &Json, ty: &Type) -> bool {
    match (value, ty) {
        (Json::String(_), Type::String) | (Json::Number(_), Type::Number) | (Json::Bool(_), Type::Bool) => {
            true
        }
        (Json::Array(items), Type::List(inner) | Type::Set(inner)) => {
            items.iter().all(|item| fits(item, inner))
        }
        (Json::Object(items), Type::Map(inner)) => items.values().all(|item| fits(item, inner)),
        _ => false,
    }
}

#[test]
fn all_types_of_the_bindings_have_a_schema() {
    let aws = &AWS;
    assert_eq!(aws.resource_names().count(), 1578);
    assert_eq!(aws.data_source_names().count(), 629);
    assert_eq!(aws.ephemeral_names().count(), 8);
    assert_eq!(aws.functions().len(), 3);
    let random = &RANDOM;
    assert_eq!(random.resource_names().count(), 8);
    assert_eq!(random.ephemeral_names().count(), 1);
}

#[test]
fn every_schema_decodes() {
    for catalogue in [&AWS, &RANDOM] {
        for name in catalogue.resource_names().collect::<Vec<_>>() {
            assert!(catalogue.resource(name).is_some(), "{name}");
        }
        for name in catalogue.data_source_names().collect::<Vec<_>>() {
            assert!(catalogue.data_source(name).is_some(), "{name}");
        }
    }
}

#[test]
fn a_web_acl_statement_nests_three_levels() {
    let schema = schema_of("aws_wafv2_web_acl");
    let mut block = &schema.block.blocks["rule"].block.blocks["statement"].block;
    for _ in 0..3 {
        block = &block.blocks["not_statement"].block.blocks["statement"].block;
    }
    assert!(block.blocks.contains_key("geo_match_statement"));
    assert!(!block.blocks.contains_key("not_statement"));
}

#[test]
fn the_types_of_a_web_service_are_supported_in_depth() {
    let names: BTreeSet<&str> = facts::type_names().collect();
    for name in [
        "aws_vpc",
        "aws_subnet",
        "aws_security_group",
        "aws_vpc_security_group_ingress_rule",
        "aws_lb",
        "aws_lb_target_group",
        "aws_ecs_service",
        "aws_ecs_task_definition",
        "aws_appautoscaling_policy",
        "aws_db_instance",
        "aws_iam_role",
        "aws_secretsmanager_secret_version",
        "aws_ssm_parameter",
        "aws_kms_key",
        "aws_cloudwatch_metric_alarm",
        "aws_sns_topic",
        "aws_route53_record",
        "aws_acm_certificate",
        "aws_s3_bucket",
        "aws_wafv2_web_acl",
        "aws_instance",
        "aws_key_pair",
        "aws_vpc_endpoint",
        "aws_vpc_peering_connection",
        "aws_flow_log",
        "random_password",
    ] {
        assert!(names.contains(name), "{name}");
    }
    assert!(names.len() >= 80, "{} types", names.len());
}

#[test]
fn every_file_of_facts_is_read_and_named_after_its_type() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("facts");
    let files: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let types: BTreeSet<String> = all_facts().map(|facts| facts.type_name.clone()).collect();
    assert_eq!(files, types);
}

#[test]
fn every_fact_cites_a_declared_source() {
    for facts in all_facts() {
        let declared: BTreeSet<&str> = facts.sources.iter().map(|source| source.id.as_str()).collect();
        assert_eq!(declared.len(), facts.sources.len(), "{} declares a source twice", facts.type_name);
        for source in &facts.sources {
            assert!(source.url.starts_with("https://"), "{}: {}", facts.type_name, source.url);
        }
    }
    each_entry(|facts, _, entry, _| {
        let ids = entry.source.ids();
        if ids.is_empty() {
            return Some("cites no source".to_owned());
        }
        let unknown = ids.iter().find(|id| !facts.sources.iter().any(|source| source.id == **id))?;
        Some(format!("cites {unknown}, which is not declared"))
    });
}

#[test]
fn defaults_and_enumerations_fit_the_type() {
    each_entry(|_, _, entry, place| {
        let Place::Attribute(ty) = place else {
            let plain = entry.default.is_none() && entry.one_of.is_empty() && entry.value.is_none();
            return (!plain).then(|| "is a block, which has no value of its own".to_owned());
        };
        if entry.computed {
            return Some("is computed, which the schema says of an attribute".to_owned());
        }
        if let Some(default) = entry.default.as_ref().filter(|default| !fits(default, ty)) {
            return Some(format!("has the default {default}, but is of type {}", ty.to_json()));
        }
        if let Some(value) = entry.one_of.iter().find(|value| !fits(value, element(ty))) {
            return Some(format!("may be {value}, but is of type {}", ty.to_json()));
        }
        if let Some(value) = entry.value.as_ref().filter(|value| !fits(value, ty)) {
            return Some(format!("is made up as {value}, but is of type {}", ty.to_json()));
        }
        let text_only = entry.min_length.is_some()
            || entry.max_length.is_some()
            || !entry.pattern.is_empty()
            || entry.format.is_some()
            || entry.equal.is_some()
            || entry.normalize.is_some();
        if text_only && *element(ty) != Type::String {
            return Some("has a constraint for text, but is none".to_owned());
        }
        let number_only = entry.min.is_some() || entry.max.is_some() || entry.multiple_of.is_some();
        if number_only && *element(ty) != Type::Number {
            return Some("has a constraint for numbers, but is none".to_owned());
        }
        let default_allowed = entry.one_of.is_empty()
            || entry.default.as_ref().is_none_or(|default| default == "" || entry.one_of.contains(default));
        (!default_allowed).then(|| "has a default that is not one of its values".to_owned())
    });
}

#[test]
fn item_limits_stand_on_collections_and_make_no_block_required() {
    each_entry(|_, _, entry, place| match place {
        Place::Attribute(Type::List(_) | Type::Set(_) | Type::Map(_)) => None,
        Place::Attribute(_) => (entry.min_items.is_some() || entry.max_items.is_some())
            .then(|| "has item limits, but no items".to_owned()),
        Place::Block { required } => (entry.min_items.is_some() && !required)
            .then(|| "is an optional block with a least number".to_owned()),
    });
}

#[test]
fn facts_name_existing_paths_only() {
    each_entry(|_, places, entry, _| {
        let named = [
            &entry.conflicts_with,
            &entry.required_with,
            &entry.exactly_one_of,
            &entry.at_least_one_of,
            &entry.unknown_on_change_of,
        ];
        let mut paths =
            named.into_iter().flatten().chain(&entry.name_prefix).map(String::as_str).collect::<Vec<_>>();
        paths.extend(entry.force_new_if.iter().flat_map(|change| change.when.keys()).map(String::as_str));
        let unknown = paths.into_iter().find(|path| *path != "*" && !places.contains_key(*path))?;
        Some(format!("names {unknown}, which is not in the schema"))
    });
}

#[test]
fn templates_name_existing_attributes_and_filters() {
    each_entry(|_, places, entry, _| {
        let mut texts = Vec::new();
        match &entry.value {
            Some(Json::String(text)) => texts.push(text.as_str()),
            Some(Json::Array(items)) => texts.extend(items.iter().filter_map(Json::as_str)),
            _ => {}
        }
        for text in texts {
            if text.matches('{').count() != text.matches('}').count() {
                return Some(format!("has an unfinished template: {text}"));
            }
            if let Some(name) = template::attributes(text).find(|name| !places.contains_key(*name)) {
                return Some(format!("is made up from {name}, which is not in the schema"));
            }
            for filter in template::expressions(text).flat_map(|expression| template::split(expression).1) {
                let name = filter.split(' ').next().unwrap_or_default();
                if !template::FILTERS.contains(&name) {
                    return Some(format!("uses the filter {name}, which does not exist"));
                }
            }
        }
        None
    });
}

#[test]
fn imports_cite_a_source_and_name_existing_attributes() {
    let mut wrong = Vec::new();
    for facts in all_facts() {
        let Some(import) = &facts.import else { continue };
        let places = places(&schema_of(&facts.type_name).block);
        let declared = |id: &String| facts.sources.iter().any(|source| source.id == *id);
        if import.source.ids().is_empty() || !import.source.ids().iter().all(declared) {
            wrong.push(format!("{} cites no declared source for its import", facts.type_name));
        }
        for expression in import.id.iter().flat_map(|form| template::expressions(form)) {
            let (name, filters) = template::split(expression);
            if name != "*" && !matches!(places.get(name), Some(Place::Attribute(_))) {
                wrong.push(format!("{} is imported by {name}, which is no attribute", facts.type_name));
            }
            for filter in filters.filter_map(|filter| filter.split(' ').next()) {
                if !template::FILTERS.contains(&filter) && !template::FORM_FILTERS.contains(&filter) {
                    wrong.push(format!("{} uses the filter {filter}, which does not exist", facts.type_name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn patterns_are_regular_expressions() {
    each_entry(|_, _, entry, _| {
        entry.pattern.iter().find_map(|pattern| {
            let (facts::Pattern::Match { expression, .. } | facts::Pattern::Reject { expression, .. }) =
                pattern;
            regex_lite::Regex::new(expression)
                .err()
                .map(|error| format!("has the pattern {expression}: {error}"))
        })
    });
}
