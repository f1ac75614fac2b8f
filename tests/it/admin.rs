//! Administration: what operators and tenants do under `/api/admin`, and with `neolith-hub admin`.

mod audit;
mod commands;
mod credentials;
mod dead_letters;
mod fleet;
mod ingress_keys;
mod live;
mod members;
mod nouns;
mod revocations;
mod tenants;

use serde_json::{Value, json};

use crate::support::{
    hub::Hub,
    identity::{Identity, unique},
    platform::Orchestrator,
    token::Token,
};

/// A token that administrates one organization.
fn tenant(organization: &str) -> String {
    tenant_for(organization, &["admin:read", "admin:write"])
}

/// The same with other scopes.
fn tenant_for(organization: &str, scopes: &[&str]) -> String {
    let token = Token::access(&unique("vp"), &unique("daemon"));
    token.claim("organizationId", organization).claim("scopes", json!(scopes)).mint()
}

/// A daemon of an orchestrator that has logged in.
fn daemon_of(orchestrator: &Orchestrator<'_>) -> Identity {
    Identity::new().with_token(orchestrator.token()).claiming(orchestrator.id.clone())
}

/// The ids of all items of a list, page by page.
#[track_caller]
fn walk(hub: &Hub, path: &str, limit: usize) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = hub.call("GET", &format!("{path}{separator}limit={limit}{after}")).operator().expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit, "{page}");
        ids.extend(items.iter().map(id));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return ids,
        }
    }
}

/// The id of something.
#[track_caller]
fn id(thing: &Value) -> String {
    thing["id"].as_str().unwrap().to_owned()
}
