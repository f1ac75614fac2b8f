//! WebSocket below the protocol: pieces, pings, sizes, kinds.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{identity::Identity, in_both_modes, socket::Daemon, world::Mode};

in_both_modes! {
    a_binary_message_ends_the_connection,
    a_message_of_one_mebibyte_is_read_and_a_longer_one_ends_the_connection,
    a_message_in_pieces_is_one_message,
    a_transport_ping_is_answered_with_its_payload,
    a_ping_frame_is_answered_with_a_pong_frame,
}

const MEBIBYTE: usize = 1024 * 1024;

fn a_binary_message_ends_the_connection(mode: Mode) {
    let world = mode.start();
    let mut daemon = Daemon::connect(&world.hub, &Identity::new());
    daemon.send_message(Message::binary(&b"{}"[..])).unwrap();
    assert_eq!(daemon.expect_close().code, 1003);
}

fn a_message_of_one_mebibyte_is_read_and_a_longer_one_ends_the_connection(mode: Mode) {
    let world = mode.start();
    let frame = |length: usize| {
        let empty = json!({ "type": "ping", "id": "big", "padding": "" }).to_string().len();
        json!({ "type": "ping", "id": "big", "padding": "x".repeat(length - empty) }).to_string()
    };
    let mut daemon = Daemon::connect(&world.hub, &Identity::new());
    daemon.send_text(&frame(MEBIBYTE));
    assert_eq!(daemon.next_frame()["replyTo"], "big");
    // The hub may hang up before it has taken all of it.
    let _ = daemon.send_message(Message::text(frame(MEBIBYTE + 1)));
    assert_eq!(daemon.expect_close().code, 1009);
}

fn a_message_in_pieces_is_one_message(mode: Mode) {
    let world = mode.start();
    let mut daemon = Daemon::connect(&world.hub, &Identity::new());
    for id in ["first", "second"] {
        daemon.send_in_two_pieces(&json!({ "type": "ping", "id": id }).to_string());
        let frame = daemon.next_frame();
        assert_eq!((&frame["type"], &frame["replyTo"]), (&json!("pong"), &json!(id)));
    }
}

fn a_transport_ping_is_answered_with_its_payload(mode: Mode) {
    let world = mode.start();
    let mut daemon = Daemon::connect(&world.hub, &Identity::new());
    daemon.send_message(Message::Ping("are you there".into())).unwrap();
    assert_eq!(daemon.next_transport_pong(), b"are you there");
}

fn a_ping_frame_is_answered_with_a_pong_frame(mode: Mode) {
    let world = mode.start();
    let mut daemon = Daemon::connect(&world.hub, &Identity::new());
    daemon.send_text(r#"{"type":"ping"}"#);
    let frame = daemon.next_frame();
    assert_eq!(frame["type"], "pong", "{frame}");
    assert!(frame["replyTo"].is_null(), "there was no id to refer to: {frame}");
}
