//! A token of one organization with the ids of another, everywhere a daemon may name an id.

use serde_json::json;

use crate::support::{
    event::Event,
    eventually::eventually,
    identity::Identity,
    platform::{Stand, on_both_stands},
    publisher,
};

fn ids_of_another_tenant_open_nothing(stand: Stand) {
    let platform = stand.start();
    let hub = &platform.hub;
    let (organization, elsewhere) = (platform.organization(), platform.organization());
    let (own, victim) = (organization.orchestrator(), elsewhere.orchestrator().in_channel());
    let (token, login) = (own.token(), victim.login());
    let theirs = login["accessToken"].as_str().unwrap();
    let session = login["sessionId"].as_str().unwrap();
    let message = json!({ "channelId": elsewhere.channel, "content": "secret" });
    hub.call("POST", "/api/daemon/messages").bearer(theirs).json(&message).expect(200);
    let call = |method: &str, path: &str| hub.call(method, &format!("/api/daemon{path}")).bearer(&token);
    let sessions = || hub.call("GET", "/api/daemon/sessions").bearer(theirs).expect(200);
    let before = sessions();

    call("GET", &format!("/health/{}", victim.id)).refused(404, "ORCHESTRATOR_NOT_FOUND");
    for name in ["orchestratorId", "vpId"] {
        call("POST", "/sessions")
            .json(&json!({ name: victim.id, "type": "daemon" }))
            .refused(403, "FORBIDDEN");
        call("POST", "/heartbeat").json(&json!({ name: victim.id })).refused(400, "VALIDATION_ERROR");
        let leave = json!({ name: victim.id, "apiKey": own.key });
        let code = if name == "vpId" { "VP_NOT_FOUND" } else { "ORCHESTRATOR_NOT_FOUND" };
        hub.call("POST", "/api/daemon/unregister").json(&leave).refused(404, code);
    }
    call("PATCH", "/sessions")
        .json(&json!({ "sessionId": session, "status": "expired" }))
        .refused(403, "FORBIDDEN");
    call("DELETE", &format!("/sessions?sessionId={session}")).refused(403, "FORBIDDEN");
    call("POST", "/heartbeat").json(&json!({ "sessionId": session })).expect(200);
    let mut registration = own.registration("one");
    registration["organizationId"] = json!(elsewhere.id);
    hub.call("POST", "/api/daemon").json(&registration).refused(403, "FORBIDDEN");

    let channel = &elsewhere.channel;
    call("POST", &format!("/channels/{channel}/join")).refused(404, "CHANNEL_NOT_FOUND");
    call("DELETE", &format!("/channels/{channel}/join")).refused(404, "NOT_MEMBER");
    call("GET", &format!("/messages?channelId={channel}")).refused(403, "CHANNEL_ACCESS_DENIED");
    call("POST", "/messages").json(&message).refused(403, "CHANNEL_ACCESS_DENIED");
    let seen = call("GET", "/events?since=2020-01-01T00:00:00Z").expect(200).to_string();
    assert!(!seen.contains("secret"), "{seen}");
    let listed = call("GET", "/channels").expect(200);
    assert_eq!(listed["channels"], json!([]));

    assert_eq!(sessions(), before, "nothing of the other's changed");
}

/// Acknowledging what somebody else is waiting for takes nothing from them.
fn events_of_another_tenant_cannot_be_acknowledged(stand: Stand) {
    let platform = stand.start();
    let hub = &platform.hub;
    let (organization, elsewhere) = (platform.organization(), platform.organization());
    let (own, victim) = (organization.orchestrator(), elsewhere.orchestrator());
    let (token, theirs) = (own.token(), victim.token());
    let event = Event::to(&Identity::new().claiming(victim.id.clone()));
    publisher::post(hub, [&event]);
    let waiting = || {
        let events = hub.call("GET", "/api/daemon/events").bearer(&theirs).expect(200);
        events["events"].as_array().unwrap().iter().any(|waiting| waiting["id"] == event.id())
    };
    eventually(waiting, "the event waits for its orchestrator");
    let acknowledge = |token: &str| {
        let body = json!({ "eventIds": [event.id()] });
        hub.call("POST", "/api/daemon/events/ack").bearer(token).json(&body).expect(200)
    };
    acknowledge(&token);
    assert!(waiting(), "it still waits");
    acknowledge(&theirs);
    eventually(|| !waiting(), "its own orchestrator takes it away");
}

on_both_stands!(ids_of_another_tenant_open_nothing, events_of_another_tenant_cannot_be_acknowledged);
