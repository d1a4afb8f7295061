//! The JSON form of a value, as it stands in state files and in the record.
//!
//! Reading follows the type and forgives: an attribute that is missing becomes null and one that the type does not
//! have is dropped, so that state written under an older schema can be read.

use super::{Number, Type, Value};
use serde_json::value::RawValue;
use std::{collections::BTreeMap, fmt::Write as _};

/// Why JSON text is not a value of the expected type.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, or not the shape that the type asks for.
    #[error("{place}: {source}")]
    Shape {
        /// The attribute, dotted.
        place: String,
        /// What is wrong there.
        source: serde_json::Error,
    },
    /// An unusable number.
    #[error("{place}: {source}")]
    Number {
        /// The attribute, dotted.
        place: String,
        /// What is wrong there.
        source: super::number::NumberError,
    },
    /// An unusable type of a dynamic value.
    #[error(transparent)]
    Type(#[from] super::ty::TypeError),
    /// Nested too deeply.
    #[error("the value is nested too deeply")]
    Depth,
}

/// Deeper values than any schema has; a bound for dynamic values, whose type the text chooses.
const MAX_DEPTH: usize = 200;

/// Reads JSON text as a value of type `ty`.
pub fn decode(text: &str, ty: &Type) -> Result<Value, JsonError> {
    let mut value = read(text, ty, "value", MAX_DEPTH)?;
    value.canonicalise(ty);
    Ok(value)
}

fn parse<'a, T: serde::Deserialize<'a>>(text: &'a str, place: &str) -> Result<T, JsonError> {
    serde_json::from_str(text).map_err(|source| JsonError::Shape { place: place.to_owned(), source })
}

fn read(text: &str, ty: &Type, place: &str, depth: usize) -> Result<Value, JsonError> {
    let depth = depth.checked_sub(1).ok_or(JsonError::Depth)?;
    if text.trim() == "null" {
        return Ok(Value::Null);
    }
    let inside = |name: &str| format!("{place}.{name}");
    match ty {
        Type::Bool => match parse(text, place)? {
            Scalar::Bool(truth) => Ok(Value::Bool(truth)),
            // Older schemas kept booleans as text.
            Scalar::Text(word) => parse(&word, place).map(Value::Bool),
        },
        Type::String => match parse(text, place) {
            Ok(Scalar::Text(content)) => Ok(Value::String(content)),
            Ok(Scalar::Bool(truth)) => Ok(Value::String(truth.to_string())),
            // A number that has become text since: its digits are its text.
            Err(error) => {
                number(text, place).map(|number| Value::String(number.to_string())).map_err(|_| error)
            }
        },
        Type::Number => match parse(text, place) {
            // A number that was text once may have been left out as an empty one.
            Ok(Scalar::Text(digits)) if digits.is_empty() => Ok(Value::Null),
            Ok(Scalar::Text(digits)) => number(&digits, place).map(Value::Number),
            _ => number(text, place).map(Value::Number),
        },
        Type::List(element) | Type::Set(element) => {
            let items: Vec<&RawValue> = parse(text, place)?;
            let typed = items
                .into_iter()
                .enumerate()
                .map(|(i, item)| read(item.get(), element, &inside(&i.to_string()), depth));
            Ok(Value::List(typed.collect::<Result<_, _>>()?))
        }
        Type::Tuple(elements) => {
            let items: Vec<&RawValue> = parse(text, place)?;
            let typed = elements.iter().enumerate().map(|(i, element)| match items.get(i) {
                Some(item) => read(item.get(), element, &inside(&i.to_string()), depth),
                None => Ok(Value::Null),
            });
            Ok(Value::List(typed.collect::<Result<_, _>>()?))
        }
        Type::Map(element) => {
            let entries: BTreeMap<String, &RawValue> = parse(text, place)?;
            let typed = entries.into_iter().map(|(key, entry)| {
                let value = read(entry.get(), element, &inside(&key), depth)?;
                Ok((key, value))
            });
            Ok(Value::Map(typed.collect::<Result<_, JsonError>>()?))
        }
        Type::Object(attributes) => {
            let entries: BTreeMap<String, &RawValue> = parse(text, place)?;
            let typed = attributes.iter().map(|(name, attribute)| {
                let value = match entries.get(name) {
                    Some(entry) => read(entry.get(), attribute, &inside(name), depth)?,
                    None => Value::Null,
                };
                Ok((name.clone(), value))
            });
            Ok(Value::Map(typed.collect::<Result<_, JsonError>>()?))
        }
        Type::Dynamic => {
            let entries: BTreeMap<String, &RawValue> = parse(text, place)?;
            let part = |name: &str| entries.get(name).map_or("null", |raw| raw.get());
            let chosen = Type::parse(part("type").as_bytes())?;
            let value = read(part("value"), &chosen, place, depth)?;
            Ok(Value::Dynamic(Box::new((chosen, value))))
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Scalar {
    Bool(bool),
    Text(String),
}

fn number(digits: &str, place: &str) -> Result<Number, JsonError> {
    digits.trim().parse().map_err(|source| JsonError::Number { place: place.to_owned(), source })
}

/// Writes a value as JSON. What is unknown becomes null: JSON has no word for it.
pub fn encode(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    const NEVER: &str = "writing to memory cannot fail";
    match value {
        Value::Null | Value::Unknown(_) => out.push_str("null"),
        Value::Bool(truth) => write!(out, "{truth}").expect(NEVER),
        Value::Number(number) => write!(out, "{number}").expect(NEVER),
        Value::String(text) => out.push_str(&quote(text)),
        Value::List(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (position, (key, entry)) in entries.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write!(out, "{}:", quote(key)).expect(NEVER);
                write(entry, out);
            }
            out.push('}');
        }
        Value::Dynamic(inner) => {
            out.push_str("{\"value\":");
            write(&inner.1, out);
            write!(out, ",\"type\":{}}}", inner.0.to_json()).expect(NEVER);
        }
    }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
