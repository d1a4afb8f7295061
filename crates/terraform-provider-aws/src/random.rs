//! The types of `hashicorp/random`. They need neither an account nor a lab: an apply draws real random values.
//!
//! hashicorp/terraform-provider-random 3.7, `internal/provider` and `internal/random/string.go`.

mod draw;
mod words;

use crate::{diagnostic::Diagnostic, rules::Change, value::Value};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use draw::{Source, StringRules};
use std::fmt::Write as _;

/// The cost of the hash, as the provider takes it (Go's `bcrypt.DefaultCost`).
const BCRYPT_COST: u32 = 10;
/// Longer values than any use; a bound for what one configuration may ask of memory.
const LONGEST: i64 = 65_536;

/// Draws what `planned` leaves unknown.
pub(crate) fn create(type_name: &str, planned: &Value) -> Result<Value, Diagnostic> {
    let mut state = planned.clone();
    match type_name {
        "random_password" | "random_string" => {
            let result = text(planned)?;
            if type_name == "random_password" {
                state.set("id", "none".into());
                state.set("bcrypt_hash", hash(&result)?.into());
            } else {
                state.set("id", result.as_str().into());
            }
            state.set("result", result.into());
        }
        "random_id" | "random_bytes" => {
            let bytes = Source::system()
                .bytes(length(planned, if type_name == "random_id" { "byte_length" } else { "length" })?);
            let prefix = planned.get("prefix").as_str().unwrap_or_default();
            let id = URL_SAFE_NO_PAD.encode(&bytes);
            let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").expect("writing to memory cannot fail");
                hex
            });
            if type_name == "random_id" {
                state.set("hex", format!("{prefix}{hex}").into());
                state.set("dec", format!("{prefix}{}", decimal(&bytes)).into());
                state.set("b64_url", format!("{prefix}{id}").into());
                state.set("b64_std", format!("{prefix}{}", STANDARD.encode(&bytes)).into());
                state.set("id", id.into());
            } else {
                state.set("hex", hex.into());
                state.set("base64", STANDARD.encode(&bytes).into());
            }
        }
        "random_pet" => {
            let count = length(planned, "length")?;
            let separator = planned.get("separator").as_str().unwrap_or("-");
            let name = words::pet(&mut Source::system(), count).join(separator);
            let prefix = planned.get("prefix").non_empty();
            let id = prefix.map_or_else(|| name.clone(), |prefix| format!("{prefix}{separator}{name}"));
            state.set("id", id.into());
        }
        "random_uuid" => {
            let uuid = crate::backend::made_up::Digits::random().uuid();
            state.set("id", uuid.as_str().into());
            state.set("result", uuid.into());
        }
        "random_integer" => {
            let bound = |name: &str| planned.get(name).as_i64();
            let (Some(min), Some(max)) = (bound("min"), bound("max")) else {
                return Err(refused("min and max must be whole numbers"));
            };
            let result =
                source(planned).between(min, max).ok_or_else(|| refused("min must not exceed max"))?;
            state.set("id", result.to_string().into());
            state.set("result", result.into());
        }
        "random_shuffle" => {
            let mut source = source(planned);
            let input = planned.get("input").items();
            let wanted = planned.get("result_count").as_i64().and_then(|count| usize::try_from(count).ok());
            let wanted = if input.is_empty() { 0 } else { wanted.unwrap_or(input.len()).min(65_536) };
            let mut result = Vec::new();
            while result.len() < wanted {
                let mut round = input.to_vec();
                source.shuffle(&mut round);
                result.extend(round);
            }
            result.truncate(wanted);
            state.set("id", "-".into());
            state.set("result", Value::List(result));
        }
        _ => return Err(refused("this type is not known")),
    }
    Ok(state)
}

/// `number` is the older name of `numeric`: whichever is configured holds for both, and digits are drawn by default.
///
/// hashicorp/terraform-provider-random, `internal/planmodifiers/bool`, `NumberNumericAttributePlanModifier`.
pub(crate) fn plan_digits(change: &mut Change<'_>) {
    let configured =
        ["numeric", "number"].into_iter().map(|name| change.config.get(name)).find(|value| !value.is_null());
    let digits = configured.cloned().unwrap_or(Value::Bool(true));
    change.planned.set("number", digits.clone());
    change.planned.set("numeric", digits);
}

/// A password or string of the rules in `config`; also what the ephemeral password is drawn by.
pub(crate) fn text(config: &Value) -> Result<String, Diagnostic> {
    let count =
        |name: &str| config.get(name).as_i64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    let class = |name: &str| config.get(name).as_bool().unwrap_or(true);
    let rules = StringRules {
        length: length(config, "length")?,
        upper: class("upper"),
        lower: class("lower"),
        numeric: class("numeric") && class("number"),
        special: class("special"),
        min_upper: count("min_upper"),
        min_lower: count("min_lower"),
        min_numeric: count("min_numeric"),
        min_special: count("min_special"),
        specials: config.get("override_special").non_empty().unwrap_or(draw::SPECIALS).to_owned(),
    };
    rules.draw(&mut Source::system()).map_err(refused)
}

/// Is `hash` the bcrypt hash of `password`?
pub(crate) fn is_hash_of(hash: &str, password: &str) -> bool {
    bcrypt::verify(&password.as_bytes()[..password.len().min(72)], hash).unwrap_or(false)
}

/// The bcrypt hash of a password. The algorithm sees the first 72 bytes.
pub(crate) fn hash(password: &str) -> Result<String, Diagnostic> {
    let bytes = &password.as_bytes()[..password.len().min(72)];
    bcrypt::hash(bytes, BCRYPT_COST).map_err(|error| refused(&error.to_string()))
}

fn length(planned: &Value, name: &str) -> Result<usize, Diagnostic> {
    let length = planned.get(name).as_i64().filter(|length| (0..=LONGEST).contains(length));
    let length = length.and_then(|length| usize::try_from(length).ok());
    length.ok_or_else(|| refused(&format!("{name} must be a whole number from 0 to {LONGEST}")))
}

fn source(planned: &Value) -> Source {
    planned.get("seed").non_empty().map_or_else(Source::system, Source::seeded)
}

fn refused(cause: &str) -> Diagnostic {
    Diagnostic::error("No random value", format!("A random value cannot be drawn: {cause}."))
}

/// Bytes as one decimal number, the first byte the highest.
fn decimal(bytes: &[u8]) -> String {
    let mut digits = vec![0_u32];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += *digit << 8;
            *digit = carry % 10;
            carry /= 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    digits.iter().rev().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
