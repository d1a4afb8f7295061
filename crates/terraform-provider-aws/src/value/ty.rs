//! Types of values, as Terraform writes them in JSON: `"string"`, `["list", "number"]`, `["object", {...}]`.

use serde_json::Value as Json;
use std::collections::BTreeMap;

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// Text.
    String,
    /// A number.
    Number,
    /// true or false.
    Bool,
    /// Any type; the value says which.
    Dynamic,
    /// Elements in order.
    List(Box<Type>),
    /// Elements without order or repetition.
    Set(Box<Type>),
    /// Elements by key.
    Map(Box<Type>),
    /// Named attributes.
    Object(BTreeMap<String, Type>),
    /// Elements of different types.
    Tuple(Vec<Type>),
}

/// The text is not a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a type: {0}")]
pub struct TypeError(String);

impl Type {
    /// Reads a type from its JSON text.
    pub fn parse(text: &[u8]) -> Result<Type, TypeError> {
        let json: Json = serde_json::from_slice(text).map_err(|error| TypeError(error.to_string()))?;
        Type::from_json(&json)
    }

    fn from_json(json: &Json) -> Result<Type, TypeError> {
        let refuse = || TypeError(json.to_string());
        if let Some(name) = json.as_str() {
            return match name {
                "string" => Ok(Type::String),
                "number" => Ok(Type::Number),
                "bool" => Ok(Type::Bool),
                "dynamic" => Ok(Type::Dynamic),
                _ => Err(refuse()),
            };
        }
        let parts = json.as_array().ok_or_else(refuse)?;
        // An object type has a third part where some of its attributes are optional.
        let (kind, inner) = match parts.as_slice() {
            [kind, inner] | [kind, inner, _] => (kind.as_str().ok_or_else(refuse)?, inner),
            _ => return Err(refuse()),
        };
        match kind {
            "list" => Ok(Type::List(Box::new(Type::from_json(inner)?))),
            "set" => Ok(Type::Set(Box::new(Type::from_json(inner)?))),
            "map" => Ok(Type::Map(Box::new(Type::from_json(inner)?))),
            "object" => {
                let attributes = inner.as_object().ok_or_else(refuse)?;
                let typed = attributes.iter().map(|(name, ty)| Ok((name.clone(), Type::from_json(ty)?)));
                Ok(Type::Object(typed.collect::<Result<_, TypeError>>()?))
            }
            "tuple" => {
                let elements = inner.as_array().ok_or_else(refuse)?;
                Ok(Type::Tuple(elements.iter().map(Type::from_json).collect::<Result<_, TypeError>>()?))
            }
            _ => Err(refuse()),
        }
    }

    /// The type as Terraform writes it in JSON.
    pub fn to_json(&self) -> Json {
        match self {
            Type::String => "string".into(),
            Type::Number => "number".into(),
            Type::Bool => "bool".into(),
            Type::Dynamic => "dynamic".into(),
            Type::List(element) => Json::Array(vec!["list".into(), element.to_json()]),
            Type::Set(element) => Json::Array(vec!["set".into(), element.to_json()]),
            Type::Map(element) => Json::Array(vec!["map".into(), element.to_json()]),
            Type::Object(attributes) => {
                let typed = attributes.iter().map(|(name, ty)| (name.clone(), ty.to_json()));
                Json::Array(vec!["object".into(), Json::Object(typed.collect())])
            }
            Type::Tuple(elements) => {
                Json::Array(vec!["tuple".into(), Json::Array(elements.iter().map(Type::to_json).collect())])
            }
        }
    }
}
