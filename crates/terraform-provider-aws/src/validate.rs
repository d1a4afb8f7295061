//! Validating the configuration of one resource: what the schema cannot say but its facts and AWS's rules do.
//!
//! Sentences are those of Terraform's plugin SDK and of the provider, so that whoever knows them recognises them. What
//! is unknown is never judged.

use crate::{
    diagnostic::Diagnostic,
    facts::{self, TypeFacts},
    rules,
    schema::TypeSchema,
    value::Value,
};

/// Checks a configuration against the facts of its type and AWS's rules.
pub fn validate(
    schema: &TypeSchema,
    facts: Option<&TypeFacts>,
    config: &Value,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if let Some(facts) = facts {
        facts::check(schema, facts, config, diagnostics);
    }
    rules::validate(&schema.name, config, diagnostics);
}

/// Refuses write-only arguments, which a Terraform that does not know them would write into its state.
pub fn refuse_write_only(schema: &TypeSchema, config: &Value, diagnostics: &mut Vec<Diagnostic>) {
    schema.block.for_each_attribute(config, &mut |name, attribute, value| {
        if attribute.write_only && !value.is_null() {
            diagnostics.push(Diagnostic::error(
                "Write-only Attribute Not Allowed",
                format!("The resource contains a non-null value for write-only attribute {name}: use Terraform 1.11 or later."),
            ));
        }
    });
}
