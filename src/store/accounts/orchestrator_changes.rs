//! Creating, changing and deleting orchestrators.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};
use serde_json::Value;

use super::{
    columns::{SECRET_CAPABILITIES, public_capabilities},
    dead_letter_changes::forget_orchestrator,
    fresh_id,
    members::admit,
    orchestrators::{Orchestrator, load},
    users::{self, ELSEWHERE, NewUser},
    write::{Failure, Parent, count},
};
use crate::{
    domain::{clock::Timestamp, ids::OrganizationId},
    store::{
        Result, StoreError,
        connection::AccountsConnection,
        database::Database,
        schema::{channel_members, orchestrators, users as user_rows},
    },
};

/// The user that a new orchestrator appears as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Face {
    /// One that exists, by its id.
    Existing(String),
    /// One that is created with it; it is marked as an orchestrator's.
    New(NewUser),
}

/// An orchestrator to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOrchestrator {
    /// Its id; drawn when there is none.
    pub id: Option<String>,
    /// Its organization.
    pub organization_id: String,
    /// The workspace that it works in, one of its organization.
    pub workspace_id: Option<String>,
    /// The user that it appears as; it becomes a member of the organization.
    pub face: Face,
    /// Its field.
    pub discipline: String,
    /// What it does there.
    pub role: String,
    /// What it can do; an empty array when nothing is said. Hashes of keys in it are dropped.
    pub capabilities: Option<Value>,
    /// Where its daemon can be called.
    pub daemon_endpoint: Option<String>,
}

/// What to change of an orchestrator; nothing stays as it is, `Some(None)` empties a field.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OrchestratorChanges {
    /// The workspace that it works in.
    pub workspace_id: Option<Option<String>>,
    /// Its field.
    pub discipline: Option<String>,
    /// What it does there.
    pub role: Option<String>,
    /// What it can do, all of it. The hashes of legacy keys stay with the orchestrator.
    pub capabilities: Option<Value>,
    /// Where its daemon can be called.
    pub daemon_endpoint: Option<Option<String>>,
    /// Its status.
    pub status: Option<String>,
}

/// Refuses a workspace that is none of the organization's.
fn check_workspace(
    connection: &mut AccountsConnection,
    workspace: Option<&str>,
    organization: &str,
) -> std::result::Result<(), Failure> {
    const HOME: &str = "SELECT COUNT(*) AS count FROM workspaces WHERE id = $1 AND organization_id = $2";
    match workspace {
        Some(workspace) if count(connection, HOME, &[workspace, organization])? == 0 => {
            Err(StoreError::Missing(Parent::Workspace.name()).into())
        }
        _ => Ok(()),
    }
}

/// What to store for `new` capabilities, so that the legacy keys among the `old` ones keep working.
fn with_legacy_keys(new: Value, old: &str) -> Result<Value> {
    let mut new = public_capabilities(new);
    let Ok(Value::Object(mut old)) = serde_json::from_str(old) else { return Ok(new) };
    for name in SECRET_CAPABILITIES {
        let Some(secret) = old.remove(name) else { continue };
        match &mut new {
            Value::Object(members) => _ = members.insert(name.to_owned(), secret),
            _ => return Err(StoreError::Conflict("capabilities".to_owned())),
        }
    }
    Ok(new)
}

impl Database {
    /// Creates an orchestrator, and its user unless that exists.
    ///
    /// # Errors
    /// [`Conflict`](StoreError::Conflict) `id`, `email` or `userId` (it is another orchestrator's);
    /// [`Missing`](StoreError::Missing) `organization`, `workspace` or `user`.
    pub fn create_orchestrator(
        &self,
        new: NewOrchestrator,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Orchestrator> {
        let organization = new.organization_id;
        if scope.is_some_and(|scope| scope.as_str() != organization) {
            return Err(StoreError::Missing(Parent::Organization.name()));
        }
        let id = new.id.unwrap_or_else(|| fresh_id("vp"));
        let existing = if let Face::Existing(user) = &new.face { Some(user.clone()) } else { None };
        let mut parents = vec![(Parent::Organization, organization.as_str())];
        parents.extend(existing.as_deref().map(|user| (Parent::User, user)));
        self.write(&parents, |connection| {
            let user = match new.face {
                Face::Existing(user) => user,
                Face::New(user) => users::insert(connection, NewUser { is_vp: true, ..user }, now)?,
            };
            admit(connection, &organization, &user, now)?;
            if scope.is_some() && count(connection, ELSEWHERE, &[&user, &organization])? > 0 {
                return Err(StoreError::Missing(Parent::User.name()).into());
            }
            check_workspace(connection, new.workspace_id.as_deref(), &organization)?;
            let capabilities = new.capabilities.map_or_else(|| Value::Array(Vec::new()), public_capabilities);
            diesel::insert_into(orchestrators::table)
                .values((
                    orchestrators::id.eq(&id),
                    orchestrators::user_id.eq(&user),
                    orchestrators::organization_id.eq(&organization),
                    orchestrators::workspace_id.eq(new.workspace_id),
                    orchestrators::discipline.eq(new.discipline),
                    orchestrators::role.eq(new.role),
                    orchestrators::capabilities.eq(capabilities.to_string()),
                    orchestrators::daemon_endpoint.eq(new.daemon_endpoint),
                    orchestrators::created_at.eq(now.utc()),
                    orchestrators::updated_at.eq(now.utc()),
                ))
                .execute(connection)?;
            load(connection, &id, scope)?.ok_or(Failure::Query(diesel::NotFound))
        })
    }

    /// Changes an orchestrator; nothing when there is none.
    ///
    /// # Errors
    /// [`Missing`](StoreError::Missing) `workspace`; [`Conflict`](StoreError::Conflict)
    /// `capabilities` when they would be no object any more while legacy keys are kept in them.
    pub fn update_orchestrator(
        &self,
        id: &str,
        changes: OrchestratorChanges,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Option<Orchestrator>> {
        self.write(&[], |connection| {
            // This comes first to take the row: its capabilities are read, then written.
            hold(connection, id)?;
            let Some(before) = load(connection, id, scope)? else { return Ok(None) };
            let workspace = changes.workspace_id.as_ref().and_then(Option::as_deref);
            check_workspace(connection, workspace, &before.organization_id)?;
            let capabilities = match changes.capabilities {
                Some(new) => {
                    let old: String = orchestrators::table
                        .find(id)
                        .select(orchestrators::capabilities)
                        .first(connection)?;
                    Some(with_legacy_keys(new, &old)?.to_string())
                }
                None => None,
            };
            diesel::update(orchestrators::table.find(id))
                .set((
                    orchestrators::updated_at.eq(now.utc()),
                    changes.workspace_id.map(|id| orchestrators::workspace_id.eq(id)),
                    changes.discipline.map(|field| orchestrators::discipline.eq(field)),
                    changes.role.map(|role| orchestrators::role.eq(role)),
                    capabilities.map(|text| orchestrators::capabilities.eq(text)),
                    changes.daemon_endpoint.map(|url| orchestrators::daemon_endpoint.eq(url)),
                    changes.status.map(|status| orchestrators::status.eq(status)),
                ))
                .execute(connection)?;
            Ok(load(connection, id, scope)?)
        })
    }

    /// Disables an orchestrator, or enables it again; nothing when there is none. One that is
    /// disabled already keeps the time of the first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn set_orchestrator_disabled(
        &self,
        id: &str,
        disabled: bool,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Option<Orchestrator>> {
        let Some(_) = self.orchestrator(id, scope)? else { return Ok(None) };
        self.write(&[], |connection| {
            let changed =
                orchestrators::table.find(id).filter(orchestrators::disabled_at.is_null().eq(disabled));
            diesel::update(changed)
                .set((
                    orchestrators::disabled_at.eq(disabled.then(|| now.utc())),
                    orchestrators::updated_at.eq(now.utc()),
                ))
                .execute(connection)?;
            Ok(load(connection, id, scope)?)
        })
    }

    /// Deletes an orchestrator with its credentials, daemons and dead letters; says whether there was one. Its user
    /// stays as the author of what it wrote, but leaves all channels and is inactive.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn delete_orchestrator(
        &self,
        id: &str,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<bool> {
        self.write(&[], |connection| {
            hold(connection, id)?;
            let Some(orchestrator) = load(connection, id, scope)? else { return Ok(false) };
            forget_orchestrator(connection, id)?;
            diesel::delete(orchestrators::table.find(id)).execute(connection)?;
            let Some(user) = orchestrator.user_id else { return Ok(true) };
            let face: Option<bool> =
                user_rows::table.find(&user).select(user_rows::is_vp).first(connection).optional()?;
            if face == Some(true) {
                diesel::update(user_rows::table.find(&user))
                    .set((user_rows::status.eq("INACTIVE"), user_rows::updated_at.eq(now.utc())))
                    .execute(connection)?;
                let memberships = channel_members::table
                    .filter(channel_members::user_id.eq(&user))
                    .filter(channel_members::left_at.is_null());
                diesel::update(memberships)
                    .set(channel_members::left_at.eq(now.utc()))
                    .execute(connection)?;
            }
            Ok(true)
        })
    }
}

/// Takes the row for this transaction and changes nothing: it may turn out to be outside the scope.
fn hold(connection: &mut AccountsConnection, id: &str) -> diesel::QueryResult<usize> {
    diesel::update(orchestrators::table.find(id)).set(orchestrators::id.eq(id)).execute(connection)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn legacy_keys_survive_new_capabilities() {
        let old = json!({"apiKeyHash": "aa", "charter": 1}).to_string();
        let new = with_legacy_keys(json!({"charter": 2, "apiKeyHash": "forged"}), &old);
        assert_eq!(new, Ok(json!({"charter": 2, "apiKeyHash": "aa"})));
        assert_eq!(with_legacy_keys(json!({"apiKey": {"hash": "forged"}}), "[]"), Ok(json!({})));
        let problem = Err(StoreError::Conflict("capabilities".to_owned()));
        assert_eq!(with_legacy_keys(json!(["calls"]), &old), problem);
    }
}
