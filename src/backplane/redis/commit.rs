//! Group commits in Redis: one script for all queues.

use super::{RedisBackplane, corrupt, in_flight::newest, keys, queue::KEPT, records::json, scripts};
use crate::{
    backplane::{
        Result,
        commit::{Ack, CommitBatch, CommitOutcome, GroupOutcome, OrchestratorCommit, StoreOutcome},
        dead_letters::UNFILED_CAPACITY,
        queue::{ACK_MEMORY, LegacySource, QUEUE_CAPACITY, RECENT_ACKS, RETENTION, queue_time},
        trail::RECEIPTS_KEPT,
    },
    domain::{
        clock::Timestamp,
        ids::{EventId, OrganizationId},
    },
};
use redis::Cmd;

/// What `commit.lua` answers: see there.
type Reply = (String, Vec<u64>, Vec<String>, Vec<String>, u64);

impl RedisBackplane {
    /// Writes the queues, their counters and receipts.
    pub(super) async fn commit_queues(&self, batch: &CommitBatch) -> Result<CommitOutcome> {
        let mut names = Vec::with_capacity(4 + 9 * batch.groups.len());
        let shared = [keys::QUEUES, keys::RECENT_ACKS, keys::RECEIPTS, keys::UNFILED];
        names.extend(shared.map(str::to_owned));
        for OrchestratorCommit { orchestrator, .. } in &batch.groups {
            names.extend([
                keys::queue(orchestrator),
                keys::queue_data(orchestrator),
                keys::queue_meta(orchestrator),
                keys::acknowledged(orchestrator),
                keys::acknowledged_before(orchestrator),
                keys::queue_priorities(orchestrator),
                keys::legacy_claim(&LegacySource::Orchestrator(orchestrator.clone())),
                keys::expiries(orchestrator),
                keys::claims(orchestrator),
            ]);
        }
        let mut call = scripts::call(&scripts::COMMIT, &names);
        call.arg(batch.now.0).arg(QUEUE_CAPACITY).arg(RETENTION.as_secs()).arg(ACK_MEMORY);
        call.arg(RECENT_ACKS).arg(KEPT.as_millis().to_string()).arg(UNFILED_CAPACITY).arg(RECEIPTS_KEPT);
        call.arg(keys::RECEIPTS_PREFIX).arg(batch.groups.len());
        for group in &batch.groups {
            arguments(&mut call, group, batch.now)?;
        }
        let reply: Reply = self.run(&call).await?;
        outcome(batch, reply)
    }
}

fn expiry(call: &mut Cmd, at: Option<Timestamp>) {
    match at {
        Some(at) => call.arg(at.0),
        None => call.arg(""),
    };
}

fn acknowledgements(call: &mut Cmd, acks: &[Ack]) {
    call.arg(acks.len());
    for ack in acks {
        call.arg(ack.id.as_str()).arg(ack.daemon.as_str()).arg(ack.attempts);
    }
}

/// One group, in the order that `commit.lua` reads it.
fn arguments(call: &mut Cmd, group: &OrchestratorCommit, now: Timestamp) -> Result<()> {
    let organization = group.organization.as_ref().map_or("", OrganizationId::as_str);
    call.arg(group.orchestrator.as_str()).arg(organization);
    acknowledgements(call, &group.completed);
    call.arg(group.stores.len());
    for event in &group.stores {
        call.arg(event.id.as_str()).arg(queue_time(event.timestamp, now).0).arg(event.priority);
        expiry(call, event.expires_at);
        call.arg(event.body.as_ref());
    }
    call.arg(group.claims.len());
    for claim in &group.claims {
        call.arg(claim.id.as_str()).arg(claim.connection.to_string()).arg(claim.until.0);
    }
    call.arg(group.redriven.len());
    for event in &group.redriven {
        call.arg(event.id.as_str()).arg(event.priority);
        // Its own time is over by now, or soon; who asks for it again wants it delivered.
        expiry(call, event.expires_at.filter(|at| *at > now));
        call.arg(event.body.as_ref());
    }
    acknowledgements(call, &group.acks);
    call.arg(group.dead.len());
    for dead in &group.dead {
        call.arg(dead.id.as_str()).arg(dead.reason).arg(dead.attempts).arg(dead.daemon.as_str());
        call.arg(json(&newest(&dead.history))?);
    }
    Ok(())
}

fn outcome(batch: &CommitBatch, (letters, counts, drops, failures, lost): Reply) -> Result<CommitOutcome> {
    if lost > 0 {
        log::error!(lost; "too many dead letters wait for the database; the oldest are lost");
    }
    let mut letters = letters.bytes();
    let mut counts = counts.chunks_exact(3);
    let mut groups = Vec::with_capacity(batch.groups.len());
    for group in &batch.groups {
        let Some(&[acknowledged, dead, redriven]) = counts.next() else {
            return Err(corrupt("the commit script answered too little"));
        };
        let stores = group.stores.iter().map(|_| match letters.next() {
            Some(b'S') => Ok(StoreOutcome::Stored),
            Some(b'D') => Ok(StoreOutcome::Duplicate),
            Some(b'A') => Ok(StoreOutcome::AlreadyAcknowledged),
            Some(b'E') => Ok(StoreOutcome::Failed),
            _ => Err(corrupt("the commit script answered too little")),
        });
        groups.push(GroupOutcome {
            stores: stores.collect::<Result<_>>()?,
            acknowledged,
            dead,
            redriven,
            ..GroupOutcome::default()
        });
    }
    let index = |number: &String| number.parse::<usize>().ok()?.checked_sub(1);
    for (number, id) in pairs(&drops) {
        let group = index(number).and_then(|index| groups.get_mut(index));
        if let (Some(group), Ok(id)) = (group, EventId::parse(id)) {
            group.dropped.push(id);
        }
    }
    for (number, problem) in pairs(&failures) {
        if let Some(group) = index(number).and_then(|index| groups.get_mut(index)) {
            group.failure = Some(problem.clone());
        }
    }
    Ok(CommitOutcome { groups })
}

fn pairs(flat: &[String]) -> impl Iterator<Item = (&String, &String)> {
    flat.chunks_exact(2).filter_map(|pair| Some((pair.first()?, pair.get(1)?)))
}
