//! AWS's rules that neither a schema nor a list of facts shows, by service.
//!
//! Each rule quotes the sentence that AWS or its provider gives and names where it was read. [`validate`] looks at a
//! configuration, in which anything may still be unknown: a rule speaks only where what it needs is known. [`plan`]
//! does what the provider decides while planning.

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
    let _ = (type_name, config, diagnostics);
}

/// What is decided while planning one resource.
pub fn plan(type_name: &str, change: &mut Change<'_>) {
    let _ = (type_name, change);
}
