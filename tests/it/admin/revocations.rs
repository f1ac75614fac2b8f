//! Whoever is disabled, deleted or revoked is sent away at once.

use serde_json::{Value, json};

use super::daemon_of;
use crate::support::{
    eventually::eventually,
    platform::{Orchestrator, Platform, Stand, on_both_stands},
    socket::Daemon,
};

on_both_stands! {
    a_disabled_orchestrator_is_sent_away_until_it_is_enabled_again,
    a_deleted_orchestrator_leaves_nothing_behind,
    a_disabled_organization_takes_all_of_its_orchestrators_along,
    a_revocation_closes_what_it_names_and_nothing_else,
}

fn login(platform: &Platform, orchestrator: &Orchestrator<'_>) -> u16 {
    let body = json!({ "apiKey": orchestrator.key, "apiSecret": orchestrator.secret });
    platform.hub.call("POST", "/api/daemon/auth").json(&body).send().status
}

fn act(platform: &Platform, method: &str, path: &str) {
    platform.hub.call(method, &format!("/api/admin/{path}")).operator().expect(200);
}

fn a_disabled_orchestrator_is_sent_away_until_it_is_enabled_again(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let (orchestrator, bystander) = (home.orchestrator(), home.orchestrator());
    let token = orchestrator.token();
    let mut daemon = Daemon::connect(&platform.hub, &daemon_of(&orchestrator));
    let mut other = Daemon::connect(&platform.hub, &daemon_of(&bystander));
    act(&platform, "POST", &format!("orchestrators/{}/disable", orchestrator.id));
    assert_eq!(daemon.expect_close().code, 4006);
    other.roundtrip();
    assert_eq!(login(&platform, &orchestrator), 403);
    platform.hub.call("GET", "/api/daemon/channels").bearer(&token).refused(401, "UNAUTHORIZED");

    act(&platform, "POST", &format!("orchestrators/{}/enable", orchestrator.id));
    assert_eq!(login(&platform, &orchestrator), 200);
    platform.hub.call("GET", "/api/daemon/channels").bearer(&token).refused(401, "UNAUTHORIZED");
    // What was issued in the second of the revocation is revoked with the rest.
    let welcome = || {
        let call = platform.hub.call("GET", "/api/daemon/channels").bearer(&orchestrator.token());
        call.send().status == 200
    };
    eventually(welcome, "new tokens are good");
}

fn a_deleted_orchestrator_leaves_nothing_behind(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator().in_channel();
    let mut daemon = Daemon::connect(&platform.hub, &daemon_of(&orchestrator));
    let waiting = json!({
        "id": "e1", "type": "message.received", "orchestratorId": orchestrator.id, "payload": {},
        "requiresAck": true,
    });
    platform.hub.call("POST", "/api/events").operator().json(&waiting).expect(200);
    act(&platform, "DELETE", &format!("orchestrators/{}", orchestrator.id));
    assert_eq!(daemon.expect_close().code, 4006);
    assert_eq!(login(&platform, &orchestrator), 401);
    let queue = format!("/api/admin/orchestrators/{}/queue", orchestrator.id);
    let left = platform.hub.call("GET", &queue).operator().expect(200);
    assert_eq!(left["items"], json!([]), "whoever has this id next gets nothing of it");
    let author = format!("/api/admin/users/{}", orchestrator.user);
    assert_eq!(platform.hub.call("GET", &author).operator().expect(200)["status"], "INACTIVE");
}

fn a_disabled_organization_takes_all_of_its_orchestrators_along(stand: Stand) {
    let platform = stand.start();
    let (home, elsewhere) = (platform.organization(), platform.organization());
    let (one, two, bystander) = (home.orchestrator(), home.orchestrator(), elsewhere.orchestrator());
    let mut gone = [&one, &two].map(|own| Daemon::connect(&platform.hub, &daemon_of(own)));
    let mut stays = Daemon::connect(&platform.hub, &daemon_of(&bystander));
    act(&platform, "POST", &format!("organizations/{}/disable", home.id));
    for daemon in &mut gone {
        assert_eq!(daemon.expect_close().code, 4006);
    }
    stays.roundtrip();
    assert_eq!((login(&platform, &one), login(&platform, &bystander)), (403, 200));
    act(&platform, "POST", &format!("organizations/{}/enable", home.id));
    assert_eq!(login(&platform, &one), 200);

    act(&platform, "DELETE", &format!("organizations/{}", elsewhere.id));
    assert_eq!(stays.expect_close().code, 4006);
    assert_eq!(login(&platform, &bystander), 401);
}

fn a_revocation_closes_what_it_names_and_nothing_else(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let (first, second) = (home.orchestrator(), home.orchestrator());
    let mut stays = Daemon::connect(&platform.hub, &daemon_of(&second));
    let revoke = |body: Value| platform.hub.call("POST", "/api/admin/revocations").operator().json(&body);
    let mut daemon = Daemon::connect(&platform.hub, &daemon_of(&first));
    revoke(json!({ "sessionId": daemon.session()["sessionId"] })).expect(200);
    assert_eq!(daemon.expect_close().code, 4006);

    let mut daemon = Daemon::connect(&platform.hub, &daemon_of(&first));
    revoke(json!({ "orchestratorId": first.id, "issuedBefore": "2020-01-01T00:00:00Z" })).expect(200);
    daemon.roundtrip();
    revoke(json!({ "orchestratorId": first.id })).expect(200);
    assert_eq!(daemon.expect_close().code, 4006);
    stays.roundtrip();

    let marked = crate::support::identity::Identity::new().with_claim("jti", "a-token-to-revoke");
    let mut daemon = Daemon::connect(&platform.hub, &marked);
    revoke(json!({ "tokenId": "a-token-to-revoke" })).expect(200);
    assert_eq!(daemon.expect_close().code, 4006);
    stays.roundtrip();

    for wrong in [
        json!({}),
        json!({ "tokenId": "a", "sessionId": "b" }),
        json!({ "sessionId": "b", "issuedBefore": "2020-01-01T00:00:00Z" }),
        json!({ "orchestratorId": first.id, "issuedBefore": "2999-01-01T00:00:00Z" }),
        json!({ "orchestratorId": first.id, "issuedBefore": "yesterday" }),
        json!({ "orchestratorId": 7 }),
    ] {
        revoke(wrong).refused(400, "VALIDATION_ERROR");
    }
}
