//! Good events and bad ones: the hub and its schema agree about each.

use serde_json::{Value, json};

use super::{schema, validator};
use crate::support::{
    event::Event,
    identity::{Identity, unique},
    in_both_modes,
    publisher::{post_json, statuses},
    socket::Daemon,
    world::Mode,
};

in_both_modes! {
    the_hub_takes_what_its_schema_describes_and_nothing_else,
}

#[rustfmt::skip]
fn changes() -> Vec<(bool, Value)> {
    vec![
        (true, json!({})),
        (true, json!({ "id": null, "eventId": unique("event") })),
        (true, json!({ "id": "", "eventId": unique("event") })),
        (true, json!({ "type": null, "eventType": "mention" })),
        (true, json!({ "payload": null, "data": { "a": 1 } })),
        (true, json!({ "payload": {}, "data": 7 })),
        (true, json!({ "payload": null })),
        (true, json!({ "timestamp": null, "createdAt": 1_795_233_600_000_u64 })),
        (true, json!({ "timestamp": "2026-11-21T04:00:00.000+01:00", "createdAt": "whenever" })),
        (true, json!({ "requiresAck": null, "priority": 1.5, "workspaceId": "a b", "more": [] })),
        (true, json!({ "organizationId": "org_1", "channelId": "{c}:1" })),
        (false, json!({ "id": null })),
        (false, json!({ "id": "a b" })),
        (false, json!({ "id": "x".repeat(257) })),
        (false, json!({ "id": 7 })),
        (false, json!({ "type": null })),
        (false, json!({ "type": "two words" })),
        (false, json!({ "type": "x".repeat(65) })),
        (false, json!({ "orchestratorId": null })),
        (false, json!({ "orchestratorId": "" })),
        (false, json!({ "orchestratorId": "vp:1" })),
        (false, json!({ "daemonId": "{d}" })),
        (false, json!({ "organizationId": "org:1" })),
        (false, json!({ "channelId": "a b" })),
        (false, json!({ "workspaceId": 7 })),
        (false, json!({ "payload": "text" })),
        (false, json!({ "payload": null, "data": [] })),
        (false, json!({ "timestamp": "yesterday" })),
        (false, json!({ "timestamp": -1 })),
        (false, json!({ "timestamp": null, "createdAt": "yesterday" })),
        (false, json!({ "timestamp": true })),
        (false, json!({ "timestamp": 1, "createdAt": [] })),
        (false, json!({ "requiresAck": "yes" })),
        (false, json!({ "priority": "1" })),
    ]
}

fn the_hub_takes_what_its_schema_describes_and_nothing_else(mode: Mode) {
    let world = mode.start();
    let validator = validator(&schema(&world.hub, "event"));
    let identity = Identity::new();
    let mut table = Vec::new();
    for (good, change) in changes() {
        let mut event = Event::to(&identity).json().clone();
        for (name, value) in change.as_object().unwrap() {
            event[name] = value.clone();
        }
        table.push((good, event));
    }
    // A daemon alone says enough when somebody owns it.
    let owner = Identity::new();
    let _daemon = Daemon::connect(&world.hub, &owner);
    table.push((true, json!({ "id": unique("event"), "type": "a.b", "daemonId": owner.daemon })));
    table.push((true, json!({ "eventId": unique("event"), "eventType": "a.b", "vpId": owner.orchestrator })));
    table.extend([json!(null), json!(7), json!({}), json!("event")].map(|event| (false, event)));

    let events: Vec<_> = table.iter().map(|(_, event)| event).collect();
    let response = post_json(&world.hub, &json!(events));
    let statuses = statuses(&response);
    assert_eq!(statuses.len(), table.len(), "{response:?}");
    for ((good, event), status) in table.iter().zip(statuses) {
        assert_eq!(validator.is_valid(event), *good, "the schema is wrong about {event}");
        assert_eq!(status != "rejected", *good, "{event}: {status}");
    }
}
