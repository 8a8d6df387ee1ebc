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

/// Does the work on a thread of its own while this one waits for signals, and returns what the work returns.
pub(crate) fn until_interrupted<T: Send + 'static>(
    work: impl FnOnce(Interrupt) -> T + Send + 'static,
) -> Result<T, Failure> {
    let interrupt = Interrupt::default();
    let seen = interrupt.clone();
    runtime()?.block_on(async move {
        let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let mut work = tokio::task::spawn_blocking(move || work(seen));
        // Without handlers a signal ends the process, which leaves nothing half-written under a final name.
        if let (Ok(mut sigint), Ok(mut sigterm)) = signals {
            tokio::select! {
                done = &mut work => return joined(done),
                _ = sigint.recv() => {}
                _ = sigterm.recv() => {}
            }
            interrupt.0.store(true, Ordering::Relaxed);
        }
        joined(work.await)
    })
}

fn joined<T>(done: Result<T, tokio::task::JoinError>) -> Result<T, Failure> {
    done.map_err(|error| Failure::Machine(format!("a worker thread failed: {error}")))
}
