//! The queue file as a shelf that the rules of the queue work on.

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::{
    backplane::{
        commit::{DeadLetter, Sent},
        dead_letters::{UNFILED_CAPACITY, Unfiled},
        rules::{Books, Claimed, Entry, Losses, Shelf},
        trail::{Outcome, RECEIPTS_KEPT, Receipt},
    },
    domain::{
        attempt::{Attempt, MAX_HISTORY},
        clock::Timestamp,
        ids::{ConnectionId, DaemonId, EventId, OrchestratorId, OrganizationId},
    },
    store::{
        Result, StoreError,
        queue_file::{self, Claim, Delivered, Delivery, Ledger, StoredReceipt, Transaction, UnfiledLetter},
    },
};

/// How long it is remembered what a daemon was told of.
const TOLD_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

fn wide(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn counted(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

fn foreign(problem: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("the queue file holds what the hub never wrote: {problem}"))
}

fn organization(text: Option<&str>) -> Result<Option<OrganizationId>> {
    text.map(OrganizationId::parse).transpose().map_err(foreign)
}

fn connection(text: Option<&str>) -> Result<Option<ConnectionId>> {
    text.map(ConnectionId::parse).transpose().map_err(foreign)
}

fn json(history: &[Attempt]) -> Result<String> {
    let from = history.len().saturating_sub(MAX_HISTORY);
    serde_json::to_string(history.get(from..).unwrap_or_default()).map_err(foreign)
}

/// A history as it was written down. What cannot be read costs an explanation, not an event.
fn history(json: &str) -> Vec<Attempt> {
    serde_json::from_str(json).unwrap_or_default()
}

/// What is known of the deliveries of an event to one daemon instance.
///
/// # Errors
/// When the hub never wrote it.
pub(super) fn delivery(id: &EventId, daemon: &DaemonId, delivered: &Delivered) -> Result<Sent> {
    Ok(Sent {
        id: id.clone(),
        daemon: daemon.clone(),
        connection: ConnectionId::parse(&delivered.connection).map_err(foreign)?,
        attempts: delivered.attempts,
        at: delivered.at,
        crashes: delivered.crashes,
        history: history(&delivered.history),
        shared: false,
    })
}

fn books(ledger: &Ledger) -> Result<Books> {
    Ok(Books {
        accepted: counted(ledger.accepted),
        acknowledged: counted(ledger.acknowledged),
        lost: Losses { dropped: counted(ledger.dropped), expired: counted(ledger.expired) },
        dead: counted(ledger.dead),
        queued: counted(ledger.queued),
        remembered: counted(ledger.remembered),
        told: Losses { dropped: counted(ledger.told_dropped), expired: counted(ledger.told_expired) },
        organization: organization(ledger.organization.as_deref())?,
    })
}

fn stored(receipt: &Receipt) -> StoredReceipt {
    StoredReceipt {
        organization: receipt.organization.as_ref().map_or_else(String::new, ToString::to_string),
        event_id: receipt.event.to_string(),
        orchestrator: receipt.orchestrator.to_string(),
        outcome: receipt.outcome.as_str().to_owned(),
        at_ms: receipt.at.0,
        daemon: receipt.daemon.as_ref().map(ToString::to_string),
        attempts: i64::from(receipt.attempts),
        reason: receipt.reason.clone(),
    }
}

/// A receipt as it was written down.
pub(super) fn receipt(stored: StoredReceipt) -> Result<Receipt> {
    let organization = organization(Some(stored.organization.as_str()).filter(|text| !text.is_empty()))?;
    Ok(Receipt {
        event: EventId::parse(&stored.event_id).map_err(foreign)?,
        orchestrator: OrchestratorId::parse(&stored.orchestrator).map_err(foreign)?,
        organization,
        outcome: Outcome::parse(&stored.outcome).ok_or_else(|| foreign(stored.outcome))?,
        at: Timestamp(stored.at_ms),
        daemon: stored.daemon.as_deref().map(DaemonId::parse).transpose().map_err(foreign)?,
        attempts: u32::try_from(stored.attempts).unwrap_or(u32::MAX),
        reason: stored.reason,
    })
}

/// A dead letter as it was written down.
pub(super) fn unfiled(letter: UnfiledLetter) -> Result<Unfiled> {
    Ok(Unfiled {
        key: letter.key,
        orchestrator: OrchestratorId::parse(&letter.orchestrator).map_err(foreign)?,
        organization: organization(letter.organization.as_deref())?,
        id: EventId::parse(&letter.event_id).map_err(foreign)?,
        reason: letter.reason,
        attempts: u32::try_from(letter.attempts).unwrap_or(u32::MAX),
        daemon: letter.daemon.as_deref().map(DaemonId::parse).transpose().map_err(foreign)?,
        history: history(&letter.history),
        at: Timestamp(letter.at_ms),
        body: Bytes::from(letter.body),
    })
}

impl Shelf for Transaction<'_> {
    type Error = StoreError;

    fn books(&mut self, orchestrator: &OrchestratorId) -> Result<Books> {
        books(&self.ledger(orchestrator)?)
    }

    fn write_books(&mut self, orchestrator: &OrchestratorId, books: &Books) -> Result<()> {
        let ledger = Ledger {
            accepted: wide(books.accepted),
            acknowledged: wide(books.acknowledged),
            expired: wide(books.lost.expired),
            dropped: wide(books.lost.dropped),
            dead: wide(books.dead),
            queued: wide(books.queued),
            remembered: wide(books.remembered),
            told_dropped: wide(books.told.dropped),
            told_expired: wide(books.told.expired),
            organization: books.organization.as_ref().map(ToString::to_string),
        };
        self.write_ledger(orchestrator, &ledger)
    }

    fn append(&mut self, orchestrator: &OrchestratorId, entry: &Entry) -> Result<bool> {
        let Entry { id, time, priority, due, body } = entry;
        let entry = queue_file::Entry { id, time: *time, priority: *priority, due: *due, body };
        Transaction::append(self, orchestrator, entry)
    }

    fn remove(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool> {
        Transaction::remove(self, orchestrator, id)
    }

    fn is_waiting(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool> {
        Transaction::is_waiting(self, orchestrator, id)
    }

    fn oldest(&mut self, orchestrator: &OrchestratorId, count: u64) -> Result<Vec<EventId>> {
        Transaction::oldest(self, orchestrator, wide(count))
    }

    fn due(&mut self, now: Timestamp, limit: usize) -> Result<Vec<(OrchestratorId, EventId)>> {
        Transaction::due(self, now, i64::try_from(limit).unwrap_or(i64::MAX))
    }

    fn is_remembered(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool> {
        self.is_acknowledged(orchestrator, id)
    }

    fn remember(&mut self, orchestrator: &OrchestratorId, id: &EventId, at: Timestamp) -> Result<bool> {
        self.remember_acknowledged(orchestrator, id, at)
    }

    fn forget(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<bool> {
        self.forget_acknowledged(orchestrator, id)
    }

    fn forget_first(&mut self, orchestrator: &OrchestratorId, count: u64) -> Result<()> {
        self.forget_first_acknowledged(orchestrator, wide(count))
    }

    fn record(&mut self, orchestrator: &OrchestratorId, sent: &Sent) -> Result<()> {
        let delivery = Delivery {
            id: &sent.id,
            daemon: Some(&sent.daemon),
            connection: sent.connection,
            attempts: sent.attempts,
            at: sent.at,
            crashes: sent.crashes,
            history: &json(&sent.history)?,
        };
        self.record_delivery(orchestrator, delivery)?;
        if !sent.shared {
            return Ok(());
        }
        // Who reads it does not learn from its place whose it was.
        let history = json(&sent.clone().told())?;
        self.record_delivery(orchestrator, Delivery { daemon: None, history: &history, ..delivery })
    }

    fn bury(
        &mut self,
        orchestrator: &OrchestratorId,
        organization: Option<&OrganizationId>,
        letter: &DeadLetter,
        at: Timestamp,
    ) -> Result<()> {
        let row = UnfiledLetter {
            key: Uuid::now_v7().to_string(),
            orchestrator: orchestrator.to_string(),
            organization: organization.map(ToString::to_string),
            event_id: letter.id.to_string(),
            reason: letter.reason.to_owned(),
            attempts: i64::from(letter.attempts),
            daemon: Some(letter.daemon.to_string()),
            history: json(&letter.history)?,
            at_ms: at.0,
            body: self.body(orchestrator, &letter.id)?.unwrap_or_default(),
        };
        let lost = self.keep_unfiled(&row, wide(UNFILED_CAPACITY))?;
        if lost > 0 {
            log::error!(lost; "too many dead letters wait for the database; the oldest are lost");
        }
        Ok(())
    }

    fn claimed(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<Option<Claimed>> {
        let Some(claim) = self.claim(orchestrator, id)? else { return Ok(None) };
        Ok(Some(Claimed {
            holder: connection(claim.holder.as_deref())?,
            until: claim.until,
            grants: claim.grants,
            not_before: claim.not_before,
            last: connection(claim.last.as_deref())?,
        }))
    }

    fn write_claim(&mut self, orchestrator: &OrchestratorId, id: &EventId, claimed: &Claimed) -> Result<()> {
        let claim = Claim {
            holder: claimed.holder.map(|holder| holder.to_string()),
            until: claimed.until,
            grants: claimed.grants,
            not_before: claimed.not_before,
            last: claimed.last.map(|last| last.to_string()),
        };
        self.save_claim(orchestrator, id, &claim)
    }

    fn keep_receipts(&mut self, receipts: &[Receipt]) -> Result<()> {
        let Some(first) = receipts.first() else { return Ok(()) };
        let organization = first.organization.as_ref().map_or("", OrganizationId::as_str);
        let rows: Vec<StoredReceipt> = receipts.iter().map(stored).collect();
        Transaction::keep_receipts(self, organization, &rows, wide(RECEIPTS_KEPT))
    }

    fn told(&mut self, orchestrator: &OrchestratorId, daemon: &DaemonId) -> Result<Option<Losses>> {
        let told = Transaction::told(self, orchestrator, daemon)?;
        let losses = |(dropped, expired)| Losses { dropped: counted(dropped), expired: counted(expired) };
        Ok(told.map(losses))
    }

    fn write_told(
        &mut self,
        orchestrator: &OrchestratorId,
        daemon: &DaemonId,
        losses: Losses,
        at: Timestamp,
    ) -> Result<()> {
        let told = (wide(losses.dropped), wide(losses.expired));
        self.save_told(orchestrator, daemon, told, at.plus(TOLD_LIFETIME))
    }
}
