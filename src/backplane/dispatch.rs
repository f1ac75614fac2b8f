//! What the REST API asks of whichever backplane is configured.

use super::{
    Backplane, Result,
    acknowledgements::Acknowledgements,
    books::{AwaitedPage, Books},
    dead_letters::{DeadLetters, Unfiled},
    fleet::{Enrolment, Fleet, FleetBeat, FleetDaemon, FleetView},
    inspection::{ConnectionView, Inspection, Ledger, QueueCursor, QueuedEvent},
    liveness::Liveness,
    registrations::{Registered, Registration, Registrations, Unregister},
    revocations::{Revocation, Revocations, TokenIdentity},
    sessions::{SessionChange, SessionEnd, SessionRecord, SessionUpdate, Sessions},
    status::{ExplicitChoice, ExplicitPresence, ExplicitStatus, Statuses},
    trail::{Among, EventTrail, Receipts, Whereabouts},
};
use crate::domain::{
    clock::Timestamp,
    ids::{ConnectionId, EventId, OrchestratorId, SessionId},
};

impl Liveness for Backplane {
    async fn watch(&self, orchestrators: &[OrchestratorId], at: Timestamp) -> Result<()> {
        dispatch!(self.watch(orchestrators, at))
    }

    async fn silent(&self, before: Timestamp, now: Timestamp, limit: usize) -> Result<Vec<OrchestratorId>> {
        dispatch!(self.silent(before, now, limit))
    }

    async fn departed(&self, orchestrators: &[OrchestratorId]) -> Result<()> {
        dispatch!(self.departed(orchestrators))
    }
}

impl Acknowledgements for Backplane {
    async fn note_acknowledged(
        &self,
        orchestrator: &OrchestratorId,
        ids: &[EventId],
        now: Timestamp,
    ) -> Result<()> {
        dispatch!(self.note_acknowledged(orchestrator, ids, now))
    }

    async fn acknowledged(&self, orchestrator: &OrchestratorId, ids: &[EventId]) -> Result<Vec<bool>> {
        dispatch!(self.acknowledged(orchestrator, ids))
    }
}

impl Books for Backplane {
    async fn awaited(&self, after: Option<&str>, limit: usize) -> Result<AwaitedPage> {
        dispatch!(self.awaited(after, limit))
    }

    async fn audit(&self, orchestrators: &[OrchestratorId]) -> Result<Vec<Ledger>> {
        dispatch!(self.audit(orchestrators))
    }
}

impl EventTrail for Backplane {
    async fn receipts(&self, event: &EventId, among: Among<'_>) -> Result<Receipts> {
        dispatch!(self.receipts(event, among))
    }

    async fn whereabouts(
        &self,
        event: &EventId,
        orchestrator: Option<&OrchestratorId>,
    ) -> Result<Vec<Whereabouts>> {
        dispatch!(self.whereabouts(event, orchestrator))
    }
}

impl DeadLetters for Backplane {
    async fn unfiled(&self, limit: usize) -> Result<Vec<Unfiled>> {
        dispatch!(self.unfiled(limit))
    }

    async fn filed(&self, letters: &[Unfiled]) -> Result<()> {
        dispatch!(self.filed(letters))
    }
}

impl Sessions for Backplane {
    async fn create_session(&self, record: &SessionRecord) -> Result<()> {
        dispatch!(self.create_session(record))
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>> {
        dispatch!(self.session(id))
    }

    async fn sessions_of(&self, orchestrator: &OrchestratorId) -> Result<Vec<SessionRecord>> {
        dispatch!(self.sessions_of(orchestrator))
    }

    async fn update_session(
        &self,
        id: &SessionId,
        owner: &OrchestratorId,
        change: &SessionChange,
        now: Timestamp,
    ) -> Result<SessionUpdate> {
        dispatch!(self.update_session(id, owner, change, now))
    }

    async fn note_activity(
        &self,
        id: &SessionId,
        owner: &OrchestratorId,
        status: &'static str,
        at: Timestamp,
    ) -> Result<bool> {
        dispatch!(self.note_activity(id, owner, status, at))
    }

    async fn end_session(
        &self,
        id: &SessionId,
        owner: Option<&OrchestratorId>,
        now: Timestamp,
    ) -> Result<SessionEnd> {
        dispatch!(self.end_session(id, owner, now))
    }
}

impl Revocations for Backplane {
    async fn revoke(&self, revocation: &Revocation) -> Result<()> {
        dispatch!(self.revoke(revocation))
    }

    async fn are_revoked(&self, tokens: &[TokenIdentity]) -> Result<Vec<bool>> {
        dispatch!(self.are_revoked(tokens))
    }
}

impl Registrations for Backplane {
    async fn register(&self, registration: &Registration, now: Timestamp) -> Result<Registered> {
        dispatch!(self.register(registration, now))
    }

    async fn registrations(&self, orchestrators: &[OrchestratorId]) -> Result<Vec<Option<Registration>>> {
        dispatch!(self.registrations(orchestrators))
    }

    async fn unregister(&self, leaving: &Unregister) -> Result<()> {
        dispatch!(self.unregister(leaving))
    }
}

impl Statuses for Backplane {
    async fn set_presence(&self, presence: &ExplicitPresence) -> Result<()> {
        dispatch!(self.set_presence(presence))
    }

    async fn set_status(&self, status: &ExplicitStatus) -> Result<()> {
        dispatch!(self.set_status(status))
    }

    async fn explicit_choice(&self, orchestrator: &OrchestratorId) -> Result<Option<ExplicitChoice>> {
        dispatch!(self.explicit_choice(orchestrator))
    }
}

impl Fleet for Backplane {
    async fn enroll(&self, daemon: &FleetDaemon) -> Result<Enrolment> {
        dispatch!(self.enroll(daemon))
    }

    async fn fleet_heartbeat(&self, beat: &FleetBeat) -> Result<bool> {
        dispatch!(self.fleet_heartbeat(beat))
    }

    async fn fleet(&self, now: Timestamp) -> Result<FleetView> {
        dispatch!(self.fleet(now))
    }
}

impl Inspection for Backplane {
    async fn connections(
        &self,
        orchestrator: Option<&OrchestratorId>,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> Result<Vec<ConnectionView>> {
        dispatch!(self.connections(orchestrator, after, limit))
    }

    async fn connection(&self, id: ConnectionId) -> Result<Option<ConnectionView>> {
        dispatch!(self.connection(id))
    }

    async fn queue_page(
        &self,
        orchestrator: &OrchestratorId,
        after: Option<QueueCursor>,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>> {
        dispatch!(self.queue_page(orchestrator, after, limit))
    }

    async fn purge(&self, orchestrator: &OrchestratorId) -> Result<u64> {
        dispatch!(self.purge(orchestrator))
    }

    async fn ledger(&self, orchestrator: &OrchestratorId) -> Result<Ledger> {
        dispatch!(self.ledger(orchestrator))
    }
}
