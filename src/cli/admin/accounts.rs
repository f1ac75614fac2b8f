//! What is kept in the accounts: the same verbs for every noun.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::{
    live::Listed,
    request::{Request, pair},
};

/// One thing.
#[derive(Debug, Args)]
pub(super) struct Id {
    /// Its id
    #[arg(value_name = "ID")]
    pub(super) id: String,
}

/// What to change.
#[derive(Debug, Args)]
pub(super) struct Change {
    /// Its id
    #[arg(value_name = "ID")]
    id: String,
    /// A field and its new value, as JSON or as a plain word; null empties it. May be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair, required = true)]
    set: Vec<(String, String)>,
}

/// What can be done to everything.
#[derive(Debug, Subcommand)]
pub(super) enum Crud<New: Args> {
    /// List them, newest first
    List(Listed),
    /// Show one
    Get(Id),
    /// Create one
    Create(New),
    /// Change one
    Update(Change),
    /// Delete one, and all that belongs to it
    Delete(Id),
}

impl<New: Args + Serialize> Crud<New> {
    /// The request for things of this kind.
    pub(super) fn request(&self, things: &str) -> Request {
        match self {
            Self::List(listed) => Request::list(&[things], listed),
            Self::Get(Id { id }) => Request::new("GET", &[things, id]),
            Self::Create(new) => Request::new("POST", &[things]).body(new),
            Self::Update(change) => Request::new("PATCH", &[things, &change.id]).changes(&change.set),
            Self::Delete(Id { id }) => Request::new("DELETE", &[things, id]),
        }
    }
}

/// The same for what can be disabled too.
#[derive(Debug, Subcommand)]
pub(super) enum Switched<New: Args> {
    #[command(flatten)]
    Crud(Crud<New>),
    /// Refuse its logins, revoke what was issued, close its sockets
    Disable(Id),
    /// Let it log in again
    Enable(Id),
}

impl<New: Args + Serialize> Switched<New> {
    /// The request for things of this kind.
    pub(super) fn request(&self, things: &str) -> Request {
        match self {
            Self::Crud(crud) => crud.request(things),
            Self::Disable(Id { id }) => Request::new("POST", &[things, id, "disable"]),
            Self::Enable(Id { id }) => Request::new("POST", &[things, id, "enable"]),
        }
    }
}

/// An organization to create.
#[derive(Debug, Args, Serialize)]
pub(super) struct NewOrganization {
    /// What people call it
    #[arg(long)]
    name: String,
    /// Its name in addresses; made of the name without this
    #[arg(long)]
    slug: Option<String>,
    /// Its id; drawn without this
    #[arg(long)]
    id: Option<String>,
    /// What it is
    #[arg(long)]
    description: Option<String>,
}

/// A workspace to create.
#[derive(Debug, Args, Serialize)]
pub(super) struct NewWorkspace {
    /// Its organization
    #[arg(long, value_name = "ID")]
    #[serde(rename = "organizationId")]
    org: String,
    /// What people call it
    #[arg(long)]
    name: String,
    /// Its name in addresses; made of the name without this
    #[arg(long)]
    slug: Option<String>,
    /// Its id; drawn without this
    #[arg(long)]
    id: Option<String>,
    /// PUBLIC, PRIVATE or INTERNAL
    #[arg(long)]
    visibility: Option<String>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
}

/// A user to create.
#[derive(Debug, Args, Serialize)]
pub(super) struct NewUser {
    /// Its organization
    #[arg(long, value_name = "ID")]
    #[serde(rename = "organizationId")]
    org: Option<String>,
    /// Its name
    #[arg(long)]
    name: Option<String>,
    /// Its address
    #[arg(long)]
    email: Option<String>,
    /// Its id; drawn without this
    #[arg(long)]
    id: Option<String>,
}

/// An orchestrator to create.
#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewOrchestrator {
    /// Its organization
    #[arg(long, value_name = "ID")]
    #[serde(rename = "organizationId")]
    org: String,
    /// The name of the user that it appears as
    #[arg(long, required_unless_present = "user")]
    name: Option<String>,
    /// The user that it appears as, if that exists
    #[arg(long, value_name = "ID", conflicts_with = "name")]
    #[serde(rename = "userId")]
    user: Option<String>,
    /// The workspace that it works in
    #[arg(long, value_name = "ID")]
    #[serde(rename = "workspaceId")]
    workspace: Option<String>,
    /// Its id; drawn without this
    #[arg(long)]
    id: Option<String>,
    /// Its field
    #[arg(long)]
    discipline: Option<String>,
    /// What it does there
    #[arg(long)]
    role: Option<String>,
    /// What it can do, separated by commas
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    capabilities: Option<Vec<String>>,
    /// Where its daemon can be called
    #[arg(long, value_name = "URL")]
    daemon_endpoint: Option<String>,
}

/// A channel to create.
#[derive(Debug, Args, Serialize)]
pub(super) struct NewChannel {
    /// Its workspace
    #[arg(long, value_name = "ID")]
    #[serde(rename = "workspaceId")]
    workspace: String,
    /// What people call it
    #[arg(long)]
    name: String,
    /// Its name in addresses; made of the name without this
    #[arg(long)]
    slug: Option<String>,
    /// Its id; drawn without this
    #[arg(long)]
    id: Option<String>,
    /// PUBLIC, PRIVATE, DM or HUDDLE
    #[arg(long = "type", value_name = "TYPE")]
    #[serde(rename = "type")]
    kind: Option<String>,
    /// What it is about
    #[arg(long)]
    topic: Option<String>,
}

/// A group of members.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Group {
    /// Of this organization
    #[arg(long, value_name = "ID")]
    org: Option<String>,
    /// Of this workspace
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// Of this channel
    #[arg(long, value_name = "ID")]
    channel: Option<String>,
}

impl Group {
    fn words(&self) -> [&str; 3] {
        let groups =
            [("organizations", &self.org), ("workspaces", &self.workspace), ("channels", &self.channel)];
        let named = groups.into_iter().find_map(|(kind, id)| Some((kind, id.as_deref()?)));
        let (kind, id) = named.unwrap_or_default();
        [kind, id, "members"]
    }
}

/// What can be done to members.
#[derive(Debug, Subcommand)]
pub(super) enum MemberVerb {
    /// List them, latest first
    List {
        #[command(flatten)]
        group: Group,
        #[command(flatten)]
        listed: Listed,
    },
    /// Add a user
    Add {
        #[command(flatten)]
        group: Group,
        /// The user
        #[arg(value_name = "USER")]
        user: String,
        /// OWNER, ADMIN, MEMBER, and in workspaces GUEST
        #[arg(long)]
        role: Option<String>,
    },
    /// Give a member another role
    Update {
        #[command(flatten)]
        group: Group,
        /// The user
        #[arg(value_name = "USER")]
        user: String,
        /// OWNER, ADMIN, MEMBER, and in workspaces GUEST
        #[arg(long)]
        role: String,
    },
    /// Remove a user
    Remove {
        #[command(flatten)]
        group: Group,
        /// The user
        #[arg(value_name = "USER")]
        user: String,
    },
}

impl MemberVerb {
    /// The request for it.
    pub(super) fn request(&self) -> Request {
        let with = |group: &'_ Group, method, user: &str| {
            let [kind, id, members] = group.words();
            Request::new(method, &[kind, id, members, user])
        };
        match self {
            Self::List { group, listed } => Request::list(&group.words(), listed),
            Self::Add { group, user, role } => {
                Request::new("POST", &group.words()).body(&json!({ "userId": user, "role": role }))
            }
            Self::Update { group, user, role } => with(group, "PATCH", user).body(&json!({ "role": role })),
            Self::Remove { group, user } => with(group, "DELETE", user),
        }
    }
}
