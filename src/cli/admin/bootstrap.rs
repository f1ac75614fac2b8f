//! `admin bootstrap`: the first organization, orchestrator and credential, straight in the database.
//! It needs no hub, and does no harm to one that runs.

use clap::Args;
use serde_json::json;

use crate::{
    cli::{CliError, output},
    config::{Config, secrets},
    domain::{
        canary::parse_unreserved,
        clock::{Timestamp, now},
        ids::{OrchestratorId, OrganizationId},
        slug::slug,
    },
    store::{
        self,
        accounts::{
            audit::NewAuditEntry,
            channel_changes::NewChannel,
            credential_changes::NewCredential,
            members::Group,
            orchestrator_changes::{Face, NewOrchestrator},
            organizations::NewOrganization,
            users::NewUser,
            workspaces::NewWorkspace,
        },
        database::Database,
        database_url::DatabaseUrl,
    },
};

/// Who is first.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What people call the organization
    #[arg(long, value_name = "NAME")]
    organization: String,
    /// What people call the orchestrator
    #[arg(long, value_name = "NAME")]
    orchestrator: String,
    /// The orchestrator's id; drawn without this
    #[arg(long, value_name = "ID", value_parser = parse_unreserved)]
    id: Option<OrchestratorId>,
    /// The organization's id; drawn without this
    #[arg(long, value_name = "ID", value_parser = OrganizationId::parse)]
    organization_id: Option<OrganizationId>,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| {
        CliError::failed(format!("cannot bootstrap in {}: {error}", config.database))
    };
    let slug = slug(&arguments.organization).ok_or_else(|| {
        CliError::failed("the organization's name needs a letter or digit that can stand in an address")
    })?;
    if config.database.sqlite_path().is_some() {
        secrets::ensure_data_dir(&config.server.data_dir)?;
        // As when the hub makes the file: no other local user may read it.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    }
    let url = DatabaseUrl::parse(config.database.as_str()).map_err(|error| failed(&error))?;
    let database = Database::new(url);
    database.migrate().map_err(|error| failed(&error))?;
    let at = now().wall;
    let organization = database.create_organization(
        NewOrganization {
            id: arguments.organization_id.as_ref().map(ToString::to_string),
            name: arguments.organization.clone(),
            slug,
            ..NewOrganization::default()
        },
        at,
    );
    let organization = organization.map_err(|error| failed(&error))?.id;
    match fill(&database, &organization, arguments, at) {
        Ok(made) => Ok(output::line(&made.to_string())?),
        Err(error) => {
            // All or nothing: the same command must work once its reason to fail is gone.
            let undone = database.delete_organization(&organization, None);
            let left = undone.err().map(|error| format!("; {organization} is left behind: {error}"));
            Err(failed(&format!("{error}{}", left.unwrap_or_default())))
        }
    }
}

fn fill(
    database: &Database,
    organization: &str,
    arguments: &Arguments,
    at: Timestamp,
) -> store::Result<serde_json::Value> {
    let workspace = NewWorkspace {
        organization_id: organization.to_owned(),
        name: "Default".to_owned(),
        slug: "default".to_owned(),
        ..NewWorkspace::default()
    };
    let workspace = database.create_workspace(workspace, None, at)?.id;
    let channel = NewChannel {
        workspace_id: workspace.clone(),
        name: "General".to_owned(),
        slug: "general".to_owned(),
        ..NewChannel::default()
    };
    let channel = database.create_channel(channel, None, at)?.id;
    let new = NewOrchestrator {
        id: arguments.id.as_ref().map(ToString::to_string),
        organization_id: organization.to_owned(),
        workspace_id: Some(workspace.clone()),
        face: Face::New(NewUser { name: Some(arguments.orchestrator.clone()), ..NewUser::default() }),
        discipline: String::new(),
        role: String::new(),
        capabilities: None,
        daemon_endpoint: None,
    };
    let orchestrator = database.create_orchestrator(new, None, at)?;
    let user = orchestrator.user_id.unwrap_or_default();
    database.add_member(Group::Workspace(&workspace), &user, "MEMBER", None, at)?;
    database.add_member(Group::Channel(&channel), &user, "MEMBER", None, at)?;
    let credential = NewCredential {
        orchestrator_id: orchestrator.id.clone(),
        name: "bootstrap".to_owned(),
        created_by: Some("bootstrap".to_owned()),
        ..NewCredential::default()
    };
    let issued = database.issue_credential(credential, None, at)?;
    let entry = NewAuditEntry {
        actor_id: "bootstrap".to_owned(),
        actor_type: "system".to_owned(),
        organization_id: Some(organization.to_owned()),
        action: "organization.bootstrap".to_owned(),
        resource_type: "organization".to_owned(),
        resource_id: Some(organization.to_owned()),
        metadata: Some(json!({ "orchestratorId": orchestrator.id, "credentialId": issued.credential.id })),
        ..NewAuditEntry::default()
    };
    database.append_audit(entry, at)?;
    Ok(json!({
        "organizationId": organization,
        "workspaceId": workspace,
        "channelId": channel,
        "orchestratorId": orchestrator.id,
        "userId": user,
        "credentialId": issued.credential.id,
        "apiKey": issued.key.expose(),
        "apiSecret": issued.secret.expose(),
    }))
}
