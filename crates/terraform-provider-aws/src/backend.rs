//! Where an apply goes.
//!
//! The provider knows schemas and differences; a [`Backend`] knows meaning. The lab is one; [`absent::Absent`] stands
//! where there is none and refuses; [`record::Record`] writes planned values to a file for tests.

pub mod absent;
pub(crate) mod made_up;
pub mod record;

use crate::{diagnostic::Diagnostic, schema::TypeSchema, value::Value};
use std::sync::Arc;

/// Where the resources of one operation live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The region of the resource.
    pub region: String,
    /// The account, twelve digits.
    pub account_id: String,
    /// The partition: `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
}

/// A change that Terraform has planned and now wants made.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its type, with schema.
    pub schema: Arc<TypeSchema>,
    /// Where it lives.
    pub place: Place,
    /// State before; null where it is created.
    pub prior: Value,
    /// State as planned, with unknowns; null where it is deleted.
    pub planned: Value,
    /// The configuration, in which write-only values stand.
    pub config: Value,
}

impl Change {
    /// The planned state with everything unknown made up, from the facts of the type where they say how: where a
    /// backend starts from, before it puts in what it knows better.
    pub fn made_up(&self) -> Value {
        let planned = made_up::counted_on(&self.prior, &self.planned);
        made_up::fill(&self.schema, &self.place, &planned, made_up::Digits::random())
    }
}

/// Why a change was not made, or not wholly.
#[derive(Debug)]
pub struct NotApplied {
    /// What the user is told.
    pub diagnostic: Diagnostic,
    /// A new resource that is there all the same: Terraform keeps it, as tainted.
    pub made: Option<Value>,
}

impl From<Diagnostic> for NotApplied {
    fn from(diagnostic: Diagnostic) -> NotApplied {
        NotApplied { diagnostic, made: None }
    }
}

/// What is asked of an existing resource.
#[derive(Clone, Debug)]
pub struct Existing {
    /// Its type, with schema.
    pub schema: Arc<TypeSchema>,
    /// Where it lives.
    pub place: Place,
    /// State as Terraform last knew it; a data source's configuration.
    pub state: Value,
    /// It has just been imported: the state holds what the import's id says (often, but not always, `id`) and no more.
    pub imported: bool,
}

/// A version of a secret that an ephemeral resource asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRequest {
    /// Where the secret lives.
    pub place: Place,
    /// ARN or name of the secret.
    pub secret_id: String,
    /// One version; else the stage decides.
    pub version_id: Option<String>,
    /// `AWSCURRENT` unless given.
    pub version_stage: Option<String>,
}

/// A version of a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// ARN of the secret.
    pub arn: String,
    /// The version.
    pub version_id: String,
    /// Its content.
    pub secret_string: String,
    /// The stages it carries.
    pub version_stages: Vec<String>,
    /// When it was made, RFC 3339.
    pub created_date: String,
}

/// What makes resources real.
#[tonic::async_trait]
pub trait Backend: Send + Sync {
    /// The name that marks state as made here; `None` where nothing can be made.
    fn mark(&self) -> Option<&str>;

    /// Said once for each configuration of the provider.
    fn warning(&self) -> Option<Diagnostic> {
        None
    }

    /// What the user should know of a configuration that is being planned, such as arguments that have no effect here; an
    /// error ends the plan. `prior` is the state before, null for a new resource.
    async fn remarks(&self, schema: &TypeSchema, prior: &Value, config: &Value) -> Vec<Diagnostic> {
        let _ = (schema, prior, config);
        Vec::new()
    }

    /// Creates, changes or deletes a resource and returns its new state (null once deleted), wholly known.
    async fn apply(&self, change: Change) -> Result<Value, NotApplied>;

    /// The resource as it is now; null where it is gone.
    async fn read(&self, existing: Existing) -> Result<Value, Diagnostic>;

    /// The content of a secret's version, for ephemeral resources.
    async fn secret(&self, request: SecretRequest) -> Result<Secret, Diagnostic>;

    /// A data source about things that only the backend knows; `None` where it does not know the type.
    async fn data_source(&self, existing: Existing) -> Result<Option<Value>, Diagnostic> {
        let _ = existing;
        Ok(None)
    }
}
