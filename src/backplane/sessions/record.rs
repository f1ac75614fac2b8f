//! A session as JSON: written as every documented reader expects it, read as any documented writer
//! wrote it.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{SESSION_LIFETIME, SHORTEST_LIFETIME, SessionChange, SessionKind, SessionRecord, SessionStatus};
use crate::{
    backplane::registry::Attach,
    domain::{
        clock::Timestamp,
        ids::{DaemonId, OrchestratorId, OrganizationId, SessionId},
        scope::ScopeSet,
    },
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    id: &'a SessionId,
    orchestrator_id: &'a OrchestratorId,
    vp_id: &'a OrchestratorId,
    #[serde(skip_serializing_if = "Option::is_none")]
    daemon_id: Option<&'a DaemonId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<&'a OrganizationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<&'a str>,
    #[serde(rename = "type")]
    kind: SessionKind,
    status: SessionStatus,
    scopes: Vec<&'static str>,
    #[serde(rename = "refreshToken", skip_serializing_if = "Option::is_none")]
    refresh_digest: Option<&'a str>,
    created_at: Timestamp,
    last_activity_at: Timestamp,
    last_active_at: Timestamp,
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_heartbeat: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_refresh: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status: Option<&'a str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: &'a Map<String, Value>,
}

impl Serialize for SessionRecord {
    /// The documented record (contract 6.1, `daemon:session`).
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Written {
            id: &self.id,
            orchestrator_id: &self.orchestrator,
            vp_id: &self.orchestrator,
            daemon_id: self.daemon.as_ref(),
            organization_id: self.organization.as_ref(),
            workspace_id: self.workspace.as_deref(),
            kind: self.kind,
            status: self.status,
            scopes: self.scopes.names(),
            refresh_digest: self.refresh_digest.as_deref(),
            created_at: self.created_at,
            last_activity_at: self.last_activity_at,
            last_active_at: self.last_activity_at,
            expires_at: self.expires_at,
            last_heartbeat: self.last_heartbeat,
            last_refresh: self.last_refresh,
            last_status: self.last_status.as_deref(),
            metadata: &self.metadata,
        };
        written.serialize(serializer)
    }
}

/// The first of `names` that holds something.
fn text<'a>(record: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| record.get(*name)?.as_str()).filter(|text| !text.is_empty())
}

/// The first of `names` that holds a time: ISO-8601, or milliseconds.
fn time(record: &Map<String, Value>, names: &[&str]) -> Option<Timestamp> {
    names.iter().find_map(|name| match record.get(*name)? {
        Value::String(text) => Timestamp::parse_iso(text),
        Value::Number(millis) => millis.as_i64().map(Timestamp),
        _ => None,
    })
}

impl SessionRecord {
    /// The session of a connection that attaches and finds none.
    pub(in crate::backplane) fn of_attach(request: &Attach) -> Self {
        Self {
            id: request.session.clone(),
            orchestrator: request.orchestrator.clone(),
            daemon: Some(request.daemon.clone()),
            organization: request.organization.clone(),
            workspace: None,
            kind: SessionKind::Daemon,
            status: SessionStatus::Active,
            scopes: request.scopes,
            refresh_digest: None,
            created_at: request.now,
            last_activity_at: request.now,
            expires_at: request.now.plus(SESSION_LIFETIME),
            last_heartbeat: Some(request.now),
            last_refresh: None,
            last_status: None,
            metadata: Map::new(),
        }
    }

    /// Reads what lies under the name of session `id` and goes away at `end`, whichever documented
    /// writer wrote it. `None` when it names no orchestrator, or is no record at all.
    #[must_use]
    pub fn read(id: &SessionId, json: &str, end: Timestamp) -> Option<Self> {
        Self::of_map(id, &serde_json::from_str(json).ok()?, end)
    }

    fn of_map(id: &SessionId, record: &Map<String, Value>, end: Timestamp) -> Option<Self> {
        let orchestrator = OrchestratorId::parse(text(record, &["orchestratorId", "vpId"])?).ok()?;
        let last_heartbeat = time(record, &["lastHeartbeat"]);
        let used = time(record, &["lastActivityAt", "lastActiveAt"]).or(last_heartbeat);
        let created_at = time(record, &["createdAt", "connectedAt"]).or(used).unwrap_or_default();
        let scopes = record.get("scopes").and_then(Value::as_array);
        let scopes = scopes.map(|names| ScopeSet::from_names(names.iter().filter_map(Value::as_str)));
        let owned = |name: &str| text(record, &[name]).map(str::to_owned);
        Some(Self {
            id: id.clone(),
            orchestrator,
            daemon: text(record, &["daemonId"]).and_then(|id| DaemonId::parse(id).ok()),
            organization: text(record, &["organizationId"]).and_then(|id| OrganizationId::parse(id).ok()),
            workspace: owned("workspaceId"),
            kind: text(record, &["type"]).and_then(SessionKind::parse).unwrap_or(SessionKind::Daemon),
            status: text(record, &["status"]).and_then(SessionStatus::parse).unwrap_or(SessionStatus::Active),
            scopes: scopes.unwrap_or_default(),
            refresh_digest: owned("refreshToken"),
            created_at,
            last_activity_at: used.unwrap_or(created_at),
            expires_at: time(record, &["expiresAt"]).unwrap_or(end),
            last_heartbeat,
            last_refresh: time(record, &["lastRefresh"]),
            last_status: owned("lastStatus"),
            metadata: record.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default(),
        })
    }
}

/// A session after a change that has not been written yet.
pub(in crate::backplane) enum Changed {
    /// To this.
    To {
        /// What is to be written.
        json: String,
        /// The same, as read.
        record: Box<SessionRecord>,
        /// For how long, from now on.
        lifetime: Duration,
    },
    /// It is somebody else's.
    Foreign,
    /// What lies there is no session.
    Unreadable,
}

/// Applies `change` to the session that lies there as `json` and goes away at `end`.
pub(in crate::backplane) fn change(
    (id, json, end): (&SessionId, &str, Timestamp),
    owner: &OrchestratorId,
    change: &SessionChange,
    now: Timestamp,
) -> Changed {
    let Ok(mut stored) = serde_json::from_str::<Map<String, Value>>(json) else { return Changed::Unreadable };
    let Some(before) = SessionRecord::of_map(id, &stored, end) else { return Changed::Unreadable };
    if before.orchestrator != *owner {
        return Changed::Foreign;
    }
    let end = if change.extend { now.plus(SESSION_LIFETIME) } else { before.expires_at };
    let used = change.last_activity_at.unwrap_or(now);
    let mut set = |name: &str, value: Value| {
        stored.insert(name.to_owned(), value);
    };
    let iso = |time: Timestamp| Value::from(time.to_string());
    // What the original's own records lack, so that every reader finds it from now on.
    set("id", Value::from(id.as_str()));
    set("orchestratorId", Value::from(owner.as_str()));
    set("vpId", Value::from(owner.as_str()));
    set("type", Value::from(before.kind.as_str()));
    set("status", Value::from(change.status.unwrap_or(before.status).as_str()));
    set("expiresAt", iso(end));
    set("lastActivityAt", iso(used));
    set("lastActiveAt", iso(used));
    if let Some(at) = change.last_refresh {
        set("lastRefresh", iso(at));
    }
    if let Some(digest) = &change.refresh_digest {
        set("refreshToken", Value::from(digest.as_str()));
    }
    if let Some(metadata) = &change.metadata {
        let mut merged = before.metadata;
        merged.extend(metadata.clone());
        set("metadata", Value::Object(merged));
    }
    match SessionRecord::of_map(id, &stored, end) {
        Some(record) => Changed::To {
            json: Value::Object(stored).to_string(),
            record: Box::new(record),
            lifetime: Duration::from_millis(u64::try_from(end.0.saturating_sub(now.0)).unwrap_or(0))
                .max(SHORTEST_LIFETIME),
        },
        None => Changed::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn id() -> SessionId {
        SessionId::parse("daemon_session_vp_1_17").expect("an id")
    }

    fn owner() -> OrchestratorId {
        OrchestratorId::parse("vp_1").expect("an id")
    }

    fn read(record: &Value) -> SessionRecord {
        SessionRecord::read(&id(), &record.to_string(), NOW).expect("a session")
    }

    fn changed(record: &Value, wanted: &SessionChange) -> (Value, SessionRecord, Duration) {
        match change((&id(), &record.to_string(), NOW.plus(SESSION_LIFETIME)), &owner(), wanted, NOW) {
            Changed::To { json, record, lifetime } => {
                (serde_json::from_str(&json).expect("JSON"), *record, lifetime)
            }
            Changed::Foreign | Changed::Unreadable => panic!("refused"),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let record = SessionRecord {
            id: id(),
            orchestrator: owner(),
            daemon: DaemonId::parse("d1").ok(),
            organization: OrganizationId::parse("org_1").ok(),
            workspace: Some("ws_1".into()),
            kind: SessionKind::User,
            status: SessionStatus::Idle,
            scopes: ScopeSet::standard(),
            refresh_digest: Some("ab".into()),
            created_at: Timestamp(1),
            last_activity_at: Timestamp(2),
            expires_at: Timestamp(3),
            last_heartbeat: Some(Timestamp(4)),
            last_refresh: Some(Timestamp(5)),
            last_status: Some("busy".into()),
            metadata: Map::from_iter([("empty".to_owned(), json!([]))]),
        };
        assert_eq!(read(&serde_json::to_value(&record).expect("JSON")), record);
    }

    #[test]
    fn a_record_of_the_original_authentication_is_understood() {
        let record = read(&json!({
            "orchestratorId": "vp_1", "scopes": ["messages:read"], "refreshToken": "ab",
            "createdAt": "2024-01-01T00:00:00.000Z", "lastHeartbeat": "2024-01-01T00:01:00.000Z",
        }));
        assert_eq!((record.kind, record.status), (SessionKind::Daemon, SessionStatus::Active));
        assert_eq!(record.expires_at, NOW, "it goes away with its key");
        assert_eq!(Some(record.last_activity_at), Timestamp::parse_iso("2024-01-01T00:01:00.000Z"));
        assert_eq!(record.scopes.names(), ["messages:read"]);
    }

    #[test]
    fn the_names_from_before_the_renaming_are_understood() {
        let record = read(&json!({ "vpId": "vp_1", "connectedAt": 17, "status": "connected" }));
        assert_eq!((record.created_at, record.status), (Timestamp(17), SessionStatus::Active));
        assert!(SessionRecord::read(&id(), "{}", NOW).is_none());
        assert!(SessionRecord::read(&id(), "[]", NOW).is_none());
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let stored = json!({
            "orchestratorId": "vp_1", "scopes": ["messages:read", "of:tomorrow"], "refreshToken": "ab",
            "createdAt": "2024-01-01T00:00:00.000Z", "later": { "list": [] }, "metadata": { "a": 1, "b": [] },
        });
        let wanted = SessionChange {
            status: Some(SessionStatus::Idle),
            metadata: json!({ "a": 2 }).as_object().cloned(),
            ..SessionChange::default()
        };
        let (json, record, lifetime) = changed(&stored, &wanted);
        for name in ["scopes", "refreshToken", "createdAt", "later"] {
            assert_eq!(json[name], stored[name], "{name}");
        }
        assert_eq!(json["metadata"], json!({ "a": 2, "b": [] }));
        assert_eq!(record.status, SessionStatus::Idle);
        assert_eq!((record.last_activity_at, lifetime), (NOW, SESSION_LIFETIME));
    }

    #[test]
    fn the_end_moves_only_on_demand_and_never_into_this_minute() {
        let soon = NOW.plus(Duration::from_secs(5));
        let stored = json!({ "orchestratorId": "vp_1", "expiresAt": soon.to_string() });
        let (_, record, lifetime) = changed(&stored, &SessionChange::default());
        assert_eq!((record.expires_at, lifetime), (soon, SHORTEST_LIFETIME));
        let extend = SessionChange { extend: true, ..SessionChange::default() };
        let (_, record, lifetime) = changed(&stored, &extend);
        assert_eq!((record.expires_at, lifetime), (NOW.plus(SESSION_LIFETIME), SESSION_LIFETIME));
    }
}
