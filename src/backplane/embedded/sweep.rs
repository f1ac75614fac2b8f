//! What time removes: events that waited too long, ids remembered long enough, records that are over.

use crate::{
    backplane::{
        queue::{Expired, RETENTION},
        rules,
    },
    domain::clock::Timestamp,
    store::{Result, queue_file::QueueFile},
};

/// How many events one transaction expires, and how many acknowledged ids it forgets, so that commits
/// wait only briefly.
const EXPIRE_AT_ONCE: usize = 1_000;
const FORGET_AT_ONCE: i64 = 5_000;

/// Removes the events that are due at `now`, which is a loss; a look at one index when there are none.
pub(super) fn expire(file: &mut QueueFile, now: Timestamp) -> Result<Vec<Expired>> {
    if file.read(|transaction| transaction.due(now, 1))?.is_empty() {
        return Ok(Vec::new());
    }
    file.durably(|transaction| rules::expire(transaction, now, EXPIRE_AT_ONCE))
}

/// Forgets what nobody needs any more at `now`.
pub(super) fn sweep(file: &mut QueueFile, now: Timestamp) -> Result<()> {
    file.loosely(|transaction| {
        transaction.forget_acknowledged_before(now.minus(RETENTION), FORGET_AT_ONCE)?;
        transaction.forget_expired_records(now).map(drop)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        domain::ids::{EventId, OrchestratorId},
        store::queue_file::Ledger,
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
