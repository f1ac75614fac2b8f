//! The end of a run: nothing goes wrong any more, everybody is healthy, and every promise must have
//! been kept.

use super::{
    Number,
    act::{Act, Deed, Frame},
    facts::{Fate, Note},
    invariant::Invariant,
    world::World,
};

/// How long it may take until everything that is wanted was taken.
const PATIENCE: u64 = 240_000;
const SLICE: u64 = 250;

impl World {
    /// Heals everything, waits, and looks whether anything is left.
    pub(super) fn settle(&mut self) {
        if self.oracle.violation.is_some() {
            return;
        }
        self.heal();
        let end = self.at + PATIENCE;
        while self.oracle.violation.is_none() && self.unfinished().is_some() {
            if self.at >= end {
                let left = self.unfinished();
                let what = "somebody wants it, and it waits for ever";
                return self.oracle.fail(Invariant::NothingVanishes, what, left);
            }
            self.run_until(self.at + SLICE);
        }
        self.come_again();
        self.balance();
    }

    fn heal(&mut self) {
        self.calm = true;
        self.store.away = false;
        for hub in 0..self.hubs.len() {
            self.hubs[hub].draining &= !self.hubs[hub].up;
            self.restart(hub);
            self.restore_bus(hub);
        }
        for connection in self.open_links() {
            self.thaw(connection);
        }
        for daemon in 0..self.daemons.len() {
            match self.daemons[daemon].link.filter(|connection| self.links[*connection].open) {
                Some(_) => {
                    self.say(daemon, Frame::Subscribe("*"));
                    if !self.daemons[daemon].legacy {
                        self.say(daemon, Frame::Flow(self.plan.window));
                    }
                }
                None => self.soon(0, 500, Act::Deed { daemon, deed: Deed::Connect }),
            }
        }
    }

    /// An event that waits although a daemon is there for it; or that a hub still has to write.
    fn unfinished(&self) -> Option<Number> {
        let busy = self.hubs.iter().any(|hub| !hub.is_idle());
        let mut waiting = self.oracle.facts.books.iter().flat_map(|book| book.waiting.iter().copied());
        let wanted = waiting.find(|event| self.is_for_somebody(*event));
        wanted.or(busy.then_some(0).filter(|_| !self.oracle.facts.all.is_empty()))
    }

    fn is_for_somebody(&self, event: Number) -> bool {
        let fact = &self.oracle.facts.all[event];
        let daemons = &self.orchestrators[fact.orchestrator].daemons;
        daemons.iter().any(|daemon| {
            let who = &self.daemons[*daemon];
            let own = &self.orchestrators[fact.orchestrator].organization;
            let tenant = who.legacy || fact.event.organization.as_ref().is_none_or(|named| named == own);
            tenant && fact.event.daemon.as_ref().is_none_or(|named| *named == who.id)
        })
    }

    /// Every daemon connects once more, and hears what it has lost.
    fn come_again(&mut self) {
        let lost = |book: &super::facts::Book| book.dropped + book.expired;
        let lost: Vec<u64> = self.oracle.facts.books.iter().map(lost).collect();
        for daemon in 0..self.daemons.len() {
            self.soon(0, 200, Act::Deed { daemon, deed: Deed::Connect });
        }
        self.run_until(self.at + 3_000);
        for (number, daemon) in self.daemons.iter().enumerate() {
            let book = &self.oracle.facts.books[daemon.orchestrator];
            let told = book.told.get(&number).map_or(0, |(dropped, expired)| dropped + expired);
            let lost = lost[daemon.orchestrator];
            if told < lost && self.oracle.violation.is_none() {
                let what = format!("daemon {number} was told of {told} losses, there were {lost}");
                return self.oracle.fail(Invariant::LossesAnnounced, what, None);
            }
            let open = daemon.links.iter().filter(|link| self.links[**link].open).count();
            if open != 1 && self.oracle.violation.is_none() {
                let what = format!("daemon {number} has {open} connections that get events");
                return self.oracle.fail(Invariant::OneConnection, what, None);
            }
        }
    }

    /// Every event that was accepted has an end, or waits; the books say the same.
    fn balance(&mut self) {
        for orchestrator in 0..self.orchestrators.len() {
            self.compare(orchestrator);
        }
        let accepted = |fact: &super::facts::Fact| fact.stored.is_some();
        let lost = self
            .oracle
            .facts
            .all
            .iter()
            .position(|fact| accepted(fact) && !fact.waits && fact.ended.is_none());
        if lost.is_some() {
            self.oracle.fail(Invariant::NothingVanishes, "it was accepted and has no end", lost);
        }
    }

    /// An administrator sends the dead letters round again.
    pub(super) fn redrive(&mut self) {
        let Some(hub) = (0..self.hubs.len()).find(|hub| self.hubs[*hub].up) else { return };
        let soon = self.now().wall.plus(std::time::Duration::from_secs(10));
        let dead = |fact: &super::facts::Fact| {
            let lasts = fact.event.expires_at.is_none_or(|end| end > soon);
            lasts && matches!(fact.ended, Some((Fate::Dead, _)))
        };
        let dead: Vec<Number> =
            (0..self.oracle.facts.all.len()).filter(|event| dead(&self.oracle.facts.all[*event])).collect();
        for event in dead {
            let what = self.oracle.facts.all[event].event.clone();
            if self.hubs[hub].buffer.redrive(what).is_ok() {
                self.note(event, Note::Redriven);
                self.filled(hub);
            }
        }
    }
}
