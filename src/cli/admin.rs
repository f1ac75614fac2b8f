//! `admin`: organizations and what belongs to them, through a running hub; and the very first of them
//! without one.

mod accounts;
mod bootstrap;
mod delivery;
mod live;
mod request;

use clap::{Args, Subcommand};

use self::{
    accounts::{
        Crud, MemberVerb, NewChannel, NewOrchestrator, NewOrganization, NewUser, NewWorkspace, Switched,
    },
    delivery::{DeadLetterVerb, EventVerb, IngressKeyVerb},
    live::{
        Broadcasting, ConnectionVerb, CredentialVerb, FleetVerb, Listed, QueueVerb, Revoking, SessionVerb,
    },
    request::{Request, send},
};
use super::CliError;
use crate::config::{Config, Overrides, Secrets};

const EXAMPLES: &str = "\
Examples:
  neolith-hub admin bootstrap --organization Acme --orchestrator Builder
  neolith-hub admin org create --name Acme
  neolith-hub admin orchestrator create --org org_1 --name Builder --discipline engineering
  neolith-hub admin orchestrator list --all --filter organizationId=org_1
  neolith-hub admin orchestrator disable vp_1
  neolith-hub admin credential create vp_1 --name laptop
  neolith-hub admin member add --channel ch_1 user_1 --role ADMIN
  neolith-hub admin channel update ch_1 --set isArchived=true --set topic=null
  neolith-hub admin org update org_1 --set ingressPolicy=require
  neolith-hub admin ingress-key create org_1
  neolith-hub admin event show evt_1
  neolith-hub admin dead-letter redrive --orchestrator vp_1 --reason max_attempts
  neolith-hub admin audit --filter action=orchestrator.disable
  neolith-hub admin revoke --orchestrator vp_1
  neolith-hub admin broadcast --type system.maintenance --data '{\"minutes\":5}' --ack

One answer is one line of JSON; a list is one line per item. docs/admin.md has the routes behind.";

/// What `admin` is asked for.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The hub to talk to; the configured address without this
    #[arg(long, global = true, value_name = "http://…")]
    url: Option<String>,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Create the first organization, orchestrator and credential straight in the database
    Bootstrap(bootstrap::Arguments),
    /// Organizations
    #[command(subcommand)]
    Org(Switched<NewOrganization>),
    /// Workspaces
    #[command(subcommand)]
    Workspace(Crud<NewWorkspace>),
    /// Users
    #[command(subcommand)]
    User(Crud<NewUser>),
    /// Orchestrators
    #[command(subcommand)]
    Orchestrator(Switched<NewOrchestrator>),
    /// Channels
    #[command(subcommand)]
    Channel(Crud<NewChannel>),
    /// Members of organizations, workspaces and channels
    #[command(subcommand)]
    Member(MemberVerb),
    /// API keys of orchestrators
    #[command(subcommand)]
    Credential(CredentialVerb),
    /// Connections of all hubs
    #[command(subcommand)]
    Connection(ConnectionVerb),
    /// Sessions
    #[command(subcommand)]
    Session(SessionVerb),
    /// What waits for an orchestrator
    #[command(subcommand)]
    Queue(QueueVerb),
    /// Events that were given up
    #[command(subcommand, visible_alias = "dead-letters")]
    DeadLetter(DeadLetterVerb),
    /// What became of events
    #[command(subcommand, visible_alias = "events")]
    Event(EventVerb),
    /// Keys that publishers sign events with
    #[command(subcommand, visible_alias = "ingress-keys")]
    IngressKey(IngressKeyVerb),
    /// How orchestrators are
    #[command(subcommand)]
    Fleet(FleetVerb),
    /// Read the audit log
    Audit(Listed),
    /// Revoke tokens, and close what lives on them
    Revoke(Revoking),
    /// Send a system event to all
    Broadcast(Broadcasting),
}

/// Does what was asked for.
///
/// # Errors
/// What the hub, the database or the configuration has against it.
pub(super) fn run(overrides: &Overrides, arguments: &Arguments) -> Result<(), CliError> {
    let request = match &arguments.noun {
        Noun::Bootstrap(first) => return bootstrap::run(&Config::load(overrides, Secrets::Inspect)?, first),
        Noun::Org(verb) => verb.request("organizations"),
        Noun::Workspace(verb) => verb.request("workspaces"),
        Noun::User(verb) => verb.request("users"),
        Noun::Orchestrator(verb) => verb.request("orchestrators"),
        Noun::Channel(verb) => verb.request("channels"),
        Noun::Member(verb) => verb.request(),
        Noun::Credential(verb) => verb.request(),
        Noun::Connection(verb) => verb.request(),
        Noun::Session(verb) => verb.request(),
        Noun::Queue(verb) => verb.request(),
        Noun::DeadLetter(verb) => verb.request(),
        Noun::Event(verb) => verb.request(),
        Noun::IngressKey(verb) => verb.request(),
        Noun::Fleet(verb) => verb.request(),
        Noun::Audit(listed) => Request::list(&["audit"], listed),
        Noun::Revoke(revoking) => revoking.request(),
        Noun::Broadcast(broadcasting) => broadcasting.request(),
    };
    send(&Config::load(overrides, Secrets::Create)?, arguments.url.as_deref(), request)
}
