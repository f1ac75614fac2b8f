//! Which connection has an event that only one is to get.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl};

use super::{Transaction, entries::count, schema::claims};
use crate::{
    domain::{
        clock::Timestamp,
        ids::{EventId, OrchestratorId},
    },
    store::Result,
};

/// A claim as it is written down; connections are their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who has the event.
    pub holder: Option<String>,
    /// Until when, if nothing is heard of the holder.
    pub until: Timestamp,
    /// How often it was granted.
    pub grants: u32,
    /// Nobody gets it before this.
    pub not_before: Timestamp,
    /// Who let go of it last.
    pub last: Option<String>,
}

/// Holder, until, grants, not before, last.
type Row = (Option<String>, i64, i64, i64, Option<String>);

impl Transaction<'_> {
    /// The claim on an event.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn claim(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<Option<Claim>> {
        let row: Option<Row> = claims::table
            .find((orchestrator.as_str(), id.as_str()))
            .select((claims::holder, claims::until_ms, claims::grants, claims::not_before_ms, claims::last))
            .first(self.connection)
            .optional()?;
        Ok(row.map(|(holder, until, grants, not_before, last)| Claim {
            holder,
            until: Timestamp(until),
            grants: count(grants),
            not_before: Timestamp(not_before),
            last,
        }))
    }

    /// Writes the claim on an event. The event must be waiting, or the claim would outlive it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_claim(&mut self, orchestrator: &OrchestratorId, id: &EventId, claim: &Claim) -> Result<()> {
        let row = (
            claims::orchestrator.eq(orchestrator.as_str()),
            claims::event_id.eq(id.as_str()),
            claims::holder.eq(&claim.holder),
            claims::until_ms.eq(claim.until.0),
            claims::grants.eq(i64::from(claim.grants)),
            claims::not_before_ms.eq(claim.not_before.0),
            claims::last.eq(&claim.last),
        );
        diesel::replace_into(claims::table).values(row).execute(self.connection)?;
        Ok(())
    }

    /// Forgets the claim on an event.
    pub(super) fn forget_claim(&mut self, orchestrator: &OrchestratorId, id: &EventId) -> Result<()> {
        diesel::delete(claims::table.find((orchestrator.as_str(), id.as_str()))).execute(self.connection)?;
        Ok(())
    }
}
