//! `token`: an access token for a daemon.

use std::time::Duration;

use clap::{Args, value_parser};

use super::{CliError, output};
use crate::{
    auth::token::{Grant, TokenMinter},
    config::Config,
    domain::{
        canary::parse_unreserved,
        clock,
        ids::{DaemonId, OrchestratorId, OrganizationId, SessionId},
        scope::{Scope, ScopeSet},
    },
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Whom the token speaks for
    #[arg(long, value_name = "ID", value_parser = parse_unreserved)]
    orchestrator: OrchestratorId,
    /// The daemon instance it is for
    #[arg(long, value_name = "ID", value_parser = DaemonId::parse)]
    daemon: DaemonId,
    /// The tenant that the orchestrator belongs to
    #[arg(long, value_name = "ID", value_parser = OrganizationId::parse)]
    organization: Option<OrganizationId>,
    /// What it allows, such as messages:read,presence:write; the standard set without this
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = scope)]
    scopes: Vec<Scope>,
    /// How long it is good for
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = value_parser!(u64).range(1..=315_360_000))]
    ttl: u64,
}

fn scope(name: &str) -> Result<Scope, String> {
    let known = || Scope::ALL.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ");
    Scope::parse(name).ok_or_else(|| format!("there are only {}", known()))
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> Result<(), CliError> {
    let scopes = match arguments.scopes.as_slice() {
        [] => ScopeSet::standard(),
        scopes => scopes.iter().copied().collect(),
    };
    let issuer = Issuer::new(config, &arguments.orchestrator, &arguments.daemon)?;
    let lifetime = Duration::from_secs(arguments.ttl);
    let token = issuer.issue(arguments.organization.as_ref(), scopes, lifetime)?;
    output::line(&token)?;
    Ok(())
}

/// Issues tokens for one daemon, all of one session: a new session per token would look like a new
/// login at every reconnect.
pub(super) struct Issuer {
    minter: TokenMinter,
    orchestrator: OrchestratorId,
    daemon: DaemonId,
    session: SessionId,
}

impl Issuer {
    pub(super) fn new(
        config: &Config,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
    ) -> Result<Self, CliError> {
        let session = format!("daemon_session_{orchestrator}_{}", clock::now().wall.0);
        let auth = &config.auth;
        Ok(Self {
            minter: TokenMinter::new(auth.jwt_secret.expose(), &auth.issuer, &auth.audience),
            orchestrator: orchestrator.clone(),
            daemon: daemon.clone(),
            session: SessionId::parse(&session).map_err(|_| {
                CliError::failed("the orchestrator's id is too long to name a session after it")
            })?,
        })
    }

    pub(super) fn issue(
        &self,
        organization: Option<&OrganizationId>,
        scopes: ScopeSet,
        lifetime: Duration,
    ) -> Result<String, CliError> {
        let grant = Grant {
            orchestrator: &self.orchestrator,
            session: &self.session,
            daemon: self.daemon.as_str(),
            organization,
            workspace: None,
            scopes,
            lifetime,
        };
        self.minter.access(&grant, clock::now().wall).map_err(|error| CliError::failed(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::token::TokenVerifier,
        config::{Overrides, Secrets},
    };

    #[test]
    fn the_hub_of_the_same_configuration_accepts_the_token() {
        let environment = [("DAEMON_JWT_SECRET".to_owned(), "a secret of the tests".to_owned())];
        let config = Config::from_sources(&Overrides::default(), environment, Secrets::Inspect);
        let config = config.expect("a configuration");
        let orchestrator = OrchestratorId::parse("vp_1").expect("an id");
        let daemon = DaemonId::parse("d1").expect("an id");
        let issuer = Issuer::new(&config, &orchestrator, &daemon).expect("an issuer");
        let scopes = ScopeSet::from_names(["presence:read"]);
        let issue = || issuer.issue(None, scopes, Duration::from_secs(5)).expect("a token");
        let auth = &config.auth;
        let verifier = TokenVerifier::new(auth.jwt_secret.expose(), &auth.issuer, &auth.audience);
        let now = clock::now().wall;
        let first = verifier.verify(&issue(), now).expect("accepted");
        let second = verifier.verify(&issue(), now).expect("accepted");
        assert_eq!((&first.orchestrator, first.scopes), (&orchestrator, scopes));
        assert_eq!(first.session, second.session, "a reconnect is no new login");
        assert_ne!(first.jti, second.jti);
        assert!(verifier.verify(&issue(), now.plus(Duration::from_secs(6))).is_err());
    }
}
