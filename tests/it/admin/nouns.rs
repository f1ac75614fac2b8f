//! Organizations, workspaces, users, orchestrators and channels: created, looked at, changed, listed
//! and deleted.

use serde_json::{Value, json};

use super::{id, walk};
use crate::support::{
    identity::unique,
    platform::{Platform, Stand, on_both_stands},
};

on_both_stands! {
    each_noun_lives_from_creation_to_deletion,
    what_is_taken_is_named,
    what_does_not_exist_is_named,
    null_empties_what_may_be_empty_and_nothing_else,
    pages_meet_without_gap_or_overlap,
    an_archived_channel_can_be_found_as_such,
}

/// The path of a noun, what to create, what to change.
fn nouns(platform: &Platform) -> Vec<(&'static str, Value, Value)> {
    let home = platform.organization();
    vec![
        ("organizations", json!({ "name": unique("Acme") }), json!({ "description": "Tools" })),
        (
            "workspaces",
            json!({ "organizationId": home.id, "name": "Lab", "visibility": "INTERNAL" }),
            json!({ "name": "Laboratory", "visibility": "PUBLIC", "settings": { "a": [1] } }),
        ),
        (
            "users",
            json!({ "organizationId": home.id, "name": "Ada", "email": format!("{}@x.org", unique("ada")) }),
            json!({ "status": "SUSPENDED", "displayName": "A." }),
        ),
        (
            "orchestrators",
            json!({ "organizationId": home.id, "name": "Builder", "discipline": "engineering" }),
            json!({ "role": "lead", "workspaceId": home.workspace, "capabilities": ["calls"] }),
        ),
        (
            "channels",
            json!({ "workspaceId": home.workspace, "name": "Random talk", "type": "PRIVATE" }),
            json!({ "topic": "Nothing", "isArchived": true }),
        ),
    ]
}

#[track_caller]
fn assert_has(thing: &Value, fields: &Value) {
    for (name, value) in fields.as_object().unwrap() {
        // The name and the address of an orchestrator are those of its user.
        if thing.get(name).is_some() {
            assert_eq!(&thing[name], value, "{name} of {thing}");
        }
    }
}

fn each_noun_lives_from_creation_to_deletion(stand: Stand) {
    let platform = stand.start();
    let hub = &platform.hub;
    for (noun, new, patch) in nouns(&platform) {
        let all = format!("/api/admin/{noun}");
        let created = hub.call("POST", &all).operator().json(&new).expect(201);
        assert_has(&created, &new);
        let one = format!("{all}/{}", id(&created));
        assert_eq!(hub.call("GET", &one).operator().expect(200), created);
        assert!(walk(hub, &all, 200).contains(&id(&created)), "{noun}");

        let changed = hub.call("PATCH", &one).operator().json(&patch).expect(200);
        assert_has(&changed, &patch);
        assert_eq!(hub.call("GET", &one).operator().expect(200), changed);

        assert_eq!(hub.call("DELETE", &one).operator().expect(200), json!({ "success": true }));
        for method in ["GET", "DELETE"] {
            hub.call(method, &one).operator().refused(404, "NOT_FOUND");
        }
        hub.call("PATCH", &one).operator().json(&patch).refused(404, "NOT_FOUND");
        assert!(!walk(hub, &all, 200).contains(&id(&created)), "{noun}");
    }
}

fn what_is_taken_is_named(stand: Stand) {
    let platform = stand.start();
    let hub = &platform.hub;
    for (noun, mut new, _) in nouns(&platform) {
        let all = format!("/api/admin/{noun}");
        new["id"] = unique("own").into();
        let first = hub.call("POST", &all).operator().json(&new).expect(201);
        assert_eq!(first["id"], new["id"], "an id may be chosen");
        let mut twin = new.clone();
        twin["id"] = unique("own").into();
        let field = match noun {
            "users" => "email",
            // Nothing of an orchestrator but its id is its own.
            "orchestrators" => {
                twin["id"] = new["id"].clone();
                "id"
            }
            _ => "slug",
        };
        let refused = hub.call("POST", &all).operator().json(&twin).refused(409, "CONFLICT");
        assert_eq!(refused["details"]["field"], field, "{noun}: {refused}");
    }
}

fn what_does_not_exist_is_named(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let nowhere = [
        ("workspaces", json!({ "organizationId": "nobody", "name": "n" }), "organizationId"),
        ("users", json!({ "organizationId": "nobody", "name": "n" }), "organizationId"),
        ("orchestrators", json!({ "organizationId": "nobody", "name": "n" }), "organizationId"),
        ("orchestrators", json!({ "organizationId": home.id, "userId": "nobody" }), "userId"),
        (
            "orchestrators",
            json!({ "organizationId": home.id, "name": "n", "workspaceId": "nobody" }),
            "workspaceId",
        ),
        ("channels", json!({ "workspaceId": "nobody", "name": "n" }), "workspaceId"),
        (
            "channels",
            json!({ "workspaceId": home.workspace, "name": "n", "createdById": "nobody" }),
            "userId",
        ),
    ];
    for (noun, body, field) in nowhere {
        let call = platform.hub.call("POST", &format!("/api/admin/{noun}")).operator();
        let refused = call.json(&body).refused(400, "VALIDATION_ERROR");
        assert!(refused["details"]["errors"][field].is_array(), "{noun}: {refused}");
    }
}

fn null_empties_what_may_be_empty_and_nothing_else(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let channel = format!("/api/admin/channels/{}", home.channel);
    let patch = |body: Value| platform.hub.call("PATCH", &channel).operator().json(&body);
    assert_eq!(patch(json!({ "topic": "Tea" })).expect(200)["topic"], "Tea");
    assert_eq!(patch(json!({ "name": "Other" })).expect(200)["topic"], "Tea", "what is left out stays");
    assert_eq!(patch(json!({ "topic": null })).expect(200)["topic"], Value::Null);
    for wrong in [
        json!({ "name": null }),
        json!({ "type": null }),
        json!({ "type": "public" }),
        json!({ "name": "" }),
        json!({ "slug": "Two Words" }),
        json!({ "isArchived": "yes" }),
        json!({ "topic": "x".repeat(501) }),
        json!({ "settings": { "much": "x".repeat(17_000) } }),
        json!([]),
    ] {
        patch(wrong).refused(400, "VALIDATION_ERROR");
    }
    for wrong in ["a:b", "a b", "a/b", "", "{a}"] {
        let body = json!({ "id": wrong, "organizationId": home.id, "name": "n" });
        let call = platform.hub.call("POST", "/api/admin/orchestrators").operator();
        call.json(&body).refused(400, "VALIDATION_ERROR");
    }
}

fn pages_meet_without_gap_or_overlap(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let mut expected: Vec<String> = (0..6).map(|_| home.channel("PUBLIC")).collect();
    expected.push(home.channel.clone());
    expected.sort();
    let path = format!("/api/admin/channels?workspaceId={}", home.workspace);
    for limit in [1, 2, 3, 7, 200] {
        let mut found = walk(&platform.hub, &path, limit);
        found.sort();
        assert_eq!(found, expected, "{limit} at once");
    }
    for wrong in ["limit=many", "limit=1.5", "cursor=nonsense", "archived=perhaps"] {
        let call = platform.hub.call("GET", &format!("{path}&{wrong}")).operator();
        call.refused(400, "VALIDATION_ERROR");
    }
}

fn an_archived_channel_can_be_found_as_such(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let closed = home.channel("PUBLIC");
    let patch = platform.hub.call("PATCH", &format!("/api/admin/channels/{closed}")).operator();
    patch.json(&json!({ "isArchived": true })).expect(200);
    let found = |archived| {
        walk(
            &platform.hub,
            &format!("/api/admin/channels?workspaceId={}&archived={archived}", home.workspace),
            9,
        )
    };
    assert_eq!((found("true"), found("false")), (vec![closed], vec![home.channel.clone()]));
}

#[test]
fn a_user_goes_after_the_orchestrator_that_appears_as_it() {
    let platform = Stand::Alone.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let user = format!("/api/admin/users/{}", orchestrator.user);
    platform.hub.call("DELETE", &user).operator().refused(409, "CONFLICT");
    platform
        .hub
        .call("DELETE", &format!("/api/admin/orchestrators/{}", orchestrator.id))
        .operator()
        .expect(200);
    platform.hub.call("DELETE", &user).operator().expect(200);
}
