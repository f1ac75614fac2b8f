//! Channels, and orchestrators in them.

use diesel::{
    BoolExpressionMethods, EscapeExpressionMethods, ExpressionMethods, NullableExpressionMethods,
    OptionalExtension, QueryDsl, Queryable, QueryableByName, RunQueryDsl, Selectable, SelectableHelper,
    TextExpressionMethods, sql_query,
    sql_types::{BigInt, Bool, Nullable, Text, Timestamp as SqlTimestamp},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Multi,
    columns::JsonText,
    containing, lower,
    members::{Group, Joined, enter, leave},
    page::{Cursor, Page, PageRequest, newest_first},
    write::Parent,
};
use crate::{
    domain::{clock::Timestamp, ids::OrganizationId},
    store::{
        Result,
        connection::AccountsConnection,
        database::Database,
        schema::{channels, workspaces},
    },
};

/// A channel.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema, Queryable, Selectable)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Its id.
    pub id: String,
    /// Its workspace.
    pub workspace_id: String,
    /// What people call it.
    pub name: String,
    /// Its name in addresses; no other channel of the workspace has it.
    pub slug: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it is about at present.
    pub topic: Option<String>,
    /// `PUBLIC`, `PRIVATE`, `DM` or `HUDDLE`.
    #[serde(rename = "type")]
    #[diesel(column_name = type_)]
    pub kind: String,
    /// Whether it is closed.
    pub is_archived: bool,
    /// Settings that the hub only keeps.
    #[diesel(deserialize_as = JsonText)]
    #[schema(value_type = Object)]
    pub settings: Value,
    /// Who created it.
    pub created_by_id: Option<String>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed or written to.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// Which channels to list; nothing is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelFilter {
    /// Those of this organization.
    pub organization: Option<String>,
    /// Those of this workspace.
    pub workspace: Option<String>,
    /// Those of this type.
    pub kind: Option<String>,
    /// Those that are archived, or those that are not.
    pub archived: Option<bool>,
    /// Those whose name or slug contains this, in any case.
    pub text: Option<String>,
}

/// What a decision about joining a channel rests on.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct ChannelForJoin {
    /// Its id.
    #[diesel(sql_type = Text)]
    pub id: String,
    /// What people call it.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Its type.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// Whether it is closed.
    #[diesel(sql_type = Bool)]
    pub is_archived: bool,
    /// Its workspace.
    #[diesel(sql_type = Text)]
    pub workspace_id: String,
    /// Its organization.
    #[diesel(sql_type = Text)]
    pub organization_id: String,
}

/// Who is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who<'a> {
    /// A user, by its id.
    User(&'a str),
    /// The user of an orchestrator, by the id of the orchestrator.
    Orchestrator(&'a str),
}

/// A live membership of a channel.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Membership {
    /// The user.
    #[diesel(sql_type = Text)]
    pub user_id: String,
    /// As what.
    #[diesel(sql_type = Text)]
    pub role: String,
    /// Since when.
    #[diesel(sql_type = SqlTimestamp)]
    pub joined_at: Timestamp,
}

/// The workspace of a channel, as a list of channels shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelWorkspace {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Its name in addresses.
    pub slug: String,
}

/// What somebody is in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelRole {
    /// `OWNER`, `ADMIN` or `MEMBER`.
    pub role: String,
}

/// A channel as its members see it (contract 1.16).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnChannel {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// `PUBLIC`, `PRIVATE`, `DM` or `HUDDLE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether one needs an invitation.
    pub is_private: bool,
    /// Whether it is closed.
    pub is_archived: bool,
    /// Its workspace.
    pub workspace: ChannelWorkspace,
    /// How many live members it has.
    pub member_count: i64,
    /// How many messages it has, deleted ones included as the platform counts them.
    pub message_count: i64,
    /// What the one who asks is in it.
    pub membership: ChannelRole,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed or written to.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// Whether a channel of this type is closed to who was not invited.
#[must_use]
pub fn is_private(kind: &str) -> bool {
    matches!(kind, "PRIVATE" | "DM")
}

#[derive(QueryableByName)]
struct OwnChannelRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    description: Option<String>,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    is_archived: bool,
    #[diesel(sql_type = SqlTimestamp)]
    created_at: Timestamp,
    #[diesel(sql_type = SqlTimestamp)]
    updated_at: Timestamp,
    #[diesel(sql_type = Text)]
    workspace_id: String,
    #[diesel(sql_type = Text)]
    workspace_name: String,
    #[diesel(sql_type = Text)]
    workspace_slug: String,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = BigInt)]
    member_count: i64,
    #[diesel(sql_type = BigInt)]
    message_count: i64,
}

impl From<OwnChannelRow> for OwnChannel {
    fn from(row: OwnChannelRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            is_private: is_private(&row.kind),
            kind: row.kind,
            is_archived: row.is_archived,
            workspace: ChannelWorkspace {
                id: row.workspace_id,
                name: row.workspace_name,
                slug: row.workspace_slug,
            },
            member_count: row.member_count,
            message_count: row.message_count,
            membership: ChannelRole { role: row.role },
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The channel `id`, if it is in `scope`.
pub(super) fn load(
    connection: &mut AccountsConnection,
    id: &str,
    scope: Option<&OrganizationId>,
) -> diesel::QueryResult<Option<Channel>> {
    let mut query = channels::table
        .filter(channels::id.eq(id.to_owned()))
        .select(Channel::as_select())
        .into_boxed::<Multi>();
    if let Some(scope) = scope {
        query = query.filter(channels::workspace_id.eq_any(of_organization(scope.as_str())));
    }
    query.first(connection).optional()
}

/// The workspaces of an organization, as a subquery.
#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn of_organization(organization: &str) -> _ {
    let id: String = organization.to_owned();
    workspaces::table.filter(workspaces::organization_id.eq(id)).select(workspaces::id)
}

impl Database {
    /// The channel called `id`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn channel(&self, id: &str, scope: Option<&OrganizationId>) -> Result<Option<Channel>> {
        Ok(load(&mut *self.connection()?, id, scope)?)
    }

    /// A page of the channels that fit `filter`, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn channels(
        &self,
        filter: &ChannelFilter,
        scope: Option<&OrganizationId>,
        request: &PageRequest,
    ) -> Result<Page<Channel>> {
        let mut query = channels::table.select(Channel::as_select()).into_boxed::<Multi>();
        if let Some(scope) = scope {
            query = query.filter(channels::workspace_id.eq_any(of_organization(scope.as_str())));
        }
        if let Some(organization) = &filter.organization {
            query = query.filter(channels::workspace_id.eq_any(of_organization(organization)));
        }
        if let Some(workspace) = &filter.workspace {
            query = query.filter(channels::workspace_id.eq(workspace.clone()));
        }
        if let Some(kind) = &filter.kind {
            query = query.filter(channels::type_.eq(kind.clone()));
        }
        if let Some(archived) = filter.archived {
            query = query.filter(channels::is_archived.eq(archived));
        }
        if let Some(text) = &filter.text {
            let pattern = containing(text);
            let name = lower(channels::name.nullable()).like(pattern.clone()).escape('\\');
            query = query.filter(name.or(lower(channels::slug.nullable()).like(pattern).escape('\\')));
        }
        let connection = &mut *self.connection()?;
        let rows: Vec<Channel> = newest_first!(connection, query, channels.created_at, request)?;
        Ok(request.page(rows, |last| Cursor { at: last.created_at, id: last.id.clone() }))
    }

    /// The channels that an orchestrator is a live member of, oldest first (contract 1.16).
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn channels_of(&self, orchestrator: &str) -> Result<Vec<OwnChannel>> {
        let rows: Vec<OwnChannelRow> = sql_query(
            "SELECT c.id, c.name, c.description, c.type AS kind, c.is_archived, c.created_at, c.updated_at,
                    w.id AS workspace_id, w.name AS workspace_name, w.slug AS workspace_slug, m.role,
                    (SELECT COUNT(*) FROM channel_members o
                     WHERE o.channel_id = c.id AND o.left_at IS NULL) AS member_count,
                    (SELECT COUNT(*) FROM messages s WHERE s.channel_id = c.id) AS message_count
             FROM orchestrators r
             JOIN channel_members m ON m.user_id = r.user_id
             JOIN channels c ON c.id = m.channel_id
             JOIN workspaces w ON w.id = c.workspace_id AND w.organization_id = r.organization_id
             WHERE r.id = $1 AND m.left_at IS NULL
             ORDER BY c.created_at, c.id",
        )
        .bind::<Text, _>(orchestrator)
        .load(&mut *self.connection()?)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// What a decision about joining a channel rests on; nothing when there is no such channel.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn channel_for_join(&self, id: &str) -> Result<Option<ChannelForJoin>> {
        Ok(sql_query(
            "SELECT c.id, c.name, c.type AS kind, c.is_archived, c.workspace_id, w.organization_id
             FROM channels c JOIN workspaces w ON w.id = c.workspace_id WHERE c.id = $1",
        )
        .bind::<Text, _>(id)
        .get_result(&mut *self.connection()?)
        .optional()?)
    }

    /// The live membership of somebody in a channel. An orchestrator has none in channels of other
    /// organizations, whatever the tables say.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn membership(&self, who: Who<'_>, channel: &str) -> Result<Option<Membership>> {
        let (query, id) = match who {
            Who::User(id) => (
                "SELECT m.user_id, m.role, m.joined_at FROM channel_members m
                 WHERE m.channel_id = $1 AND m.user_id = $2 AND m.left_at IS NULL",
                id,
            ),
            Who::Orchestrator(id) => (
                "SELECT m.user_id, m.role, m.joined_at FROM channel_members m
                 JOIN channels c ON c.id = m.channel_id
                 JOIN workspaces w ON w.id = c.workspace_id
                 JOIN orchestrators r ON r.user_id = m.user_id AND r.organization_id = w.organization_id
                 WHERE m.channel_id = $1 AND r.id = $2 AND m.left_at IS NULL",
                id,
            ),
        };
        Ok(sql_query(query)
            .bind::<Text, _>(channel)
            .bind::<Text, _>(id)
            .get_result(&mut *self.connection()?)
            .optional()?)
    }

    /// Makes a user a member of a channel, also one that had left. Atomic: of two attempts at once,
    /// one is told that it came late.
    ///
    /// # Errors
    /// [`Missing`](crate::store::StoreError::Missing) `channel` or `user`.
    pub fn join(&self, user: &str, channel: &str, now: Timestamp) -> Result<Joined> {
        self.write(&[(Parent::Channel, channel), (Parent::User, user)], |connection| {
            Ok(enter(connection, Group::Channel(channel), user, "MEMBER", now)?)
        })
    }

    /// Ends a user's membership of a channel; says whether there was one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn leave(&self, user: &str, channel: &str, now: Timestamp) -> Result<bool> {
        Ok(leave(&mut *self.connection()?, channel, user, now)?)
    }
}
