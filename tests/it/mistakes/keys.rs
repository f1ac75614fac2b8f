//! Keys, and where earlier programs left their hashes (contract C8).

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{
    identity::unique,
    platform::{Orchestrator, Platform, Stand, on_both_stands},
};

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

fn register(platform: &Platform, orchestrator: &Orchestrator<'_>, key: &str) -> u16 {
    let mut body = orchestrator.registration("one");
    body["apiKey"] = key.into();
    platform.hub.call("POST", "/api/daemon").json(&body).send().status
}

fn keep(platform: &Platform, orchestrator: &Orchestrator<'_>, capabilities: &Value) {
    let id = &orchestrator.id;
    platform.sql(&format!("UPDATE orchestrators SET capabilities = '{capabilities}' WHERE id = '{id}'"));
}

/// B2, B4, B18: in each of the places, in each of the formats; and only for whoever it was issued to.
fn a_key_of_any_earlier_program_opens_its_own_orchestrator(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let key = unique("gns");
    let salted = format!("{}:{}", "abcd", sha256(&format!("abcd{key}")));
    let slow = bcrypt::hash(&key, 4).unwrap();
    for hash in [sha256(&key), salted, slow] {
        for capabilities in [json!({ "apiKeyHash": hash }), json!({ "apiKey": { "hash": hash } })] {
            let orchestrator = organization.orchestrator();
            keep(&platform, &orchestrator, &capabilities);
            assert_eq!(register(&platform, &orchestrator, &key), 201, "{capabilities}");
        }
        let orchestrator = organization.orchestrator();
        let (user, config) = (&orchestrator.user, json!({ "apiKeyHash": hash }));
        platform.sql(&format!("UPDATE users SET vp_config = '{config}' WHERE id = '{user}'"));
        assert_eq!(register(&platform, &orchestrator, &key), 201, "{config}");
    }
    assert_eq!(register(&platform, &organization.orchestrator(), &key), 401, "it is nobody else's");
}

/// C8: the middle of a key is a hint about where to look, and no proof.
fn where_no_hash_lies_no_key_opens(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let key = format!("vp_{}_secret", orchestrator.id);
    let login = || {
        let body = json!({ "apiKey": key, "apiSecret": "anything" });
        platform.hub.call("POST", "/api/daemon/auth").json(&body).send()
    };
    assert_eq!(login().status, 401);
    keep(&platform, &orchestrator, &json!({ "apiKeyHash": null, "apiKey": {} }));
    assert_eq!(login().status, 401);
    keep(&platform, &orchestrator, &json!({ "apiKeyHash": sha256(&key) }));
    let answer = login();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["orchestratorId"], json!(orchestrator.id));
}

/// B23.
fn no_answer_shows_a_hash(stand: Stand) {
    let platform = stand.start();
    let organization = platform.organization();
    let orchestrator = organization.orchestrator();
    let (hash, other) = (sha256("one"), sha256("other"));
    let kept =
        json!({ "apiKeyHash": hash, "apiKey": { "hash": other, "name": "old" }, "charter": { "a": 1 } });
    keep(&platform, &orchestrator, &kept);
    let login = orchestrator.login();
    let token = login["accessToken"].as_str().unwrap();
    let config = platform.hub.call("GET", "/api/daemon/config").bearer(token).expect(200);
    assert_eq!(config["charter"], json!({ "a": 1 }), "what is no secret is shown");
    let health = format!("/api/daemon/health/{}", orchestrator.id);
    let health = platform.hub.call("GET", &health).operator().expect(200);
    for answer in [login, config, health] {
        let text = answer.to_string();
        assert!(!text.contains(&hash) && !text.contains(&other), "{text}");
        assert!(!text.contains("apiKey"), "{text}");
    }
}

/// B30.
fn a_key_opens_the_orchestrator_it_was_issued_for(stand: Stand) {
    let platform = stand.start();
    let (organization, elsewhere) = (platform.organization(), platform.organization());
    for organization in [&elsewhere, &organization, &elsewhere] {
        let orchestrator = organization.orchestrator();
        let login = orchestrator.login();
        assert_eq!(login["orchestratorId"], json!(orchestrator.id));
        assert_eq!(login["orchestrator"]["organization"]["id"], json!(organization.id));
        let token = login["accessToken"].as_str().unwrap();
        let own = platform.hub.call("GET", "/api/daemon").bearer(token).expect(200);
        assert_eq!(own["data"]["orchestratorId"], json!(orchestrator.id));
    }
}

on_both_stands!(
    a_key_of_any_earlier_program_opens_its_own_orchestrator,
    where_no_hash_lies_no_key_opens,
    no_answer_shows_a_hash,
    a_key_opens_the_orchestrator_it_was_issued_for,
);
