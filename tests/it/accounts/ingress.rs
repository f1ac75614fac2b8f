//! Keys that publishers sign with, and whether they must.

use neolith_hub::{
    domain::ingress::IngressPolicy,
    store::{StoreError, accounts::organizations::OrganizationChanges},
};

use super::support::{World, at, on_both_engines, scope};

fn policy(world: &World, organization: &str, policy: IngressPolicy) {
    let changes = OrganizationChanges { ingress_policy: Some(policy), ..Default::default() };
    let changed = world.database.update_organization(organization, changes, None, at(5)).unwrap().unwrap();
    assert_eq!(changed.ingress_policy, policy.as_str());
}

fn rules(world: &World) -> Vec<(String, IngressPolicy, Vec<String>)> {
    let rules = world.database.ingress_rules().unwrap().into_iter();
    rules
        .map(|rule| {
            let keys = rule.keys.into_iter().map(|key| format!("{} {}", key.kid, key.secret.expose()));
            (rule.organization.to_string(), rule.policy, keys.collect())
        })
        .collect()
}

fn two_keys_work_at_a_time_and_a_retired_one_makes_room(world: &World) {
    let make = |millis| world.database.create_ingress_key("org_1", None, at(millis));
    let (old, old_secret) = make(1).unwrap();
    let (new, new_secret) = make(2).unwrap();
    assert_ne!(old_secret.expose(), new_secret.expose());
    assert_eq!(make(3).unwrap_err(), StoreError::Conflict("ingressKeys".to_owned()));

    let named = |key: &str, secret: &str| format!("{key} {secret}");
    let both = [named(&new.kid, new_secret.expose()), named(&old.kid, old_secret.expose())];
    assert_eq!(rules(world), [("org_1".to_owned(), IngressPolicy::Off, both.to_vec())]);

    let retire = |millis| world.database.retire_ingress_key("org_1", &old.kid, None, at(millis)).unwrap();
    assert_eq!(retire(4).unwrap().retired_at, Some(at(4)));
    assert_eq!(retire(5).unwrap().retired_at, Some(at(4)), "the first time counts");
    assert_eq!(rules(world)[0].2, both[..1]);
    let (newest, _) = make(6).unwrap();
    let listed = world.database.ingress_keys("org_1", None).unwrap();
    let kids: Vec<&str> = listed.iter().map(|key| key.kid.as_str()).collect();
    assert_eq!(kids, [&newest.kid, &new.kid, &old.kid], "those in use before the retired one");
}

fn a_policy_is_a_rule_without_any_key(world: &World) {
    assert_eq!(rules(world), []);
    policy(world, "org_2", IngressPolicy::Require);
    policy(world, "org_1", IngressPolicy::Observe);
    let without_keys = |id: &str, policy| (id.to_owned(), policy, Vec::new());
    let all = [without_keys("org_1", IngressPolicy::Observe), without_keys("org_2", IngressPolicy::Require)];
    assert_eq!(rules(world), all);
    policy(world, "org_1", IngressPolicy::Off);
    assert_eq!(rules(world), all[1..]);
    world.sql("UPDATE organizations SET ingress_policy = 'relaxed' WHERE id = 'org_1'");
    assert_eq!(rules(world)[0], without_keys("org_1", IngressPolicy::Require), "no open door by mistake");
}

fn keys_belong_to_their_organization(world: &World) {
    let (key, _) = world.database.create_ingress_key("org_1", Some(&scope("org_1")), at(1)).unwrap();
    let stranger = scope("org_2");
    let missing = StoreError::Missing("organization");
    let made = world.database.create_ingress_key("org_1", Some(&stranger), at(2));
    assert_eq!(made.unwrap_err(), missing);
    assert_eq!(world.database.create_ingress_key("org_9", None, at(2)).unwrap_err(), missing);
    assert_eq!(world.database.ingress_keys("org_1", Some(&stranger)).unwrap(), []);
    for (organization, scope) in [("org_1", Some(&stranger)), ("org_2", Some(&stranger)), ("org_2", None)] {
        let retired = world.database.retire_ingress_key(organization, &key.kid, scope, at(3)).unwrap();
        assert_eq!(retired, None, "{organization}");
    }
    assert_eq!(rules(world).len(), 1);
    assert!(world.database.delete_organization("org_1", None).unwrap());
    assert_eq!(rules(world), [], "they go with it");
}

on_both_engines!(
    two_keys_work_at_a_time_and_a_retired_one_makes_room,
    a_policy_is_a_rule_without_any_key,
    keys_belong_to_their_organization,
);
