//! Data sources.

use super::{
    Provider, Settings,
    resources::{messages, received, sent},
};
use crate::{
    backend::{
        Existing, Place,
        made_up::{self, Digits},
    },
    data::{self, Question},
    diagnostic::Diagnostic,
    proto::{read_data_source as read, validate_data_resource_config as validate},
    schema::TypeSchema,
    value::{Type, Value, json},
};
use std::sync::Arc;

/// How many elements a made-up list of identifiers has: one for each availability zone of most regions.
const MADE_UP_IDS: usize = 3;

impl Provider {
    fn data_source(&self, type_name: &str) -> Result<Arc<TypeSchema>, Diagnostic> {
        self.catalogue.data_source(type_name).ok_or_else(|| {
            Diagnostic::error(
                "Unknown data source",
                format!("This provider has no data source {type_name:?}."),
            )
        })
    }

    pub(super) fn validate_data_source(
        &self,
        request: &validate::Request,
    ) -> Result<validate::Response, Diagnostic> {
        let schema = self.data_source(&request.type_name)?;
        let config = received(request.config.as_ref(), &schema)?;
        let mut diagnostics = Vec::new();
        data::validate(&schema.name, &config, &mut diagnostics);
        Ok(validate::Response { diagnostics: messages(diagnostics) })
    }

    pub(super) async fn read_data_source(
        &self,
        settings: &Settings,
        request: read::Request,
    ) -> Result<read::Response, Diagnostic> {
        let schema = self.data_source(&request.type_name)?;
        let config = received(request.config.as_ref(), &schema)?;
        let place = settings.place(config.get("region"));
        let question = Question { config: &config, place: &place, settings };
        let mut diagnostics = Vec::new();
        let mut state = if let Some(answer) = data::answer(&schema.name, &question)? {
            let mut known = config.clone();
            answer
                .into_iter()
                .filter(|(name, _)| schema.block.attributes.contains_key(*name))
                .for_each(|(name, value)| known.set(name, value));
            made_up_rest(&schema, &place, &config, known)
        } else {
            let existing = Existing {
                schema: Arc::clone(&schema),
                place: place.clone(),
                state: config.clone(),
                imported: false,
            };
            if let Some(state) = self.backend.data_source(existing).await? {
                state
            } else {
                diagnostics.push(Diagnostic::warning(
                    "Made-up answers of data sources",
                    format!(
                        "Only an account could answer {}, so what it computes is made up; the same \
                         configuration always gets the same values.",
                        schema.name
                    ),
                ));
                made_up_rest(&schema, &place, &config, config.clone())
            }
        };
        schema.block.normalise(&mut state);
        Ok(read::Response { state: sent(&state), diagnostics: messages(diagnostics), ..Default::default() })
    }
}

/// `known` with everything that is computed and not known made up from the question.
fn made_up_rest(schema: &TypeSchema, place: &Place, config: &Value, mut known: Value) -> Value {
    let mut digits = Digits::of(&format!("{} {} {}", schema.name, place.region, json::encode(config)));
    for (name, attribute) in &schema.block.attributes {
        if !attribute.computed || !known.get(name).is_null() {
            continue;
        }
        known.set(
            name,
            match (name.as_str(), &attribute.ty) {
                ("region", Type::String) => place.region.as_str().into(),
                ("tags", Type::Map(_)) => Value::Map(std::collections::BTreeMap::new()),
                ("ids", Type::List(_) | Type::Set(_)) => {
                    let kind = schema.name.trim_start_matches("aws_").trim_end_matches('s').replace('_', "-");
                    let id = |_| format!("{kind}-0{}", digits.text("0123456789abcdef", 16));
                    Value::strings((0..MADE_UP_IDS).map(id))
                }
                _ => Value::UNKNOWN,
            },
        );
    }
    let mut state = made_up::fill(schema, place, &known, digits);
    state.canonicalise(&schema.ty);
    state
}
