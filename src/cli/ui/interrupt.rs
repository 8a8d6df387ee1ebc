//! Long work that signals end in an orderly way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::runtime;
use crate::error::Failure;

/// Which signal has come, if any; the work looks at it from time to time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicI32>);

impl Interrupt {
    pub(crate) fn note(&self, signal: i32) {
        self.0.store(signal, Ordering::Relaxed);
    }

    pub(crate) fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// The failure of work that it has ended; `left` says in what state.
    pub(crate) fn failure(&self, left: &'static str) -> Failure {
        Failure::Interrupted(self.0.load(Ordering::Relaxed), left)
    }
}

/// The signals that end work. From the moment on that this is made, they no longer end the program.
#[derive(Debug)]
pub(crate) struct StopSignals(Option<Caught>);

#[derive(Debug)]
struct Caught {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// SIGUSR1, of a run.
    ignored: Option<Signal>,
}

impl Caught {
    fn new(is_run: bool) -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            ignored: if is_run { Some(signal(SignalKind::user_defined1())?) } else { None },
        })
    }
}

impl StopSignals {
    /// SIGINT, SIGTERM and SIGHUP end a command that somebody waits for.
    pub(crate) fn of_command() -> Self {
        Self::caught(false)
    }

    /// SIGINT and SIGTERM end a run. A closed terminal or a signal meant for the service must not end it with an answer
    /// under way: SIGHUP and SIGUSR1 are ignored.
    pub(crate) fn of_run() -> Self {
        Self::caught(true)
    }

    fn caught(is_run: bool) -> Self {
        let caught = Caught::new(is_run);
        if caught.is_err() {
            tracing::warn!("cannot handle signals: stopping the program interrupts it, which loses nothing");
        }
        Self(caught.ok())
    }

    /// Waits for the next one, and returns its number.
    pub(crate) async fn next(&mut self) -> i32 {
        let Some(caught) = &mut self.0 else { return std::future::pending().await };
        let is_run = caught.ignored.is_some();
        let kind = tokio::select! {
            _ = caught.interrupt.recv() => SignalKind::interrupt(),
            _ = caught.terminate.recv() => SignalKind::terminate(),
            _ = caught.hangup.recv(), if !is_run => SignalKind::hangup(),
        };
        kind.as_raw_value()
    }
}

/// Does the work on a thread of its own while this one waits for signals, and returns what the work returns.
pub(crate) fn until_interrupted<T: Send + 'static>(
    work: impl FnOnce(&Interrupt) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let interrupt = Interrupt::default();
    let seen = interrupt.clone();
    runtime()?.block_on(async move {
        // Before the work leaves anything that a sudden end would leave behind.
        let mut signals = StopSignals::of_command();
        let mut work = tokio::task::spawn_blocking(move || work(&seen));
        let done = tokio::select! {
            done = &mut work => done,
            signal = signals.next() => {
                interrupt.note(signal);
                work.await
            }
        };
        done.map_err(|error| Failure::Machine(format!("a worker thread failed: {error}")))?
    })
}
