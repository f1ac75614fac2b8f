//! Holds a history to the promises. Pure: whatever it needs to know of the servers is given to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::history::{Account, At, Entry, Subject, Way, What};

/// How long an event may still be on its way to another daemon when one has the confirmation: a hub sends
/// what it has read ahead for up to a second, and two hubs hear a publish at different times.
const ON_ITS_WAY_MS: i64 = 2000;
/// How much later than the hub the outside may notice that a connection is over.
const NOTICING: Duration = Duration::from_secs(1);

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Offence {
    /// Accepted, and no daemon of its orchestrator took it, and nothing says why.
    Lost,
    /// It came to somebody whom it was not for.
    Astray,
    /// It was sent again after its acknowledgement was confirmed.
    AfterConfirmation,
    /// An attempt was lower than one before on the same connection.
    AttemptsFell,
    /// An event for any one daemon was with two of them at a time.
    WithTwo,
}

/// How events ended that no daemon took, as the hub tells it.
pub(super) type Fates = BTreeMap<usize, String>;

/// The events that were accepted, are owed to somebody, and were not taken.
pub(super) fn not_taken(account: &Account) -> BTreeSet<usize> {
    let mut owed = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for entry in &account.entries {
        match entry.what {
            What::Accepted(event) if account.subjects[event].way != Way::Channel => drop(owed.insert(event)),
            What::Acknowledged(event, _) => drop(taken.insert(event)),
            _ => {}
        }
    }
    owed.difference(&taken).copied().collect()
}

/// Every offence with its event, once each.
pub(super) fn offences(
    account: &Account,
    fates: &Fates,
    orchestrator_of: impl Fn(usize) -> usize,
    claimed_for: Duration,
) -> BTreeSet<(Offence, usize)> {
    let lost = not_taken(account).into_iter().filter(|event| !fates.contains_key(event));
    let mut found: BTreeSet<_> = lost.map(|event| (Offence::Lost, event)).collect();
    let mut watch = Watch::default();
    for entry in &account.entries {
        let What::Received { event, at, .. } = entry.what else {
            watch.note(entry);
            continue;
        };
        let subject = &account.subjects[event];
        if orchestrator_of(at.daemon) != subject.orchestrator
            || subject.daemon.is_some_and(|daemon| daemon != at.daemon)
        {
            found.insert((Offence::Astray, event));
        }
        found.extend(watch.receive(subject, entry).into_iter().map(|offence| (offence, event)));
    }
    found.extend(watch.with_two(claimed_for).map(|event| (Offence::WithTwo, event)));
    found
}

/// What is known of the events up to some moment.
#[derive(Default)]
struct Watch {
    /// Who has confirmations of an event, and since when by the hub's clock.
    confirmed: BTreeMap<usize, Vec<(usize, i64)>>,
    /// The last attempt by connection and event.
    attempts: BTreeMap<(usize, usize), u64>,
    /// When connections were seen to end.
    ended: BTreeMap<usize, Duration>,
    /// When daemons let go of events, by event and connection.
    released: BTreeMap<(usize, usize), Duration>,
    /// Who got an event for any one daemon, and when.
    holders: BTreeMap<usize, Vec<(At, Duration)>>,
}

impl Watch {
    fn note(&mut self, entry: &Entry) {
        match entry.what {
            What::Confirmed { event, at, written } => {
                self.confirmed.entry(event).or_default().push((at.daemon, written));
            }
            What::Disconnected(at) => drop(self.ended.insert(at.connection, entry.after)),
            What::Acknowledged(event, at) | What::Refused { event, at, .. } => {
                self.released.entry((event, at.connection)).or_insert(entry.after);
            }
            _ => {}
        }
    }

    fn receive(&mut self, subject: &Subject, entry: &Entry) -> Vec<Offence> {
        let What::Received { event, at, attempt, written } = entry.what else { return Vec::new() };
        let mut found = Vec::new();
        let too_late = |(daemon, confirmed): &(usize, i64)| {
            written > confirmed + if *daemon == at.daemon { 0 } else { ON_ITS_WAY_MS }
        };
        if self.confirmed.get(&event).is_some_and(|confirmations| confirmations.iter().any(too_late)) {
            found.push(Offence::AfterConfirmation);
        }
        let before = self.attempts.insert((at.connection, event), attempt);
        if before.is_some_and(|before| attempt < before) {
            found.push(Offence::AttemptsFell);
        }
        if subject.any {
            self.holders.entry(event).or_default().push((at, entry.after));
        }
        found
    }

    /// Events that came to a second connection while the first still had them: it was not over, had not
    /// answered, and its time was not up.
    fn with_two(&self, claimed_for: Duration) -> impl Iterator<Item = usize> {
        let in_time = |moment: Option<&Duration>, limit| moment.is_some_and(|moment| *moment <= limit);
        self.holders.iter().filter_map(move |(event, holders)| {
            let overlap = holders.windows(2).any(|pair| {
                let ((first, from), (second, to)) = (pair[0], pair[1]);
                first.connection != second.connection
                    && !in_time(self.ended.get(&first.connection), to + NOTICING)
                    && !in_time(self.released.get(&(*event, first.connection)), to)
                    && to - from < claimed_for
            });
            overlap.then_some(*event)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: Duration = Duration::from_millis(1500);

    fn at(daemon: usize, connection: usize) -> At {
        At { daemon, connection }
    }

    fn received(event: usize, at: At, attempt: u64, written: i64) -> What {
        What::Received { event, at, attempt, written }
    }

    /// Daemons 0 and 1 belong to orchestrator 0, daemon 2 to another. Event 0 is for all, event 1 for
    /// any, event 2 for daemon 0, event 3 is only published on the channel. A tenth of a second lies
    /// between what happens.
    fn judge(what: &[What], fates: &Fates) -> Vec<(Offence, usize)> {
        let subject = |daemon, any, way| Subject { orchestrator: 0, daemon, any, ttl: None, way };
        let subjects = vec![
            subject(None, false, Way::Http),
            subject(None, true, Way::Stream),
            subject(Some(0), false, Way::Http),
            subject(None, false, Way::Channel),
        ];
        let entries = (1_u64..).zip(what);
        let entries =
            entries.map(|(number, what)| Entry { after: Duration::from_millis(100 * number), what: *what });
        let account = Account { subjects, entries: entries.collect() };
        offences(&account, fates, |daemon| daemon / 2, CLAIM).into_iter().collect()
    }

    #[test]
    fn a_good_history_is_clean() {
        let (one, two) = (at(0, 1), at(1, 2));
        let history = [
            What::Accepted(0),
            What::Accepted(1),
            received(0, one, 1, 100),
            received(0, two, 1, 100),
            What::Acknowledged(0, one),
            What::Confirmed { event: 0, at: one, written: 120 },
            received(1, one, 1, 130),
            What::Disconnected(one),
            received(1, two, 1, 150),
            What::Acknowledged(1, two),
        ];
        assert_eq!(judge(&history, &Fates::new()), []);
    }

    #[test]
    fn what_is_accepted_and_never_taken_is_lost_unless_something_explains_it() {
        let history = [What::Accepted(0), received(0, at(0, 1), 1, 100), What::Accepted(3)];
        assert_eq!(judge(&history, &Fates::new()), [(Offence::Lost, 0)]);
        assert_eq!(judge(&history, &Fates::from([(0, "expired".to_owned())])), []);
    }

    #[test]
    fn what_comes_to_a_stranger_is_astray() {
        assert_eq!(judge(&[received(0, at(2, 1), 1, 100)], &Fates::new()), [(Offence::Astray, 0)]);
        assert_eq!(judge(&[received(2, at(1, 1), 1, 100)], &Fates::new()), [(Offence::Astray, 2)]);
    }

    #[test]
    fn nothing_is_sent_again_once_its_acknowledgement_is_confirmed() {
        let confirmed = What::Confirmed { event: 0, at: at(0, 1), written: 100 };
        let again =
            |daemon, written| judge(&[confirmed, received(0, at(daemon, 2), 2, written)], &Fates::new());
        assert_eq!(again(0, 100), []);
        assert_eq!(again(0, 101), [(Offence::AfterConfirmation, 0)]);
        assert_eq!(again(1, 100 + ON_ITS_WAY_MS), []);
        assert_eq!(again(1, 101 + ON_ITS_WAY_MS), [(Offence::AfterConfirmation, 0)]);
    }

    #[test]
    fn attempts_do_not_fall_on_a_connection() {
        let second = |connection, attempt| {
            judge(
                &[received(0, at(0, 1), 2, 100), received(0, at(0, connection), attempt, 200)],
                &Fates::new(),
            )
        };
        assert_eq!(second(1, 3), []);
        assert_eq!(second(2, 1), []);
        assert_eq!(second(1, 1), [(Offence::AttemptsFell, 0)]);
    }

    #[test]
    fn an_event_for_any_is_with_one_at_a_time() {
        let (one, two) = (at(0, 1), at(1, 2));
        let between = |what: &[What]| {
            let history = [&[received(1, one, 1, 100)], what, &[received(1, two, 1, 200)]].concat();
            judge(&history, &Fates::new())
        };
        assert_eq!(between(&[]), [(Offence::WithTwo, 1)]);
        assert_eq!(between(&[What::Refused { event: 1, at: one, terminal: false }]), []);
        assert_eq!(between(&[What::Disconnected(one)]), []);
        assert_eq!(between(&[What::Fault("time goes by"); 15]), [], "its time was up");
    }
}
