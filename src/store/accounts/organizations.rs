//! Organizations: the tenants of the hub.

use diesel::{
    BoolExpressionMethods, EscapeExpressionMethods, ExpressionMethods, NullableExpressionMethods,
    OptionalExtension, QueryDsl, Queryable, RunQueryDsl, Selectable, SelectableHelper, TextExpressionMethods,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Multi,
    columns::JsonText,
    containing,
    dead_letter_changes::forget_organization,
    fresh_id, lower,
    page::{Cursor, Page, PageRequest, newest_first},
    write::Failure,
};
use crate::{
    domain::{clock::Timestamp, ids::OrganizationId, ingress::IngressPolicy},
    store::{Result, connection::AccountsConnection, database::Database, schema::organizations},
};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema, Queryable, Selectable)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Its name in addresses; no other organization has it.
    pub slug: String,
    /// Its picture.
    pub avatar_url: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Settings that the hub only keeps.
    #[diesel(deserialize_as = JsonText)]
    #[schema(value_type = Object)]
    pub settings: Value,
    /// Whether events for it must be signed: `off`, `observe` or `require`.
    pub ingress_policy: String,
    /// Since when none of its orchestrators may authenticate.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub disabled_at: Option<Timestamp>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// An organization to be created.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewOrganization {
    /// Its id; drawn when there is none.
    pub id: Option<String>,
    /// What people call it.
    pub name: String,
    /// Its name in addresses.
    pub slug: String,
    /// Its picture.
    pub avatar_url: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Settings that the hub only keeps; empty when there are none.
    pub settings: Option<Value>,
}

/// What to change of an organization; nothing stays as it is, `Some(None)` empties a field.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OrganizationChanges {
    /// What people call it.
    pub name: Option<String>,
    /// Its name in addresses.
    pub slug: Option<String>,
    /// Its picture.
    pub avatar_url: Option<Option<String>>,
    /// What it is.
    pub description: Option<Option<String>>,
    /// Settings, all of them.
    pub settings: Option<Value>,
    /// Whether events for it must be signed.
    pub ingress_policy: Option<IngressPolicy>,
}

/// Which organizations to list; nothing is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrganizationFilter {
    /// Those whose name or slug contains this, in any case.
    pub text: Option<String>,
    /// Those that are disabled, or those that are not.
    pub disabled: Option<bool>,
}

fn load(
    connection: &mut AccountsConnection,
    id: &str,
    scope: Option<&OrganizationId>,
) -> diesel::QueryResult<Option<Organization>> {
    if scope.is_some_and(|scope| scope.as_str() != id) {
        return Ok(None);
    }
    organizations::table.find(id).select(Organization::as_select()).first(connection).optional()
}

impl Database {
    /// Creates an organization.
    ///
    /// # Errors
    /// [`Conflict`](crate::store::StoreError::Conflict) `slug` or `id`.
    pub fn create_organization(&self, new: NewOrganization, now: Timestamp) -> Result<Organization> {
        let id = new.id.unwrap_or_else(|| fresh_id("org"));
        self.write(&[], |connection| {
            diesel::insert_into(organizations::table)
                .values((
                    organizations::id.eq(&id),
                    organizations::name.eq(new.name),
                    organizations::slug.eq(new.slug),
                    organizations::avatar_url.eq(new.avatar_url),
                    organizations::description.eq(new.description),
                    organizations::settings.eq(super::object_text(new.settings)),
                    organizations::created_at.eq(now.utc()),
                    organizations::updated_at.eq(now.utc()),
                ))
                .execute(connection)?;
            Ok(organizations::table.find(&id).select(Organization::as_select()).first(connection)?)
        })
    }

    /// The organization called `id`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn organization(&self, id: &str, scope: Option<&OrganizationId>) -> Result<Option<Organization>> {
        Ok(load(&mut *self.connection()?, id, scope)?)
    }

    /// A page of the organizations that fit `filter`, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn organizations(
        &self,
        filter: &OrganizationFilter,
        scope: Option<&OrganizationId>,
        request: &PageRequest,
    ) -> Result<Page<Organization>> {
        let mut query = organizations::table.select(Organization::as_select()).into_boxed::<Multi>();
        if let Some(scope) = scope {
            query = query.filter(organizations::id.eq(scope.as_str().to_owned()));
        }
        if let Some(text) = &filter.text {
            let pattern = containing(text);
            let name = lower(organizations::name.nullable()).like(pattern.clone()).escape('\\');
            query = query.filter(name.or(lower(organizations::slug.nullable()).like(pattern).escape('\\')));
        }
        query = match filter.disabled {
            Some(true) => query.filter(organizations::disabled_at.is_not_null()),
            Some(false) => query.filter(organizations::disabled_at.is_null()),
            None => query,
        };
        let connection = &mut *self.connection()?;
        let rows: Vec<Organization> = newest_first!(connection, query, organizations.created_at, request)?;
        Ok(request.page(rows, |last| Cursor { at: last.created_at, id: last.id.clone() }))
    }

    /// Changes an organization; nothing when there is none.
    ///
    /// # Errors
    /// [`Conflict`](crate::store::StoreError::Conflict) `slug`.
    pub fn update_organization(
        &self,
        id: &str,
        changes: OrganizationChanges,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Option<Organization>> {
        if scope.is_some_and(|scope| scope.as_str() != id) {
            return Ok(None);
        }
        self.write(&[], |connection| {
            diesel::update(organizations::table.find(id))
                .set((
                    organizations::updated_at.eq(now.utc()),
                    changes.name.map(|name| organizations::name.eq(name)),
                    changes.slug.map(|slug| organizations::slug.eq(slug)),
                    changes.avatar_url.map(|url| organizations::avatar_url.eq(url)),
                    changes.description.map(|text| organizations::description.eq(text)),
                    changes.settings.map(|settings| organizations::settings.eq(settings.to_string())),
                    changes.ingress_policy.map(|policy| organizations::ingress_policy.eq(policy.as_str())),
                ))
                .execute(connection)?;
            Ok(load(connection, id, scope)?)
        })
    }

    /// Disables an organization, or enables it again; nothing when there is none. One that is
    /// disabled already keeps the time of the first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn set_organization_disabled(
        &self,
        id: &str,
        disabled: bool,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Option<Organization>> {
        if scope.is_some_and(|scope| scope.as_str() != id) {
            return Ok(None);
        }
        self.write(&[], |connection| {
            let changed =
                organizations::table.find(id).filter(organizations::disabled_at.is_null().eq(disabled));
            diesel::update(changed)
                .set((
                    organizations::disabled_at.eq(disabled.then(|| now.utc())),
                    organizations::updated_at.eq(now.utc()),
                ))
                .execute(connection)?;
            Ok(load(connection, id, scope)?)
        })
    }

    /// Deletes an organization with all that belongs to it, its dead letters included, and says whether
    /// there was one. Users belong to nobody, so they stay.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn delete_organization(&self, id: &str, scope: Option<&OrganizationId>) -> Result<bool> {
        if scope.is_some_and(|scope| scope.as_str() != id) {
            return Ok(false);
        }
        self.write(&[], |connection| {
            forget_organization(connection, id)?;
            let deleted = diesel::delete(organizations::table.find(id)).execute(connection)?;
            Ok::<_, Failure>(deleted > 0)
        })
    }
}
