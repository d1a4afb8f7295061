//! Values as Terraform exchanges them: exact numbers, unknowns at any depth, dynamic types.
//!
//! A [`Value`] carries no type of its own except where the schema says "any" ([`Value::Dynamic`]); the type comes
//! from the schema on the way in ([`msgpack::decode`], [`json::decode`]). What was decoded encodes back to an equal
//! value; a number is never rounded.

pub mod json;
pub mod msgpack;
pub mod number;
pub mod ty;

pub use number::Number;
use std::collections::BTreeMap;
pub use ty::Type;

/// A value of any type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Absent.
    Null,
    /// Known only after apply. The bytes are Terraform's refinements ("not null", "starts with"), kept as they came.
    Unknown(Option<Box<[u8]>>),
    /// true or false.
    Bool(bool),
    /// An exact decimal number.
    Number(Number),
    /// Text.
    String(String),
    /// The elements of a list, a set or a tuple.
    List(Vec<Value>),
    /// The elements of a map, or the attributes of an object or a block.
    Map(BTreeMap<String, Value>),
    /// A value of a type that the schema leaves open, with that type.
    Dynamic(Box<(Type, Value)>),
}

static NULL: Value = Value::Null;

impl Value {
    /// Unknown, with nothing more said about it.
    pub const UNKNOWN: Value = Value::Unknown(None);

    /// A list of strings.
    pub fn strings<S: Into<String>>(items: impl IntoIterator<Item = S>) -> Value {
        Value::List(items.into_iter().map(|item| Value::String(item.into())).collect())
    }

    /// An object of the given attributes.
    pub fn object<K: Into<String>>(attributes: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Map(attributes.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// Is it absent?
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Is it unknown as a whole?
    pub fn is_unknown(&self) -> bool {
        matches!(self, Value::Unknown(_))
    }

    /// Is nothing in it unknown?
    pub fn is_wholly_known(&self) -> bool {
        match self {
            Value::Unknown(_) => false,
            Value::List(items) => items.iter().all(Value::is_wholly_known),
            Value::Map(entries) => entries.values().all(Value::is_wholly_known),
            Value::Dynamic(inner) => inner.1.is_wholly_known(),
            _ => true,
        }
    }

    /// The attribute or element `name`; null where there is none.
    pub fn get(&self, name: &str) -> &Value {
        match self {
            Value::Map(entries) => entries.get(name).unwrap_or(&NULL),
            _ => &NULL,
        }
    }

    /// Sets an attribute; nothing happens to a value that has none.
    pub fn set(&mut self, name: &str, value: Value) {
        if let Value::Map(entries) = self {
            entries.insert(name.to_owned(), value);
        }
    }

    /// The text of a known string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a known string that is not empty.
    pub fn non_empty(&self) -> Option<&str> {
        self.as_str().filter(|text| !text.is_empty())
    }

    /// The truth of a known boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// A known whole number within 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// The elements of a known list, set or tuple; none for anything else.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The known strings among the elements.
    pub fn texts(&self) -> Vec<&str> {
        self.items().iter().filter_map(Value::as_str).collect()
    }

    /// The entries of a known map or object.
    pub fn entries(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Sorts the elements of sets and drops repeated ones, so that equal sets are equal values.
    pub fn canonicalise(&mut self, ty: &Type) {
        match (self, ty) {
            (Value::List(items), Type::Set(element)) => {
                for item in &mut *items {
                    item.canonicalise(element);
                }
                items.sort();
                // Two unknown elements may turn out different.
                items.dedup_by(|left, right| left == right && left.is_wholly_known());
            }
            (Value::List(items), Type::List(element)) => {
                for item in items {
                    item.canonicalise(element);
                }
            }
            (Value::List(items), Type::Tuple(elements)) => {
                items.iter_mut().zip(elements).for_each(|(item, element)| item.canonicalise(element));
            }
            (Value::Map(entries), Type::Map(element)) => {
                for entry in entries.values_mut() {
                    entry.canonicalise(element);
                }
            }
            (Value::Map(entries), Type::Object(attributes)) => {
                for (name, entry) in entries {
                    if let Some(attribute) = attributes.get(name) {
                        entry.canonicalise(attribute);
                    }
                }
            }
            _ => {}
        }
    }

    /// Forgets what is said about unknowns ("begins with"): a plan in another form than the configuration's would
    /// promise what the value cannot keep.
    pub fn forget_refinements(&mut self) {
        match self {
            Value::Unknown(refinements) => *refinements = None,
            Value::List(items) => {
                for item in items {
                    item.forget_refinements();
                }
            }
            Value::Map(entries) => {
                for entry in entries.values_mut() {
                    entry.forget_refinements();
                }
            }
            Value::Dynamic(inner) => inner.1.forget_refinements(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// The only element of a list (a block that occurs at most once); null where there is none.
    pub fn only(&self) -> &Value {
        self.items().first().unwrap_or(&NULL)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(Number::from(number))
    }
}

#[cfg(test)]
pub(crate) mod tests;
