//! API keys.

use neolith_hub::store::{
    StoreError,
    accounts::{
        credential_changes::NewCredential,
        credentials::{FoundCredential, Unusable},
    },
};

use super::support::{World, at, first_page, on_both_engines, scope};

on_both_engines!(
    a_key_is_found_and_never_stored,
    a_key_that_may_not_be_used_says_why,
    a_rotated_key_stops_at_once,
    use_is_noted_once_a_minute,
    credentials_belong_to_a_tenant,
);

fn new(orchestrator: &str) -> NewCredential {
    NewCredential {
        orchestrator_id: orchestrator.to_owned(),
        name: "main".to_owned(),
        scopes: Some(vec!["messages:read".to_owned()]),
        expires_at: Some(at(1000)),
        created_by: None,
    }
}

fn found(world: &World, key: &str) -> FoundCredential {
    world.database.find_by_key(key).unwrap().unwrap()
}

fn a_key_is_found_and_never_stored(world: &World) {
    let id = world.orchestrator("a", "org_1");
    let issued = world.database.issue_credential(new(&id), None, at(20)).unwrap();
    let (key, secret) = (issued.key.expose(), issued.secret.expose());
    assert!(key.starts_with("vp_") && key.len() == 67, "{}", key.len());
    let found = found(world, key);
    assert_eq!(found.credential, issued.credential);
    assert_eq!(found.organization_id, "org_1");
    assert_eq!(found.usable(at(21)), Ok(()));
    assert!(found.secret_matches(secret) && !found.secret_matches("") && !found.secret_matches(key));
    assert!(world.database.find_by_key(&key.to_uppercase()).unwrap().is_none());
    let shown = serde_json::to_string(&issued.credential).unwrap();
    assert!(!shown.to_lowercase().contains("digest") && !shown.contains(key), "{shown}");
    assert_eq!(issued.credential.scopes, Some(vec!["messages:read".to_owned()]));
    let problem = world.database.issue_credential(new("nobody"), None, at(20)).unwrap_err();
    assert_eq!(problem, StoreError::Missing("orchestrator"));
}

fn a_key_that_may_not_be_used_says_why(world: &World) {
    let database = &world.database;
    let id = world.orchestrator("a", "org_1");
    let issued = database.issue_credential(new(&id), None, at(20)).unwrap();
    let (key, own) = (issued.key.expose(), &issued.credential.id);
    assert_eq!(found(world, key).usable(at(1000)), Err(Unusable::Expired));
    database.set_credential_disabled(own, true, None, at(21)).unwrap();
    assert_eq!(found(world, key).usable(at(22)), Err(Unusable::Disabled));
    database.set_credential_disabled(own, false, None, at(23)).unwrap();
    assert_eq!(found(world, key).usable(at(24)), Ok(()));
    database.set_organization_disabled("org_1", true, None, at(25)).unwrap();
    assert_eq!(found(world, key).usable(at(26)), Err(Unusable::Disabled));
    database.set_organization_disabled("org_1", false, None, at(27)).unwrap();
    database.set_orchestrator_disabled(&id, true, None, at(28)).unwrap();
    assert_eq!(found(world, key).usable(at(29)), Err(Unusable::Disabled));
    database.revoke_credential(own, None, at(30)).unwrap();
    assert_eq!(found(world, key).usable(at(31)), Err(Unusable::Revoked));
    database.set_credential_disabled(own, false, None, at(32)).unwrap();
    assert_eq!(found(world, key).usable(at(33)), Err(Unusable::Revoked), "for ever");
    assert!(database.rotate_credential(own, None, at(34)).unwrap().is_none());
}

fn a_rotated_key_stops_at_once(world: &World) {
    let id = world.orchestrator("a", "org_1");
    let old = world.database.issue_credential(new(&id), None, at(20)).unwrap();
    let new = world.database.rotate_credential(&old.credential.id, None, at(21)).unwrap().unwrap();
    assert!(world.database.find_by_key(old.key.expose()).unwrap().is_none());
    let found = found(world, new.key.expose());
    assert_eq!(found.credential.id, old.credential.id);
    assert!(!found.secret_matches(old.secret.expose()) && found.secret_matches(new.secret.expose()));
}

fn use_is_noted_once_a_minute(world: &World) {
    let database = &world.database;
    let orchestrator = world.orchestrator("a", "org_1");
    let id = database.issue_credential(new(&orchestrator), None, at(20)).unwrap().credential.id;
    let used = |millis| {
        database.touch_credential(&id, at(millis)).unwrap();
        database.credential(&id, None).unwrap().unwrap().last_used_at
    };
    assert_eq!(used(100), Some(at(100)));
    assert_eq!(used(60_099), Some(at(100)));
    assert_eq!(used(60_100), Some(at(60_100)));
}

fn credentials_belong_to_a_tenant(world: &World) {
    let database = &world.database;
    let theirs = world.orchestrator("theirs", "org_2");
    let (own, other) = (scope("org_1"), scope("org_2"));
    let id = database.issue_credential(new(&theirs), Some(&other), at(20)).unwrap().credential.id;
    assert_eq!(database.credential(&id, Some(&own)), Ok(None));
    assert_eq!(database.revoke_credential(&id, Some(&own), at(21)), Ok(None));
    assert!(database.rotate_credential(&id, Some(&own), at(21)).unwrap().is_none());
    let problem = database.issue_credential(new(&theirs), Some(&own), at(21)).unwrap_err();
    assert_eq!(problem, StoreError::Missing("orchestrator"));
    assert_eq!(database.credentials(None, Some(&own), &first_page()).unwrap().items, []);
    assert_eq!(database.credentials(Some(&theirs), Some(&other), &first_page()).unwrap().items.len(), 1);
}
