//! Reading `/metrics`.

use super::hub::Hub;

/// One line of the exposition.
#[derive(Debug)]
pub(crate) struct Sample {
    /// The metric's name with its suffix, such as `_bucket`.
    pub(crate) name: String,
    /// What stands between the braces.
    pub(crate) labels: String,
    /// Its value.
    pub(crate) value: f64,
}

/// Everything `/metrics` shows now.
#[track_caller]
pub(crate) fn scrape(hub: &Hub) -> Vec<Sample> {
    let response = hub.get("/metrics");
    assert_eq!(response.status, 200, "{response:?}");
    let lines = response.body.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(sample).collect()
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    Sample {
        name: name.to_owned(),
        labels: labels.trim_end_matches('}').to_owned(),
        value: value.parse().unwrap(),
    }
}

/// The sum over all series called `name` that have every one of `labels`.
#[track_caller]
pub(crate) fn total(hub: &Hub, name: &str, labels: &[&str]) -> f64 {
    let wanted =
        |sample: &Sample| sample.name == name && labels.iter().all(|label| sample.labels.contains(label));
    scrape(hub).iter().filter(|sample| wanted(sample)).map(|sample| sample.value).sum()
}
