//! Publish and subscribe through Redis.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use rand::RngExt as _;
use redis::{AsyncCommands as _, Msg, aio::PubSub};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::{CONNECTION_TIMEOUT, RedisBackplane, keys, unavailable};
use crate::{
    backplane::{
        BackplaneError, Result,
        bus::{BUS_CAPACITY, BusMessage, EventBus, NodeCommand},
    },
    domain::{
        envelope::Context,
        ids::{ChannelId, DaemonId, NodeId, OrganizationId},
    },
};

/// How often the subscription is asked for a sign of life.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// How long that answer may take.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause between two attempts to subscribe.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// An event between hubs, with the hub that needs it no more.
#[derive(Serialize, Deserialize)]
struct Forwarded<'a> {
    origin: String,
    #[serde(borrow)]
    event: &'a RawValue,
}

impl EventBus for RedisBackplane {
    async fn publish(&self, body: &Bytes) -> Result<bool> {
        let publish = self.commands().publish(keys::EVENTS, body.as_ref()).await;
        publish.map(|()| true).map_err(|error| self.failed(error))
    }

    async fn forward(&self, origin: &NodeId, bodies: &[Bytes]) -> Result<()> {
        let broken = |error: serde_json::Error| BackplaneError::Corrupt(error.to_string());
        let mut pipe = redis::pipe();
        for body in bodies {
            let event: &RawValue = serde_json::from_slice(body).map_err(broken)?;
            let forwarded =
                serde_json::to_vec(&Forwarded { origin: origin.to_string(), event }).map_err(broken)?;
            pipe.publish(keys::FORWARDED, forwarded).ignore();
        }
        self.run_all(&pipe).await
    }

    async fn greet(&self, node: &NodeId) -> Result<()> {
        self.commands().publish(keys::GREETINGS, node.as_str()).await.map_err(|error| self.failed(error))
    }

    async fn command(&self, node: &NodeId, command: &NodeCommand) -> Result<()> {
        let text =
            serde_json::to_string(command).map_err(|error| BackplaneError::Corrupt(error.to_string()))?;
        self.commands().publish(keys::node_channel(node), text).await.map_err(|error| self.failed(error))
    }

    async fn command_all(&self, command: &NodeCommand) -> Result<()> {
        let text =
            serde_json::to_string(command).map_err(|error| BackplaneError::Corrupt(error.to_string()))?;
        self.commands().publish(keys::COMMANDS, text).await.map_err(|error| self.failed(error))
    }

    async fn announce_message(&self, channel: &ChannelId, json: &str) -> Result<()> {
        let channel = keys::channel_messages(channel);
        self.commands().publish(channel, json).await.map_err(|error| self.failed(error))
    }

    fn subscribe(&self, node: &NodeId) -> mpsc::Receiver<BusMessage> {
        let (sender, receiver) = mpsc::channel(BUS_CAPACITY);
        let subscriber = Subscriber { redis: self.clone(), node: node.clone(), sender };
        tokio::spawn(subscriber.run());
        receiver
    }
}

/// The task that keeps a hub subscribed; it ends when nobody receives any more.
struct Subscriber {
    redis: RedisBackplane,
    node: NodeId,
    sender: mpsc::Sender<BusMessage>,
}

impl Subscriber {
    async fn run(self) {
        let mut backoff = Duration::from_millis(50);
        let mut lost = false;
        while !self.sender.is_closed() {
            match tokio::time::timeout(CONNECTION_TIMEOUT, self.subscribe()).await {
                Ok(Ok(subscription)) => {
                    log::info!(node = self.node.as_str(); "subscribed to the event channels");
                    backoff = Duration::from_millis(50);
                    if self.sender.send(BusMessage::Restored).await.is_err() {
                        return;
                    }
                    self.forward_until_lost(subscription).await;
                    lost = false;
                }
                Ok(Err(error)) => log::debug!(error:% = error; "cannot subscribe yet"),
                Err(_) => log::debug!("cannot subscribe yet: no answer"),
            }
            if !lost {
                lost = true;
                log::warn!(node = self.node.as_str(); "the event channels are lost; subscribing again");
                let _ = self.sender.send(BusMessage::Lost).await;
            }
            let jitter = rand::rng().random_range(0.5..1.0);
            tokio::time::sleep(backoff.mul_f64(jitter)).await;
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    async fn subscribe(&self) -> Result<PubSub> {
        let mut subscription = self.redis.client.get_async_pubsub().await.map_err(unavailable)?;
        let node_channel = keys::node_channel(&self.node);
        let channels =
            [keys::EVENTS, keys::FORWARDED, keys::GREETINGS, keys::COMMANDS, node_channel.as_str()];
        subscription.subscribe(&channels[..]).await.map_err(unavailable)?;
        let patterns = [keys::ORGANIZATION_EVENTS, keys::DAEMON_EVENTS];
        subscription.psubscribe(&patterns[..]).await.map_err(unavailable)?;
        Ok(subscription)
    }

    /// Passes messages on until the connection ends, or does not answer a ping.
    async fn forward_until_lost(&self, subscription: PubSub) {
        let (mut sink, mut messages) = subscription.split();
        let mut heard = true;
        let mut check = tokio::time::interval(PING_INTERVAL);
        check.reset();
        loop {
            tokio::select! {
                message = messages.next() => {
                    let Some(message) = message else { return };
                    heard = true;
                    if let Some(message) = self.translate(&message)
                        && self.sender.send(message).await.is_err()
                    {
                        return;
                    }
                }
                _ = check.tick() => {
                    if !std::mem::take(&mut heard) {
                        let pong = tokio::time::timeout(PING_TIMEOUT, sink.ping::<redis::Value>()).await;
                        if !matches!(pong, Ok(Ok(_))) {
                            return;
                        }
                    }
                }
                () = self.sender.closed() => return,
            }
        }
    }

    fn translate(&self, message: &Msg) -> Option<BusMessage> {
        let channel = message.get_channel_name();
        let body = Bytes::copy_from_slice(message.get_payload_bytes());
        if channel == keys::EVENTS {
            return Some(BusMessage::Published { context: Context::default(), body });
        }
        if channel == keys::FORWARDED {
            let forwarded: Forwarded<'_> = serde_json::from_slice(&body).ok()?;
            let foreign = forwarded.origin != self.node.as_str();
            return foreign.then(|| BusMessage::Forwarded(body.slice_ref(forwarded.event.get().as_bytes())));
        }
        if channel == keys::GREETINGS {
            return (body != self.node.as_str()).then_some(BusMessage::Peer);
        }
        if channel == keys::COMMANDS || channel == keys::node_channel(&self.node) {
            return serde_json::from_slice(&body).ok().map(BusMessage::Command);
        }
        let context = published_context(channel)?;
        Some(BusMessage::Published { context, body })
    }
}

/// What the name of a channel says about the events on it.
fn published_context(channel: &str) -> Option<Context> {
    if let Some(organization) = channel.strip_prefix("daemon:events:") {
        let organization = OrganizationId::parse(organization).ok()?;
        return Some(Context { organization: Some(organization), ..Context::default() });
    }
    let daemon = channel.strip_prefix("daemon:")?.strip_suffix(":events")?;
    let daemon = DaemonId::parse(daemon).ok()?;
    Some(Context { daemon: Some(daemon), ..Context::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_names_an_organization_or_a_daemon() {
        let organization = published_context("daemon:events:org_1").expect("a context");
        assert_eq!(organization.organization.expect("named").as_str(), "org_1");
        let daemon = published_context("daemon:build-7:events").expect("a context");
        assert_eq!(daemon.daemon.expect("named").as_str(), "build-7");
        assert!(published_context("daemon:events:a b").is_none());
    }
}
