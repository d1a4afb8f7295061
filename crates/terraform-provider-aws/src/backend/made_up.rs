//! Values that look like AWS's, for what only a real apply or a real account would know.
//!
//! Their shape comes from the facts of the type (`value`, `name_prefix`: see `facts/README.md`); where there is none,
//! from the attribute's name and type. The same seed gives the same values: a data source always answers the same.

mod digits;
mod template;

pub(crate) use digits::Digits;
pub(crate) use template::dns_suffix;

use super::Place;
use crate::{
    facts::{self, TypeFacts},
    schema::{Block, Nesting, TypeSchema},
    value::{Type, Value, json},
};
use std::{cell::RefCell, collections::BTreeMap, sync::Arc};
use template::Template;

/// Templates that name attributes that have templates: no chain of facts is longer, and none goes in circles.
const DEPTH: usize = 8;

/// `planned` with everything unknown made up.
pub(crate) fn fill(schema: &TypeSchema, place: &Place, planned: &Value, digits: Digits) -> Value {
    let facts = facts::of_type(&schema.name);
    let maker = Maker { schema, place, facts, digits: RefCell::new(digits) };
    let mut value = planned.clone();
    maker.names(&mut value);
    // An identifier first: other values are made from it.
    for name in ["id", "arn"] {
        maker.top(name, &mut value, DEPTH);
    }
    let names: Vec<String> = schema.block.attributes.keys().cloned().collect();
    for name in names {
        maker.top(&name, &mut value, DEPTH);
    }
    maker.block(&schema.block, "", &mut value);
    value
}

/// Numbers that count the changes of a resource.
const COUNTERS: [&str; 3] = ["latest_version", "revision", "version"];

/// `planned` with each counter that a change makes unknown one further than before.
pub(crate) fn counted_on(prior: &Value, planned: &Value) -> Value {
    let mut counted = planned.clone();
    for name in COUNTERS {
        if let (true, Some(before)) = (planned.get(name).is_unknown(), prior.get(name).as_i64()) {
            counted.set(name, before.saturating_add(1).into());
        }
    }
    counted
}

struct Maker<'a> {
    schema: &'a TypeSchema,
    place: &'a Place,
    facts: Option<Arc<TypeFacts>>,
    digits: RefCell<Digits>,
}

impl Maker<'_> {
    fn hexadecimal(&self, count: usize) -> String {
        self.digits.borrow_mut().text("0123456789abcdef", count)
    }

    /// Names that are completed from a prefix.
    fn names(&self, value: &mut Value) {
        for name in self
            .schema
            .block
            .attributes
            .keys()
            .filter(|name| value.get(name).is_unknown())
            .cloned()
            .collect::<Vec<_>>()
        {
            let fact = self.facts.as_ref().and_then(|facts| facts.attribute(&name));
            let general = format!("{name}_prefix");
            let argument = match fact.and_then(|fact| fact.name_prefix.clone()) {
                Some(argument) => argument,
                None if self.schema.block.attributes.contains_key(&general) => general,
                None => continue,
            };
            let prefix = match value.get(&argument).as_str() {
                Some(prefix) => prefix.to_owned(),
                // A form of its own, which the fact's template gives.
                None if fact.is_some_and(|fact| fact.value.is_some()) => continue,
                None => "terraform-".to_owned(),
            };
            let made = format!("{prefix}{}", self.digits.borrow_mut().unique());
            value.set(&name, made.into());
        }
    }

    /// One attribute of the resource itself, after those that its template names.
    fn top(&self, name: &str, value: &mut Value, depth: usize) {
        let Some(attribute) = self.schema.block.attributes.get(name) else { return };
        if !value.get(name).is_unknown() {
            return;
        }
        if attribute.optional && self.is_excluded(name, value) {
            value.set(name, Value::Null);
            return;
        }
        let fact = self.facts.as_ref().and_then(|facts| facts.attribute(name)?.value.clone());
        let made = match (fact, depth.checked_sub(1)) {
            (Some(fact), Some(depth)) => {
                for needed in facts::template::attributes(&fact.to_string()) {
                    self.top(needed, value, depth);
                }
                let text = Template { place: self.place, whole: value, digits: &self.digits }.expand(&fact);
                json::decode(&text.to_string(), &attribute.ty).unwrap_or(Value::Null)
            }
            _ => self.make(name, &attribute.ty, value),
        };
        value.set(name, made);
    }

    /// Is an argument set that this one may not stand beside?
    fn is_excluded(&self, name: &str, value: &Value) -> bool {
        let is_set = |partner: &String| {
            let says_nothing = [Value::Null, Value::Bool(false), Value::List(Vec::new()), "".into()];
            let partner = partner.split('.').next().unwrap_or(partner);
            partner != name && !value.get(partner).is_unknown() && !says_nothing.contains(value.get(partner))
        };
        self.facts
            .as_ref()
            .and_then(|facts| facts.attribute(name))
            .is_some_and(|fact| fact.conflicts_with.iter().chain(&fact.exactly_one_of).any(is_set))
    }

    fn block(&self, block: &Block, prefix: &str, value: &mut Value) {
        let whole = value.clone();
        let Value::Map(entries) = value else { return };
        for (name, attribute) in &block.attributes {
            if let Some(entry) = entries.get_mut(name) {
                self.inner(name, &attribute.ty, entry, &whole);
            }
        }
        for (name, nested) in &block.blocks {
            let inner = format!("{prefix}{name}.");
            match entries.get_mut(name) {
                Some(Value::List(items)) => {
                    for item in items {
                        self.block(&nested.block, &inner, item);
                    }
                }
                Some(entry) if entry.is_unknown() && nested.nesting == Nesting::Single => {
                    *entry = Value::Null;
                }
                Some(entry) if entry.is_unknown() => *entry = Value::List(Vec::new()),
                Some(entry) if nested.nesting == Nesting::Single => self.block(&nested.block, &inner, entry),
                _ => {}
            }
        }
    }

    /// What is unknown inside a value that is known otherwise.
    fn inner(&self, name: &str, ty: &Type, value: &mut Value, whole: &Value) {
        match (value, ty) {
            (Value::List(items), Type::List(element) | Type::Set(element)) => {
                for item in items {
                    self.inner(name, element, item, whole);
                }
            }
            (Value::Map(entries), Type::Map(element)) => {
                for entry in entries.values_mut() {
                    self.inner(name, element, entry, whole);
                }
            }
            (value @ Value::Map(_), Type::Object(attributes)) => {
                let around = value.clone();
                let Value::Map(entries) = value else { return };
                for (inner, entry) in entries {
                    if let Some(ty) = attributes.get(inner) {
                        self.inner(inner, ty, entry, &around);
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
            Type::Number if name == "port" => port(whole.get("engine").as_str().unwrap_or("postgres")).into(),
            Type::Number => i64::from(COUNTERS.contains(&name)).into(),
            Type::Bool => false.into(),
            // The secret of a password that RDS manages itself.
            Type::List(element)
                if name == "master_user_secret"
                    && whole.get("manage_master_user_password").as_bool() == Some(true) =>
            {
                Value::List(vec![self.make(name, element, whole)])
            }
            Type::List(_) | Type::Set(_) | Type::Tuple(_) => Value::List(Vec::new()),
            Type::Map(_) => Value::Map(BTreeMap::new()),
            Type::Object(attributes) => Value::object(
                attributes.iter().map(|(inner, ty)| (inner.clone(), self.make(inner, ty, whole))),
            ),
            Type::Dynamic => Value::Null,
        }
    }

    fn text(&self, name: &str, whole: &Value) -> String {
        let Place { region, account_id, partition } = self.place;
        let words = self.schema.name.split_once('_').map_or("", |(_, words)| words);
        match name {
            "id" => {
                let named =
                    ["name", "identifier", "bucket"].iter().find_map(|name| whole.get(name).non_empty());
                named.map_or_else(
                    || format!("{}-0{}", words.replace('_', "-"), self.hexadecimal(16)),
                    str::to_owned,
                )
            }
            "arn" => {
                let (service, kind) = words.split_once('_').unwrap_or(("ec2", words));
                let id = whole.get("id").as_str().map_or_else(|| self.hexadecimal(17), str::to_owned);
                format!("arn:{partition}:{service}:{region}:{account_id}:{}/{id}", kind.replace('_', "-"))
            }
            "region" => region.clone(),
            // A replica has its source's, which nobody knows here.
            "engine" => "postgres".to_owned(),
            "engine_version" | "engine_version_actual" => {
                whole.get("engine_version").as_str().unwrap_or("16.4").to_owned()
            }
            "owner_id" | "account_id" | "registry_id" => account_id.clone(),
            "availability_zone" => format!("{region}a"),
            "cidr_block" => "10.0.0.0/16".to_owned(),
            // AWS gives one where it is asked to; documentation's own network, as RFC 3849 wants it.
            "ipv6_cidr_block" if whole.get("assign_generated_ipv6_cidr_block").as_bool() == Some(true) => {
                format!(
                    "2001:db8:{}:{}00::/56",
                    self.hexadecimal(4),
                    self.digits.borrow_mut().text("123456789abcdef", 2)
                )
            }
            _ if name.starts_with("ipv6_") => String::new(),
            // What a certificate asks to be published; unique to the name that it is for.
            "resource_record_type" => "CNAME".to_owned(),
            "resource_record_name" => {
                let domain = whole.get("domain_name").as_str().unwrap_or("example.com");
                format!("_{}.{}.", self.hexadecimal(32), domain.trim_start_matches("*."))
            }
            "resource_record_value" => format!("_{}.acm-validations.aws.", self.hexadecimal(32)),
            _ if name == "dns_name" || name.ends_with("_dns") || name == "address" => {
                format!("{}.{region}.lab.internal", self.hexadecimal(12))
            }
            _ if name.ends_with("_arn") => {
                let service = words.split('_').next().unwrap_or("ec2");
                format!("arn:{partition}:{service}:{region}:{account_id}:{name}/{}", self.hexadecimal(17))
            }
            _ => format!("{}-{}", name.replace('_', "-"), self.hexadecimal(8)),
        }
    }
}

/// The port of a database unless another is chosen.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html> (`Port`)
fn port(engine: &str) -> i64 {
    const PORTS: &[(&str, i64)] = &[
        ("postgres", 5432),
        ("mysql", 3306),
        ("mariadb", 3306),
        ("oracle", 1521),
        ("sqlserver", 1433),
        ("db2", 50_000),
    ];
    PORTS.iter().find(|(family, _)| engine.contains(family)).map_or(0, |(_, port)| *port)
}

#[cfg(test)]
mod tests;
