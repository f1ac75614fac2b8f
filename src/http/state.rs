//! What routes need beside the request.

use std::{net::IpAddr, sync::Arc};

use actix_web::{HttpRequest, http::header};

use super::{accounts::Accounts, docs::Docs, error::ApiError, input::Inputs, limits::RequestLimits, openapi};
use crate::{
    actors::{
        blocking,
        ingress_rules::keeper::ReadRules,
        services::{Services, Shared},
    },
    auth::token::TokenMinter,
    backplane,
    config::Config,
    store::{self, database::Database},
};

/// Built once, shared by all workers.
pub struct HttpState {
    /// The actors and what they share. Shared, not cloned: every clone of an address costs memory, and
    /// each connection holds this.
    pub(super) services: Arc<Services>,
    /// The settings in effect.
    pub(super) config: Config,
    /// Accounts, channels, messages, audit.
    pub(super) database: Arc<Database>,
    /// Who may ask how often.
    pub(super) limits: RequestLimits,
    /// The API's own description.
    pub(super) description: serde_json::Value,
    /// The descriptions of the WebSocket and of events, and the pages about them.
    pub(super) docs: Docs,
    /// What bodies must look like.
    pub(super) inputs: Inputs,
    /// What is known of orchestrators.
    pub(super) accounts: Accounts,
    /// Issues tokens.
    pub(super) minter: TokenMinter,
}

impl HttpState {
    /// Puts together what routes need.
    ///
    /// # Errors
    /// When the API's description is not usable: a mistake in the program, found at start.
    pub fn new(services: Arc<Services>, config: Config, database: Arc<Database>) -> Result<Self, String> {
        let auth = &config.auth;
        let minter = TokenMinter::new(auth.jwt_secret.expose(), &auth.issuer, &auth.audience);
        let accounts = Accounts::default();
        let description = openapi::description();
        let inputs = Inputs::new(&description)?;
        let docs = Docs::new()?;
        let limits = RequestLimits::new(&config.limits);
        Ok(Self { services, config, database, limits, description, docs, inputs, accounts, minter })
    }

    /// What the actors share.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.services.shared
    }

    /// Puts rules of signed events into effect that were changed just now.
    pub(super) async fn read_rules(&self) {
        // A keeper that is starting again reads them by itself.
        let _ = self.services.rule_keeper.send(ReadRules).await;
    }

    /// Asks the database, away from the threads that serve connections.
    ///
    /// # Errors
    /// 503 when it is away.
    pub(super) async fn database<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Database) -> store::Result<T> + Send + 'static,
    ) -> Result<T, ApiError> {
        blocking::ask(&self.database, ask).await.map_err(ApiError::from)
    }

    /// Writes something that may be lost (contract 1.0): not at all while the backplane is known to be
    /// away, for nobody would answer.
    pub(super) async fn note(&self, what: &'static str, noting: impl Future<Output = backplane::Result<()>>) {
        if !self.shared().state.is_backplane_up() {
            return;
        }
        if let Err(error) = noting.await {
            log::warn!(what, error:% = error; "something was not noted");
        }
    }

    /// Where a request comes from: the peer, or, when that is a proxy to be trusted, whom it speaks
    /// for: the last address in `X-Forwarded-For` that is not such a proxy itself.
    pub(super) fn client(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr().map(|address| address.ip().to_canonical())?;
        let proxies = &self.config.server.trusted_proxies;
        if !proxies.contains(&peer) {
            return Some(peer);
        }
        let headers = request.headers().get_all(header::X_FORWARDED_FOR);
        let mut hops: Vec<IpAddr> = Vec::new();
        // By bytes: what a client put before a proxy's own word must not make it unreadable.
        for part in headers.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
            let part = std::str::from_utf8(part).unwrap_or_default();
            match part.trim().parse::<IpAddr>() {
                Ok(hop) => hops.push(hop.to_canonical()),
                // What was said before this is nobody's word.
                Err(_) => hops.clear(),
            }
        }
        hops.into_iter().rev().find(|hop| !proxies.contains(hop)).or(Some(peer))
    }
}
