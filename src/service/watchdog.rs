//! The watchdog: how often the service manager hears from the service.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

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
