//! Without a lab: plans are made, nothing is applied.

use super::{Backend, Change, Existing, NotApplied, Secret, SecretRequest, record::made_up_secret};
use crate::{diagnostic::Diagnostic, value::Value};

/// No lab.
#[derive(Clone, Copy, Debug, Default)]
pub struct Absent;

#[tonic::async_trait]
impl Backend for Absent {
    fn mark(&self) -> Option<&str> {
        None
    }

    async fn apply(&self, change: Change) -> Result<Value, NotApplied> {
        Err(no_lab(&format!("{} cannot be applied", change.schema.name)).into())
    }

    async fn read(&self, existing: Existing) -> Result<Value, Diagnostic> {
        // An imported resource is known by its import id alone: there is nothing to plan against.
        if existing.imported {
            return Err(no_lab(&format!("{} cannot be imported", existing.schema.name)));
        }
        Ok(existing.state)
    }

    async fn secret(&self, request: SecretRequest) -> Result<Secret, Diagnostic> {
        // An ephemeral value ends in neither plan nor state, so a made-up one lets the rest be planned.
        Ok(made_up_secret(request))
    }
}

fn no_lab(what: &str) -> Diagnostic {
    Diagnostic::error(
        "No lab to apply to",
        format!(
            "This provider validates and plans; {what} because no lab is running behind it: start the lab \
             (`hello-lab up`) and use its environment, or use HashiCorp's provider for AWS itself."
        ),
    )
}
