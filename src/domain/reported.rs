//! Metrics that daemons report, under the names of four generations (contract C21).

use serde_json::{Map, Value};

/// How many members a report may have.
pub const MAX_MEMBERS: usize = 64;
/// How many bytes of JSON a report may have.
pub const MAX_BYTES: usize = 4096;

/// The canonical name, the other spellings of it, and what to divide those by.
const SPELLINGS: &[(&str, &[&str], f64)] = &[
    ("memoryUsageMB", &["memoryUsageMb"], 1.0),
    ("memoryUsageMB", &["memoryUsageBytes"], 1_048_576.0),
    ("cpuUsagePercent", &["cpuUsage"], 1.0),
    ("errorsCount", &["errors", "errorCount"], 1.0),
    ("queueDepth", &["messageQueueSize"], 1.0),
    ("uptimeSeconds", &["uptime"], 1.0),
    ("messagesProcessed", &["totalMessagesProcessed"], 1.0),
];

/// Whether a report may be kept: few members, small, numbers and texts only (and one level of custom
/// ones).
#[must_use]
pub fn is_acceptable(report: &Map<String, Value>) -> bool {
    let flat = |value: &Value| value.is_number() || value.is_string();
    let custom = |value: &Value| value.as_object().is_some_and(|members| members.values().all(flat));
    report.len() <= MAX_MEMBERS
        && report.iter().all(|(name, value)| flat(value) || (name == "custom" && custom(value)))
        && serde_json::to_string(report).is_ok_and(|json| json.len() <= MAX_BYTES)
}

/// The report with its canonical members derived where only another spelling was sent. What was sent
/// stays as it is.
#[must_use]
pub fn canonical(mut report: Map<String, Value>) -> Map<String, Value> {
    for (name, spellings, unit) in SPELLINGS {
        if report.contains_key(*name) {
            continue;
        }
        let sent = spellings.iter().find_map(|spelling| report.get(*spelling));
        let derived = match sent {
            Some(Value::Number(number)) if (*unit - 1.0).abs() > f64::EPSILON => {
                number.as_f64().map(|number| Value::from((number / unit * 100.0).round() / 100.0))
            }
            Some(value @ Value::Number(_)) => Some(value.clone()),
            _ => None,
        };
        if let Some(value) = derived {
            report.insert((*name).to_owned(), value);
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn every_generation_is_read_under_one_name() {
        let sent = json!({
            "memoryUsageBytes": 268_435_456, "cpuUsage": 15.5, "errors": 2, "messageQueueSize": 3,
            "uptime": 60, "totalMessagesProcessed": 9,
        });
        let read = canonical(report(sent.clone()));
        let expected = [
            ("memoryUsageMB", json!(256.0)),
            ("cpuUsagePercent", json!(15.5)),
            ("errorsCount", json!(2)),
            ("queueDepth", json!(3)),
            ("uptimeSeconds", json!(60)),
            ("messagesProcessed", json!(9)),
        ];
        for (name, value) in expected {
            assert_eq!(read.get(name), Some(&value), "{name}");
        }
        for (name, value) in report(sent) {
            assert_eq!(read.get(&name), Some(&value), "{name} stays");
        }
    }

    #[test]
    fn a_canonical_name_is_never_overwritten() {
        let read = canonical(report(json!({ "errorsCount": 1, "errors": 2 })));
        assert_eq!(read.get("errorsCount"), Some(&json!(1)));
    }

    #[test]
    fn a_report_is_small_and_flat() {
        assert!(is_acceptable(&report(json!({ "a": 1, "b": "text", "custom": { "c": 2 } }))));
        assert!(!is_acceptable(&report(json!({ "a": [1] }))));
        assert!(!is_acceptable(&report(json!({ "a": { "b": 1 } }))));
        assert!(!is_acceptable(&report(json!({ "custom": { "b": {} } }))));
        assert!(!is_acceptable(&report(json!({ "a": "x".repeat(MAX_BYTES) }))));
        let many = (0..=MAX_MEMBERS).map(|n| (n.to_string(), json!(1))).collect();
        assert!(!is_acceptable(&many));
    }
}
