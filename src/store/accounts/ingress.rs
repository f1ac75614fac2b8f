//! The keys that publishers sign events with, and whether they must.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, JoinOnDsl, NullableExpressionMethods, OptionalExtension,
    QueryDsl, Queryable, RunQueryDsl, Selectable, SelectableHelper,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    fresh_id,
    write::{Failure, Parent},
};
use crate::{
    config::Secret,
    domain::{clock::Timestamp, ids::OrganizationId, ingress::IngressPolicy},
    store::{
        Result, StoreError,
        database::Database,
        schema::{ingress_keys, organizations},
    },
};

/// How many keys of an organization may be used at once: an old one and its successor.
pub const MAX_ACTIVE_KEYS: i64 = 2;
/// How many keys of an organization are shown at most.
const SHOWN_KEYS: i64 = 100;
/// How many keys and policies one hub can hold. Beyond that nothing is read at all: a rule that was
/// left out would let in what must be signed.
const MAX_RULES: usize = 100_000;

/// A key that events are signed with, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Queryable, Selectable)]
#[serde(rename_all = "camelCase")]
#[diesel(table_name = ingress_keys)]
pub struct IngressKeyInfo {
    /// What a signature names it by.
    pub kid: String,
    /// Whose events it signs.
    pub organization_id: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Since when it is not taken any more.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub retired_at: Option<Timestamp>,
}

/// A key with its secret.
#[derive(Debug, Clone)]
pub struct IngressKey {
    /// What a signature names it by.
    pub kid: String,
    /// What signatures are made and checked with.
    pub secret: Secret,
}

/// How events of one organization may come in.
#[derive(Debug, Clone)]
pub struct IngressRule {
    /// Whose events.
    pub organization: OrganizationId,
    /// What becomes of those that are not rightly signed.
    pub policy: IngressPolicy,
    /// The keys that may be used now.
    pub keys: Vec<IngressKey>,
}

impl Database {
    /// Makes a key for an organization. This is the only time that its secret is given to a person.
    ///
    /// # Errors
    /// [`Missing`](StoreError::Missing) `organization`; [`Conflict`](StoreError::Conflict) `ingressKeys`
    /// when it has [`MAX_ACTIVE_KEYS`] already.
    pub fn create_ingress_key(
        &self,
        organization: &str,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<(IngressKeyInfo, Secret)> {
        let missing = || StoreError::Missing(Parent::Organization.name());
        if scope.is_some_and(|scope| scope.as_str() != organization) {
            return Err(missing());
        }
        let kid = fresh_id("ik");
        let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let made = self.write(&[], |connection| {
            // Two that ask at once take turns at this row.
            let home = diesel::update(organizations::table.find(organization))
                .set(organizations::updated_at.eq(now.utc()))
                .execute(connection)?;
            if home == 0 {
                return Err(missing().into());
            }
            let active =
                ingress_keys::organization_id.eq(organization).and(ingress_keys::retired_at.is_null());
            let active: i64 = ingress_keys::table.filter(active).count().get_result(connection)?;
            if active >= MAX_ACTIVE_KEYS {
                return Err(StoreError::Conflict("ingressKeys".to_owned()).into());
            }
            diesel::insert_into(ingress_keys::table)
                .values((
                    ingress_keys::kid.eq(&kid),
                    ingress_keys::organization_id.eq(organization),
                    ingress_keys::secret.eq(&secret),
                    ingress_keys::created_at.eq(now.utc()),
                ))
                .execute(connection)?;
            let made = ingress_keys::table.find(&kid).select(IngressKeyInfo::as_select());
            Ok::<_, Failure>(made.first(connection)?)
        });
        Ok((made?, Secret::new(secret)))
    }

    /// The keys of an organization without their secrets: those in use, then retired ones, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn ingress_keys(
        &self,
        organization: &str,
        scope: Option<&OrganizationId>,
    ) -> Result<Vec<IngressKeyInfo>> {
        if scope.is_some_and(|scope| scope.as_str() != organization) {
            return Ok(Vec::new());
        }
        let keys = ingress_keys::table
            .filter(ingress_keys::organization_id.eq(organization))
            .order((
                ingress_keys::retired_at.is_not_null(),
                ingress_keys::created_at.desc(),
                ingress_keys::kid.desc(),
            ))
            .limit(SHOWN_KEYS)
            .select(IngressKeyInfo::as_select())
            .load(&mut *self.connection()?)?;
        Ok(keys)
    }

    /// Ends a key of an organization; nothing when there is none. One that is retired already keeps
    /// the time of the first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn retire_ingress_key(
        &self,
        organization: &str,
        kid: &str,
        scope: Option<&OrganizationId>,
        now: Timestamp,
    ) -> Result<Option<IngressKeyInfo>> {
        if scope.is_some_and(|scope| scope.as_str() != organization) {
            return Ok(None);
        }
        let key = ingress_keys::table.find(kid).filter(ingress_keys::organization_id.eq(organization));
        self.write(&[], |connection| {
            diesel::update(key.filter(ingress_keys::retired_at.is_null()))
                .set(ingress_keys::retired_at.eq(now.utc()))
                .execute(connection)?;
            Ok::<_, Failure>(key.select(IngressKeyInfo::as_select()).first(connection).optional()?)
        })
    }

    /// How events may come in: every organization that has a key to use, or another policy than `off`.
    ///
    /// # Errors
    /// [`Corrupt`](StoreError::Corrupt) when there are more rules than a hub can hold, or the id of an
    /// organization is none; others when the database does not answer.
    pub fn ingress_rules(&self) -> Result<Vec<IngressRule>> {
        let active =
            ingress_keys::organization_id.eq(organizations::id).and(ingress_keys::retired_at.is_null());
        let rows: Vec<(String, String, Option<String>, Option<String>)> = organizations::table
            .left_join(ingress_keys::table.on(active))
            .filter(
                organizations::ingress_policy
                    .ne(IngressPolicy::Off.as_str())
                    .or(ingress_keys::kid.is_not_null()),
            )
            .order((organizations::id, ingress_keys::created_at.desc(), ingress_keys::kid.desc()))
            .select((
                organizations::id,
                organizations::ingress_policy,
                ingress_keys::kid.nullable(),
                ingress_keys::secret.nullable(),
            ))
            .limit(i64::try_from(MAX_RULES).unwrap_or(i64::MAX).saturating_add(1))
            .load(&mut *self.connection()?)?;
        if rows.len() > MAX_RULES {
            return Err(StoreError::Corrupt(format!("more than {MAX_RULES} keys and policies for events")));
        }
        let mut rules: Vec<IngressRule> = Vec::new();
        for (id, policy, kid, secret) in rows {
            let organization = OrganizationId::parse(&id)
                .map_err(|problem| StoreError::Corrupt(format!("organization {id:?}: its id {problem}")))?;
            let key = kid.zip(secret).map(|(kid, secret)| IngressKey { kid, secret: Secret::new(secret) });
            match rules.last_mut().filter(|last| last.organization == organization) {
                Some(rule) => rule.keys.extend(key),
                None => rules.push(IngressRule {
                    organization,
                    // A word that the hub never wrote must not open a door.
                    policy: IngressPolicy::parse(&policy).unwrap_or(IngressPolicy::Require),
                    keys: key.into_iter().collect(),
                }),
            }
        }
        Ok(rules)
    }
}
