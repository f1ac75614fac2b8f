//! Ids and bodies that try to be more than that.

use serde_json::json;

use crate::support::{
    hub::ADMIN_KEY,
    platform::{Stand, on_both_stands},
};

/// An id in a path is one id, whatever is in it.
fn no_id_leads_to_another_path_or_into_the_headers(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let operator = format!("x-api-key: {ADMIN_KEY}");
    let ask = |path: &str| platform.hub.raw(&[&format!("GET {path} HTTP/1.1"), &operator], b"");
    assert_eq!(ask(&format!("/api/daemon/health/{}", orchestrator.id)).status, 200);
    for id in [
        "..",
        "../health",
        "../../../health",
        "%2e%2e%2fhealth",
        "..%2f..%2f..%2fhealth",
        "%252e%252e%252fhealth",
        "..\\health",
        "..;/health",
        "vp_1%2f..%2fvp_2",
        "vp_1%0d%0aset-cookie:%20a=b",
        "%0d%0a%0d%0a%7B%7D",
        "%e2%80%aevp_1",
        "%ff%fe",
        "%",
        "%zz",
        "*",
        "vp_1%3adata",
        "%7bvp_1%7d",
        "' OR '1'='1",
        "%27%20OR%20%271%27=%271",
    ] {
        let answer = ask(&format!("/api/daemon/health/{id}"));
        // What is no HTTP is refused by the server itself, before any route.
        assert!([400, 404].contains(&answer.status), "{id}: {answer:?}");
        let (headers, _) = answer.rest.split_once("\r\n\r\n").unwrap();
        assert!(!headers.to_lowercase().contains("set-cookie"), "{id}: {answer:?}");
        assert!(!headers.to_lowercase().contains("location"), "{id}: {answer:?}");
    }
    for length in [129, 8_000, 60_000] {
        let answer = ask(&format!("/api/daemon/health/{}", "x".repeat(length)));
        assert!((400..500).contains(&answer.status), "{length}: {}", answer.status);
    }
}

/// An id that is part of a key in Redis cannot name another key.
fn no_id_reaches_the_record_of_another(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    for id in
        ["*", "../x", "a:b", "a\r\nDEL x", "daemon:session:*", "{x}", "\u{202e}", "'; DROP TABLE users; --"]
    {
        let beat = json!({ "sessionId": id });
        platform.hub.call("POST", "/api/daemon/heartbeat").bearer(&token).json(&beat).expect(200);
        let change = json!({ "sessionId": id, "extendTTL": true });
        let change = platform.hub.call("PATCH", "/api/daemon/sessions").bearer(&token).json(&change);
        change.refused(404, "SESSION_NOT_FOUND");
    }
    let listed = platform.hub.call("GET", "/api/daemon/sessions").bearer(&token).expect(200);
    assert_eq!(listed["total"], 1, "none of them came into being");
    orchestrator.login();
}

/// A text is stored and given back as it is, whatever it looks like.
fn texts_are_only_texts(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let token = orchestrator.token();
    let nasty = "'; DROP TABLE orchestrators; -- \u{202e}<script>\"\\ \u{1f4a5} [] {} ,\"status\":\"x\"";
    let open = json!({
        "vpId": orchestrator.id, "type": "user",
        "metadata": { "userAgent": nasty, "__proto__": { "admin": true }, "lastStatus": nasty, nasty: nasty },
    });
    let opened = platform.hub.call("POST", "/api/daemon/sessions").bearer(&token).json(&open).expect(201);
    let session = &opened["session"];
    assert_eq!(session["metadata"], open["metadata"]);
    for status in ["idle", "busy", "idle"] {
        let beat = json!({ "sessionId": session["id"], "status": status, "metrics": { "note": nasty } });
        platform.hub.call("POST", "/api/daemon/heartbeat").bearer(&token).json(&beat).expect(200);
        let listed = platform.hub.call("GET", "/api/daemon/sessions").bearer(&token).expect(200);
        assert_eq!(listed["sessions"][0]["metadata"], open["metadata"]);
        assert_eq!(listed["sessions"][0]["lastStatus"], status);
    }
    let own = platform.hub.call("GET", "/api/daemon").bearer(&token).expect(200);
    assert_eq!(own["data"]["metrics"]["note"], nasty);
    let presence = json!({ "status": "online", "statusText": nasty });
    platform.hub.call("PUT", "/api/daemon/presence").bearer(&token).json(&presence).expect(200);
    let status = json!({ "status": "paused", "message": nasty });
    platform.hub.call("PUT", "/api/daemon/status").bearer(&token).json(&status).expect(200);
    platform.hub.call("GET", "/api/daemon/config").bearer(&token).expect(200);
}

/// The hub and whoever stands before it must agree where a request ends.
fn a_request_whose_length_is_ambiguous_is_refused(stand: Stand) {
    let platform = stand.start();
    let answer = platform.hub.raw(&["POST /api/daemon/heartbeat HTTP/1.1", "content-length: 7"], b"{}");
    assert_eq!(answer.status, 400, "{answer:?}");
    let head = ["POST /api/daemon/auth HTTP/1.1", "content-encoding: gzip"];
    let answer = platform.hub.raw(&head, b"\x1f\x8b\x08\x00\x00\x00\x00\x00");
    assert_eq!(answer.status, 400, "nothing is unpacked: {answer:?}");
    assert!(answer.rest.contains("Invalid JSON body"), "{answer:?}");
}

on_both_stands!(
    no_id_leads_to_another_path_or_into_the_headers,
    no_id_reaches_the_record_of_another,
    texts_are_only_texts,
    a_request_whose_length_is_ambiguous_is_refused,
);
