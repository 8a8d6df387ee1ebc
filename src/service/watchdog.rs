//! The watchdog: how often the service manager hears from the service, and whether a run still makes progress.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::api::ApiError;
use crate::core::planner::step::Step;
use crate::store::Committed;
use crate::sync::Observer;

/// How much longer than it should a step may take on a busy machine.
const ALLOWANCE: Duration = Duration::from_secs(30);

/// The times at which the service manager is to hear that the service is alive.
#[derive(Debug)]
pub(super) struct Heartbeat(Option<Interval>);

impl Heartbeat {
    /// So often; `None` where no watchdog asks for it.
    pub(super) fn every(period: Option<Duration>) -> Self {
        Self(period.map(|period| {
            let mut interval = tokio::time::interval(period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        }))
    }

    /// Waits for the next one: for ever, where there is none.
    pub(super) async fn tick(&mut self) {
        match &mut self.0 {
            Some(interval) => drop(interval.tick().await),
            None => std::future::pending().await,
        }
    }
}

/// By when a run must make its next step, to be taken for alive.
#[derive(Debug)]
pub(super) struct StepDeadline {
    at: Cell<Instant>,
    request: Duration,
}

impl StepDeadline {
    /// For a run whose requests take so long at most, the wait for their turn included.
    pub(super) fn new(request: Duration) -> Self {
        Self { at: Cell::new(Instant::now() + ALLOWANCE), request }
    }

    /// Whether it has not passed.
    pub(super) fn is_met(&self) -> bool {
        Instant::now() <= self.at.get()
    }

    /// The next step may take so long, and some more on a busy machine.
    /// What was granted to others that are under way stays granted.
    pub(super) fn extend(&self, within: Duration) {
        self.at.set(self.at.get().max(Instant::now() + within + ALLOWANCE));
    }
}

impl Observer for &StepDeadline {
    fn begin(&mut self, _: Option<u32>) {
        self.extend(Duration::ZERO);
    }

    fn asking(&mut self, _: &Step) {
        self.extend(self.request);
    }

    fn stored(&mut self, _: &Step, _: &Committed, _: u32) {
        self.extend(Duration::ZERO);
    }

    fn failed(&mut self, _: &Step, _: &ApiError, again_after: Option<Duration>) {
        self.extend(again_after.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_run_that_takes_longer_than_allowed_misses_its_deadline() {
        let deadline = StepDeadline::new(Duration::from_secs(60));
        tokio::time::advance(Duration::from_secs(29)).await;
        assert!(deadline.is_met());
        deadline.extend(Duration::from_secs(300));
        tokio::time::advance(Duration::from_secs(329)).await;
        assert!(deadline.is_met());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!deadline.is_met());
        (&deadline).begin(None);
        assert!(deadline.is_met());
    }
}
