//! The hub's metrics, in Prometheus' text format (contract 9.12).
//!
//! Label values come from fixed sets, never from clients: nobody outside can make a metric grow.

mod ingress;
mod routing;

pub use self::{
    ingress::IngressMetrics,
    routing::{RoutingEvent, RoutingMetrics},
};

use prometheus::{
    Encoder as _, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::protocol::{codes::CloseReason, server_frame::Blocked};

const LATENCY_BUCKETS: [f64; 7] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];
const SLOW_BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0];

/// Everything the hub counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    connections: IntGaugeVec,
    blocked: IntGaugeVec,
    closes: IntCounterVec,
    drops: IntCounterVec,
    malformed: IntCounterVec,
    authentications: IntCounterVec,
    requests: IntCounterVec,
    request_latency: HistogramVec,
    queue_depth: IntGauge,
    queues: IntGauge,
    /// Connections whose handshake is done.
    pub open: IntGauge,
    /// Connections that are authenticated.
    pub authenticated: IntGauge,
    /// Events written to a socket.
    pub routed: IntCounter,
    /// Events written to a socket again.
    pub redelivered: IntCounter,
    /// Events stored for later.
    pub queued: IntCounter,
    /// Events taken by a daemon.
    pub acknowledged: IntCounter,
    /// Publishes of an event that was known already.
    pub duplicates: IntCounter,
    /// Publishes that were refused.
    pub rejected: IntCounter,
    /// From taking an event in to writing it to a socket, in seconds.
    pub latency: Histogram,
    /// From writing an event to a socket to its acknowledgement, in seconds.
    pub ack_latency: Histogram,
    /// How long one group commit takes, in seconds: how far the backplane lags behind.
    pub commit_latency: Histogram,
    /// Changes that wait for the next group commit.
    pub commit_backlog: IntGauge,
    /// Whether the backplane answers.
    pub backplane_up: IntGauge,
    /// How often the event channels were lost and found again.
    pub backplane_reconnects: IntCounter,
    /// From sending this hub an event to having taken it, in seconds.
    pub canary_round_trip: Histogram,
    /// Whether such events come back.
    pub canary_ok: IntGauge,
    /// By how many events the books of the orchestrators that were checked last do not balance.
    pub ledger_imbalance: IntGauge,
    /// How many orchestrators the last check of the books looked at.
    pub ledgers_checked: IntGauge,
    /// How many hubs live, as this one sees it.
    pub nodes: IntGauge,
    /// Dead letters that were seen to wait for the database in the last look, 32 at most.
    pub dead_letters_unfiled: IntGauge,
    /// Dead letters that this hub brought into the database.
    pub dead_letters_filed: IntCounter,
    /// Warnings to clients that sent too many frames.
    pub rate_limited: IntCounter,
    /// What is counted of the ingress stream.
    pub ingress: IngressMetrics,
    /// What is counted of routing.
    pub routing: RoutingMetrics,
    /// When the process started, in seconds since 1970.
    pub started: Gauge,
}

/// Why an event is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// The queue was full; it was the oldest.
    QueueFull,
    /// It waited too long.
    Expired,
    /// It was delivered too often without an acknowledgement.
    DeadLetter,
    /// The buffer before the store was full.
    BufferFull,
    /// The queue's keys hold what the hub never wrote.
    Unwritable,
}

impl DropReason {
    fn label(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Expired => "expired",
            Self::DeadLetter => "dead_letter",
            Self::BufferFull => "buffer_full",
            Self::Unwritable => "unwritable",
        }
    }
}

/// Registers collectors; a name that is taken twice is a mistake in this file, and surfaces as a
/// start that fails.
struct Builder(Registry);

impl Builder {
    fn add<C: prometheus::core::Collector + Clone + 'static>(
        &self,
        collector: prometheus::Result<C>,
    ) -> prometheus::Result<C> {
        let collector = collector?;
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.add(IntCounter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.add(IntGauge::new(name, help))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// When two of them share a name.
    pub fn new() -> prometheus::Result<Self> {
        let add = Builder(Registry::new());
        let connections = add.add(IntGaugeVec::new(
            Opts::new("ws_connections_total", "WebSocket connections by state."),
            &["state"],
        ))?;
        let events =
            add.counters("ws_events_total", "Events by what happened to them.", &["type", "status"])?;
        let event = |kind: &str, status: &str| events.with_label_values(&[kind, status]);
        Ok(Self {
            open: connections.with_label_values(&["open"]),
            authenticated: connections.with_label_values(&["authenticated"]),
            routed: event("routed", "success"),
            redelivered: event("redelivered", "success"),
            queued: event("queued", "success"),
            acknowledged: event("acknowledged", "success"),
            duplicates: event("published", "duplicate"),
            rejected: event("published", "rejected"),
            latency: add.histogram(
                "ws_event_latency_seconds",
                "Event delivery latency.",
                &LATENCY_BUCKETS,
            )?,
            ack_latency: add.histogram(
                "hub_ack_latency_seconds",
                "Time from writing an event to a socket to its acknowledgement.",
                &SLOW_BUCKETS,
            )?,
            commit_latency: add.histogram(
                "hub_backplane_lag_seconds",
                "Time that one group commit takes.",
                &SLOW_BUCKETS,
            )?,
            commit_backlog: add
                .gauge("hub_commit_backlog", "Changes that wait for the next group commit.")?,
            queue_depth: add.gauge("hub_queue_depth", "Events that wait in all queues.")?,
            queues: add.gauge("hub_queues", "Queues that are not empty.")?,
            backplane_up: add.gauge("hub_backplane_up", "Whether the backplane answers.")?,
            backplane_reconnects: add
                .counter("hub_backplane_reconnects_total", "How often the event channels were restored.")?,
            canary_round_trip: add.histogram(
                "hub_canary_round_trip_seconds",
                "Time in which an event that the hub sends itself comes back.",
                &SLOW_BUCKETS,
            )?,
            canary_ok: add
                .gauge("hub_canary_ok", "Whether the events that the hub sends itself come back.")?,
            ledger_imbalance: add.gauge(
                "hub_ledger_imbalance",
                "Events that the books do not account for, or account for twice.",
            )?,
            ledgers_checked: add
                .gauge("hub_ledgers_checked", "Orchestrators whose books the last check looked at.")?,
            nodes: add.gauge("hub_nodes", "Hubs that live.")?,
            dead_letters_unfiled: add
                .gauge("hub_dead_letters_unfiled", "Dead letters seen to wait for the database.")?,
            dead_letters_filed: add
                .counter("hub_dead_letters_filed_total", "Dead letters brought into the database.")?,
            rate_limited: add
                .counter("hub_rate_limited_total", "Warnings to clients that sent too many frames.")?,
            started: add.add(Gauge::new("process_start_time_seconds", "Start time since the Unix epoch."))?,
            ingress: IngressMetrics::new(&add)?,
            routing: RoutingMetrics::new(&add)?,
            blocked: add.add(IntGaugeVec::new(
                Opts::new(
                    "hub_connections_blocked",
                    "Connections for which events wait, by what holds them back.",
                ),
                &["reason"],
            ))?,
            closes: add.counters("hub_closes_total", "Closed connections by close code.", &["code"])?,
            drops: add.counters("hub_events_dropped_total", "Events that are not kept.", &["reason"])?,
            malformed: add.counters(
                "hub_malformed_events_total",
                "Publishes that are no events.",
                &["kind"],
            )?,
            requests: add.counters(
                "hub_http_requests_total",
                "Answered requests by route and status.",
                &["method", "route", "status"],
            )?,
            request_latency: add.add(HistogramVec::new(
                HistogramOpts::new("hub_http_request_seconds", "From a request to its answer.")
                    .buckets(LATENCY_BUCKETS.to_vec()),
                &["route"],
            ))?,
            authentications: add.counters("hub_authentications_total", "Authentications.", &["outcome"])?,
            connections,
            registry: add.0,
        })
    }

    /// Sets how much waits: how many queues are not empty, and how many events they hold.
    pub fn waiting(&self, queues: u64, events: u64) {
        self.queues.set(i64::try_from(queues).unwrap_or(i64::MAX));
        self.queue_depth.set(i64::try_from(events).unwrap_or(i64::MAX));
    }

    /// Sets how many connections stand still, for each reason.
    pub fn blocked(&self, counts: impl IntoIterator<Item = (Blocked, i64)>) {
        for (reason, count) in counts {
            self.blocked.with_label_values(&[reason.as_str()]).set(count);
        }
    }

    /// Counts a closed connection.
    pub fn closed(&self, reason: CloseReason) {
        self.closes.with_label_values(&[reason.code().to_string()]).inc();
    }

    /// Counts events that are not kept.
    pub fn dropped(&self, reason: DropReason, count: u64) {
        self.drops.with_label_values(&[reason.label()]).inc_by(count);
    }

    /// Counts a publish that is no event. `kind` comes from a fixed set.
    pub fn malformed(&self, kind: &'static str) {
        self.malformed.with_label_values(&[kind]).inc();
        self.rejected.inc();
    }

    /// Counts an answered request. `route` is a pattern of this hub's, never what a client sent.
    pub fn answered(&self, method: &str, route: &str, status: &str, seconds: f64) {
        self.requests.with_label_values(&[method, route, status]).inc();
        self.request_latency.with_label_values(&[route]).observe(seconds);
    }

    /// Counts an authentication. `outcome` comes from a fixed set.
    pub fn authentication(&self, outcome: &'static str) {
        self.authentications.with_label_values(&[outcome]).inc();
    }

    /// Sets how many connections are draining.
    pub fn draining(&self, count: i64) {
        self.connections.with_label_values(&["draining"]).set(count);
    }

    /// All metrics as text, with the content type.
    ///
    /// # Errors
    /// When a metric cannot be encoded.
    pub fn render(&self) -> prometheus::Result<(String, Vec<u8>)> {
        let encoder = TextEncoder::new();
        let mut text = Vec::new();
        encoder.encode(&self.registry.gather(), &mut text)?;
        Ok((encoder.format_type().to_owned(), text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_names_are_there_from_the_start() {
        let metrics = Metrics::new().expect("distinct names");
        metrics.routed.inc();
        metrics.latency.observe(0.002);
        metrics.closed(CloseReason::SlowConsumer);
        let (_, text) = metrics.render().expect("text");
        let text = String::from_utf8(text).expect("UTF-8");
        for line in [
            "# TYPE ws_connections_total gauge",
            r#"ws_connections_total{state="authenticated"} 0"#,
            r#"ws_events_total{status="success",type="routed"} 1"#,
            r#"ws_event_latency_seconds_bucket{le="0.005"} 1"#,
            r#"hub_closes_total{code="4008"} 1"#,
            "hub_ledger_imbalance 0",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
