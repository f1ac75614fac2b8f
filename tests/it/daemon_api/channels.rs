//! Listing, joining and leaving channels.

use serde_json::json;

use crate::support::platform::{Orchestrator, Platform, Stand, on_both_stands};

fn join(channel: &str) -> String {
    format!("/api/daemon/channels/{channel}/join")
}

fn listed(platform: &Platform, token: &str) -> Vec<String> {
    let answer = platform.hub.call("GET", "/api/daemon/channels").bearer(token).expect(200);
    let channels = answer["channels"].as_array().unwrap();
    channels.iter().map(|channel| channel["id"].as_str().unwrap().to_owned()).collect()
}

/// What an orchestrator has joined is listed with everything that clients read; after leaving it is gone.
fn channels_are_joined_listed_and_left(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let token = organization.orchestrator().token();
    let (hub, channel) = (&platform.hub, &organization.channel);
    assert!(listed(&platform, &token).is_empty());

    assert_eq!(hub.call("POST", &join(channel)).bearer(&token).expect(200), json!({ "success": true }));
    let answer = hub.call("GET", "/api/daemon/channels").bearer(&token).expect(200);
    let shown = &answer["channels"][0];
    assert_eq!(
        (&shown["id"], &shown["type"], &shown["isPrivate"]),
        (&json!(channel), &json!("PUBLIC"), &json!(false))
    );
    assert_eq!(shown["workspace"]["id"], organization.workspace.as_str());
    assert_eq!((&shown["memberCount"], &shown["messageCount"]), (&json!(1), &json!(0)));
    assert_eq!((&shown["membership"]["role"], &shown["vpCanAccess"]), (&json!("MEMBER"), &json!(true)));
    hub.call("POST", &join(channel)).bearer(&token).refused(409, "ALREADY_MEMBER");

    assert_eq!(hub.call("DELETE", &join(channel)).bearer(&token).expect(200), json!({ "success": true }));
    assert!(listed(&platform, &token).is_empty());
    hub.call("DELETE", &join(channel)).bearer(&token).refused(404, "NOT_MEMBER");
    hub.call("POST", &join(channel)).bearer(&token).expect(200);
}

/// Private channels of the own organization are refused as such; those of others do not exist.
fn a_stranger_learns_nothing_about_channels(stand: Stand) {
    let platform = stand.start();
    let (own, other) = (platform.organization(), platform.organization());
    let token = own.orchestrator().token();
    let hub = &platform.hub;
    for kind in ["PRIVATE", "DM"] {
        hub.call("POST", &join(&own.channel(kind))).bearer(&token).refused(403, "CHANNEL_PRIVATE");
        hub.call("POST", &join(&other.channel(kind))).bearer(&token).refused(404, "CHANNEL_NOT_FOUND");
    }
    hub.call("POST", &join(&other.channel)).bearer(&token).refused(404, "CHANNEL_NOT_FOUND");
    hub.call("POST", &join("nowhere")).bearer(&token).refused(404, "CHANNEL_NOT_FOUND");
    hub.call("DELETE", &join(&other.channel)).bearer(&token).refused(404, "NOT_MEMBER");
    hub.call("POST", &join(&own.channel)).refused(401, "UNAUTHORIZED");
}

/// The daemons of the one who comes hear `channel.joined`, those of the others `channel.member_added`.
fn everybody_concerned_hears_who_comes_and_goes(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let [newcomer, member]: [Orchestrator<'_>; 2] =
        [organization.orchestrator(), organization.orchestrator()];
    let member = member.in_channel();
    let token = newcomer.token();
    let mut daemons = [newcomer.connect(), member.connect()];
    daemons.iter_mut().for_each(|daemon| daemon.subscribe(&["channel.*"]));

    let steps = [
        ("POST", "channel.joined", "channel.member_added"),
        ("DELETE", "channel.left", "channel.member_removed"),
    ];
    for (method, own, others) in steps {
        platform.hub.call(method, &join(&organization.channel)).bearer(&token).expect(200);
        let [heard_by_newcomer, heard_by_member] = daemons.each_mut().map(|daemon| daemon.next_event());
        assert_eq!(heard_by_newcomer["eventType"], own);
        assert_eq!(heard_by_newcomer["data"]["channelId"], organization.channel.as_str());
        assert_eq!(heard_by_member["eventType"], others);
        assert_eq!(heard_by_member["data"]["userId"], newcomer.user.as_str());
    }
}

/// With strict scopes, channels need their own.
fn strict_scopes_are_asked_for(stand: Stand) {
    let platform = stand.start_with(&[("HUB_AUTH_STRICT_SCOPES", "true")]);
    let organization = platform.organization();
    let token = organization.orchestrator().token_for(&["messages:read"]);
    platform.hub.call("GET", "/api/daemon/channels").bearer(&token).refused(403, "INSUFFICIENT_SCOPE");
    platform.hub.call("POST", &join(&organization.channel)).bearer(&token).refused(403, "INSUFFICIENT_SCOPE");
}

on_both_stands!(
    channels_are_joined_listed_and_left,
    a_stranger_learns_nothing_about_channels,
    everybody_concerned_hears_who_comes_and_goes,
    strict_scopes_are_asked_for,
);
