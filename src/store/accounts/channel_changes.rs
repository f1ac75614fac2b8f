//! Creating, changing and deleting channels.

use diesel::{ExpressionMethods, RunQueryDsl};
use serde_json::Value;

use super::{
    channels::{Channel, load, of_organization},
    fresh_id,
    members::{Group, enter},
    object_text,
    write::Parent,
};
use crate::{
    domain::{clock::Timestamp, ids::OrganizationId},
    store::{Result, StoreError, database::Database, schema::channels},
};

/// A channel to be created.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewChannel {
    /// Its id; drawn when there is none.
    pub id: Option<String>,
    /// Its workspace.
    pub workspace_id: String,
    /// What people call it.
    pub name: String,
    /// Its name in addresses.
    pub slug: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it is about at present.
    pub topic: Option<String>,
    /// Its type; `PUBLIC` when nothing is said.
    pub kind: Option<String>,
    /// Settings that the hub only keeps; empty when there are none.
    pub settings: Option<Value>,
    /// Who creates it, and is then its owner.
    pub created_by_id: Option<String>,
}

/// What to change of a channel; nothing stays as it is, `Some(None)` empties a field.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChannelChanges {
    /// What people call it.
    pub name: Option<String>,
    /// Its name in addresses.
    pub slug: Option<String>,
    /// What it is for.
    pub description: Option<Option<String>>,
    /// What it is about at present.
    pub topic: Option<Option<String>>,
    /// Its type.
    pub kind: Option<String>,
    /// Whether it is closed.
    pub is_archived: Option<bool>,
    /// Settings, all of them.
    pub settings: Option<Value>,
}

impl Database {
    /// Creates a channel.
    ///
    /// # Errors
    /// [`Conflict`](StoreError::Conflict) `slug` or `id`, [`Missing`](StoreError::Missing)
    /// `workspace` or `user`.
    pub fn create_channel(
        &self,
        new: NewChannel,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Channel> {
        let id = new.id.unwrap_or_else(|| fresh_id("ch"));
        let mut parents = vec![(Parent::Workspace, new.workspace_id.as_str())];
        parents.extend(new.created_by_id.as_deref().map(|user| (Parent::User, user)));
        self.write(&parents, |connection| {
            diesel::insert_into(channels::table)
                .values((
                    channels::id.eq(&id),
                    channels::workspace_id.eq(&new.workspace_id),
                    channels::name.eq(new.name),
                    channels::slug.eq(new.slug),
                    channels::description.eq(new.description),
                    channels::topic.eq(new.topic),
                    channels::type_.eq(new.kind.unwrap_or_else(|| "PUBLIC".to_owned())),
                    channels::settings.eq(object_text(new.settings)),
                    channels::created_by_id.eq(new.created_by_id.as_ref()),
                    channels::created_at.eq(now.utc()),
                    channels::updated_at.eq(now.utc()),
                ))
                .execute(connection)?;
            if let Some(owner) = &new.created_by_id {
                enter(connection, Group::Channel(&id), owner, "OWNER", now)?;
            }
            // It was created where the scope does not reach: this undoes it.
            Ok(load(connection, &id, scope)?.ok_or(StoreError::Missing(Parent::Workspace.name()))?)
        })
    }

    /// Changes a channel; nothing when there is none.
    ///
    /// # Errors
    /// [`Conflict`](StoreError::Conflict) `slug`.
    pub fn update_channel(
        &self,
        id: &str,
        changes: ChannelChanges,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Option<Channel>> {
        self.write(&[], |connection| {
            let mut update = diesel::update(channels::table)
                .set((
                    channels::updated_at.eq(now.utc()),
                    changes.name.map(|name| channels::name.eq(name)),
                    changes.slug.map(|slug| channels::slug.eq(slug)),
                    changes.description.map(|text| channels::description.eq(text)),
                    changes.topic.map(|text| channels::topic.eq(text)),
                    changes.kind.map(|kind| channels::type_.eq(kind)),
                    changes.is_archived.map(|archived| channels::is_archived.eq(archived)),
                    changes.settings.map(|settings| channels::settings.eq(settings.to_string())),
                ))
                .filter(channels::id.eq(id.to_owned()))
                .into_boxed();
            if let Some(scope) = scope {
                update = update.filter(channels::workspace_id.eq_any(of_organization(scope.as_str())));
            }
            update.execute(connection)?;
            Ok(load(connection, id, scope)?)
        })
    }

    /// Deletes a channel with its messages; says whether there was one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn delete_channel(&self, id: &str, scope: Option<&OrganizationId>) -> Result<bool> {
        let mut delete = diesel::delete(channels::table).filter(channels::id.eq(id.to_owned())).into_boxed();
        if let Some(scope) = scope {
            delete = delete.filter(channels::workspace_id.eq_any(of_organization(scope.as_str())));
        }
        Ok(delete.execute(&mut *self.connection()?)? > 0)
    }
}
