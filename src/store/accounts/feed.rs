//! Messages on their way: whom they concern, which were not announced yet, and what an orchestrator
//! has missed.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, QueryableByName, RunQueryDsl,
    SelectableHelper,
    dsl::not,
    sql_query,
    sql_types::{Bool, Nullable, Text},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Multi,
    channels::of_organization,
    messages::{AuthorRow, Message, MessageRow},
    page::{Cursor, MAX_PAGE},
};
use crate::{
    domain::clock::Timestamp,
    store::{
        Result,
        connection::AccountsConnection,
        database::Database,
        schema::{channel_members, channels, messages, orchestrators, users},
    },
};

/// An orchestrator that a message concerns.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Recipient {
    /// Its id.
    #[diesel(sql_type = Text)]
    pub orchestrator_id: String,
    /// The user that it appears as.
    #[diesel(sql_type = Text)]
    pub user_id: String,
    /// Its organization.
    #[diesel(sql_type = Text)]
    pub organization_id: String,
    /// The user's name.
    #[diesel(sql_type = Nullable<Text>)]
    pub name: Option<String>,
    /// The user's name to show.
    #[diesel(sql_type = Nullable<Text>)]
    pub display_name: Option<String>,
}

/// A message with the name of its channel.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelMessage {
    /// The message.
    pub message: Message,
    /// What people call its channel.
    pub channel_name: String,
}

type Row = (MessageRow, AuthorRow, String);

fn channel_messages(rows: Vec<Row>) -> Vec<ChannelMessage> {
    let with_channel = |(message, author, channel_name): Row| ChannelMessage {
        message: (message, author).into(),
        channel_name,
    };
    rows.into_iter().map(with_channel).collect()
}

/// The live memberships of a user, as a subquery.
#[diesel::dsl::auto_type(no_type_alias)]
fn channels_with(user: &str) -> _ {
    let user: String = user.to_owned();
    channel_members::table
        .filter(channel_members::user_id.eq(user))
        .filter(channel_members::left_at.is_null())
        .select(channel_members::channel_id)
}

/// The user and the organization of an orchestrator that has a user.
fn face(
    connection: &mut AccountsConnection,
    orchestrator: &str,
) -> diesel::QueryResult<Option<(String, String)>> {
    let found: Option<(Option<String>, String)> = orchestrators::table
        .find(orchestrator)
        .select((orchestrators::user_id, orchestrators::organization_id))
        .first(connection)
        .optional()?;
    Ok(found.and_then(|(user, organization)| Some((user?, organization))))
}

/// The messages of others from `since` on, or after a place, oldest first, as a boxed query.
macro_rules! of_others {
    ($user:expr, $since:expr, $after:expr, $limit:expr) => {{
        let mut query = messages::table
            .inner_join(users::table)
            .inner_join(channels::table)
            .filter(messages::created_at.gt($since.utc()))
            .filter(messages::author_id.ne($user.clone()))
            .filter(messages::is_deleted.eq(false))
            .select((MessageRow::as_select(), AuthorRow::as_select(), channels::name))
            .order((messages::created_at.asc(), messages::id.asc()))
            .limit($limit)
            .into_boxed::<Multi>();
        if let Some(cursor) = $after {
            let at = cursor.at.utc();
            query = query
                .filter(messages::created_at.ge(at))
                .filter(messages::created_at.gt(at).or(messages::id.gt(cursor.id.clone())));
        }
        query
    }};
}

impl Database {
    /// The enabled orchestrators that are live members of a channel; only those of the organization
    /// that the channel belongs to.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn orchestrators_in(&self, channel: &str) -> Result<Vec<String>> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            id: String,
        }
        let rows: Vec<Row> = sql_query(
            "SELECT r.id FROM channel_members m
             JOIN orchestrators r ON r.user_id = m.user_id
             JOIN channels c ON c.id = m.channel_id
             JOIN workspaces w ON w.id = c.workspace_id AND w.organization_id = r.organization_id
             WHERE m.channel_id = $1 AND m.left_at IS NULL AND r.disabled_at IS NULL",
        )
        .bind::<Text, _>(channel)
        .load(&mut *self.connection()?)?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// The enabled orchestrators that are live members of the message's channel, its author excepted;
    /// only those of the organization that the channel belongs to.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn recipients(&self, message: &Message) -> Result<Vec<Recipient>> {
        Ok(sql_query(
            "SELECT r.id AS orchestrator_id, m.user_id, r.organization_id, u.name, u.display_name
             FROM channel_members m
             JOIN orchestrators r ON r.user_id = m.user_id
             JOIN users u ON u.id = m.user_id
             JOIN channels c ON c.id = m.channel_id
             JOIN workspaces w ON w.id = c.workspace_id AND w.organization_id = r.organization_id
             WHERE m.channel_id = $1 AND m.user_id <> $2 AND m.left_at IS NULL AND r.disabled_at IS NULL",
        )
        .bind::<Text, _>(&message.channel_id)
        .bind::<Text, _>(&message.author.id)
        .load(&mut *self.connection()?)?)
    }

    /// At most `limit` messages written before `older_than` that were not announced, oldest first, from
    /// the beginning or after a place.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn unannounced(
        &self,
        older_than: Timestamp,
        after: Option<&Cursor>,
        limit: i64,
    ) -> Result<Vec<Message>> {
        // The condition is the one of the partial index, to the letter.
        let mut query = messages::table
            .inner_join(users::table)
            .filter(not(messages::announced))
            .filter(messages::created_at.lt(older_than.utc()))
            .order((messages::created_at.asc(), messages::id.asc()))
            .limit(limit)
            .select((MessageRow::as_select(), AuthorRow::as_select()))
            .into_boxed::<Multi>();
        if let Some(cursor) = after {
            let at = cursor.at.utc();
            query = query
                .filter(messages::created_at.ge(at))
                .filter(messages::created_at.gt(at).or(messages::id.gt(cursor.id.clone())));
        }
        let rows: Vec<(MessageRow, AuthorRow)> = query.load(&mut *self.connection()?)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Notes that a message was announced; says whether it was not before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn mark_announced(&self, id: &str) -> Result<bool> {
        let changed = diesel::update(messages::table.find(id).filter(not(messages::announced)))
            .set(messages::announced.eq(true))
            .execute(&mut *self.connection()?)?;
        Ok(changed > 0)
    }

    /// At most `limit` messages of others in the channels of an orchestrator, written after `since`,
    /// oldest first. `after` goes on after a message seen already.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn messages_since(
        &self,
        orchestrator: &str,
        since: Timestamp,
        after: Option<&Cursor>,
        limit: i64,
    ) -> Result<Vec<ChannelMessage>> {
        let connection = &mut *self.connection()?;
        let Some((user, organization)) = face(connection, orchestrator)? else { return Ok(Vec::new()) };
        let query = of_others!(user, since, after, limit.max(1))
            .filter(messages::channel_id.eq_any(channels_with(&user)))
            .filter(channels::workspace_id.eq_any(of_organization(&organization)));
        Ok(channel_messages(query.load::<Row>(connection)?))
    }

    /// At most `limit` (1 to 200) messages of others after `since` that mention the user of an
    /// orchestrator as `@id`, in its channels and in the public ones of its organization.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn mentions_since(
        &self,
        orchestrator: &str,
        since: Timestamp,
        limit: i64,
    ) -> Result<Vec<ChannelMessage>> {
        let connection = &mut *self.connection()?;
        let Some((user, organization)) = face(connection, orchestrator)? else { return Ok(Vec::new()) };
        let mention = format!("@{user}");
        // `LIKE` minds the case in one of the engines only; a text that gets shorter held the name.
        let mentioned = diesel::dsl::sql::<Bool>("replace(messages.content, ")
            .bind::<Text, _>(mention)
            .sql(", '') <> messages.content");
        let none: Option<&Cursor> = None;
        let query = of_others!(user, since, none, limit.clamp(1, MAX_PAGE))
            .filter(channels::workspace_id.eq_any(of_organization(&organization)))
            .filter(messages::channel_id.eq_any(channels_with(&user)).or(channels::type_.eq("PUBLIC")))
            .filter(mentioned);
        Ok(channel_messages(query.load::<Row>(connection)?))
    }
}
