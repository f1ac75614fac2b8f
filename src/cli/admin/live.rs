//! What happens now: credentials, connections, sessions, queues, and words to all.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

pub(super) use super::request::Listed;
use super::{
    accounts::Id,
    request::{Request, object},
};

/// An orchestrator.
#[derive(Debug, Args)]
pub(super) struct Whose {
    /// The orchestrator
    #[arg(value_name = "ORCHESTRATOR")]
    orchestrator: String,
}

/// A credential, and what becomes of tokens.
#[derive(Debug, Args)]
pub(super) struct Key {
    /// Its id
    #[arg(value_name = "ID")]
    id: String,
    /// Whether everything that its orchestrator was issued until now is revoked too
    #[arg(long, value_name = "true|false")]
    revoke_tokens: Option<bool>,
}

/// What can be done to credentials.
#[derive(Debug, Subcommand)]
pub(super) enum CredentialVerb {
    /// List those of an orchestrator, without keys
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        listed: Listed,
    },
    /// Issue one, and show its key and secret this once
    Create {
        #[command(flatten)]
        whose: Whose,
        /// What people call it
        #[arg(long)]
        name: String,
        /// What its tokens may at most do, separated by commas
        #[arg(long, value_name = "A,B", value_delimiter = ',')]
        scopes: Option<Vec<String>>,
        /// From when on it is refused, such as 2030-01-01T00:00:00Z
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// Show one, without its key
    Get(Id),
    /// Give one a new key and secret, and show them this once
    Rotate(Key),
    /// Refuse logins with it
    Disable(Key),
    /// Take logins with it again
    Enable(Id),
    /// Revoke it for ever, with the tokens of its orchestrator
    Revoke(Key),
}

impl CredentialVerb {
    /// The request for it.
    pub(super) fn request(&self) -> Request {
        let one = |method, key: &Key, verb: &[&str]| {
            let words = ["credentials", key.id.as_str()];
            Request::new(method, &[&words, verb].concat()).with("revokeTokens", key.revoke_tokens)
        };
        match self {
            Self::List { whose, listed } => {
                Request::list(&["orchestrators", &whose.orchestrator, "credentials"], listed)
            }
            Self::Create { whose, name, scopes, expires } => {
                let words = ["orchestrators", &whose.orchestrator, "credentials"];
                let body = json!({ "name": name, "scopes": scopes, "expiresAt": expires });
                Request::new("POST", &words).body(&body)
            }
            Self::Get(Id { id }) => Request::new("GET", &["credentials", id]),
            Self::Rotate(key) => one("POST", key, &["rotate"]),
            Self::Disable(key) => one("POST", key, &["disable"]),
            Self::Enable(Id { id }) => Request::new("POST", &["credentials", id, "enable"]),
            Self::Revoke(key) => one("DELETE", key, &[]),
        }
    }
}

/// What can be done to connections.
#[derive(Debug, Subcommand)]
pub(super) enum ConnectionVerb {
    /// List them
    List {
        /// Those of this orchestrator
        #[arg(long, value_name = "ID")]
        orchestrator: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one
    Get(Id),
    /// Close one, on whichever hub it is
    Close(Id),
}

impl ConnectionVerb {
    /// The request for it.
    pub(super) fn request(&self) -> Request {
        match self {
            Self::List { orchestrator, listed } => {
                Request::list(&["connections"], listed).with("orchestratorId", orchestrator.as_ref())
            }
            Self::Get(Id { id }) => Request::new("GET", &["connections", id]),
            Self::Close(Id { id }) => Request::new("DELETE", &["connections", id]),
        }
    }
}

/// What can be done to sessions.
#[derive(Debug, Subcommand)]
pub(super) enum SessionVerb {
    /// List those of an orchestrator
    List(Whose),
    /// Show one
    Get(Id),
    /// End one: its tokens are revoked and its sockets closed
    End(Id),
}

impl SessionVerb {
    /// The request for it.
    pub(super) fn request(&self) -> Request {
        match self {
            Self::List(whose) => {
                let words = ["orchestrators", whose.orchestrator.as_str(), "sessions"];
                Request::list(&words, &Listed::default())
            }
            Self::Get(Id { id }) => Request::new("GET", &["sessions", id]),
            Self::End(Id { id }) => Request::new("DELETE", &["sessions", id]),
        }
    }
}

/// What can be done to queues.
#[derive(Debug, Subcommand)]
pub(super) enum QueueVerb {
    /// List the events that wait, oldest first
    List {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show the books: accepted, acknowledged, expired, dropped, dead, queued
    Ledger(Whose),
    /// Drop all that waits
    Purge(Whose),
}

impl QueueVerb {
    /// The request for it.
    pub(super) fn request(&self) -> Request {
        match self {
            Self::List { whose, listed } => {
                Request::list(&["orchestrators", &whose.orchestrator, "queue"], listed)
            }
            Self::Ledger(whose) => {
                Request::new("GET", &["orchestrators", &whose.orchestrator, "queue", "ledger"])
            }
            Self::Purge(whose) => Request::new("DELETE", &["orchestrators", &whose.orchestrator, "queue"]),
        }
    }
}

/// How orchestrators are.
#[derive(Debug, Subcommand)]
pub(super) enum FleetVerb {
    /// List them with health, connections, queue depth and uptime
    List(Listed),
    /// Show one in detail
    Get(Whose),
    /// Show when one was there
    Uptime {
        #[command(flatten)]
        whose: Whose,
        /// 24 hours before the end without this
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Now, without this
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
    },
}

impl FleetVerb {
    /// The request for it.
    pub(super) fn request(&self) -> Request {
        match self {
            Self::List(listed) => Request::list(&["fleet"], listed),
            Self::Get(whose) => Request::new("GET", &["orchestrators", &whose.orchestrator, "fleet"]),
            Self::Uptime { whose, from, to } => {
                let request = Request::new("GET", &["orchestrators", &whose.orchestrator, "uptime"]);
                request.with("from", from.as_ref()).with("to", to.as_ref())
            }
        }
    }
}

/// What to revoke.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Revoking {
    /// This token, by its jti
    #[arg(long, value_name = "JTI", group = "what")]
    token: Option<String>,
    /// All tokens of this session
    #[arg(long, value_name = "ID", group = "what")]
    session: Option<String>,
    /// All that this orchestrator was issued
    #[arg(long, value_name = "ID", group = "what")]
    orchestrator: Option<String>,
    /// Of it, what was issued before this time; now without this
    #[arg(long, value_name = "TIME", requires = "orchestrator")]
    before: Option<String>,
}

impl Revoking {
    /// The request for it.
    pub(super) fn request(&self) -> Request {
        let body = json!({
            "tokenId": self.token, "sessionId": self.session, "orchestratorId": self.orchestrator,
            "issuedBefore": self.before,
        });
        Request::new("POST", &["revocations"]).body(&body)
    }
}

/// What to send to all.
#[derive(Debug, Args)]
pub(super) struct Broadcasting {
    /// What kind of event it is
    #[arg(long = "type", value_name = "system.…")]
    kind: String,
    /// To the orchestrators of this organization only
    #[arg(long, value_name = "ID")]
    org: Option<String>,
    /// The payload, a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    data: Option<Map<String, Value>>,
    /// Keep it for those who are away, until they acknowledge it
    #[arg(long)]
    ack: bool,
}

impl Broadcasting {
    /// The request for it.
    pub(super) fn request(&self) -> Request {
        let body = json!({
            "type": self.kind, "organizationId": self.org, "data": self.data, "requiresAck": self.ack,
        });
        Request::new("POST", &["broadcast"]).body(&body)
    }
}
