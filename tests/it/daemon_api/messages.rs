//! Writing messages, reading them, and what they do.

use serde_json::{Value, json};

use crate::support::{
    event::Event,
    eventually::eventually,
    identity::Identity,
    platform::{Orchestrator, Organization, Platform, Stand, on_both_stands},
    publisher,
};

const PATH: &str = "/api/daemon/messages";

#[track_caller]
fn post(platform: &Platform, token: &str, body: &Value) -> String {
    let answer = platform.hub.call("POST", PATH).bearer(token).json(body).expect(200);
    answer["messageId"].as_str().unwrap().to_owned()
}

fn read(platform: &Platform, token: &str, query: &str) -> Vec<Value> {
    let answer = platform.hub.call("GET", &format!("{PATH}?{query}")).bearer(token).expect(200);
    answer["messages"].as_array().unwrap().clone()
}

fn contents(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["content"].as_str().unwrap()).collect()
}

fn pair<'a>(organization: &'a Organization<'_>) -> [Orchestrator<'a>; 2] {
    [organization.orchestrator().in_channel(), organization.orchestrator().in_channel()]
}

/// A message reaches every other orchestrator in the channel, and its own author as `message.sent`.
fn a_message_becomes_events(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let [author, reader] = pair(&organization);
    let (mut author_daemon, mut reader_daemon) = (author.connect(), reader.connect());
    author_daemon.subscribe(&["*"]);
    reader_daemon.subscribe(&["*"]);

    let body = json!({ "channelId": organization.channel, "content": "hello", "metadata": { "a": 1 } });
    let id = post(&platform, &author.token(), &body);

    let sent = author_daemon.next_event();
    assert_eq!((&sent["eventType"], &sent["requiresAck"]), (&json!("message.sent"), &json!(false)));
    assert_eq!(sent["data"], json!({ "messageId": id, "channelId": organization.channel }));
    let received = reader_daemon.take_event();
    assert_eq!(received["eventType"], "message.received");
    assert_eq!((&received["requiresAck"], &received["priority"]), (&json!(true), &json!(1)));
    let data = &received["data"];
    assert_eq!((&data["messageId"], &data["content"]), (&json!(id), &json!("hello")));
    assert_eq!((&data["channelId"], &data["authorId"]), (&json!(organization.channel), &json!(author.user)));
    assert!(data["authorName"].is_string() && data["timestamp"].is_string(), "{data}");
    assert!(author_daemon.roundtrip().is_empty(), "the author does not receive its own message");
}

/// Who is away finds the message later.
fn a_message_waits_for_those_who_are_away(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let [author, reader] = pair(&organization);
    let body = json!({ "channelId": organization.channel, "content": "later" });
    let id = post(&platform, &author.token(), &body);
    let mut daemon = reader.connect();
    daemon.send("subscribe", json!({ "eventTypes": ["message.received"] }));
    assert_eq!(daemon.take_event()["data"]["messageId"], id.as_str());
}

/// A mention is an event of its own, by name, by id, or by metadata.
fn whoever_is_mentioned_is_told_so(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let [author, reader] = pair(&organization);
    let token = author.token();
    let mut daemon = reader.connect();
    daemon.subscribe(&["vp.mentioned"]);
    let channel = &organization.channel;
    post(&platform, &token, &json!({ "channelId": channel, "content": "nobody here" }));
    let mentions = [
        json!({ "channelId": channel, "content": format!("look, @{}!", reader.user) }),
        json!({ "channelId": channel, "content": format!("@Agent {} please", reader.id) }),
        json!({ "channelId": channel, "content": "you", "metadata": { "mentions": [reader.user] } }),
    ];
    for body in mentions {
        let id = post(&platform, &token, &body);
        let event = daemon.take_event();
        assert_eq!((&event["eventType"], &event["data"]["messageId"]), (&json!("vp.mentioned"), &json!(id)));
    }
}

/// Pages are exact: oldest first, keyset by message, never outside the channel.
fn messages_are_read_in_pages(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let author = organization.orchestrator().in_channel();
    let (token, channel) = (author.token(), &organization.channel);
    let write =
        |n: usize| post(&platform, &token, &json!({ "channelId": channel, "content": format!("m{n}") }));
    let ids: Vec<String> = (0..5).map(write).collect();

    let page = |query: &str| read(&platform, &token, &format!("channelId={channel}&{query}"));
    assert_eq!(contents(&page("")), ["m0", "m1", "m2", "m3", "m4"]);
    assert_eq!(contents(&page("limit=2")), ["m3", "m4"], "the newest");
    assert_eq!(contents(&page(&format!("limit=2&before={}", ids[3]))), ["m1", "m2"]);
    assert_eq!(contents(&page(&format!("limit=2&after={}", ids[0]))), ["m1", "m2"], "the oldest after it");
    assert_eq!(contents(&page(&format!("after={}&before={}", ids[0], ids[3]))), ["m1", "m2"]);
    assert_eq!(page("limit=-5").len(), 1, "clamped");
    assert_eq!(page("limit=100000").len(), 5);
    let nan = format!("{PATH}?channelId={channel}&limit=many");
    platform.hub.call("GET", &nan).bearer(&token).refused(400, "VALIDATION_ERROR");
    let first = &page("limit=1&after=")[0];
    assert_eq!(first["author"]["id"], author.user.as_str());
    assert_eq!(first["author"]["isOrchestrator"], true);
    for member in ["id", "type", "metadata", "createdAt", "updatedAt", "isEdited", "channelId"] {
        assert!(!first[member].is_null(), "{member}: {first}");
    }
    assert!(first["parentId"].is_null() && first["author"]["displayName"].is_null());
}

/// Answers stay in their channel; attachments are kept; nothing is unbounded.
fn what_is_posted_is_checked(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let author = organization.orchestrator().in_channel();
    let other = organization.channel("PUBLIC");
    organization.admit(&author.user, &other);
    let (token, channel) = (author.token(), &organization.channel);
    let refused = |body: Value| {
        let call = platform.hub.call("POST", PATH).bearer(&token).json(&body);
        call.refused(400, "VALIDATION_ERROR");
    };
    let parent = post(&platform, &token, &json!({ "channelId": channel, "content": "a" }));
    for name in ["threadId", "parentId"] {
        post(&platform, &token, &json!({ "channelId": channel, "content": "b", name: parent }));
        refused(json!({ "channelId": other, "content": "b", name: parent }));
        refused(json!({ "channelId": channel, "content": "b", name: "no-such-message" }));
    }
    refused(json!({ "channelId": channel, "content": "" }));
    refused(json!({ "channelId": channel, "content": "x".repeat(4001) }));
    refused(json!({ "channelId": channel, "content": 7 }));
    refused(json!({ "channelId": channel, "content": "a", "metadata": { "a": "x".repeat(20_000) } }));
    refused(json!({ "content": "a" }));
    post(&platform, &token, &json!({ "channelId": channel, "content": "x".repeat(4000) }));

    let attachments = json!([{ "type": "image", "url": "https://example.com/a.png" }]);
    post(&platform, &token, &json!({ "channelId": channel, "content": "c", "attachments": attachments }));
    let kept = read(&platform, &token, &format!("channelId={channel}&limit=1"));
    let reference = &kept[0]["metadata"]["attachmentRefs"][0];
    assert_eq!((&reference["name"], &reference["type"]), (&json!("attachment_0"), &json!("image")));
    assert!(reference["id"].as_str().unwrap().starts_with("att_"));
}

/// Only members read and write, and each needs its scope.
fn members_with_the_scope_only(stand: Stand) {
    let platform = stand.start();
    let (own, other) = (platform.organization(), platform.organization());
    let member = own.orchestrator().in_channel();
    let stranger = other.orchestrator().in_channel();
    let hub = &platform.hub;
    let query = format!("{PATH}?channelId={}", own.channel);
    let body = json!({ "channelId": own.channel, "content": "hello" });
    for token in [stranger.token(), own.orchestrator().token()] {
        hub.call("GET", &query).bearer(&token).refused(403, "CHANNEL_ACCESS_DENIED");
        hub.call("POST", PATH).bearer(&token).json(&body).refused(403, "CHANNEL_ACCESS_DENIED");
    }
    let reads = member.token_for(&["messages:read"]);
    hub.call("GET", &query).bearer(&reads).expect(200);
    // Before the body is looked at.
    hub.call("POST", PATH).bearer(&reads).text("{").refused(403, "INSUFFICIENT_SCOPE");
    let writes = member.token_for(&["messages:write"]);
    hub.call("GET", &query).bearer(&writes).refused(403, "INSUFFICIENT_SCOPE");
    hub.call("POST", PATH).bearer(&writes).json(&body).expect(200);
    hub.call("POST", PATH).bearer(&writes).text("{").refused(400, "VALIDATION_ERROR");
    hub.call("GET", PATH).bearer(&reads).refused(400, "VALIDATION_ERROR");
    hub.call("GET", &query).refused(401, "UNAUTHORIZED");
}

/// A hub that dies between writing a message down and announcing it announces it after its next start.
fn a_message_that_nobody_announced_is_announced_later(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let [author, reader] = pair(&organization);
    let new = neolith_hub::store::accounts::messages::NewMessage {
        author_id: author.user.clone(),
        channel_id: organization.channel.clone(),
        content: "left behind".to_owned(),
        parent_id: None,
        metadata: None,
    };
    let long_ago = neolith_hub::domain::clock::now().wall.minus(std::time::Duration::from_secs(60));
    let id = platform.database.post_message(new, long_ago).unwrap().id;
    let mut daemon = reader.connect();
    daemon.send("subscribe", json!({ "eventTypes": ["message.received"] }));
    assert_eq!(daemon.take_event()["data"]["messageId"], id.as_str());
    let announced = || {
        platform.database.unannounced(neolith_hub::domain::clock::now().wall, None, 10).unwrap().is_empty()
    };
    eventually(announced, "it is marked as announced");
}

/// A publisher that only knows the author's id, as the documented one does, is helped out.
fn the_name_of_an_author_is_filled_in(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let [author, reader] = pair(&organization);
    let mut daemon = reader.connect();
    daemon.subscribe(&["message.received"]);
    let to_reader = Identity::holding(&reader.id, String::new());
    let with_author = |payload: Value| Event::to(&to_reader).set("payload", payload);
    let events = [
        with_author(json!({ "authorId": author.user, "content": "1" })),
        with_author(json!({ "authorId": "somebody-else", "content": "2" })),
        with_author(json!({ "authorId": author.user, "authorName": "As published", "content": "3" })),
        with_author(json!({ "authorId": author.user, "content": "4" })),
    ];
    publisher::post(&platform.hub, &events);
    let name = json!(format!("Agent {}", author.id));
    for (content, expected) in
        [("1", name.clone()), ("2", Value::Null), ("3", json!("As published")), ("4", name)]
    {
        let data = daemon.take_event()["data"].take();
        assert_eq!((&data["content"], &data["authorName"]), (&json!(content), &expected), "{data}");
    }
}

on_both_stands!(
    the_name_of_an_author_is_filled_in,
    a_message_becomes_events,
    a_message_waits_for_those_who_are_away,
    whoever_is_mentioned_is_told_so,
    messages_are_read_in_pages,
    what_is_posted_is_checked,
    members_with_the_scope_only,
    a_message_that_nobody_announced_is_announced_later,
);

/// A queue that cannot be written does not make a message count as announced.
#[test]
fn a_message_waits_until_its_events_can_be_stored() {
    let platform = Stand::Servers.start();
    let organization = platform.organization();
    let [author, reader] = pair(&organization);
    let redis = platform.redis.as_ref().unwrap();
    let key = format!("daemon:events:{}:data", reader.id);
    redis.run::<()>(&["SET", &key, "junk"]);
    let body = json!({ "channelId": organization.channel, "content": "not lost" });
    let id = post(&platform, &author.token(), &body);
    let later = || neolith_hub::domain::clock::now().wall.plus(std::time::Duration::from_secs(60));
    let refused = || platform.hub.log().contains("announced later");
    eventually(refused, "the hub says that the message is announced later");
    assert_eq!(platform.database.unannounced(later(), None, 10).unwrap().len(), 1);
    redis.run::<()>(&["DEL", &key]);
    let mut daemon = reader.connect();
    daemon.send("subscribe", json!({ "eventTypes": ["message.received"] }));
    eventually(|| platform.database.unannounced(later(), None, 10).unwrap().is_empty(), "it is announced");
    assert_eq!(daemon.take_event()["data"]["messageId"], id.as_str());
}
