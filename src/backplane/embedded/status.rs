//! What daemons say of themselves, in memory. There is nobody to announce it to.

use super::EmbeddedBackplane;
use crate::{
    backplane::{
        Result,
        status::{
            ExplicitChoice, ExplicitPresence, ExplicitStatus, PRESENCE_LIFETIME, STATUS_LIFETIME, Statuses,
            latest,
        },
    },
    domain::{clock, ids::OrchestratorId},
};

impl Statuses for EmbeddedBackplane {
    async fn set_presence(&self, presence: &ExplicitPresence) -> Result<()> {
        let presence = presence.clone();
        self.worker
            .run(move |state| {
                let orchestrator = &presence.orchestrator;
                state.observations.set_presence(orchestrator, presence.status);
                let said = Some((presence.status, presence.at));
                state.observations.choose(orchestrator, |choices| choices.presence = said);
                Ok(())
            })
            .await
    }

    async fn set_status(&self, status: &ExplicitStatus) -> Result<()> {
        let status = status.clone();
        self.worker
            .run(move |state| {
                let said = Some((status.status, status.at));
                state.observations.choose(&status.orchestrator, |choices| choices.status = said);
                Ok(())
            })
            .await
    }

    async fn explicit_choice(&self, orchestrator: &OrchestratorId) -> Result<Option<ExplicitChoice>> {
        let (orchestrator, now) = (orchestrator.clone(), clock::now().wall);
        self.worker
            .run(move |state| {
                let Some(choices) = state.observations.choices(&orchestrator) else { return Ok(None) };
                let presence = choices.presence.filter(|(_, at)| now.since(*at) < PRESENCE_LIFETIME);
                let status = choices.status.filter(|(_, at)| now.since(*at) < STATUS_LIFETIME);
                Ok(latest(presence, status))
            })
            .await
    }
}
