//! Certificates.

use super::{Change, region_of};
use crate::{
    diagnostic::{Diagnostic, Path, Step},
    value::Value,
};

/// The only region whose certificates `CloudFront` takes.
///
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html>
const CLOUDFRONT_REGION: &str = "us-east-1";

/// hashicorp/aws 6.25, `internal/service/acm`, `resourceCertificate`, `CustomizeDiff`: which names are validated is
/// known before AWS says how, so that a `for_each` over them can be planned.
pub(super) fn certificate(change: &mut Change<'_>) {
    let planned = &mut change.planned;
    let (domain, names) =
        (planned.get("domain_name").clone(), planned.get("subject_alternative_names").clone());
    let configured = change.config.get("subject_alternative_names");
    if domain.is_null() || configured.is_unknown() {
        return;
    }
    // The certificate's own name is one of the alternative names, whether it is configured so or not.
    let mut all = vec![domain];
    let others = if configured.is_null() && change.prior.is_null() { &[] } else { names.items() };
    all.extend(others.iter().filter(|name| **name != all[0]).cloned().collect::<Vec<_>>());
    all.sort();
    let unchanged = change.prior.get("subject_alternative_names").items() == all;
    planned.set("subject_alternative_names", Value::List(all.clone()));
    if unchanged || planned.get("validation_method").as_str() != Some("DNS") {
        return;
    }
    let option = |name: Value| {
        Value::object([
            ("domain_name", name),
            ("resource_record_name", Value::UNKNOWN),
            ("resource_record_type", Value::UNKNOWN),
            ("resource_record_value", Value::UNKNOWN),
        ])
    };
    planned.set("domain_validation_options", Value::List(all.into_iter().map(option).collect()));
}

/// `CloudFront` looks for its certificate in one region alone. Wording: the service's own.
pub(super) fn distribution(config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    let arn = config.get("viewer_certificate").only().get("acm_certificate_arn").as_str();
    if let Some(region) = arn.and_then(region_of)
        && region != CLOUDFRONT_REGION
    {
        let path = Path::attribute("viewer_certificate").then(Step::Index(0)).child("acm_certificate_arn");
        diagnostics.push(
            Diagnostic::error(
                "InvalidViewerCertificate",
                format!(
                    "The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid, or doesn't \
                     include a valid certificate chain: it is in {region}."
                ),
            )
            .at(path),
        );
    }
}
