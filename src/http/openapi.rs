//! The description of the API, OpenAPI 3.1, generated from the routes. It is also what request bodies
//! are held against, so that it cannot be wrong about them.

mod errors;

use serde_json::{Value, json};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{admin, daemon};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "neolith-hub",
        description = "Brings events to fleets of agent daemons. Daemons authenticate with a Bearer token, \
                       operators with X-API-Key.",
    ),
    paths(super::events::publish, super::routing::route, super::health::health, super::health::ready, super::metrics::metrics),
    modifiers(&Security),
    tags(
        (name = "daemon", description = "What daemons use"),
        (name = "fleet", description = "Daemons without an orchestrator"),
        (name = "events", description = "Publishing"),
        (name = "admin", description = "Administration"),
        (name = "health", description = "For machines that watch the hub"),
    )
)]
struct Hub;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let key = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
        components.add_security_scheme("apiKey", SecurityScheme::ApiKey(key));
    }
}

/// The description as JSON.
pub(super) fn description() -> Value {
    let mut hub = Hub::openapi();
    hub.merge(daemon::Api::openapi());
    hub.merge(admin::Api::openapi());
    let mut description = serde_json::to_value(hub).unwrap_or_default();
    let schemas = description.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    for (name, schema) in schemas.into_iter().flatten() {
        // In a request, what is optional is left out: `null` is a value of another type (contract 1.0).
        // In a `Patch`, `null` clears.
        if name.ends_with("Request") {
            refuse_null(schema);
        }
    }
    name_operations(&mut description);
    allow_several(&mut description);
    errors::describe(&mut description);
    description
}

/// Gives every operation a name of its own: the method, and the words of the path.
fn name_operations(description: &mut Value) {
    let paths = description.get_mut("paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten() {
        let words = path.trim_start_matches("/api").split(|c: char| !c.is_ascii_alphanumeric());
        let words: String = words.map(capitalised).collect();
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut() {
                operation.insert("operationId".to_owned(), json!(format!("{method}{words}")));
            }
        }
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// What has two forms may fit both: the shorter answer of one is a part of the other's.
fn allow_several(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(choices) = members.remove("oneOf") {
                members.insert("anyOf".to_owned(), choices);
            }
            members.values_mut().for_each(allow_several);
        }
        Value::Array(items) => items.iter_mut().for_each(allow_several),
        _ => {}
    }
}

/// Takes `null` out of the types that a schema's properties may have.
fn refuse_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(types) = members.get("type").and_then(Value::as_array) {
                let types: Vec<Value> = types.iter().filter(|kind| *kind != "null").cloned().collect();
                let only = if let [one] = types.as_slice() { one.clone() } else { json!(types) };
                members.insert("type".to_owned(), only);
            }
            if let Some(choices) = members.get_mut("oneOf").and_then(Value::as_array_mut) {
                choices.retain(|choice| choice.get("type") != Some(&json!("null")));
                // A choice of one is none, and a problem with it is named where it is.
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    members.remove("oneOf");
                    members.extend(only);
                }
            }
            members.values_mut().for_each(refuse_null);
        }
        Value::Array(items) => items.iter_mut().for_each(refuse_null),
        _ => {}
    }
}
