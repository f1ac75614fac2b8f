//! Figures and tables: medians and spreads over the runs, raw and normalised.

use std::fmt::{self, Write};

use crate::args::Case;

/// How a figure changes with the speed of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scaling {
    /// CPU time: a slow machine shows more, so it is divided by the factor.
    Time,
    /// Work per second: a slow machine shows less, so it is multiplied.
    Rate,
    /// Memory, shares, and latencies, which depend on more than speed: printed as they are.
    None,
}

/// What the project wants to see.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Target {
    fn met(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "<= {}", number(*limit)),
            Self::AtLeast(limit) => write!(f, ">= {}", number(*limit)),
        }
    }
}

/// One figure of one run.
#[derive(Debug, Clone)]
pub(crate) struct Measure {
    name: &'static str,
    unit: &'static str,
    value: f64,
    scaling: Scaling,
    target: Option<Target>,
}

impl Measure {
    /// A figure without a target.
    #[must_use]
    pub(crate) fn new(name: &'static str, unit: &'static str, value: f64, scaling: Scaling) -> Self {
        Self { name, unit, value, scaling, target: None }
    }

    /// The same figure with a target.
    #[must_use]
    pub(crate) fn target(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }
}

/// One figure over all runs.
#[derive(Debug)]
struct Row {
    case: Case,
    measure: Measure,
    raw: Vec<f64>,
    normal: Vec<f64>,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Enters the figures of one run, made while the machine had this calibration factor.
    pub(crate) fn add(&mut self, case: Case, measures: Vec<Measure>, factor: f64) {
        for measure in measures {
            let normal = match measure.scaling {
                Scaling::Time => measure.value / factor,
                Scaling::Rate => measure.value * factor,
                Scaling::None => measure.value,
            };
            let same = |row: &&mut Row| row.case == case && row.measure.name == measure.name;
            match self.rows.iter_mut().find(same) {
                Some(row) => {
                    row.raw.push(measure.value);
                    row.normal.push(normal);
                }
                None => {
                    self.rows.push(Row { case, raw: vec![measure.value], normal: vec![normal], measure });
                }
            }
        }
    }

    /// The figures of one case.
    #[must_use]
    pub(crate) fn case(&self, case: Case) -> String {
        table(self.rows.iter().filter(|row| row.case == case))
    }

    /// The figures that have a target.
    #[must_use]
    pub(crate) fn summary(&self) -> String {
        table(self.rows.iter().filter(|row| row.measure.target.is_some()))
    }
}

fn table<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return "(no figures)\n".to_owned();
    }
    let mut text = String::new();
    let mut line = |cells: [&str; 7]| {
        let [case, name, unit, raw, normal, target, met] = cells;
        let line = format!("{case:<10} {name:<28} {unit:<9} {raw:>28} {normal:>28}  {target:<10} {met}");
        let _ = writeln!(text, "{}", line.trim_end());
    };
    line(["case", "figure", "unit", "raw: median (min-max)", "normalised", "target", ""]);
    for row in rows {
        let (raw, normal) = (spread(&row.raw), spread(&row.normal));
        let target = row.measure.target.map(|target| target.to_string()).unwrap_or_default();
        let met = row.measure.target.map(|target| if target.met(median(&row.normal)) { "yes" } else { "no" });
        let case = row.case.to_string();
        line([&case, row.measure.name, row.measure.unit, &raw, &normal, &target, met.unwrap_or_default()]);
    }
    text
}

fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{} ({}-{})", number(median(values)), number(least), number(most))
}

/// About three digits, and no more than are needed.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().saturating_sub(1) / 2), sorted.get(sorted.len() / 2));
    low.zip(high).map_or(f64::NAN, |(low, high)| f64::midpoint(*low, *high))
}

/// The smallest value that `share` (0 to 1000) per mille of all values do not exceed; `sorted` must
/// be in order.
#[must_use]
pub(crate) fn percentile(sorted: &[u64], share: usize) -> u64 {
    let rank = (sorted.len() * share).div_ceil(1000);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Microseconds per thing.
#[must_use]
pub(crate) fn micros_per(time: std::time::Duration, things: u64) -> f64 {
    time.as_secs_f64() * 1e6 / count(things.max(1))
}

/// A count as a figure; exact up to 2^53.
#[must_use]
pub(crate) fn count(things: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "nothing here is counted up to 2^53")]
    let figure = things as f64;
    figure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<u64> = (1..=1000).collect();
        assert_eq!(percentile(&values, 500), 500);
        assert_eq!(percentile(&values, 990), 990);
        assert_eq!(percentile(&values, 999), 999);
        assert_eq!(percentile(&values, 1000), 1000);
        assert_eq!(percentile(&[7], 1), 7);
        assert_eq!(percentile(&[1, 2], 500), 1);
        assert_eq!(percentile(&[], 500), 0);
    }

    #[test]
    fn medians_need_no_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(&[4.0, 1.0]).to_bits(), 2.5_f64.to_bits());
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_slow_machine_is_made_up_for() {
        let mut report = Report::default();
        let time = |value| Measure::new("hub", "µs", value, Scaling::Time).target(Target::AtMost(10.0));
        report.add(Case::Idle, vec![time(18.0), Measure::new("rate", "1/s", 50.0, Scaling::Rate)], 2.0);
        report.add(Case::Idle, vec![time(22.0)], 2.0);
        report.add(Case::Idle, vec![time(20.0)], 2.0);
        let text = report.case(Case::Idle);
        assert!(text.contains("20.0 (18.0-22.0)"), "{text}");
        assert!(text.contains("10.0 (9.00-11.0)  <= 10.0    yes"), "{text}");
        assert!(text.contains("100 (100-100)"), "{text}");
        assert!(!report.summary().contains("rate"));
    }
}
