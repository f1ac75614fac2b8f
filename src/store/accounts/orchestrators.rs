//! Orchestrators, also called VPs.

use std::collections::HashMap;

use diesel::{
    BoolExpressionMethods, EscapeExpressionMethods, ExpressionMethods, NullableExpressionMethods,
    OptionalExtension, QueryDsl, Queryable, RunQueryDsl, Selectable, SelectableHelper, TextExpressionMethods,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Multi,
    columns::CapabilitiesText,
    containing, lower,
    organizations::Organization,
    page::{Cursor, Page, PageRequest, newest_first},
    users::User,
};
use crate::{
    domain::{clock::Timestamp, ids::OrganizationId},
    store::{
        Result,
        connection::AccountsConnection,
        database::Database,
        schema::{orchestrators, organizations, users},
    },
};

/// An orchestrator.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema, Queryable, Selectable)]
#[serde(rename_all = "camelCase")]
pub struct Orchestrator {
    /// Its id.
    pub id: String,
    /// The user that it appears as.
    pub user_id: Option<String>,
    /// Its organization.
    pub organization_id: String,
    /// The workspace that it works in.
    pub workspace_id: Option<String>,
    /// Its field, such as `engineering`.
    pub discipline: String,
    /// What it does there.
    pub role: String,
    /// `ONLINE`, `OFFLINE`, `BUSY` or `AWAY`.
    pub status: String,
    /// What it can do, an array or an object; never a hash of its keys.
    #[diesel(deserialize_as = CapabilitiesText)]
    #[schema(value_type = Value)]
    pub capabilities: Value,
    /// Where its daemon can be called.
    pub daemon_endpoint: Option<String>,
    /// Since when it may not authenticate.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub disabled_at: Option<Timestamp>,
    /// What its daemon says of itself: `active`, `paused` or `error`.
    pub operational_status: Option<String>,
    /// Why it says so.
    pub operational_message: Option<String>,
    /// When it said so.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_status_update: Option<Timestamp>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// An orchestrator with its user and its organization.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The orchestrator.
    pub orchestrator: Orchestrator,
    /// The user that it appears as.
    pub user: Option<User>,
    /// Its organization.
    pub organization: Organization,
}

/// Which orchestrators to list; nothing is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrchestratorFilter {
    /// Those of this organization.
    pub organization: Option<String>,
    /// Those in this workspace.
    pub workspace: Option<String>,
    /// Those with this status.
    pub status: Option<String>,
    /// Those of this discipline.
    pub discipline: Option<String>,
    /// Those whose id, role, discipline or user's name contains this, in any case.
    pub text: Option<String>,
    /// Those that are disabled, or those that are not.
    pub disabled: Option<bool>,
}

/// The orchestrator `id`, if it is in `scope`.
pub(super) fn load(
    connection: &mut AccountsConnection,
    id: &str,
    scope: Option<&OrganizationId>,
) -> diesel::QueryResult<Option<Orchestrator>> {
    let mut query = orchestrators::table
        .filter(orchestrators::id.eq(id.to_owned()))
        .select(Orchestrator::as_select())
        .into_boxed::<Multi>();
    if let Some(scope) = scope {
        query = query.filter(orchestrators::organization_id.eq(scope.as_str().to_owned()));
    }
    query.first(connection).optional()
}

impl Database {
    /// The orchestrator called `id`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn orchestrator(&self, id: &str, scope: Option<&OrganizationId>) -> Result<Option<Orchestrator>> {
        Ok(load(&mut *self.connection()?, id, scope)?)
    }

    /// The orchestrator called `id` with its user and its organization, in one query.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn profile(&self, id: &str, scope: Option<&OrganizationId>) -> Result<Option<Profile>> {
        let found: Option<(Orchestrator, Option<User>, Organization)> = orchestrators::table
            .inner_join(organizations::table)
            .left_join(users::table)
            .filter(orchestrators::id.eq(id))
            .select((Orchestrator::as_select(), Option::<User>::as_select(), Organization::as_select()))
            .first(&mut *self.connection()?)
            .optional()?;
        let inside = |profile: &Profile| {
            scope.is_none_or(|scope| scope.as_str() == profile.orchestrator.organization_id)
        };
        let profile =
            found.map(|(orchestrator, user, organization)| Profile { orchestrator, user, organization });
        Ok(profile.filter(inside))
    }

    /// A page of the orchestrators that fit `filter`, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn orchestrators(
        &self,
        filter: &OrchestratorFilter,
        scope: Option<&OrganizationId>,
        request: &PageRequest,
    ) -> Result<Page<Orchestrator>> {
        let mut query = orchestrators::table.select(Orchestrator::as_select()).into_boxed::<Multi>();
        if let Some(scope) = scope {
            query = query.filter(orchestrators::organization_id.eq(scope.as_str().to_owned()));
        }
        if let Some(organization) = &filter.organization {
            query = query.filter(orchestrators::organization_id.eq(organization.clone()));
        }
        if let Some(workspace) = &filter.workspace {
            query = query.filter(orchestrators::workspace_id.eq(workspace.clone()));
        }
        if let Some(status) = &filter.status {
            query = query.filter(orchestrators::status.eq(status.clone()));
        }
        if let Some(discipline) = &filter.discipline {
            query = query.filter(orchestrators::discipline.eq(discipline.clone()));
        }
        if let Some(text) = &filter.text {
            let pattern = containing(text);
            let id = lower(orchestrators::id.nullable()).like(pattern.clone()).escape('\\');
            let role = lower(orchestrators::role.nullable()).like(pattern.clone()).escape('\\');
            let field = lower(orchestrators::discipline.nullable()).like(pattern.clone()).escape('\\');
            let called = lower(users::name).like(pattern.clone()).escape('\\');
            let shown = lower(users::display_name).like(pattern).escape('\\');
            let faces = users::table.filter(called.or(shown)).select(users::id.nullable());
            query = query.filter(id.or(role).or(field).or(orchestrators::user_id.eq_any(faces)));
        }
        query = match filter.disabled {
            Some(true) => query.filter(orchestrators::disabled_at.is_not_null()),
            Some(false) => query.filter(orchestrators::disabled_at.is_null()),
            None => query,
        };
        let connection = &mut *self.connection()?;
        let rows: Vec<Orchestrator> = newest_first!(connection, query, orchestrators.created_at, request)?;
        Ok(request.page(rows, |last| Cursor { at: last.created_at, id: last.id.clone() }))
    }

    /// Sets the status of an orchestrator; says whether it was another one before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn set_status(&self, id: &str, status: &str, now: Timestamp) -> Result<bool> {
        let other = orchestrators::table.find(id).filter(orchestrators::status.ne(status));
        let changed = diesel::update(other)
            .set((orchestrators::status.eq(status), orchestrators::updated_at.eq(now.utc())))
            .execute(&mut *self.connection()?)?;
        Ok(changed > 0)
    }

    /// The status of each of `ids` that exists.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn statuses(&self, ids: &[String]) -> Result<HashMap<String, String>> {
        let found: Vec<(String, String)> = orchestrators::table
            .filter(orchestrators::id.eq_any(ids))
            .select((orchestrators::id, orchestrators::status))
            .load(&mut *self.connection()?)?;
        Ok(found.into_iter().collect())
    }

    /// The ids after `after` of orchestrators that are not offline, in order, at most `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn present_after(&self, after: &str, limit: i64) -> Result<Vec<String>> {
        Ok(orchestrators::table
            .filter(orchestrators::id.gt(after))
            .filter(orchestrators::status.ne("OFFLINE"))
            .order(orchestrators::id)
            .select(orchestrators::id)
            .limit(limit)
            .load(&mut *self.connection()?)?)
    }

    /// Notes what an orchestrator's daemon says of itself; says whether there is such an
    /// orchestrator. Its capabilities stay as they are (contract B22).
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn set_operational_status(
        &self,
        id: &str,
        status: &str,
        message: Option<&str>,
        now: Timestamp,
    ) -> Result<bool> {
        let changed = diesel::update(orchestrators::table.find(id))
            .set((
                orchestrators::operational_status.eq(status),
                orchestrators::operational_message.eq(message),
                orchestrators::last_status_update.eq(now.utc()),
                orchestrators::updated_at.eq(now.utc()),
            ))
            .execute(&mut *self.connection()?)?;
        Ok(changed > 0)
    }
}
