//! Daemons, the audit log and uptime.

use std::thread;

use neolith_hub::store::{
    StoreError,
    accounts::{
        audit::{AuditFilter, NewAuditEntry},
        daemons::NewDaemon,
        page::{Cursor, PageRequest},
    },
};
use serde_json::json;

use super::support::{World, at, first_page, on_both_engines, scope};

on_both_engines!(
    a_daemon_registers_again_in_place,
    the_record_is_read_by_page_and_filter,
    a_status_lasts_until_another_one,
    hubs_that_note_at_once_agree,
);

fn a_daemon_registers_again_in_place(world: &World) {
    let database = &world.database;
    let id = world.orchestrator("a", "org_1");
    let daemon = |version: &str| NewDaemon {
        orchestrator_id: id.clone(),
        instance_id: "i".to_owned(),
        version: version.to_owned(),
        host: "localhost".to_owned(),
        port: 65_535,
        protocol: "wss".to_owned(),
        started_at: at(0),
        capabilities: vec!["calls".to_owned()],
        metadata: None,
    };
    database.register_daemon(&daemon("1"), at(20)).unwrap();
    assert_eq!(database.unregister_daemons(&id, Some("i"), at(21)), Ok(1));
    assert_eq!(database.unregister_daemons(&id, None, at(21)), Ok(0));
    assert_eq!(database.daemons(&id, None).unwrap().unwrap()[0].unregistered_at, Some(at(21)));
    database.register_daemon(&daemon("2"), at(22)).unwrap();
    let daemons = database.daemons(&id, Some(&scope("org_1"))).unwrap().unwrap();
    assert_eq!(daemons.len(), 1);
    assert_eq!((daemons[0].version.as_str(), daemons[0].unregistered_at), ("2", None));
    assert_eq!((&daemons[0].capabilities, &daemons[0].metadata), (&json!(["calls"]), &json!({})));
    assert_eq!(database.daemons(&id, Some(&scope("org_2"))), Ok(None));
    let strange = NewDaemon { orchestrator_id: "nobody".to_owned(), ..daemon("1") };
    assert_eq!(database.register_daemon(&strange, at(20)), Err(StoreError::Missing("orchestrator")));
}

fn the_record_is_read_by_page_and_filter(world: &World) {
    let database = &world.database;
    let entry = |n: i64| NewAuditEntry {
        actor_id: format!("actor_{}", n % 2),
        actor_type: "user".to_owned(),
        organization_id: Some(format!("org_{}", 1 + n % 2)),
        action: "credential.issue".to_owned(),
        resource_type: "credential".to_owned(),
        resource_id: Some(n.to_string()),
        metadata: (n == 0).then(|| json!({"n": n})),
        ..Default::default()
    };
    let written: Vec<String> = (0..6).map(|n| database.append_audit(entry(n), at(n / 3)).unwrap()).collect();
    let list = |filter: AuditFilter| -> Vec<String> {
        let page = database.audit(&filter, None, &first_page()).unwrap();
        page.items.into_iter().map(|entry| entry.id).collect()
    };
    let newest_first: Vec<String> = written.iter().rev().cloned().collect();
    assert_eq!(list(AuditFilter::default()), newest_first, "in the order of writing");
    let actor = AuditFilter { actor_id: Some("actor_1".to_owned()), ..Default::default() };
    assert_eq!(list(actor).len(), 3);
    let resource = AuditFilter { resource_id: Some("4".to_owned()), ..Default::default() };
    assert_eq!(list(resource), [written[4].as_str()]);
    assert_eq!(list(AuditFilter { from: Some(at(1)), ..Default::default() }).len(), 3);
    assert_eq!(list(AuditFilter { to: Some(at(1)), ..Default::default() }).len(), 3);
    let own = scope("org_1");
    let first = database.audit(&AuditFilter::default(), Some(&own), &PageRequest::new(2, None)).unwrap();
    let rest = PageRequest::new(2, first.next.as_ref().and_then(|next| Cursor::parse(&next.to_string())));
    let rest = database.audit(&AuditFilter::default(), Some(&own), &rest).unwrap();
    assert_eq!((first.items.len(), rest.items.len(), &rest.next), (2, 1, &None));
    assert_eq!(rest.items[0].metadata, Some(json!({"n": 0})));
    assert_eq!((rest.items[0].severity.as_str(), rest.items[0].at), ("info", at(0)));
}

fn a_status_lasts_until_another_one(world: &World) {
    let database = &world.database;
    let id = world.orchestrator("a", "org_1");
    assert_eq!(database.note_status(&id, "ONLINE", at(0)), Ok(true));
    assert_eq!(database.note_status(&id, "ONLINE", at(50)), Ok(false));
    assert_eq!(database.note_status(&id, "OFFLINE", at(100)), Ok(true));
    assert_eq!(database.note_status(&id, "BUSY", at(125)), Ok(true));
    let uptime = database.uptime(&id, at(100), at(200)).unwrap();
    assert_eq!((uptime.periods.len(), uptime.observed_ms, uptime.online_ms), (2, 100, 75));
    let uptime = database.uptime(&id, at(50), at(120)).unwrap();
    assert_eq!((uptime.periods.len(), uptime.observed_ms, uptime.online_ms), (2, 70, 50));
    assert_eq!(uptime.periods[0].until, Some(at(100)));
    assert_eq!(database.uptime(&id, at(-50), at(-10)).unwrap().online_share, None);
    assert_eq!(database.note_status("nobody", "ONLINE", at(0)), Err(StoreError::Missing("orchestrator")));
}

fn hubs_that_note_at_once_agree(world: &World) {
    let id = world.orchestrator("a", "org_1");
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| world.database.note_status(&id, "ONLINE", at(0)).unwrap());
        }
    });
    assert_eq!(world.database.uptime(&id, at(0), at(1)).unwrap().periods.len(), 1);
}
