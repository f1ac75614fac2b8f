//! What a daemon says about the events that it was sent.

use std::{collections::BTreeMap, time::Duration};

use super::{Effect, Mailbox, State};
use crate::{
    domain::{
        attempt::{Cause, Ended},
        clock::Now,
        ids::EventId,
        mutant::{Mutant, planted},
    },
    protocol::client_frame::MAX_POSTPONEMENT,
};

/// What the delay of a refused event is made of, when the daemon names none: it doubles with each attempt,
/// the first included (delivery rule 5).
const DELAY_UNIT: Duration = Duration::from_secs(1);

/// How a daemon refuses events.
#[derive(Debug, Clone, Default)]
pub(in crate::session) struct Nack {
    /// For how long they are not sent again.
    pub(in crate::session) delay: Option<Duration>,
    /// Why, in words.
    pub(in crate::session) reason: Option<Box<str>>,
    /// Whether trying again is useless.
    pub(in crate::session) terminal: bool,
}

impl Mailbox {
    /// These are taken. An acknowledgement is a fact, also when it is late or came over another
    /// connection.
    pub(in crate::session) fn on_ack(&mut self, ids: &[EventId], now: Now, out: &mut Vec<Effect>) {
        let mut first = None;
        let mut taken = Vec::with_capacity(ids.len());
        for id in ids {
            let flight = self.window.remove(id);
            if flight.is_none() && planted(Mutant::AckLostOnTakeOver) {
                continue;
            }
            taken.push((id.clone(), flight.as_ref().map_or(0, |flight| flight.attempt)));
            match flight {
                Some(flight) => first = first.or(Some(flight.sent_at.0)),
                None => {
                    self.feed.forget(id);
                    self.feed.overtakes_push(id, now.mono);
                }
            }
        }
        if planted(Mutant::AckDropped) {
            taken.pop();
        }
        let waited = first.map(|sent_at| now.mono.since(sent_at));
        out.push(Effect::Acknowledge { ids: taken, waited });
        self.advance(now, out);
    }

    /// These are refused: they are tried again later, by this daemon or, if they are for any, by
    /// another one; or never. Only what is in flight can be refused.
    pub(in crate::session) fn on_nack(
        &mut self,
        ids: &[EventId],
        nack: &Nack,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let mut shared: BTreeMap<Duration, Vec<EventId>> = BTreeMap::new();
        for id in ids {
            let Some((flight, State::Sent | State::Reloading | State::Returning)) = self.window.get(id)
            else {
                continue;
            };
            flight.end(&self.identity, Ended::Refused, nack.reason.clone());
            let doubled = DELAY_UNIT.saturating_mul(2_u32.saturating_pow(flight.attempt));
            let delay = nack.delay.unwrap_or(doubled).min(MAX_POSTPONEMENT);
            if nack.terminal {
                self.give_up(id, Cause::Rejected, out);
            } else if flight.attempt >= self.limits.max_attempts {
                self.give_up(id, Cause::MaxAttempts, out);
            } else if flight.any {
                self.let_go(id, out);
                shared.entry(delay).or_default().push(id.clone());
            } else {
                // The next connection tells how it ended, if this one does not live to send it again.
                out.push(Effect::Note(flight.note()));
                self.window.delay(id, now.mono.plus(delay));
            }
        }
        out.extend(shared.into_iter().map(|(delay, ids)| Effect::Release { ids, delay }));
        self.on_due(now, out);
    }

    /// The daemon still works on these: they are not sent again for so long, counted from now, but at
    /// most [`MAX_POSTPONEMENT`] after they were sent.
    pub(in crate::session) fn on_progress(
        &mut self,
        ids: &[EventId],
        extend: Duration,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let mut shared = Vec::new();
        for id in ids {
            let Some((flight, State::Sent)) = self.window.get(id) else { continue };
            let due = now.mono.plus(extend).min(flight.sent_at.0.plus(MAX_POSTPONEMENT));
            if flight.any {
                shared.push(id.clone());
            }
            self.window.postpone(id, due);
        }
        if !shared.is_empty() {
            out.push(Effect::Extend { ids: shared, span: extend });
        }
    }

    /// The daemon wants at most so many events in flight; none pauses.
    pub(in crate::session) fn on_flow(&mut self, max_in_flight: usize, now: Now, out: &mut Vec<Effect>) {
        self.max_in_flight = max_in_flight.min(self.limits.max_in_flight_ceiling);
        self.advance(now, out);
    }

    /// Gives memory back that an idle connection does not need.
    pub(in crate::session) fn shrink(&mut self, now: Now) {
        self.feed.forget_overtaken(now.mono);
        self.window.shrink();
    }
}
