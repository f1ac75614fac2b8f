//! Events that were lost to a daemon.

/// Events that left a queue untaken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gap {
    /// Dropped by a full queue, or by an admin.
    pub dropped: u64,
    /// Waited for too long.
    pub expired: u64,
}

impl Gap {
    /// How many events that are.
    #[must_use]
    pub fn count(self) -> u64 {
        self.dropped.saturating_add(self.expired)
    }

    /// Why, as a word on the wire.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match (self.dropped, self.expired) {
            (_, 0) => "dropped",
            (0, _) => "expired",
            _ => "dropped_and_expired",
        }
    }
}
