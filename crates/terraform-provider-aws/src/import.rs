//! What the id of an import says, and the id under which a resource would be imported.
//!
//! Most types are imported by their `id`. The others have a form of their own, such as
//! `{route_table_id}_{destination_cidr_block}`, which stands in the facts of the type (`facts/README.md`).

mod form;
mod security_group_rule;

use crate::{
    diagnostic::Diagnostic,
    facts::{Import, TypeFacts},
    schema::TypeSchema,
    value::{Value, json},
};
use form::Form;

/// AWS's longest names (an ARN has at most 2,048 characters) with room for what stands around them.
const LONGEST_ID: usize = 4096;

/// A type whose id no form describes: what stands in it tells by itself which attribute it is.
const SECURITY_GROUP_RULE: &str = "aws_security_group_rule";

/// The attributes that `id` says, or why it says nothing.
pub(crate) fn read(schema: &TypeSchema, facts: Option<&TypeFacts>, id: &str) -> Result<Value, Diagnostic> {
    if id.is_empty() || id.len() > LONGEST_ID {
        return Err(refused(format!("the import id of a {} has 1 to {LONGEST_ID} bytes", schema.name)));
    }
    if schema.name == SECURITY_GROUP_RULE {
        return security_group_rule::read(id).map_err(refused);
    }
    let Some(Import { id: forms, expected, .. }) = facts.and_then(|facts| facts.import.as_ref()) else {
        return Ok(Value::object([(identifying(schema), Value::from(id))]));
    };
    // Wording: terraform-plugin-sdk, helper/schema, Provider.ImportState.
    if forms.is_empty() {
        return Err(refused(format!("resource {} doesn't support import", schema.name)));
    }
    let read = forms.iter().find_map(|form| Form::parse(form).read(schema, facts, id));
    let mut read = read.ok_or_else(|| {
        let expected = expected.clone().unwrap_or_else(|| forms.join(" or "));
        refused(format!("unexpected format of ID ({id:?}), expected {expected}"))
    })?;
    // What a shorter form leaves out has its default.
    for name in Form::parse(&forms[0]).attributes() {
        let default = facts.and_then(|facts| facts.attribute(name)?.default.as_ref());
        if let (true, Some(default), Some(attribute)) =
            (read.get(name).is_null(), default, schema.block.attributes.get(name))
        {
            read.set(name, json::decode(&default.to_string(), &attribute.ty).unwrap_or(Value::Null));
        }
    }
    Ok(read)
}

/// The id by which the resource with this state would be imported: no two resources of a type and region share it,
/// as they may share an `id` (an object's key, a policy's name).
pub(crate) fn id_of(schema: &TypeSchema, facts: Option<&TypeFacts>, state: &Value) -> Option<String> {
    let forms = facts.and_then(|facts| facts.import.as_ref()).map_or(&[][..], |import| &import.id);
    let by_form = forms.iter().find_map(|form| Form::parse(form).write(state));
    let by_rule =
        || (schema.name == SECURITY_GROUP_RULE).then(|| security_group_rule::write(state)).flatten();
    let plain =
        || ["id", "arn", "name"].iter().find_map(|name| state.get(name).non_empty().map(str::to_owned));
    by_form.or_else(by_rule).or_else(plain)
}

/// The attribute that an import's id is, where the type has no form of its own.
fn identifying(schema: &TypeSchema) -> &'static str {
    let has = |name: &&str| schema.block.attributes.contains_key(*name);
    ["id", "arn", "name"].into_iter().find(has).unwrap_or("id")
}

fn refused(sentence: String) -> Diagnostic {
    Diagnostic::error(sentence, "")
}

#[cfg(test)]
mod tests;
