//! Time, in the two kinds the hub needs. This is the only room that reads a clock.

use std::{
    fmt,
    sync::LazyLock,
    time::{Duration, Instant},
};

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Wall-clock time in milliseconds since the Unix epoch: what documents, keys and tokens carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads an ISO-8601 date-time with a `Z` or numeric offset.
    #[must_use]
    pub fn parse_iso(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|time| Self(time.timestamp_millis()))
    }

    /// Reads a date-time as request bodies may write it (contract 1.0): capital `T`, `Z` or a numeric
    /// offset, seconds and their fraction optional, and a day that exists.
    #[must_use]
    pub fn parse_datetime(text: &str) -> Option<Self> {
        if text.len() > 64 || text.as_bytes().get(10) != Some(&b'T') || text.ends_with('z') {
            return None;
        }
        Self::parse_iso(text).or_else(|| {
            let (to_the_minute, offset) = text.split_at_checked(16)?;
            Self::parse_iso(&format!("{to_the_minute}:00{offset}"))
        })
    }

    /// The calendar's form of this time, in UTC; the nearest one it has for times beyond it.
    #[must_use]
    pub fn utc(self) -> NaiveDateTime {
        let beyond = if self.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        DateTime::from_timestamp_millis(self.0).unwrap_or(beyond).naive_utc()
    }

    /// The time that the calendar calls `time` in UTC; what is finer than a millisecond is cut off.
    #[must_use]
    pub fn from_utc(time: NaiveDateTime) -> Self {
        Self(time.and_utc().timestamp_millis())
    }

    /// This time moved into the future by `span`.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis_i64(span)))
    }

    /// This time moved into the past by `span`.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis_i64(span)))
    }

    /// How long after `earlier` this is; zero when it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis_i64(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    /// ISO-8601 in UTC with milliseconds, as every document shows times.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse_iso(&text).ok_or_else(|| de::Error::custom("must be an ISO-8601 date-time"))
    }
}

/// Time since the process started, in milliseconds. It never jumps, so every deadline is one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// A deadline that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// This moment moved into the future by `span`.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// One look at both clocks, handed to everything pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// For what people and other processes read.
    pub wall: Timestamp,
    /// For deadlines.
    pub mono: Monotonic,
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Reads both clocks.
#[must_use]
pub fn now() -> Now {
    Now { wall: Timestamp(Utc::now().timestamp_millis()), mono: monotonic() }
}

/// Reads the monotonic clock only.
#[must_use]
pub fn monotonic() -> Monotonic {
    Monotonic(u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// A moment for measuring short spans, such as the latency of one delivery.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Seconds since the start.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_documents_show_them() {
        let time = Timestamp::parse_iso("2024-01-01T00:05:00Z");
        assert_eq!(time.map(|t| t.to_string()), Some("2024-01-01T00:05:00.000Z".into()));
    }

    #[test]
    fn numeric_offsets_are_understood() {
        let utc = Timestamp::parse_iso("2024-01-01T00:00:00.250Z");
        assert_eq!(Timestamp::parse_iso("2024-01-01T02:00:00.250+02:00"), utc);
        assert_eq!(Timestamp::parse_iso("2024-01-01"), None);
    }

    #[test]
    fn request_bodies_may_leave_the_seconds_out() {
        let read = |text| Timestamp::parse_datetime(text).map(|time| time.to_string());
        let minute = Some("2024-01-01T00:05:00.000Z".to_owned());
        assert_eq!(read("2024-01-01T00:05Z"), minute);
        assert_eq!(read("2024-01-01T02:05+02:00"), minute);
        assert_eq!(read("2024-01-01T00:05:00Z"), minute);
        let refused = [
            "2024-01-01",
            "2024-01-01 00:05:00Z",
            "2024-01-01t00:05:00Z",
            "2024-01-01T00:05:00z",
            "2024-02-30T00:05:00Z",
            "2024-01-01T00:05",
            "",
        ];
        for text in refused {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Monotonic::NEVER.plus(Duration::from_secs(1)), Monotonic::NEVER);
    }
}
