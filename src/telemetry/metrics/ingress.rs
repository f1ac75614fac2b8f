//! What is counted of the ingress stream.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};

use super::Builder;
use crate::domain::ingress::SignatureFault;

/// The numbers of the stream that publishers append to.
#[derive(Debug)]
pub struct IngressMetrics {
    /// Entries that this hub has taken, those included that came again after a failure.
    pub taken: IntCounter,
    /// Entries that were refused.
    pub rejected: IntCounter,
    /// Entries that this hub has taken over from another one.
    pub claimed: IntCounter,
    /// Whether this hub knows who wants signed events: 1, or 0.
    pub rules_known: IntGauge,
    signatures: IntCounterVec,
    waiting: IntGauge,
    pending: IntGauge,
}

impl IngressMetrics {
    pub(super) fn new(add: &Builder) -> prometheus::Result<Self> {
        let entries = add.counters(
            "hub_ingress_entries_total",
            "Entries of the ingress stream by what happened to them.",
            &["status"],
        )?;
        let backlog = add.add(IntGaugeVec::new(
            Opts::new("hub_ingress_backlog", "Entries of the ingress stream that are not confirmed."),
            &["state"],
        ))?;
        let entry = |status: &str| entries.with_label_values(&[status]);
        Ok(Self {
            taken: entry("taken"),
            rejected: entry("rejected"),
            claimed: entry("claimed"),
            signatures: add.counters(
                "hub_ingress_signature_faults_total",
                "Events that are not rightly signed though their organization looks, by what is wrong.",
                &["reason"],
            )?,
            rules_known: add.add(IntGauge::new(
                "hub_ingress_rules_known",
                "Whether this hub has read, now or in its last run, who wants signed events.",
            ))?,
            waiting: backlog.with_label_values(&["waiting"]),
            pending: backlog.with_label_values(&["pending"]),
        })
    }

    /// Counts an event that is not rightly signed.
    pub fn badly_signed(&self, fault: SignatureFault) {
        self.signatures.with_label_values(&[fault.as_str()]).inc();
    }

    /// Sets how many entries no hub has taken, and how many one has taken and not confirmed.
    pub fn backlog(&self, waiting: u64, pending: u64) {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
    }
}
