//! A hub with all it needs, in the two modes in which it makes the same promises.

use serde_json::json;

use super::{
    event::{Event, MESSAGE},
    eventually::eventually,
    hub::Hub,
    identity::Identity,
    metrics, publisher,
    redis::RedisServer,
    socket::Daemon,
};

/// Which backplane the hub works on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// None but itself.
    Embedded,
    /// A Redis of its own.
    Redis,
}

impl Mode {
    /// A ready hub with default settings.
    pub(crate) fn start(self) -> World {
        self.start_with(&[])
    }

    /// A ready hub with some settings of its own.
    pub(crate) fn start_with(self, environment: &[(&str, &str)]) -> World {
        let setup = Hub::setup().envs(environment);
        match self {
            Self::Embedded => World { hub: setup.start(), redis: None },
            Self::Redis => {
                let redis = RedisServer::start();
                World { hub: setup.redis(&redis).start(), redis: Some(redis) }
            }
        }
    }
}

/// A hub and its Redis, if it has one.
pub(crate) struct World {
    /// The hub.
    pub(crate) hub: Hub,
    redis: Option<RedisServer>,
}

impl World {
    /// The Redis of a world in [`Mode::Redis`].
    pub(crate) fn redis(&self) -> &RedisServer {
        self.redis.as_ref().unwrap()
    }

    /// Publishes the way that is usual in this mode: over Redis, or over HTTP without one.
    #[track_caller]
    pub(crate) fn publish(&self, event: &Event) {
        self.publish_all([event]);
    }

    /// Publishes several, in order.
    #[track_caller]
    pub(crate) fn publish_all<'a>(&self, events: impl IntoIterator<Item = &'a Event>) {
        match &self.redis {
            Some(redis) => publisher::publish(redis, events),
            None => publisher::post(&self.hub, events),
        }
    }

    /// The ids of the events that `daemon` still gets although nothing more was published. A marker
    /// of the lowest priority is sent after them, so that their absence needs no waiting.
    ///
    /// The daemon must be subscribed to messages.
    #[track_caller]
    pub(crate) fn further_events(&self, daemon: &mut Daemon) -> Vec<String> {
        let identity = daemon.identity().clone();
        let marker = Event::to(&identity).for_daemon(&identity.daemon).without_ack().set("priority", 0);
        self.publish(&marker);
        let mut further = Vec::new();
        loop {
            let event = daemon.next_event();
            if event["eventId"] == marker.id() {
                return further;
            }
            further.push(event["eventId"].as_str().unwrap().to_owned());
        }
    }

    /// Waits until everything that `daemon` has said, and everything that was sent to it, is durable:
    /// what is published over HTTP afterwards is confirmed only when it is stored itself.
    #[track_caller]
    pub(crate) fn wait_until_stored(&self, daemon: &mut Daemon) {
        daemon.roundtrip();
        publisher::post(&self.hub, [&Event::to(&Identity::new())]);
    }

    /// Waits until so many events are in the queues: what was published through Redis is on its way for
    /// a moment.
    #[track_caller]
    pub(crate) fn wait_until_queued(&self, count: u32) {
        let are_there = || metrics::total(&self.hub, "hub_queue_depth", &[]) >= f64::from(count);
        eventually(are_there, "the events are queued");
    }

    /// A daemon that wants messages, some of which may be waiting for it already.
    #[track_caller]
    pub(crate) fn come_online(&self, identity: &Identity) -> Daemon {
        let mut daemon = Daemon::connect(&self.hub, identity);
        daemon.send("subscribe", json!({ "eventTypes": [MESSAGE] }));
        daemon
    }

    /// A daemon that wants messages, none of which wait for it.
    #[track_caller]
    pub(crate) fn subscriber(&self, identity: &Identity) -> Daemon {
        let mut daemon = Daemon::connect(&self.hub, identity);
        daemon.subscribe(&[MESSAGE]);
        daemon
    }
}
