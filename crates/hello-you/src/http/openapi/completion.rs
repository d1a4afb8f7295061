//! What operations have in common, whatever their handler: HEAD and OPTIONS beside them, headers, listeners.

use utoipa::Modify;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{Components, RefOr, Response, ResponseBuilder};

use crate::http::dispatch;

const PUBLIC: &str = "public";
const PRIVATE: &str = "private";

/// Headers that answers have whatever the handler.
pub(super) struct CommonHeaders;

impl Modify for CommonHeaders {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.put, &mut item.delete].into_iter().flatten() {
                let is_embedded = operation.responses.responses.contains_key("304");
                for (status, response) in &mut operation.responses.responses {
                    let RefOr::T(response) = response else { continue };
                    add_request_id(response);
                    if is_embedded && matches!(status.as_str(), "200" | "304") {
                        add_header(response, "ETag", Type::String, "For `If-None-Match`");
                    }
                }
            }
        }
        for (name, response) in &mut document.components.get_or_insert_default().responses {
            let RefOr::T(response) = response else { continue };
            add_request_id(response);
            match name.as_str() {
                "ReadUnavailable" | "WriteUnavailable" => {
                    add_header(response, "Retry-After", Type::Integer, "Seconds to wait");
                }
                "Unauthorized" => {
                    add_header(response, "WWW-Authenticate", Type::String, "How to authenticate");
                }
                "MethodNotAllowed" => add_allow(response, dispatch::GREETING),
                _ => {}
            }
        }
    }
}

/// HEAD and OPTIONS of every path that has GET, and which listener answers.
pub(super) struct DerivedOperations;

impl Modify for DerivedOperations {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for (path, item) in &mut document.paths.paths {
            let Some(get) = &item.get else { continue };
            let allow = if item.put.is_some() { dispatch::GREETING } else { dispatch::READ_ONLY };
            let (head, options) = (head(get, components), options(get, allow));
            (item.head, item.options) = (Some(head), Some(options));
            let operations =
                [&mut item.get, &mut item.head, &mut item.put, &mut item.delete, &mut item.options];
            for operation in operations.into_iter().flatten() {
                let listeners = listeners(path, operation);
                operation.extensions = Some([("x-listeners", listeners)].into_iter().collect());
            }
        }
    }
}

/// As GET, with no content: only the headers say what it would be.
fn head(get: &Operation, components: &Components) -> Operation {
    let mut head = get.clone();
    head.operation_id = Some(operation_id("head", get));
    head.summary = Some("What GET answers, without the content.".to_owned());
    head.description = None;
    for response in head.responses.responses.values_mut() {
        if let RefOr::Ref(reference) = response {
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            *response = components.responses[name].clone();
        }
        if let RefOr::T(response) = response {
            response.content.clear();
        }
    }
    head
}

/// Says which methods the path takes. It looks at nothing else, so any value of a parameter will do.
fn options(get: &Operation, allow: &str) -> Operation {
    let mut answer = ResponseBuilder::new().description("The methods are in `Allow`").build();
    add_allow(&mut answer, allow);
    add_request_id(&mut answer);
    let mut options = OperationBuilder::new()
        .operation_id(Some(operation_id("options", get)))
        .tags(get.tags.clone())
        .summary(Some("Which methods the path takes."))
        .response("204", answer)
        .build();
    let in_path = get.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Path => Some(parameter.clone()),
        _ => None,
    });
    let in_path: Vec<_> = in_path.map(|parameter| RefOr::T(unlimited(parameter))).collect();
    options.parameters = (!in_path.is_empty()).then_some(in_path);
    if get.responses.responses.contains_key("401") {
        options.responses.responses.insert("404".to_owned(), get.responses.responses["404"].clone());
    }
    options
}

/// The parameter with any text that is not empty.
fn unlimited(mut parameter: Parameter) -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).build();
    parameter.schema = Some(RefOr::T(Schema::Object(schema)));
    parameter
}

/// `getGreeting` becomes `headGreeting`.
fn operation_id(method: &str, get: &Operation) -> String {
    let id = get.operation_id.as_deref().unwrap_or_default();
    let noun = id.strip_prefix("get").or_else(|| id.strip_prefix("list")).unwrap_or(id);
    let (first, rest) = noun.split_at(noun.chars().next().map_or(0, char::len_utf8));
    format!("{method}{}{rest}", first.to_uppercase())
}

/// On which listeners an operation is answered.
fn listeners(path: &str, operation: &Operation) -> &'static [&'static str] {
    match operation.tags.iter().flatten().next().map(String::as_str) {
        Some("administration") => &[PRIVATE],
        Some("greeting") => &[PUBLIC],
        _ if path == "/" => &[PUBLIC],
        _ => &[PUBLIC, PRIVATE],
    }
}

fn add_request_id(response: &mut Response) {
    add_header(response, "X-Request-Id", Type::String, "Also in the service's log");
}

fn add_allow(response: &mut Response, methods: &str) {
    add_header(response, "Allow", Type::String, &format!("The methods of this path: `{methods}`"));
}

fn add_header(response: &mut Response, name: &str, schema_type: Type, description: &str) {
    let schema = ObjectBuilder::new().schema_type(schema_type).build();
    let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
    response.headers.insert(name.to_owned(), RefOr::T(header));
}
