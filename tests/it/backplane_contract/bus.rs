//! What travels without being kept.

use std::time::Duration;

use neolith_hub::backplane::bus::{BusMessage, EventBus, NodeCommand};
use tokio::{
    sync::mpsc::{Receiver, error::TryRecvError},
    time::timeout,
};

use super::{Harness, fixtures::*};

async fn next(messages: &mut Receiver<BusMessage>) -> BusMessage {
    let message = timeout(Duration::from_secs(10), messages.recv()).await.expect("a message in time");
    message.expect("the stream ends only with its receiver")
}

pub(crate) async fn a_subscription_begins_restored_and_stays_open<H: Harness>(
    _: &H,
    backplane: &H::Backplane,
) {
    let mut messages = backplane.subscribe(&node("node_1"));
    assert!(matches!(next(&mut messages).await, BusMessage::Restored));
    assert!(matches!(messages.try_recv(), Err(TryRecvError::Empty)), "open, and silent");
}

pub(crate) async fn a_command_reaches_the_hub_it_names<H: Harness>(_: &H, backplane: &H::Backplane) {
    let (mut here, mut there) = (backplane.subscribe(&node("node_1")), backplane.subscribe(&node("node_2")));
    assert!(matches!(next(&mut here).await, BusMessage::Restored));
    assert!(matches!(next(&mut there).await, BusMessage::Restored));
    let evict = |connection: &str| NodeCommand::Evict { connection: connection.to_owned() };
    backplane.command(&node("node_2"), &evict("theirs")).await.expect("sent");
    backplane.command(&node("node_1"), &evict("ours")).await.expect("sent");
    for (messages, expected) in [(&mut here, evict("ours")), (&mut there, evict("theirs"))] {
        match next(messages).await {
            BusMessage::Command(command) => assert_eq!(command, expected),
            other => panic!("not a command: {other:?}"),
        }
    }
}

pub(crate) async fn a_command_to_all_reaches_every_hub<H: Harness>(_: &H, backplane: &H::Backplane) {
    let (mut here, mut there) = (backplane.subscribe(&node("node_1")), backplane.subscribe(&node("node_2")));
    assert!(matches!(next(&mut here).await, BusMessage::Restored));
    assert!(matches!(next(&mut there).await, BusMessage::Restored));
    let commands = [
        NodeCommand::EndSession { session: session("s1") },
        NodeCommand::EndToken { jti: "t1".to_owned() },
        NodeCommand::EndOrchestrator { orchestrator: orchestrator("vp_1"), issued_before_ms: 17 },
        NodeCommand::Disconnect { connection: "c1".to_owned(), reason: "why not".to_owned() },
    ];
    for expected in commands {
        backplane.command_all(&expected).await.expect("sent");
        for messages in [&mut here, &mut there] {
            match next(messages).await {
                BusMessage::Command(command) => assert_eq!(command, expected),
                other => panic!("not a command: {other:?}"),
            }
        }
    }
}
