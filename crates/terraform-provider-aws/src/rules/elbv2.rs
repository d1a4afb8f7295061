//! Load balancers, target groups, listeners.

use super::{Change, conflicts_when, is_absent, region_of, required_when};
use crate::{
    diagnostic::{Diagnostic, Path, Step},
    value::Value,
};

/// hashicorp/aws 6.25, `internal/service/elbv2`: `resourceTargetGroupCustomizeDiff`,
/// `customizeDiffTargetGroupTargetTypeLambda`, `customizeDiffTargetGroupTargetTypeNotLambda`.
pub(super) fn target_group(config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    let kind = match config.get("target_type") {
        Value::Unknown(_) => return,
        kind => kind.as_str().unwrap_or("instance"),
    };
    let type_path = Path::attribute("target_type");
    for name in ["port", "protocol", "vpc_id"] {
        if kind != "lambda" && is_absent(config.get(name)) {
            diagnostics.push(required_when(Path::attribute(name), &type_path, kind));
        }
    }
    let check = config.get("health_check").only();
    let check_path = Path::attribute("health_check").then(Step::Index(0));
    let protocol = check.get("protocol").as_str().unwrap_or_default();
    if protocol.eq_ignore_ascii_case("TCP") {
        for name in ["matcher", "path"] {
            if check.get(name).non_empty().is_some() {
                diagnostics.push(conflicts_when(
                    check_path.child(name),
                    &check_path.child("protocol"),
                    protocol,
                ));
            }
        }
        if let Some(traffic @ ("HTTP" | "HTTPS")) = config.get("protocol").as_str() {
            let path = check_path.child("protocol");
            let detail = format!(
                "Attribute {:?} cannot have value \"TCP\" when \"protocol\" is {traffic:?}.",
                path.to_string()
            );
            diagnostics.push(Diagnostic::error("Invalid Attribute Combination", detail).at(path));
        }
    }
}

pub(super) fn listener(config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    actions(config, "default_action", diagnostics);
    // The answer of CreateListener: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/create-https-listener.html
    if let Some(protocol @ ("HTTPS" | "TLS")) = config.get("protocol").as_str()
        && is_absent(config.get("certificate_arn"))
    {
        diagnostics.push(
            Diagnostic::error(
                "ValidationError",
                format!("A certificate must be specified for {protocol} listeners."),
            )
            .at(Path::attribute("certificate_arn")),
        );
    }
}

/// What each type of action needs: hashicorp/aws 6.25, `internal/service/elbv2`, `listenerActionPlantimeValidate`.
const ACTIONS: &[(&str, &str)] = &[
    ("redirect", "redirect"),
    ("fixed-response", "fixed_response"),
    ("authenticate-cognito", "authenticate_cognito"),
    ("authenticate-oidc", "authenticate_oidc"),
    ("jwt-validation", "jwt_validation"),
];

pub(super) fn actions(config: &Value, block: &str, diagnostics: &mut Vec<Diagnostic>) {
    for (index, action) in config.get(block).items().iter().enumerate() {
        let path = Path::attribute(block).then(Step::Index(index));
        let Some(kind) = action.get("type").as_str() else { continue };
        if kind == "forward" && is_absent(action.get("target_group_arn")) && is_absent(action.get("forward"))
        {
            let detail = format!(
                "Either {:?} or {:?} must be specified when {:?} is \"forward\".",
                path.child("target_group_arn").to_string(),
                path.child("forward").to_string(),
                path.child("type").to_string()
            );
            diagnostics
                .push(Diagnostic::error("Invalid Attribute Combination", detail).at(path.child("type")));
        }
        if let Some((_, needed)) = ACTIONS.iter().find(|(action, _)| *action == kind)
            && is_absent(action.get(needed))
        {
            diagnostics.push(required_when(path.child(needed), &path.child("type"), kind));
        }
    }
}

/// A load balancer finds certificates of its own region alone.
///
/// <https://docs.aws.amazon.com/acm/latest/userguide/acm-regions.html>; the sentence is that of `CreateListener`.
pub(super) fn certificate_region(change: &mut Change<'_>) {
    let place = change.settings.place(change.planned.get("region"));
    let Some(arn) = change.planned.get("certificate_arn").as_str() else { return };
    if let Some(region) = region_of(arn)
        && arn.contains(":acm:")
        && region != place.region
    {
        let detail =
            format!("Certificate '{arn}' not found: it is in {region}, the listener in {}.", place.region);
        change
            .diagnostics
            .push(Diagnostic::error("CertificateNotFound", detail).at(Path::attribute("certificate_arn")));
    }
}

/// A network load balancer keeps its subnets: new ones may join, none may leave.
///
/// hashicorp/aws 6.25, `internal/service/elbv2`, `customizeDiffLoadBalancerNLB`; subnet mappings of an application
/// load balancer: `customizeDiffLoadBalancerALB`.
pub(super) fn balancer(change: &mut Change<'_>) {
    if change.prior.is_null() {
        return;
    }
    let leaves = |name: &str| {
        let after = change.planned.get(name);
        let known = after.is_wholly_known();
        known && change.prior.get(name).items().iter().any(|before| !after.items().contains(before))
    };
    let configured = |name: &str| !is_absent(change.config.get(name));
    let network = change.planned.get("load_balancer_type").as_str() == Some("network");
    let mut forced = Vec::new();
    if network && configured("subnets") && leaves("subnets") {
        forced.push("subnets");
    }
    if configured("subnet_mapping") && leaves("subnet_mapping") {
        forced.push("subnet_mapping");
    }
    change.replace.extend(forced.into_iter().map(Path::attribute));
}
