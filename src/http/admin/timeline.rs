//! What became of an event, put together from what the backplane and the database know. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::dead_letters::DeliveryOutcome;
use crate::{
    backplane::trail::{Outcome, Receipt, Whereabouts},
    domain::{attempt::Attempt, clock::Timestamp},
    store::accounts::dead_letters::DeadLetter,
};

/// Where an event is on its way to one orchestrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = EventStatus)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// It waits in the queue.
    Queued,
    /// It was sent and is not acknowledged; it waits in the queue until it is.
    InFlight,
    /// A daemon took it.
    Acknowledged,
    /// It waited for as long as it may.
    Expired,
    /// A full queue dropped it, or an admin.
    Dropped,
    /// It was given up.
    Dead,
    /// It was put back, and how it ended then is not kept any more.
    Unknown,
}

/// Something that happened to an event. Those of one moment are in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[schema(as = EventStepKind)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// It came in, by the time that its publisher gave it if that is usable.
    Accepted,
    /// It was put back into its queue.
    Redriven,
    /// It was written to a daemon's socket.
    Sent,
    /// A daemon took it.
    Acknowledged,
    /// It waited for as long as it may.
    Expired,
    /// A full queue dropped it, or an admin.
    Dropped,
    /// It was given up.
    Dead,
}

/// A step on an event's way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventStep)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    what: What,
    /// The daemon that it was sent to, or that took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    daemon_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<String>,
    /// How often it was sent to that daemon by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    /// How a delivery ended that was not acknowledged, if it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<DeliveryOutcome>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Where to read more about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_id: Option<String>,
}

impl Step {
    fn new(at: Timestamp, what: What) -> Self {
        Self {
            at,
            what,
            daemon_id: None,
            connection_id: None,
            attempts: None,
            outcome: None,
            reason: None,
            dead_letter_id: None,
        }
    }
}

/// An event's way to one orchestrator.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventTarget)]
#[serde(rename_all = "camelCase")]
pub(super) struct Target {
    pub(super) orchestrator_id: String,
    pub(super) organization_id: Option<String>,
    status: Status,
    /// Its place in the queue by age, counted from 1, while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    /// When its publisher wants it to be given up, while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// What happened to it, in order of time.
    timeline: Vec<Step>,
}

/// An event that waits, with what is to be read from it.
pub(super) struct Place {
    /// Where.
    pub(super) at: Whereabouts,
    /// The organization that it names, or else the one of its orchestrator.
    pub(super) organization: Option<String>,
    /// When it ends by its publisher's word.
    pub(super) expires_at: Option<Timestamp>,
}

/// The ways of one event, by orchestrator.
#[derive(Default)]
pub(super) struct Ways(BTreeMap<String, Target>);

impl Ways {
    fn target(&mut self, orchestrator: &str, organization: Option<&str>) -> &mut Target {
        let target = self.0.entry(orchestrator.to_owned()).or_insert_with(|| Target {
            orchestrator_id: orchestrator.to_owned(),
            organization_id: None,
            status: Status::Unknown,
            position: None,
            expires_at: None,
            timeline: Vec::new(),
        });
        if target.organization_id.is_none() {
            target.organization_id = organization.map(str::to_owned);
        }
        target
    }

    /// Adds that it waits somewhere.
    pub(super) fn waits(&mut self, place: Place) {
        let Whereabouts { orchestrator, position, time, sends, .. } = place.at;
        let target = self.target(orchestrator.as_str(), place.organization.as_deref());
        target.status = if sends.is_empty() { Status::Queued } else { Status::InFlight };
        (target.position, target.expires_at) = (Some(position), place.expires_at);
        target.timeline.push(Step::new(time, What::Accepted));
        target.timeline.extend(sends.into_iter().map(|send| Step {
            daemon_id: Some(send.daemon.to_string()),
            connection_id: Some(send.connection.to_string()),
            attempts: Some(send.attempts),
            ..Step::new(send.at, What::Sent)
        }));
    }

    /// Adds that it was given up, and all that was tried.
    pub(super) fn died(&mut self, letter: DeadLetter, history: Vec<Attempt>) {
        let target = self.target(&letter.orchestrator_id, letter.organization_id.as_deref());
        target.timeline.extend(history.into_iter().map(|attempt| Step {
            daemon_id: Some(attempt.daemon_id.to_string()),
            connection_id: Some(attempt.connection_id.to_string()),
            attempts: Some(attempt.attempt),
            outcome: Some(attempt.outcome.into()),
            reason: attempt.reason.map(String::from),
            ..Step::new(attempt.sent_at, What::Sent)
        }));
        target.timeline.push(Step {
            daemon_id: letter.daemon_id,
            attempts: u32::try_from(letter.attempts).ok(),
            reason: Some(letter.reason),
            dead_letter_id: Some(letter.id.clone()),
            ..Step::new(letter.died_at, What::Dead)
        });
        if let Some(at) = letter.redriven_at {
            target.timeline.push(Step { dead_letter_id: Some(letter.id), ..Step::new(at, What::Redriven) });
        }
    }

    /// Adds how it ended. That it was given up is known already where its dead letter is filed.
    pub(super) fn ended(&mut self, receipt: Receipt) {
        let organization = receipt.organization.as_ref().map(|id| id.as_str());
        let target = self.target(receipt.orchestrator.as_str(), organization);
        let what = match receipt.outcome {
            Outcome::Acknowledged => What::Acknowledged,
            Outcome::Expired => What::Expired,
            Outcome::Dropped => What::Dropped,
            Outcome::Dead => What::Dead,
        };
        if target.timeline.iter().any(|step| step.what == what && step.at == receipt.at) {
            return;
        }
        target.timeline.push(Step {
            daemon_id: receipt.daemon.map(|id| id.to_string()),
            attempts: Some(receipt.attempts).filter(|attempts| *attempts > 0),
            reason: receipt.reason,
            ..Step::new(receipt.at, what)
        });
    }

    /// The ways, each in order of time.
    pub(super) fn finish(self) -> Vec<Target> {
        let finished = self.0.into_values().map(|mut target| {
            target.timeline.sort_by_key(|step| (step.at, step.what));
            if target.position.is_none() {
                target.status = last(&target.timeline);
            }
            target
        });
        finished.collect()
    }
}

/// How the way of an event ended that waits no more.
fn last(timeline: &[Step]) -> Status {
    let ends = timeline.iter().rev().find_map(|step| match step.what {
        What::Accepted | What::Sent => None,
        What::Redriven => Some(Status::Unknown),
        What::Acknowledged => Some(Status::Acknowledged),
        What::Expired => Some(Status::Expired),
        What::Dropped => Some(Status::Dropped),
        What::Dead => Some(Status::Dead),
    });
    ends.unwrap_or(Status::Unknown)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        backplane::trail::LastSend,
        domain::{
            attempt::Ended,
            ids::{ConnectionId, DaemonId, EventId, OrchestratorId},
        },
    };

    fn daemon() -> DaemonId {
        DaemonId::parse("d").expect("an id")
    }

    fn waits(sends: &[i64]) -> Place {
        let send = |at: &i64| LastSend {
            daemon: daemon(),
            connection: ConnectionId::random(),
            at: Timestamp(*at),
            attempts: 1,
        };
        Place {
            at: Whereabouts {
                orchestrator: OrchestratorId::parse("vp_1").expect("an id"),
                position: 3,
                time: Timestamp(1),
                body: Bytes::new(),
                sends: sends.iter().map(send).collect(),
            },
            organization: None,
            expires_at: Some(Timestamp(99)),
        }
    }

    fn letter(died_at: i64, redriven_at: Option<i64>) -> DeadLetter {
        DeadLetter {
            id: format!("dl_{died_at}"),
            orchestrator_id: "vp_1".to_owned(),
            organization_id: Some("org_1".to_owned()),
            event_id: "e".to_owned(),
            event_type: None,
            reason: "rejected".to_owned(),
            attempts: 1,
            daemon_id: Some("d".to_owned()),
            died_at: Timestamp(died_at),
            redriven_at: redriven_at.map(Timestamp),
        }
    }

    fn attempt(sent_at: i64) -> Attempt {
        Attempt {
            attempt: 1,
            sent_at: Timestamp(sent_at),
            daemon_id: daemon(),
            connection_id: ConnectionId::random(),
            outcome: Ended::Refused,
            reason: Some("broken".into()),
        }
    }

    fn receipt(outcome: Outcome, at: i64) -> Receipt {
        Receipt {
            event: EventId::parse("e").expect("an id"),
            orchestrator: OrchestratorId::parse("vp_1").expect("an id"),
            organization: None,
            outcome,
            at: Timestamp(at),
            daemon: Some(daemon()),
            attempts: 0,
            reason: None,
        }
    }

    fn told(ways: Ways) -> (Status, Vec<(i64, What)>) {
        let mut targets = ways.finish();
        let target = targets.pop().expect("a target");
        assert!(targets.is_empty(), "one orchestrator");
        (target.status, target.timeline.iter().map(|step| (step.at.0, step.what)).collect())
    }

    #[test]
    fn what_waits_is_queued_until_it_is_sent() {
        let mut ways = Ways::default();
        ways.waits(waits(&[]));
        assert_eq!(told(ways), (Status::Queued, vec![(1, What::Accepted)]));
        let mut ways = Ways::default();
        ways.waits(waits(&[7]));
        assert_eq!(told(ways), (Status::InFlight, vec![(1, What::Accepted), (7, What::Sent)]));
    }

    #[test]
    fn a_whole_life_is_told_in_order() {
        let mut ways = Ways::default();
        ways.ended(receipt(Outcome::Acknowledged, 9));
        ways.died(letter(5, Some(7)), vec![attempt(2)]);
        ways.ended(receipt(Outcome::Dead, 5));
        let expected = [(2, What::Sent), (5, What::Dead), (7, What::Redriven), (9, What::Acknowledged)];
        assert_eq!(told(ways), (Status::Acknowledged, expected.to_vec()), "death is told once");
    }

    #[test]
    fn what_was_put_back_is_dead_no_more() {
        let mut dead = Ways::default();
        dead.died(letter(5, None), Vec::new());
        assert_eq!(told(dead).0, Status::Dead);
        let mut forgotten = Ways::default();
        forgotten.died(letter(5, Some(7)), Vec::new());
        assert_eq!(told(forgotten).0, Status::Unknown);
        let mut back = Ways::default();
        back.died(letter(5, Some(7)), Vec::new());
        back.waits(waits(&[]));
        assert_eq!(told(back).0, Status::Queued);
    }
}
