//! The commands that the service takes, and the signals that carry them.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the service is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServiceCommand {
    /// SIGTERM, SIGINT: to stop.
    Stop,
    /// SIGHUP: to read the configuration again.
    Reload,
    /// SIGUSR1: a run at once.
    Run,
}

/// Where commands come from.
pub(super) trait CommandSource {
    /// The next command. Cancel safe: nothing is lost when this is dropped before it is done.
    fn next(&mut self) -> impl Future<Output = ServiceCommand>;
}

/// The signals, from the moment on that this was made.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }
}

impl CommandSource for Signals {
    async fn next(&mut self) -> ServiceCommand {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => ServiceCommand::Stop,
            _ = self.interrupt.recv() => ServiceCommand::Stop,
            _ = self.hangup.recv() => ServiceCommand::Reload,
            _ = self.user.recv() => ServiceCommand::Run,
        }
    }
}
