//! The service: runs on a schedule, one at a time, until it is told to stop. It holds the archive's lock as long as it
//! lives.

pub mod alerts;
mod archive_failures;
mod desk;
mod main_loop;
pub mod ping;
pub mod remote;
mod signals;
mod systemd;
mod wakeup;
mod watchdog;
mod worker;

use std::time::Duration;

use crate::app::attendant::Attendant;
use crate::app::{Context, advice, runtime, wiring};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::Ms;
use crate::core::alert::AlertKind;
use crate::core::format::iso_utc;
use crate::error::Failure;
use crate::notify;
use crate::service::alerts::Notice;
use crate::service::archive_failures::{ArchiveFailures, LONGEST_WAIT_MS};
use crate::service::desk::{Desk, desk};
use crate::service::main_loop::MainLoop;
use crate::service::signals::Signals;
use crate::service::wakeup::CronWakeup;
use crate::service::watchdog::Heartbeat;
use crate::service::worker::Worker;

/// The exit code of an archive that cannot be written.
const ARCHIVE_FAILED: u8 = 74;
/// How long the command may take that tells of such a failure before the service ends.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// An archive of an earlier version is brought up to date when it is opened, which takes minutes where it is large.
const TO_OPEN: Duration = Duration::from_secs(60 * 60);
/// How long the service waits before it looks at the clock again.
const LOOK_AT_THE_CLOCK_MS: Ms = 60_000;

/// Serves until it is told to stop.
pub fn serve(context: &Context) -> Result<(), Failure> {
    let config = context.config_with_secrets(None)?;
    let runtime = runtime()?;
    let (desk, bell) = desk();
    // From here on no signal that this program takes ends it otherwise, and none waits for the archive.
    let _attendant = Attendant::start(|| {
        let signals = Signals::new()
            .map_err(|error| Failure::Machine(format!("cannot listen for signals: {error}")))?;
        Ok(bell.attend(signals, Heartbeat::every(systemd::heartbeat_interval()), systemd::heartbeat))
    })?;
    runtime.block_on(async {
        // What would fail at each run fails now.
        drop(wiring::api(&config)?);
        notify::check(&config)?;
        let failures = ArchiveFailures::of(&context.env, &config.archive.path);
        if !wait_out(&failures, &desk).await {
            return Ok(());
        }
        let command = config.alerts.command.clone();
        let served = serve_with(context, config, desk).await;
        if let Err(failure) = &served
            && failure.exit_code() == ARCHIVE_FAILED
        {
            // Told once: the next start tries again, and may fail again.
            if failures.add(SystemClock.now_ms()) == 1 {
                let news = vec![Notice::new(AlertKind::Archive, failure.to_string())];
                let told = tokio::time::timeout(LAST_WORDS, alerts::run_command(command, &context.env, news));
                told.await.unwrap_or_default();
            }
        }
        served
    })
}

/// Waits until an archive that has failed may be tried again. False when a stop is asked for meanwhile.
async fn wait_out(failures: &ArchiveFailures, desk: &Desk) -> bool {
    let Some(failed) = failures.read() else { return true };
    let mut told = false;
    loop {
        let left = (failed.until_ms() - SystemClock.now_ms()).min(LONGEST_WAIT_MS);
        let left = u64::try_from(left.min(LOOK_AT_THE_CLOCK_MS)).ok().filter(|left| *left > 0);
        let Some(left) = left.map(Duration::from_millis) else { return true };
        if !told {
            let until = iso_utc(failed.until_ms());
            tracing::warn!(failures = failed.count, %until, "the archive has failed: waiting before the next try");
            systemd::ready(&format!(
                "The archive has failed {} times in a row: waiting until {until}",
                failed.count
            ));
            told = true;
        }
        desk.expect_within(left);
        tokio::select! {
            biased;
            // A request for a run or a new configuration is reason enough to try.
            received = desk.received() => return !received.stop,
            () = tokio::time::sleep(left) => {}
        }
    }
}

async fn serve_with(context: &Context, config: Config, desk: Desk) -> Result<(), Failure> {
    let path = config.archive.path.clone();
    let failed = |error| wiring::archive_failure(&path, error);
    desk.expect_within(TO_OPEN);
    let store = wiring::store(&config)?;
    desk.expect_within(Duration::ZERO);
    store.sign_as_service().map_err(failed)?;
    let slots = &config.schedule.slots;
    tracing::info!(
        archive = %path.display(),
        cron = slots.line(),
        timezone = slots.zone().name(),
        "the service began"
    );
    for warning in advice::warnings(&config, SystemClock.now_ms()) {
        tracing::warn!("{warning}");
    }
    let worker = Worker::new(context, config, store)?;
    let mut main_loop = MainLoop::new(worker, desk, SystemClock, CronWakeup);
    let end = main_loop.run().await;
    systemd::stopping(Duration::ZERO);
    let closed = main_loop.into_work().close().await;
    tracing::info!("the service ended");
    match closed {
        // That is why the rest failed, if it did.
        Err(lost @ Failure::ArchiveLost { .. }) => Err(lost),
        closed => end.and(closed),
    }
}
