//! What heartbeats reported, in memory and within a fixed room.

use std::collections::VecDeque;

use quick_cache::{Weighter, unsync::Cache};
use serde_json::{Map, Value, json};

use crate::domain::{clock::Timestamp, ids::OrchestratorId};

/// How many samples are kept per orchestrator (contract 6.1, `daemon:metrics`).
const SAMPLES: usize = 100;
/// How many bytes all samples take; orchestrators not heard of for the longest time are forgotten.
const ROOM: u64 = 8 * 1024 * 1024;
/// What a sample takes beside its text.
const OVERHEAD: usize = 32;

/// The samples of one orchestrator as JSON, oldest first.
type Samples = VecDeque<Box<str>>;

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<OrchestratorId, Samples> for Bytes {
    fn weight(&self, _: &OrchestratorId, samples: &Samples) -> u64 {
        samples.iter().map(|sample| u64::try_from(sample.len() + OVERHEAD).unwrap_or(u64::MAX)).sum()
    }
}

/// The latest samples of each orchestrator.
#[derive(Debug)]
pub(super) struct Metrics(Cache<OrchestratorId, Samples, Bytes>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Cache::with_weighter(1_000, ROOM, Bytes))
    }
}

impl Metrics {
    /// Keeps a sample.
    pub(super) fn keep(&mut self, orchestrator: &OrchestratorId, sample: &Map<String, Value>, at: Timestamp) {
        let mut sample = sample.clone();
        sample.insert("timestamp".to_owned(), json!(at));
        let mut samples = self.0.remove(orchestrator).map(|(_, samples)| samples).unwrap_or_default();
        if samples.len() >= SAMPLES {
            samples.pop_front();
        }
        samples.push_back(Value::Object(sample).to_string().into_boxed_str());
        self.0.insert(orchestrator.clone(), samples);
    }

    /// The samples of an orchestrator, newest first.
    pub(super) fn history(&self, orchestrator: &OrchestratorId) -> Vec<Map<String, Value>> {
        let samples = self.0.peek(orchestrator);
        samples.into_iter().flatten().rev().filter_map(|sample| serde_json::from_str(sample).ok()).collect()
    }

    /// Forgets an orchestrator.
    pub(super) fn forget(&mut self, orchestrator: &OrchestratorId) {
        self.0.remove(orchestrator);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_of_all_orchestrators_together_have_a_limit() {
        let mut metrics = Metrics::default();
        let sample = Map::from_iter([("note".to_owned(), json!("x".repeat(4_000)))]);
        let id = |number: usize| OrchestratorId::parse(&format!("vp_{number}")).expect("an id");
        for round in 0..10_000 {
            metrics.keep(&id(round % 500), &sample, Timestamp(0));
        }
        let kept: usize = (0..500).map(|number| metrics.history(&id(number)).len()).sum();
        assert!((1_000..=2_100).contains(&kept), "{kept} samples of 4 KB are kept");
    }
}
