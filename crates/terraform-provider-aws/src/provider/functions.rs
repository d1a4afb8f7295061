//! Provider functions.

use super::Provider;
use crate::{
    data::functions,
    diagnostic::Diagnostic,
    proto::{self, FunctionError, call_function as call},
    value::{Type, Value, json, msgpack},
};

impl Provider {
    pub(super) fn call_function(&self, request: &call::Request) -> Result<call::Response, Diagnostic> {
        let functions = self.catalogue.functions();
        let function = functions.get(&request.name).ok_or_else(|| {
            Diagnostic::error(
                "Unknown function",
                format!("This provider has no function {:?}.", request.name),
            )
        })?;
        let mut arguments = Vec::new();
        for (index, parameter) in function.parameters.iter().enumerate() {
            arguments.push(argument(request.arguments.get(index), parameter)?);
        }
        let text = |index: usize| arguments.get(index).and_then(Value::as_str).unwrap_or_default();
        let result = match request.name.as_str() {
            "arn_parse" => functions::arn_parse(text(0)),
            "arn_build" => {
                Ok(format!("arn:{}:{}:{}:{}:{}", text(0), text(1), text(2), text(3), text(4)).into())
            }
            "trim_iam_role_path" => functions::trim_iam_role_path(text(0)),
            name => Err(format!("{name} is not available offline")),
        };
        Ok(match result {
            Ok(value) => call::Response { result: super::resources::sent(&value), error: None },
            Err(text) => call::Response {
                result: None,
                error: Some(FunctionError { text, function_argument: Some(0) }),
            },
        })
    }
}

fn argument(
    value: Option<&proto::DynamicValue>,
    parameter: &proto::function::Parameter,
) -> Result<Value, Diagnostic> {
    let refuse =
        |cause: String| Diagnostic::error("Unreadable argument", format!("{}: {cause}.", parameter.name));
    let ty = Type::parse(&parameter.r#type).map_err(|error| refuse(error.to_string()))?;
    match value {
        Some(value) if !value.msgpack.is_empty() => {
            msgpack::decode(&value.msgpack, &ty).map_err(|error| refuse(error.to_string()))
        }
        Some(value) => {
            let text = std::str::from_utf8(&value.json).map_err(|error| refuse(error.to_string()))?;
            json::decode(text, &ty).map_err(|error| refuse(error.to_string()))
        }
        None => Err(refuse("it is missing".to_owned())),
    }
}
