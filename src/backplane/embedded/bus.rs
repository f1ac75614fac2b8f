//! The bus of a hub that is alone: nothing is ever lost on it, and nobody else is there.

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::EmbeddedBackplane;
use crate::{
    backplane::{
        BackplaneError, Result,
        bus::{BUS_CAPACITY, BusMessage, EventBus, NodeCommand},
    },
    domain::ids::{ChannelId, NodeId},
};

/// Where messages to each name go. Holding the sending end is also what keeps a stream open.
#[derive(Debug, Default)]
pub(super) struct Inboxes(Mutex<Vec<(NodeId, mpsc::Sender<BusMessage>)>>);

impl Inboxes {
    fn open(&self, node: &NodeId) -> mpsc::Receiver<BusMessage> {
        let (inbox, messages) = mpsc::channel(BUS_CAPACITY);
        // The first message of a new channel always fits.
        let _ = inbox.try_send(BusMessage::Restored);
        let mut inboxes = self.0.lock();
        inboxes.retain(|(_, inbox)| !inbox.is_closed());
        inboxes.push((node.clone(), inbox));
        messages
    }

    /// Does not wait for room: the reader itself may be the one who sends.
    fn send(&self, node: &NodeId, message: &BusMessage) -> Result<()> {
        self.send_where(message, |name| name == node)
    }

    fn send_all(&self, message: &BusMessage) -> Result<()> {
        self.send_where(message, |_| true)
    }

    fn send_where(&self, message: &BusMessage, wanted: impl Fn(&NodeId) -> bool) -> Result<()> {
        for (name, inbox) in self.0.lock().iter().filter(|(name, _)| wanted(name)) {
            if let Err(mpsc::error::TrySendError::Full(_)) = inbox.try_send(message.clone()) {
                return Err(BackplaneError::Unavailable(format!("the inbox of {name} is full")));
            }
        }
        Ok(())
    }
}

impl EventBus for EmbeddedBackplane {
    async fn publish(&self, _: &Bytes) -> Result<bool> {
        std::future::ready(Ok(false)).await
    }

    async fn forward(&self, _origin: &NodeId, _bodies: &[Bytes]) -> Result<()> {
        std::future::ready(Ok(())).await
    }

    /// There are no other hubs.
    async fn greet(&self, _node: &NodeId) -> Result<()> {
        std::future::ready(Ok(())).await
    }

    async fn command(&self, node: &NodeId, command: &NodeCommand) -> Result<()> {
        std::future::ready(self.inboxes.send(node, &BusMessage::Command(command.clone()))).await
    }

    /// Every name that is listened to here is this hub.
    async fn command_all(&self, command: &NodeCommand) -> Result<()> {
        std::future::ready(self.inboxes.send_all(&BusMessage::Command(command.clone()))).await
    }

    /// Other programs listen on Redis only, so there is nobody to tell.
    async fn announce_message(&self, _channel: &ChannelId, _json: &str) -> Result<()> {
        std::future::ready(Ok(())).await
    }

    fn subscribe(&self, node: &NodeId) -> mpsc::Receiver<BusMessage> {
        self.inboxes.open(node)
    }
}
