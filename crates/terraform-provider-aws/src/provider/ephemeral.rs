//! Ephemeral resources: values that end in neither plan nor state.

use super::{
    Provider, Settings,
    resources::{received, sent},
};
use crate::{
    backend::{
        SecretRequest,
        made_up::{self, Digits},
    },
    diagnostic::Diagnostic,
    proto::{open_ephemeral_resource as open, validate_ephemeral_resource_config as validate},
    random,
    schema::TypeSchema,
    value::Value,
};
use std::sync::Arc;

/// AWS's own bound. <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html>
const LONGEST_PASSWORD: i64 = 4096;
const DEFAULT_PASSWORD: i64 = 32;
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

impl Provider {
    fn ephemeral(&self, type_name: &str) -> Result<Arc<TypeSchema>, Diagnostic> {
        self.catalogue.ephemeral(type_name).ok_or_else(|| {
            Diagnostic::error(
                "Unknown ephemeral resource",
                format!("This provider has no ephemeral {type_name:?}."),
            )
        })
    }

    pub(super) fn validate_ephemeral(
        &self,
        request: &validate::Request,
    ) -> Result<validate::Response, Diagnostic> {
        let schema = self.ephemeral(&request.type_name)?;
        received(request.config.as_ref(), &schema)?;
        Ok(validate::Response::default())
    }

    pub(super) async fn open_ephemeral(
        &self,
        settings: &Settings,
        request: open::Request,
    ) -> Result<open::Response, Diagnostic> {
        let schema = self.ephemeral(&request.type_name)?;
        let mut result = received(request.config.as_ref(), &schema)?;
        let place = settings.place(result.get("region"));
        let text = |value: &Value| value.non_empty().map(str::to_owned);
        match schema.name.as_str() {
            "random_password" => {
                let password = random::text(&result)?;
                result.set("bcrypt_hash", random::hash(&password)?.into());
                result.set("result", password.into());
            }
            "aws_secretsmanager_random_password" => {
                let password = random_password(&result)?;
                result.set("random_password", password.into());
            }
            "aws_secretsmanager_secret_version" => {
                let secret = SecretRequest {
                    place: place.clone(),
                    secret_id: text(result.get("secret_id")).unwrap_or_default(),
                    version_id: text(result.get("version_id")),
                    version_stage: text(result.get("version_stage")),
                };
                let secret = self.backend.secret(secret).await?;
                result.set("arn", secret.arn.into());
                result.set("version_id", secret.version_id.into());
                result.set("secret_string", secret.secret_string.into());
                result.set("created_date", secret.created_date.into());
                result.set("version_stages", Value::strings(secret.version_stages));
                result.set("secret_binary", "".into());
                if result.get("version_stage").is_null() {
                    result.set("version_stage", "AWSCURRENT".into());
                }
            }
            _ => {}
        }
        for (name, attribute) in &schema.block.attributes {
            if attribute.computed && result.get(name).is_null() {
                result
                    .set(name, if name == "region" { place.region.as_str().into() } else { Value::UNKNOWN });
            }
        }
        let mut result = made_up::fill(&schema, &place, &result, Digits::random());
        schema.block.normalise(&mut result);
        Ok(open::Response { result: sent(&result), ..Default::default() })
    }
}

/// A password by the rules of Secrets Manager's `GetRandomPassword`.
///
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html>
fn random_password(config: &Value) -> Result<String, Diagnostic> {
    let excluded = config.get("exclude_characters").as_str().unwrap_or_default();
    let flag = |name: &str| config.get(name).as_bool().unwrap_or(false);
    let length = config.get("password_length").as_i64().unwrap_or(DEFAULT_PASSWORD);
    let specials = if flag("include_space") { format!("{PUNCTUATION} ") } else { PUNCTUATION.to_owned() };
    let classes = [
        ("exclude_uppercase", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        ("exclude_lowercase", "abcdefghijklmnopqrstuvwxyz"),
        ("exclude_numbers", "0123456789"),
        ("exclude_punctuation", specials.as_str()),
    ];
    let kept = classes.iter().filter(|(excluding, _)| !flag(excluding));
    let kept: Vec<String> = kept
        .map(|(_, letters)| letters.chars().filter(|letter| !excluded.contains(*letter)).collect::<String>())
        .filter(|letters| !letters.is_empty())
        .collect();
    let refuse = |cause: &str| {
        Diagnostic::error(
            "No random password",
            format!("InvalidParameterException: {cause} (GetRandomPassword)."),
        )
    };
    if !(1..=LONGEST_PASSWORD).contains(&length) {
        return Err(refuse("the password length must be from 1 to 4096"));
    }
    if kept.is_empty() {
        return Err(refuse("every character is excluded"));
    }
    let length = usize::try_from(length).map_err(|_| refuse("the password length must be from 1 to 4096"))?;
    let mut digits = Digits::random();
    // One of each kind first, unless the caller does not ask for it; then any, then out of order.
    let each = config.get("require_each_included_type").as_bool().unwrap_or(true);
    let mut password: Vec<char> = Vec::with_capacity(length);
    if each && length >= kept.len() {
        password.extend(kept.iter().flat_map(|letters| digits.text(letters, 1).chars().collect::<Vec<_>>()));
    }
    password.extend(digits.text(&kept.concat(), length - password.len()).chars());
    let order = digits.text("0123456789abcdef", length * 4);
    let mut keyed: Vec<(&[u8], char)> = order.as_bytes().chunks(4).zip(password).collect();
    keyed.sort_by_key(|(key, _)| *key);
    Ok(keyed.into_iter().map(|(_, letter)| letter).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_its_length_and_kinds() {
        let config = Value::object([
            ("password_length", Value::from(64)),
            ("exclude_characters", "/@\" ".into()),
            ("exclude_lowercase", true.into()),
        ]);
        for _ in 0..20 {
            let password = random_password(&config).unwrap();
            assert_eq!(password.chars().count(), 64);
            assert!(!password.contains(['/', '@', '"', ' ']), "{password}");
            assert!(!password.chars().any(|letter| letter.is_ascii_lowercase()), "{password}");
            assert!(password.chars().any(|letter| letter.is_ascii_digit()), "{password}");
        }
        assert!(random_password(&Value::object([("password_length", Value::from(0))])).is_err());
    }
}
