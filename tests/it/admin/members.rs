//! Members of organizations, workspaces and channels.

use serde_json::{Value, json};

use super::daemon_of;
use crate::support::{
    platform::{Platform, Stand, on_both_stands},
    socket::Daemon,
};

on_both_stands! {
    members_come_change_and_go_in_every_kind_of_group,
    daemons_are_told_who_comes_into_their_channel_and_who_leaves,
}

fn members(platform: &Platform, path: &str) -> Vec<(String, String)> {
    let list = platform.hub.call("GET", path).operator().expect(200);
    let text = |member: &Value, name: &str| member[name].as_str().unwrap().to_owned();
    let items = list["items"].as_array().unwrap();
    items.iter().map(|member| (text(member, "userId"), text(member, "role"))).collect()
}

fn members_come_change_and_go_in_every_kind_of_group(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let user = json!({ "organizationId": home.id, "name": "Ada" });
    let user = platform.hub.call("POST", "/api/admin/users").operator().json(&user).expect(201);
    let user = user["id"].as_str().unwrap();
    let groups = [("workspaces", &home.workspace), ("channels", &home.channel), ("organizations", &home.id)];
    for (kind, group) in groups {
        let all = format!("/api/admin/{kind}/{group}/members");
        let one = format!("{all}/{user}");
        let body = json!({ "userId": user, "role": "ADMIN" });
        let add = || platform.hub.call("POST", &all).operator().json(&body);
        if kind != "organizations" {
            add().expect(201);
        }
        add().refused(409, "ALREADY_MEMBER");
        platform.hub.call("PATCH", &one).operator().json(&json!({ "role": "OWNER" })).expect(200);
        assert_eq!(members(&platform, &all), [(user.to_owned(), "OWNER".to_owned())], "{kind}");
        let guest = platform.hub.call("PATCH", &one).operator().json(&json!({ "role": "GUEST" }));
        match kind {
            "workspaces" => drop(guest.expect(200)),
            _ => drop(guest.refused(400, "VALIDATION_ERROR")),
        }
        platform.hub.call("DELETE", &one).operator().expect(200);
        platform.hub.call("DELETE", &one).operator().refused(404, "NOT_FOUND");
        platform
            .hub
            .call("PATCH", &one)
            .operator()
            .json(&json!({ "role": "OWNER" }))
            .refused(404, "NOT_FOUND");
        assert!(members(&platform, &all).is_empty(), "{kind}");
        let nobody = json!({ "userId": "nobody" });
        let refused =
            platform.hub.call("POST", &all).operator().json(&nobody).refused(400, "VALIDATION_ERROR");
        assert!(refused["details"]["errors"]["userId"].is_array(), "{refused}");
        let nowhere = format!("/api/admin/{kind}/nowhere/members");
        platform.hub.call("GET", &nowhere).operator().refused(404, "NOT_FOUND");
        platform.hub.call("POST", &nowhere).operator().json(&body).refused(404, "NOT_FOUND");
    }
    platform.hub.call("GET", "/api/admin/planets/x/members").operator().refused(404, "NOT_FOUND");
}

fn daemons_are_told_who_comes_into_their_channel_and_who_leaves(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let (newcomer, host) = (home.orchestrator(), home.orchestrator().in_channel());
    let listening = |identity| {
        let mut daemon = Daemon::connect(&platform.hub, &identity);
        daemon.subscribe(&["channel.*"]);
        daemon
    };
    let mut own = listening(daemon_of(&newcomer));
    let mut other = listening(daemon_of(&host));
    let all = format!("/api/admin/channels/{}/members", home.channel);
    let body = json!({ "userId": newcomer.user });
    platform.hub.call("POST", &all).operator().json(&body).expect(201);
    let told = |daemon: &mut Daemon| {
        let event = daemon.next_event();
        (event["eventType"].as_str().unwrap().to_owned(), event["data"].clone())
    };
    let place = json!({ "channelId": home.channel });
    let about = json!({ "channelId": home.channel, "userId": newcomer.user });
    assert_eq!(told(&mut own), ("channel.joined".to_owned(), place.clone()));
    assert_eq!(told(&mut other), ("channel.member_added".to_owned(), about.clone()));
    platform.hub.call("DELETE", &format!("{all}/{}", newcomer.user)).operator().expect(200);
    assert_eq!(told(&mut own), ("channel.left".to_owned(), place));
    assert_eq!(told(&mut other), ("channel.member_removed".to_owned(), about));
}
