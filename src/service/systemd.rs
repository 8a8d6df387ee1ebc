//! Notifies the service manager by the sd_notify protocol. Without `$NOTIFY_SOCKET`, this does nothing; the crate knows
//! only sockets that have a path.

use std::time::Duration;

use sd_notify::NotifyState;

/// How often the manager's watchdog wants to hear from the service, if at all: three times in the time that it allows.
pub(super) fn heartbeat_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|time| !time.is_zero()).map(|time| time / 3)
}

/// The service is up, or has read its configuration again.
pub(super) fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
}

/// The service reads its configuration again.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now, NotifyState::Status("Reading the configuration")]),
        Err(error) => tracing::debug!(%error, "the monotonic clock cannot be read"),
    }
}

/// How much longer than the answer that it waits for a stop may take.
const TO_CLOSE: Duration = Duration::from_secs(20);

/// The service stops once an answer has come that may take so long.
pub(super) fn stopping(longest: Duration) {
    let extension = u32::try_from((longest + TO_CLOSE).as_micros()).unwrap_or(u32::MAX);
    notify(&[
        NotifyState::Stopping,
        NotifyState::ExtendTimeoutUsec(extension),
        NotifyState::Status("Stopping after the current page"),
    ]);
}

/// What `systemctl status` shows.
pub(super) fn status(status: &str) {
    notify(&[NotifyState::Status(&one_line(status))]);
}

/// The service is alive.
pub(super) fn heartbeat() {
    notify(&[NotifyState::Watchdog]);
}

fn notify(state: &[NotifyState<'_>]) {
    // The work does not depend on whether the manager listens.
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager cannot be notified");
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}
