//! Stopping a run: requested once, noticed wherever the engine waits; requested twice, it waits for nothing.

use tokio::sync::watch;

use crate::api::Flight;

/// How a run is asked to end, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Demand {
    None,
    /// After the current page.
    Stop,
    /// At once.
    Abandon,
}

/// Asks a run to stop after the current page.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<Demand>);

/// Tells a run whether it was asked to end.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Demand>);

impl Stopper {
    /// A pair of the two.
    #[must_use]
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(Demand::None);
        (Self(sender), Stop(receiver))
    }

    /// Asks to stop; asked again, to wait for no answer.
    pub fn stop(&self) {
        self.0.send_modify(|demand| {
            *demand = if *demand == Demand::None { Demand::Stop } else { Demand::Abandon };
        });
    }
}

impl Stop {
    /// Whether it was asked for.
    #[must_use]
    pub fn requested(&self) -> bool {
        *self.0.borrow() > Demand::None
    }

    /// What a request comes to that costs credits. When a stop is asked for meanwhile, it is called off as long as it has
    /// not been sent; its answer, which is paid for, is waited for as long as the request may take. `None` when the stop
    /// is asked for again.
    pub(super) async fn unless_abandoned<T>(
        &self,
        flight: &Flight,
        request: impl Future<Output = T>,
    ) -> Option<T> {
        let abandoned = async {
            self.wait().await;
            flight.call_off();
            self.until(Demand::Abandon).await;
        };
        tokio::select! {
            biased;
            done = request => Some(done),
            () = abandoned => None,
        }
    }

    /// Waits until a stop is asked for; never returns if none is.
    pub async fn wait(&self) {
        self.until(Demand::Stop).await;
    }

    async fn until(&self, wanted: Demand) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|demand| *demand >= wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
