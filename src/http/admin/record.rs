//! The audit log: who changed what, from where, and who tried with a wrong key.

use actix_web::{HttpRequest, http::header};
use serde_json::Value;

use crate::{
    domain::{
        clock::{Timestamp, now},
        ids::OrganizationId,
        scope::Scope,
    },
    http::{
        HttpState,
        caller::{self, Admin},
        error::ApiError,
        limits::counted,
    },
    store::{self, accounts::audit::NewAuditEntry, database::Database},
};

/// How much of the name of a program is kept.
const USER_AGENT_CHARACTERS: usize = 256;

/// What was done.
#[derive(Debug)]
pub(super) struct Deed {
    action: &'static str,
    kind: &'static str,
    id: String,
    organization: Option<String>,
    metadata: Option<Value>,
}

impl Deed {
    /// Such as `workspace.update`, done to the `workspace` called `id`.
    pub(super) fn new(action: &'static str, kind: &'static str, id: impl Into<String>) -> Self {
        Self { action, kind, id: id.into(), organization: None, metadata: None }
    }

    /// The same in a tenant.
    pub(super) fn within(self, organization: impl Into<String>) -> Self {
        Self { organization: Some(organization.into()), ..self }
    }

    /// The same with more about it; never a secret.
    pub(super) fn with(self, metadata: Value) -> Self {
        Self { metadata: Some(metadata), ..self }
    }
}

/// Somebody who looks: the only organization that may be seen, if there is such a limit.
///
/// # Errors
/// Those of [`caller::admin`].
pub(super) async fn viewer(
    request: &HttpRequest,
    state: &HttpState,
) -> Result<Option<OrganizationId>, ApiError> {
    let admin = caller::admin(request, state, Scope::AdminRead).await?;
    Ok(admin.organization().cloned())
}

/// Somebody who changes something, and is written down with it.
pub(super) struct Changer {
    /// Who.
    pub(super) admin: Admin,
    ip: Option<String>,
    user_agent: Option<String>,
}

impl Changer {
    /// Lets somebody pass who may change things.
    ///
    /// # Errors
    /// Those of [`caller::admin`].
    pub(super) async fn admit(request: &HttpRequest, state: &HttpState) -> Result<Self, ApiError> {
        let admin = caller::admin(request, state, Scope::AdminWrite).await?;
        Ok(Self { admin, ip: address(request, state), user_agent: user_agent(request) })
    }

    /// The same for what only the operator may do.
    ///
    /// # Errors
    /// 403 for everybody else; those of [`caller::admin`].
    pub(super) async fn operator(request: &HttpRequest, state: &HttpState) -> Result<Self, ApiError> {
        let changer = Self::admit(request, state).await?;
        changer.admin.operator_only()?;
        Ok(changer)
    }

    /// The only organization that may be changed; `None` is all of them.
    pub(super) fn organization(&self) -> Option<&OrganizationId> {
        self.admin.organization()
    }

    /// The id by which it is known in the audit log.
    pub(super) fn id(&self) -> String {
        self.admin.actor().1.to_owned()
    }

    /// Changes something in the database. What was done is put on record before anybody is told that
    /// it is done; `work` gives it back beside its answer, or nothing when nothing changed.
    ///
    /// # Errors
    /// Those of `work`.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        state: &HttpState,
        work: impl FnOnce(&Database, Option<&OrganizationId>, Timestamp) -> store::Result<(T, Option<Deed>)>
        + Send
        + 'static,
    ) -> Result<T, ApiError> {
        let (scope, entry, at) = (self.organization().cloned(), self.entry(), now().wall);
        let changed = state.database(move |database| {
            let (answer, deed) = work(database, scope.as_ref(), at)?;
            if let Some(deed) = deed {
                append(database, filled(entry, deed), at);
            }
            Ok(answer)
        });
        changed.await
    }

    /// Puts on record what was changed elsewhere than in the database.
    pub(super) async fn note(&self, state: &HttpState, deed: Deed) {
        let (entry, at) = (filled(self.entry(), deed), now().wall);
        let noted = state.database(move |database| {
            append(database, entry, at);
            Ok(())
        });
        if let Err(error) = noted.await {
            log::error!(error:% = error; "a change could not be put on record");
        }
    }

    fn entry(&self) -> NewAuditEntry {
        let (actor_type, actor_id) = self.admin.actor();
        NewAuditEntry {
            actor_type: actor_type.to_owned(),
            actor_id: actor_id.to_owned(),
            organization_id: self.organization().map(ToString::to_string),
            ip: self.ip.clone(),
            user_agent: self.user_agent.clone(),
            ..NewAuditEntry::default()
        }
    }
}

fn filled(entry: NewAuditEntry, deed: Deed) -> NewAuditEntry {
    NewAuditEntry {
        action: deed.action.to_owned(),
        resource_type: deed.kind.to_owned(),
        resource_id: Some(deed.id),
        organization_id: entry.organization_id.or(deed.organization),
        metadata: deed.metadata,
        ..entry
    }
}

/// The change is made by now, so that it could not be written down is all that is left to say.
fn append(database: &Database, entry: NewAuditEntry, at: Timestamp) {
    let what = format!("{} {}", entry.action, entry.resource_id.as_deref().unwrap_or_default());
    let who = entry.actor_id.clone();
    if let Err(error) = database.append_audit(entry, at) {
        log::error!(what, who, error:% = error; "a change could not be put on record");
    }
}

/// Puts on record that somebody presented a wrong key, now and then.
pub(in crate::http) async fn refused(request: &HttpRequest, state: &HttpState) {
    let often = |address| state.limits.refusals_on_record.count(&counted(address)).is_err();
    if state.client(request).is_none_or(often) {
        return;
    }
    let entry = NewAuditEntry {
        actor_id: "unknown".to_owned(),
        actor_type: "system".to_owned(),
        action: "operator.refused".to_owned(),
        resource_type: "route".to_owned(),
        resource_id: Some(request.path().chars().take(USER_AGENT_CHARACTERS).collect()),
        ip: address(request, state),
        user_agent: user_agent(request),
        severity: Some("warning".to_owned()),
        ..NewAuditEntry::default()
    };
    // Whoever has a wrong key is refused whether this can be written or not.
    let written = state.database(move |database| database.append_audit(entry, now().wall)).await;
    if let Err(error) = written {
        log::warn!(error:% = error; "a refusal could not be put on record");
    }
}

fn address(request: &HttpRequest, state: &HttpState) -> Option<String> {
    state.client(request).map(|address| address.to_string())
}

fn user_agent(request: &HttpRequest) -> Option<String> {
    let text = request.headers().get(header::USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(USER_AGENT_CHARACTERS).collect())
}
