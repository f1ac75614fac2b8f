//! What contradicts itself in a queue. Pure.

use std::collections::HashSet;

use super::{Beside, Snapshot};
use crate::domain::ids::EventId;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Accepted is not acknowledged, expired, dropped, dead and waiting together.
    Imbalance,
    /// The books say another number of waiting events than there are.
    Miscounted,
    /// A key holds what the hub never puts there.
    ForeignKey,
    /// The queue holds something, and is not in the index that expiry goes by.
    NotIndexed,
    /// An entry has no content.
    EntryWithoutBody,
    /// Content has no entry.
    BodyWithoutEntry,
    /// A priority has no entry.
    PriorityWithoutEntry,
    /// A time of expiry has no entry.
    ExpiryWithoutEntry,
    /// A claim has no entry.
    ClaimWithoutEntry,
    /// An event waits that is remembered as taken or given up.
    TakenButWaiting,
    /// What waits under this id cannot be an event's id.
    InvalidId,
    /// What waits is no event.
    Unreadable,
}

impl Kind {
    /// A word for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Imbalance => "imbalance",
            Self::Miscounted => "miscounted",
            Self::ForeignKey => "foreign_key",
            Self::NotIndexed => "not_indexed",
            Self::EntryWithoutBody => "entry_without_body",
            Self::BodyWithoutEntry => "body_without_entry",
            Self::PriorityWithoutEntry => "priority_without_entry",
            Self::ExpiryWithoutEntry => "expiry_without_entry",
            Self::ClaimWithoutEntry => "claim_without_entry",
            Self::TakenButWaiting => "taken_but_waiting",
            Self::InvalidId => "invalid_id",
            Self::Unreadable => "unreadable",
        }
    }

    /// What it means and what becomes of it, for people.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Imbalance => "the books do not balance: events vanished, or are counted twice",
            Self::Miscounted => "the books count other events as waiting than there are",
            Self::ForeignKey => "somebody else uses this key; the queue cannot be written while it is there",
            Self::NotIndexed => "the queue is missing in hub:queues, so its events do not expire",
            Self::EntryWithoutBody => "an event waits without its content and is never delivered",
            Self::BodyWithoutEntry => {
                "content of an event that waits no more; it takes room until its key expires"
            }
            Self::PriorityWithoutEntry => "a priority of an event that waits no more",
            Self::ExpiryWithoutEntry => "a time of expiry of an event that waits no more",
            Self::ClaimWithoutEntry => "a claim on an event that waits no more",
            Self::TakenButWaiting => "an event that was taken or given up still waits; it is delivered again",
            Self::InvalidId => "the hub never wrote an entry under this id",
            Self::Unreadable => "what waits is no event; it becomes a dead letter when a daemon looks",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub kind: Kind,
    /// With which event, or key; `None` when it is the queue as a whole.
    pub subject: Option<String>,
    /// The figures, or what was read.
    pub detail: String,
}

impl Finding {
    /// Something wrong with one event.
    pub(super) fn of_event(kind: Kind, id: &str, detail: String) -> Self {
        Self { kind, subject: Some(id.to_owned()), detail }
    }

    /// What makes it the same in the next look.
    pub(super) fn key(&self) -> (Kind, Option<&str>) {
        (self.kind, self.subject.as_deref())
    }
}

/// Everything in a snapshot that contradicts itself.
#[must_use]
pub fn judge(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = Vec::new();
    let books = &snapshot.books;
    if books.imbalance() != 0 {
        let detail = format!(
            "by {}: accepted {}, acknowledged {}, expired {}, dropped {}, dead {}, waiting {}",
            books.imbalance(),
            books.accepted,
            books.acknowledged,
            books.expired,
            books.dropped,
            books.dead,
            books.queued
        );
        findings.push(Finding { kind: Kind::Imbalance, subject: None, detail });
    }
    if let Some(booked) = snapshot.booked.filter(|booked| *booked != books.queued) {
        let detail = format!("{booked} by the books, {} counted", books.queued);
        findings.push(Finding { kind: Kind::Miscounted, subject: None, detail });
    }
    for (key, holds) in &snapshot.foreign {
        findings.push(Finding {
            kind: Kind::ForeignKey,
            subject: Some(key.clone()),
            detail: format!("holds a {holds}"),
        });
    }
    if snapshot.indexed == Some(false) && !snapshot.entries.is_empty() {
        let detail = format!("{} events wait", snapshot.entries.len());
        findings.push(Finding { kind: Kind::NotIndexed, subject: None, detail });
    }
    let entries: HashSet<&str> = snapshot.entries.iter().map(String::as_str).collect();
    let mut event = |kind, id: &str| findings.push(Finding::of_event(kind, id, String::new()));
    for id in &snapshot.entries {
        if EventId::parse(id).is_err() {
            event(Kind::InvalidId, id);
        }
        if snapshot.bodies.as_ref().is_some_and(|bodies| !bodies.contains(id)) {
            event(Kind::EntryWithoutBody, id);
        }
    }
    for id in snapshot.bodies.iter().flatten().filter(|id| !entries.contains(id.as_str())) {
        event(Kind::BodyWithoutEntry, id);
    }
    for (beside, id) in snapshot.beside.iter().filter(|(_, id)| !entries.contains(id.as_str())) {
        let kind = match beside {
            Beside::Priority => Kind::PriorityWithoutEntry,
            Beside::Expiry => Kind::ExpiryWithoutEntry,
            Beside::Claim => Kind::ClaimWithoutEntry,
        };
        event(kind, id);
    }
    for id in &snapshot.remembered {
        event(Kind::TakenButWaiting, id);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backplane::inspection::Ledger;

    fn texts(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn sound() -> Snapshot {
        Snapshot {
            books: Ledger { accepted: 3, acknowledged: 1, queued: 2, ..Ledger::default() },
            booked: Some(2),
            entries: texts(&["a", "b"]),
            bodies: Some(texts(&["a", "b"]).into_iter().collect()),
            beside: vec![(Beside::Priority, "a".to_owned())],
            indexed: Some(true),
            ..Snapshot::default()
        }
    }

    fn found(change: impl FnOnce(&mut Snapshot)) -> Vec<(Kind, Option<String>)> {
        let mut snapshot = sound();
        change(&mut snapshot);
        judge(&snapshot).into_iter().map(|finding| (finding.kind, finding.subject)).collect()
    }

    #[test]
    fn a_sound_queue_is_clean_and_so_is_an_empty_one() {
        assert_eq!(judge(&sound()), []);
        assert_eq!(judge(&Snapshot { indexed: Some(false), ..Snapshot::default() }), []);
    }

    #[test]
    fn each_contradiction_is_found_and_named() {
        let event = |kind, id: &str| vec![(kind, Some(id.to_owned()))];
        assert_eq!(found(|s| s.books.accepted = 4), [(Kind::Imbalance, None)]);
        assert_eq!(found(|s| s.booked = Some(1)), [(Kind::Miscounted, None)]);
        assert_eq!(found(|s| s.indexed = Some(false)), [(Kind::NotIndexed, None)]);
        let foreign = ("k".to_owned(), "string".to_owned());
        assert_eq!(found(|s| s.foreign = vec![foreign]), event(Kind::ForeignKey, "k"));
        let bodies = |ids| Some(texts(ids).into_iter().collect());
        assert_eq!(found(|s| s.bodies = bodies(&["a"])), event(Kind::EntryWithoutBody, "b"));
        assert_eq!(found(|s| s.bodies = bodies(&["a", "b", "c"])), event(Kind::BodyWithoutEntry, "c"));
        for (beside, kind) in [
            (Beside::Priority, Kind::PriorityWithoutEntry),
            (Beside::Expiry, Kind::ExpiryWithoutEntry),
            (Beside::Claim, Kind::ClaimWithoutEntry),
        ] {
            assert_eq!(found(|s| s.beside.push((beside, "c".to_owned()))), event(kind, "c"));
        }
        assert_eq!(found(|s| s.remembered = texts(&["b"])), event(Kind::TakenButWaiting, "b"));
        let odd = |s: &mut Snapshot| (s.entries, s.bodies) = (texts(&["a", "b b"]), bodies(&["a", "b b"]));
        assert_eq!(found(odd), event(Kind::InvalidId, "b b"));
    }
}
