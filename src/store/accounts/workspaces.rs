//! Workspaces: parts of an organization, each with channels of its own.

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
    containing, fresh_id, lower, object_text,
    page::{Cursor, Page, PageRequest, newest_first},
    write::Parent,
};
use crate::{
    domain::{clock::Timestamp, ids::OrganizationId},
    store::{
        Result, StoreError,
        connection::AccountsConnection,
        database::Database,
        schema::{orchestrators, workspaces},
    },
};

/// A workspace.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema, Queryable, Selectable)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// Its id.
    pub id: String,
    /// Its organization.
    pub organization_id: String,
    /// What people call it.
    pub name: String,
    /// Its name in addresses; no other workspace of the organization has it.
    pub slug: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its picture.
    pub avatar_url: Option<String>,
    /// `PUBLIC`, `PRIVATE` or `INTERNAL`.
    pub visibility: String,
    /// Settings that the hub only keeps.
    #[diesel(deserialize_as = JsonText)]
    #[schema(value_type = Object)]
    pub settings: Value,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A workspace to be created.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewWorkspace {
    /// Its id; drawn when there is none.
    pub id: Option<String>,
    /// Its organization.
    pub organization_id: String,
    /// What people call it.
    pub name: String,
    /// Its name in addresses.
    pub slug: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its picture.
    pub avatar_url: Option<String>,
    /// Who sees it; `PRIVATE` when nothing is said.
    pub visibility: Option<String>,
    /// Settings that the hub only keeps; empty when there are none.
    pub settings: Option<Value>,
}

/// What to change of a workspace; nothing stays as it is, `Some(None)` empties a field.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkspaceChanges {
    /// What people call it.
    pub name: Option<String>,
    /// Its name in addresses.
    pub slug: Option<String>,
    /// What it is for.
    pub description: Option<Option<String>>,
    /// Its picture.
    pub avatar_url: Option<Option<String>>,
    /// Who sees it.
    pub visibility: Option<String>,
    /// Settings, all of them.
    pub settings: Option<Value>,
}

/// Which workspaces to list; nothing is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkspaceFilter {
    /// Those of this organization.
    pub organization: Option<String>,
    /// Those whose name or slug contains this, in any case.
    pub text: Option<String>,
}

fn load(
    connection: &mut AccountsConnection,
    id: &str,
    scope: Option<&OrganizationId>,
) -> diesel::QueryResult<Option<Workspace>> {
    let mut query = workspaces::table
        .filter(workspaces::id.eq(id.to_owned()))
        .select(Workspace::as_select())
        .into_boxed::<Multi>();
    if let Some(scope) = scope {
        query = query.filter(workspaces::organization_id.eq(scope.as_str().to_owned()));
    }
    query.first(connection).optional()
}

impl Database {
    /// Creates a workspace.
    ///
    /// # Errors
    /// [`Conflict`](StoreError::Conflict) `slug` or `id`, [`Missing`](StoreError::Missing)
    /// `organization`.
    pub fn create_workspace(
        &self,
        new: NewWorkspace,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Workspace> {
        if scope.is_some_and(|scope| scope.as_str() != new.organization_id) {
            return Err(StoreError::Missing("organization"));
        }
        let id = new.id.unwrap_or_else(|| fresh_id("ws"));
        self.write(&[(Parent::Organization, &new.organization_id)], |connection| {
            diesel::insert_into(workspaces::table)
                .values((
                    workspaces::id.eq(&id),
                    workspaces::organization_id.eq(&new.organization_id),
                    workspaces::name.eq(new.name),
                    workspaces::slug.eq(new.slug),
                    workspaces::description.eq(new.description),
                    workspaces::avatar_url.eq(new.avatar_url),
                    workspaces::visibility.eq(new.visibility.unwrap_or_else(|| "PRIVATE".to_owned())),
                    workspaces::settings.eq(object_text(new.settings)),
                    workspaces::created_at.eq(now.utc()),
                    workspaces::updated_at.eq(now.utc()),
                ))
                .execute(connection)?;
            Ok(workspaces::table.find(&id).select(Workspace::as_select()).first(connection)?)
        })
    }

    /// The workspace called `id`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn workspace(&self, id: &str, scope: Option<&OrganizationId>) -> Result<Option<Workspace>> {
        Ok(load(&mut *self.connection()?, id, scope)?)
    }

    /// A page of the workspaces that fit `filter`, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn workspaces(
        &self,
        filter: &WorkspaceFilter,
        scope: Option<&OrganizationId>,
        request: &PageRequest,
    ) -> Result<Page<Workspace>> {
        let mut query = workspaces::table.select(Workspace::as_select()).into_boxed::<Multi>();
        if let Some(scope) = scope {
            query = query.filter(workspaces::organization_id.eq(scope.as_str().to_owned()));
        }
        if let Some(organization) = &filter.organization {
            query = query.filter(workspaces::organization_id.eq(organization.clone()));
        }
        if let Some(text) = &filter.text {
            let pattern = containing(text);
            let name = lower(workspaces::name.nullable()).like(pattern.clone()).escape('\\');
            query = query.filter(name.or(lower(workspaces::slug.nullable()).like(pattern).escape('\\')));
        }
        let connection = &mut *self.connection()?;
        let rows: Vec<Workspace> = newest_first!(connection, query, workspaces.created_at, request)?;
        Ok(request.page(rows, |last| Cursor { at: last.created_at, id: last.id.clone() }))
    }

    /// Changes a workspace; nothing when there is none.
    ///
    /// # Errors
    /// [`Conflict`](StoreError::Conflict) `slug`.
    pub fn update_workspace(
        &self,
        id: &str,
        changes: WorkspaceChanges,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Option<Workspace>> {
        self.write(&[], |connection| {
            let mut update = diesel::update(workspaces::table)
                .set((
                    workspaces::updated_at.eq(now.utc()),
                    changes.name.map(|name| workspaces::name.eq(name)),
                    changes.slug.map(|slug| workspaces::slug.eq(slug)),
                    changes.description.map(|text| workspaces::description.eq(text)),
                    changes.avatar_url.map(|url| workspaces::avatar_url.eq(url)),
                    changes.visibility.map(|visibility| workspaces::visibility.eq(visibility)),
                    changes.settings.map(|settings| workspaces::settings.eq(settings.to_string())),
                ))
                .filter(workspaces::id.eq(id.to_owned()))
                .into_boxed();
            if let Some(scope) = scope {
                update = update.filter(workspaces::organization_id.eq(scope.as_str().to_owned()));
            }
            update.execute(connection)?;
            Ok(load(connection, id, scope)?)
        })
    }

    /// Deletes a workspace with its channels and their messages; orchestrators in it are then in
    /// none. Says whether there was one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn delete_workspace(&self, id: &str, scope: Option<&OrganizationId>) -> Result<bool> {
        self.write(&[], |connection| {
            let mut delete =
                diesel::delete(workspaces::table).filter(workspaces::id.eq(id.to_owned())).into_boxed();
            if let Some(scope) = scope {
                delete = delete.filter(workspaces::organization_id.eq(scope.as_str().to_owned()));
            }
            if delete.execute(connection)? == 0 {
                return Ok(false);
            }
            diesel::update(orchestrators::table.filter(orchestrators::workspace_id.eq(id)))
                .set(orchestrators::workspace_id.eq(None::<String>))
                .execute(connection)?;
            Ok(true)
        })
    }
}
