//! AWS's rules that neither a schema nor a list of facts shows, by service.
//!
//! Each rule quotes the sentence that AWS or its provider gives and names where it was read. [`validate`] looks at a
//! configuration, in which anything may still be unknown: a rule speaks only where what it needs is known. [`plan`]
//! does what the provider decides while planning. [`Neighbours`] holds rules between resources of one plan.

mod acm;
mod ec2;
mod ecs;
mod elbv2;
mod rds;
mod route53;

use crate::{
    diagnostic::{Diagnostic, Path},
    provider::Settings,
    value::Value,
};

/// A change in planning, which a rule may complete.
#[derive(Debug)]
pub struct Change<'a> {
    /// State before; null for a creation.
    pub prior: &'a Value,
    /// The configuration.
    pub config: &'a Value,
    /// The provider's configuration.
    pub settings: &'a Settings,
    /// The state planned so far.
    pub planned: Value,
    /// Attributes whose change needs a new resource.
    pub replace: Vec<Path>,
    /// What the user is told.
    pub diagnostics: Vec<Diagnostic>,
}

/// Rules on the configuration of one resource.
pub fn validate(type_name: &str, config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    match type_name {
        "aws_cloudfront_distribution" => acm::distribution(config, diagnostics),
        "aws_vpc" | "aws_subnet" => ec2::network(config, diagnostics),
        "aws_security_group" | "aws_default_security_group" => ec2::inline_rules(config, diagnostics),
        "aws_ecs_task_definition" => ecs::task_definition(config, diagnostics),
        "aws_ecs_service" => ecs::service(config, diagnostics),
        "aws_lb_target_group" | "aws_alb_target_group" => elbv2::target_group(config, diagnostics),
        "aws_lb_listener" | "aws_alb_listener" => elbv2::listener(config, diagnostics),
        "aws_lb_listener_rule" | "aws_alb_listener_rule" => elbv2::actions(config, "action", diagnostics),
        "aws_db_instance" => rds::instance(config, diagnostics),
        "aws_rds_cluster" => rds::password(config, diagnostics),
        _ => {}
    }
}

/// What is decided while planning one resource.
pub fn plan(type_name: &str, change: &mut Change<'_>) {
    match type_name {
        "aws_acm_certificate" => acm::certificate(change),
        "aws_lb" | "aws_alb" => elbv2::balancer(change),
        "aws_lb_listener" | "aws_alb_listener" => elbv2::certificate_region(change),
        "aws_db_instance" => rds::plan_instance(change),
        "random_password" | "random_string" => crate::random::plan_digits(change),
        _ => {}
    }
}

/// What the resources of one plan must not do to each other.
#[derive(Debug, Default)]
pub struct Neighbours {
    records: route53::Records,
}

impl Neighbours {
    /// Adds a planned resource; says why it cannot stand beside those already planned.
    pub fn admit(&mut self, type_name: &str, planned: &Value) -> Option<Diagnostic> {
        match type_name {
            "aws_route53_record" => self.records.admit(planned),
            _ => None,
        }
    }
}

/// `Attribute "port" must be specified when "target_type" is "ip".`
///
/// hashicorp/aws, `internal/errs`, `NewAttributeRequiredWhenError`.
fn required_when(path: Path, other: &Path, value: &str) -> Diagnostic {
    let detail = format!(
        "Attribute {:?} must be specified when {:?} is {value:?}.",
        path.to_string(),
        other.to_string()
    );
    Diagnostic::error("Invalid Attribute Combination", detail).at(path)
}

/// `Attribute "matcher" cannot be specified when "protocol" is "TCP".`
///
/// hashicorp/aws, `internal/errs`, `NewAttributeConflictsWhenError`.
fn conflicts_when(path: Path, other: &Path, value: &str) -> Diagnostic {
    let detail = format!(
        "Attribute {:?} cannot be specified when {:?} is {value:?}.",
        path.to_string(),
        other.to_string()
    );
    Diagnostic::error("Invalid Attribute Combination", detail).at(path)
}

/// The region that an ARN names.
pub(crate) fn region_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

/// Is it left out for certain?
fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
