//! The WebSocket endpoint, and what it says to those who do not upgrade (contract 1.26, C27).

use std::sync::Arc;

use actix_http::ws::Codec;
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderMap},
    web,
};
use actix_web_actors::ws::WsResponseBuilder;
use serde_json::json;

use super::{
    HttpState,
    error::{ApiError, Code},
    transport::Transport,
};
use crate::{
    actors::{connection::Connection, connections::ConnectionHandle, inbound::Inbound},
    protocol::MAX_MESSAGE_BYTES,
};

/// `GET`: the upgrade, or information for those who ask without one.
pub(super) async fn connect(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, actix_web::Error> {
    if !request.headers().contains_key(header::UPGRADE) {
        return Ok(information(state).await);
    }
    admit(request.headers(), &state)?;
    let socket = request.conn_data::<Transport>().and_then(|transport| transport.socket());
    let address = request.peer_addr().map(|address| address.ip());
    let handle = Arc::new(ConnectionHandle::new(socket));
    let inbound = Inbound::new(payload);
    let actor = Connection::new(state.services.clone(), handle, inbound.clone(), address);
    let codec = Codec::new().max_size(MAX_MESSAGE_BYTES);
    WsResponseBuilder::new(actor, &request, inbound).codec(codec).start()
}

/// Refuses before the handshake what would have to be closed right after it: the client in the field
/// takes an opened socket for success and resets its back-off (delivery section 1).
fn admit(headers: &HeaderMap, state: &HttpState) -> Result<(), ApiError> {
    let shared = &state.services.shared;
    if let Some(origin) = headers.get(header::ORIGIN) {
        let allowed = |name: &String| name == "*" || name.as_bytes() == origin.as_bytes();
        if !state.config.websocket.allowed_origins.iter().any(allowed) {
            return Err(ApiError::new(Code::Forbidden, "This origin may not connect"));
        }
    }
    if shared.state.is_draining() {
        return Err(ApiError::unavailable("The hub is shutting down; connect again"));
    }
    if !shared.state.is_backplane_up() {
        return Err(ApiError::unavailable("The hub cannot authenticate anybody right now"));
    }
    if shared.connections.len() >= state.config.server.max_connections {
        return Err(ApiError::unavailable("The hub has as many connections as it may have"));
    }
    Ok(())
}

/// What the endpoint is, for people who open it in a browser.
pub(super) async fn information(state: web::Data<HttpState>) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "message": "Connect with a WebSocket client; this endpoint upgrades.",
        "protocol": "WebSocket",
        "version": "1.0.0",
        "documentation": "docs/websocket.md",
        "connection": {
            "upgrade": "websocket",
            "url": state.config.server.ws_path,
            "authentication": "Send an auth frame with accessToken, daemonId and orchestratorId within 10 seconds.",
        },
        "endpoints": {
            "http": {
                "auth": "/api/daemon/auth",
                "refresh": "/api/daemon/auth/refresh",
                "heartbeat": "/api/daemon/heartbeat",
                "events": "/api/daemon/events",
            },
            "websocket": { "path": "/api/daemon/ws", "protocol": "json" },
        },
    }))
}

/// `POST`: the answer that the original gives.
pub(super) async fn wrong_method() -> Result<HttpResponse, ApiError> {
    Err(ApiError::web_socket_only())
}
