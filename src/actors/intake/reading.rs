//! From published JSON to events that know whom they are for.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;

use super::{Arrival, Intake, Rejection, Status, Verdict};
use crate::{
    actors::{
        event_router::TOO_LARGE_SEALED,
        ingress_rules::admission::admit,
        resolver::{Answer, Question, Resolver, address},
    },
    domain::{
        clock::{Timestamp, now},
        envelope::{Context, EnvelopeError, Published},
        event::Event,
    },
};

/// How many lookups of one batch run at once.
const CONCURRENT_LOOKUPS: usize = 8;

/// What is said of an event without reading more of it.
#[derive(Deserialize)]
struct IdOnly {
    id: Option<serde_json::Value>,
    #[serde(rename = "eventId")]
    event_id: Option<serde_json::Value>,
}

impl Intake {
    /// Reads and addresses a batch, in order. Targets that are not known are looked up together, each
    /// once.
    pub(super) async fn read(&self, arrivals: &[Arrival]) -> Vec<Result<Event, Verdict>> {
        let shared = &self.shared;
        let now = now().wall;
        let mut unknown: HashMap<Question, Option<Answer>> = HashMap::new();
        let mut read = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            read.push(parse(arrival, now).map(|published| {
                let question = Resolver::question(&published);
                let known = shared.resolver.cached(&question, &shared.connections);
                if known.is_none() {
                    unknown.insert(question.clone(), None);
                }
                (published, question, known)
            }));
        }
        if !unknown.is_empty() {
            let questions: Vec<Question> = unknown.into_keys().collect();
            let asked = stream::iter(questions).map(async |question| {
                let answer = shared.resolver.resolve(&question, &shared.connections).await;
                (question, Some(answer))
            });
            unknown = asked.buffer_unordered(CONCURRENT_LOOKUPS).collect().await;
        }
        let addressed = arrivals.iter().zip(read).map(|(arrival, read)| {
            let (published, question, known) = read.map_err(|error| self.malformed(arrival, &error))?;
            let answer = known.or_else(|| unknown.get(&question).cloned().flatten());
            let id = published.event.id.to_string();
            let Some(answer) = answer else {
                return Err(self.for_nobody(id, "its target could not be looked up"));
            };
            let refused =
                |id, why| Verdict { id: Some(id), orchestrator: None, status: Status::Rejected(why) };
            let proof = match admit(shared, &published.event, &answer, &arrival.provenance) {
                Ok(proof) => proof,
                Err(fault) => return Err(refused(id, Rejection::Signature(fault))),
            };
            match address(published, answer) {
                Ok(mut event) => match shared.rules.seal(&mut event, &proof) {
                    true => Ok(event),
                    false => Err(refused(id, Rejection::Refused(TOO_LARGE_SEALED))),
                },
                Err(reason) => Err(self.for_nobody(id, reason)),
            }
        });
        addressed.collect()
    }

    fn malformed(&self, arrival: &Arrival, error: &EnvelopeError) -> Verdict {
        self.shared.metrics.malformed(error.kind());
        log::log!(self.shared.first_of_its_kind(error.kind()), kind = error.kind(), error:% = error;
            "a publish is no event and is refused");
        let status = Status::Rejected(Rejection::Malformed(error.to_string()));
        Verdict { id: named_id(&arrival.json), orchestrator: None, status }
    }

    fn for_nobody(&self, id: String, reason: &'static str) -> Verdict {
        self.shared.metrics.malformed("unresolved");
        log::log!(self.shared.first_of_its_kind("unresolved"), event = id.as_str(), reason;
            "an event is for nobody and is refused");
        Verdict { id: Some(id), orchestrator: None, status: Status::Rejected(Rejection::ForNobody(reason)) }
    }
}

/// Reads one event. One that names nobody belongs to the owner of the place that it was found in.
fn parse(arrival: &Arrival, now: Timestamp) -> Result<Published, EnvelopeError> {
    match Published::parse(&arrival.json, &Context::default(), now) {
        Err(EnvelopeError::Missing("orchestratorId")) if arrival.owner.is_some() => {
            let context = Context { orchestrator: arrival.owner.clone(), ..Context::default() };
            Published::parse(&arrival.json, &context, now)
        }
        read => read,
    }
}

/// What a malformed event calls itself.
fn named_id(json: &Bytes) -> Option<String> {
    let named = serde_json::from_slice::<IdOnly>(json).ok().and_then(|ids| ids.id.or(ids.event_id))?;
    named.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::OrchestratorId;

    #[test]
    fn an_entry_that_names_nobody_belongs_to_whom_its_list_is_named_after() {
        let json = Bytes::from_static(br#"{"id":"e","type":"mention","payload":{},"createdAt":1}"#);
        let owner = OrchestratorId::parse("vp_victim").ok();
        let published = parse(&Arrival::open(json.clone(), owner), Timestamp(1)).expect("an event");
        assert_eq!(published.event.orchestrator.as_str(), "vp_victim");
        assert!(!published.names_only_daemon);
        assert!(parse(&Arrival::open(json, None), Timestamp(1)).is_err());
    }
}
