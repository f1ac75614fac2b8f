//! How many frames a client may send (contract 9.7).

use std::time::Duration;

use crate::domain::clock::Monotonic;

/// After how many violated windows in a row the connection is closed.
const VIOLATIONS_TO_CLOSE: u8 = 3;
/// Beyond one warning per frame that was allowed, at most one per this span: a flood is not answered
/// with a flood.
const WARNING_SPACING: Duration = Duration::from_secs(1);

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Let it pass.
    Pass,
    /// Drop it; warn the client when `warn` is set.
    Drop {
        /// Whether a `rate_limit` frame is due.
        warn: bool,
        /// How many frames came in this window.
        count: u32,
        /// When the window ends.
        retry_after: Duration,
    },
    /// The third window in a row was violated.
    Close,
}

/// Counts frames in fixed windows.
#[derive(Debug, Default)]
pub(super) struct RateWindow {
    started: Monotonic,
    count: u32,
    violated: u8,
    warned: Option<Monotonic>,
}

impl RateWindow {
    /// Counts a frame at `now` that weighs as much as `weight` messages.
    pub(super) fn count(&mut self, weight: u32, now: Monotonic, limit: u32, window: Duration) -> Verdict {
        let age = now.since(self.started);
        if age >= window {
            if self.count <= limit || age >= window * 2 {
                self.violated = 0;
            }
            self.started = now;
            self.count = 0;
        }
        let before = self.count;
        self.count = self.count.saturating_add(weight);
        if self.count <= limit {
            return Verdict::Pass;
        }
        if before <= limit {
            self.violated += 1;
            if self.violated >= VIOLATIONS_TO_CLOSE {
                return Verdict::Close;
            }
        }
        let few = self.count <= limit.saturating_mul(2);
        let warn = few || self.warned.is_none_or(|last| now.since(last) >= WARNING_SPACING);
        if warn {
            self.warned = Some(now);
        }
        let retry_after = window.saturating_sub(now.since(self.started));
        Verdict::Drop { warn, count: self.count, retry_after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn burst(rate: &mut RateWindow, at: u64, frames: u32) -> Verdict {
        (0..frames).map(|_| rate.count(1, Monotonic(at), 100, WINDOW)).last().expect("at least one frame")
    }

    #[test]
    fn the_frame_after_the_hundredth_is_dropped_with_a_warning() {
        let mut rate = RateWindow::default();
        assert_eq!(burst(&mut rate, 1_000, 100), Verdict::Pass);
        let dropped = rate.count(1, Monotonic(2_000), 100, WINDOW);
        let retry_after = Duration::from_secs(58);
        assert_eq!(dropped, Verdict::Drop { warn: true, count: 101, retry_after });
    }

    #[test]
    fn a_flood_is_not_answered_with_a_flood() {
        let mut rate = RateWindow::default();
        assert!(matches!(burst(&mut rate, 1_000, 200), Verdict::Drop { warn: true, .. }));
        assert!(matches!(burst(&mut rate, 1_000, 1), Verdict::Drop { warn: false, .. }));
        assert!(matches!(burst(&mut rate, 2_000, 1), Verdict::Drop { warn: true, .. }));
        assert!(matches!(burst(&mut rate, 2_001, 1), Verdict::Drop { warn: false, .. }));
    }

    #[test]
    fn a_new_window_starts_from_nothing() {
        let mut rate = RateWindow::default();
        burst(&mut rate, 0, 101);
        assert_eq!(rate.count(1, Monotonic(60_000), 100, WINDOW), Verdict::Pass);
    }

    #[test]
    fn three_violated_windows_in_a_row_close() {
        let mut rate = RateWindow::default();
        assert!(matches!(burst(&mut rate, 0, 101), Verdict::Drop { .. }));
        assert!(matches!(burst(&mut rate, 60_000, 101), Verdict::Drop { .. }));
        assert_eq!(burst(&mut rate, 120_000, 101), Verdict::Close);
    }

    #[test]
    fn a_quiet_window_in_between_forgives() {
        let mut rate = RateWindow::default();
        burst(&mut rate, 0, 101);
        burst(&mut rate, 60_000, 101);
        burst(&mut rate, 120_000, 5);
        assert!(matches!(burst(&mut rate, 180_000, 101), Verdict::Drop { .. }));
        let mut rate = RateWindow::default();
        burst(&mut rate, 0, 101);
        burst(&mut rate, 60_000, 101);
        assert!(matches!(burst(&mut rate, 300_000, 101), Verdict::Drop { .. }), "a silent window counts");
    }
}
