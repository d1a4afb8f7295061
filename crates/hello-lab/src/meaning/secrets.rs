//! What secrets of Secrets Manager and parameters of SSM hold.

use crate::{
    secret::Secret,
    world::{Contents, Resource},
};
use std::sync::Arc;

/// A version of a secret that somebody asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Version<'a> {
    /// By identifier.
    pub id: Option<&'a str>,
    /// By stage; `AWSCURRENT` unless given.
    pub stage: Option<&'a str>,
}

/// The secret of this ARN or name.
pub fn secret<'a>(contents: &'a Contents, id: &str) -> Option<&'a Arc<Resource>> {
    contents
        .of_type("aws_secretsmanager_secret")
        .find(|secret| [secret.text("arn"), secret.text("name"), secret.text("id")].contains(&id))
}

/// A version of a secret. The newest is current, the one before it previous, as Secrets Manager moves its stages.
///
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html>
pub fn version<'a>(
    contents: &'a Contents,
    secret_id: &str,
    wanted: Version<'_>,
) -> Option<&'a Arc<Resource>> {
    let secret = secret(contents, secret_id)?;
    let of_secret = |version: &&Arc<Resource>| {
        [secret.text("arn"), secret.text("name"), secret.text("id")].contains(&version.text("secret_id"))
    };
    let mut versions: Vec<_> =
        contents.of_type("aws_secretsmanager_secret_version").filter(of_secret).collect();
    if let Some(id) = wanted.id.filter(|id| !id.is_empty()) {
        return versions.into_iter().find(|version| version.text("version_id") == id);
    }
    versions.sort_by_key(|version| std::cmp::Reverse(version.made_at));
    match wanted.stage.filter(|stage| !stage.is_empty()).unwrap_or("AWSCURRENT") {
        "AWSCURRENT" => versions.into_iter().next(),
        "AWSPREVIOUS" => versions.into_iter().nth(1),
        stage => {
            versions.into_iter().find(|version| version.state.get("version_stages").texts().contains(&stage))
        }
    }
}

/// The text of a version.
pub fn text(version: &Resource) -> Option<Secret> {
    let written = version.config.get("secret_string_wo").non_empty();
    let text = written.or_else(|| version.state.get("secret_string").non_empty())?;
    Some(Secret::new(text))
}

/// What a container definition's `valueFrom` names: a secret by ARN, with a key of its JSON, a stage and a version, or a
/// parameter by ARN or name.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html>
pub fn value_from(contents: &Contents, reference: &str) -> Result<Secret, String> {
    let parts: Vec<&str> = reference.split(':').collect();
    if parts.get(2) != Some(&"secretsmanager") {
        let name = parts.get(5..).map_or(reference.to_owned(), |rest| rest.join(":"));
        return parameter(contents, name.strip_prefix("parameter").unwrap_or(&name));
    }
    let arn = parts.get(..7).map(|arn| arn.join(":")).ok_or_else(|| format!("{reference} is not an ARN"))?;
    let part = |place: usize| parts.get(place).copied().filter(|part| !part.is_empty());
    let wanted = Version { stage: part(8), id: part(9) };
    // Execution roles are told apart by the ResourceNotFoundException of the service's own answer.
    let missing = || {
        format!(
            "unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret {arn} \
             from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret."
        )
    };
    let text = version(contents, &arn, wanted).and_then(|version| text(version)).ok_or_else(missing)?;
    match part(7) {
        None => Ok(text),
        Some(key) => json_key(&text, key).ok_or_else(|| {
            format!("unable to retrieve secret from asm: retrieved secret from Secrets Manager did not contain json key {key}")
        }),
    }
}

/// User and password of a registry, from the JSON that `repositoryCredentials` names.
pub fn registry_credentials(contents: &Contents, arn: &str) -> Result<(String, Secret), String> {
    let text = value_from(contents, arn)?;
    let part = |key: &str| {
        json_key(&text, key)
            .ok_or_else(|| format!("unable to retrieve registry credentials: secret {arn} has no {key}"))
    };
    Ok((part("username")?.reveal().to_owned(), part("password")?))
}

fn json_key(text: &Secret, key: &str) -> Option<Secret> {
    let value: serde_json::Value = serde_json::from_str(text.reveal()).ok()?;
    let value = value.get(key)?;
    Some(Secret::new(value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
}

fn parameter(contents: &Contents, name: &str) -> Result<Secret, String> {
    let names = [name, name.trim_start_matches('/')];
    let found =
        contents.of_type("aws_ssm_parameter").find(|parameter| names.contains(&parameter.text("name")));
    let value = found.and_then(|parameter| {
        let written = parameter.config.get("value_wo").non_empty();
        written.or_else(|| parameter.state.get("value").non_empty()).map(Secret::new)
    });
    value.ok_or_else(|| format!("unable to retrieve secrets from ssm: Invalid ssm parameters: {name}"))
}

#[cfg(test)]
mod tests;
