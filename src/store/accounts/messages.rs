//! Messages in channels: reading and writing them.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, Queryable, RunQueryDsl,
    Selectable, SelectableHelper,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Multi, columns::JsonText, object_text, write::Parent};
use crate::{
    domain::clock::Timestamp,
    store::{
        Result, StoreError,
        connection::AccountsConnection,
        database::Database,
        schema::{channels, messages, users},
    },
};

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Author {
    /// The id of the user.
    pub id: String,
    /// Its name, else the name to show, else `Unknown`.
    pub name: String,
    /// The name to show.
    pub display_name: Option<String>,
    /// Its picture.
    pub avatar_url: Option<String>,
    /// Whether it is an orchestrator's.
    pub is_orchestrator: bool,
}

/// A message (contract 1.11).
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its id.
    pub id: String,
    /// What it says.
    pub content: String,
    /// `TEXT`, `FILE`, `SYSTEM` or `COMMAND`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What else goes with it, such as references of attachments.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// Whether it was changed after it was written.
    pub is_edited: bool,
    /// Its channel.
    pub channel_id: String,
    /// The message that it answers.
    pub parent_id: Option<String>,
    /// Who wrote it.
    pub author: Author,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
pub(super) struct AuthorRow {
    id: String,
    name: Option<String>,
    display_name: Option<String>,
    avatar_url: Option<String>,
    is_vp: bool,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = messages)]
pub(super) struct MessageRow {
    id: String,
    content: String,
    type_: String,
    #[diesel(deserialize_as = JsonText)]
    metadata: Value,
    is_edited: bool,
    channel_id: String,
    parent_id: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<(MessageRow, AuthorRow)> for Message {
    fn from((message, author): (MessageRow, AuthorRow)) -> Self {
        let name = author.name.or_else(|| author.display_name.clone());
        Self {
            id: message.id,
            content: message.content,
            kind: message.type_,
            metadata: message.metadata,
            is_edited: message.is_edited,
            channel_id: message.channel_id,
            parent_id: message.parent_id,
            author: Author {
                id: author.id,
                name: name.unwrap_or_else(|| "Unknown".to_owned()),
                display_name: author.display_name,
                avatar_url: author.avatar_url,
                is_orchestrator: author.is_vp,
            },
            created_at: message.created_at,
            updated_at: message.updated_at,
        }
    }
}

/// A message to be written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewMessage {
    /// The id of the user who writes it.
    pub author_id: String,
    /// Its channel.
    pub channel_id: String,
    /// What it says.
    pub content: String,
    /// The message that it answers, one in the same channel.
    pub parent_id: Option<String>,
    /// What else goes with it; empty when there is nothing.
    pub metadata: Option<Value>,
}

fn place(
    connection: &mut AccountsConnection,
    channel: &str,
    id: Option<&str>,
) -> diesel::QueryResult<Option<(chrono::NaiveDateTime, String)>> {
    let Some(id) = id else { return Ok(None) };
    messages::table
        .find(id)
        .filter(messages::channel_id.eq(channel))
        .select((messages::created_at, messages::id))
        .first(connection)
        .optional()
}

impl Database {
    /// Messages of a channel, oldest first: the newest `limit` (1 to 200), of those before and after
    /// the messages named. With `after` only they are the oldest after it, so that a reader who
    /// follows a channel misses none. An id that names no message of the channel is ignored.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn message_page(
        &self,
        channel: &str,
        before: Option<&str>,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Message>> {
        let connection = &mut *self.connection()?;
        let before = place(connection, channel, before)?;
        let after = place(connection, channel, after)?;
        let onwards = before.is_none() && after.is_some();
        let mut query = messages::table
            .inner_join(users::table)
            .filter(messages::channel_id.eq(channel.to_owned()))
            .filter(messages::is_deleted.eq(false))
            .select((MessageRow::as_select(), AuthorRow::as_select()))
            .limit(limit.clamp(1, super::page::MAX_PAGE))
            .into_boxed::<Multi>();
        // As in `newest_first`, the first condition of each pair is for the index.
        if let Some((at, id)) = before {
            query = query
                .filter(messages::created_at.le(at))
                .filter(messages::created_at.lt(at).or(messages::id.lt(id)));
        }
        if let Some((at, id)) = after {
            query = query
                .filter(messages::created_at.ge(at))
                .filter(messages::created_at.gt(at).or(messages::id.gt(id)));
        }
        query = if onwards {
            query.order((messages::created_at.asc(), messages::id.asc()))
        } else {
            query.order((messages::created_at.desc(), messages::id.desc()))
        };
        let rows: Vec<(MessageRow, AuthorRow)> = query.load(connection)?;
        let mut found: Vec<Message> = rows.into_iter().map(Into::into).collect();
        if !onwards {
            found.reverse();
        }
        Ok(found)
    }

    /// Writes a message. Whether its author may is for the caller to ask.
    ///
    /// # Errors
    /// [`Missing`](StoreError::Missing) `channel`, `user`, or `parent` when that is no message of the
    /// channel.
    pub fn post_message(&self, new: NewMessage, now: Timestamp) -> Result<Message> {
        // Ids that grow keep messages of one millisecond in the order in which they were written.
        let id = Uuid::now_v7().simple().to_string();
        self.write(&[(Parent::User, &new.author_id)], |connection| {
            let channel = channels::table.find(&new.channel_id);
            if diesel::update(channel).set(channels::updated_at.eq(now.utc())).execute(connection)? == 0 {
                return Err(StoreError::Missing(Parent::Channel.name()).into());
            }
            if new.parent_id.is_some()
                && place(connection, &new.channel_id, new.parent_id.as_deref())?.is_none()
            {
                return Err(StoreError::Missing("parent").into());
            }
            diesel::insert_into(messages::table)
                .values((
                    messages::id.eq(&id),
                    messages::content.eq(new.content),
                    messages::metadata.eq(object_text(new.metadata)),
                    messages::channel_id.eq(&new.channel_id),
                    messages::author_id.eq(&new.author_id),
                    messages::parent_id.eq(new.parent_id),
                    messages::created_at.eq(now.utc()),
                    messages::updated_at.eq(now.utc()),
                ))
                .execute(connection)?;
            let written: (MessageRow, AuthorRow) = messages::table
                .inner_join(users::table)
                .filter(messages::id.eq(&id))
                .select((MessageRow::as_select(), AuthorRow::as_select()))
                .first(connection)?;
            Ok(written.into())
        })
    }

    /// The message called `id`, unless it is deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn message(&self, id: &str) -> Result<Option<Message>> {
        let found: Option<(MessageRow, AuthorRow)> = messages::table
            .inner_join(users::table)
            .filter(messages::id.eq(id))
            .filter(messages::is_deleted.eq(false))
            .select((MessageRow::as_select(), AuthorRow::as_select()))
            .first(&mut *self.connection()?)
            .optional()?;
        Ok(found.map(Into::into))
    }
}
