//! What daemons do with the events that they get.

use super::{
    Number,
    act::{Act, Deed, Frame},
    facts::Note,
    world::World,
};

impl World {
    /// An event has reached it.
    pub(super) fn receive(&mut self, connection: Number, event: Number, attempt: u32) {
        let link = &mut self.links[connection];
        if !link.open {
            return;
        }
        if link.stalled {
            // In the socket's buffers, until it reads again.
            return self.after(50, Act::Receive { connection, event, attempt });
        }
        let daemon = link.daemon;
        self.note(event, Note::Received { daemon, attempt });
        if self.oracle.facts.all[event].poison && !self.calm {
            self.note(event, Note::Crashed { daemon });
            return self.end(connection, true);
        }
        if self.oracle.facts.all[event].event.requires_ack {
            self.answer(daemon, event);
        }
    }

    fn answer(&mut self, daemon: Number, event: Number) {
        let manners = self.plan.manners;
        if self.calm {
            return self.soon(0, 5, Act::Deed { daemon, deed: Deed::Ack(event) });
        }
        let legacy = self.daemons[daemon].legacy;
        let mut draw = self.random.between(0, 999);
        let mut falls_to = |share: u64| {
            let hit = draw < share;
            draw = draw.saturating_sub(share) + if hit { 1_000_000 } else { 0 };
            hit
        };
        if falls_to(manners.silent) {
            return;
        }
        if falls_to(manners.refuse) && !legacy {
            return self.refuse(daemon, event);
        }
        if falls_to(manners.progress) && !legacy {
            let extend = self.random.between(200, 4_000);
            self.note(event, Note::Progress { daemon });
            self.say(daemon, Frame::Progress { event, extend });
            return self.soon(100, extend + 500, Act::Deed { daemon, deed: Deed::Ack(event) });
        }
        let late = if falls_to(manners.late) { (300, 9_000) } else { (0, 10) };
        let deed =
            if self.random.chance(manners.over_http) { Deed::AckOverHttp(event) } else { Deed::Ack(event) };
        self.soon(late.0, late.1, Act::Deed { daemon, deed });
        if self.random.chance(manners.twice) {
            self.soon(late.0, late.1 + 3_000, Act::Deed { daemon, deed });
        }
    }

    fn refuse(&mut self, daemon: Number, event: Number) {
        let terminal = self.random.chance(100);
        let delay = if self.random.chance(500) { Some(self.random.between(0, 3_000)) } else { None };
        self.oracle.facts.all[event].out_of_line = true;
        self.note(event, Note::Nacked { daemon, terminal });
        self.say(daemon, Frame::Nack { event, delay, terminal });
    }

    /// It says that it has taken an event, over whatever connection it has by now.
    pub(super) fn acknowledge(&mut self, daemon: Number, event: Number) {
        let via = self.daemons[daemon].link;
        self.note(event, Note::AckSent { daemon, via });
        if via.is_some() {
            self.say(daemon, Frame::Ack(vec![event]));
        } else if self.random.chance(500) {
            self.acknowledge_over_http(daemon, event);
        }
    }

    pub(super) fn acknowledge_over_http(&mut self, daemon: Number, event: Number) {
        let hub = self.random.index(self.hubs.len());
        if !self.hubs[hub].up || self.store.away {
            return;
        }
        self.note(event, Note::AckSent { daemon, via: None });
        let orchestrator = self.orchestrators[self.daemons[daemon].orchestrator].id.clone();
        let ack = crate::backplane::commit::Ack {
            id: self.oracle.facts.all[event].event.id.clone(),
            daemon: self.daemons[daemon].id.clone(),
            attempts: 0,
        };
        if self.hubs[hub].buffer.has_room_for_acks(&orchestrator, 1) {
            self.hubs[hub].buffer.acknowledge(&orchestrator, None, ack);
            self.hubs[hub].given_acks.push(event);
            self.note(event, Note::AckTaken { hub });
            self.filled(hub);
        }
    }
}
