//! Signed events, and organizations that want them.

use chrono::Utc;
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;

use super::{
    event::Event, hub::Hub, identity::Identity, metrics, platform::Platform, publisher::post,
    redis::RedisServer, socket::Daemon,
};

/// A key as the hub gave it away.
pub(crate) struct Key {
    /// Its name.
    pub(crate) kid: String,
    /// Its secret.
    pub(crate) secret: String,
}

impl Key {
    /// A new one of an organization.
    pub(crate) fn of(platform: &Platform, organization: &str) -> Self {
        let path = format!("/api/admin/organizations/{organization}/ingress-keys");
        let made = platform.hub.call("POST", &path).operator().expect(201);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { kid: text("kid"), secret: text("secret") }
    }

    /// A signature that says when it was made.
    pub(crate) fn sign_at(&self, event: &str, millis: i64) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(format!("neolith-hub-ingress-v1\n{millis}\n{event}").as_bytes());
        format!("t={millis},v1={}", hex::encode(mac.finalize().into_bytes()))
    }

    /// A signature made now.
    pub(crate) fn sign(&self, event: &str) -> String {
        self.sign_at(event, Utc::now().timestamp_millis())
    }

    /// A signed event for where there is no other place for a signature.
    pub(crate) fn wrap(&self, event: &str) -> String {
        format!(r#"{{"kid":"{}","sig":"{}","event":{event}}}"#, self.kid, self.sign(event))
    }
}

/// Tells the hub what an organization wants.
pub(crate) fn set_policy(platform: &Platform, organization: &str, policy: &str) {
    let path = format!("/api/admin/organizations/{organization}");
    let body = json!({ "ingressPolicy": policy });
    platform.hub.call("PATCH", &path).operator().json(&body).expect(200);
}

/// How often a hub has found something wrong with a signature.
pub(crate) fn faults(hub: &Hub, reason: &str) -> f64 {
    metrics::total(hub, "hub_ingress_signature_faults_total", &[&format!("reason=\"{reason}\"")])
}

/// Asserts that an event which the operator publishes now is the next one that arrives.
#[track_caller]
pub(crate) fn assert_nothing_but(hub: &Hub, daemon: &mut Daemon, identity: &Identity) {
    let marker = Event::to(identity);
    post(hub, [&marker]);
    assert_eq!(daemon.take_event()["eventId"], marker.id());
}

/// Puts text on the channel of events.
pub(crate) fn shout(redis: &RedisServer, message: &str) {
    assert!(redis.run::<usize>(&["PUBLISH", "daemon:events", message]) > 0);
}
