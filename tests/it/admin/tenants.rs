//! What is another tenant's does not exist.

use serde_json::{Value, json};

use super::{daemon_of, dead_letters::file, tenant, tenant_for, walk};
use crate::support::{
    event::Event,
    eventually::eventually,
    identity::{Identity, unique},
    platform::{Orchestrator, Organization, Platform, Stand, on_both_stands},
    publisher,
    socket::Daemon,
};
use neolith_hub::domain::clock::now;

on_both_stands! {
    every_route_that_takes_an_id_answers_404_for_what_is_anothers,
    lists_hold_ones_own_only,
    a_tenant_routes_messages_to_its_own,
}

/// Somebody's things: an orchestrator that is connected, with an event that waits for it.
struct Things {
    session: String,
    connection: String,
    dead_letter: String,
    ingress_key: String,
    given_up: String,
}

fn things(platform: &Platform, home: &str, orchestrator: &Orchestrator<'_>) -> (Things, Daemon) {
    let identity = daemon_of(orchestrator);
    let daemon = Daemon::connect(&platform.hub, &identity);
    publisher::post(&platform.hub, [&Event::to(&identity)]);
    // That it is there is written down a moment later.
    let path = format!("/api/admin/orchestrators/{}", orchestrator.id);
    let online = || platform.hub.call("GET", &path).operator().expect(200)["status"] == "ONLINE";
    eventually(online, "the orchestrator is online");
    let text = |name: &str| daemon.session()[name].as_str().unwrap().to_owned();
    let given_up = Event::to(&identity);
    let things = Things {
        session: text("sessionId"),
        connection: text("connectionId"),
        dead_letter: file(platform, &identity, given_up.id(), given_up.json()),
        ingress_key: platform.database.create_ingress_key(home, None, now().wall).unwrap().0.kid,
        given_up: given_up.id().to_owned(),
    };
    (things, daemon)
}

/// Every route that names something, with a body that would do.
fn routes(
    theirs: &Organization<'_>,
    orchestrator: &Orchestrator<'_>,
    things: &Things,
) -> Vec<(&'static str, String, Option<Value>)> {
    let mut routes = Vec::new();
    let mut add = |methods: &[&'static str], path: String, body: Option<Value>| {
        routes.extend(methods.iter().map(|method| (*method, format!("/api/admin/{path}"), body.clone())));
    };
    let name = Some(json!({ "name": "Stolen" }));
    add(&["PATCH"], format!("organizations/{}", theirs.id), name.clone());
    add(&["GET"], format!("organizations/{}", theirs.id), None);
    for (noun, id) in
        [("workspaces", &theirs.workspace), ("users", &orchestrator.user), ("channels", &theirs.channel)]
    {
        add(&["PATCH"], format!("{noun}/{id}"), name.clone());
        add(&["GET", "DELETE"], format!("{noun}/{id}"), None);
    }
    for (noun, id) in
        [("organizations", &theirs.id), ("workspaces", &theirs.workspace), ("channels", &theirs.channel)]
    {
        let members = format!("{noun}/{id}/members");
        add(&["GET"], members.clone(), None);
        add(&["POST"], members.clone(), Some(json!({ "userId": orchestrator.user })));
        add(&["PATCH"], format!("{members}/{}", orchestrator.user), Some(json!({ "role": "OWNER" })));
        add(&["DELETE"], format!("{members}/{}", orchestrator.user), None);
    }
    let one = format!("orchestrators/{}", orchestrator.id);
    add(&["PATCH"], one.clone(), Some(json!({ "role": "Stolen" })));
    add(&["GET", "DELETE"], one.clone(), None);
    add(&["POST"], format!("{one}/credentials"), Some(json!({ "name": "n" })));
    add(&["POST"], format!("{one}/credentials"), Some(json!({ "name": "n", "scopes": ["admin:write"] })));
    for (methods, rest) in [
        (&["POST"][..], "disable"),
        (&["POST"], "enable"),
        (&["GET"], "credentials"),
        (&["GET"], "sessions"),
        (&["GET", "DELETE"], "queue"),
        (&["GET"], "queue/ledger"),
        (&["GET"], "fleet"),
        (&["GET"], "uptime"),
    ] {
        add(methods, format!("{one}/{rest}"), None);
    }
    let credential = format!("credentials/{}", orchestrator.credential);
    add(&["GET", "DELETE"], credential.clone(), None);
    for verb in ["rotate", "disable", "enable"] {
        add(&["POST"], format!("{credential}/{verb}"), None);
    }
    add(&["GET", "DELETE"], format!("connections/{}", things.connection), None);
    add(&["GET"], format!("connections?orchestratorId={}", orchestrator.id), None);
    add(&["GET", "DELETE"], format!("sessions/{}", things.session), None);
    let letter = format!("dead-letters/{}", things.dead_letter);
    add(&["GET", "DELETE"], letter.clone(), None);
    add(&["POST"], format!("{letter}/redrive"), None);
    let all = json!({ "orchestratorId": orchestrator.id });
    add(&["POST"], "dead-letters/redrive".to_owned(), Some(all));
    add(&["GET"], format!("events/{}", things.given_up), None);
    let keys = format!("organizations/{}/ingress-keys", theirs.id);
    add(&["GET", "POST"], keys.clone(), None);
    add(&["DELETE"], format!("{keys}/{}", things.ingress_key), None);
    add(&["POST"], "revocations".to_owned(), Some(json!({ "orchestratorId": orchestrator.id })));
    add(&["POST"], "revocations".to_owned(), Some(json!({ "sessionId": things.session })));
    add(
        &["POST"],
        "broadcast".to_owned(),
        Some(json!({ "organizationId": theirs.id, "type": "system.maintenance" })),
    );
    let message = json!({ "channelId": theirs.channel, "authorId": orchestrator.user, "content": "Hello" });
    routes.push(("POST", "/api/messages".to_owned(), Some(message)));
    for name in [&orchestrator.id, &orchestrator.user] {
        let message = json!({ "id": unique("m"), "channelId": "c", "authorId": "u", "content": "Hello" });
        routes.push(("POST", format!("/api/orchestrators/{name}/messages"), Some(message)));
    }
    routes
}

fn a_tenant_routes_messages_to_its_own(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let orchestrator = home.orchestrator();
    let path = format!("/api/orchestrators/{}/messages", orchestrator.id);
    let message = json!({ "id": unique("m"), "channelId": "c", "authorId": "u", "content": "Hello" });
    let call = |token: &str| platform.hub.call("POST", &path).bearer(token).json(&message);
    let answer = call(&tenant(&home.id)).expect(200);
    assert_eq!(answer["status"], "offline", "{answer}");
    call(&tenant_for(&home.id, &["admin:read"])).refused(403, "INSUFFICIENT_SCOPE");
}

/// All that the operator sees of somebody's things.
fn snapshot(platform: &Platform, routes: &[(&'static str, String, Option<Value>)]) -> Vec<Value> {
    let looks = routes.iter().filter(|(method, path, _)| *method == "GET" && !path.contains("/fleet"));
    let mut seen: Vec<Value> = looks
        .filter(|(_, path, _)| !path.contains("/uptime"))
        .map(|(_, path, _)| platform.hub.call("GET", path).operator().expect(200))
        .collect();
    seen.push(walk(&platform.hub, "/api/admin/audit", 200).len().into());
    seen
}

fn every_route_that_takes_an_id_answers_404_for_what_is_anothers(stand: Stand) {
    let platform = stand.start();
    let (own, theirs) = (platform.organization(), platform.organization());
    let orchestrator = theirs.orchestrator().in_channel();
    let (things, mut daemon) = things(&platform, &theirs.id, &orchestrator);
    let routes = routes(&theirs, &orchestrator, &things);
    let before = snapshot(&platform, &routes);
    let token = tenant(&own.id);
    for (method, path, body) in &routes {
        let mut call = platform.hub.call(method, path).bearer(&token);
        if let Some(body) = body {
            call = call.json(body);
        }
        let response = call.send();
        assert_eq!(response.status, 404, "{method} {path} {body:?}: {response:?}");
    }
    assert_eq!(snapshot(&platform, &routes), before, "nothing changed");
    daemon.roundtrip();

    // What names another tenant's things inside a body.
    let mine = own.orchestrator();
    for (path, body) in [
        ("/api/admin/workspaces".to_owned(), json!({ "organizationId": theirs.id, "name": "n" })),
        ("/api/admin/users".to_owned(), json!({ "organizationId": theirs.id, "name": "n" })),
        ("/api/admin/orchestrators".to_owned(), json!({ "organizationId": theirs.id, "name": "n" })),
        ("/api/admin/orchestrators".to_owned(), json!({ "workspaceId": theirs.workspace, "name": "n" })),
        ("/api/admin/orchestrators".to_owned(), json!({ "userId": orchestrator.user })),
        ("/api/admin/channels".to_owned(), json!({ "workspaceId": theirs.workspace, "name": "n" })),
        (
            "/api/admin/channels".to_owned(),
            json!({ "workspaceId": own.workspace, "name": "n", "createdById": orchestrator.user }),
        ),
        (format!("/api/admin/organizations/{}/members", own.id), json!({ "userId": orchestrator.user })),
        (format!("/api/admin/channels/{}/members", own.channel), json!({ "userId": orchestrator.user })),
    ] {
        platform.hub.call("POST", &path).bearer(&token).json(&body).refused(400, "VALIDATION_ERROR");
    }
    let patch = platform.hub.call("PATCH", &format!("/api/admin/orchestrators/{}", mine.id)).bearer(&token);
    patch.json(&json!({ "workspaceId": theirs.workspace })).refused(400, "VALIDATION_ERROR");
    assert_eq!(snapshot(&platform, &routes)[..before.len() - 1], before[..before.len() - 1]);
}

fn lists_hold_ones_own_only(stand: Stand) {
    let platform = stand.start();
    let (own, theirs) = (platform.organization(), platform.organization());
    let (mine, other) = (own.orchestrator(), theirs.orchestrator());
    let _connected = [(&own.id, &mine), (&theirs.id, &other)].map(|(home, one)| things(&platform, home, one));
    let change = platform.hub.call("PATCH", &format!("/api/admin/organizations/{}", theirs.id)).operator();
    change.json(&json!({ "name": "Theirs" })).expect(200);
    let token = tenant(&own.id);
    for noun in [
        "organizations",
        "workspaces",
        "users",
        "orchestrators",
        "channels",
        "connections",
        "fleet",
        "dead-letters",
        "audit",
    ] {
        let list = platform.hub.call("GET", &format!("/api/admin/{noun}")).bearer(&token).expect(200);
        let text = list.to_string();
        for foreign in [&theirs.id, &theirs.workspace, &theirs.channel, &other.id, &other.user] {
            assert!(!text.contains(foreign.as_str()), "{noun}: {text}");
        }
        let count = list["items"].as_array().unwrap().len();
        assert_eq!(count, usize::from(noun != "audit"), "{noun}: {text}");
    }
}

#[test]
fn tenants_are_not_made_or_ended_by_tenants() {
    let platform = Stand::Alone.start();
    let own = platform.organization();
    let token = tenant(&own.id);
    let one = format!("/api/admin/organizations/{}", own.id);
    platform.hub.call("DELETE", &one).bearer(&token).refused(403, "FORBIDDEN");
    for verb in ["disable", "enable"] {
        platform.hub.call("POST", &format!("{one}/{verb}")).bearer(&token).refused(403, "FORBIDDEN");
    }
    let new = json!({ "name": "Mine too" });
    platform.hub.call("POST", "/api/admin/organizations").bearer(&token).json(&new).refused(403, "FORBIDDEN");
    let anybodys = json!({ "tokenId": "some-token" });
    platform
        .hub
        .call("POST", "/api/admin/revocations")
        .bearer(&token)
        .json(&anybodys)
        .refused(403, "FORBIDDEN");
    platform.hub.call("GET", &one).bearer(&token).expect(200);
}

#[test]
fn scopes_say_who_may_look_and_who_may_change() {
    let platform = Stand::Alone.start();
    let own = platform.organization();
    let one = format!("/api/admin/channels/{}", own.channel);
    let reader = tenant_for(&own.id, &["admin:read"]);
    platform.hub.call("GET", &one).bearer(&reader).expect(200);
    platform.hub.call("DELETE", &one).bearer(&reader).refused(403, "INSUFFICIENT_SCOPE");
    let daemon = own.orchestrator().token();
    platform.hub.call("GET", &one).bearer(&daemon).refused(403, "INSUFFICIENT_SCOPE");
    platform.hub.call("GET", &one).refused(401, "UNAUTHORIZED");
    platform.hub.call("GET", &one).header("x-api-key", "wrong").refused(401, "UNAUTHORIZED");
}

#[test]
fn a_user_of_two_tenants_is_changed_by_neither() {
    let platform = Stand::Alone.start();
    let (own, theirs) = (platform.organization(), platform.organization());
    let shared = json!({ "organizationId": theirs.id, "name": "Ada" });
    let shared = platform.hub.call("POST", "/api/admin/users").operator().json(&shared).expect(201);
    let user = format!("/api/admin/users/{}", shared["id"].as_str().unwrap());
    let join = platform.hub.call("POST", &format!("/api/admin/organizations/{}/members", own.id)).operator();
    join.json(&json!({ "userId": shared["id"] })).expect(201);
    let token = tenant(&own.id);
    platform.hub.call("GET", &user).bearer(&token).expect(200);
    let rename = json!({ "name": "Eve", "status": "SUSPENDED" });
    platform.hub.call("PATCH", &user).bearer(&token).json(&rename).refused(409, "CONFLICT");
    platform.hub.call("DELETE", &user).bearer(&token).refused(409, "CONFLICT");
    assert_eq!(platform.hub.call("GET", &user).operator().expect(200)["name"], "Ada");
}

#[test]
fn an_id_under_which_something_waits_is_not_for_a_tenant_to_take() {
    let platform = Stand::Alone.start();
    let own = platform.organization();
    let token = tenant(&own.id);
    let ghost = Identity::new();
    publisher::post(&platform.hub, [&Event::to(&ghost).set("organizationId", "org_other")]);
    let take = |id: &str| {
        let body = json!({ "id": id, "name": "Mine" });
        platform.hub.call("POST", "/api/admin/orchestrators").bearer(&token).json(&body)
    };
    take(&ghost.orchestrator).refused(409, "CONFLICT");
    take(&unique("vp")).expect(201);
}

#[test]
fn users_that_belong_nowhere_are_not_for_a_tenant_to_take() {
    let platform = Stand::Alone.start();
    let own = platform.organization();
    let free =
        platform.hub.call("POST", "/api/admin/users").operator().json(&json!({ "name": "Ada" })).expect(201);
    let members = format!("/api/admin/organizations/{}/members", own.id);
    let body = json!({ "userId": free["id"] });
    platform.hub.call("POST", &members).bearer(&tenant(&own.id)).json(&body).refused(400, "VALIDATION_ERROR");
    platform.hub.call("POST", &members).operator().json(&body).expect(201);
}

#[test]
fn whoever_leaves_an_organization_leaves_its_channels() {
    let platform = Stand::Alone.start();
    let own = platform.organization();
    let member = own.orchestrator().in_channel();
    let token = member.token();
    let read = format!("/api/daemon/messages?channelId={}", own.channel);
    platform.hub.call("GET", &read).bearer(&token).expect(200);
    let membership = format!("/api/admin/organizations/{}/members/{}", own.id, member.user);
    platform.hub.call("DELETE", &membership).operator().expect(200);
    platform.hub.call("GET", &read).bearer(&token).refused(403, "CHANNEL_ACCESS_DENIED");
}
