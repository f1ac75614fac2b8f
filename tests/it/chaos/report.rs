//! What a run comes to, in words.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{
    checker::{Fates, Offence},
    history::{Account, Way, What},
};

/// How many events are shown with their history.
const SHOWN: usize = 20;

/// The figures of a run.
pub(super) fn summary(account: &Account, fates: &Fates) -> String {
    let (mut accepted, mut taken, mut received) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut deliveries, mut repeated, mut acks, mut confirmed) = (0, 0, 0, 0);
    let (mut late, mut durable) = (0, BTreeMap::new());
    let (mut rejected, mut faults, mut connections) = (0, BTreeMap::<_, u32>::new(), 0);
    for entry in &account.entries {
        match entry.what {
            What::Accepted(event) => drop(accepted.insert(event)),
            What::Rejected(_) => rejected += 1,
            What::Received { event, at, written, .. } => {
                deliveries += 1;
                late += u32::from(durable.get(&event).is_some_and(|since| written > *since));
                repeated += u32::from(!received.insert((event, at.daemon)));
            }
            What::Acknowledged(event, _) => {
                acks += 1;
                taken.insert(event);
            }
            What::Confirmed { event, written, .. } => {
                confirmed += 1;
                durable.entry(event).or_insert(written);
            }
            What::Connected(..) => connections += 1,
            What::Fault(what) => *faults.entry(what).or_default() += 1,
            What::Disconnected(_) | What::Refused { .. } => {}
        }
    }
    let mut text = String::new();
    for way in [Way::Http, Way::Stream, Way::Channel] {
        let of_way = |event: &&usize| account.subjects[**event].way == way;
        let published = account.subjects.iter().filter(|subject| subject.way == way).count();
        if published > 0 {
            let (accepted, taken) =
                (accepted.iter().filter(of_way).count(), taken.iter().filter(of_way).count());
            let _ = match way {
                Way::Channel => {
                    writeln!(
                        text,
                        "  {way:?}: published {published} at most once, heard {accepted}, taken {taken}"
                    )
                }
                _ => writeln!(text, "  {way:?}: published {published}, accepted {accepted}, taken {taken}"),
            };
        }
    }
    let mut ends = BTreeMap::<&str, u32>::new();
    fates.values().for_each(|end| *ends.entry(end).or_default() += 1);
    let _ = writeln!(text, "  rejected {rejected}; ended without being taken: {ends:?}");
    let _ = writeln!(
        text,
        "  {connections} connections; {deliveries} deliveries, {repeated} of them repeated, {late} written when \
         another daemon had just been confirmed; {acks} acknowledgements, {confirmed} confirmations"
    );
    let _ = writeln!(text, "  faults: {faults:?}");
    text
}

/// Each offence with everything that happened to its event, and the faults and connections around it.
pub(super) fn indictment(
    account: &Account,
    offences: &BTreeSet<(Offence, usize)>,
    name: impl Fn(usize) -> String,
) -> String {
    let mut text = String::new();
    for (offence, event) in offences.iter().take(SHOWN) {
        let _ = writeln!(text, "{offence:?}: {} {:?}", name(*event), account.subjects[*event]);
        let own = |what: &What| what.event() == Some(*event);
        let met: BTreeSet<usize> = account
            .entries
            .iter()
            .filter(|entry| own(&entry.what))
            .filter_map(|entry| connection(&entry.what))
            .collect();
        let moments = || account.entries.iter().filter(|entry| own(&entry.what)).map(|entry| entry.after);
        let (first, last) = (moments().min().unwrap_or_default(), moments().max().unwrap_or_default());
        for entry in &account.entries {
            let around = entry.what.event().is_none()
                && connection(&entry.what)
                    .map_or(first <= entry.after && entry.after <= last, |it| met.contains(&it));
            if own(&entry.what) || around {
                let _ = writeln!(text, "  {:>10.3} s  {}", entry.after.as_secs_f64(), entry.what);
            }
        }
    }
    if offences.len() > SHOWN {
        let _ = writeln!(text, "and {} more", offences.len() - SHOWN);
    }
    text
}

fn connection(what: &What) -> Option<usize> {
    match what {
        What::Connected(at, _)
        | What::Disconnected(at)
        | What::Acknowledged(_, at)
        | What::Received { at, .. }
        | What::Confirmed { at, .. }
        | What::Refused { at, .. } => Some(at.connection),
        What::Accepted(_) | What::Rejected(_) | What::Fault(_) => None,
    }
}
