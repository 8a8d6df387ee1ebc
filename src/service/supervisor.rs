//! Supervises a run or a poll of events: takes commands and keeps the watchdog fed while it is under way.

use std::pin::pin;
use std::time::Duration;

use crate::service::signals::{CommandSource, ServiceCommand};
use crate::service::systemd;
use crate::service::watchdog::{Heartbeat, StepDeadline};
use crate::sync::Stopper;

/// The commands that came meanwhile, however often each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) stop: bool,
    pub(super) run: bool,
    pub(super) reload: bool,
}

impl Received {
    pub(super) fn just(command: ServiceCommand) -> Self {
        let mut received = Self::default();
        received.add(command);
        received
    }

    fn add(&mut self, command: ServiceCommand) {
        match command {
            ServiceCommand::Stop => self.stop = true,
            ServiceCommand::Run => self.run = true,
            ServiceCommand::Reload => self.reload = true,
        }
    }
}

/// What is listened to, and what is told of it.
pub(super) struct Supervisor<'a, S> {
    pub(super) commands: &'a mut S,
    pub(super) heartbeat: &'a mut Heartbeat,
    /// How long an answer that is paid for may take to come.
    pub(super) longest: Duration,
    /// By when the work must make its next step.
    pub(super) deadline: &'a StepDeadline,
    /// Asks it to stop.
    pub(super) stopper: Stopper,
    /// Asks it to begin nothing more, whatever the command is.
    pub(super) hurry: Option<Stopper>,
}

impl<S: CommandSource> Supervisor<'_, S> {
    /// The result of the work, and the commands that came meanwhile.
    pub(super) async fn during<T>(self, work: impl Future<Output = T>) -> (T, Received) {
        let mut received = Received::default();
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                command = self.commands.next() => {
                    received.add(command);
                    if command == ServiceCommand::Stop {
                        tracing::info!("stopping after the current page; asked again, at once");
                        systemd::stopping(self.longest);
                        self.stopper.stop();
                    }
                    if let Some(hurry) = &self.hurry {
                        hurry.stop();
                    }
                }
                done = &mut work => return (done, received),
                () = self.heartbeat.tick() => if self.deadline.is_met() { systemd::heartbeat() },
            }
        }
    }
}
