//! Reading what waits without a socket, and acknowledging it.

use serde_json::{Value, json};

use crate::support::{
    event::Event,
    identity::Identity,
    platform::{Orchestrator, Platform, Stand, on_both_stands},
    publisher,
};

const PATH: &str = "/api/daemon/events";

#[track_caller]
fn read(platform: &Platform, token: &str, query: &str) -> Value {
    platform.hub.call("GET", &format!("{PATH}{query}")).bearer(token).expect(200)
}

fn ids(answer: &Value) -> Vec<String> {
    answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Publishes events for an orchestrator; their ids.
fn publish(platform: &Platform, orchestrator: &Orchestrator<'_>, count: usize) -> Vec<String> {
    let identity = Identity::holding(&orchestrator.id, String::new());
    let events: Vec<Event> = (0..count).map(|_| Event::to(&identity)).collect();
    publisher::post(&platform.hub, &events);
    events.iter().map(|event| event.id().to_owned()).collect()
}

/// What waits in the queue is shown under every name that clients read, until it is acknowledged.
fn queued_events_are_read_until_they_are_acknowledged(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let published = publish(&platform, &orchestrator, 3);

    let answer = read(&platform, &token, "");
    assert_eq!(ids(&answer), published);
    let event = &answer["events"][0];
    for (one, other) in [
        ("id", "eventId"),
        ("type", "eventType"),
        ("payload", "data"),
        ("createdAt", "timestamp"),
        ("orchestratorId", "vpId"),
    ] {
        assert!(!event[one].is_null() && event[one] == event[other], "{one}: {event}");
    }
    assert_eq!((&event["requiresAck"], &event["daemonId"]), (&json!(true), &json!("")));
    assert_eq!(ids(&read(&platform, &token, "")), published, "reading takes nothing away");

    let hub = &platform.hub;
    let deleted =
        hub.call("DELETE", PATH).bearer(&token).json(&json!({ "eventIds": [published[0], "unknown"] }));
    assert_eq!(deleted.expect(200), json!({ "success": true, "acknowledged": 2 }));
    assert_eq!(ids(&read(&platform, &token, "")), published[1..]);
    let posted =
        hub.call("POST", &format!("{PATH}/ack")).bearer(&token).json(&json!({ "eventIds": [published[1]] }));
    posted.expect(200);
    let query = format!("{PATH}?eventIds={}", published[2]);
    hub.call("DELETE", &query).bearer(&token).expect(200);
    assert!(ids(&read(&platform, &token, "")).is_empty());

    let mut daemon = orchestrator.connect();
    daemon.subscribe(&["*"]);
    assert!(daemon.roundtrip().is_empty(), "a socket does not get what was acknowledged");
}

/// Messages and mentions come beside the queue, and stay away once acknowledged.
fn messages_are_shown_in_their_old_form(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let [author, reader] =
        [organization.orchestrator().in_channel(), organization.orchestrator().in_channel()];
    let token = reader.token();
    let body = json!({ "channelId": organization.channel, "content": "hello" });
    let written =
        platform.hub.call("POST", "/api/daemon/messages").bearer(&author.token()).json(&body).expect(200);
    let id = format!("msg_{}", written["messageId"].as_str().unwrap());

    let answer = read(&platform, &token, "");
    let event = answer["events"].as_array().unwrap().iter().find(|event| event["id"] == id.as_str()).unwrap();
    assert_eq!(
        (&event["type"], &event["channelId"]),
        (&json!("message_created"), &json!(organization.channel))
    );
    assert_eq!(event["messageId"], written["messageId"]);
    let message = &event["payload"]["message"];
    assert_eq!((&message["content"], &message["author"]["id"]), (&json!("hello"), &json!(author.user)));
    assert_eq!(
        (&message["channel"]["id"], &message["author"]["isOrchestrator"]),
        (&json!(organization.channel), &json!(true))
    );

    let own = read(&platform, &author.token(), "");
    assert!(ids(&own).is_empty(), "not one's own: {own}");
    platform.hub.call("DELETE", PATH).bearer(&token).json(&json!({ "eventIds": [id] })).expect(200);
    assert!(!ids(&read(&platform, &token, "")).contains(&id));
}

/// `since` is strict, `limit` and the cursor cut exact pages, and nonsense is refused.
fn pages_and_times_are_exact(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let published = publish(&platform, &orchestrator, 5);

    let first = read(&platform, &token, "?limit=2");
    let second =
        read(&platform, &token, &format!("?limit=2&cursor={}", first["nextCursor"].as_str().unwrap()));
    let third =
        read(&platform, &token, &format!("?limit=2&cursor={}", second["nextCursor"].as_str().unwrap()));
    assert_eq!([ids(&first), ids(&second), ids(&third)].concat(), published);
    assert!(third["nextCursor"].is_null());

    let last = read(&platform, &token, "")["events"][4]["createdAt"].as_str().unwrap().to_owned();
    assert!(
        !ids(&read(&platform, &token, &format!("?since={last}"))).contains(&published[4]),
        "strictly after"
    );
    assert_eq!(ids(&read(&platform, &token, "?since=2020-01-01T00:00:00Z")), published);
    for query in ["?since=yesterday", "?limit=many", "?cursor=nonsense"] {
        platform.hub.call("GET", &format!("{PATH}{query}")).bearer(&token).refused(400, "VALIDATION_ERROR");
    }
    for body in ["{", "[]", "{}", r#"{"eventIds":[]}"#, r#"{"eventIds":"a"}"#, r#"{"eventIds":[1]}"#] {
        platform.hub.call("DELETE", PATH).bearer(&token).text(body).refused(400, "VALIDATION_ERROR");
    }
    let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    let too_many = json!({ "eventIds": many });
    platform.hub.call("DELETE", PATH).bearer(&token).json(&too_many).refused(400, "VALIDATION_ERROR");
}

/// Who asks for a stream gets the same page as server-sent events.
fn a_page_can_be_a_stream(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let published = publish(&platform, &orchestrator, 1);
    let token = orchestrator.token();
    let response = platform.hub.call("GET", PATH).bearer(&token).header("accept", "text/event-stream").send();
    assert_eq!(response.headers["content-type"], "text/event-stream");
    assert!(response.body.contains(&format!("id: {}\n", published[0])), "{}", response.body);
}

/// Nobody reads or acknowledges what is somebody else's.
fn events_belong_to_one_orchestrator(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let [owner, other] = [organization.orchestrator(), organization.orchestrator()];
    let published = publish(&platform, &owner, 1);
    let stranger = other.token();
    assert!(ids(&read(&platform, &stranger, "")).is_empty());
    platform.hub.call("DELETE", PATH).bearer(&stranger).json(&json!({ "eventIds": published })).expect(200);
    assert_eq!(ids(&read(&platform, &owner.token(), "")), published);
    platform.hub.call("GET", PATH).refused(401, "UNAUTHORIZED");
}

/// An event that names another organization is not shown, whoever holds the orchestrator's id.
fn events_do_not_cross_organizations(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let foreign =
        Event::to(&Identity::holding(&orchestrator.id, String::new())).set("organizationId", "org_other");
    publisher::post(&platform.hub, [&foreign]);
    let own = publish(&platform, &orchestrator, 1);
    assert_eq!(ids(&read(&platform, &orchestrator.token(), "")), own);
}

/// The limit holds for messages and queued events together.
fn a_limit_is_a_limit(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let [author, reader] =
        [organization.orchestrator().in_channel(), organization.orchestrator().in_channel()];
    let token = reader.token();
    for content in ["1", "2", "3"] {
        let body = json!({ "channelId": organization.channel, "content": content });
        platform.hub.call("POST", "/api/daemon/messages").bearer(&author.token()).json(&body).expect(200);
    }
    let published = publish(&platform, &reader, 2);
    let mut expected = ids(&read(&platform, &token, ""));
    assert!(expected.len() >= published.len() + 3, "three messages and what waits: {expected:?}");
    expected.sort();
    let first = read(&platform, &token, "?limit=1");
    assert_eq!(ids(&first).len(), 1);
    let mut seen = ids(&first);
    let mut next = first["nextCursor"].clone();
    while let Some(cursor) = next.as_str() {
        let page = read(&platform, &token, &format!("?limit=1&cursor={cursor}"));
        assert!(ids(&page).len() <= 1);
        seen.extend(ids(&page));
        next = page["nextCursor"].clone();
    }
    seen.sort();
    assert_eq!(seen, expected, "page by page nothing is left out, and nothing comes twice");
}

on_both_stands!(
    events_do_not_cross_organizations,
    a_limit_is_a_limit,
    queued_events_are_read_until_they_are_acknowledged,
    messages_are_shown_in_their_old_form,
    pages_and_times_are_exact,
    a_page_can_be_a_stream,
    events_belong_to_one_orchestrator,
);
