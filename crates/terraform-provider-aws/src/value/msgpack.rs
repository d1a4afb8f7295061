//! The msgpack form of a value, as Terraform's protocol uses it.
//!
//! Unknown is extension type 0, or 12 where refinements come with it; a number is an integer, a double or decimal
//! text; a value of open type is an array of its type's JSON and itself. The reader trusts nothing: lengths are not
//! believed before the bytes are there, and nesting is bounded.

use super::{Number, Type, Value};
use rmp::{Marker, encode};
use std::collections::BTreeMap;

const UNKNOWN: i8 = 0;
const REFINED_UNKNOWN: i8 = 12;
/// Deeper values than any schema has; a bound for dynamic values, whose type the peer chooses.
const MAX_DEPTH: usize = 200;

/// Why bytes are not a value of the expected type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("the value is cut short")]
    Short,
    /// Bytes are left over after the value.
    #[error("{0} bytes follow the value")]
    Trailing(usize),
    /// Another kind of value than the schema says.
    #[error("expected {expected}, found {found}")]
    Kind {
        /// What the schema says.
        expected: &'static str,
        /// What the bytes hold.
        found: String,
    },
    /// An object has an attribute that its type does not have.
    #[error("unexpected attribute {0:?}")]
    Attribute(String),
    /// Text that is not UTF-8.
    #[error("text that is not UTF-8")]
    Utf8,
    /// An unusable number.
    #[error(transparent)]
    Number(#[from] super::number::NumberError),
    /// An unusable type of a dynamic value.
    #[error(transparent)]
    Type(#[from] super::ty::TypeError),
    /// Nested too deeply.
    #[error("the value is nested too deeply")]
    Depth,
}

/// Reads one value of type `ty`, which must be all of `bytes`.
pub fn decode(bytes: &[u8], ty: &Type) -> Result<Value, DecodeError> {
    let mut reader = Reader { rest: bytes };
    let mut value = reader.value(ty, MAX_DEPTH)?;
    match reader.rest.len() {
        0 => {
            value.canonicalise(ty);
            Ok(value)
        }
        left => Err(DecodeError::Trailing(left)),
    }
}

/// Writes a value.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take(N)?.try_into().map_err(|_| DecodeError::Short)
    }

    fn marker(&mut self) -> Result<Marker, DecodeError> {
        Ok(Marker::from_u8(self.array::<1>()?[0]))
    }

    /// A length of `N` bytes.
    fn length<const N: usize>(&mut self) -> Result<usize, DecodeError> {
        let length = self.take(N)?.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        usize::try_from(length).map_err(|_| DecodeError::Short)
    }

    fn extension_length(&mut self, marker: Marker) -> Result<Option<usize>, DecodeError> {
        Ok(Some(match marker {
            Marker::FixExt1 => 1,
            Marker::FixExt2 => 2,
            Marker::FixExt4 => 4,
            Marker::FixExt8 => 8,
            Marker::FixExt16 => 16,
            Marker::Ext8 => self.length::<1>()?,
            Marker::Ext16 => self.length::<2>()?,
            Marker::Ext32 => self.length::<4>()?,
            _ => return Ok(None),
        }))
    }

    fn value(&mut self, ty: &Type, depth: usize) -> Result<Value, DecodeError> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::Depth)?;
        let marker = self.marker()?;
        if marker == Marker::Null {
            return Ok(Value::Null);
        }
        if let Some(length) = self.extension_length(marker)? {
            let kind = i8::from_be_bytes(self.array::<1>()?);
            let payload = self.take(length)?;
            return match kind {
                UNKNOWN => Ok(Value::UNKNOWN),
                REFINED_UNKNOWN => Ok(Value::Unknown(Some(payload.into()))),
                other => {
                    Err(DecodeError::Kind { expected: "a value", found: format!("extension type {other}") })
                }
            };
        }
        match ty {
            Type::Bool => match marker {
                Marker::True => Ok(Value::Bool(true)),
                Marker::False => Ok(Value::Bool(false)),
                other => Err(unexpected("a boolean", other)),
            },
            Type::Number => self.number(marker).map(Value::Number),
            Type::String => Ok(Value::String(self.text(marker, "a string")?.to_owned())),
            Type::List(element) | Type::Set(element) => {
                let length = self.array_length(marker)?;
                let items = (0..length).map(|_| self.value(element, depth));
                Ok(Value::List(items.collect::<Result<_, _>>()?))
            }
            Type::Tuple(elements) => {
                let length = self.array_length(marker)?;
                if length != elements.len() {
                    let found = format!("{length} elements");
                    return Err(DecodeError::Kind { expected: "a tuple of another length", found });
                }
                let items = elements.iter().map(|element| self.value(element, depth));
                Ok(Value::List(items.collect::<Result<_, _>>()?))
            }
            Type::Map(element) => {
                let mut entries = BTreeMap::new();
                for _ in 0..self.map_length(marker)? {
                    let key = self.key()?;
                    entries.insert(key, self.value(element, depth)?);
                }
                Ok(Value::Map(entries))
            }
            Type::Object(attributes) => {
                let mut entries: BTreeMap<_, _> =
                    attributes.keys().map(|name| (name.clone(), Value::Null)).collect();
                for _ in 0..self.map_length(marker)? {
                    let name = self.key()?;
                    let Some(attribute) = attributes.get(&name) else {
                        return Err(DecodeError::Attribute(name));
                    };
                    entries.insert(name, self.value(attribute, depth)?);
                }
                Ok(Value::Map(entries))
            }
            Type::Dynamic => {
                if self.array_length(marker)? != 2 {
                    return Err(unexpected("a type and a value", marker));
                }
                let marker = self.marker()?;
                let chosen = Type::parse(self.text(marker, "a type")?.as_bytes())?;
                let value = self.value(&chosen, depth)?;
                Ok(Value::Dynamic(Box::new((chosen, value))))
            }
        }
    }

    fn number(&mut self, marker: Marker) -> Result<Number, DecodeError> {
        Ok(match marker {
            Marker::FixPos(small) => Number::from(u64::from(small)),
            Marker::FixNeg(small) => Number::from(i64::from(small)),
            Marker::U8 => Number::from(u64::from(u8::from_be_bytes(self.array()?))),
            Marker::U16 => Number::from(u64::from(u16::from_be_bytes(self.array()?))),
            Marker::U32 => Number::from(u64::from(u32::from_be_bytes(self.array()?))),
            Marker::U64 => Number::from(u64::from_be_bytes(self.array()?)),
            Marker::I8 => Number::from(i64::from(i8::from_be_bytes(self.array()?))),
            Marker::I16 => Number::from(i64::from(i16::from_be_bytes(self.array()?))),
            Marker::I32 => Number::from(i64::from(i32::from_be_bytes(self.array()?))),
            Marker::I64 => Number::from(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Number::from_f64(f64::from(f32::from_be_bytes(self.array()?)))?,
            Marker::F64 => Number::from_f64(f64::from_be_bytes(self.array()?))?,
            other => self.text(other, "a number")?.parse()?,
        })
    }

    fn text(&mut self, marker: Marker, expected: &'static str) -> Result<&'a str, DecodeError> {
        let length = match marker {
            Marker::FixStr(length) => usize::from(length),
            Marker::Str8 | Marker::Bin8 => self.length::<1>()?,
            Marker::Str16 | Marker::Bin16 => self.length::<2>()?,
            Marker::Str32 | Marker::Bin32 => self.length::<4>()?,
            other => return Err(unexpected(expected, other)),
        };
        std::str::from_utf8(self.take(length)?).map_err(|_| DecodeError::Utf8)
    }

    fn key(&mut self) -> Result<String, DecodeError> {
        let marker = self.marker()?;
        Ok(self.text(marker, "a key")?.to_owned())
    }

    fn array_length(&mut self, marker: Marker) -> Result<usize, DecodeError> {
        match marker {
            Marker::FixArray(length) => Ok(usize::from(length)),
            Marker::Array16 => self.length::<2>(),
            Marker::Array32 => self.length::<4>(),
            other => Err(unexpected("a list", other)),
        }
    }

    fn map_length(&mut self, marker: Marker) -> Result<usize, DecodeError> {
        match marker {
            Marker::FixMap(length) => Ok(usize::from(length)),
            Marker::Map16 => self.length::<2>(),
            Marker::Map32 => self.length::<4>(),
            other => Err(unexpected("a map", other)),
        }
    }
}

fn unexpected(expected: &'static str, found: Marker) -> DecodeError {
    DecodeError::Kind { expected, found: format!("{found:?}") }
}

fn write(value: &Value, out: &mut Vec<u8>) {
    const NEVER: &str = "writing to memory cannot fail";
    let length =
        |count: usize| u32::try_from(count).expect("a value of 4 billion elements does not fit a message");
    match value {
        Value::Null => encode::write_nil(out).expect(NEVER),
        Value::Unknown(None) => {
            encode::write_ext_meta(out, 1, UNKNOWN).expect(NEVER);
            out.push(0);
        }
        Value::Unknown(Some(refinements)) => {
            encode::write_ext_meta(out, length(refinements.len()), REFINED_UNKNOWN).expect(NEVER);
            out.extend_from_slice(refinements);
        }
        Value::Bool(truth) => encode::write_bool(out, *truth).expect(NEVER),
        Value::Number(number) => {
            if let Some(integer) = number.as_i64() {
                encode::write_sint(out, integer).expect(NEVER);
            } else if let Some(double) = number.as_exact_f64() {
                encode::write_f64(out, double).expect(NEVER);
            } else {
                encode::write_str(out, &number.to_string()).expect(NEVER);
            }
        }
        Value::String(text) => encode::write_str(out, text).expect(NEVER),
        Value::List(items) => {
            encode::write_array_len(out, length(items.len())).expect(NEVER);
            for item in items {
                write(item, out);
            }
        }
        Value::Map(entries) => {
            encode::write_map_len(out, length(entries.len())).expect(NEVER);
            for (key, entry) in entries {
                encode::write_str(out, key).expect(NEVER);
                write(entry, out);
            }
        }
        Value::Dynamic(inner) => {
            encode::write_array_len(out, 2).expect(NEVER);
            encode::write_bin(out, inner.0.to_json().to_string().as_bytes()).expect(NEVER);
            write(&inner.1, out);
        }
    }
}
