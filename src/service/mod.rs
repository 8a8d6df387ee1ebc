//! The service: runs on a schedule, one at a time, until it is told to stop. It holds the archive's lock as long as it
//! lives.

pub mod alerts;
mod main_loop;
pub mod remote;
mod signals;
mod supervisor;
mod systemd;
mod wakeup;
mod watchdog;
mod worker;

use crate::app::{Context, runtime, wiring};
use crate::clock::SystemClock;
use crate::error::Failure;
use crate::service::main_loop::MainLoop;
use crate::service::signals::Signals;
use crate::service::wakeup::CronWakeup;
use crate::service::worker::Worker;
use crate::store::Store;

/// Serves until it is told to stop.
pub fn serve(context: &Context) -> Result<(), Failure> {
    let config = context.config_with_secrets(None)?;
    runtime()?.block_on(async {
        // From here on no signal that this program takes ends it otherwise.
        let signals = Signals::new()
            .map_err(|error| Failure::Machine(format!("cannot listen for signals: {error}")))?;
        // What would fail at each run fails now.
        drop(wiring::api(&config)?);
        let path = config.archive.path.clone();
        let failed = |error| wiring::archive_failure(&path, error);
        let store = Store::open(&path).map_err(failed)?;
        store.sign_as_service().map_err(failed)?;
        let slots = &config.schedule.slots;
        tracing::info!(
            archive = %path.display(),
            cron = slots.line(),
            timezone = slots.zone().name(),
            "the service began"
        );
        let worker = Worker::new(context, config, store);
        let mut main_loop = MainLoop::new(worker, signals, SystemClock, CronWakeup);
        let end = main_loop.run().await;
        systemd::stopping();
        let closed = main_loop.into_work().close().await;
        tracing::info!("the service ended");
        match closed {
            // That is why the rest failed, if it did.
            Err(lost @ Failure::ArchiveLost { .. }) => Err(lost),
            closed => end.and(closed),
        }
    })
}
