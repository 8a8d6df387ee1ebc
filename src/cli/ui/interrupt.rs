//! Long work that signals end in an orderly way.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::app::runtime;
use crate::error::Failure;

/// Which signal has come, if any; the work looks at it from time to time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicI32>);

impl Interrupt {
    pub(crate) fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// The failure of work that it has ended; `left` says in what state.
    pub(crate) fn failure(&self, left: &'static str) -> Failure {
        Failure::Interrupted(self.0.load(Ordering::Relaxed), left)
    }
}

/// Waits for SIGINT, SIGTERM or, where the command is for a terminal, SIGHUP, and returns the signal's number. SIGHUP is
/// ignored otherwise: a run that pays goes on when its terminal is closed.
pub(crate) async fn signalled(on_hangup: bool) -> i32 {
    let (int, term, hup) = (SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup());
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (signal(int), signal(term), signal(hup))
    else {
        tracing::warn!("cannot handle signals: stopping the program interrupts it, which loses nothing");
        return std::future::pending().await;
    };
    let kind = loop {
        tokio::select! {
            _ = interrupt.recv() => break int,
            _ = terminate.recv() => break term,
            _ = hangup.recv() => if on_hangup { break hup },
        }
    };
    kind.as_raw_value()
}

/// Does the work on a thread of its own while this one waits for signals, and returns what the work returns.
pub(crate) fn until_interrupted<T: Send + 'static>(
    work: impl FnOnce(&Interrupt) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let interrupt = Interrupt::default();
    let seen = interrupt.clone();
    runtime()?.block_on(async move {
        let mut work = tokio::task::spawn_blocking(move || work(&seen));
        let done = tokio::select! {
            done = &mut work => done,
            signal = signalled(true) => {
                interrupt.0.store(signal, Ordering::Relaxed);
                work.await
            }
        };
        done.map_err(|error| Failure::Machine(format!("a worker thread failed: {error}")))?
    })
}
