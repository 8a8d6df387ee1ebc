//! What the service does while a run or a look at events is under way: it hears signals and shows that it lives.

use std::pin::pin;

use tokio::time::Interval;

use crate::service::signals::{Signals, Wish};
use crate::service::systemd::Manager;
use crate::service::watchdog::Pulse;
use crate::sync::Stopper;

/// What was wished for meanwhile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// To end.
    pub(crate) stop: bool,
    /// A run at once.
    pub(crate) run: bool,
    /// To read the configuration again.
    pub(crate) reload: bool,
}

/// Subject the service listens and answers to.
pub(crate) struct Attendant<'a> {
    pub(crate) signals: &'a mut Signals,
    pub(crate) manager: &'a Manager,
    pub(crate) watchdog: &'a mut Option<Interval>,
    /// Whether what is done gets on.
    pub(crate) pulse: &'a Pulse,
    /// Asks it to end.
    pub(crate) stopper: Stopper,
    /// Asks it not to begin anything more, whatever the wish is.
    pub(crate) hurry: Option<Stopper>,
}

impl Attendant<'_> {
    /// What the work comes to, and what was wished for meanwhile.
    pub(crate) async fn during<T>(self, work: impl Future<Output = T>) -> (T, Wishes) {
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
pub(crate) async fn tick(watchdog: &mut Option<Interval>) {
    match watchdog {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}
