//! Whom an API key belongs to (contract C8, C9).

use actix_web::{HttpRequest, web};
use tokio::sync::Semaphore;

use crate::{
    auth::key_hash,
    domain::{
        clock::{Now, now},
        ids::{OrchestratorId, OrganizationId},
        scope::ScopeSet,
    },
    http::{
        HttpState, caller,
        error::{ApiError, Code},
        input::Naming,
        limits::counted,
    },
    store::accounts::credentials::{FoundCredential, Unusable},
};

/// How many slow hashes of the first generation are computed at once; they take a tenth of a second of
/// a core each.
static SLOW_HASHES: Semaphore = Semaphore::const_new(2);

/// What a request says about whose key it is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Named<'a> {
    /// The orchestrator that it names.
    pub(super) orchestrator: Option<&'a str>,
    /// By which of its names.
    pub(super) naming: Naming,
}

/// What is presented beside the name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Proof<'a> {
    /// A key, for what a key is enough for whatever it was issued with.
    Key,
    /// A key and its secret; keys that were issued without one take any.
    KeyAndSecret(&'a str),
    /// A key that must have been issued without a secret.
    KeyAlone,
}

impl Proof<'_> {
    fn suffices(self, credential: &FoundCredential) -> bool {
        match self {
            Self::Key => true,
            Self::KeyAndSecret(secret) => credential.secret_matches(secret),
            Self::KeyAlone => !credential.has_secret(),
        }
    }
}

/// Whoever presented a good key.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    /// Whose key.
    pub(super) orchestrator: OrchestratorId,
    /// The tenant.
    pub(super) organization: OrganizationId,
    /// What it may be granted at most.
    pub(super) allowed: ScopeSet,
    /// Whether the key lies with its orchestrator, as earlier programs issued it.
    first_generation: bool,
}

/// Verifies a key, and the secret beside it where the route asks for one. A stranger learns nothing
/// about what exists: every wrong key gets the same answer, after the same time.
///
/// # Errors
/// 401 for a key that is wrong or expired, 403 when it is revoked or it or its owner is disabled, 404 when a good key is
/// another orchestrator's and the named one does not exist, 403 when it does; 429; 503.
pub(super) async fn verify(
    request: &HttpRequest,
    state: &HttpState,
    key: &str,
    proof: Proof<'_>,
    named: Named<'_>,
) -> Result<Holder, ApiError> {
    let address = state.client(request);
    if let Some(address) = address {
        state.limits.login.count(&counted(address))?;
    }
    let started = now();
    match look_up(state, key, proof, named, started).await? {
        Some(holder) => Ok(holder),
        None => {
            caller::slow_down_since(request, state, started.mono).await;
            Err(match proof {
                Proof::Key => ApiError::new(Code::Unauthorized, "Invalid API key"),
                _ => ApiError::new(Code::InvalidCredentials, "Invalid credentials"),
            })
        }
    }
}

/// Makes sure that a key which was good when a login began is still good.
///
/// # Errors
/// 401 and 403 as [`verify`]; 503.
pub(super) async fn confirm(state: &HttpState, key: &str, held: &Holder) -> Result<(), ApiError> {
    let invalid = || ApiError::new(Code::InvalidCredentials, "Invalid credentials");
    let presented = key.to_owned();
    let found = state.database(move |database| database.find_by_key(&presented)).await?;
    match found {
        Some(found) => holder(&found, now()).map(drop),
        None if held.first_generation => {
            let account = state.fresh_account(&held.orchestrator).await?;
            account.filter(|account| account.enabled).map(drop).ok_or_else(invalid)
        }
        None => Err(invalid()),
    }
}

async fn look_up(
    state: &HttpState,
    key: &str,
    proof: Proof<'_>,
    named: Named<'_>,
    started: Now,
) -> Result<Option<Holder>, ApiError> {
    let presented = key.to_owned();
    let found = state.database(move |database| database.find_by_key(&presented)).await?;
    let Some(credential) = found else { return first_generation(state, key, named).await };
    if !proof.suffices(&credential) {
        return Ok(None);
    }
    let holder = holder(&credential, started)?;
    let id = credential.credential.id.clone();
    state.database(move |database| database.touch_credential(&id, started.wall)).await?;
    if named.orchestrator.is_none_or(|name| name == holder.orchestrator.as_str()) {
        return Ok(Some(holder));
    }
    // Somebody with a good key of its own names another orchestrator, and may be told what is wrong as
    // far as its own organization goes.
    let (name, scope) = (named.orchestrator.unwrap_or_default().to_owned(), holder.organization.clone());
    let exists = state.database(move |database| database.orchestrator(&name, Some(&scope))).await?;
    Err(match exists {
        Some(_) => ApiError::new(Code::Forbidden, "The key belongs to another orchestrator"),
        None => named.naming.not_found(),
    })
}

fn holder(found: &FoundCredential, at: Now) -> Result<Holder, ApiError> {
    found.usable(at.wall).map_err(|unusable| match unusable {
        Unusable::Expired => ApiError::new(Code::CredentialsExpired, "Credentials expired"),
        // Whoever still holds a revoked key may know why it is refused (contract C36).
        Unusable::Revoked | Unusable::Disabled => ApiError::new(Code::DaemonDisabled, "Daemon is disabled"),
    })?;
    let internal = |_| ApiError::new(Code::Internal, "Internal error");
    Ok(Holder {
        orchestrator: OrchestratorId::parse(&found.credential.orchestrator_id).map_err(internal)?,
        organization: OrganizationId::parse(&found.organization_id).map_err(internal)?,
        allowed: match &found.credential.scopes {
            Some(names) => ScopeSet::from_names(names.iter().map(String::as_str)),
            None => ScopeSet::everything(),
        },
        first_generation: false,
    })
}

/// Keys that earlier programs issued lie with their orchestrator, so it must be named, by the request
/// or by the key itself, whose middle part is taken for a hint and nothing more.
async fn first_generation(
    state: &HttpState,
    key: &str,
    named: Named<'_>,
) -> Result<Option<Holder>, ApiError> {
    let hint = key.strip_prefix("vp_").and_then(|rest| rest.rsplit_once('_')).map(|(middle, _)| middle);
    let Some(name) = named.orchestrator.or(hint).map(str::to_owned) else { return Ok(None) };
    let asked = name.clone();
    let Some(legacy) = state.database(move |database| database.legacy_keys(&asked)).await? else {
        return Ok(None);
    };
    let Ok(_turn) = SLOW_HASHES.acquire().await else { return Ok(None) };
    let key = key.to_owned();
    let at = now().wall;
    let live = legacy.keys.into_iter().filter(|stored| stored.expires_at.is_none_or(|end| end > at));
    let hashes: Vec<String> = live.map(|stored| stored.hash).collect();
    let matches = web::block(move || hashes.iter().any(|hash| key_hash::matches(hash, &key))).await;
    if !matches.unwrap_or(false) {
        return Ok(None);
    }
    if !legacy.enabled {
        return Err(ApiError::new(Code::DaemonDisabled, "Daemon is disabled"));
    }
    let ids = (OrchestratorId::parse(&name), OrganizationId::parse(&legacy.organization_id));
    let (Ok(orchestrator), Ok(organization)) = ids else { return Ok(None) };
    Ok(Some(Holder { orchestrator, organization, allowed: ScopeSet::everything(), first_generation: true }))
}
