//! What the service does when it is time: runs, polls of events, reloads, alerts and metrics.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::api::{Api as _, ExitClass, Rate};
use crate::app::census;
#[cfg(feature = "lake")]
use crate::app::lake::LakePusher;
use crate::app::metrics::{self, Metrics};
use crate::app::parked::parked;
use crate::app::retention;
use crate::app::{Context, wiring};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::Ms;
use crate::core::format::iso_utc;
use crate::core::planner::backoff::Backoff;
use crate::core::schedule::Schedule;
use crate::error::Failure;
use crate::notify::{self, Notifier};
use crate::service::alerts::{self, AlertCommands, Notice};
use crate::service::archive_failures::ArchiveFailures;
use crate::service::desk::{TO_ERASE, UnderWay};
use crate::service::main_loop::Work;
use crate::service::ping::RunPing;
use crate::service::systemd;
use crate::store::{Outcome, Store, StoreError, Trigger, is_blind};
use crate::sync::watch::{self, Unended};
use crate::sync::{self, Report, RunError};

/// The longest that a request may have to wait for its turn: a minute that is full may have to pass.
const LONGEST_TURN: Duration = Duration::from_secs(60);
/// How long the service waits for the ping that tells of its own end.
const LAST_PING: Duration = Duration::from_secs(5);
/// The longest wait before a run that found the API down for nothing is made again.
const LONGEST_FREE: Duration = Duration::from_secs(30 * 60);
/// The first and the longest wait before one that cost something is.
const CATCH_UP: Duration = Duration::from_secs(60 * 60);
const LONGEST_CATCH_UP: Duration = Duration::from_secs(24 * 60 * 60);

/// The configuration, the archive and the API of a service.
pub(super) struct Worker<'a> {
    context: &'a Context,
    config: Config,
    store: Store,
    /// What all runs together may ask in a minute.
    rate: Rate,
    outage: Outage,
    /// The configuration was read again: parked accounts are tried once more.
    forgiving: bool,
    /// Why the last scheduled run was not made, so that it is logged once.
    held_back: Option<String>,
    /// Watches of accounts that are to end and have not.
    unended: Unended,
    alert_commands: AlertCommands,
    archive_failures: ArchiveFailures,
    /// The last ping about the last run, which may be under way.
    telling: Option<JoinHandle<()>>,
    notifier: Notifier,
    #[cfg(feature = "lake")]
    lake: LakePusher,
}

/// How long the API has been down, and when it is asked again.
#[derive(Debug, Default)]
struct Outage {
    /// Runs in a row that found it down.
    runs: u32,
    /// No run is scheduled before this because of it.
    until: Option<Instant>,
    /// When a slot that failed is made up for, if not by the next one.
    again: Option<Instant>,
}

impl Outage {
    fn is_fresh(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// After a run that found the API down.
    fn of(runs: u32, free: bool, backoff: &Backoff) -> Self {
        let wait = backoff.wait(runs, false, None, fastrand::f64());
        let doubled = |first: Duration, longest: Duration| {
            first.saturating_mul(1 << runs.saturating_sub(1).min(20)).min(longest)
        };
        // What costs nothing is tried again and again; what costs is made up for ever more seldom.
        let again =
            if free { doubled(backoff.base, LONGEST_FREE) } else { doubled(CATCH_UP, LONGEST_CATCH_UP) };
        let after = |wait| Instant::now().checked_add(wait);
        Self { runs, until: after(wait), again: after(again.max(wait)) }
    }
}

impl<'a> Worker<'a> {
    /// # Errors
    /// When the archive cannot be read, which says how the runs before ended.
    pub(super) fn new(context: &'a Context, config: Config, store: Store) -> Result<Self, Failure> {
        let archive_failures = ArchiveFailures::of(&context.env, &config.archive.path);
        let mut worker = Self {
            context,
            rate: Rate::new(config.api.requests_per_minute),
            config,
            store,
            outage: Outage::default(),
            forgiving: false,
            held_back: None,
            unended: Unended::default(),
            alert_commands: AlertCommands::default(),
            archive_failures,
            telling: None,
            notifier: Notifier::default(),
            #[cfg(feature = "lake")]
            lake: LakePusher::default(),
        };
        worker.outage = worker.remembered_outage()?;
        worker.notify()?;
        Ok(worker)
    }

    /// The outage that runs of an earlier process have met, so that a restart asks no more often than the service does.
    fn remembered_outage(&self) -> Result<Outage, Failure> {
        let failed = self.store.failed_runs().map_err(|error| self.failed(error))?;
        let refused = self.store.queries().alerts().map_err(|error| self.failed(error))?;
        // What needs a person is left alone by another rule.
        let Some(last) = failed.first().filter(|_| refused.is_empty()) else { return Ok(Outage::default()) };
        let runs = u32::try_from(failed.len()).unwrap_or(u32::MAX);
        let mut outage = Outage::of(runs, last.credits == 0, &self.config.api.backoff());
        let ago = SystemClock.now_ms().saturating_sub(last.finished_ms);
        let ago = Duration::from_millis(u64::try_from(ago).unwrap_or_default());
        for moment in [&mut outage.until, &mut outage.again].into_iter().flatten() {
            *moment = moment.checked_sub(ago).unwrap_or(*moment);
        }
        Ok(outage)
    }

    /// Sends notifications to the sinks of the present configuration from now on.
    fn notify(&mut self) -> Result<(), Failure> {
        let outbox = || self.store.outbox();
        let adopted = self.notifier.adopt(&self.config, &self.context.env, outbox);
        adopted.map_err(|error| self.failed(error))
    }

    /// Gives alert commands and notifications a moment to end, and closes the archive.
    pub(super) async fn close(mut self) -> Result<(), Failure> {
        self.notifier.stop().await;
        let path = self.config.archive.path.clone();
        let told = self.alert_commands.finish(&mut self.store).await;
        self.store.close().and(told).map_err(|error| wiring::archive_failure(&path, error))
    }

    fn failed(&self, error: impl Into<RunError>) -> Failure {
        wiring::run_failure(&self.config.archive.path, error.into())
    }

    /// How long ending all watches may take.
    fn to_end_watches(&self) -> Result<Duration, Failure> {
        let watches = self.store.feeds().map_err(|error| self.failed(error))?.len();
        Ok(self.longest_request().saturating_mul(u32::try_from(3 * watches).unwrap_or(u32::MAX)))
    }

    fn parked(&self) -> Result<BTreeSet<usize>, Failure> {
        let refused = self.store.queries().alerts().map_err(|error| self.failed(error))?;
        Ok(parked(&refused, &self.config))
    }

    /// Takes over keys and tokens whose files have changed.
    fn refresh_secrets(&mut self) {
        let warnings = self.config.warnings.len();
        if let Err(error) = self.config.load_secrets() {
            tracing::warn!("a secret cannot be read, so the previous one is used: {error}");
        }
        self.config.warnings.truncate(warnings);
    }

    /// After a run: alerts are sent, and memory is given back.
    fn after(&mut self, report: &Report) -> Result<(), Failure> {
        let news = alerts::record_run(&mut self.store, &self.config, &report.reception, SystemClock.now_ms());
        self.alert(news)?;
        let down = report.outcome == Outcome::Failed
            && report.worst == Some(ExitClass::Unavailable)
            && report.reception.is_silent();
        self.outage = match down {
            true => {
                let runs = self.outage.runs.saturating_add(1);
                tracing::warn!(runs, "the API is down; the next run tries one small request");
                Outage::of(runs, report.credits_spent == 0, &self.config.api.backoff())
            }
            false => Outage::default(),
        };
        self.store.checkpoint().map_err(|error| self.failed(error))?;
        self.archive_failures.clear();
        Ok(())
    }

    /// Runs the alert command for what is news.
    fn alert(&mut self, news: Result<Vec<Notice>, StoreError>) -> Result<(), Failure> {
        let news = news.map_err(|error| self.failed(error))?;
        self.alert_commands.start(&self.config.alerts.command, &self.context.env, news);
        Ok(())
    }

    /// Whether every account waits for a person.
    fn all_parked(&mut self) -> Result<bool, Failure> {
        self.refresh_secrets();
        Ok(self.parked()?.len() == self.config.accounts.len() && !self.forgiving)
    }

    fn read_again(&self) -> Result<Config, Failure> {
        let mut config = self.context.config(None)?;
        config.load_secrets()?;
        drop(wiring::api(&config)?);
        notify::check(&config)?;
        if config.archive.path != self.config.archive.path {
            return Err(Failure::Usage {
                message: "archive.path cannot change on reload".into(),
                help: "restart the service".into(),
            });
        }
        Ok(config)
    }

    fn adopt(&mut self, config: Config) {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        self.rate.limit(config.api.requests_per_minute);
        self.config = config;
        self.forgiving = true;
        self.unended.clear();
        self.outage = Outage::default();
        if let Err(failure) = self.notify() {
            tracing::error!("cannot notify the sinks of the new configuration: {failure}");
        }
        tracing::info!(cron = self.config.schedule.slots.line(), "the configuration was read again");
    }

    /// What systemd shows. It is said after every run, so it reads no more than that takes.
    fn status_line(&self, next_run: Option<Ms>) -> Result<String, StoreError> {
        let queries = self.store.queries();
        let run = queries.last_run()?.map_or_else(
            || "no run yet".to_owned(),
            |run| {
                let outcome = run.outcome.as_deref().unwrap_or("cut short");
                format!("last run {outcome} at {}", iso_utc(run.finished_ms.unwrap_or(run.started_ms)))
            },
        );
        let alerts = queries.alerts()?;
        let horizon = census::horizon(&queries, &queries.inboxes()?)?.filter(|_| !is_blind(&alerts));
        let horizon = horizon.map_or_else(
            || "something recent may be missing".to_owned(),
            |at| format!("nothing is missing since {}", iso_utc(at)),
        );
        let next = next_run.map_or_else(String::new, |at| format!("; next run {}", iso_utc(at)));
        let attention = if alerts.is_empty() { "" } else { "; NEEDS ATTENTION, see `archiver status`" };
        Ok(format!("Idle: {run}; {horizon}{next}{attention}"))
    }

    /// Writes the metrics. Returns what systemd shows.
    fn publish_all(&self, next_slot: Option<Ms>) -> Result<String, StoreError> {
        let (queries, now) = (self.store.queries(), SystemClock.now_ms());
        let closed = metrics::closed(&queries, &self.config, now)?;
        let next_run = closed.map_or(next_slot, |closed| closed.goes_on_ms);
        metrics::tell(&self.config, || {
            let taken = Metrics::take(&queries, &self.config, closed, now)?;
            Ok(Metrics { next_run, ..taken })
        });
        self.status_line(next_run)
    }
}

impl Work for Worker<'_> {
    fn schedule(&self) -> &Schedule {
        &self.config.schedule.slots
    }

    fn start_delay(&self) -> Ms {
        let delay = self.config.schedule.jitter.mul_f64(fastrand::f64());
        Ms::try_from(delay.as_millis()).unwrap_or_default()
    }

    fn runs_at_start(&self, now: Ms) -> Result<bool, Failure> {
        let last = self.store.last_good_run().map_err(|error| self.failed(error))?;
        let schedule = &self.config.schedule;
        let is_missed = |last| schedule.slots.next(last).is_some_and(|slot| slot <= now);
        if let Some(last) = last.filter(|last| schedule.run_at_start && !is_missed(*last)) {
            tracing::info!(last = %iso_utc(last), "no run at the start: no slot has passed since the last one");
            return Ok(false);
        }
        Ok(schedule.run_at_start)
    }

    fn again_after(&self, now: Ms) -> Result<Option<Duration>, Failure> {
        let held = self.store.held_until(now).map_err(|error| self.failed(error))?;
        let held = held.map(|until| Duration::from_millis(u64::try_from(until - now).unwrap_or_default()));
        let again = self.outage.again.map(|at| at.saturating_duration_since(Instant::now()));
        Ok(held.or(again))
    }

    fn event_interval(&self) -> Option<Duration> {
        // A watch that nobody wants any more is to be ended.
        let is_due = self.config.watches() || self.store.watches_any().unwrap_or_default();
        (is_due && !self.outage.is_fresh()).then_some(self.config.events.poll)
    }

    fn longest_request(&self) -> Duration {
        self.config.api.timeout + LONGEST_TURN
    }

    fn may_run(&mut self, now: Ms) -> Result<bool, Failure> {
        let held = self.store.held_until(now).map_err(|error| self.failed(error))?.map(alerts::held_words);
        let closed = metrics::closed(&self.store.queries(), &self.config, now);
        let closed = closed.map_err(|error| self.failed(error))?.map(|closed| closed.words(iso_utc));
        let obstacle = match held.or(closed) {
            Some(reason) => Some(reason),
            None if self.outage.is_fresh() => {
                tracing::debug!("the API was down a moment ago");
                return Ok(false);
            }
            None if self.all_parked()? => {
                Some("every account needs attention: see `archiver status`".to_owned())
            }
            None => None,
        };
        if let Some(reason) = &obstacle
            && self.held_back.as_ref() != Some(reason)
        {
            tracing::warn!("no run: {reason}");
            systemd::status(&format!("Waiting: {reason}"));
        }
        self.held_back = obstacle;
        Ok(self.held_back.is_none())
    }

    async fn sync(&mut self, trigger: Trigger, under_way: &UnderWay) -> Result<(), Failure> {
        self.refresh_secrets();
        let forgiven = std::mem::take(&mut self.forgiving);
        let mut settings = wiring::settings(&self.config, trigger, Vec::new());
        if trigger != Trigger::Once && !forgiven {
            settings.parked = self.parked()?;
        }
        settings.probe = self.outage.runs > 0;
        let api = wiring::api_at(&self.config, &self.rate)?;
        let prepared = retention::prepare(&mut self.store, &self.config, SystemClock.now_ms());
        let newest = prepared.map_err(|error| self.failed(error))?;
        self.held_back = None;
        systemd::status(&format!("Syncing since {}", iso_utc(SystemClock.now_ms())));
        let (mut observer, stop) = (under_way, under_way.stop());
        under_way.extend(self.to_end_watches()?);
        // A day of watching that has begun is charged in any case, so this run must not spend its credits.
        let kept = watch::keep(&mut self.store, &api, &settings, &SystemClock, stop, &mut self.unended).await;
        kept.map_err(|error| self.failed(error))?;
        let ping = RunPing::begin(&self.config, self.telling.take());
        let report = sync::run(&mut self.store, &api, &SystemClock, &settings, stop, &mut observer).await;
        let outcome = report.as_ref().ok().map(|report| report.outcome);
        let telling = tokio::spawn(ping.end(outcome));
        if outcome.is_none() {
            // The service ends with this error.
            drop(tokio::time::timeout(LAST_PING, telling).await);
        } else {
            self.telling = Some(telling);
        }
        let report = report.map_err(|error| self.failed(error))?;
        under_way.extend(TO_ERASE);
        let now = SystemClock.now_ms();
        let witnesses = retention::Witnesses::of(&report, api.ahead_ms(), newest);
        let retained = retention::apply(&mut self.store, &self.config, trigger, witnesses, now);
        retained.map_err(|error| self.failed(error))?;
        #[cfg(feature = "lake")]
        self.lake.after_run(&self.config, &self.context.env);
        self.after(&report)
    }

    async fn read_events(&mut self, under_way: &UnderWay) -> Result<bool, Failure> {
        self.refresh_secrets();
        let mut settings = wiring::settings(&self.config, Trigger::Schedule, Vec::new());
        settings.parked = self.parked()?;
        let api = wiring::api_at(&self.config, &self.rate)?;
        let requests = u32::try_from(2 * settings.accounts.len()).unwrap_or(u32::MAX);
        under_way
            .extend(self.longest_request().saturating_mul(requests).saturating_add(self.to_end_watches()?));
        let (stops, unended) = ((under_way.hurry(), under_way.stop()), &mut self.unended);
        let polled = watch::poll(&mut self.store, &api, &settings, &SystemClock, stops, unended).await;
        let polled = polled.map_err(|error| self.failed(error))?;
        let now = SystemClock.now_ms();
        let news = alerts::record(&mut self.store, &self.config, &polled.reception, now);
        self.alert(news)?;
        Ok(polled.news)
    }

    fn reload(&mut self) {
        match self.read_again() {
            Ok(config) => self.adopt(config),
            Err(failure) => {
                for line in failure.to_string().lines().filter(|line| !line.trim().is_empty()) {
                    tracing::error!("the new configuration is refused: {}", line.trim());
                }
                tracing::error!("the service goes on with the previous configuration");
            }
        }
    }

    fn publish(&self, next_slot: Option<Ms>) -> String {
        self.publish_all(next_slot).unwrap_or_else(|_| "The archive cannot be read".to_owned())
    }
}
