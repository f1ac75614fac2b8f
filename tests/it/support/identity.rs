//! Who a daemon is. Every test draws its own, so that no two tests meet.

use serde_json::Value;
use uuid::Uuid;

use super::token::Token;

/// A name that nobody else has.
pub(crate) fn unique(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::new_v4().simple())
}

/// One daemon instance of one orchestrator, with what it needs to authenticate.
#[derive(Clone)]
pub(crate) struct Identity {
    /// Whose daemon it is.
    pub(crate) orchestrator: String,
    /// Its instance id.
    pub(crate) daemon: String,
    /// Its access token.
    pub(crate) token: String,
    token_source: Token,
}

impl Identity {
    /// The first daemon of a new orchestrator.
    pub(crate) fn new() -> Self {
        Self::of(&unique("vp"))
    }

    /// A daemon that holds a token which the hub issued.
    pub(crate) fn holding(orchestrator: &str, token: String) -> Self {
        Self::of(orchestrator).with_token(token)
    }

    fn of(orchestrator: &str) -> Self {
        let daemon = unique("daemon");
        let token_source = Token::access(orchestrator, &daemon);
        Self { orchestrator: orchestrator.to_owned(), daemon, token: token_source.mint(), token_source }
    }

    /// Another daemon instance of the same orchestrator.
    pub(crate) fn sibling(&self) -> Self {
        Self::of(&self.orchestrator)
    }

    /// The same daemon with one other claim in its token.
    pub(crate) fn with_claim(self, name: &str, value: impl Into<Value>) -> Self {
        let token_source = self.token_source.claim(name, value);
        Self { token: token_source.mint(), token_source, ..self }
    }

    /// The same daemon with another token.
    pub(crate) fn with_token(self, token: String) -> Self {
        Self { token, ..self }
    }

    /// The same token in the hands of somebody who claims to belong to another orchestrator.
    pub(crate) fn claiming(self, orchestrator: String) -> Self {
        Self { orchestrator, ..self }
    }

    /// The same token in the hands of a daemon that goes by another name.
    pub(crate) fn named(self, daemon: &str) -> Self {
        Self { daemon: daemon.to_owned(), ..self }
    }

    /// The unsigned source of its token, to break.
    pub(crate) fn token_source(&self) -> Token {
        self.token_source.clone()
    }
}
