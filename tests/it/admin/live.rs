//! What happens now: connections, sessions, queues, words to all, and messages in somebody's name.

use serde_json::{Value, json};

use super::{daemon_of, id, tenant, walk};
use crate::support::{
    event::Event,
    eventually::eventually,
    identity::Identity,
    platform::{Stand, on_both_stands},
    publisher,
    socket::Daemon,
};

on_both_stands! {
    connections_are_listed_and_closed,
    sessions_are_listed_and_ended,
    a_queue_is_looked_into_and_emptied,
    a_broadcast_reaches_everybody_it_is_for,
    a_service_writes_in_the_name_of_a_user,
}

fn connections_are_listed_and_closed(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let mut daemons = [(); 3].map(|()| Daemon::connect(&platform.hub, &daemon_of(&orchestrator)));
    let _other = Daemon::connect(&platform.hub, &Identity::new());
    let connection = |daemon: &Daemon| daemon.session()["connectionId"].as_str().unwrap().to_owned();
    let mut expected: Vec<String> = daemons.iter().map(connection).collect();
    expected.sort();
    let path = format!("/api/admin/connections?orchestratorId={}", orchestrator.id);
    assert_eq!(walk(&platform.hub, &path, 2), expected);
    assert_eq!(walk(&platform.hub, "/api/admin/connections", 3).len(), 4);
    let own =
        platform.hub.call("GET", "/api/admin/connections?limit=2").bearer(&tenant(&home.id)).expect(200);
    assert_eq!(own["items"].as_array().unwrap().len(), 2, "{own}");
    assert!(own["nextCursor"].is_string(), "{own}");

    let one = format!("/api/admin/connections/{}", connection(&daemons[0]));
    let shown = platform.hub.call("GET", &one).operator().expect(200);
    assert_eq!(
        (&shown["orchestratorId"], &shown["organizationId"]),
        (&json!(orchestrator.id), &json!(home.id))
    );
    platform.hub.call("DELETE", &one).operator().expect(200);
    daemons[0].expect_close();
    eventually(|| platform.hub.call("GET", &one).operator().send().status == 404, "it is gone");
    daemons[1].roundtrip();
    platform.hub.call("DELETE", "/api/admin/connections/none").operator().refused(404, "NOT_FOUND");
}

fn sessions_are_listed_and_ended(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let login = orchestrator.login();
    let identity = daemon_of(&orchestrator).with_token(login["accessToken"].as_str().unwrap().to_owned());
    let mut daemon = Daemon::connect(&platform.hub, &identity);
    let path = format!("/api/admin/orchestrators/{}/sessions", orchestrator.id);
    let list = platform.hub.call("GET", &path).operator().expect(200);
    let session = login["sessionId"].as_str().unwrap();
    let listed: Vec<String> = list["items"].as_array().unwrap().iter().map(id).collect();
    assert!(listed.contains(&session.to_owned()), "{list}");
    let one = format!("/api/admin/sessions/{session}");
    let shown = platform.hub.call("GET", &one).bearer(&tenant(&home.id)).expect(200);
    assert_eq!((&shown["orchestratorId"], &shown["status"]), (&json!(orchestrator.id), &json!("active")));
    platform.hub.call("DELETE", &one).bearer(&tenant(&home.id)).expect(200);
    assert_eq!(daemon.expect_close().code, 4006);
    platform.hub.call("DELETE", &one).operator().refused(404, "SESSION_NOT_FOUND");
    let refresh = json!({ "refreshToken": login["refreshToken"] });
    assert_eq!(platform.hub.call("POST", "/api/daemon/auth/refresh").json(&refresh).send().status, 401);
}

fn a_queue_is_looked_into_and_emptied(stand: Stand) {
    let platform = stand.start();
    let identity = Identity::new();
    let events = Event::burst(&identity, 5);
    publisher::post(&platform.hub, &events);
    let queue = format!("/api/admin/orchestrators/{}/queue", identity.orchestrator);
    let expected: Vec<String> = events.iter().map(|event| event.id().to_owned()).collect();
    assert_eq!(walk(&platform.hub, &queue, 2), expected, "oldest first");
    let page = platform.hub.call("GET", &format!("{queue}?limit=1")).operator().expect(200);
    let first = &page["items"][0];
    assert_eq!((&first["attempts"], &first["event"]["payload"]["number"]), (&json!(0), &json!(0)), "{page}");
    platform.hub.call("GET", &format!("{queue}?cursor=x")).operator().refused(400, "VALIDATION_ERROR");

    let books = || platform.hub.call("GET", &format!("{queue}/ledger")).operator().expect(200);
    assert_eq!((&books()["accepted"], &books()["queued"]), (&json!(5), &json!(5)));
    let purged = platform.hub.call("DELETE", &queue).operator().expect(200);
    assert_eq!(purged, json!({ "success": true, "purged": 5 }));
    assert!(walk(&platform.hub, &queue, 9).is_empty());
    assert_eq!((&books()["queued"], &books()["dropped"]), (&json!(0), &json!(5)), "the books balance");
    assert_eq!(platform.hub.call("DELETE", &queue).operator().expect(200)["purged"], 0);
}

fn a_broadcast_reaches_everybody_it_is_for(stand: Stand) {
    let platform = stand.start();
    let (home, elsewhere) = (platform.organization(), platform.organization());
    let (here, away, foreign) = (home.orchestrator(), home.orchestrator(), elsewhere.orchestrator());
    let listening = |identity: &Identity| {
        let mut daemon = Daemon::connect(&platform.hub, identity);
        daemon.subscribe(&["system.*"]);
        daemon
    };
    let mut own = listening(&daemon_of(&here));
    let mut other = listening(&daemon_of(&foreign));
    let mut unknown = listening(&Identity::new());
    let send = |body: Value| platform.hub.call("POST", "/api/admin/broadcast").json(&body);

    let body = json!({ "type": "system.maintenance", "data": { "minutes": 5 }, "requiresAck": true });
    let sent = send(body).bearer(&tenant(&home.id)).expect(200);
    assert_eq!(sent["orchestrators"], 2, "{sent}");
    let event = own.take_event();
    assert_eq!((&event["eventType"], &event["data"]["minutes"]), (&json!("system.maintenance"), &json!(5)));
    assert_eq!(event["data"]["broadcastId"], sent["id"]);
    assert!(other.roundtrip().is_empty() && unknown.roundtrip().is_empty(), "a tenant reaches its own");
    let waits = walk(&platform.hub, &format!("/api/admin/orchestrators/{}/queue", away.id), 9);
    assert_eq!(waits, [format!("{}_{}", sent["id"].as_str().unwrap(), away.id)]);

    let all = send(json!({ "type": "system.notice" })).operator().expect(200);
    assert_eq!(all["orchestrators"], 4, "those without an account too, while they are there: {all}");
    for daemon in [&mut own, &mut other, &mut unknown] {
        assert_eq!(daemon.next_event()["eventType"], "system.notice");
    }
    let one = send(json!({ "type": "system.notice", "organizationId": elsewhere.id })).operator().expect(200);
    assert_eq!(one["orchestrators"], 1, "{one}");
    assert_eq!(other.next_event()["eventType"], "system.notice");
    assert!(own.roundtrip().is_empty() && unknown.roundtrip().is_empty());

    for wrong in ["message.received", "system.", "system", "system.two words"] {
        send(json!({ "type": wrong })).operator().refused(400, "VALIDATION_ERROR");
    }
    let heavy = json!({ "type": "system.notice", "data": { "much": "x".repeat(17_000) } });
    send(heavy).operator().refused(400, "VALIDATION_ERROR");
}

fn a_service_writes_in_the_name_of_a_user(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let (reader, stranger) = (home.orchestrator().in_channel(), home.orchestrator());
    let mut daemon = Daemon::connect(&platform.hub, &daemon_of(&reader));
    daemon.subscribe(&["message.*"]);
    let body = |author: &str| json!({ "channelId": home.channel, "authorId": author, "content": "Hello" });
    let send = |body: &Value| platform.hub.call("POST", "/api/messages").json(body);
    let sent = send(&body(&stranger.user)).operator().expect(200);
    assert_eq!(daemon.take_event()["data"]["messageId"], sent["messageId"]);

    let token = tenant(&home.id);
    send(&body(&stranger.user)).bearer(&token).refused(403, "CHANNEL_ACCESS_DENIED");
    home.admit(&stranger.user, &home.channel);
    let sent = send(&body(&stranger.user)).bearer(&token).expect(200);
    assert_eq!(daemon.take_event()["data"]["messageId"], sent["messageId"]);
    send(&body("nobody")).operator().refused(400, "VALIDATION_ERROR");
    send(&json!({ "channelId": "nowhere", "authorId": stranger.user, "content": "x" }))
        .operator()
        .refused(404, "CHANNEL_NOT_FOUND");
}
