//! The loop of the service: it waits for its schedule and for commands, and makes one run at a time.
//!
//! Timers and signals only wake it. What is due is worked out anew each time, from the schedule and the clock.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::core::Ms;
use crate::core::schedule::{Agenda, Decision, Schedule};
use crate::error::Failure;
use crate::service::desk::{Desk, Received, UnderWay};
use crate::service::systemd;
use crate::service::wakeup::Wakeup;
use crate::store::Trigger;

/// The clock is looked at as often as this, in case it was set or the machine slept.
const LOOK_AT_THE_CLOCK: Duration = Duration::from_secs(60);
/// The wake-up for a slot is ordered so long before it.
const LEAD_MS: Ms = 3_000;
/// A slot whose wake-up does not come is looked at so long after it.
const WITHOUT_WAKEUP: Duration = Duration::from_secs(1);

/// What the loop does when it is time: the archive, the API and the configuration are behind it.
pub(super) trait Work {
    /// When runs are due.
    fn schedule(&self) -> &Schedule;

    /// How much later than scheduled the next run begins.
    fn start_delay(&self) -> Ms;

    /// Whether to sync when the service starts, too.
    fn runs_at_start(&self, now: Ms) -> Result<bool, Failure>;

    /// After how long the last run is made up for, if not by the next slot.
    fn again_after(&self, now: Ms) -> Result<Option<Duration>, Failure>;

    /// How often events are read; `None` while they are not.
    fn event_interval(&self) -> Option<Duration>;

    /// How long a request may take, the wait for its turn included.
    fn longest_request(&self) -> Duration;

    /// Whether a scheduled run can do anything.
    fn may_run(&mut self, now: Ms) -> Result<bool, Failure>;

    /// Makes one run, which ends early when a stop is asked for.
    async fn sync(&mut self, trigger: Trigger, under_way: &UnderWay) -> Result<(), Failure>;

    /// Reads the accounts' events. Returns whether there is anything to fetch. A hurry ends it before the next request.
    async fn read_events(&mut self, under_way: &UnderWay) -> Result<bool, Failure>;

    /// Reads the configuration again; one that cannot be used is refused and the old one kept.
    fn reload(&mut self);

    /// Writes the metrics. Returns the line that `systemctl status` shows.
    fn publish(&self, next_slot: Option<Ms>) -> String;
}

/// The loop, and what it listens to.
pub(super) struct MainLoop<W, C, A> {
    work: W,
    desk: Desk,
    clock: C,
    wakeup: A,
    agenda: Agenda,
    /// When the last run is made up for.
    again: Option<Instant>,
    /// When events were last read.
    events_read: Option<Instant>,
}

/// What comes next.
enum Action {
    Stop,
    Run(Trigger),
    Wait,
}

/// What ends a wait.
enum Woken {
    ByCommand(Received),
    ByTime,
}

impl<W: Work, C: Clock, A: Wakeup> MainLoop<W, C, A> {
    pub(super) fn new(work: W, desk: Desk, clock: C, wakeup: A) -> Self {
        let agenda = Agenda::new(work.schedule().clone(), clock.now_ms());
        Self { work, desk, clock, wakeup, agenda, again: None, events_read: None }
    }

    pub(super) fn into_work(self) -> W {
        self.work
    }

    /// Serves until a command to stop comes.
    ///
    /// # Errors
    /// An archive that fails, or an API client that cannot be built.
    pub(super) async fn run(&mut self) -> Result<(), Failure> {
        let now = self.clock.now_ms();
        self.agenda.followed(now, self.work.start_delay());
        self.look_for_another_try()?;
        let starts = self.work.runs_at_start(now)? && self.work.may_run(now)?;
        let mut due = starts.then_some(Trigger::Start);
        systemd::ready(&self.publish());
        loop {
            let next = match due.take() {
                Some(trigger) => self.sync(trigger).await?,
                None => self.idle().await?,
            };
            match next {
                Action::Stop => return Ok(()),
                Action::Run(trigger) => due = Some(trigger),
                Action::Wait => {}
            }
        }
    }

    /// Waits once, for whatever comes first, and decides what follows from it.
    async fn idle(&mut self) -> Result<Action, Failure> {
        let now = self.clock.now_ms();
        let until = match self.agenda.decide(now) {
            Decision::Due => {
                self.agenda.followed(now, self.work.start_delay());
                return self.scheduled_run();
            }
            Decision::Wait(until) => until,
        };
        let until = match self.again.map(|again| again.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => {
                self.again = None;
                return self.scheduled_run();
            }
            Some(left) => until.min(now.saturating_add(ms(left))),
            None => until,
        };
        match self.wait(now, until).await {
            Woken::ByCommand(received) => Ok(self.obey(received)),
            Woken::ByTime if self.events_are_due() => self.read_events().await,
            Woken::ByTime => Ok(Action::Wait),
        }
    }

    /// A run of the schedule, where one can do anything.
    fn scheduled_run(&mut self) -> Result<Action, Failure> {
        let may_run = self.work.may_run(self.clock.now_ms())?;
        if may_run {
            return Ok(Action::Run(Trigger::Schedule));
        }
        self.publish();
        Ok(Action::Wait)
    }

    /// Waits until something happens, at the longest until it is time to look at the clock.
    async fn wait(&mut self, now: Ms, until: Ms) -> Woken {
        let left = until.saturating_sub(now).max(0);
        let soon = left <= LEAD_MS;
        let longest = match soon {
            true => duration(left) + WITHOUT_WAKEUP,
            false => duration(left - LEAD_MS + 1)
                .min(LOOK_AT_THE_CLOCK)
                .min(self.work.event_interval().unwrap_or(LOOK_AT_THE_CLOCK)),
        };
        let wakeup = async {
            match soon {
                true => self.wakeup.at(until).await,
                false => std::future::pending().await,
            }
        };
        self.desk.expect_within(longest);
        tokio::select! {
            biased;
            received = self.desk.received() => Woken::ByCommand(received),
            () = wakeup => Woken::ByTime,
            () = tokio::time::sleep(longest) => Woken::ByTime,
        }
    }

    /// Does what was asked for meanwhile. Several requests for a run are one run.
    fn obey(&mut self, received: Received) -> Action {
        if received.stop {
            return Action::Stop;
        }
        if received.reload {
            self.reload();
        }
        if received.run { Action::Run(Trigger::Once) } else { Action::Wait }
    }

    fn reload(&mut self) {
        systemd::reloading();
        self.work.reload();
        // A slot of the same schedule that is due, or was missed meanwhile, still is.
        if self.agenda.schedule() != self.work.schedule() {
            let now = self.clock.now_ms();
            self.agenda.follow(self.work.schedule().clone(), now);
            self.agenda.followed(now, self.work.start_delay());
        }
        systemd::ready(&self.publish());
    }

    async fn sync(&mut self, trigger: Trigger) -> Result<Action, Failure> {
        let under_way = self.desk.begin(self.work.longest_request());
        self.work.sync(trigger, &under_way).await?;
        drop(under_way);
        self.look_for_another_try()?;
        systemd::status(&self.publish());
        Ok(self.obey(self.desk.take_received()))
    }

    fn look_for_another_try(&mut self) -> Result<(), Failure> {
        let after = self.work.again_after(self.clock.now_ms())?;
        self.again = after.and_then(|after| Instant::now().checked_add(after));
        Ok(())
    }

    fn events_are_due(&self) -> bool {
        let due = |interval| self.events_read.is_none_or(|read| read.elapsed() >= interval);
        self.work.event_interval().is_some_and(due)
    }

    async fn read_events(&mut self) -> Result<Action, Failure> {
        self.events_read = Some(Instant::now());
        let under_way = self.desk.begin_hurried(self.work.longest_request());
        let news = self.work.read_events(&under_way).await?;
        drop(under_way);
        match self.obey(self.desk.take_received()) {
            Action::Wait if news => self.scheduled_run(),
            next => Ok(next),
        }
    }

    /// Writes the metrics. Returns the line that `systemctl status` shows.
    fn publish(&self) -> String {
        let now = self.clock.now_ms();
        let next_slot = match self.agenda.clone().decide(now) {
            Decision::Due => now,
            Decision::Wait(until) => until,
        };
        let again = self.again.map(|again| ms(again.saturating_duration_since(Instant::now())));
        let next_run = again.map_or(next_slot, |left| next_slot.min(now.saturating_add(left)));
        let next_slot = Some(next_run).filter(|at| *at < Ms::MAX);
        self.work.publish(next_slot)
    }
}

/// At least so long.
fn ms(duration: Duration) -> Ms {
    Ms::try_from(duration.as_millis()).unwrap_or(Ms::MAX).saturating_add(1)
}

fn duration(ms: Ms) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}

#[cfg(test)]
#[path = "main_loop_tests.rs"]
mod tests;
