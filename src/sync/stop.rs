//! Stopping a run: requested once, noticed wherever the engine waits.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;

/// How long a request in flight may still take once a stop is asked for.
pub const GRACE: Duration = Duration::from_millis(600);

/// Asks a run to stop after the current page.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<bool>);

/// Tells a run whether it was asked to end.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stopper {
    /// A pair of the two.
    #[must_use]
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(receiver))
    }

    /// Asks to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether it was asked for.
    #[must_use]
    pub fn requested(&self) -> bool {
        *self.0.borrow()
    }

    /// What a future comes to. When a stop is asked for meanwhile, it gets a moment more, and then `None` comes of it.
    pub(super) async fn unless_late<C: Clock, T>(
        &self,
        clock: &C,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let too_late = async {
            self.wait().await;
            clock.sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            done = future => Some(done),
            () = too_late => None,
        }
    }

    /// Waits until a stop is asked for; never returns if none is.
    pub async fn wait(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
