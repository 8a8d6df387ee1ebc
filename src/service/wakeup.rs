//! A wake-up at a moment of the schedule, by tokio-cron-scheduler.
//!
//! The crate is told each slot as a cron line of its own in UTC, for it keeps the offset of the day on which a job was
//! made, and reads day and weekday in another way than cron does. It polls twice a second as long as it lives, so it
//! lives only for the last seconds before a slot, in a thread whose end takes its tasks along. Whether a run is due is
//! for [`crate::core::schedule`] to say; a wake-up that does not come delays that question by a second.

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::core::Ms;

pub(super) trait Wakeup {
    /// Waits until this moment: for ever, where it cannot be told when that is. Dropped, it is called off.
    fn at(&self, moment: Ms) -> impl Future<Output = ()>;
}

#[derive(Debug, Clone, Copy)]
pub(super) struct CronWakeup;

impl Wakeup for CronWakeup {
    async fn at(&self, moment: Ms) {
        let rung = match Ordered::at(moment) {
            Some(mut ordered) => ordered.rung.recv().await,
            None => None,
        };
        if rung.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// A wake-up to come. Dropped, it does not come.
struct Ordered {
    rung: mpsc::Receiver<()>,
    _cancel: oneshot::Sender<()>,
}

impl Ordered {
    fn at(moment: Ms) -> Option<Self> {
        // Not before it: the crate knows whole seconds.
        let seconds = moment.checked_add(999)?.div_euclid(1_000);
        let line = DateTime::<Utc>::from_timestamp(seconds, 0)?.format("%S %M %H %d %m *").to_string();
        let (ring, rung) = mpsc::channel(1);
        let (cancel, cancelled) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().ok()?;
        let work = move || {
            runtime.block_on(async {
                match order(&line, ring).await {
                    // Kept alive until nobody waits for it any more; told or dropped makes no difference.
                    Ok(scheduler) => drop((cancelled.await, scheduler)),
                    Err(error) => tracing::debug!(%error, line, "no wake-up can be ordered"),
                }
            });
        };
        std::thread::Builder::new().name("schedule".to_owned()).stack_size(512 * 1024).spawn(work).ok()?;
        Some(Self { rung, _cancel: cancel })
    }
}

async fn order(line: &str, ring: mpsc::Sender<()>) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let job = Job::new_async(line, move |_, _| {
        let ring = ring.clone();
        // One that has not been heard yet need not be repeated.
        Box::pin(async move { ring.try_send(()).unwrap_or_default() })
    })?;
    scheduler.add(job).await?;
    scheduler.start().await?;
    Ok(scheduler)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    #[tokio::test]
    async fn a_wakeup_comes_at_its_moment_and_not_before() {
        let moment = SystemClock.now_ms() + 1_200;
        tokio::time::timeout(std::time::Duration::from_secs(10), CronWakeup.at(moment)).await.unwrap();
        assert!(SystemClock.now_ms() >= moment);
    }
}
