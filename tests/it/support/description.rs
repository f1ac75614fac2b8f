//! The hub's own description of its API, to which every answer in the tests is held.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{
    http::{self, Response},
    hub::Hub,
};

static DESCRIPTION: OnceLock<Value> = OnceLock::new();
type Key = (String, String, u16);
static VALIDATORS: Mutex<Option<HashMap<Key, Arc<Validator>>>> = Mutex::new(None);

/// The description, the same for every hub of this build.
pub(crate) fn description(hub: &Hub) -> &'static Value {
    DESCRIPTION.get_or_init(|| http::get(&hub.url("/api/openapi.json"), &[]).json())
}

/// Asserts that an answer is one that the description knows.
#[track_caller]
pub(crate) fn assert_described(hub: &Hub, method: &str, path: &str, response: &Response) {
    // Known to every route, and none's own.
    if response.status == 405 || method == "OPTIONS" || method == "HEAD" {
        return;
    }
    let path = path.split(['?', '#']).next().unwrap();
    let paths = description(hub)["paths"].as_object().unwrap();
    let exact = paths.get_key_value(path);
    let Some((template, item)) = exact.or_else(|| paths.iter().find(|(template, _)| fits(template, path)))
    else {
        return;
    };
    let Some(operation) = item.get(method.to_lowercase()) else { return };
    let what = format!("{method} {template} {}", response.status);
    let described = &operation["responses"][response.status.to_string()];
    assert!(described.is_object(), "{what} is not described: {response:?}");
    let Some(schema) = described.pointer("/content/application~1json/schema") else { return };
    if response.headers.get("content-type").is_none_or(|kind| !kind.starts_with("application/json")) {
        return;
    }
    let validator = validator(hub, (method.to_owned(), template.clone(), response.status), schema);
    let body = response.json();
    let problems: Vec<String> =
        validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{what} is not as described: {problems:?} in {body}");
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(path).all(|(pattern, part)| pattern.starts_with('{') || *pattern == part)
}

fn validator(hub: &Hub, key: Key, schema: &Value) -> Arc<Validator> {
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let validators = validators.get_or_insert_default();
    let build = || {
        let whole = json!({ "allOf": [schema], "components": description(hub)["components"] });
        Arc::new(jsonschema::options().should_validate_formats(true).build(&whole).unwrap())
    };
    validators.entry(key).or_insert_with(build).clone()
}
