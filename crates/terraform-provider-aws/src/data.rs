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

/// A data source that needs no account.
pub(crate) struct Offline {
    pub(crate) name: &'static str,
    /// Package and symbols under `internal/service` of hashicorp/aws 6.25 where was read what it answers. Where an
    /// answer rests on more, the function that gives it says so.
    #[cfg_attr(not(test), expect(dead_code, reason = "a citation, which a test checks"))]
    pub(crate) source: &'static str,
    /// `None` where only an account could say.
    answer: fn(&Question<'_>) -> Result<Option<Answer>, Diagnostic>,
}

/// By name.
pub(crate) const OFFLINE: &[Offline] = &[
    Offline {
        name: "aws_ami",
        source: "ec2, dataSourceAMIRead",
        answer: |question| Ok(Some(images::image(question))),
    },
    Offline {
        name: "aws_arn",
        source: "meta, arnDataSource.Read",
        answer: |question| accounts::arn(question).map(Some),
    },
    Offline {
        name: "aws_availability_zone",
        source: "ec2, dataSourceAvailabilityZoneRead",
        answer: |question| network::availability_zone(question).map(Some),
    },
    Offline {
        name: "aws_availability_zones",
        source: "ec2, dataSourceAvailabilityZonesRead",
        answer: |question| Ok(Some(network::availability_zones(question))),
    },
    Offline {
        name: "aws_billing_service_account",
        source: "billing, billingServiceAccountDataSource.Read",
        answer: |question| Ok(Some(accounts::billing(question))),
    },
    Offline {
        name: "aws_caller_identity",
        source: "sts, callerIdentityDataSource.Read",
        answer: |question| Ok(Some(accounts::caller_identity(question))),
    },
    Offline {
        name: "aws_canonical_user_id",
        source: "s3, dataSourceCanonicalUserIDRead",
        answer: |question| Ok(Some(accounts::canonical_user_id(question))),
    },
    Offline {
        name: "aws_default_tags",
        source: "meta, defaultTagsDataSource.Read",
        answer: |question| Ok(Some(accounts::default_tags(question))),
    },
    Offline {
        name: "aws_ec2_managed_prefix_list",
        source: "ec2, dataSourceManagedPrefixListRead",
        answer: |question| Ok(Some(network::prefix_list(question))),
    },
    Offline {
        name: "aws_elb_hosted_zone_id",
        source: "elb, dataSourceHostedZoneIDRead, hostedZoneIDPerRegionMap",
        answer: |question| network::balancer_zone(question).map(Some),
    },
    Offline {
        name: "aws_elb_service_account",
        source: "elb, dataSourceServiceAccountRead, serviceAccountPerRegionMap",
        answer: |question| network::balancer_account(question).map(Some),
    },
    Offline {
        name: "aws_iam_policy",
        source: "iam, dataSourcePolicyRead",
        answer: |question| Ok(Some(accounts::managed_policy(question))),
    },
    Offline {
        name: "aws_iam_policy_document",
        source: "iam, dataSourcePolicyDocumentRead",
        answer: |question| policy::document(question.config).map(Some),
    },
    Offline {
        name: "aws_iam_session_context",
        source: "iam, dataSourceSessionContextRead",
        answer: |question| Ok(Some(accounts::session_context(question))),
    },
    Offline {
        name: "aws_lb_hosted_zone_id",
        source: "elbv2, dataSourceHostedZoneIDRead, hostedZoneIDPerRegionALBMap",
        answer: |question| network::balancer_zone(question).map(Some),
    },
    Offline {
        name: "aws_partition",
        source: "meta, partitionDataSource.Read",
        answer: |question| Ok(Some(services::partition(question))),
    },
    Offline {
        name: "aws_prefix_list",
        source: "ec2, dataSourcePrefixListRead",
        answer: |question| Ok(Some(network::prefix_list(question))),
    },
    Offline {
        name: "aws_rds_engine_version",
        source: "rds, dataSourceEngineVersionRead",
        answer: |question| Ok(Some(services::engine_version(question))),
    },
    Offline {
        name: "aws_region",
        source: "meta, regionDataSource.Read",
        answer: |question| services::region(question).map(Some),
    },
    Offline {
        name: "aws_regions",
        source: "meta, regionsDataSource.Read",
        answer: |question| Ok(Some(services::regions(question))),
    },
    Offline {
        name: "aws_service",
        source: "meta, serviceDataSource.Read",
        answer: |question| services::service(question).map(Some),
    },
    Offline {
        name: "aws_service_principal",
        source: "meta, servicePrincipalDataSource.Read",
        answer: |question| Ok(Some(services::service_principal(question))),
    },
    Offline {
        name: "aws_ssm_parameter",
        source: "ssm, dataParameterRead",
        answer: |question| Ok(images::public_parameter(question)),
    },
    Offline {
        name: "aws_vpc_endpoint_service",
        source: "ec2, dataSourceVPCEndpointServiceRead",
        answer: |question| Ok(Some(services::endpoint_service(question))),
    },
];

/// Answers `type_name`, or `None` where only an account could.
pub(crate) fn answer(type_name: &str, question: &Question<'_>) -> Result<Option<Answer>, Diagnostic> {
    match OFFLINE.binary_search_by_key(&type_name, |offline| offline.name) {
        Ok(position) => (OFFLINE[position].answer)(question),
        Err(_) => Ok(None),
    }
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

#[cfg(test)]
mod tests;
