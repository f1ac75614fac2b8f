//! What the hub says about itself, held against what it does.

mod client_frames;
mod pages;
mod publishing;
mod server_frames;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use crate::support::hub::Hub;

/// A schema as the hub serves it.
fn schema(hub: &Hub, name: &str) -> Value {
    let response = hub.get(&format!("/api/schemas/{name}.json"));
    assert_eq!(response.status, 200, "{name}: {response:?}");
    assert_eq!(response.headers["content-type"], "application/schema+json", "{name}");
    response.json()
}

/// The same, ready to check.
fn validator(schema: &Value) -> Validator {
    let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
    options.build(schema).unwrap_or_else(|error| panic!("{error}: {schema}"))
}

/// The names of all schemas that the hub serves.
fn names(hub: &Hub) -> Vec<String> {
    let index = hub.get("/api/schemas").json();
    let entries = index["schemas"].as_array().unwrap().iter();
    let names = entries.map(|entry| {
        let name = entry["name"].as_str().unwrap();
        assert_eq!(entry["url"], format!("/api/schemas/{name}.json"));
        name.to_owned()
    });
    names.collect()
}

/// Refuses members that the schema does not name, at every level that names any.
fn strict(mut schema: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        if members.contains_key("properties") && members.contains_key("required") {
            members.insert("additionalProperties".to_owned(), json!(false));
        }
        for member in members.values_mut() {
            *member = strict(member.take());
        }
    }
    schema
}
