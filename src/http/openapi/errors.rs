//! What every route may answer beside what it says itself: the failures, in the shape of its path.

use serde_json::{Map, Value, json};

use super::daemon;

/// Failures that any route may answer with.
const EVERYWHERE: &[(&str, &str)] = &[
    ("400", "The request cannot be understood"),
    ("429", "Too many requests"),
    ("500", "A mistake in the hub"),
    ("503", "Something that is needed is away"),
];

/// What the statuses mean where a route does not say more.
fn meaning(status: &str) -> &'static str {
    match status {
        "400" => "The request's content is wrong",
        "401" => "Who asks is not known",
        "403" => "Not permitted",
        "404" => "There is nothing by that name",
        "409" => "It is there already",
        "422" => "The key belongs to another request",
        "413" => "The body is larger than 1 MiB",
        _ => "It failed",
    }
}

/// Adds the failures to every operation under `/api`.
pub(super) fn describe(description: &mut Value) {
    if let Some(schemas) = description.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        let text = json!({ "type": "string" });
        let details = json!({ "type": "object" });
        schemas.insert(
            "FlatError".to_owned(),
            json!({
                "type": "object",
                "required": ["error", "code", "message"],
                "properties": { "error": text, "code": text, "message": text, "details": details },
            }),
        );
        let inner = json!({
            "type": "object",
            "required": ["message", "code"],
            "properties": { "message": text, "code": text, "details": details },
        });
        schemas.insert(
            "NestedError".to_owned(),
            json!({
                "type": "object",
                "required": ["error", "code", "message"],
                "properties": { "error": inner, "code": text, "message": text },
            }),
        );
    }
    let paths = description.get_mut("paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten().filter(|(path, _)| path.starts_with("/api/")) {
        // Fleet clients share one path with others, and read the flat shape there.
        let schema = match path.as_str() {
            "/api/daemon/register" => json!({ "anyOf": [named("NestedError"), named("FlatError")] }),
            path if daemon::NESTED.contains(&path) => named("NestedError"),
            _ => named("FlatError"),
        };
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
                complete(responses, &schema);
            }
        }
    }
}

fn named(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn complete(responses: &mut Map<String, Value>, schema: &Value) {
    for (status, meaning) in EVERYWHERE {
        responses.entry(*status).or_insert_with(|| json!({ "description": meaning }));
    }
    for (status, response) in responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5'])) {
        let Some(response) = response.as_object_mut() else { continue };
        if response.get("description").and_then(Value::as_str).is_none_or(str::is_empty) {
            response.insert("description".to_owned(), json!(meaning(status)));
        }
        response.entry("content").or_insert_with(|| json!({ "application/json": { "schema": schema } }));
    }
}
