//! The documents and pages, as browsers and tools get them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::names;
use crate::support::{http, hub::Hub};

#[test]
fn documents_and_pages_are_what_they_say_they_are() {
    let hub = Hub::setup().start();
    for (path, content_type) in [
        ("/api/openapi.json", "application/json"),
        ("/api/asyncapi.json", "application/json"),
        ("/api/schemas", "application/json"),
        ("/api/schemas/event.json", "application/schema+json"),
        ("/api/docs", "text/html; charset=utf-8"),
        ("/api/docs/", "text/html; charset=utf-8"),
        ("/api/docs/events", "text/html; charset=utf-8"),
    ] {
        let response = hub.get(path);
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(response.headers["content-type"], content_type, "{path}");
        assert_eq!(response.headers["x-content-type-options"], "nosniff", "{path}");
        let wrong = http::post(&hub.url(path), &[], "{}");
        wrong.assert_json_error(405);
        assert_eq!(wrong.headers["allow"], "GET, HEAD", "{path}");
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let hub = Hub::setup().start();
    for path in
        ["/api/schemas/", "/api/schemas/event", "/api/schemas/nothing.json", "/api/schemas/common.json"]
    {
        hub.get(path).assert_json_error(404);
    }
    for path in ["/api/docs/nothing.js", "/api/docs/index.html", "/api/docs/..%2fopenapi.json"] {
        hub.get(path).assert_json_error(404);
    }
}

/// What the tags of a page load or lead to.
fn links(html: &str) -> Vec<String> {
    let values = |attribute: &str| {
        let start = format!("{attribute}=\"");
        let parts = html.split(start.as_str()).skip(1);
        parts.map(|part| part.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    [values("src"), values("href")].concat()
}

/// Where a link leads from a page.
fn follow(page: &str, link: &str) -> String {
    let mut path: Vec<_> = page.split('/').collect();
    path.pop();
    for step in link.split('#').next().unwrap().split('/') {
        match step {
            "." => {}
            ".." => drop(path.pop()),
            step => path.push(step),
        }
    }
    path.join("/")
}

#[test]
fn pages_need_nothing_from_outside_and_what_they_link_to_is_there() {
    let hub = Hub::setup().start();
    for page in ["/api/docs", "/api/docs/", "/api/docs/events"] {
        let response = hub.get(page);
        let links = links(&response.body);
        assert!(links.len() > 3, "{page}: {links:?}");
        let targets = links.iter().filter(|link| !link.starts_with('#'));
        for target in targets.map(|link| {
            assert!(!link.contains("//"), "{page} leads outside: {link}");
            follow(page, link)
        }) {
            let status = http::try_get(&hub.url(&target));
            assert_eq!(status, Some(200), "{page}: {target}");
        }
        let policy = &response.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{page}: {policy}");
        assert!(!policy.contains("//") && !policy.contains('*'), "{page}: {policy}");
        let inline =
            response.body.split("<script").skip(1).filter(|tag| !tag.trim_start().starts_with("src"));
        assert_eq!(inline.count(), 0, "{page} has a script that its own policy forbids");
    }
    for (file, content_type) in [
        ("swagger-ui.css", "text/css"),
        ("swagger-ui-bundle.js", "text/javascript"),
        ("rest.js", "text/javascript; charset=utf-8"),
        ("docs.css", "text/css; charset=utf-8"),
    ] {
        let response = hub.get(&format!("/api/docs/{file}"));
        assert_eq!(response.headers["content-type"], content_type, "{file}");
    }
}

#[test]
fn the_asyncapi_document_is_complete_and_self_contained() {
    let hub = Hub::setup().start();
    let document = hub.get("/api/asyncapi.json").json();
    assert_eq!(document["asyncapi"], "3.0.0");
    assert_eq!(document["info"]["version"], hub.get("/health").json()["version"]);
    let addresses: BTreeSet<_> = document["channels"]
        .as_object()
        .unwrap()
        .values()
        .map(|channel| channel["address"].as_str())
        .collect();
    let expected = [
        "/daemon/ws",
        "/api/daemon/ws",
        "daemon:events",
        "daemon:events:{organizationId}",
        "daemon:{daemonId}:events",
    ];
    assert_eq!(addresses, expected.map(Some).into());
    for name in names(&hub) {
        assert!(document["components"]["schemas"][&name].is_object(), "{name}");
        assert!(document["components"]["messages"][&name].is_object(), "{name}");
    }
    let mut references = Vec::new();
    collect(&document, &mut references);
    for reference in references {
        let inside = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
        assert!(inside.is_some(), "{reference} leads nowhere");
    }
    let description = document["info"]["description"].as_str().unwrap();
    let codes = [1000, 1001, 1002, 1003, 1006, 1009, 1011, 4001, 4002, 4003, 4004, 4005, 4006, 4008, 4009];
    for code in codes {
        assert!(description.contains(&format!("| {code} |")), "{code}");
    }
}

fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}
