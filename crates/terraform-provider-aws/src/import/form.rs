//! A form such as `{cluster|after_last /}/{name}`: read from an id, and written from a state.

use crate::{
    facts::{self, TypeFacts, template},
    schema::TypeSchema,
    value::{Type, Value, json},
};
use std::collections::BTreeMap;

/// How many values are tried for the parts of an id. A real id needs a handful; a hostile one could need very many.
const TRIES: usize = 200;

pub(super) struct Form<'a>(Vec<Part<'a>>);

enum Part<'a> {
    Text(&'a str),
    /// Any text, which says nothing: `{*}`.
    Any,
    /// An attribute with its filters.
    Attribute(&'a str, Vec<&'a str>),
}

impl<'a> Form<'a> {
    pub(super) fn parse(form: &'a str) -> Form<'a> {
        let mut parts = Vec::new();
        let mut rest = form;
        while let Some((before, after)) = rest.split_once('{') {
            if !before.is_empty() {
                parts.push(Part::Text(before));
            }
            let (expression, after) = after.split_once('}').unwrap_or((after, ""));
            let (name, filters) = template::split(expression);
            parts.push(if name == "*" { Part::Any } else { Part::Attribute(name, filters.collect()) });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest));
        }
        Form(parts)
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(|part| match part {
            Part::Attribute(name, _) => Some(*name),
            Part::Text(_) | Part::Any => None,
        })
    }

    /// The attributes that `id` gives in this form; `None` where it has another.
    pub(super) fn read(&self, schema: &TypeSchema, facts: Option<&TypeFacts>, id: &str) -> Option<Value> {
        let mut reader = Reader { schema, facts, tries: TRIES, found: BTreeMap::new() };
        reader.read(&self.0, id).then_some(Value::Map(reader.found))
    }

    /// The id in this form; `None` where the state lacks a part of it.
    pub(super) fn write(&self, state: &Value) -> Option<String> {
        let mut id = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => id.push_str(text),
                Part::Any => return None,
                Part::Attribute(name, filters) => {
                    let plain = match (state.get(name), joint(filters)) {
                        (Value::String(text), _) => text.clone(),
                        (Value::Number(number), _) => number.to_string(),
                        (Value::Bool(truth), _) => truth.to_string(),
                        (list @ Value::List(_), Some(joint)) => list.texts().join(joint),
                        _ => String::new(),
                    };
                    let text = filters
                        .iter()
                        .fold(plain, |text, filter| template::filtered(filter, &text).into_owned());
                    if text.is_empty() || !admits(filters, &text) {
                        return None;
                    }
                    id.push_str(&text);
                }
            }
        }
        Some(id)
    }
}

/// What stands between the elements of a set: `joined /`.
fn joint<'a>(filters: &[&'a str]) -> Option<&'a str> {
    filters.iter().find_map(|filter| filter.strip_prefix("joined "))
}

/// Do `begins TEXT`, `contains TEXT` and `without TEXT` hold?
fn admits(filters: &[&str], text: &str) -> bool {
    filters.iter().all(|filter| match filter.split_once(' ') {
        Some(("begins", start)) => text.starts_with(start),
        Some(("contains", part)) => text.contains(part),
        Some(("without", part)) => !text.contains(part),
        _ => true,
    })
}

struct Reader<'a> {
    schema: &'a TypeSchema,
    facts: Option<&'a TypeFacts>,
    tries: usize,
    found: BTreeMap<String, Value>,
}

impl Reader<'_> {
    fn read(&mut self, parts: &[Part<'_>], id: &str) -> bool {
        match parts {
            [] => id.is_empty(),
            [Part::Text(text), rest @ ..] => {
                id.strip_prefix(text).is_some_and(|remaining| self.read(rest, remaining))
            }
            [Part::Any, rest @ ..] => {
                let mut ends =
                    id.char_indices().map(|(at, _)| at).skip(1).filter(|at| begins(rest, &id[*at..]));
                ends.any(|end| self.read(rest, &id[end..]))
            }
            [Part::Attribute(name, filters)] => self.take(name, filters, id),
            [Part::Attribute(name, filters), rest @ ..] => {
                // The shortest text that lets the rest be read, as the provider cuts from the left.
                let ends = id.char_indices().map(|(at, _)| at).skip(1).filter(|at| begins(rest, &id[*at..]));
                ends.collect::<Vec<_>>()
                    .into_iter()
                    .any(|end| self.take(name, filters, &id[..end]) && self.read(rest, &id[end..]))
            }
        }
    }

    /// Takes `text` for the value of an attribute, if it can be one.
    fn take(&mut self, name: &str, filters: &[&str], text: &str) -> bool {
        let Some(tries) = self.tries.checked_sub(1) else { return false };
        self.tries = tries;
        let Some(attribute) = self.schema.block.attributes.get(name) else { return false };
        if text.is_empty() || !admits(filters, text) {
            return false;
        }
        let value = match (&attribute.ty, joint(filters)) {
            (Type::List(_) | Type::Set(_), Some(joint)) => Value::strings(text.split(joint)),
            (Type::String, _) => Value::from(text),
            (Type::Number | Type::Bool, _) => match json::decode(text, &attribute.ty) {
                Ok(value) => value,
                Err(_) => return false,
            },
            _ => return false,
        };
        if self.facts.and_then(|facts| facts.attribute(name)).is_some_and(|fact| !facts::admits(fact, &value))
        {
            return false;
        }
        self.found.insert(name.to_owned(), value);
        true
    }
}

/// Can `text` begin what `parts` describe?
fn begins(parts: &[Part<'_>], text: &str) -> bool {
    match parts.first() {
        Some(Part::Text(start)) => text.starts_with(start),
        _ => true,
    }
}
