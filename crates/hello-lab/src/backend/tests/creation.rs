//! Creations as Terraform plans them. The part tests of databases have this file too.

use terraform_provider_aws::{
    backend::{Change, Place},
    schema::Catalogue,
    value::Value,
};

/// Where the resources of a region live.
pub(crate) fn place(region: &str) -> Place {
    Place { region: region.to_owned(), account_id: "123456789012".to_owned(), partition: "aws".to_owned() }
}

/// A creation of which everything that is not given is unknown, where it is computed.
pub(crate) fn creation(
    catalogue: &Catalogue,
    region: &str,
    type_name: &str,
    given: &[(&str, Value)],
) -> Change {
    let schema = catalogue.resource(type_name).unwrap();
    let mut config = Value::object(given.iter().map(|(name, value)| (*name, value.clone())));
    let mut planned = config.clone();
    for (name, attribute) in &schema.block.attributes {
        if config.get(name).is_null() {
            config.set(name, Value::Null);
            planned.set(name, if attribute.computed { Value::UNKNOWN } else { Value::Null });
        }
        if attribute.write_only {
            planned.set(name, Value::Null);
        }
    }
    Change { schema, place: place(region), prior: Value::Null, planned, config }
}
