//! What happens to hubs: they are killed, drained, cut off from the bus, and start again.

use super::{
    Number,
    act::{Act, Fault},
    facts::{Note, Route},
    hub::Hub,
    world::World,
};

impl World {
    /// The slow sweep of all hubs.
    pub(super) fn sweep(&mut self) {
        for hub in 0..self.hubs.len() {
            let here: Vec<Number> = self.hubs[hub].links.keys().copied().collect();
            for orchestrator in here {
                if self.hubs[hub].up
                    && !self.store.away
                    && !self.oracle.facts.books[orchestrator].waiting.is_empty()
                {
                    self.hint_all(hub, orchestrator);
                }
            }
        }
        self.after(10_000, Act::Sweep);
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        if self.calm {
            return;
        }
        match fault {
            Fault::Kill(hub) => self.kill(hub),
            Fault::Drain(hub) => self.drain(hub),
            Fault::LoseBus(hub) => {
                self.hubs[hub].bus_up = false;
                let life = self.hubs[hub].life;
                self.soon(100, 3_000, Act::Fault(Fault::RestoreBus(hub, life)));
            }
            Fault::RestoreBus(hub, life) => {
                if self.hubs[hub].life == life {
                    self.restore_bus(hub);
                }
            }
            Fault::StoreAway => {
                self.store.away = true;
                self.soon(50, 4_000, Act::Fault(Fault::StoreBack));
            }
            Fault::StoreBack => self.store.away = false,
            Fault::Redrive => self.redrive(),
        }
    }

    /// Everything may have happened meanwhile: everybody looks, and the hub learns what was taken.
    pub(super) fn restore_bus(&mut self, hub: Number) {
        if self.hubs[hub].bus_up {
            return;
        }
        self.hubs[hub].bus_up = true;
        let now = self.now().wall;
        self.hubs[hub].recent.was_deaf_until(now);
        let all: Vec<Number> = self.hubs[hub].links.values().flatten().copied().collect();
        all.into_iter().for_each(|connection| self.hint(connection));
        let life = self.hubs[hub].life;
        self.prime(hub, life);
    }

    pub(super) fn prime(&mut self, number: Number, life: u32) {
        if !self.hubs[number].up || self.hubs[number].life != life {
            return;
        }
        if self.store.away {
            return self.after(1_000, Act::Prime { hub: number, life });
        }
        let now = self.now().wall;
        for (orchestrator, id) in self.store.recently_acknowledged() {
            self.hubs[number].recent.prime(orchestrator, id, now);
        }
    }

    /// A hub dies at once: what it had not written is gone, unless the store has it already.
    fn kill(&mut self, number: Number) {
        if !self.hubs[number].up {
            return;
        }
        if let Some(batch) = self.hubs[number].committing.clone()
            && !self.store.away
            && self.random.chance(500)
        {
            self.apply(number, &batch);
        }
        let links: Vec<Number> =
            self.open_links().into_iter().filter(|link| self.links[*link].hub == number).collect();
        links.iter().for_each(|connection| self.cut(*connection));
        let unforwarded: Vec<Number> =
            self.hubs[number].forwards.iter().map(|(_, event, _)| *event).collect();
        for event in unforwarded {
            let fact = &mut self.oracle.facts.all[event];
            (fact.out_of_line, fact.untold) = (true, true);
            self.note(event, Note::HubDied { hub: number });
        }
        // What it had heard and not written, others may write: it knows of that no sooner than it looks.
        for fact in self.oracle.facts.all.iter_mut().filter(|fact| fact.stored.is_none()) {
            fact.out_of_line = true;
        }
        for (_, publication) in std::mem::take(&mut self.hubs[number].answers) {
            self.soon(1_000, 2_000, Act::Publish { publication, copy: 100 });
        }
        self.after(3_000, Act::Lease { connections: links });
        self.replace(number);
        self.soon(300, 3_000, Act::Restart { hub: number });
    }

    fn replace(&mut self, number: Number) {
        let life = self.hubs[number].life + 1;
        let fresh = Hub::new(&self.plan, self.now().wall);
        self.hubs[number] = Hub { up: false, life, ..fresh };
    }

    pub(super) fn restart(&mut self, number: Number) {
        if self.hubs[number].up {
            return;
        }
        let life = self.hubs[number].life;
        let fresh = Hub::new(&self.plan, self.now().wall);
        self.hubs[number] = Hub { life, ..fresh };
        self.prime(number, life);
    }

    fn drain(&mut self, number: Number) {
        if !self.hubs[number].up || self.hubs[number].draining {
            return;
        }
        self.hubs[number].draining = true;
        for connection in self.open_links() {
            if self.links[connection].hub == number {
                let slot = self.random.between(50, 1_000);
                self.drive(connection, |session, _, out| {
                    session.on_drain(std::time::Duration::from_millis(slot), out);
                });
                self.after(slot * 9 / 10, Act::Close(connection));
            }
        }
        self.after(1_500, Act::Retire { hub: number });
    }

    /// A drained hub ends once everything is written.
    pub(super) fn retire(&mut self, number: Number) {
        if !self.hubs[number].up || !self.hubs[number].draining {
            return;
        }
        let stalled = self.hubs[number].links.values().flatten().copied().collect::<Vec<_>>();
        stalled.into_iter().for_each(|connection| self.end(connection, true));
        if !self.hubs[number].is_idle() {
            return self.after(200, Act::Retire { hub: number });
        }
        self.replace(number);
        self.soon(100, 1_000, Act::Restart { hub: number });
    }

    /// The route by which a publisher's copy comes to this hub.
    pub(super) fn is_open_for_publishing(&self, route: Route) -> bool {
        match route {
            Route::Channel => true,
            Route::Direct(hub) => {
                let hub = &self.hubs[hub];
                hub.up && hub.bus_up && !hub.draining && !self.store.away
            }
        }
    }
}
