//! Registrations, in the file.

use super::{EmbeddedBackplane, registry::json};
use crate::{
    backplane::{
        Result,
        registrations::{REGISTRATION_LIFETIME, Registered, Registration, Registrations, Unregister},
        status::PresenceStatus,
    },
    domain::{
        clock::{self, Timestamp},
        ids::OrchestratorId,
    },
};

impl Registrations for EmbeddedBackplane {
    async fn register(&self, registration: &Registration, now: Timestamp) -> Result<Registered> {
        let (registration, text) = (registration.clone(), json(registration)?);
        self.worker
            .run(move |state| {
                let orchestrator = &registration.orchestrator;
                let known = state.file.read(|transaction| transaction.registration(orchestrator, now))?;
                let known = known.and_then(|known| Registration::read(orchestrator, &known));
                if let Some(other) = known.filter(|known| known.instance != registration.instance)
                    && state.observations.heartbeat(orchestrator, now).is_some()
                {
                    return Ok(Registered::Occupied { instance: other.instance });
                }
                let until = now.plus(REGISTRATION_LIFETIME);
                state.file.durably(|file| file.save_registration(orchestrator, &text, until))?;
                Ok(Registered::Registered)
            })
            .await
    }

    async fn registrations(&self, orchestrators: &[OrchestratorId]) -> Result<Vec<Option<Registration>>> {
        let (orchestrators, now) = (orchestrators.to_vec(), clock::now().wall);
        self.worker
            .run(move |state| {
                let registrations = state.file.read(|transaction| {
                    let one = |orchestrator: &OrchestratorId| {
                        let json = transaction.registration(orchestrator, now)?;
                        Ok(json.and_then(|json| Registration::read(orchestrator, &json)))
                    };
                    orchestrators.iter().map(one).collect()
                })?;
                Ok(registrations)
            })
            .await
    }

    async fn unregister(&self, leaving: &Unregister) -> Result<()> {
        let leaving = leaving.clone();
        self.worker
            .run(move |state| {
                let orchestrator = &leaving.orchestrator;
                state.file.durably(|file| file.forget_registration(orchestrator))?;
                state.observations.forget(orchestrator);
                state.observations.set_presence(orchestrator, PresenceStatus::Offline);
                if let Some(session) = &leaving.session {
                    state.end_session(session, Some(orchestrator), leaving.at)?;
                }
                Ok(())
            })
            .await
    }
}
