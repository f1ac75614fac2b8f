//! Keys that publishers sign events with, and whether they must.

use serde_json::json;

use super::{id, tenant};
use crate::support::platform::{Stand, on_both_stands};

on_both_stands! {
    a_key_is_shown_once_changed_over_and_retired,
    a_policy_is_one_of_three_words,
}

fn a_key_is_shown_once_changed_over_and_retired(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let token = tenant(&home.id);
    let keys = format!("/api/admin/organizations/{}/ingress-keys", home.id);
    let make = || platform.hub.call("POST", &keys).bearer(&token);
    let first = make().expect(201);
    let secret = first["secret"].as_str().unwrap();
    assert!(secret.len() >= 43, "{first}");
    assert_eq!(first["organizationId"], home.id.as_str());
    make().expect(201);
    assert_eq!(make().refused(409, "CONFLICT")["details"]["field"], "ingressKeys");

    let listed = || platform.hub.call("GET", &keys).bearer(&token).expect(200);
    assert_eq!(listed()["items"].as_array().unwrap().len(), 2);
    let one = format!("{keys}/{}", first["kid"].as_str().unwrap());
    let retired = platform.hub.call("DELETE", &one).bearer(&token).expect(200);
    assert!(retired["retiredAt"].is_string(), "{retired}");
    assert_eq!(listed()["items"][1], retired, "those in use come first");
    make().expect(201);
    platform.hub.call("DELETE", &format!("{keys}/none")).bearer(&token).refused(404, "NOT_FOUND");
    platform
        .hub
        .call("POST", "/api/admin/organizations/none/ingress-keys")
        .operator()
        .refused(404, "NOT_FOUND");

    let audit = platform.hub.call("GET", "/api/admin/audit?resourceType=ingress_key").bearer(&token);
    let audit = audit.expect(200);
    let actions: Vec<&str> =
        audit["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    let create = "ingress_key.create";
    assert_eq!(actions, [create, "ingress_key.retire", create, create]);
    for (what, text) in [
        ("list", listed().to_string()),
        ("record", audit.to_string()),
        ("organization", platform.hub.call("GET", "/api/admin/organizations").operator().send().body),
        ("log", platform.hub.log()),
    ] {
        assert!(!text.contains(secret), "the secret is in the {what}");
    }
}

fn a_policy_is_one_of_three_words(stand: Stand) {
    let platform = stand.start();
    let home = platform.organization();
    let one = format!("/api/admin/organizations/{}", home.id);
    assert_eq!(platform.hub.call("GET", &one).operator().expect(200)["ingressPolicy"], "off");
    let change = |word: &str| {
        platform.hub.call("PATCH", &one).bearer(&tenant(&home.id)).json(&json!({ "ingressPolicy": word }))
    };
    for word in ["observe", "require"] {
        let changed = change(word).expect(200);
        assert_eq!((id(&changed), &changed["ingressPolicy"]), (home.id.clone(), &json!(word)));
    }
    change("strict").refused(400, "VALIDATION_ERROR");
    assert_eq!(platform.hub.call("GET", &one).operator().expect(200)["ingressPolicy"], "require");
}
