//! The mailbox of a connection, and the flags beside it: who offers, who hints, and when the actor runs.

use std::sync::Arc;

use super::{
    Number,
    act::Act,
    connection::{MAX_BYTES, Mail},
    facts::{Moment, Note},
    invariant::Invariant,
    world::World,
};
use crate::{protocol::event_frame::Delivery, session::Session};

impl World {
    /// Offers a live event, as the connection's handle does; `published` is when its publisher spoke.
    pub(super) fn offer(
        &mut self,
        connection: Number,
        event: Number,
        delivery: &Arc<Delivery>,
        published: Moment,
    ) {
        let capacity = self.plan.mailbox;
        let link = &mut self.links[connection];
        let what = &delivery.event;
        if !link.open || !link.identity.is_addressed(what.daemon.as_ref(), what.organization.as_ref()) {
            return;
        }
        if !link.interest.matches(&what.kind, what.channel.as_ref()) {
            link.unwanted = true;
            return;
        }
        let fits = link.mailbox.len() < capacity && link.mailbox_bytes + delivery.size() <= MAX_BYTES;
        let is_taken = link.live && !link.missed && fits;
        if is_taken {
            link.mailbox_bytes += delivery.size();
            link.mailbox.push_back(Mail::Deliver(delivery.clone()));
            link.told.insert(event, published);
            self.post(connection);
        } else {
            link.missed = true;
            if link.live {
                self.hint(connection);
            }
        }
        self.note(event, Note::Offered { connection, taken: is_taken });
    }

    /// Tells a connection to look into the queue. A full mailbox keeps the note.
    pub(super) fn hint(&mut self, connection: Number) {
        let capacity = self.plan.mailbox;
        let link = &mut self.links[connection];
        if !link.open {
            return;
        }
        link.missed = true;
        if link.mailbox.len() < capacity {
            link.mailbox.push_back(Mail::Hint);
            self.post(connection);
        }
    }

    fn post(&mut self, connection: Number) {
        let link = &mut self.links[connection];
        if link.mailbox.len() > self.plan.mailbox || link.mailbox_bytes > MAX_BYTES {
            let what = format!("connection {connection} has {} messages in its mailbox", link.mailbox.len());
            self.oracle.fail(Invariant::Bounded, what, None);
        } else if !link.mail_is_due && link.frozen_since.is_none() {
            link.mail_is_due = true;
            self.soon(0, 3, Act::Mail(connection));
        }
    }

    /// The actor runs and takes what is in its mailbox.
    pub(super) fn empty_mailbox(&mut self, connection: Number) {
        self.links[connection].mail_is_due = false;
        while self.links[connection].open && self.links[connection].frozen_since.is_none() {
            match self.links[connection].mailbox.pop_front() {
                Some(Mail::Deliver(delivery)) => {
                    self.links[connection].mailbox_bytes -= delivery.size();
                    self.drive(connection, |session, now, out| session.on_event(&delivery, now, out));
                }
                Some(Mail::Hint) => {
                    self.links[connection].missed = false;
                    self.drive(connection, Session::on_hint);
                }
                None => return,
            }
        }
    }

    /// Whether the actor runs now; else `act` waits until its peer reads again.
    pub(super) fn runs(&mut self, connection: Number, act: impl FnOnce() -> Act) -> bool {
        let link = &mut self.links[connection];
        if link.open && link.frozen_since.is_some() {
            link.held.push(act());
        }
        link.open && link.frozen_since.is_none()
    }
}
