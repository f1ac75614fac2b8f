//! Who did what.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, QueryDsl, Queryable, RunQueryDsl, Selectable, SelectableHelper,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Multi,
    columns::MaybeJson,
    page::{Cursor, Page, PageRequest, newest_first},
};
use crate::{
    domain::{clock::Timestamp, ids::OrganizationId},
    store::{Result, database::Database, schema::audit_log},
};

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema, Queryable, Selectable)]
#[serde(rename_all = "camelCase")]
#[diesel(table_name = audit_log)]
pub struct AuditEntry {
    /// Its id.
    pub id: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who did it.
    pub actor_id: String,
    /// As what: `user`, `orchestrator`, `daemon`, `operator` or `system`.
    pub actor_type: String,
    /// The organization that it concerns.
    pub organization_id: Option<String>,
    /// What was done, such as `credential.revoke`.
    pub action: String,
    /// The kind of thing that it was done to.
    pub resource_type: String,
    /// The thing that it was done to.
    pub resource_id: Option<String>,
    /// More about it.
    #[diesel(deserialize_as = MaybeJson)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    /// The address that it was asked from.
    pub ip: Option<String>,
    /// The program that asked.
    pub user_agent: Option<String>,
    /// `info`, `warning` or `critical`.
    pub severity: String,
}

/// Something to put on record.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewAuditEntry {
    /// Who did it.
    pub actor_id: String,
    /// As what.
    pub actor_type: String,
    /// The organization that it concerns.
    pub organization_id: Option<String>,
    /// What was done.
    pub action: String,
    /// The kind of thing that it was done to.
    pub resource_type: String,
    /// The thing that it was done to.
    pub resource_id: Option<String>,
    /// More about it; never a secret.
    pub metadata: Option<Value>,
    /// The address that it was asked from.
    pub ip: Option<String>,
    /// The program that asked.
    pub user_agent: Option<String>,
    /// How grave it is; `info` when nothing is said.
    pub severity: Option<String>,
}

/// Which entries to list; nothing is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// What this one did.
    pub actor_id: Option<String>,
    /// What was done in this way.
    pub action: Option<String>,
    /// What concerns this organization.
    pub organization: Option<String>,
    /// What was done to this kind of thing.
    pub resource_type: Option<String>,
    /// What was done to this thing.
    pub resource_id: Option<String>,
    /// What was done at this time or later.
    pub from: Option<Timestamp>,
    /// What was done before this time.
    pub to: Option<Timestamp>,
}

impl Database {
    /// Puts something on record and gives back the id of the entry.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn append_audit(&self, new: NewAuditEntry, now: Timestamp) -> Result<String> {
        // Ids that grow keep entries of one millisecond in the order in which they were made.
        let id = format!("aud_{}", Uuid::now_v7().simple());
        diesel::insert_into(audit_log::table)
            .values((
                audit_log::id.eq(&id),
                audit_log::at.eq(now.utc()),
                audit_log::actor_id.eq(new.actor_id),
                audit_log::actor_type.eq(new.actor_type),
                audit_log::organization_id.eq(new.organization_id),
                audit_log::action.eq(new.action),
                audit_log::resource_type.eq(new.resource_type),
                audit_log::resource_id.eq(new.resource_id),
                audit_log::metadata.eq(new.metadata.map(|metadata| metadata.to_string())),
                audit_log::ip.eq(new.ip),
                audit_log::user_agent.eq(new.user_agent),
                audit_log::severity.eq(new.severity.unwrap_or_else(|| "info".to_owned())),
            ))
            .execute(&mut *self.connection()?)?;
        Ok(id)
    }

    /// A page of the entries that fit `filter`, latest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn audit(
        &self,
        filter: &AuditFilter,
        scope: Option<&OrganizationId>,
        request: &PageRequest,
    ) -> Result<Page<AuditEntry>> {
        let mut query = audit_log::table.select(AuditEntry::as_select()).into_boxed::<Multi>();
        if let Some(scope) = scope {
            query = query.filter(audit_log::organization_id.eq(scope.as_str().to_owned()));
        }
        if let Some(actor) = &filter.actor_id {
            query = query.filter(audit_log::actor_id.eq(actor.clone()));
        }
        if let Some(action) = &filter.action {
            query = query.filter(audit_log::action.eq(action.clone()));
        }
        if let Some(organization) = &filter.organization {
            query = query.filter(audit_log::organization_id.eq(organization.clone()));
        }
        if let Some(kind) = &filter.resource_type {
            query = query.filter(audit_log::resource_type.eq(kind.clone()));
        }
        if let Some(resource) = &filter.resource_id {
            query = query.filter(audit_log::resource_id.eq(resource.clone()));
        }
        if let Some(from) = filter.from {
            query = query.filter(audit_log::at.ge(from.utc()));
        }
        if let Some(to) = filter.to {
            query = query.filter(audit_log::at.lt(to.utc()));
        }
        let connection = &mut *self.connection()?;
        let rows: Vec<AuditEntry> = newest_first!(connection, query, audit_log.at, request)?;
        Ok(request.page(rows, |last| Cursor { at: last.at, id: last.id.clone() }))
    }
}
