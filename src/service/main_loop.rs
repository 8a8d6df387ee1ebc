//! The loop of the service.

use crate::app::runtime;
use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::api::{ExitClass, Rate};
use crate::app::Context;
use crate::app::metrics;
use crate::app::metrics::Snapshot;
use crate::app::parked::parked;
use crate::app::wiring;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{ApiVersion, Config};
use crate::core::Ms;
use crate::core::format::iso_utc;
use crate::core::planner::backoff::Backoff;
use crate::core::schedule::{Agenda, Decision};
use crate::error::Failure;
use crate::service::alerts;
use crate::service::signals::{Signals, Wish};
use crate::service::supervisor::{Attendant, Wishes, tick};
use crate::service::systemd::Manager;
use crate::service::wakeup::Call;
use crate::service::watchdog::Pulse;
use crate::store::{AttentionRow, Outcome, Store, StoreError, Trigger};
use crate::sync::{self, GRACE, Reception, Report, Stopper};

/// The clock is looked at as often as this, in case it was set or the machine slept.
const LOOK_AT_THE_CLOCK: Duration = Duration::from_secs(60);
/// So long before a slot its call is ordered.
const LEAD_MS: Ms = 3_000;
/// So long after a slot it is looked at even without a call.
const WITHOUT_A_CALL: Duration = Duration::from_secs(1);

/// Serves until it is told to stop.
///
/// # Errors
/// A configuration that cannot be used, or an archive that fails.
pub fn serve(context: &Context) -> Result<(), Failure> {
    let config = context.config_with_secrets(None)?;
    runtime()?.block_on(async {
        // From here on no signal that this program takes ends it otherwise.
        let signals =
            Signals::new().map_err(|error| Failure::Machine(format!("signals cannot be caught: {error}")))?;
        // What would fail at each run fails now.
        drop(wiring::api(&config)?);
        let path = config.archive.path.clone();
        let store = Store::open(&path).map_err(|e| wiring::archive_failure(&path, e))?;
        store.sign_as_service().map_err(|e| wiring::archive_failure(&path, e))?;
        let mut service = Service::new(context, config, store, signals)?;
        let end = service.live().await;
        service.manager.stopping();
        let told = service.let_messengers_go().await.map_err(|e| wiring::archive_failure(&path, e));
        let closed = service.store.close().map_err(|e| wiring::archive_failure(&path, e));
        tracing::info!("the service ended");
        end.and(told).and(closed)
    })
}

struct Service<'a> {
    context: &'a Context,
    config: Config,
    store: Store,
    signals: Signals,
    manager: Manager,
    watchdog: Option<Interval>,
    agenda: Agenda,
    /// Runs in a row that found the API down, and before when none is scheduled because of it.
    down: (u32, Option<Instant>),
    /// The configuration was read again: what was refused is tried once more.
    forgiving: bool,
    /// Why the last scheduled run was not made, so that it is said once.
    held_back: Option<String>,
    /// When events were last read.
    events_read: Option<Instant>,
    /// What all runs together may ask in a minute.
    rate: Rate,
    /// Attention commands that are running, and what they tell.
    messengers: Vec<(JoinHandle<()>, Vec<AttentionRow>)>,
}

/// What ends a wait.
enum Event {
    Wish(Wish),
    Time,
}

impl<'a> Service<'a> {
    fn new(context: &'a Context, config: Config, store: Store, signals: Signals) -> Result<Self, Failure> {
        let manager = Manager::of(&context.env);
        let watchdog = manager.sign_of_life_every().map(|every| {
            let mut interval = tokio::time::interval(every);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        let rate = Rate::new(config.api.requests_per_minute);
        let agenda = Agenda::new(config.schedule.slots.clone(), SystemClock.now_ms());
        Ok(Self {
            context,
            config,
            store,
            signals,
            manager,
            watchdog,
            agenda,
            down: (0, None),
            forgiving: false,
            held_back: None,
            events_read: None,
            rate,
            messengers: Vec::new(),
        })
    }

    /// Gives attention commands that have just been started a moment. What they were to tell is news again when they
    /// do not end in it.
    async fn let_messengers_go(&mut self) -> Result<(), StoreError> {
        let until = Instant::now() + GRACE;
        for (messenger, rows) in std::mem::take(&mut self.messengers) {
            if tokio::time::timeout_at(until, messenger).await.is_err() {
                tracing::warn!("the attention command was cut short by the stop: it will be run again");
                rows.iter().try_for_each(|row| self.store.untold(row))?;
            }
        }
        Ok(())
    }

    async fn live(&mut self) -> Result<(), Failure> {
        let slots = &self.config.schedule.slots;
        tracing::info!(
            archive = %self.config.archive.path.display(),
            cron = slots.line(),
            timezone = slots.zone().name(),
            "the service began"
        );
        let now = SystemClock.now_ms();
        self.agenda.followed(now, self.chance_delay());
        let starts = self.config.schedule.run_at_start && self.may_run(now)?;
        let mut wanted = starts.then_some(Trigger::Start);
        self.tell_figures();
        self.manager.ready(&self.status_line());
        loop {
            if let Some(trigger) = wanted.take() {
                let wishes = self.run(trigger).await?;
                if self.ends(wishes) {
                    return Ok(());
                }
                wanted = wishes.run.then_some(Trigger::Once);
                continue;
            }
            let now = SystemClock.now_ms();
            match self.agenda.decide(now) {
                Decision::Due => {
                    self.agenda.followed(now, self.chance_delay());
                    wanted = self.may_run(now)?.then_some(Trigger::Schedule);
                }
                Decision::Wait(until) => match self.wait(now, until).await {
                    Event::Wish(Wish::Stop) => return Ok(()),
                    Event::Wish(Wish::Reload) => self.reload(),
                    Event::Wish(Wish::Run) => wanted = Some(Trigger::Once),
                    Event::Time if self.events_due() => {
                        let (news, wishes) = self.read_events().await?;
                        if self.ends(wishes) {
                            return Ok(());
                        }
                        wanted = wishes.run.then_some(Trigger::Once);
                        if wanted.is_none() && news && self.may_run(now)? {
                            wanted = Some(Trigger::Schedule);
                        }
                    }
                    Event::Time => {}
                },
            }
        }
    }

    /// Does what was wished for while something else was done, but for a run. True when the service is to end.
    fn ends(&mut self, wishes: Wishes) -> bool {
        if wishes.reload && !wishes.stop {
            self.reload();
        }
        wishes.stop
    }

    /// Waits until something happens, at the longest until it is time to look at the clock.
    async fn wait(&mut self, now: Ms, until: Ms) -> Event {
        let left = until.saturating_sub(now).max(0);
        let (mut call, longest) = match left {
            0..=LEAD_MS => (Call::at(until), duration(left) + WITHOUT_A_CALL),
            _ => (None, duration(left - LEAD_MS + 1).min(self.longest_wait())),
        };
        let called = async {
            match &mut call {
                Some(call) => call.wait().await,
                None => std::future::pending().await,
            }
        };
        let (mut called, over) = (std::pin::pin!(called), tokio::time::sleep(longest));
        let mut over = std::pin::pin!(over);
        loop {
            tokio::select! {
                biased;
                wish = self.signals.next() => return Event::Wish(wish),
                () = &mut called => return Event::Time,
                () = &mut over => return Event::Time,
                () = tick(&mut self.watchdog) => self.manager.sign_of_life(),
            }
        }
    }

    /// How long the service sleeps at most.
    fn longest_wait(&self) -> Duration {
        match self.watches() {
            true => LOOK_AT_THE_CLOCK.min(self.config.events.poll),
            false => LOOK_AT_THE_CLOCK,
        }
    }

    /// Whether events are read at all: v1 has none.
    fn watches(&self) -> bool {
        self.config.events.enabled && self.config.api.version == ApiVersion::V2
    }

    fn events_due(&self) -> bool {
        self.watches()
            && !self.is_down()
            && self.events_read.is_none_or(|read| read.elapsed() >= self.config.events.poll)
    }

    /// Reads the accounts' events. Returns whether there is anything to fetch, and what was wished for meanwhile.
    async fn read_events(&mut self) -> Result<(bool, Wishes), Failure> {
        self.events_read = Some(Instant::now());
        self.refresh_secrets();
        let path = self.config.archive.path.clone();
        let failed = |e: StoreError| wiring::archive_failure(&path, e);
        let mut settings = wiring::settings(&self.config, Trigger::Schedule, Vec::new());
        settings.parked = self.parked().map_err(failed)?;
        let api = wiring::api_at(&self.config, &self.rate)?;
        let request = self.longest_request();
        let pulse = Pulse::new(request);
        pulse.expect(request.saturating_mul(u32::try_from(2 * settings.accounts.len()).unwrap_or(u32::MAX)));
        let ((stopper, stop), (hurrier, hurry)) = (Stopper::new(), Stopper::new());
        let attendant = Attendant {
            signals: &mut self.signals,
            manager: &self.manager,
            watchdog: &mut self.watchdog,
            pulse: &pulse,
            stopper,
            hurry: Some(hurrier),
        };
        let poll = sync::watch::poll(&mut self.store, &api, &settings, &SystemClock, (&hurry, &stop));
        let (polled, wishes) = attendant.during(poll).await;
        let polled = polled.map_err(|e| wiring::run_failure(&path, e))?;
        self.tell(&polled.reception)?;
        Ok((polled.news, wishes))
    }

    /// Makes one run. Returns what was wished for meanwhile.
    async fn run(&mut self, trigger: Trigger) -> Result<Wishes, Failure> {
        self.refresh_secrets();
        let path = self.config.archive.path.clone();
        let failed = |e: StoreError| wiring::archive_failure(&path, e);
        let forgiven = std::mem::take(&mut self.forgiving);
        let by_hand = trigger == Trigger::Once || forgiven;
        let mut settings = wiring::settings(&self.config, trigger, Vec::new());
        if !by_hand {
            settings.parked = self.parked().map_err(failed)?;
        }
        settings.probe = self.down.0 > 0;
        let api = wiring::api_at(&self.config, &self.rate)?;
        self.held_back = None;
        self.manager.status(&format!("Syncing since {}", iso_utc(SystemClock.now_ms())));
        let pulse = Pulse::new(self.longest_request());
        let (mut watcher, (stopper, stop)) = (&pulse, Stopper::new());
        let attendant = Attendant {
            signals: &mut self.signals,
            manager: &self.manager,
            watchdog: &mut self.watchdog,
            pulse: &pulse,
            stopper,
            hurry: None,
        };
        let run = sync::run(&mut self.store, &api, &SystemClock, &settings, &stop, &mut watcher);
        let (report, wishes) = attendant.during(run).await;
        drop(api);
        self.after(&report.map_err(|e| wiring::run_failure(&path, e))?)?;
        Ok(wishes)
    }

    /// How long a request may take, with the wait for its turn: a minute that is full may have to pass.
    fn longest_request(&self) -> Duration {
        self.config.api.timeout + Duration::from_secs(60)
    }

    /// After a run: what needs a person is told, figures are written, memory is given back.
    fn after(&mut self, report: &Report) -> Result<(), Failure> {
        self.tell(&report.reception)?;
        self.down = match (report.outcome, report.worst) {
            (Outcome::Failed, Some(ExitClass::Unavailable)) if report.reception.silent() => {
                let times = self.down.0.saturating_add(1);
                let backoff: Backoff = self.config.api.backoff;
                let wait = backoff.wait(times, false, None, fastrand::f64());
                tracing::warn!(
                    times,
                    wait_secs = wait.as_secs(),
                    "the API is down; the next scheduled run tries one small request"
                );
                (times, Instant::now().checked_add(wait))
            }
            _ => (0, None),
        };
        let path = &self.config.archive.path;
        self.store.rest().map_err(|e| wiring::archive_failure(path, e))?;
        self.tell_figures();
        self.manager.status(&self.status_line());
        Ok(())
    }

    /// Notes what needs a person, and has it told.
    fn tell(&mut self, reception: &Reception) -> Result<(), Failure> {
        let news = alerts::note(&mut self.store, &self.config, reception, SystemClock.now_ms());
        let news = news.map_err(|e| wiring::archive_failure(&self.config.archive.path, e))?;
        self.send(news);
        Ok(())
    }

    /// Runs the attention command for these. It may take its time: the service does not wait for it.
    fn send(&mut self, rows: Vec<AttentionRow>) {
        if rows.is_empty() {
            return;
        }
        let (command, env) = (self.config.attention.command.clone(), self.context.env.clone());
        self.messengers.retain(|(messenger, _)| !messenger.is_finished());
        let told = rows.clone();
        self.messengers.push((tokio::spawn(async move { alerts::tell(command, &env, rows).await }), told));
    }

    /// Whether the API was down so short a time ago that it is left alone.
    fn is_down(&self) -> bool {
        self.down.1.is_some_and(|until| Instant::now() < until)
    }

    /// Whether a scheduled run can do anything.
    fn may_run(&mut self, now: Ms) -> Result<bool, Failure> {
        let path = self.config.archive.path.clone();
        let failed = |e: StoreError| wiring::archive_failure(&path, e);
        let closed = metrics::closed(&self.store.summary(), &self.config, now).map_err(failed)?;
        let reason = if let Some(closed) = closed {
            Some(closed.words(iso_utc))
        } else if self.is_down() {
            tracing::debug!("the API was down a moment ago");
            return Ok(false);
        } else {
            self.refresh_secrets();
            let parked = self.parked().map_err(failed)?;
            (parked.len() == self.config.accounts.len() && !self.forgiving)
                .then(|| "every account needs attention: see `archiver status`".to_owned())
        };
        if let Some(reason) = &reason
            && self.held_back.as_ref() != Some(reason)
        {
            tracing::warn!("no run: {reason}");
            self.manager.status(&format!("Waiting: {reason}"));
        }
        self.held_back = reason;
        self.tell_figures();
        Ok(self.held_back.is_none())
    }

    /// Reads the configuration again; one that cannot be used is refused, and the old one kept.
    fn reload(&mut self) {
        self.manager.reloading();
        match self.read_again() {
            Ok(config) => {
                for warning in &config.warnings {
                    tracing::warn!("{warning}");
                }
                // A slot of the same schedule that is due, or was missed meanwhile, still is.
                if config.schedule.slots != self.config.schedule.slots {
                    let now = SystemClock.now_ms();
                    self.agenda.follow(config.schedule.slots.clone(), now);
                    self.agenda.followed(now, self.chance_delay());
                }
                self.rate.limit(config.api.requests_per_minute);
                self.config = config;
                self.forgiving = true;
                self.down = (0, None);
                tracing::info!(cron = self.config.schedule.slots.line(), "the configuration was read again");
            }
            Err(failure) => {
                for line in failure.to_string().lines().filter(|line| !line.trim().is_empty()) {
                    tracing::error!("the new configuration is refused: {}", line.trim());
                }
                tracing::error!("the service goes on with the configuration that it has");
            }
        }
        self.manager.ready(&self.status_line());
    }

    fn read_again(&self) -> Result<Config, Failure> {
        let mut config = self.context.config(None)?;
        config.load_secrets()?;
        drop(wiring::api(&config)?);
        if config.archive.path != self.config.archive.path {
            return Err(Failure::Usage {
                message: "archive.path: another archive takes a restart".into(),
                help: "restart the service".into(),
            });
        }
        Ok(config)
    }

    /// Takes over keys and tokens whose files have changed.
    fn refresh_secrets(&mut self) {
        let warnings = self.config.warnings.len();
        if let Err(error) = self.config.load_secrets() {
            tracing::warn!("a secret cannot be read, the one before is used: {error}");
        }
        self.config.warnings.truncate(warnings);
    }

    fn parked(&self) -> Result<BTreeSet<usize>, StoreError> {
        Ok(parked(&self.store.summary().attention()?, &self.config))
    }

    fn chance_delay(&self) -> Ms {
        let most = self.config.schedule.jitter.mul_f64(fastrand::f64());
        Ms::try_from(most.as_millis()).unwrap_or_default()
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let now = SystemClock.now_ms();
        let snapshot = Snapshot::take(&self.store.summary(), &self.config, now)?;
        let mut agenda = self.agenda.clone();
        let next_run = match (&snapshot.closed, agenda.decide(now)) {
            (Some(closed), _) => closed.goes_on_ms,
            (None, Decision::Due) => Some(now),
            (None, Decision::Wait(until)) => Some(until).filter(|until| *until < Ms::MAX),
        };
        Ok(Snapshot { next_run, ..snapshot })
    }

    /// Writes the file for the monitoring system.
    fn tell_figures(&self) {
        metrics::tell(&self.config, || self.snapshot());
    }

    /// What `systemctl status` shows.
    fn status_line(&self) -> String {
        let Ok(snapshot) = self.snapshot() else { return "The archive cannot be read".to_owned() };
        let run = snapshot.last_run.as_ref().map_or_else(
            || "no run yet".to_owned(),
            |run| {
                let outcome = run.outcome.as_deref().unwrap_or("cut short");
                format!("last run {outcome} at {}", iso_utc(run.finished_ms.unwrap_or(run.started_ms)))
            },
        );
        let horizon = snapshot.horizon.map_or_else(
            || "something recent may be missing".to_owned(),
            |at| format!("nothing is missing since {}", iso_utc(at)),
        );
        let attention = match snapshot.figures.attention.len() {
            0 => String::new(),
            _ => "; NEEDS ATTENTION, see `archiver status`".to_owned(),
        };
        let next = snapshot.next_run.map_or_else(String::new, |at| format!("; next run {}", iso_utc(at)));
        format!("Idle: {run}; {horizon}{next}{attention}")
    }
}

fn duration(ms: Ms) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}
