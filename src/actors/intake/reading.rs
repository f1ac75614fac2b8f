//! From published JSON to events that know whom they are for.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;

use super::{Arrival, Intake, Rejection, Status, Verdict};
use crate::{
    actors::{
        reception::{for_nobody, let_in, malformed, read},
        resolver::{Answer, Question, Resolver},
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
            let (published, question, known) =
                read.map_err(|error| refused(named_id(&arrival.json), malformed(shared, &error)))?;
            let answer = known.or_else(|| unknown.get(&question).cloned().flatten());
            let id = published.event.id.to_string();
            let Some(answer) = answer else {
                let why = for_nobody(shared, &id, "its target could not be looked up");
                return Err(refused(Some(id), why));
            };
            let_in(shared, published, answer, &arrival.provenance).map_err(|why| refused(Some(id), why))
        });
        addressed.collect()
    }
}

fn refused(id: Option<String>, why: Rejection) -> Verdict {
    Verdict { id, orchestrator: None, status: Status::Rejected(why) }
}

fn parse(arrival: &Arrival, now: Timestamp) -> Result<Published, EnvelopeError> {
    let found = Context { orchestrator: arrival.owner.clone(), ..Context::default() };
    read(&arrival.json, &found, &arrival.provenance, now)
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
