//! Registrations in Redis (contract 6.1, `daemon:registration`).

use super::{RedisBackplane, keys, records::json, scripts, status};
use crate::{
    backplane::{
        Result,
        registrations::{REGISTRATION_LIFETIME, Registered, Registration, Registrations, Unregister},
        sessions::Sessions as _,
        status::PresenceStatus,
    },
    domain::{clock::Timestamp, ids::OrchestratorId},
};

impl Registrations for RedisBackplane {
    async fn register(&self, registration: &Registration, _now: Timestamp) -> Result<Registered> {
        let orchestrator = &registration.orchestrator;
        let names = [keys::registration(orchestrator), keys::heartbeat(orchestrator)];
        let mut call = scripts::call(&scripts::REGISTER, &names);
        call.arg(&registration.instance).arg(json(registration)?).arg(REGISTRATION_LIFETIME.as_secs());
        let in_the_way: Option<String> = self.run(&call).await?;
        Ok(in_the_way.map_or(Registered::Registered, |instance| Registered::Occupied { instance }))
    }

    async fn registrations(&self, orchestrators: &[OrchestratorId]) -> Result<Vec<Option<Registration>>> {
        let records = self.texts(orchestrators.iter().map(keys::registration)).await?;
        let read = |(orchestrator, record): (&OrchestratorId, Option<String>)| {
            record.and_then(|record| Registration::read(orchestrator, &record))
        };
        Ok(orchestrators.iter().zip(records).map(read).collect())
    }

    async fn unregister(&self, leaving: &Unregister) -> Result<()> {
        let orchestrator = &leaving.orchestrator;
        let mut pipe = redis::pipe();
        for key in [
            keys::registration(orchestrator),
            keys::heartbeat(orchestrator),
            keys::metrics(orchestrator),
            keys::routing_session(orchestrator),
            keys::status(orchestrator),
        ] {
            pipe.del(key).ignore();
        }
        // After an explicit choice has been forgotten none is made: leaving is no choice.
        pipe.add_command(status::presence_call(
            &status::Announced {
                orchestrator,
                organization: leaving.organization.as_ref(),
                daemon: leaving.daemon.as_ref(),
                status: PresenceStatus::Offline,
                text: None,
                at: leaving.at,
            },
            false,
        )?);
        pipe.ignore();
        self.run_all::<()>(&pipe).await?;
        if let Some(session) = &leaving.session {
            self.end_session(session, Some(orchestrator), leaving.at).await?;
        }
        Ok(())
    }
}
