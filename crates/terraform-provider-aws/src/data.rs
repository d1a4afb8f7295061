//! Data sources, answered without an account: what is the same for everybody is true, the rest is made up.
//!
//! A made-up answer depends on the question alone: the same configuration plans the same twice. Types that only an
//! account could answer go to the backend, and where that does not know them they are made up with a warning.

mod accounts;
mod images;
mod network;
mod policy;
pub(crate) mod regions;
mod services;

pub(crate) use services::functions;

use crate::{backend::Place, diagnostic::Diagnostic, provider::Settings, value::Value};

/// What a data source is asked.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// Its configuration.
    pub(crate) config: &'a Value,
    /// Where it looks.
    pub(crate) place: &'a Place,
    /// The provider's configuration.
    pub(crate) settings: &'a Settings,
}

/// The attributes that a data source answers; the rest is made up.
pub(crate) type Answer = Vec<(&'static str, Value)>;

/// Answers `type_name`, or `None` where only an account could.
pub(crate) fn answer(type_name: &str, question: &Question<'_>) -> Result<Option<Answer>, Diagnostic> {
    Ok(Some(match type_name {
        "aws_iam_policy_document" => policy::document(question.config)?,
        "aws_arn" => accounts::arn(question)?,
        "aws_billing_service_account" => accounts::billing(question),
        "aws_caller_identity" => accounts::caller_identity(question),
        "aws_canonical_user_id" => accounts::canonical_user_id(question),
        "aws_default_tags" => accounts::default_tags(question),
        "aws_iam_policy" => accounts::managed_policy(question),
        "aws_iam_session_context" => accounts::session_context(question),
        "aws_partition" => services::partition(question),
        "aws_region" => services::region(question)?,
        "aws_regions" => services::regions(question),
        "aws_service" => services::service(question)?,
        "aws_service_principal" => services::service_principal(question),
        "aws_vpc_endpoint_service" => services::endpoint_service(question),
        "aws_rds_engine_version" => services::engine_version(question),
        "aws_availability_zone" => network::availability_zone(question)?,
        "aws_availability_zones" => network::availability_zones(question),
        "aws_elb_hosted_zone_id" | "aws_lb_hosted_zone_id" => network::balancer_zone(question)?,
        "aws_elb_service_account" => network::balancer_account(question)?,
        "aws_ec2_managed_prefix_list" | "aws_prefix_list" => network::prefix_list(question),
        "aws_ami" => images::image(question),
        "aws_ssm_parameter" => match images::public_parameter(question) {
            Some(answer) => answer,
            None => return Ok(None),
        },
        _ => return Ok(None),
    }))
}

/// Checks what a schema does not show of a data source's configuration.
pub(crate) fn validate(type_name: &str, config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    if type_name == "aws_iam_policy_document" {
        policy::validate(config, diagnostics);
    }
}

/// Does `fields` pass every `filter` block? A field that is not known passes: the filter cannot be judged.
fn passes_filters(config: &Value, fields: &[(&str, &str)]) -> bool {
    config.get("filter").items().iter().all(|filter| {
        let name = filter.get("name").as_str().unwrap_or_default();
        let values = filter.get("values").texts();
        fields.iter().find(|(field, _)| *field == name).is_none_or(|(_, value)| values.contains(value))
    })
}
