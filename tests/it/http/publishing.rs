//! `POST /api/events`: each event gets its verdict.

use serde_json::{Value, json};

use crate::support::{
    event::Event,
    http,
    hub::Hub,
    identity::Identity,
    in_both_modes,
    publisher::{post_json, post_text, statuses},
    redis::RedisServer,
    world::Mode,
};

in_both_modes! {
    one_event_may_be_sent_alone_or_in_a_list,
    each_event_is_told_in_order_what_became_of_it,
    one_bad_event_does_not_spoil_the_others,
    what_is_no_publish_is_refused_as_a_whole,
    keys_that_nobody_knows_are_ignored,
    nobody_publishes_without_the_key,
}

fn one_event_may_be_sent_alone_or_in_a_list(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let (alone, listed) = (Event::to(&identity), Event::to(&identity));
    for (body, event) in [(alone.json().clone(), &alone), (json!([listed.json()]), &listed)] {
        let response = post_json(&world.hub, &body);
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(statuses(&response), ["delivered"]);
        assert_eq!(daemon.take_event()["eventId"], event.id());
    }
}

fn each_event_is_told_in_order_what_became_of_it(mode: Mode) {
    let world = mode.start();
    let (here, absent) = (Identity::new(), Identity::new());
    let mut daemon = world.subscriber(&here);
    let (delivered, queued) = (Event::to(&here), Event::to(&absent));
    let nameless = Event::to(&here).set("id", Value::Null);
    let body = json!([delivered.json(), queued.json(), nameless.json(), queued.json()]);
    let response = post_json(&world.hub, &body);
    assert_eq!(statuses(&response), ["delivered", "queued", "rejected", "duplicate"], "{response:?}");
    daemon.take_event();
    world.wait_until_stored(&mut daemon);

    let response = post_json(&world.hub, &json!([queued.json(), delivered.json()]));
    assert_eq!(statuses(&response), ["duplicate", "duplicate"], "{response:?}");
}

fn one_bad_event_does_not_spoil_the_others(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let good = Event::to(&identity);
    let bad = [
        json!(7),
        json!({}),
        Event::to(&identity).set("type", "two words").json().clone(),
        Event::to(&identity).set("orchestratorId", Value::Null).json().clone(),
        Event::to(&identity).set("timestamp", "yesterday").json().clone(),
        Event::to(&identity).set("payload", "text").json().clone(),
    ];
    let count = bad.len();
    let body: Vec<_> = bad.into_iter().chain([good.json().clone()]).collect();
    let response = post_json(&world.hub, &json!(body));
    let statuses = statuses(&response);
    assert!(statuses[..count].iter().all(|status| status == "rejected"), "{response:?}");
    assert_eq!(statuses[count..], ["delivered"], "{response:?}");
    assert_eq!(daemon.take_event()["eventId"], good.id());
}

fn what_is_no_publish_is_refused_as_a_whole(mode: Mode) {
    let world = mode.start();
    for body in ["", "{", "7", "\"text\"", "[{]"] {
        post_text(&world.hub, body).assert_json_error(400);
    }
    let identity = Identity::new();
    let too_many: Vec<_> = Event::burst(&identity, 1001).iter().map(|event| event.json().clone()).collect();
    let response = post_json(&world.hub, &json!(too_many));
    assert!(matches!(response.status, 400 | 413), "{response:?}");
    let mut daemon = world.subscriber(&identity);
    assert!(world.further_events(&mut daemon).is_empty(), "and nothing of it was taken");
}

fn keys_that_nobody_knows_are_ignored(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let event = Event::to(&identity).set("futureField", json!({ "deep": [1, 2] }));
    assert_eq!(statuses(&post_json(&world.hub, event.json())), ["delivered"]);
    assert_eq!(daemon.take_event()["eventId"], event.id());
}

fn nobody_publishes_without_the_key(mode: Mode) {
    let world = mode.start();
    let body = Event::to(&Identity::new()).json().to_string();
    let url = world.hub.url("/api/events");
    http::post(&url, &[], &body).assert_json_error(401);
    http::post(&url, &[("X-API-Key", "not the key")], &body).assert_json_error(401);
    http::post(&url, &[("X-API-Key", "")], &body).assert_json_error(401);
}

#[test]
fn without_a_configured_key_publishing_stays_closed() {
    let redis = RedisServer::start();
    let hub = Hub::setup().redis(&redis).without_env("ADMIN_API_KEY").start();
    let event = Event::to(&Identity::new());
    post_json(&hub, event.json()).assert_json_error(503);
}
