//! Who one is, and what names mean.

use super::{Answer, Question};
use crate::{backend::made_up::Digits, diagnostic::Diagnostic, value::Value};

/// The five parts of an ARN after `arn:`.
pub(crate) struct Arn<'a> {
    pub(crate) partition: &'a str,
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
    pub(crate) resource: &'a str,
}

/// Takes an ARN apart. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
pub(crate) fn parse_arn(text: &str) -> Option<Arn<'_>> {
    let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
    let mut part = || parts.next();
    Some(Arn { partition: part()?, service: part()?, region: part()?, account: part()?, resource: part()? })
}

pub(super) fn arn(question: &Question<'_>) -> Result<Answer, Diagnostic> {
    let text = question.config.get("arn").as_str().unwrap_or_default();
    let arn = parse_arn(text).ok_or_else(|| {
        Diagnostic::error(
            "Invalid ARN",
            format!("{text:?} is not an ARN (arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE)."),
        )
    })?;
    Ok(vec![
        ("id", text.into()),
        ("partition", arn.partition.into()),
        ("service", arn.service.into()),
        ("region", arn.region.into()),
        ("account", arn.account.into()),
        ("resource", arn.resource.into()),
    ])
}

pub(super) fn caller_identity(question: &Question<'_>) -> Answer {
    let place = question.place;
    vec![
        ("id", place.account_id.as_str().into()),
        ("account_id", place.account_id.as_str().into()),
        ("arn", format!("arn:{}:iam::{}:user/offline", place.partition, place.account_id).into()),
        ("user_id", "AIDAOFFLINEOFFLINE000".into()),
    ]
}

/// The account that writes billing reports: hashicorp/aws 6.25, `internal/service/billing`, `billingServiceAccountDataSource`.
const BILLING_ACCOUNT: &str = "386209384616";

pub(super) fn billing(question: &Question<'_>) -> Answer {
    let arn = format!("arn:{}:iam::{BILLING_ACCOUNT}:root", question.place.partition);
    vec![("id", BILLING_ACCOUNT.into()), ("arn", arn.into())]
}

pub(super) fn canonical_user_id(question: &Question<'_>) -> Answer {
    let id = Digits::of(&question.place.account_id).text("0123456789abcdef", 64);
    vec![("id", id.into()), ("display_name", "offline".into())]
}

pub(super) fn default_tags(question: &Question<'_>) -> Answer {
    vec![("id", question.place.partition.as_str().into()), ("tags", question.settings.default_tags.clone())]
}

pub(super) fn managed_policy(question: &Question<'_>) -> Answer {
    let config = question.config;
    let (arn, name) = match (config.get("arn").as_str(), config.get("name").as_str()) {
        (Some(arn), _) => (arn.to_owned(), arn.rsplit('/').next().unwrap_or(arn).to_owned()),
        (None, Some(name)) => {
            (format!("arn:{}:iam::aws:policy/{name}", question.place.partition), name.to_owned())
        }
        (None, None) => return Vec::new(),
    };
    vec![
        ("id", arn.as_str().into()),
        ("arn", arn.into()),
        ("name", name.into()),
        ("path", "/".into()),
        ("tags", Value::object::<String>([])),
    ]
}

/// The role behind a session: hashicorp/aws, `internal/service/iam/session_context_data_source.go`.
pub(super) fn session_context(question: &Question<'_>) -> Answer {
    let text = question.config.get("arn").as_str().unwrap_or_default();
    let assumed = parse_arn(text).filter(|arn| arn.service == "sts").and_then(|arn| {
        let (role, session) = arn.resource.strip_prefix("assumed-role/")?.split_once('/')?;
        Some((format!("arn:{}:iam::{}:role/{role}", arn.partition, arn.account), role, session))
    });
    let (issuer_arn, issuer_name, session_name) = assumed.unwrap_or_else(|| (text.to_owned(), "", ""));
    vec![
        ("id", text.into()),
        ("issuer_arn", issuer_arn.into()),
        ("issuer_name", issuer_name.into()),
        ("session_name", session_name.into()),
        ("issuer_id", "".into()),
    ]
}
