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
    let (domain, names) = (planned.get("domain_name").clone(), planned.get("subject_alternative_names").clone());
    // On an update what AWS answered stays, unless the names change.
    let same_names = |name: &str| change.config.get(name).is_null() || change.prior.get(name) == planned.get(name);
    let unchanged = !change.prior.is_null()
        && change.prior.get("domain_name") == &domain
        && same_names("subject_alternative_names");
    if unchanged || domain.is_null() {
        return;
    }
    let mut all = vec![domain];
    all.extend(names.items().iter().filter(|name| **name != all[0]).cloned().collect::<Vec<_>>());
    let names_known = names.is_null() || names.is_unknown() && change.config.get("subject_alternative_names").is_null() || !names.is_unknown();
    if names_known {
        planned.set("subject_alternative_names", Value::List(all.clone()));
    }
    if planned.get("validation_method").as_str() == Some("DNS") && names_known {
        let option = |name: Value| {
            Value::object([
                ("domain_name", name),
                ("resource_record_name", Value::UNKNOWN),
                ("resource_record_type", Value::UNKNOWN),
                ("resource_record_value", Value::UNKNOWN),
            ])
        };
        let options = all.into_iter().map(option).collect();
        planned.set("domain_validation_options", Value::List(options));
    }
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
