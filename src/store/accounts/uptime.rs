//! When orchestrators had which status.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl,
    Queryable, RunQueryDsl, Selectable, SelectableHelper,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{fresh_id, write::Parent};
use crate::{
    domain::clock::Timestamp,
    store::{Result, StoreError, database::Database, schema::uptime},
};

/// A time in which an orchestrator had one status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Queryable, Selectable)]
#[serde(rename_all = "camelCase")]
#[diesel(table_name = uptime)]
pub struct UptimePeriod {
    /// The status.
    pub status: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it ended; nothing while it lasts.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// How an orchestrator fared in a span of time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Uptime {
    /// The periods that touch the span, oldest first.
    pub periods: Vec<UptimePeriod>,
    /// How many milliseconds of the span the periods cover.
    pub observed_ms: i64,
    /// How many of these it was not `OFFLINE`.
    pub online_ms: i64,
    /// The share of the latter in the former, 0 to 1; nothing when nothing was observed.
    pub online_share: Option<f64>,
}

const OFFLINE: &str = "OFFLINE";

impl Uptime {
    fn of(periods: Vec<UptimePeriod>, from: Timestamp, to: Timestamp) -> Self {
        let (mut observed_ms, mut online_ms) = (0, 0);
        for period in &periods {
            let end = period.until.map_or(to, |until| until.min(to));
            let length = (end.0 - period.since.max(from).0).max(0);
            observed_ms += length;
            if period.status != OFFLINE {
                online_ms += length;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "spans of time are far below 2^53 ms")]
        let online_share = (observed_ms > 0).then(|| online_ms as f64 / observed_ms as f64);
        Self { periods, observed_ms, online_ms, online_share }
    }
}

impl Database {
    /// Notes that an orchestrator has this status now; the period before ends when it had another
    /// one. Says whether it had.
    ///
    /// # Errors
    /// [`Missing`](StoreError::Missing) `orchestrator`.
    pub fn note_status(&self, orchestrator: &str, status: &str, now: Timestamp) -> Result<bool> {
        let noted = self.write(&[(Parent::Orchestrator, orchestrator)], |connection| {
            let open = uptime::table
                .filter(uptime::orchestrator_id.eq(orchestrator))
                .filter(uptime::until.is_null());
            diesel::update(open.filter(uptime::status.ne(status)))
                .set(uptime::until.eq(now.utc()))
                .execute(connection)?;
            let lasts: Option<String> = open.select(uptime::id).first(connection).optional()?;
            if lasts.is_some() {
                return Ok(false);
            }
            diesel::insert_into(uptime::table)
                .values((
                    uptime::id.eq(fresh_id("up")),
                    uptime::orchestrator_id.eq(orchestrator),
                    uptime::status.eq(status),
                    uptime::since.eq(now.utc()),
                ))
                .execute(connection)?;
            Ok(true)
        });
        match noted {
            // Another hub opened a period at the same moment; what it noted holds.
            Err(StoreError::Conflict(_)) => Ok(false),
            noted => noted,
        }
    }

    /// How an orchestrator fared from `from` until `to`, which is not in the future: a period that
    /// lasts counts until then.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn uptime(&self, orchestrator: &str, from: Timestamp, to: Timestamp) -> Result<Uptime> {
        let connection = &mut *self.connection()?;
        let own = uptime::table.filter(uptime::orchestrator_id.eq(orchestrator));
        // Periods follow each other, so the one that `from` falls into is the last to begin before.
        let first = own
            .filter(uptime::since.le(from.utc()))
            .select(uptime::since)
            .order(uptime::since.desc())
            .first::<Timestamp>(connection)
            .optional()?;
        let first = first.unwrap_or(from);
        let periods: Vec<UptimePeriod> = own
            .filter(uptime::since.ge(first.utc()).and(uptime::since.lt(to.utc())))
            .filter(uptime::until.is_null().or(uptime::until.gt(from.utc()).assume_not_null()))
            .order(uptime::since)
            .select(UptimePeriod::as_select())
            .load(connection)?;
        Ok(Uptime::of(periods, from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(status: &str, since: i64, until: Option<i64>) -> UptimePeriod {
        UptimePeriod { status: status.to_owned(), since: Timestamp(since), until: until.map(Timestamp) }
    }

    #[test]
    fn only_what_lies_in_the_span_counts() {
        let periods = vec![
            period("ONLINE", 0, Some(150)),
            period("OFFLINE", 150, Some(175)),
            period("BUSY", 175, None),
        ];
        let uptime = Uptime::of(periods, Timestamp(100), Timestamp(200));
        assert_eq!((uptime.observed_ms, uptime.online_ms), (100, 75));
        assert_eq!(uptime.online_share, Some(0.75));
    }

    #[test]
    fn what_was_not_observed_is_neither_up_nor_down() {
        assert_eq!(Uptime::of(Vec::new(), Timestamp(0), Timestamp(9)).online_share, None);
        let late = Uptime::of(vec![period("ONLINE", 8, None)], Timestamp(0), Timestamp(10));
        assert_eq!((late.observed_ms, late.online_share), (2, Some(1.0)));
    }
}
