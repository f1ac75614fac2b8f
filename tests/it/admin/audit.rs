//! Every change is on record, with who made it and from where.

use serde_json::{Value, json};

use super::{daemon_of, id, tenant};
use crate::support::{
    hub::Hub,
    platform::{Platform, Stand, on_both_stands},
    socket::Daemon,
};

on_both_stands! {
    each_kind_of_change_is_on_record,
    the_record_is_filtered,
}

fn entries(platform: &Platform, filter: &str) -> Vec<Value> {
    let list =
        platform.hub.call("GET", &format!("/api/admin/audit?limit=200&{filter}")).operator().expect(200);
    list["items"].as_array().unwrap().clone()
}

fn actions(platform: &Platform, filter: &str) -> Vec<String> {
    let mut actions: Vec<String> =
        entries(platform, filter).iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect();
    actions.reverse();
    actions
}

fn each_kind_of_change_is_on_record(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let daemon = Daemon::connect(&platform.hub, &daemon_of(&orchestrator));
    let session = daemon.session()["sessionId"].as_str().unwrap().to_owned();
    let connection = daemon.session()["connectionId"].as_str().unwrap().to_owned();
    let act = |method: &str, path: String, body: Value| {
        let call = platform.hub.call(method, &format!("/api/admin/{path}")).operator();
        let response = if body.is_null() { call.send() } else { call.json(&body).send() };
        assert!(response.status < 300, "{method} {path}: {response:?}");
        response.json()
    };
    let none = || Value::Null;
    for (noun, new) in [
        ("workspace", json!({ "organizationId": home.id, "name": "Lab" })),
        ("user", json!({ "organizationId": home.id, "name": "Ada" })),
        ("orchestrator", json!({ "organizationId": home.id, "name": "Builder" })),
        ("channel", json!({ "workspaceId": home.workspace, "name": "Talk" })),
        ("organization", json!({ "name": "Acme" })),
    ] {
        let made = id(&act("POST", format!("{noun}s"), new));
        let patch = if noun == "orchestrator" { json!({ "role": "r" }) } else { json!({ "name": "New" }) };
        act("PATCH", format!("{noun}s/{made}"), patch);
        let mut expected = vec![format!("{noun}.create"), format!("{noun}.update")];
        if ["orchestrator", "organization"].contains(&noun) {
            act("POST", format!("{noun}s/{made}/disable"), none());
            act("POST", format!("{noun}s/{made}/enable"), none());
            // Whoever is deleted is disabled first.
            expected.extend(["disable", "enable", "disable"].map(|verb| format!("{noun}.{verb}")));
        }
        act("DELETE", format!("{noun}s/{made}"), none());
        expected.push(format!("{noun}.delete"));
        assert_eq!(actions(&platform, &format!("resourceId={made}")), expected);
    }
    act("POST", format!("channels/{}/members", home.channel), json!({ "userId": orchestrator.user }));
    let member = format!("channels/{}/members/{}", home.channel, orchestrator.user);
    act("PATCH", member.clone(), json!({ "role": "ADMIN" }));
    act("DELETE", member, none());
    let expected = ["member.add", "member.update", "member.remove"];
    assert_eq!(actions(&platform, &format!("resourceId={}", home.channel)), expected);

    let credentials = format!("orchestrators/{}/credentials", orchestrator.id);
    let credential = id(&act("POST", credentials, json!({ "name": "n" })));
    for (method, verb) in
        [("POST", "/rotate"), ("POST", "/disable"), ("POST", "/enable"), ("DELETE", "?revokeTokens=false")]
    {
        act(method, format!("credentials/{credential}{verb}"), none());
    }
    let expected =
        ["create", "rotate", "disable", "enable", "revoke"].map(|verb| format!("credential.{verb}"));
    assert_eq!(actions(&platform, &format!("resourceId={credential}")), expected);

    act("DELETE", format!("connections/{connection}"), none());
    act("DELETE", format!("orchestrators/{}/queue", orchestrator.id), none());
    act("DELETE", format!("sessions/{session}"), none());
    act("POST", "revocations".to_owned(), json!({ "orchestratorId": orchestrator.id }));
    act("POST", "broadcast".to_owned(), json!({ "organizationId": home.id, "type": "system.notice" }));
    let message =
        json!({ "channelId": home.channel, "authorId": orchestrator.user, "content": "secret words" });
    platform.hub.call("POST", "/api/messages").operator().json(&message).expect(200);
    let mine = format!("organizationId={}", home.id);
    let all = actions(&platform, &mine);
    let last = [
        "connection.close",
        "queue.purge",
        "session.end",
        "orchestrator.revoke",
        "broadcast.send",
        "message.create",
    ];
    assert_eq!(all[all.len() - last.len()..], last, "and all of it concerns the tenant");
    assert!(!json!(entries(&platform, &mine)).to_string().contains("secret words"));
}

fn the_record_is_filtered(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let one = format!("/api/admin/channels/{}", home.channel);
    let own = tenant(&home.id);
    let patch = || platform.hub.call("PATCH", &one).header("user-agent", "tests/1");
    patch().bearer(&own).json(&json!({ "topic": "Tea", "unknown": "kept out" })).expect(200);
    patch().operator().json(&json!({ "isArchived": true })).expect(200);
    let found = entries(&platform, "actor=operator&action=channel.update");
    assert_eq!(found.len(), 1, "{found:?}");
    let entry = &found[0];
    assert_eq!((&entry["actorType"], &entry["actorId"]), (&json!("operator"), &json!("operator")));
    assert_eq!((&entry["resourceType"], &entry["resourceId"]), (&json!("channel"), &json!(home.channel)));
    assert_eq!((&entry["ip"], &entry["userAgent"]), (&json!("127.0.0.1"), &json!("tests/1")));
    assert_eq!(
        (&entry["metadata"], &entry["severity"]),
        (&json!({ "fields": ["isArchived"] }), &json!("info"))
    );
    assert_eq!(entry["organizationId"], json!(home.id));

    let of_tenant = entries(&platform, "resourceType=channel&to=2999-01-01T00:00:00Z");
    assert_eq!(of_tenant.len(), 2);
    assert_eq!(of_tenant[1]["metadata"], json!({ "fields": ["topic"] }), "only what the schema names");
    assert_eq!(of_tenant[1]["actorType"], "orchestrator");
    assert!(entries(&platform, "from=2999-01-01T00:00:00Z").is_empty());
    assert!(entries(&platform, "organizationId=nobody").is_empty());
    let seen = platform.hub.call("GET", "/api/admin/audit").bearer(&own).expect(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 2, "what concerns it, whoever did it");
    platform.hub.call("GET", "/api/admin/audit?from=noon").operator().refused(400, "VALIDATION_ERROR");
}

#[test]
fn a_wrong_key_is_on_record_but_not_every_time() {
    let platform = Stand::Alone.start();
    for _ in 0..3 {
        let call = platform.hub.call("GET", "/api/admin/users").header("x-api-key", "a wrong key");
        call.refused(401, "UNAUTHORIZED");
    }
    let found = entries(&platform, "action=operator.refused");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["severity"], &found[0]["ip"]), (&json!("warning"), &json!("127.0.0.1")));
    assert_eq!(found[0]["resourceId"], "/api/admin/users");
    assert!(!json!(found).to_string().contains("a wrong key"));
}

#[test]
fn without_a_configured_key_administration_is_for_tenants_only() {
    let redis = crate::support::redis::RedisServer::start();
    let hub = Hub::setup().redis(&redis).without_env("ADMIN_API_KEY").start();
    hub.call("GET", "/api/admin/users").operator().refused(503, "SERVICE_UNAVAILABLE");
    hub.call("GET", "/api/admin/users").bearer(&tenant("org_1")).expect(200);
}
