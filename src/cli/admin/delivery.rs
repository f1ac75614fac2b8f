//! What became of events, and the keys that they are signed with.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{accounts::Id, live::Listed, request::Request};

/// Which dead letters to put back: one, or those of an orchestrator.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Redriving {
    /// This one
    #[arg(value_name = "ID", required_unless_present = "orchestrator")]
    id: Option<String>,
    /// Those of this orchestrator, oldest first
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    orchestrator: Option<String>,
    /// Of it, those that were given up for this reason
    #[arg(long, value_name = "WORD", requires = "orchestrator")]
    reason: Option<String>,
    /// At most so many; 100 without this
    #[arg(long, value_name = "N", requires = "orchestrator", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: Option<u16>,
}

/// What can be done to events that were given up.
#[derive(Debug, Subcommand)]
pub(super) enum DeadLetterVerb {
    /// List them, latest first
    List {
        /// Those of this orchestrator
        #[arg(long, value_name = "ID")]
        orchestrator: Option<String>,
        /// Those that were given up for this reason
        #[arg(long, value_name = "WORD")]
        reason: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one with its event and what was tried
    #[command(visible_alias = "show")]
    Get(Id),
    /// Put one back into its queue, or those of an orchestrator
    Redrive(Redriving),
    /// Delete one
    Delete(Id),
}

impl DeadLetterVerb {
    /// The request for it.
    pub(super) fn request(&self) -> Request {
        match self {
            Self::List { orchestrator, reason, listed } => Request::list(&["dead-letters"], listed)
                .with("orchestratorId", orchestrator.as_ref())
                .with("reason", reason.as_ref()),
            Self::Get(Id { id }) => Request::new("GET", &["dead-letters", id]),
            Self::Redrive(Redriving { id: Some(id), .. }) => {
                Request::new("POST", &["dead-letters", id, "redrive"])
            }
            Self::Redrive(Redriving { orchestrator, reason, limit, .. }) => {
                let body = json!({ "orchestratorId": orchestrator, "reason": reason, "limit": limit });
                Request::new("POST", &["dead-letters", "redrive"]).body(&body)
            }
            Self::Delete(Id { id }) => Request::new("DELETE", &["dead-letters", id]),
        }
    }
}

/// What can be asked about events.
#[derive(Debug, Subcommand)]
pub(super) enum EventVerb {
    /// Show what became of one, to each orchestrator that it was for
    #[command(visible_alias = "show")]
    Get {
        #[command(flatten)]
        id: Id,
        /// To this orchestrator only
        #[arg(long, value_name = "ID")]
        orchestrator: Option<String>,
        /// What this organization may see of it only
        #[arg(long, value_name = "ID")]
        organization: Option<String>,
    },
}

impl EventVerb {
    /// The request for it.
    pub(super) fn request(&self) -> Request {
        let Self::Get { id: Id { id }, orchestrator, organization } = self;
        Request::new("GET", &["events", id])
            .with("orchestratorId", orchestrator.as_ref())
            .with("organizationId", organization.as_ref())
    }
}

/// An organization.
#[derive(Debug, Args)]
pub(super) struct Home {
    /// The organization
    #[arg(value_name = "ORGANIZATION")]
    organization: String,
}

impl Home {
    fn keys(&self) -> [&str; 3] {
        ["organizations", &self.organization, "ingress-keys"]
    }
}

/// What can be done to the keys that events are signed with.
#[derive(Debug, Subcommand)]
pub(super) enum IngressKeyVerb {
    /// List those of an organization, without secrets
    List(Home),
    /// Make one, and show its secret this once
    Create(Home),
    /// Take nothing any more that is signed with this one
    Retire {
        #[command(flatten)]
        home: Home,
        /// The key
        #[arg(value_name = "KID")]
        kid: String,
    },
}

impl IngressKeyVerb {
    /// The request for it.
    pub(super) fn request(&self) -> Request {
        match self {
            Self::List(home) => Request::list(&home.keys(), &Listed::default()),
            Self::Create(home) => Request::new("POST", &home.keys()),
            Self::Retire { home, kid } => {
                let [organizations, id, keys] = home.keys();
                Request::new("DELETE", &[organizations, id, keys, kid])
            }
        }
    }
}
