//! The client against a hub that is played by the test.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

use super::*;

type Socket = WebSocketStream<TcpStream>;

async fn said(socket: &mut Socket) -> Value {
    let message = socket.next().await.expect("a message").expect("no error");
    serde_json::from_str(message.to_text().expect("text")).expect("JSON")
}

async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.expect("sent");
}

/// Accepts a client up to its subscription.
async fn welcome(listener: &TcpListener) -> Socket {
    let (stream, _) = listener.accept().await.expect("a connection");
    let mut socket = accept_async(stream).await.expect("a handshake");
    let auth = said(&mut socket).await;
    assert_eq!((&auth["type"], &auth["payload"]["daemonId"]), (&"auth".into(), &"d1".into()));
    say(&mut socket, r#"{"type":"auth_success","payload":{"sessionId":"s","heartbeatIntervalMs":60}}"#).await;
    assert_eq!(said(&mut socket).await["payload"]["eventTypes"], serde_json::json!(["*"]));
    socket
}

#[derive(Default)]
struct Recorder {
    events: Vec<String>,
    stop: Option<oneshot::Sender<()>>,
    stop_after: usize,
}

impl Handler for Recorder {
    async fn event(&mut self, event: ReceivedEvent) -> Handled {
        let refused = event.event_id.starts_with("bad");
        self.events.push(event.event_id);
        if self.events.len() == self.stop_after {
            let _gone = self.stop.take().map(|stop| stop.send(()));
        }
        if refused { Handled::Refused } else { Handled::Done }
    }
}

async fn listening() -> (TcpListener, ClientConfig) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let config = ClientConfig {
        url: format!("ws://{}/daemon/ws", listener.local_addr().expect("an address")),
        daemon_id: DaemonId::parse("d1").expect("an id"),
        orchestrator_id: OrchestratorId::parse("vp_1").expect("an id"),
        subscriptions: vec!["*".to_owned()],
        channels: Vec::new(),
    };
    (listener, config)
}

fn event(id: &str) -> String {
    format!(
        r#"{{"type":"event","payload":{{"eventId":"{id}","eventType":"a.b","data":{{}},"requiresAck":true}}}}"#
    )
}

#[tokio::test]
async fn events_are_acknowledged_after_they_were_handed_over_and_the_session_ends_in_order() {
    let (listener, config) = listening().await;
    let (stop, stopped) = oneshot::channel();
    let mut recorder = Recorder { stop: Some(stop), stop_after: 3, ..Recorder::default() };
    let hub = async {
        let mut socket = welcome(&listener).await;
        let beat = said(&mut socket).await;
        assert_eq!(beat["type"], "heartbeat", "at the interval that the hub named");
        for id in ["e1", "bad2", "e3"] {
            say(&mut socket, r#"{"type":"event","payload":"unreadable"}"#).await;
            say(&mut socket, &event(id)).await;
        }
        let mut acknowledged = Vec::new();
        loop {
            match socket.next().await.expect("a message").expect("no error") {
                Message::Close(frame) => {
                    assert_eq!(u16::from(frame.expect("a frame").code), 1000);
                    return acknowledged;
                }
                message => {
                    let frame: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
                    let ids = frame["payload"]["eventIds"].as_array().cloned().unwrap_or_default();
                    acknowledged.extend(ids);
                }
            }
        }
    };
    let client = Client::new(config, async || Ok("token".to_owned()));
    let (outcome, acknowledged) = tokio::join!(
        client.run(&mut recorder, async {
            let _sent = stopped.await;
        }),
        hub
    );
    outcome.expect("an orderly end");
    assert_eq!(recorder.events, ["e1", "bad2", "e3"]);
    assert_eq!(acknowledged, ["e1", "e3"]);
}

#[tokio::test]
async fn after_a_reconnect_frame_the_client_leaves_and_comes_back_with_a_new_token() {
    let (listener, config) = listening().await;
    let hub = async {
        let mut socket = welcome(&listener).await;
        say(&mut socket, r#"{"type":"reconnect","payload":{"reason":"drain","delay":10}}"#).await;
        while let Some(Ok(_)) = socket.next().await {}
        let mut socket = welcome(&listener).await;
        socket
            .close(Some(tokio_tungstenite::tungstenite::protocol::CloseFrame {
                code: 4006.into(),
                reason: "session terminated".into(),
            }))
            .await
            .expect("closed");
    };
    let mut asked = 0;
    let client = Client::new(config, async || {
        asked += 1;
        Ok("token".to_owned())
    });
    let mut recorder = Recorder::default();
    let (outcome, ()) = tokio::join!(client.run(&mut recorder, std::future::pending()), hub);
    assert!(matches!(outcome, Err(ClientError::Terminated)), "{outcome:?}");
    assert_eq!(asked, 2);
}

#[tokio::test]
async fn a_client_without_a_hub_stops_when_it_is_told() {
    let (listener, config) = listening().await;
    drop(listener);
    let client = Client::new(config, async || Ok("token".to_owned()));
    let outcome = client.run(&mut Recorder::default(), sleep(Duration::from_millis(30))).await;
    outcome.expect("an orderly end");
}

#[test]
fn only_plain_web_sockets_are_accepted() {
    assert!(check_url("ws://127.0.0.1:3000/daemon/ws").is_ok());
    assert!(matches!(check_url("wss://hub/daemon/ws"), Err(ClientError::Tls)));
    for url in ["http://hub", "hub:3000", "ws://", "ws:///x"] {
        assert!(matches!(check_url(url), Err(ClientError::Url { .. })), "{url}");
    }
}
