//! The promises that every run is held to (delivery section 4), and what a broken one looks like.

use std::fmt;

/// A promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Invariant {
    /// I1: every accepted event ends as acknowledged, expired, dropped or dead, or still waits; an
    /// acknowledgement that a hub took is not forgotten; what somebody wants does not wait for ever.
    NothingVanishes,
    /// I2: what was acknowledged is not sent again once that is stored.
    TakenIsTaken,
    /// I3: attempts grow, on a connection and over connections as far as they are written down.
    AttemptsGrow,
    /// I4: one living connection of a daemon instance gets new events.
    OneConnection,
    /// I5: what was lost is announced, once.
    LossesAnnounced,
    /// I6: no more in flight than the window holds.
    WindowHolds,
    /// I7: events of one priority are first sent in their order.
    FirstInFirstOut,
    /// I8: the books balance, and say what happened.
    BooksBalance,
    /// I9: a legacy client hears nothing that it does not know.
    LegacyShape,
    /// I10: what a hub holds for one connection, and a queue for one orchestrator, is bounded.
    Bounded,
    /// I11: publishing twice is publishing once.
    OnceIsEnough,
    /// I12: no event reaches another organization, orchestrator or instance than it is for.
    TenantsApart,
    /// Rule 8: an event for any one daemon is with one at a time.
    OneHolder,
    /// Rule 9: what has expired is not sent.
    ExpiredStays,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingVanishes => "I1 nothing vanishes",
            Self::TakenIsTaken => "I2 what is taken is taken",
            Self::AttemptsGrow => "I3 attempts grow",
            Self::OneConnection => "I4 one connection per instance",
            Self::LossesAnnounced => "I5 losses are announced",
            Self::WindowHolds => "I6 the window holds",
            Self::FirstInFirstOut => "I7 first in, first out",
            Self::BooksBalance => "I8 the books balance",
            Self::LegacyShape => "I9 the legacy shape",
            Self::Bounded => "I10 memory is bounded",
            Self::OnceIsEnough => "I11 once is enough",
            Self::TenantsApart => "I12 tenants are apart",
            Self::OneHolder => "rule 8: one holder at a time",
            Self::ExpiredStays => "rule 9: what has expired stays",
        })
    }
}

/// A promise that was broken.
#[derive(Debug, Clone)]
pub(super) struct Violation {
    pub(super) invariant: Invariant,
    /// What happened.
    pub(super) what: String,
    /// What became of the event in question, step by step.
    pub(super) trace: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is broken: {}\n{}", self.invariant, self.what, self.trace)
    }
}
