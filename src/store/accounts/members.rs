//! Who is in an organization, a workspace or a channel, and as what.
//!
//! The three tables have the same shape, so one set of queries serves them all.

use diesel::{
    OptionalExtension, QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Bool, Nullable, Text, Timestamp as SqlTimestamp},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    fresh_id,
    page::{Cursor, Page, PageRequest},
    write::{Parent, count},
};
use crate::{
    domain::{clock::Timestamp, ids::OrganizationId},
    store::{Result, StoreError, connection::AccountsConnection, database::Database},
};

/// What somebody can be a member of, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group<'a> {
    /// An organization.
    Organization(&'a str),
    /// A workspace.
    Workspace(&'a str),
    /// A channel.
    Channel(&'a str),
}

/// A user in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, QueryableByName)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The id of the membership.
    #[diesel(sql_type = Text)]
    pub id: String,
    /// The user.
    #[diesel(sql_type = Text)]
    pub user_id: String,
    /// As what: `OWNER`, `ADMIN`, `MEMBER`, and in workspaces `GUEST`.
    #[diesel(sql_type = Text)]
    pub role: String,
    /// Since when.
    #[diesel(sql_type = SqlTimestamp)]
    #[schema(value_type = String, format = DateTime)]
    pub joined_at: Timestamp,
    /// The user's name.
    #[diesel(sql_type = Nullable<Text>)]
    pub name: Option<String>,
    /// The user's name to show.
    #[diesel(sql_type = Nullable<Text>)]
    pub display_name: Option<String>,
    /// The user's address.
    #[diesel(sql_type = Nullable<Text>)]
    pub email: Option<String>,
    /// The user's picture.
    #[diesel(sql_type = Nullable<Text>)]
    pub avatar_url: Option<String>,
    /// Whether the user is an orchestrator's.
    #[diesel(sql_type = Bool)]
    pub is_vp: bool,
}

/// What became of an attempt to make somebody a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// It is one now.
    Joined,
    /// It was one already.
    AlreadyMember,
}

#[derive(QueryableByName)]
struct Owner {
    #[diesel(sql_type = Text)]
    organization_id: String,
}

impl<'a> Group<'a> {
    fn id(self) -> &'a str {
        match self {
            Self::Organization(id) | Self::Workspace(id) | Self::Channel(id) => id,
        }
    }

    fn parent(self) -> Parent {
        match self {
            Self::Organization(_) => Parent::Organization,
            Self::Workspace(_) => Parent::Workspace,
            Self::Channel(_) => Parent::Channel,
        }
    }

    /// The table, its column of the group, and the condition that a row is a live membership.
    fn table(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Organization(_) => ("organization_members", "organization_id", ""),
            Self::Workspace(_) => ("workspace_members", "workspace_id", ""),
            Self::Channel(_) => ("channel_members", "channel_id", " AND m.left_at IS NULL"),
        }
    }

    /// The organization that the group belongs to; nothing when there is no such group in `scope`.
    fn organization(
        self,
        connection: &mut AccountsConnection,
        scope: Option<&OrganizationId>,
    ) -> diesel::QueryResult<Option<String>> {
        let query = match self {
            Self::Organization(_) => "SELECT id AS organization_id FROM organizations WHERE id = $1",
            Self::Workspace(_) => "SELECT organization_id FROM workspaces WHERE id = $1",
            Self::Channel(_) => {
                "SELECT w.organization_id FROM channels c JOIN workspaces w ON w.id = c.workspace_id
                 WHERE c.id = $1"
            }
        };
        let owner = sql_query(query).bind::<Text, _>(self.id()).get_result::<Owner>(connection).optional()?;
        let inside = |id: &String| scope.is_none_or(|scope| scope.as_str() == id);
        Ok(owner.map(|owner| owner.organization_id).filter(inside))
    }
}

/// Makes a user a live member; says whether it was none before. One statement, so of two attempts at
/// the same time one is told that it came late.
pub(super) fn enter(
    connection: &mut AccountsConnection,
    group: Group<'_>,
    user: &str,
    role: &str,
    now: Timestamp,
) -> diesel::QueryResult<Joined> {
    let (table, column, _) = group.table();
    let again = match group {
        Group::Channel(_) => {
            "UPDATE SET left_at = NULL, joined_at = excluded.joined_at, role = excluded.role
             WHERE channel_members.left_at IS NOT NULL"
        }
        _ => "NOTHING",
    };
    let inserted = sql_query(format!(
        "INSERT INTO {table} (id, {column}, user_id, role, joined_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT ({column}, user_id) DO {again}"
    ))
    .bind::<Text, _>(fresh_id("mem"))
    .bind::<Text, _>(group.id())
    .bind::<Text, _>(user)
    .bind::<Text, _>(role)
    .bind::<SqlTimestamp, _>(now.utc())
    .execute(connection)?;
    Ok(if inserted > 0 { Joined::Joined } else { Joined::AlreadyMember })
}

/// Makes a user a member of an organization, unless it is one.
pub(super) fn admit(
    connection: &mut AccountsConnection,
    organization: &str,
    user: &str,
    now: Timestamp,
) -> diesel::QueryResult<()> {
    enter(connection, Group::Organization(organization), user, "MEMBER", now).map(drop)
}

/// Whether the user `$1` belongs to the organization `$2`.
const BELONGS: &str = "SELECT COUNT(*) AS count FROM users u WHERE u.id = $1 AND (
    EXISTS (SELECT 1 FROM organization_members m WHERE m.user_id = u.id AND m.organization_id = $2)
    OR EXISTS (SELECT 1 FROM orchestrators o WHERE o.user_id = u.id AND o.organization_id = $2))";

impl Database {
    /// Makes a user a member of a group. Workspaces and channels take users of their organization
    /// only; only the operator makes users members of organizations, beside those that a tenant creates.
    ///
    /// # Errors
    /// [`Missing`](StoreError::Missing) `user`, `organization`, `workspace` or `channel`.
    pub fn add_member(
        &self,
        group: Group<'_>,
        user: &str,
        role: &str,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Joined> {
        let parents = [(group.parent(), group.id()), (Parent::User, user)];
        self.write(&parents, |connection| {
            let joined = enter(connection, group, user, role, now)?;
            let Some(organization) = group.organization(connection, scope)? else {
                return Err(StoreError::Missing(group.parent().name()).into());
            };
            let stranger = match group {
                // Users that belong nowhere are the operator's to give away.
                Group::Organization(_) => scope.is_some(),
                _ => count(connection, BELONGS, &[user, &organization])? == 0,
            };
            if stranger && joined == Joined::Joined {
                return Err(StoreError::Missing(Parent::User.name()).into());
            }
            Ok(joined)
        })
    }

    /// A page of the members of a group, latest first; nothing when there is no such group.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn members(
        &self,
        group: Group<'_>,
        scope: Option<&OrganizationId>,
        request: &PageRequest,
    ) -> Result<Option<Page<Member>>> {
        let connection = &mut *self.connection()?;
        if group.organization(connection, scope)?.is_none() {
            return Ok(None);
        }
        let (table, column, live) = group.table();
        let mut query = sql_query(format!(
            "SELECT m.id, m.user_id, m.role, m.joined_at, u.name, u.display_name, u.email, u.avatar_url,
                    u.is_vp
             FROM {table} m JOIN users u ON u.id = m.user_id WHERE m.{column} = $1{live}"
        ))
        .into_boxed()
        .bind::<Text, _>(group.id());
        query = match request.after() {
            Some(cursor) => query
                .sql(" AND m.joined_at <= $2 AND (m.joined_at < $2 OR m.id < $3)")
                .bind::<SqlTimestamp, _>(cursor.at.utc())
                .bind::<Text, _>(cursor.id.clone())
                .sql(" ORDER BY m.joined_at DESC, m.id DESC LIMIT $4"),
            None => query.sql(" ORDER BY m.joined_at DESC, m.id DESC LIMIT $2"),
        };
        let rows: Vec<Member> = query.bind::<BigInt, _>(request.rows()).load(connection)?;
        Ok(Some(request.page(rows, |last| Cursor { at: last.joined_at, id: last.id.clone() })))
    }

    /// Gives a member another role; says whether there is such a member.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn change_role(
        &self,
        group: Group<'_>,
        user: &str,
        role: &str,
        scope: Option<&OrganizationId>,
    ) -> Result<bool> {
        let (table, column, live) = group.table();
        let connection = &mut *self.connection()?;
        if group.organization(connection, scope)?.is_none() {
            return Ok(false);
        }
        let changed = sql_query(format!(
            "UPDATE {table} AS m SET role = $1 WHERE m.{column} = $2 AND m.user_id = $3{live}"
        ))
        .bind::<Text, _>(role)
        .bind::<Text, _>(group.id())
        .bind::<Text, _>(user)
        .execute(connection)?;
        Ok(changed > 0)
    }

    /// Ends a membership; says whether there was one. In channels it stays on record as left.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn remove_member(
        &self,
        group: Group<'_>,
        user: &str,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<bool> {
        let connection = &mut *self.connection()?;
        if group.organization(connection, scope)?.is_none() {
            return Ok(false);
        }
        if let Group::Channel(channel) = group {
            return Ok(leave(connection, channel, user, now)?);
        }
        if let Group::Organization(organization) = group {
            end_memberships_within(connection, organization, user, now)?;
        }
        let (table, column, _) = group.table();
        let removed = sql_query(format!("DELETE FROM {table} WHERE {column} = $1 AND user_id = $2"))
            .bind::<Text, _>(group.id())
            .bind::<Text, _>(user)
            .execute(connection)?;
        Ok(removed > 0)
    }
}

/// Ends what memberships a user has in the workspaces and channels of an organization.
fn end_memberships_within(
    connection: &mut AccountsConnection,
    organization: &str,
    user: &str,
    now: Timestamp,
) -> diesel::QueryResult<()> {
    sql_query(
        "UPDATE channel_members SET left_at = $1 WHERE user_id = $2 AND left_at IS NULL AND channel_id IN (
            SELECT c.id FROM channels c JOIN workspaces w ON w.id = c.workspace_id
            WHERE w.organization_id = $3)",
    )
    .bind::<SqlTimestamp, _>(now.utc())
    .bind::<Text, _>(user)
    .bind::<Text, _>(organization)
    .execute(connection)?;
    sql_query(
        "DELETE FROM workspace_members WHERE user_id = $1 AND workspace_id IN (
            SELECT id FROM workspaces WHERE organization_id = $2)",
    )
    .bind::<Text, _>(user)
    .bind::<Text, _>(organization)
    .execute(connection)?;
    Ok(())
}

/// Ends a live membership of a channel; says whether there was one.
pub(super) fn leave(
    connection: &mut AccountsConnection,
    channel: &str,
    user: &str,
    now: Timestamp,
) -> diesel::QueryResult<bool> {
    let left = sql_query(
        "UPDATE channel_members SET left_at = $1 WHERE channel_id = $2 AND user_id = $3 AND left_at IS NULL",
    )
    .bind::<SqlTimestamp, _>(now.utc())
    .bind::<Text, _>(channel)
    .bind::<Text, _>(user)
    .execute(connection)?;
    Ok(left > 0)
}
