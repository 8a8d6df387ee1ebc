//! Long work that SIGINT and SIGTERM end in an orderly way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::app::runtime;
use crate::error::Failure;

/// Whether a signal has come; the work looks at it from time to time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(crate) fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Waits for SIGINT or SIGTERM, which end the program no more from now on.
pub(crate) fn signalled() -> impl Future<Output = ()> {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            tracing::warn!("cannot handle signals: stopping the program interrupts it, which loses nothing");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Does the work on a thread of its own while this one waits for signals, and returns what the work returns.
pub(crate) fn until_interrupted<T: Send + 'static>(
    work: impl FnOnce(Interrupt) -> T + Send + 'static,
) -> Result<T, Failure> {
    let interrupt = Interrupt::default();
    let seen = interrupt.clone();
    runtime()?.block_on(async move {
        // Before the work leaves anything that a sudden end would leave behind.
        let signalled = signalled();
        let mut work = tokio::task::spawn_blocking(move || work(seen));
        let done = tokio::select! {
            done = &mut work => done,
            () = signalled => {
                interrupt.0.store(true, Ordering::Relaxed);
                work.await
            }
        };
        done.map_err(|error| Failure::Machine(format!("a worker thread failed: {error}")))
    })
}
