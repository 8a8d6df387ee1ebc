//! What the service does while a run or a look at events is under way: it hears signals and shows that it lives.

use std::pin::pin;

use tokio::time::Interval;

use super::notify::Manager;
use super::pulse::Pulse;
use super::signals::{Signals, Wish};
use crate::sync::Stopper;

/// What was wished for meanwhile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// To end.
    pub(super) stop: bool,
    /// A run at once.
    pub(super) run: bool,
    /// To read the configuration again.
    pub(super) reload: bool,
}

/// Whom the service listens and answers to.
pub(super) struct Attendant<'a> {
    pub(super) signals: &'a mut Signals,
    pub(super) manager: &'a Manager,
    pub(super) watchdog: &'a mut Option<Interval>,
    /// Whether what is done gets on.
    pub(super) pulse: &'a Pulse,
    /// Asks it to end.
    pub(super) stopper: Stopper,
    /// Asks it not to begin anything more, whatever the wish is.
    pub(super) hurry: Option<Stopper>,
}

impl Attendant<'_> {
    /// What the work comes to, and what was wished for meanwhile.
    pub(super) async fn during<T>(self, work: impl Future<Output = T>) -> (T, Wishes) {
        let mut wishes = Wishes::default();
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                wish = self.signals.next() => {
                    match wish {
                        Wish::Stop => {
                            tracing::info!("stopping at the next page border");
                            self.manager.stopping();
                            wishes.stop = true;
                            self.stopper.stop();
                        }
                        Wish::Run => wishes.run = true,
                        Wish::Reload => wishes.reload = true,
                    }
                    if let Some(hurry) = &self.hurry {
                        hurry.stop();
                    }
                }
                done = &mut work => return (done, wishes),
                () = tick(self.watchdog) => if self.pulse.beats() { self.manager.sign_of_life() },
            }
        }
    }
}

/// The watchdog's next tick: for ever away, when there is no watchdog.
pub(super) async fn tick(watchdog: &mut Option<Interval>) {
    match watchdog {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}
