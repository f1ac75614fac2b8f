//! Who falls silent: daemons that only ever used HTTP, and those whose hub died.

use std::{sync::Arc, time::Duration};

use actix::Addr;

use super::{Because, NoteStatus, StatusRecorder};
use crate::{
    actors::{blocking::ask, services::Shared},
    backplane::{
        BackplaneError,
        liveness::Liveness as _,
        records::{Presence, Records as _},
    },
    domain::{
        clock::now,
        ids::{DaemonId, OrchestratorId, SessionId},
    },
    store::database::Database,
};

/// How often those who fell silent are looked for.
const INTERVAL: Duration = Duration::from_secs(10);
/// How many are watched with one question.
const WATCHED_AT_ONCE: i64 = 1000;
/// How many of them at once.
const PAGE: usize = 200;

/// Notices it, and says that they are offline.
pub(super) struct Silence {
    pub(super) shared: Arc<Shared>,
    pub(super) database: Arc<Database>,
    /// For how long somebody must be silent.
    pub(super) after: Duration,
}

impl Silence {
    /// Listens until the recorder ends.
    pub(super) async fn listen(self, recorder: Addr<StatusRecorder>) {
        let interval = INTERVAL.min(self.after);
        let mut watched = false;
        loop {
            tokio::time::sleep(interval).await;
            // After a start of the hub, or of Redis, whoever is there has time to say so.
            watched = watched || self.watch_all().await;
            if let Err(problem) = self.look(&recorder).await {
                log::debug!(problem:%; "who is silent cannot be told right now");
                watched = false;
            }
        }
    }

    /// Watches everybody who is not offline by the accounts. Whether that worked.
    async fn watch_all(&self) -> bool {
        let mut after = String::new();
        loop {
            let from = after.clone();
            let asked = ask(&self.database, move |database| database.present_after(&from, WATCHED_AT_ONCE));
            let Ok(page) = asked.await else {
                return false;
            };
            let Some(last) = page.last() else { return true };
            after.clone_from(last);
            let ids: Vec<_> = page.iter().filter_map(|id| OrchestratorId::parse(id).ok()).collect();
            if self.shared.backplane.watch(&ids, now().wall).await.is_err() {
                return false;
            }
        }
    }

    async fn look(&self, recorder: &Addr<StatusRecorder>) -> Result<(), BackplaneError> {
        let at = now().wall;
        let silent = self.shared.backplane.silent(at.minus(self.after), at, PAGE).await?;
        let mut departed = Vec::new();
        for orchestrator in silent {
            // One with a socket here is alive, whatever became of its heartbeats.
            if self.shared.connections.has(&orchestrator) {
                continue;
            }
            let name = orchestrator.clone();
            let asked = ask(&self.database, move |database| database.resolve(name.as_str())).await;
            let organization = asked.ok().flatten().map(|found| found.organization);
            let nobody = (DaemonId::parse(orchestrator.as_str()), SessionId::parse(orchestrator.as_str()));
            let (Ok(daemon), Ok(session)) = nobody else { continue };
            let gone = Presence {
                orchestrator: orchestrator.clone(),
                organization: organization.clone(),
                daemon,
                session,
                online: false,
                at,
            };
            self.shared.backplane.presence(&[gone]).await?;
            recorder.do_send(NoteStatus {
                orchestrator: orchestrator.clone(),
                organization,
                status: "OFFLINE",
                because: Because::Silence,
            });
            departed.push(orchestrator);
        }
        self.shared.backplane.departed(&departed).await
    }
}
