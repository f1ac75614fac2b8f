//! Users: people, and the faces that orchestrators show in channels.

use diesel::{
    BoolExpressionMethods, EscapeExpressionMethods, ExpressionMethods, NullableExpressionMethods,
    OptionalExtension, QueryDsl, Queryable, RunQueryDsl, Selectable, SelectableHelper, TextExpressionMethods,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Multi, containing, fresh_id, lower,
    members::admit,
    page::{Cursor, Page, PageRequest, newest_first},
    write::{Failure, Parent, count},
};
use crate::{
    domain::{clock::Timestamp, ids::OrganizationId},
    store::{
        Result, StoreError,
        connection::AccountsConnection,
        database::Database,
        schema::{orchestrators, organization_members, users},
    },
};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Queryable, Selectable)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Its id.
    pub id: String,
    /// Its address; no other user has it.
    pub email: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The name to show.
    pub display_name: Option<String>,
    /// Its picture.
    pub avatar_url: Option<String>,
    /// What it says of itself.
    pub bio: Option<String>,
    /// `ACTIVE`, `INACTIVE`, `PENDING` or `SUSPENDED`.
    pub status: String,
    /// Whether it is an orchestrator's.
    pub is_vp: bool,
    /// When it last did something.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_active_at: Option<Timestamp>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A user to be created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewUser {
    /// Its id; drawn when there is none.
    pub id: Option<String>,
    /// Its address.
    pub email: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The name to show.
    pub display_name: Option<String>,
    /// Its picture.
    pub avatar_url: Option<String>,
    /// What it says of itself.
    pub bio: Option<String>,
    /// Its status; `ACTIVE` when nothing is said.
    pub status: Option<String>,
    /// Whether it is an orchestrator's.
    pub is_vp: bool,
}

/// What to change of a user; nothing stays as it is, `Some(None)` empties a field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserChanges {
    /// Its address.
    pub email: Option<Option<String>>,
    /// Its name.
    pub name: Option<Option<String>>,
    /// The name to show.
    pub display_name: Option<Option<String>>,
    /// Its picture.
    pub avatar_url: Option<Option<String>>,
    /// What it says of itself.
    pub bio: Option<Option<String>>,
    /// Its status.
    pub status: Option<String>,
}

/// Which users to list; nothing is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserFilter {
    /// Those whose address or names contain this, in any case.
    pub text: Option<String>,
    /// Members of this organization, its orchestrators included.
    pub organization: Option<String>,
    /// Those of orchestrators, or those of people.
    pub is_vp: Option<bool>,
}

/// The condition that a user belongs to an organization: as a member, or as an orchestrator's.
macro_rules! belongs_to {
    ($organization:expr) => {{
        let organization: String = $organization;
        let members = organization_members::table
            .filter(organization_members::organization_id.eq(organization.clone()))
            .select(organization_members::user_id.nullable());
        let faces = orchestrators::table
            .filter(orchestrators::organization_id.eq(organization))
            .select(orchestrators::user_id);
        users::id.nullable().eq_any(members).or(users::id.nullable().eq_any(faces))
    }};
}

fn load(
    connection: &mut AccountsConnection,
    id: &str,
    scope: Option<&OrganizationId>,
) -> diesel::QueryResult<Option<User>> {
    let mut query =
        users::table.filter(users::id.eq(id.to_owned())).select(User::as_select()).into_boxed::<Multi>();
    if let Some(scope) = scope {
        query = query.filter(belongs_to!(scope.as_str().to_owned()));
    }
    query.first(connection).optional()
}

/// Creates a user and gives back its id.
pub(super) fn insert(
    connection: &mut AccountsConnection,
    new: NewUser,
    now: Timestamp,
) -> diesel::QueryResult<String> {
    let id = new.id.unwrap_or_else(|| fresh_id("user"));
    diesel::insert_into(users::table)
        .values((
            users::id.eq(&id),
            users::email.eq(new.email),
            users::name.eq(new.name),
            users::display_name.eq(new.display_name),
            users::avatar_url.eq(new.avatar_url),
            users::bio.eq(new.bio),
            users::status.eq(new.status.unwrap_or_else(|| "ACTIVE".to_owned())),
            users::is_vp.eq(new.is_vp),
            users::created_at.eq(now.utc()),
            users::updated_at.eq(now.utc()),
        ))
        .execute(connection)?;
    Ok(id)
}

impl Database {
    /// Creates a user; with a scope, as a member of that organization.
    ///
    /// # Errors
    /// [`Conflict`](StoreError::Conflict) `email` or `id`, [`Missing`](StoreError::Missing)
    /// `organization`.
    pub fn create_user(&self, new: NewUser, scope: Option<&OrganizationId>, now: Timestamp) -> Result<User> {
        let parents = scope.map(|scope| (Parent::Organization, scope.as_str()));
        self.write(parents.as_slice(), |connection| {
            let id = insert(connection, new, now)?;
            if let Some(scope) = scope {
                admit(connection, scope.as_str(), &id, now)?;
            }
            Ok(users::table.find(&id).select(User::as_select()).first(connection)?)
        })
    }

    /// The user called `id`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn user(&self, id: &str, scope: Option<&OrganizationId>) -> Result<Option<User>> {
        Ok(load(&mut *self.connection()?, id, scope)?)
    }

    /// What to call the user `id`: the name to show, else its name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn user_name(&self, id: &str) -> Result<Option<String>> {
        let names: Option<(Option<String>, Option<String>)> = users::table
            .find(id)
            .select((users::display_name, users::name))
            .first(&mut *self.connection()?)
            .optional()?;
        Ok(names.and_then(|(shown, name)| shown.or(name)))
    }

    /// A page of the users that fit `filter`, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn users(
        &self,
        filter: &UserFilter,
        scope: Option<&OrganizationId>,
        request: &PageRequest,
    ) -> Result<Page<User>> {
        let mut query = users::table.select(User::as_select()).into_boxed::<Multi>();
        if let Some(scope) = scope {
            query = query.filter(belongs_to!(scope.as_str().to_owned()));
        }
        if let Some(organization) = &filter.organization {
            query = query.filter(belongs_to!(organization.clone()));
        }
        if let Some(text) = &filter.text {
            let pattern = containing(text);
            let email = lower(users::email).like(pattern.clone()).escape('\\');
            let name = lower(users::name).like(pattern.clone()).escape('\\');
            let shown = lower(users::display_name).like(pattern).escape('\\');
            query = query.filter(email.or(name).or(shown));
        }
        if let Some(is_vp) = filter.is_vp {
            query = query.filter(users::is_vp.eq(is_vp));
        }
        let connection = &mut *self.connection()?;
        let rows: Vec<User> = newest_first!(connection, query, users.created_at, request)?;
        Ok(request.page(rows, |last| Cursor { at: last.created_at, id: last.id.clone() }))
    }

    /// Changes a user; nothing when there is none.
    ///
    /// # Errors
    /// [`Conflict`](StoreError::Conflict) `email`, and `organization` when the user belongs to another
    /// organization too: one tenant does not rename what another one has.
    pub fn update_user(
        &self,
        id: &str,
        changes: UserChanges,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Option<User>> {
        self.write(&[], |connection| {
            if let Some(scope) = scope {
                refuse_shared(connection, id, scope)?;
            }
            let mut update = diesel::update(users::table)
                .set((
                    users::updated_at.eq(now.utc()),
                    changes.email.map(|email| users::email.eq(email)),
                    changes.name.map(|name| users::name.eq(name)),
                    changes.display_name.map(|name| users::display_name.eq(name)),
                    changes.avatar_url.map(|url| users::avatar_url.eq(url)),
                    changes.bio.map(|bio| users::bio.eq(bio)),
                    changes.status.map(|status| users::status.eq(status)),
                ))
                .filter(users::id.eq(id.to_owned()))
                .into_boxed();
            if let Some(scope) = scope {
                update = update.filter(belongs_to!(scope.as_str().to_owned()));
            }
            update.execute(connection)?;
            Ok(load(connection, id, scope)?)
        })
    }

    /// Notes that a user did something.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn touch_user(&self, id: &str, now: Timestamp) -> Result<()> {
        diesel::update(users::table.find(id))
            .set(users::last_active_at.eq(now.utc()))
            .execute(&mut *self.connection()?)?;
        Ok(())
    }

    /// Deletes a user with its messages, its memberships and the orchestrator whose face it is. Says
    /// whether there was one.
    ///
    /// # Errors
    /// [`Conflict`](StoreError::Conflict) `organization` when the user belongs to another
    /// organization too: one tenant does not delete what another one has.
    pub fn delete_user(&self, id: &str, scope: Option<&OrganizationId>) -> Result<bool> {
        self.write(&[], |connection| {
            let mut delete = diesel::delete(users::table).filter(users::id.eq(id.to_owned())).into_boxed();
            if let Some(scope) = scope {
                refuse_shared(connection, id, scope)?;
                delete = delete.filter(belongs_to!(scope.as_str().to_owned()));
            }
            Ok(delete.execute(connection)? > 0)
        })
    }
}

/// Refuses to let one tenant decide about a user that another one has as well.
fn refuse_shared(
    connection: &mut AccountsConnection,
    id: &str,
    scope: &OrganizationId,
) -> std::result::Result<(), Failure> {
    // A statement that writes comes first, see the head of `accounts`.
    diesel::update(users::table.find(id)).set(users::id.eq(id)).execute(connection)?;
    let own = load(connection, id, Some(scope))?.is_some();
    if own && count(connection, ELSEWHERE, &[id, scope.as_str()])? > 0 {
        return Err(StoreError::Conflict("organization".to_owned()).into());
    }
    Ok(())
}

/// How often the user `$1` belongs to an organization other than `$2`.
pub(super) const ELSEWHERE: &str = "SELECT COUNT(*) AS count FROM users u WHERE u.id = $1 AND (
    EXISTS (SELECT 1 FROM organization_members m WHERE m.user_id = u.id AND m.organization_id <> $2)
    OR EXISTS (SELECT 1 FROM orchestrators o WHERE o.user_id = u.id AND o.organization_id <> $2))";
