//! How a daemon is, by its heartbeats (contract 1.25).

use std::time::Duration;

use serde_json::{Map, Value};

use super::clock::Timestamp;

/// The words of the health report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthStatus {
    /// All heartbeats came.
    Healthy,
    /// One or two are missing, or the daemon is overloaded.
    Degraded,
    /// Three or more are missing.
    Unhealthy,
    /// Nothing was heard for so long that nothing can be said.
    Unknown,
}

impl HealthStatus {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }
}

/// A judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// In a word.
    pub status: HealthStatus,
    /// How many heartbeats are missing; -1 when nobody can say.
    pub missed: i64,
    /// In a sentence.
    pub details: String,
}

impl Health {
    /// Whether the daemon can be counted on.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        matches!(self.status, HealthStatus::Healthy | HealthStatus::Degraded)
    }
}

/// What a daemon may report before it counts as overloaded: the names of the measure, and the limit.
const OVERLOAD: &[(&[&str], f64)] = &[
    (&["cpuUsage", "cpuUsagePercent"], 90.0),
    (&["memoryUsage"], 90.0),
    (&["messageQueueSize", "queueDepth"], 1000.0),
];

/// Judges by the last heartbeat, when it came and what it reported. `interval`: how often they come.
#[must_use]
pub fn judge(last: Option<(Timestamp, &Map<String, Value>)>, interval: Duration, now: Timestamp) -> Health {
    let Some((at, metrics)) = last else {
        return Health {
            status: HealthStatus::Unknown,
            missed: 0,
            details: "No heartbeat is known".to_owned(),
        };
    };
    let periods = now.since(at).as_millis() / interval.as_millis().max(1);
    let missed = i64::try_from(periods).unwrap_or(i64::MAX).saturating_sub(1).max(0);
    let overloaded = OVERLOAD.iter().find_map(|(names, limit)| {
        let measured = names.iter().find_map(|name| Some((name, metrics.get(*name)?.as_f64()?)));
        measured.filter(|(_, value)| value > limit)
    });
    let (status, details) = match (missed, overloaded) {
        (0, None) => (HealthStatus::Healthy, "All heartbeats came".to_owned()),
        (0..=2, Some((name, value))) => (HealthStatus::Degraded, format!("{name} is {value}")),
        (1..=2, None) => (HealthStatus::Degraded, format!("{missed} heartbeats are missing")),
        _ => (HealthStatus::Unhealthy, format!("{missed} heartbeats are missing")),
    };
    Health { status, missed, details }
}

/// Presumes by the status in the accounts, while nobody can say when the last heartbeat came.
#[must_use]
pub fn presume(status: &str) -> Health {
    let (status, missed) = match status {
        "ONLINE" => (HealthStatus::Healthy, 0),
        "AWAY" => (HealthStatus::Degraded, -1),
        _ => (HealthStatus::Unknown, -1),
    };
    Health { status, missed, details: "Heartbeats cannot be read; judged by the last status".to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    fn judged(seconds: i64, metrics: Value) -> (HealthStatus, i64, bool) {
        let metrics = metrics.as_object().cloned().expect("an object");
        let health = judge(Some((Timestamp(0), &metrics)), INTERVAL, Timestamp(seconds * 1000));
        (health.status, health.missed, health.is_healthy())
    }

    #[test]
    fn missing_heartbeats_make_a_daemon_degraded_and_then_unhealthy() {
        assert_eq!(judged(0, json!({})), (HealthStatus::Healthy, 0, true));
        assert_eq!(judged(59, json!({})), (HealthStatus::Healthy, 0, true));
        assert_eq!(judged(60, json!({})), (HealthStatus::Degraded, 1, true));
        assert_eq!(judged(119, json!({})), (HealthStatus::Degraded, 2, true));
        assert_eq!(judged(120, json!({})), (HealthStatus::Unhealthy, 3, false));
    }

    #[test]
    fn an_overloaded_daemon_is_degraded() {
        for metrics in [json!({"cpuUsage": 91}), json!({"memoryUsage": 90.5}), json!({"queueDepth": 1001})] {
            assert_eq!(judged(0, metrics), (HealthStatus::Degraded, 0, true));
        }
        assert_eq!(judged(0, json!({"cpuUsage": 90, "messageQueueSize": 1000})).0, HealthStatus::Healthy);
        assert_eq!(judged(200, json!({"cpuUsage": 91})).0, HealthStatus::Unhealthy);
    }

    #[test]
    fn without_heartbeats_nothing_is_known_but_the_status() {
        assert_eq!(judge(None, INTERVAL, Timestamp(0)).status, HealthStatus::Unknown);
        assert_eq!((presume("ONLINE").missed, presume("AWAY").status), (0, HealthStatus::Degraded));
        assert_eq!(presume("OFFLINE").status, HealthStatus::Unknown);
    }
}
