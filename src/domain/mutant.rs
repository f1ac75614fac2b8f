//! Faults that the simulator must find: each is one place of the real code gone wrong on purpose.
//!
//! They exist in test builds only, where a test switches one on for its own thread. Elsewhere
//! [`planted`] is the constant `false`, and nothing of them is left in the program.

/// A fault, named after what goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mutant {
    /// Of the acknowledgements in a frame, the last is not handed on.
    AckDropped,
    /// An acknowledgement of what an earlier connection was sent does not count.
    AckLostOnTakeOver,
    /// An acknowledgement cancels the store that it overtakes, and is not written itself.
    CompletionForgotten,
    /// A hub does not know an event again that it has seen.
    DedupeMissing,
    /// A hub that has forgotten the oldest events vouches for them all the same.
    HorizonForgotten,
    /// The queue takes an event again that was taken out as acknowledged.
    TakenStoredAgain,
    /// A batch that is written twice is counted twice.
    RepeatCounted,
    /// What leaves the window while it is read again stays counted in it.
    WindowLeaks,
    /// One event more than the window holds is sent.
    WindowOverfilled,
    /// Sending an event again does not count as an attempt.
    AttemptNotCounted,
    /// Nobody looks again at what was sent.
    RedeliveryForgotten,
    /// What has expired is sent.
    ExpiredSent,
    /// A claim does not keep other connections away.
    ClaimedTwice,
    /// A full queue drops one event too many.
    TrimOffByOne,
    /// A full queue drops nothing.
    TrimForgotten,
    /// What a full queue drops is not written in the books.
    DropNotCounted,
    /// What comes back from the dead letters is still counted as dead.
    RedriveNotCounted,
    /// The organization of an event is not looked at.
    OrganizationsMixed,
    /// What was read ahead is sent from its end.
    LastInFirstOut,
    /// A daemon is not told what was lost.
    GapNotAnnounced,
    /// What is acknowledged while the queue is read is sent all the same.
    TakenReadAhead,
    /// A connection that is behind goes live although it has not seen everything.
    HintForgotten,
    /// A connection that was replaced lives on.
    ReplacedLivesOn,
    /// A peer that does not read is sent more and more.
    SlowPeerFed,
    /// A client that asked for no confirmation gets one.
    ConfirmedUnasked,
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Whether this fault is switched on in this thread.
#[cfg(test)]
pub(crate) fn planted(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}

/// Whether this fault is switched on: never.
#[cfg(not(test))]
pub(crate) const fn planted(_: Mutant) -> bool {
    false
}

/// Switches a fault on in this thread, or the one that is on off.
#[cfg(test)]
pub(crate) fn plant(mutant: Option<Mutant>) {
    PLANTED.set(mutant);
}
