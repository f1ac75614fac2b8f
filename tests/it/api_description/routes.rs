//! The description of the REST API and the routes are one thing.

use serde_json::{Value, json};

use crate::support::{description::description, hub::Hub};

fn operations(description: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = description["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// What is described is served: without credentials every route answers, and refuses those who may not.
#[test]
fn every_described_route_is_served_and_guarded() {
    let hub = Hub::setup().env("HUB_LIMITS_ADMIN_REQUESTS_PER_ADDRESS", "100000").start();
    let open = ["/health", "/ready", "/metrics"];
    for (path, method, operation) in operations(description(&hub)) {
        let part = |part: &str| match part {
            "{group}" => "organizations".to_owned(),
            part if part.starts_with('{') => "x".to_owned(),
            part => part.to_owned(),
        };
        let concrete: Vec<String> = path.split('/').map(part).collect();
        let security = operation.get("security").is_some();
        let mut call = hub.call(&method.to_uppercase(), &concrete.join("/"));
        if security {
            // A token that is none is refused at once; a missing key is refused slowly.
            call = call.bearer("none");
        }
        if matches!(method, "post" | "patch" | "put") {
            call = call.json(&json!({}));
        }
        let status = call.send().status;
        let expected: &[u16] = match (open.contains(&path), security) {
            (true, _) => &[200],
            (_, true) => &[401, 400],
            (_, false) => &[400],
        };
        assert!(expected.contains(&status), "{method} {path}: {status}");
    }
}

/// It is OpenAPI 3.1, names the version of the hub, and every operation has a name, a tag and a summary.
#[test]
fn the_description_is_complete() {
    let hub = Hub::setup().start();
    let description = description(&hub);
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(description["info"]["version"], hub.get("/health").json()["version"]);
    let mut names = Vec::new();
    for (path, method, operation) in operations(description) {
        for member in ["operationId", "summary", "tags"] {
            assert!(!operation[member].is_null(), "{method} {path} has no {member}");
        }
        names.push(operation["operationId"].as_str().unwrap());
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "operations have names of their own");
    let references = description.to_string();
    for reference in references.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(description["components"]["schemas"][name].is_object(), "{name} is missing");
    }
}
