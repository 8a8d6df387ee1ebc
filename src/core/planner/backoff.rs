//! How long to wait before trying again, in time after a failed request and in runs after a stalled gap.

use crate::core::model::ids::RunId;
use std::time::Duration;

/// How waits between attempts grow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The first wait.
    pub base: Duration,
    /// No wait is longer, not even one that the server asks for.
    pub max: Duration,
}

impl Backoff {
    /// The wait before attempt number `attempt` (1 is the first retry). `jitter` in 0..1 spreads it over the
    /// upper half of the range; after a 429 it is twice as long. What the server asks for (`retry_after`) wins.
    #[must_use]
    pub fn wait(
        &self,
        attempt: u32,
        rate_limited: bool,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Duration {
        if let Some(asked) = retry_after {
            return asked.min(self.max);
        }
        let doublings = attempt.saturating_sub(1).min(20) + u32::from(rate_limited);
        let full = self.base.saturating_mul(1 << doublings).min(self.max);
        full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

/// The first run that may ask again for a gap that stalled so many times in a row, the last time in this run.
#[must_use]
pub fn due_run(stalls: u32, stalled_run: RunId) -> RunId {
    if stalls == 0 { RunId::default() } else { stalled_run.plus(runs_to_skip(stalls) + 1) }
}

/// How many runs to leave a gap alone after it stalled so many times in a row: first none, then twice as many each time,
/// up to ten days of half-hourly runs.
#[must_use]
pub fn runs_to_skip(stalls: u32) -> i64 {
    if stalls <= 2 { 0 } else { 1 << (stalls - 3).min(9) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(2), max: Duration::from_secs(300) };

    #[test]
    fn waits_double_up_to_the_maximum_and_are_never_zero() {
        let full: Vec<u64> = (1..=9).map(|n| BACKOFF.wait(n, false, None, 1.0).as_secs()).collect();
        assert_eq!(full, [2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(BACKOFF.wait(1, false, None, 0.0), Duration::from_secs(1));
        assert_eq!(BACKOFF.wait(1, true, None, 1.0), Duration::from_secs(4));
    }

    #[test]
    fn the_server_may_ask_for_a_wait_but_not_for_ever() {
        let asked = |s| BACKOFF.wait(1, true, Some(Duration::from_secs(s)), 0.5).as_secs();
        assert_eq!((asked(7), asked(86_400)), (7, 300));
    }

    #[test]
    fn a_stalled_gap_is_tried_ever_less_often_but_always_again() {
        let skips: Vec<i64> = (0..8).map(runs_to_skip).collect();
        assert_eq!(skips, [0, 0, 0, 1, 2, 4, 8, 16]);
        assert_eq!([12, 13, u32::MAX].map(runs_to_skip), [512; 3]);
    }
}
