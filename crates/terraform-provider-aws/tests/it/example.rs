//! A small configuration for any type, made from its schema and facts.
//!
//! An attribute gets the first value of a list of candidates that the facts accept. Two variants of one attribute make
//! a change: `var.step` chooses between them.

use std::fmt::Write as _;
use terraform_provider_aws::{
    facts::{self, AttributeFacts, TypeFacts},
    schema::{Attribute, Block, TypeSchema},
    validate::validate,
    value::{Number, Type, Value},
};

/// A configuration of one resource and what its changes are expected to do.
pub struct Example {
    /// The resource block.
    pub hcl: String,
    /// Does `step = "in_place"` change it in place?
    pub changes_in_place: bool,
    /// Does `step = "replace"` replace it?
    pub is_replaced: bool,
}

/// Candidates for texts, most plain first; `@` becomes a letter that tells the variants apart.
const TEXTS: &[&str] = &[
    "example-@",
    "example@",
    "/example/@",
    "alias/example-@",
    "@.example.com",
    "https://@.example.com/path",
    "arn:aws:iam::123456789012:role/example-@",
    "arn:aws:sns:eu-west-1:123456789012:example-@",
    "arn:aws:s3:::example-@",
    "12345678901@",
    "rate(@ minutes)",
    "cron(0 @ * * ? *)",
    "0.0.0.0/0",
    "{}",
    "123@",
    "ipsec.@",
    "GET",
    "*",
    "vpc-0123456789abcde@",
    "EX@MPLE",
    "dev/sd@",
];

struct Maker<'a> {
    schema: &'a TypeSchema,
    facts: &'a TypeFacts,
}

/// Makes an example, or says what stands in the way.
pub fn of_type(schema: &TypeSchema) -> Result<Example, String> {
    let facts = facts::of_type(&schema.name).ok_or("no facts")?;
    let maker = Maker { schema, facts: &facts };
    let mut config = maker.block(&schema.block, "", 0)?;
    maker.satisfy_groups(&mut config)?;
    let mut diagnostics = Vec::new();
    let mut complete = config.clone();
    schema.block.normalise(&mut complete);
    validate(schema, Some(&facts), &complete, &mut diagnostics);
    if let Some(first) = diagnostics.iter().find(|diagnostic| !diagnostic.is_warning) {
        return Err(format!("{} {}", first.summary, first.detail));
    }
    let in_place = maker.change(&config, false);
    let replace = maker.change(&config, true);
    let mut hcl = format!("resource {:?} \"depth\" {{\n", schema.name);
    let conditions = [("in_place", &in_place), ("replace", &replace)];
    render(&schema.block, &config, "  ", &conditions, &mut hcl);
    hcl.push_str("}\n");
    Ok(Example { hcl, changes_in_place: in_place.is_some(), is_replaced: replace.is_some() })
}

/// An attribute that changes, with its two values.
type Change = Option<(String, Value, Value)>;

impl Maker<'_> {
    fn fact(&self, path: &str) -> Option<&AttributeFacts> {
        self.facts.attribute(path)
    }

    fn block(&self, block: &Block, prefix: &str, variant: usize) -> Result<Value, String> {
        let mut value = Value::object::<String>([]);
        for (name, attribute) in block.attributes.iter().filter(|(_, attribute)| attribute.required) {
            let path = format!("{prefix}{name}");
            value.set(
                name,
                self.attribute(&path, &attribute.ty, variant).ok_or(format!("no value for {path}"))?,
            );
        }
        for (name, nested) in &block.blocks {
            let least = self.fact(&format!("{prefix}{name}")).and_then(|fact| fact.min_items).unwrap_or(0);
            let count =
                usize::try_from(nested.min_items).unwrap_or(0).max(usize::try_from(least).unwrap_or(0));
            let blocks = (0..count).map(|_| self.block(&nested.block, &format!("{prefix}{name}."), variant));
            let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
            if !blocks.is_empty() {
                value.set(name, Value::List(blocks));
            }
        }
        Ok(value)
    }

    /// One of a group must be set: the first that can be.
    fn satisfy_groups(&self, config: &mut Value) -> Result<(), String> {
        for _ in 0..4 {
            let needed = self.facts.attributes.iter().flat_map(|(path, fact)| {
                let given = !get(config, path).is_null();
                let groups = [&fact.exactly_one_of, &fact.at_least_one_of].into_iter().cloned();
                let partners =
                    fact.required_with.iter().filter(move |_| given).map(|path| vec![path.clone()]);
                groups.chain(partners).collect::<Vec<_>>()
            });
            let top = |group: &Vec<String>| !group.is_empty() && group.iter().all(|path| !path.contains('.'));
            let open: Vec<Vec<String>> = needed
                .filter(top)
                .filter(|group| group.iter().all(|path| get(config, path).is_null()))
                .collect();
            let Some(group) = open.into_iter().next() else { return Ok(()) };
            let block = &self.schema.block;
            let made =
                group.iter().find_map(|name| match (block.attributes.get(name), block.blocks.get(name)) {
                    (Some(attribute), _) => Some((name, self.attribute(name, &attribute.ty, 0)?)),
                    (None, Some(nested)) => {
                        let inner = self.block(&nested.block, &format!("{name}."), 0).ok()?;
                        Some((name, Value::List(vec![inner])))
                    }
                    (None, None) => None,
                });
            let (name, value) = made.ok_or_else(|| format!("no value for one of {group:?}"))?;
            config.set(name, value);
        }
        Err("groups without end".to_owned())
    }

    /// A value that the facts of the attribute accept.
    fn attribute(&self, path: &str, ty: &Type, variant: usize) -> Option<Value> {
        let fact = self.fact(path).cloned().unwrap_or_default();
        match ty {
            Type::Bool => Some(Value::Bool(variant == 0)),
            Type::Number => {
                if let Some(option) = fact.one_of.get(variant) {
                    return option.to_string().parse().ok().map(Value::Number);
                }
                if !fact.one_of.is_empty() {
                    return None;
                }
                let number = |number: &Option<serde_json::Number>| {
                    number.as_ref().and_then(serde_json::Number::as_i64)
                };
                let step = number(&fact.multiple_of).unwrap_or(1);
                let least = number(&fact.min).unwrap_or(1).max(1);
                let value = least + step * i64::try_from(variant).ok()? + (step - least % step) % step;
                number(&fact.max).is_none_or(|max| value <= max).then(|| Value::Number(Number::from(value)))
            }
            Type::String => self.text(path, &fact, variant).map(Value::String),
            Type::List(element) | Type::Set(element) => {
                let count = fact.min_items.unwrap_or(1).max(1);
                let items = (0..count)
                    .map(|index| self.attribute(path, element, variant + 2 * usize::try_from(index).ok()?));
                items.collect::<Option<Vec<_>>>().map(Value::List)
            }
            Type::Map(element) => Some(Value::object([("key", self.attribute(path, element, variant)?)])),
            Type::Object(attributes) => {
                let inner = attributes.iter().map(|(name, ty)| {
                    Some((name.clone(), self.attribute(&format!("{path}.{name}"), ty, variant)?))
                });
                inner.collect::<Option<Vec<_>>>().map(Value::object)
            }
            Type::Dynamic | Type::Tuple(_) => None,
        }
    }

    fn text(&self, path: &str, fact: &AttributeFacts, variant: usize) -> Option<String> {
        if !fact.one_of.is_empty() {
            return fact.one_of.get(variant).and_then(|option| option.as_str()).map(str::to_owned);
        }
        let letter = ["1", "2", "3", "4", "5", "6"].get(variant)?;
        let policy = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"@\",\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]}";
        let special = match fact.format {
            Some(facts::Format::Json | facts::Format::IamPolicy) => Some(policy),
            Some(facts::Format::Arn) => Some("arn:aws:iam::123456789012:role/example-@"),
            Some(facts::Format::Cidr | facts::Format::CidrIpv4) => Some("10.@.0.0/16"),
            Some(facts::Format::CidrIpv6) => Some("2001:db8:@::/48"),
            Some(facts::Format::Ip | facts::Format::Ipv4) => Some("10.0.0.@"),
            Some(facts::Format::Ipv6) => Some("2001:db8::@"),
            Some(facts::Format::AccountId) => Some("12345678901@"),
            Some(facts::Format::Rfc3339) => Some("203@-01-02T15:04:05Z"),
            Some(facts::Format::Base64) => Some("QUJD"),
            Some(facts::Format::WindowDaily) => Some("0@:00-04:00"),
            Some(facts::Format::WindowWeekly) => Some("mon:0@:00-mon:04:00"),
            _ if path.ends_with("_document") || path.ends_with("policy") => Some(policy),
            _ => None,
        };
        let mut candidates: Vec<String> =
            special.into_iter().chain(TEXTS.iter().copied()).map(|text| text.replace('@', letter)).collect();
        if let Some(least) = fact.min_length {
            candidates.push(letter.repeat(usize::try_from(least).ok()?));
            candidates.push(format!("{letter}{}", "a".repeat(usize::try_from(least).ok()?)));
        }
        candidates.into_iter().find(|text| self.accepts(path, text))
    }

    /// Do the facts of this one attribute accept the text?
    fn accepts(&self, path: &str, text: &str) -> bool {
        let fact = self.fact(path).cloned().unwrap_or_default();
        let alone = AttributeFacts {
            conflicts_with: Vec::new(),
            required_with: Vec::new(),
            exactly_one_of: Vec::new(),
            at_least_one_of: Vec::new(),
            min_items: None,
            max_items: None,
            ..fact
        };
        let attribute = Attribute {
            ty: Type::String,
            required: false,
            optional: true,
            computed: false,
            sensitive: false,
            write_only: false,
        };
        let block = Block { attributes: [("value".to_owned(), attribute)].into(), ..Block::default() };
        let schema = TypeSchema { name: path.to_owned(), version: 0, ty: block.implied_type(), block };
        let facts = TypeFacts { attributes: [("value".to_owned(), alone)].into(), ..self.facts.clone() };
        let mut diagnostics = Vec::new();
        validate(&schema, Some(&facts), &Value::object([("value", Value::from(text))]), &mut diagnostics);
        diagnostics.is_empty()
    }

    /// An attribute whose change has the wanted effect.
    fn change(&self, config: &Value, replace: bool) -> Change {
        let block = &self.schema.block;
        let wanted = |name: &str| {
            let fact = self.fact(name);
            let forces = fact.is_some_and(|fact| fact.force_new);
            let plain = fact.is_none_or(|fact| fact.force_new_if.is_empty());
            let apart = !matches!(name, "region" | "id" | "tags_all" | "arn") && !name.ends_with("_prefix");
            forces == replace && plain && apart
        };
        let settable = |name: &&String| block.attributes[*name].required || block.attributes[*name].optional;
        let mut names: Vec<&String> =
            block.attributes.keys().filter(settable).filter(|name| wanted(name)).collect();
        // What is there already is changed first; then what is the same everywhere; then texts before switches.
        let order = |name: &&String| {
            let given = !config.get(name).is_null();
            let usual = matches!(name.as_str(), "tags" | "description" | "name");
            (!given, !usual, block.attributes[*name].ty != Type::String)
        };
        names.sort_by_key(order);
        names.into_iter().find_map(|name| {
            let ty = &block.attributes[name].ty;
            if block.attributes[name].write_only {
                return None;
            }
            let (first, second) = (self.attribute(name, ty, 0)?, self.attribute(name, ty, 1)?);
            let fits = |value: &Value| {
                let mut with = config.clone();
                with.set(name, value.clone());
                self.schema.block.normalise(&mut with);
                let mut diagnostics = Vec::new();
                validate(self.schema, Some(self.facts), &with, &mut diagnostics);
                diagnostics.iter().all(|diagnostic| diagnostic.is_warning)
            };
            (first != second && fits(&first) && fits(&second)).then(|| (name.clone(), first, second))
        })
    }
}

fn get<'v>(config: &'v Value, path: &str) -> &'v Value {
    config.get(path.split('.').next().unwrap_or(path))
}

fn render(block: &Block, value: &Value, indent: &str, changes: &[(&str, &Change)], hcl: &mut String) {
    let mut attributes: Vec<(&String, String)> = Vec::new();
    for name in block.attributes.keys() {
        let change = changes.iter().find_map(|(step, change)| {
            change
                .as_ref()
                .filter(|(changing, ..)| changing == name)
                .map(|(_, first, second)| (step, first, second))
        });
        match (change, value.get(name)) {
            (Some((step, first, second)), _) => {
                attributes.push((
                    name,
                    format!("var.step == {step:?} ? {} : {}", expression(second), expression(first)),
                ));
            }
            (None, Value::Null) => {}
            (None, value) => attributes.push((name, expression(value))),
        }
    }
    for (name, expression) in attributes {
        writeln!(hcl, "{indent}{name} = {expression}").unwrap();
    }
    for (name, nested) in &block.blocks {
        for item in value.get(name).items() {
            writeln!(hcl, "{indent}{name} {{").unwrap();
            render(&nested.block, item, &format!("{indent}  "), &[], hcl);
            writeln!(hcl, "{indent}}}").unwrap();
        }
    }
}

fn expression(value: &Value) -> String {
    match value {
        Value::Null | Value::Unknown(_) | Value::Dynamic(_) => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => serde_json::Value::from(text.replace("${", "$${")).to_string(),
        Value::List(items) => format!("[{}]", items.iter().map(expression).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, entry)| format!("{key:?} = {}", expression(entry))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}
