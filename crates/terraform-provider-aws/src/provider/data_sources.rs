//! Data sources.

use super::{
    Provider, Settings,
    resources::{received, sent},
};
use crate::{
    diagnostic::Diagnostic,
    proto::{read_data_source as read, validate_data_resource_config as validate},
    schema::TypeSchema,
};
use std::sync::Arc;

impl Provider {
    fn data_source(&self, type_name: &str) -> Result<Arc<TypeSchema>, Diagnostic> {
        self.catalogue.data_source(type_name).ok_or_else(|| {
            Diagnostic::error("Unknown data source", format!("This provider has no data source {type_name:?}."))
        })
    }

    pub(super) fn validate_data_source(&self, request: &validate::Request) -> Result<validate::Response, Diagnostic> {
        let schema = self.data_source(&request.type_name)?;
        received(request.config.as_ref(), &schema)?;
        Ok(validate::Response::default())
    }

    pub(super) async fn read_data_source(
        &self,
        settings: &Settings,
        request: read::Request,
    ) -> Result<read::Response, Diagnostic> {
        let _ = settings;
        let schema = self.data_source(&request.type_name)?;
        let state = received(request.config.as_ref(), &schema)?;
        Ok(read::Response { state: sent(&state), ..Default::default() })
    }
}
