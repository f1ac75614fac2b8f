//! Whether the process is up, and whether it can do its work.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::HttpState;
use crate::{domain::clock::monotonic, telemetry::canary::CanaryHealth};

/// How long a component may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// That the process answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alive {
    status: &'static str,
    version: &'static str,
}

/// Ask whether the process answers
///
/// Never fails for anybody else's sake.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = Alive)))]
pub(super) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(Alive { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the hub can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// `ready`, `draining` or `unavailable`.
    status: &'static str,
    backplane: BackplaneState,
    store: StoreState,
    canary: CanaryState,
    /// What keeps the hub from its work, as sentences.
    reasons: Vec<String>,
    connections: usize,
}

/// Whether the backplane answers.
#[derive(Debug, Serialize, ToSchema)]
struct BackplaneState {
    /// `embedded` or `redis`.
    kind: &'static str,
    /// `up` or `down`.
    status: &'static str,
}

/// Whether the events come back that the hub sends itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CanaryState {
    /// `up`, `down`, or `off` when none are sent.
    status: &'static str,
    /// How long the last one took, in milliseconds.
    round_trip_ms: Option<u64>,
    /// For how long none has come back, in milliseconds, once that is too long.
    late_ms: Option<u64>,
}

impl From<CanaryHealth> for CanaryState {
    fn from(health: CanaryHealth) -> Self {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let (status, round_trip, late) = match health {
            CanaryHealth::Off => ("off", None, None),
            CanaryHealth::Well(round_trip) => ("up", round_trip, None),
            CanaryHealth::Late(late) => ("down", None, Some(late)),
        };
        Self { status, round_trip_ms: round_trip.map(ms), late_ms: late.map(ms) }
    }
}

/// Whether the database answers.
#[derive(Debug, Serialize, ToSchema)]
struct StoreState {
    /// `up` or `down`.
    status: &'static str,
}

/// Ask whether the hub can do its work
///
/// The backplane and the store answer, events that the hub sends itself come back, and the hub is not
/// draining.
#[utoipa::path(
    get, path = "/ready", tag = "health",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness))
)]
pub(super) async fn ready(state: web::Data<HttpState>) -> HttpResponse {
    let shared = &state.services.shared;
    let draining = shared.state.is_draining();
    let answers = matches!(tokio::time::timeout(PATIENCE, shared.backplane.ping()).await, Ok(Ok(())));
    let backplane = answers && shared.state.is_backplane_up();
    let database = state.database.clone();
    let asked = web::block(move || database.ping());
    let store = matches!(tokio::time::timeout(PATIENCE, asked).await, Ok(Ok(Ok(()))));
    let canary = shared.canary.watch.health(monotonic());
    let reasons = reasons(draining, answers, backplane, store, canary);
    let ready = reasons.is_empty();
    let word = |up: bool| if up { "up" } else { "down" };
    let body = Readiness {
        status: if ready {
            "ready"
        } else if draining {
            "draining"
        } else {
            "unavailable"
        },
        backplane: BackplaneState { kind: shared.backplane.name(), status: word(backplane) },
        store: StoreState { status: word(store) },
        canary: canary.into(),
        reasons,
        connections: shared.connections.len(),
    };
    if ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

fn reasons(draining: bool, answers: bool, backplane: bool, store: bool, canary: CanaryHealth) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut add = |applies: bool, reason: &str| {
        if applies {
            reasons.push(reason.to_owned());
        }
    };
    add(draining, "the hub is draining");
    add(!answers, "the backplane does not answer");
    add(answers && !backplane, "the backplane cannot be written, or its channels are not subscribed to");
    add(!store, "the database does not answer");
    if let CanaryHealth::Late(late) = canary {
        let seconds = late.as_secs();
        let late = format!("no event that the hub sends itself has come back for {seconds} s");
        add(true, &late);
    }
    reasons
}
