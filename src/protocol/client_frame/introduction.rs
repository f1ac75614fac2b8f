//! Who a client is, and what it understands: `auth`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Auth, ClientMessage, Problem, Wishes, problem, typed};
use crate::domain::ids::{DaemonId, IdError, OrchestratorId};

/// The version that brings the additions of this hub.
const EXTENDED: (u16, u16) = (1, 1);
/// How many capabilities a client may ask for.
const MAX_CAPABILITIES: usize = 32;
/// The longest access token, in bytes.
const MAX_TOKEN_BYTES: usize = 8192;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthPayload {
    access_token: Option<String>,
    daemon_id: Option<String>,
    orchestrator_id: Option<String>,
    vp_id: Option<String>,
    protocol: Option<String>,
    capabilities: Option<Vec<String>>,
    max_in_flight: Option<u32>,
    resume: Option<bool>,
}

/// `auth` in the documented form, or in the short form with a top-level token (contract C28).
pub(super) fn auth(payload: Option<&str>, token: Option<&RawValue>) -> Result<ClientMessage, Problem> {
    let short_form = payload.is_none();
    let payload: AuthPayload = typed(payload.unwrap_or("{}"))?;
    let wishes = wishes(&payload)?;
    let token = match (payload.access_token, token) {
        (Some(token), _) => token,
        (None, Some(token)) => {
            serde_json::from_str(token.get()).map_err(|_| problem("token", "must be a string"))?
        }
        (None, None) => return Err(problem("accessToken", "is required")),
    };
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
        return Err(problem("accessToken", format!("must have 1 to {MAX_TOKEN_BYTES} characters")));
    }
    let orchestrator = match (payload.orchestrator_id, payload.vp_id) {
        (Some(a), Some(b)) if a != b => {
            return Err(problem("vpId", "contradicts orchestratorId"));
        }
        (a, b) => a.or(b),
    };
    if !short_form && payload.daemon_id.is_none() {
        return Err(problem("daemonId", "is required"));
    }
    if !short_form && orchestrator.is_none() {
        return Err(problem("orchestratorId", "is required"));
    }
    let named = |field: &'static str| move |error: IdError| problem(field, error.to_string());
    Ok(ClientMessage::Auth(Auth {
        access_token: token,
        daemon_id: payload
            .daemon_id
            .as_deref()
            .map(DaemonId::parse)
            .transpose()
            .map_err(named("daemonId"))?,
        orchestrator_id: orchestrator
            .as_deref()
            .map(OrchestratorId::parse)
            .transpose()
            .map_err(named("orchestratorId"))?,
        wishes,
    }))
}

/// What the client asks for. A version of the protocol that is newer than the hub's is spoken as far as
/// the hub knows it; capabilities that it does not know are not granted.
fn wishes(payload: &AuthPayload) -> Result<Wishes, Problem> {
    let extended = match payload.protocol.as_deref() {
        None => false,
        Some(version) => {
            let parts = version
                .split_once('.')
                .and_then(|(major, minor)| Some((major.parse::<u16>().ok()?, minor.parse::<u16>().ok()?)));
            parts.ok_or_else(|| problem("protocol", "must be a version such as 1.1"))? >= EXTENDED
        }
    };
    let capabilities = payload.capabilities.as_deref().unwrap_or_default();
    if capabilities.len() > MAX_CAPABILITIES {
        return Err(problem("capabilities", format!("must name at most {MAX_CAPABILITIES}")));
    }
    if !extended {
        return Ok(Wishes::default());
    }
    let asks = |capability: &str| capabilities.iter().any(|asked| asked == capability);
    Ok(Wishes {
        extended,
        batch: asks("batch"),
        confirm: asks("confirm"),
        max_in_flight: payload.max_in_flight.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
        resume: payload.resume.unwrap_or(true),
    })
}
