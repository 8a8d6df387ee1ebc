//! What the thread that works and the one that attends to signals and the watchdog share: the commands that have come, the
//! work under way, and by when a sign of life is due.
//!
//! The work has the [`Desk`], the attendant has the [`Bell`]. Only the attendant can take commands and speak to the
//! watchdog, and there is no run without an [`UnderWay`], by which it can be stopped and is known to make progress.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::api::ApiError;
use crate::core::planner::step::Step;
use crate::service::signals::{CommandSource, ServiceCommand};
use crate::service::systemd;
use crate::service::watchdog::Heartbeat;
use crate::store::Committed;
use crate::sync::{Observer, Stop, Stopper};

/// How much longer than it should something may take on a busy machine.
const ALLOWANCE: Duration = Duration::from_secs(30);

/// How long applying a changed configuration to a large archive may take.
const TO_PREPARE: Duration = Duration::from_secs(600);

/// How long erasing what retention no longer keeps may take: the file of a large archive is written anew.
pub(super) const TO_ERASE: Duration = Duration::from_secs(1800);

/// The commands that came, however often each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) stop: bool,
    pub(super) run: bool,
    pub(super) reload: bool,
}

impl Received {
    fn add(&mut self, command: ServiceCommand) {
        match command {
            ServiceCommand::Stop => self.stop = true,
            ServiceCommand::Run => self.run = true,
            ServiceCommand::Reload => self.reload = true,
        }
    }
}

/// Both sides of a desk.
pub(super) fn desk() -> (Desk, Bell) {
    let state = DeskState { received: Received::default(), due: Instant::now() + ALLOWANCE, under_way: None };
    let shared = Arc::new(DeskShared { state: Mutex::new(state), news: Notify::new() });
    (Desk(Arc::clone(&shared)), Bell(shared))
}

#[derive(Debug)]
struct DeskShared {
    state: Mutex<DeskState>,
    /// A command has come.
    news: Notify,
}

#[derive(Debug)]
struct DeskState {
    received: Received,
    /// By when the work must show that it is alive.
    due: Instant,
    under_way: Option<Stoppable>,
}

/// Work that can be asked to end.
#[derive(Debug)]
struct Stoppable {
    /// How long an answer that is paid for may take to come.
    longest: Duration,
    stopper: Stopper,
    /// Asks it to begin nothing more, whatever the command is.
    hurry: Option<Stopper>,
}

impl DeskShared {
    /// Held for moments, and by nobody who could fail meanwhile.
    fn state(&self) -> MutexGuard<'_, DeskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The side of the thread that works.
#[derive(Debug)]
pub(super) struct Desk(Arc<DeskShared>);

impl Desk {
    /// Waits for commands, and takes them. Cancel safe: nothing is lost when this is dropped before it is done.
    pub(super) async fn received(&self) -> Received {
        loop {
            let received = self.take_received();
            if received != Received::default() {
                return received;
            }
            self.0.news.notified().await;
        }
    }

    /// Takes what has come.
    pub(super) fn take_received(&self) -> Received {
        std::mem::take(&mut self.0.state().received)
    }

    /// What comes next takes so long at most, be it work or a wait.
    pub(super) fn expect_within(&self, longest: Duration) {
        self.0.state().due = Instant::now() + longest + ALLOWANCE;
    }

    /// Work begins whose requests take so long at most, the wait for their turn included.
    pub(super) fn begin(&self, longest: Duration) -> UnderWay {
        self.begin_with(longest, None)
    }

    /// The same, for work that any command cuts short.
    pub(super) fn begin_hurried(&self, longest: Duration) -> UnderWay {
        self.begin_with(longest, Some(Stopper::new()))
    }

    fn begin_with(&self, longest: Duration, hurry: Option<(Stopper, Stop)>) -> UnderWay {
        // Before its first request a run asks for the balance, twice at most, and applies a changed configuration.
        self.expect_within(longest.saturating_mul(2).saturating_add(TO_PREPARE));
        let (stopper, stop) = Stopper::new();
        let (hurrier, hurry) = hurry.unzip();
        let mut state = self.0.state();
        // What came a moment ago is about this, too.
        if state.received.stop {
            stopper.stop();
        }
        if state.received != Received::default()
            && let Some(hurry) = &hurrier
        {
            hurry.stop();
        }
        state.under_way = Some(Stoppable { longest, stopper, hurry: hurrier });
        drop(state);
        UnderWay { shared: Arc::clone(&self.0), longest, hurry: hurry.unwrap_or_else(|| stop.clone()), stop }
    }
}

/// Work that the attendant knows of: it can be asked to end, and shows that it makes progress.
#[derive(Debug)]
pub(super) struct UnderWay {
    shared: Arc<DeskShared>,
    longest: Duration,
    stop: Stop,
    hurry: Stop,
}

impl UnderWay {
    /// Tells it to stop.
    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Tells it to begin nothing more.
    pub(super) fn hurry(&self) -> &Stop {
        &self.hurry
    }

    /// The next step may take so long, and some more on a busy machine. What was granted to others that are under way stays
    /// granted.
    pub(super) fn extend(&self, within: Duration) {
        let mut state = self.shared.state();
        state.due = state.due.max(Instant::now() + within + ALLOWANCE);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.under_way = None;
        state.due = Instant::now() + ALLOWANCE;
    }
}

impl Observer for &UnderWay {
    /// The preparations are over, and what was granted to them ends.
    fn begin(&mut self, _: Option<u32>) {
        self.shared.state().due = Instant::now() + ALLOWANCE;
    }

    fn asking(&mut self, _: &Step) {
        self.extend(self.longest);
    }

    fn stored(&mut self, _: &Step, _: &Committed, _: u32) {
        self.extend(Duration::ZERO);
    }

    fn failed(&mut self, _: &Step, _: &ApiError, again_after: Option<Duration>) {
        self.extend(again_after.unwrap_or_default());
    }
}

/// The attendant's side.
#[derive(Debug)]
pub(super) struct Bell(Arc<DeskShared>);

impl Bell {
    /// Takes commands, and tells the watchdog that the service is alive for as long as the work shows it.
    pub(super) async fn attend(
        self,
        mut commands: impl CommandSource,
        mut heartbeat: Heartbeat,
        mut beat: impl FnMut(),
    ) {
        loop {
            tokio::select! {
                biased;
                command = commands.next() => self.take(command),
                () = heartbeat.tick() => if self.is_alive() { beat() },
            }
        }
    }

    fn take(&self, command: ServiceCommand) {
        let mut state = self.0.state();
        state.received.add(command);
        if command == ServiceCommand::Stop {
            match &state.under_way {
                Some(work) => {
                    tracing::info!("stopping after the current page; asked again, at once");
                    systemd::stopping(work.longest);
                    work.stopper.stop();
                }
                None => systemd::stopping(Duration::ZERO),
            }
        }
        if let Some(hurry) = state.under_way.as_ref().and_then(|work| work.hurry.as_ref()) {
            hurry.stop();
        }
        drop(state);
        self.0.news.notify_one();
    }

    fn is_alive(&self) -> bool {
        Instant::now() <= self.0.state().due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::pending;

    /// No command ever.
    struct Silence;

    impl CommandSource for Silence {
        async fn next(&mut self) -> ServiceCommand {
            pending().await
        }
    }

    /// Lets so many seconds pass. Whether the watchdog has heard within the last two of them.
    async fn is_heard(beat: &Cell<Instant>, secs: u64) -> bool {
        tokio::time::sleep(Duration::from_secs(secs)).await;
        beat.get().elapsed() <= Duration::from_secs(2)
    }

    /// Lets so many seconds pass. Whether the watchdog has heard nothing in all of them.
    async fn is_silent_for(beat: &Cell<Instant>, secs: u64) -> bool {
        tokio::time::sleep(Duration::from_secs(secs)).await;
        beat.get().elapsed() >= Duration::from_secs(secs)
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_hears_no_more_of_work_that_shows_no_progress() {
        let (desk, bell) = desk();
        let beat = Cell::new(Instant::now());
        let heartbeat = Heartbeat::every(Some(Duration::from_secs(1)));
        let attending = bell.attend(Silence, heartbeat, || beat.set(Instant::now()));
        let working = async {
            desk.expect_within(Duration::from_secs(60));
            assert!(is_heard(&beat, 89).await, "it waits for what it was known to wait for");
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert!(is_silent_for(&beat, 600).await, "it should have been back");
            let work = desk.begin(Duration::from_secs(300));
            assert!(is_heard(&beat, 1_200).await, "it prepares");
            (&work).begin(None);
            work.extend(Duration::from_secs(100));
            assert!(is_heard(&beat, 129).await, "it waits before it tries again");
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert!(is_silent_for(&beat, 600).await, "it hangs");
            (&work).begin(None);
            assert!(is_heard(&beat, 10).await, "it went on");
        };
        tokio::select! { () = attending => {}, () = working => {} }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_run_was_granted_ends_with_it() {
        let (desk, bell) = desk();
        let run = desk.begin(Duration::ZERO);
        run.extend(Duration::from_secs(10_000));
        tokio::time::advance(Duration::from_secs(9_000)).await;
        assert!(bell.is_alive());
        drop(run);
        tokio::time::advance(ALLOWANCE + Duration::from_secs(1)).await;
        assert!(!bell.is_alive());
    }

    #[tokio::test]
    async fn a_stop_that_came_just_before_work_stops_it() {
        let (desk, bell) = desk();
        bell.take(ServiceCommand::Stop);
        assert!(desk.begin(Duration::ZERO).stop().requested());
        bell.take(ServiceCommand::Reload);
        assert!(desk.begin_hurried(Duration::ZERO).hurry().requested());
        let all = Received { stop: true, run: false, reload: true };
        assert_eq!((desk.received().await, desk.take_received()), (all, Received::default()));
    }
}
