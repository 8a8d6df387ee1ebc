//! Whether a run gets on: what the watchdog goes by while one is made.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::ApiError;
use crate::core::planner::step::Step;
use crate::store::Committed;
use crate::sync::Observer;

/// How much longer than it should a step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Until when the next step is to be heard of.
#[derive(Debug)]
pub(crate) struct Pulse {
    until: Cell<Instant>,
    request: Duration,
}

impl Pulse {
    /// A run whose requests take so long at most, the wait for their turn included.
    pub(crate) fn new(request: Duration) -> Self {
        Self { until: Cell::new(Instant::now() + PATIENCE), request }
    }

    /// Whether the run gets on.
    pub(crate) fn beats(&self) -> bool {
        Instant::now() <= self.until.get()
    }

    /// From now on, the next step is to be heard of within this and some patience.
    pub(crate) fn expect(&self, within: Duration) {
        self.until.set(Instant::now() + within + PATIENCE);
    }
}

impl Observer for &Pulse {
    fn begin(&mut self, _: usize, _: Option<u32>) {
        self.expect(Duration::ZERO);
    }

    fn asking(&mut self, _: &Step) {
        self.expect(self.request);
    }

    fn stored(&mut self, _: &Step, _: &Committed, _: u32) {
        self.expect(Duration::ZERO);
    }

    fn failed(&mut self, _: &Step, _: &ApiError, again_after: Option<Duration>) {
        self.expect(again_after.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_run_that_waits_longer_than_it_may_has_no_pulse() {
        let pulse = Pulse::new(Duration::from_secs(60));
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(pulse.beats());
        pulse.expect(Duration::from_secs(300));
        tokio::time::advance(Duration::from_secs(329)).await;
        assert!(pulse.beats());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!pulse.beats());
        (&pulse).begin(1, None);
        assert!(pulse.beats());
    }
}
