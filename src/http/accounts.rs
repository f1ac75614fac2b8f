//! What routes ask about orchestrators again and again, remembered for a short while.

use std::{sync::Arc, time::Duration};

use quick_cache::sync::Cache;

use super::{HttpState, error::ApiError};
use crate::{
    actors::{
        messages::{Origin, Publish},
        status_recorder::{Because, NoteStatus},
    },
    auth::token::AccessToken,
    domain::{
        clock::{Monotonic, monotonic},
        event::Event,
        ids::{OrchestratorId, OrganizationId},
    },
};

/// How many orchestrators are remembered.
const CAPACITY: usize = 100_000;
/// For how long an account is believed to be as it was; changes by this hub are known at once.
const BELIEVED: Duration = Duration::from_secs(30);
/// For how long an orchestrator is believed not to exist.
const MISSING_BELIEVED: Duration = Duration::from_secs(2);

/// What is remembered of an orchestrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// Its organization.
    pub(super) organization: OrganizationId,
    /// The user that it appears as.
    pub(super) user: Option<Arc<str>>,
    /// Whether it and its organization may do anything.
    pub(super) enabled: bool,
}

/// The accounts that were asked for lately.
pub(super) struct Accounts(Cache<OrchestratorId, (Option<Account>, Monotonic)>);

impl Default for Accounts {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

impl Accounts {
    /// Forgets one that changed.
    pub(super) fn forget(&self, orchestrator: &OrchestratorId) {
        self.0.remove(orchestrator);
    }

    /// Forgets all, after a change that concerns many.
    pub(super) fn forget_all(&self) {
        self.0.clear();
    }
}

impl HttpState {
    /// The account of an orchestrator; `None` when there is none, or it is disabled.
    ///
    /// # Errors
    /// 503 when the database is away.
    pub(super) async fn account(&self, orchestrator: &OrchestratorId) -> Result<Option<Account>, ApiError> {
        let known = self.accounts.0.get(orchestrator).filter(|(_, until)| monotonic() < *until);
        let account = match known {
            Some((account, _)) => account,
            None => self.fresh_account(orchestrator).await?,
        };
        Ok(account.filter(|account| account.enabled))
    }

    /// The same, as it is at this moment.
    ///
    /// # Errors
    /// 503 when the database is away.
    pub(super) async fn fresh_account(
        &self,
        orchestrator: &OrchestratorId,
    ) -> Result<Option<Account>, ApiError> {
        let name = orchestrator.clone();
        let profile = self.database(move |database| database.profile(name.as_str(), None)).await?;
        let account = profile.and_then(|profile| {
            let enabled =
                profile.orchestrator.disabled_at.is_none() && profile.organization.disabled_at.is_none();
            let user = profile.orchestrator.user_id.map(Arc::from);
            let organization = OrganizationId::parse(&profile.organization.id).ok()?;
            Some(Account { organization, user, enabled })
        });
        let believed = if account.is_some() { BELIEVED } else { MISSING_BELIEVED };
        self.accounts.0.insert(orchestrator.clone(), (account.clone(), monotonic().plus(believed)));
        Ok(account)
    }

    /// The organization that a daemon belongs to, by its token or by its account.
    pub(super) async fn organization_of(&self, token: &AccessToken) -> Option<OrganizationId> {
        match &token.organization {
            Some(organization) => Some(organization.clone()),
            None => {
                self.account(&token.orchestrator).await.ok().flatten().map(|account| account.organization)
            }
        }
    }

    /// Notes what a daemon says its status is; written soon, if it changed.
    pub(super) fn note_status(
        &self,
        orchestrator: &OrchestratorId,
        organization: Option<&OrganizationId>,
        status: &'static str,
        because: Because,
    ) {
        self.services.recorder.do_send(NoteStatus {
            orchestrator: orchestrator.clone(),
            organization: organization.cloned(),
            status,
            because,
        });
    }

    /// Tells daemons that are there now; nothing is kept for the others.
    pub(super) fn tell(&self, event: Option<Event>) {
        let events: Vec<Event> = event.into_iter().collect();
        self.services.router.do_send(Publish { events, origin: Origin::Ephemeral });
    }
}
