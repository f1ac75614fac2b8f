//! `Idempotency-Key`: a publisher that did not hear the answer asks again.

use serde_json::Value;

use crate::support::{
    event::Event,
    http::Response,
    hub::Hub,
    identity::{Identity, unique},
    in_both_modes,
    world::Mode,
};

in_both_modes! {
    the_same_request_gets_the_same_answer,
    a_key_belongs_to_one_request,
    what_took_no_effect_is_not_remembered,
    a_key_must_be_one_printable_text,
    a_hub_that_was_killed_knows_what_it_answered,
}

fn publish(hub: &Hub, key: &str, body: &Value) -> Response {
    hub.call("POST", "/api/events").operator().header("idempotency-key", key).json(body).send()
}

fn is_replayed(response: &Response) -> bool {
    response.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

fn the_same_request_gets_the_same_answer(mode: Mode) {
    let world = mode.start();
    let identity = Identity::new();
    let mut daemon = world.subscriber(&identity);
    let (event, key) = (Event::to(&identity), unique("key"));
    let first = publish(&world.hub, &key, event.json());
    assert_eq!(first.json()["results"][0]["status"], "delivered");
    assert!(!is_replayed(&first), "{first:?}");
    let again = publish(&world.hub, &key, event.json());
    assert_eq!((again.status, &again.body), (200, &first.body), "not `duplicate`");
    assert!(is_replayed(&again), "{again:?}");
    assert_eq!(daemon.take_event()["eventId"], event.id());
    assert!(world.further_events(&mut daemon).is_empty());
}

fn a_key_belongs_to_one_request(mode: Mode) {
    let world = mode.start();
    let key = unique("key");
    publish(&world.hub, &key, Event::to(&Identity::new()).json());
    let other = Event::to(&Identity::new());
    let call = || world.hub.call("POST", "/api/events").operator().header("idempotency-key", &key);
    call().json(other.json()).refused(422, "IDEMPOTENCY_KEY_REUSED");
    let path = "/api/orchestrators/vp_1/messages";
    let message = serde_json::json!({ "id": "m", "channelId": "c", "authorId": "u", "content": "hi" });
    let routing = world.hub.call("POST", path).operator().header("idempotency-key", &key);
    routing.json(&message).refused(422, "IDEMPOTENCY_KEY_REUSED");
}

fn what_took_no_effect_is_not_remembered(mode: Mode) {
    let world = mode.start();
    let key = unique("key");
    let call = || world.hub.call("POST", "/api/events").operator().header("idempotency-key", &key);
    call().text("no event").refused(400, "VALIDATION_ERROR");
    let event = Event::to(&Identity::new());
    assert_eq!(publish(&world.hub, &key, event.json()).json()["results"][0]["status"], "queued");
}

fn a_key_must_be_one_printable_text(mode: Mode) {
    let world = mode.start();
    for key in ["x".repeat(256), "ä".to_owned(), String::new()] {
        let call = world.hub.call("POST", "/api/events").operator().header("idempotency-key", &key);
        call.json(Event::to(&Identity::new()).json()).refused(400, "VALIDATION_ERROR");
    }
    let longest = "x".repeat(255);
    assert_eq!(publish(&world.hub, &longest, Event::to(&Identity::new()).json()).status, 200);
}

fn a_hub_that_was_killed_knows_what_it_answered(mode: Mode) {
    let mut world = mode.start();
    let (event, key) = (Event::to(&Identity::new()), unique("key"));
    let first = publish(&world.hub, &key, event.json());
    world.hub.restart();
    let again = publish(&world.hub, &key, event.json());
    assert_eq!(again.body, first.body);
    assert!(is_replayed(&again));
}
