//! What must never be written down.

use crate::support::{
    event::Event,
    http,
    hub::{ADMIN_KEY, Hub, JWT_SECRET},
    identity::{Identity, unique},
    publisher,
    socket::Daemon,
};

#[test]
fn no_secret_appears_in_the_log_however_talkative_it_is() {
    let mut hub = Hub::setup().env("RUST_LOG", "debug").start();
    let good = Identity::new();
    let broken = Identity::new();
    let forged = broken.token_source().signed_with("not the hub's").mint();
    let broken = broken.with_token(forged);
    let wrong_key = unique("wrong-key");

    let mut daemon = Daemon::connect(&hub, &good);
    daemon.subscribe(&["*"]);
    let mut refused = Daemon::open(&hub);
    refused.auth(&broken);
    refused.expect_close();
    let mut malformed = Daemon::open(&hub);
    malformed.send_text(&format!(r#"{{"type":"auth","token":"{}","payload":7}}"#, broken.token));
    malformed.next_frame();
    let event = Event::to(&good);
    publisher::post(&hub, [&event]);
    daemon.take_event();
    let response = http::post(&hub.url("/api/events"), &[("X-API-Key", &wrong_key)], "{}");
    response.assert_json_error(401);
    assert_eq!(hub.terminate(), Some(0));

    let log = hub.log();
    assert!(log.lines().count() > 2, "the hub did write a log: {log}");
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let secrets = [
        ("the signing secret", JWT_SECRET.to_owned()),
        ("the admin key", ADMIN_KEY.to_owned()),
        ("a wrong key", wrong_key),
        ("a good token", signature(&good.token)),
        ("a broken token", signature(&broken.token)),
    ];
    for (what, secret) in secrets {
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{what} appears");
    }
}
