//! Ephemeral resources: values that end in neither plan nor state.

use super::{
    Provider, Settings,
    resources::{received, sent},
};
use crate::{
    backend::SecretRequest,
    diagnostic::Diagnostic,
    proto::{open_ephemeral_resource as open, validate_ephemeral_resource_config as validate},
    schema::TypeSchema,
    value::Value,
};
use std::sync::Arc;

impl Provider {
    fn ephemeral(&self, type_name: &str) -> Result<Arc<TypeSchema>, Diagnostic> {
        self.catalogue.ephemeral(type_name).ok_or_else(|| {
            Diagnostic::error("Unknown ephemeral resource", format!("This provider has no ephemeral {type_name:?}."))
        })
    }

    pub(super) fn validate_ephemeral(&self, request: &validate::Request) -> Result<validate::Response, Diagnostic> {
        let schema = self.ephemeral(&request.type_name)?;
        received(request.config.as_ref(), &schema)?;
        Ok(validate::Response::default())
    }

    pub(super) async fn open_ephemeral(
        &self,
        settings: &Settings,
        request: open::Request,
    ) -> Result<open::Response, Diagnostic> {
        let schema = self.ephemeral(&request.type_name)?;
        let mut result = received(request.config.as_ref(), &schema)?;
        let text = |value: &Value| value.non_empty().map(str::to_owned);
        let secret = SecretRequest {
            place: settings.place(result.get("region")),
            secret_id: text(result.get("secret_id")).unwrap_or_default(),
            version_id: text(result.get("version_id")),
            version_stage: text(result.get("version_stage")),
        };
        let secret = self.backend.secret(secret).await?;
        result.set("secret_string", secret.secret_string.into());
        Ok(open::Response { result: sent(&result), ..Default::default() })
    }
}
