//! What time removes: events that waited too long, ids remembered long enough, records that are over.

use crate::{
    backplane::queue::{EXPIRY_SLACK, Expired, QUEUE_CAPACITY, RETENTION},
    domain::{clock::Timestamp, ids::OrchestratorId},
    store::{Result, queue_file::QueueFile},
};

/// How many acknowledged ids one transaction forgets, so that commits wait only briefly.
const FORGET_AT_ONCE: i64 = 5_000;

/// Removes everything that is over at `now`; returns the events among it, which are a loss.
pub(super) fn sweep(file: &mut QueueFile, now: Timestamp) -> Result<Vec<Expired>> {
    let cutoff = now.minus(RETENTION).plus(EXPIRY_SLACK);
    let mut expired = Vec::new();
    for orchestrator in file.read(|transaction| transaction.awaited())? {
        let count = expire(file, &orchestrator, cutoff)?;
        if count > 0 {
            expired.push(Expired { orchestrator, count });
        }
    }
    file.loosely(|transaction| {
        transaction.forget_acknowledged_before(now.minus(RETENTION), FORGET_AT_ONCE)?;
        transaction.forget_expired_records(now)
    })?;
    Ok(expired)
}

/// Expires what waits for one orchestrator from before `cutoff`; returns how many events that were.
fn expire(file: &mut QueueFile, orchestrator: &OrchestratorId, cutoff: Timestamp) -> Result<u64> {
    let most = QUEUE_CAPACITY.cast_signed();
    let old = file.read(|transaction| transaction.oldest(orchestrator, cutoff, most))?;
    if old.is_empty() {
        return Ok(0);
    }
    file.durably(|transaction| {
        let mut ledger = transaction.ledger(orchestrator)?;
        let mut count = 0;
        for id in &old {
            if transaction.remove(orchestrator, id)? {
                ledger.queued -= 1;
                ledger.expired += 1;
                count += 1;
            }
        }
        transaction.write_ledger(orchestrator, &ledger)?;
        Ok(count)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        domain::ids::EventId,
        store::queue_file::{Entry, Ledger},
    };

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn open() -> (tempfile::TempDir, QueueFile, OrchestratorId) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = QueueFile::open(&directory.path().join("queue.db")).expect("opened");
        (directory, file, OrchestratorId::parse("vp_1").expect("an id"))
    }

    fn id(name: &str) -> EventId {
        EventId::parse(name).expect("an id")
    }

    #[test]
    fn what_expires_is_counted_and_what_does_not_stays() {
        let (_directory, mut file, orchestrator) = open();
        let cutoff = NOW.minus(RETENTION).plus(EXPIRY_SLACK);
        file.durably(|transaction| {
            for (name, time) in [("late", cutoff.minus(Duration::from_millis(1))), ("in_time", cutoff)] {
                transaction.append(&orchestrator, Entry { id: &id(name), time, priority: 0, body: b"{}" })?;
            }
            let ledger = Ledger { accepted: 2, queued: 2, ..Ledger::default() };
            transaction.write_ledger(&orchestrator, &ledger)
        })
        .expect("written");
        let expired = vec![Expired { orchestrator: orchestrator.clone(), count: 1 }];
        assert_eq!(sweep(&mut file, NOW), Ok(expired));
        assert_eq!(sweep(&mut file, NOW), Ok(Vec::new()), "once");
        let (ledger, left) = file
            .read(|transaction| {
                Ok((transaction.ledger(&orchestrator)?, transaction.in_send_order(&orchestrator)?))
            })
            .expect("readable");
        assert_eq!((ledger.expired, ledger.queued), (1, 1));
        assert_eq!(left, [(id("in_time"), 0)]);
    }

    #[test]
    fn acknowledged_ids_are_forgotten_after_the_retention() {
        let (_directory, mut file, orchestrator) = open();
        file.durably(|transaction| {
            let old = NOW.minus(RETENTION).minus(Duration::from_millis(1));
            transaction.remember_acknowledged(&orchestrator, &id("old"), old)?;
            transaction.remember_acknowledged(&orchestrator, &id("new"), NOW)?;
            transaction.write_ledger(&orchestrator, &Ledger { remembered: 2, ..Ledger::default() })
        })
        .expect("written");
        sweep(&mut file, NOW).expect("swept");
        file.read(|transaction| {
            assert!(!transaction.is_acknowledged(&orchestrator, &id("old"))?);
            assert!(transaction.is_acknowledged(&orchestrator, &id("new"))?);
            assert_eq!(transaction.ledger(&orchestrator)?.remembered, 1);
            Ok(())
        })
        .expect("readable");
    }

    #[test]
    fn records_that_are_over_are_forgotten() {
        let (_directory, mut file, _) = open();
        let later = NOW.plus(Duration::from_millis(1));
        file.durably(|transaction| {
            transaction.revoke("over", NOW)?;
            transaction.revoke("not_yet", later)
        })
        .expect("written");
        sweep(&mut file, NOW).expect("swept");
        let revoked = file
            .read(|transaction| Ok([transaction.is_revoked("over")?, transaction.is_revoked("not_yet")?]));
        assert_eq!(revoked, Ok([false, true]));
    }
}
