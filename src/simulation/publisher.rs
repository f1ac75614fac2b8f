//! Publishers: what they publish, over which way, how often, and what they are answered.

use std::fmt::Write as _;

use bytes::Bytes;

use super::{
    Number,
    act::{Act, Deed, Fault, Wire},
    daemon::KINDS,
    facts::{Note, Route},
    hub::Origin,
    invariant::Invariant,
    plan::Shape,
    world::World,
};
use crate::domain::envelope::{Context, Published};

/// How often a publisher tries to say something over HTTP.
const TRIES: u32 = 8;
/// How many bytes a large event has, at least.
pub(super) const LARGE: usize = 300_000;
static FILLER: [u8; LARGE] = [b'x'; LARGE];

/// Something that a publisher says, perhaps more than once.
#[derive(Debug)]
pub(super) struct Publication {
    orchestrator: Number,
    route: Route,
    /// The event, once it was published.
    pub(super) event: Option<Number>,
}

impl World {
    /// Everything that the plan foresees.
    pub(super) fn prepare(&mut self) {
        let span = self.plan.span;
        for daemon in 0..self.daemons.len() {
            let first = if self.plan.shape == Shape::Crowd { 1_500 } else { span / 4 };
            let early = if self.random.chance(600) { 50 } else { first };
            self.reconnect(daemon, 0, early);
        }
        for _ in 0..self.plan.events {
            let orchestrator = self.random.index(self.plan.orchestrators);
            let direct = self.random.chance(self.plan.kinds.direct);
            let route =
                if direct { Route::Direct(self.random.index(self.plan.hubs)) } else { Route::Channel };
            let publication = self.publications.len();
            self.publications.push(Publication { orchestrator, route, event: None });
            self.soon(0, span * 3 / 4, Act::Publish { publication, copy: 0 });
        }
        self.prepare_faults();
        self.after(250, Act::Watch);
        self.after(1_000, Act::Expire);
        self.after(10_000, Act::Sweep);
    }

    fn prepare_faults(&mut self) {
        let (faults, span) = (self.plan.faults, self.plan.span);
        let mut several = Vec::new();
        for _ in 0..faults.kills {
            several.push(Act::Fault(Fault::Kill(self.random.index(self.plan.hubs))));
        }
        for _ in 0..faults.drains {
            several.push(Act::Fault(Fault::Drain(self.random.index(self.plan.hubs))));
        }
        for _ in 0..faults.bus_losses {
            several.push(Act::Fault(Fault::LoseBus(self.random.index(self.plan.hubs))));
        }
        several.extend((0..faults.outages).map(|_| Act::Fault(Fault::StoreAway)));
        several.extend((0..faults.redrives).map(|_| Act::Fault(Fault::Redrive)));
        let deeds = [
            (faults.disconnects, Deed::Break),
            (faults.take_overs, Deed::Connect),
            (faults.changes_of_mind, Deed::ChangeOfMind),
            (faults.changes_of_mind, Deed::Flow),
        ];
        for (times, deed) in deeds {
            for _ in 0..times {
                several.push(Act::Deed { daemon: self.random.index(self.daemons.len()), deed });
            }
        }
        for _ in 0..faults.stalls {
            let deed = Deed::Stall(self.random.between(100, 8_000));
            several.push(Act::Deed { daemon: self.random.index(self.daemons.len()), deed });
        }
        several.into_iter().for_each(|act| self.soon(0, span, act));
    }

    /// A publisher says something, for the first time or again.
    pub(super) fn publish(&mut self, publication: Number, copy: u32) {
        let event = match self.publications[publication].event {
            Some(event) => event,
            None => self.compose(publication),
        };
        if copy > 0 {
            self.oracle.facts.all[event].out_of_line = true;
        }
        let route = match self.publications[publication].route {
            // Whoever tries again tries elsewhere.
            Route::Direct(hub) if copy > 0 => {
                Route::Direct((hub + 1 + self.random.index(self.hubs.len())) % self.hubs.len())
            }
            route => route,
        };
        self.note(event, Note::Published { route, copy });
        let published = self.moment();
        match route {
            Route::Channel => {
                for hub in 0..self.hubs.len() {
                    if self.hubs[hub].up && self.hubs[hub].bus_up {
                        self.tell(hub, Wire::Channel(event, published));
                    } else {
                        // It may reach some hubs only.
                        self.oracle.facts.all[event].out_of_line = true;
                    }
                }
            }
            Route::Direct(hub) => {
                let accepted =
                    self.is_open_for_publishing(route) && self.route(hub, event, Origin::Direct, published);
                if accepted {
                    self.answer_later(hub, publication);
                } else if copy < TRIES {
                    self.soon(500, 1_500, Act::Publish { publication, copy: copy + 1 });
                }
            }
        }
    }

    /// Writes an event and reads it as a hub does.
    fn compose(&mut self, publication: Number) -> Number {
        let Publication { orchestrator, route, .. } = self.publications[publication];
        let kinds = self.plan.kinds;
        let number = self.oracle.facts.all.len();
        let (now, target) = (self.now().wall, &self.orchestrators[orchestrator]);
        // The same ids in every orchestrator, so that mixing them up shows.
        let place = self.oracle.facts.all.iter().filter(|fact| fact.orchestrator == orchestrator).count();
        let mut json = format!(
            r#"{{"id":"e{place}","orchestratorId":"{}","type":"{}","timestamp":{},"requiresAck":{},"priority":{}"#,
            target.id,
            self.random.pick(&KINDS),
            now.0,
            !self.random.chance(kinds.fleeting),
            self.random.chance(kinds.urgent)
        );
        json = json
            .replace(r#""priority":true"#, r#""priority":1"#)
            .replace(r#""priority":false"#, r#""priority":0"#);
        if self.random.chance(kinds.expiring) {
            let _ = write!(json, r#","ttlMs":{}"#, self.random.between(200, 12_000));
        }
        if self.random.chance(kinds.for_any) {
            json.push_str(r#","delivery":"any""#);
        }
        if self.random.chance(kinds.for_one) {
            let daemon = target.daemons[self.random.index(target.daemons.len())];
            let _ = write!(json, r#","daemonId":"d{daemon}""#);
        }
        let organization =
            if self.random.chance(kinds.foreign) { "org9" } else { target.organization.as_str() };
        let _ = write!(json, r#","organizationId":"{organization}""#);
        if self.random.chance(kinds.large) && matches!(self.plan.shape, Shape::Small | Shape::Heavy) {
            let text = std::str::from_utf8(&FILLER).expect("text");
            let _ = write!(json, r#","payload":{{"text":"{text}"}}"#);
        }
        json.push('}');
        let event = Published::parse(&Bytes::from(json), &Context::default(), now).expect("an event").event;
        let moment = self.moment();
        self.oracle.facts.add(orchestrator, event.into(), route, moment);
        self.oracle.facts.all[number].poison = self.random.chance(kinds.poison);
        self.publications[publication].event = Some(number);
        self.counts.events += 1;
        for _ in 0..2 {
            if self.random.chance(self.plan.faults.duplicates) {
                self.soon(0, 6_000, Act::Publish { publication, copy: TRIES });
            }
        }
        number
    }

    /// A publisher was told that its event is accepted and durable.
    pub(super) fn answered(&mut self, publication: Number) {
        let Some(event) = self.publications[publication].event else { return };
        let fact = &self.oracle.facts.all[event];
        if !fact.waits && fact.ended.is_none() && fact.event.expires_at.is_none() {
            let what = "its publisher was told that it is stored, and it is not";
            self.oracle.fail(Invariant::NothingVanishes, what, Some(event));
        }
    }
}
