//! The life of a resource: validate, upgrade, read, plan, apply, import, move.

use super::{Connection, Provider, Role, Settings, settings::is_region};
use crate::{
    backend::{Change, Existing, NotApplied},
    diagnostic::Diagnostic,
    facts, import, mark, plan as planning,
    proto::{
        self, DynamicValue, apply_resource_change as apply, import_resource_state as import_state,
        move_resource_state as move_state, plan_resource_change as plan, read_resource as read,
        upgrade_resource_state as upgrade_state, validate_resource_config as validate,
    },
    random, rules,
    schema::TypeSchema,
    upgrade, validate as validation,
    value::{Value, json, msgpack},
};
use std::sync::Arc;

/// Reads a value that came from Terraform.
pub(super) fn received(value: Option<&DynamicValue>, schema: &TypeSchema) -> Result<Value, Diagnostic> {
    let refuse = |cause: String| Diagnostic::error("Unreadable value", format!("{}: {cause}.", schema.name));
    match value {
        Some(value) if !value.msgpack.is_empty() => {
            msgpack::decode(&value.msgpack, &schema.ty).map_err(|error| refuse(error.to_string()))
        }
        Some(value) if !value.json.is_empty() => {
            let text = std::str::from_utf8(&value.json).map_err(|error| refuse(error.to_string()))?;
            json::decode(text, &schema.ty).map_err(|error| refuse(error.to_string()))
        }
        Some(_) | None => Ok(Value::Null),
    }
}

/// A value for Terraform.
#[expect(clippy::unnecessary_wraps, reason = "the protocol's fields are optional messages")]
pub(super) fn sent(value: &Value) -> Option<DynamicValue> {
    Some(DynamicValue { msgpack: msgpack::encode(value), json: Vec::new() })
}

pub(super) fn messages(diagnostics: Vec<Diagnostic>) -> Vec<proto::Diagnostic> {
    diagnostics.into_iter().map(Into::into).collect()
}

impl Provider {
    fn resource(&self, type_name: &str) -> Result<Arc<TypeSchema>, Diagnostic> {
        self.catalogue.resource(type_name).ok_or_else(|| {
            Diagnostic::error(
                "Unknown resource type",
                format!("This provider has no resource type {type_name:?}."),
            )
        })
    }

    pub(super) fn validate_resource(
        &self,
        request: &validate::Request,
    ) -> Result<validate::Response, Diagnostic> {
        let schema = self.resource(&request.type_name)?;
        let config = received(request.config.as_ref(), &schema)?;
        let facts = facts::of_type(&schema.name);
        let client = request.client_capabilities.unwrap_or_default();
        let mut diagnostics = Vec::new();
        if !client.write_only_attributes_allowed {
            validation::refuse_write_only(&schema, &config, &mut diagnostics);
        }
        validation::validate(&schema, facts.as_deref(), &config, &mut diagnostics);
        Ok(validate::Response { diagnostics: messages(diagnostics) })
    }

    pub(super) fn upgrade_resource(
        &self,
        request: &upgrade_state::Request,
    ) -> Result<upgrade_state::Response, Diagnostic> {
        let schema = self.resource(&request.type_name)?;
        let raw = request.raw_state.clone().unwrap_or_default();
        let state = raw_state(&schema, request.version, &raw)?;
        Ok(upgrade_state::Response { upgraded_state: sent(&state), diagnostics: Vec::new() })
    }

    pub(super) async fn read_resource(
        &self,
        settings: &Settings,
        request: read::Request,
    ) -> Result<read::Response, Diagnostic> {
        let schema = self.resource(&request.type_name)?;
        mark::check(&schema.name, &request.private, self.accepted_mark())?;
        let state = received(request.current_state.as_ref(), &schema)?;
        let place = settings.place(state.get("region"));
        let imported = mark::is_imported(&request.private);
        let existing = Existing { schema: Arc::clone(&schema), place, state, imported };
        let mut new_state = self.read(existing).await?;
        schema.block.normalise(&mut new_state);
        let private = if imported { mark::private(self.mark()) } else { request.private };
        Ok(read::Response { new_state: sent(&new_state), private, ..Default::default() })
    }

    pub(super) async fn plan_resource(
        &self,
        connection: &Connection,
        request: plan::Request,
    ) -> Result<plan::Response, Diagnostic> {
        let schema = self.resource(&request.type_name)?;
        let prior = received(request.prior_state.as_ref(), &schema)?;
        let proposed = received(request.proposed_new_state.as_ref(), &schema)?;
        let config = received(request.config.as_ref(), &schema)?;
        if !prior.is_null() {
            mark::check(&schema.name, &request.prior_private, self.accepted_mark())?;
        }
        let facts = facts::of_type(&schema.name);
        let settings = connection.settings();
        let mut planned = planning::plan(planning::PlanRequest {
            schema: &schema,
            facts: facts.as_deref(),
            settings: &settings,
            prior: &prior,
            proposed: &proposed,
            config: &config,
        });
        planned
            .diagnostics
            .extend(planned.planned.as_ref().and_then(|value| connection.admit(&schema.name, value)));
        if !config.is_null() && self.role == Role::Aws {
            planned.diagnostics.extend(self.backend.remarks(&schema, &prior, &config).await);
        }
        let private = if prior.is_null() { mark::private(self.mark()) } else { request.prior_private };
        Ok(plan::Response {
            planned_state: planned.planned.as_ref().and_then(sent),
            requires_replace: planned.requires_replace.into_iter().map(Into::into).collect(),
            planned_private: private,
            diagnostics: messages(planned.diagnostics),
            // Defaults of arguments that are not computed are planned, as HashiCorp's provider does.
            legacy_type_system: true,
            ..Default::default()
        })
    }

    /// The name put into new resources' private data. Random values need no lab, so theirs names none.
    fn mark(&self) -> &str {
        match self.role {
            Role::Random => "random",
            // Without a backend nothing is applied, so this name reaches no state.
            Role::Aws | Role::Other(_) => self.backend.mark().unwrap_or("nothing"),
        }
    }

    /// The mark that prior state must carry; `None` where any mark will do.
    fn accepted_mark(&self) -> Option<&str> {
        match self.role {
            Role::Random => None,
            Role::Aws | Role::Other(_) => self.backend.mark(),
        }
    }

    pub(super) async fn apply_resource(
        &self,
        settings: &Settings,
        request: apply::Request,
    ) -> Result<apply::Response, Diagnostic> {
        let schema = self.resource(&request.type_name)?;
        let prior = received(request.prior_state.as_ref(), &schema)?;
        let planned = received(request.planned_state.as_ref(), &schema)?;
        let config = received(request.config.as_ref(), &schema)?;
        if !prior.is_null() {
            mark::check(&schema.name, &request.planned_private, self.accepted_mark())?;
        }
        let region = if planned.is_null() { prior.get("region") } else { planned.get("region") };
        let place = settings.place(region);
        let change = Change { schema: Arc::clone(&schema), place, prior: prior.clone(), planned, config };
        let private = mark::private(self.mark());
        match self.apply(change).await {
            Ok(mut state) => {
                schema.block.normalise(&mut state);
                Ok(apply::Response {
                    new_state: sent(&state),
                    private,
                    legacy_type_system: true,
                    ..Default::default()
                })
            }
            Err(NotApplied { diagnostic, made }) => {
                let (state, private) = match made {
                    // Terraform keeps it as tainted: the next apply replaces it, a destroy removes it.
                    Some(mut made) => {
                        schema.block.normalise(&mut made);
                        (made, private)
                    }
                    // What was there before is still there: without this, Terraform would forget it.
                    None => (prior, request.planned_private),
                };
                Ok(apply::Response {
                    new_state: sent(&state),
                    private,
                    legacy_type_system: true,
                    diagnostics: vec![diagnostic.into()],
                    ..Default::default()
                })
            }
        }
    }

    pub(super) fn import_resource(
        &self,
        settings: &Settings,
        request: import_state::Request,
    ) -> Result<import_state::Response, Diagnostic> {
        let schema = self.resource(&request.type_name)?;
        if self.role == Role::Random {
            return Err(Diagnostic::error(
                "Nothing to import",
                format!("A {} is drawn here and nowhere else: declare it, and it is drawn.", schema.name),
            ));
        }
        let regional = schema.block.attributes.get("region").is_some_and(|region| region.optional);
        // `vpc-a01106c2@eu-west-1` lives outside the provider's region.
        // https://registry.terraform.io/providers/hashicorp/aws/latest/docs/guides/enhanced-region-support
        let named = request.id.rsplit_once('@').filter(|(_, region)| regional && is_region(region));
        let (id, region) = named.map_or((request.id.as_str(), None), |(id, region)| (id, Some(region)));
        let mut state = import::read(&schema, facts::of_type(&schema.name).as_deref(), id)?;
        // An ARN says where its resource lives.
        let own = ["id", "arn"].iter().any(|name| state.get(name).as_str() == Some(id));
        let own = rules::region_of(id).filter(|_| regional && own);
        if let (Some(named), Some(own)) = (region, own)
            && named != own
        {
            // Wording: hashicorp/aws 6.25, internal/provider/sdkv2/importer, RegionalARN.
            return Err(Diagnostic::error(
                format!(
                    "the region passed for import {named:?} does not match the region {own:?} in the ARN {id:?}"
                ),
                "",
            ));
        }
        let region = region.or(own);
        if regional {
            state.set("region", region.map_or_else(|| settings.region.clone(), Value::from));
        }
        schema.block.normalise(&mut state);
        let imported = import_state::ImportedResource {
            type_name: request.type_name,
            state: sent(&state),
            private: mark::imported(self.mark()),
            identity: None,
        };
        Ok(import_state::Response { imported_resources: vec![imported], ..Default::default() })
    }

    /// No resource becomes one of another type, not even an `aws_alb` an `aws_lb`: hashicorp/aws 6.25 has no mover that
    /// moves anything. Terraform moves a resource within its type by itself. Wording: terraform-plugin-sdk,
    /// `helper/schema`, `MoveResourceState`.
    pub(super) fn refuse_move(request: &move_state::Request) -> Result<move_state::Response, Diagnostic> {
        Err(Diagnostic::error(
            "Move Resource State Not Supported",
            format!(
                "The {:?} resource type does not support moving resource state across resource types.",
                request.target_type_name
            ),
        ))
    }

    async fn read(&self, existing: Existing) -> Result<Value, Diagnostic> {
        match self.role {
            // A random value is what was drawn: there is nothing else to read.
            Role::Random => Ok(existing.state),
            Role::Aws | Role::Other(_) => self.backend.read(existing).await,
        }
    }

    async fn apply(&self, change: Change) -> Result<Value, NotApplied> {
        match self.role {
            Role::Random if change.planned.is_null() || !change.prior.is_null() => Ok(change.planned),
            Role::Random => Ok(random::create(&change.schema.name, &change.planned)?),
            Role::Aws | Role::Other(_) => self.backend.apply(change).await,
        }
    }
}

/// State as it stands in a file, perhaps written under an older schema: what the provider computes is computed, what
/// is missing otherwise becomes null, what the schema no longer has is dropped.
fn raw_state(schema: &TypeSchema, version: i64, raw: &proto::RawState) -> Result<Value, Diagnostic> {
    let unreadable = |cause: String| {
        Diagnostic::error(
            "Unreadable state",
            format!("The state of this {} cannot be read: {cause}.", schema.name),
        )
    };
    if raw.json.is_empty() {
        return Err(unreadable(
            "it has the form of Terraform 0.11 and older, which is not supported".to_owned(),
        ));
    }
    let text = std::str::from_utf8(&raw.json).map_err(|error| unreadable(error.to_string()))?;
    let text = upgrade::upgrade(&schema.name, version, text)?;
    let mut state = json::decode(&text, &schema.ty).map_err(|error| unreadable(error.to_string()))?;
    schema.block.normalise(&mut state);
    Ok(state)
}
