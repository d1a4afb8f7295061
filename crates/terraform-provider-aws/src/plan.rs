//! Planning one resource: what will be known, what will change, what must be replaced.
//!
//! Driven by the schema and the facts of the type; what neither can say is in [`crate::rules`]. The work is pure:
//! prior state, proposed state and configuration go in, a plan comes out.

mod equality;
mod fill;
mod replace;

use crate::{
    diagnostic::{Diagnostic, Path},
    facts::TypeFacts,
    provider::Settings,
    rules,
    schema::TypeSchema,
    value::Value,
};
pub use equality::{equal_under, normalised};

/// What is to be planned.
#[derive(Clone, Copy, Debug)]
pub struct PlanRequest<'a> {
    /// The type.
    pub schema: &'a TypeSchema,
    /// Its facts, where it is supported in depth.
    pub facts: Option<&'a TypeFacts>,
    /// The provider's configuration.
    pub settings: &'a Settings,
    /// State before; null for a creation.
    pub prior: &'a Value,
    /// Terraform's merge of prior state and configuration; null for a destruction.
    pub proposed: &'a Value,
    /// The configuration.
    pub config: &'a Value,
}

/// A plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The state that the apply will lead to, with unknowns.
    pub planned: Option<Value>,
    /// The attributes whose change needs a new resource.
    pub requires_replace: Vec<Path>,
    /// Why there is no plan, or what to mind about it.
    pub diagnostics: Vec<Diagnostic>,
}

/// Plans the change of one resource.
pub fn plan(request: PlanRequest<'_>) -> Plan {
    let PlanRequest { schema, facts, settings, prior, proposed, config } = request;
    if proposed.is_null() {
        return Plan { planned: Some(Value::Null), ..Plan::default() };
    }
    let mut planned = proposed.clone();
    planned.forget_refinements();
    fill::Filler { facts }.fill(&schema.block, "", prior, config, &mut planned);
    fill::region(schema, settings, config, &mut planned);
    fill::tags(schema, settings, &mut planned);
    let mut change =
        rules::Change { prior, config, settings, planned, replace: Vec::new(), diagnostics: Vec::new() };
    rules::plan(&schema.name, &mut change);
    let rules::Change { mut planned, replace: mut requires_replace, diagnostics, .. } = change;
    planned.canonicalise(&schema.ty);
    if !prior.is_null() {
        replace::collect(schema, facts, prior, &planned, config, &mut requires_replace);
        if let Some(facts) = facts {
            fill::recomputed(schema, facts, prior, config, &mut planned);
        }
    }
    schema.block.normalise(&mut planned);
    Plan { planned: Some(planned), requires_replace, diagnostics }
}

#[cfg(test)]
mod tests;
