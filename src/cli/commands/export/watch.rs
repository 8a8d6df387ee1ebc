//! How far an export or an import is, on a terminal; and the signals that end it.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use crate::app::runtime;
use crate::error::Failure;
use crate::export::{ExportError, Watch};

/// Messages between two looks at the clock and the signals.
const STRIDE: u64 = 512;

/// A progress bar on a terminal, nothing elsewhere; ends the work when a signal has come.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
    done: u64,
    stop: Arc<AtomicBool>,
}

impl Bar {
    fn new(stop: Arc<AtomicBool>) -> Self {
        let bar =
            if std::io::stderr().is_terminal() { ProgressBar::no_length() } else { ProgressBar::hidden() };
        Self { bar, done: 0, stop }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watch for Bar {
    fn total(&mut self, messages: u64) {
        self.bar.set_length(messages);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} messages, {eta}")
        {
            self.bar.set_style(style);
        }
    }

    fn step(&mut self) -> Result<(), ExportError> {
        self.done = self.done.saturating_add(1);
        if self.done.is_multiple_of(STRIDE) {
            self.bar.set_position(self.done);
            if self.stop.load(Ordering::Relaxed) {
                return Err(ExportError::Stopped);
            }
        }
        Ok(())
    }

    fn go_on(&mut self) -> Result<(), ExportError> {
        if self.stop.load(Ordering::Relaxed) { Err(ExportError::Stopped) } else { Ok(()) }
    }

    fn closing(&mut self, doing: &'static str) {
        if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} messages; {msg}") {
            self.bar.set_style(style);
        }
        self.bar.set_position(self.done);
        self.bar.set_message(doing);
        self.bar.enable_steady_tick(Duration::from_millis(120));
    }
}

/// Does the work on a thread of its own; SIGINT and SIGTERM end it with [`ExportError::Stopped`].
///
/// # Errors
/// When the system gives no thread for it.
pub fn with_signals<T: Send + 'static>(work: impl FnOnce(Bar) -> T + Send + 'static) -> Result<T, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let bar = Bar::new(Arc::clone(&stop));
    runtime()?.block_on(async move {
        let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let mut work = tokio::task::spawn_blocking(move || work(bar));
        let ended = match signals {
            (Ok(mut interrupt), Ok(mut terminate)) => tokio::select! {
                done = &mut work => Some(done),
                _ = interrupt.recv() => None,
                _ = terminate.recv() => None,
            },
            // Without handlers a signal ends the process, which leaves nothing half-written under a final name.
            _ => Some((&mut work).await),
        };
        let ended = match ended {
            Some(done) => done,
            None => {
                stop.store(true, Ordering::Relaxed);
                work.await
            }
        };
        ended.map_err(|error| Failure::CheckFailed(format!("this is a fault of the program: {error}")))
    })
}
