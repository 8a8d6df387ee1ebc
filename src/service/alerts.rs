//! Alerts: what only a person can mend is recorded after a run, and the configured command is run once for it.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::app::alert_text::describe;
use crate::app::metrics;
use crate::app::parked::fingerprint;
use crate::app::user_command::UserCommand;
use crate::app::wiring::archive_failure;
use crate::config::{Config, Env};
use crate::core::Ms;
use crate::core::alert::AlertKind;
use crate::core::format::{counted, iso_utc};
use crate::core::printable::one_line;
use crate::error::Failure;
use crate::store::{Alert, Cause, FailedRun, Store, StoreError, StuckGap};
use crate::sync::Reception;

/// How long a command may still take once the service stops.
const GRACE: Duration = Duration::from_millis(600);
/// No command may take longer.
const LONGEST: Duration = Duration::from_secs(60);
/// An outage is an alert once so many runs in a row have failed, and that for so long.
const ALERT_RUNS: usize = 3;
const ALERT_AFTER_MS: Ms = 30 * 60_000;
/// A gap is an alert once so many attempts in a row have got no further: from then on runs leave it out.
const ALERT_STALLS: u32 = 3;

/// An alert, as a person gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub kind: AlertKind,
    /// Whose account; empty where it concerns all.
    pub account: String,
    /// What is wrong.
    pub message: String,
    /// The row that it is about, where the archive keeps one.
    alert: Option<Alert>,
}

impl Notice {
    /// One that no row of the archive stands for.
    #[must_use]
    pub fn new(kind: AlertKind, message: String) -> Self {
        Self { kind, account: String::new(), message, alert: None }
    }

    fn of(alert: Alert) -> Self {
        let account = alert.account.clone().unwrap_or_default();
        Self { kind: AlertKind::Refused(alert.cause), account, message: describe(&alert), alert: Some(alert) }
    }
}

/// Records what was refused, and forgets what has been seen to work. Returns what is news.
pub fn record(
    store: &mut Store,
    config: &Config,
    reception: &Reception,
    now: Ms,
) -> Result<Vec<Notice>, StoreError> {
    for (kind, count) in &reception.failures {
        store.count_failures(kind.as_str(), *count)?;
    }
    if let Some(until) = reception.hold_until_ms {
        store.hold_until(until)?;
    }
    forget_mended(store, config, reception)?;
    let mut news = Vec::new();
    if reception.is_silent()
        && let Some(notice) = outage(store)?
    {
        tracing::error!(kind = notice.kind.as_str(), "needs attention: {}", notice.message);
        store.add_notice((notice.kind, None), &notice.message, None, now)?;
        news.push(notice);
    }
    for refused in &reception.refused {
        let account = refused.account.and_then(|index| config.accounts.get(index));
        let row = Alert {
            account: account.map(|a| a.name.clone()),
            cause: refused.cause,
            since_ms: now,
            message: refused.message.clone(),
            credential: match refused.cause {
                Cause::Credits => String::new(),
                Cause::Account | Cause::Key => fingerprint(config, refused.account).unwrap_or_default(),
            },
        };
        if store.raise_alert(&row, &describe(&row))? {
            let account = row.account.as_deref().unwrap_or_default();
            tracing::error!(kind = row.cause.as_str(), account, "needs attention: {}", describe(&row));
            news.push(Notice::of(row));
        }
    }
    Ok(news)
}

/// The same for a run, with what only a run can find: gaps that get no further, and caps that are used up.
pub fn record_run(
    store: &mut Store,
    config: &Config,
    reception: &Reception,
    now: Ms,
) -> Result<Vec<Notice>, StoreError> {
    let mut news = record(store, config, reception, now)?;
    news.extend(stuck(store, now)?);
    used_up(store, config, now)?;
    Ok(news)
}

/// The alert of runs that fail in a row: raised once, by the run with which it has gone on for long enough.
fn outage(store: &Store) -> Result<Option<Notice>, StoreError> {
    let runs = store.failed_runs()?;
    let Some(first) = runs.last() else { return Ok(None) };
    let lasts = |runs: &[FailedRun]| {
        let since = |last: &FailedRun| last.finished_ms - first.started_ms;
        runs.len() >= ALERT_RUNS && runs.first().map(since) >= Some(ALERT_AFTER_MS)
    };
    let (_, before) = runs.split_at(1);
    if !lasts(&runs) || lasts(before) {
        return Ok(None);
    }
    let why = store.last_error()?.unwrap_or_default();
    let (count, since) = (runs.len(), iso_utc(first.started_ms));
    let message = format!("the last {count} runs, since {since}, brought nothing: {why}");
    Ok(Some(Notice::new(AlertKind::Unreachable, message)))
}

/// The alert of gaps that get no further: raised once for each.
fn stuck(store: &mut Store, now: Ms) -> Result<Option<Notice>, StoreError> {
    let gaps = store.stuck_gaps(ALERT_STALLS)?;
    let Some(message) = stuck_words(&gaps) else { return Ok(None) };
    tracing::error!(kind = AlertKind::Gap.as_str(), "needs attention: {message}");
    store.add_notice_of_gaps(&gaps, &message, now)?;
    Ok(Some(Notice::new(AlertKind::Gap, message)))
}

/// The same in words, of which gaps and why; some stand for many.
fn stuck_words(gaps: &[StuckGap]) -> Option<String> {
    const NAMED: usize = 3;
    let word = |gap: &StuckGap| {
        let name = match (&gap.name, gap.conversation) {
            (Some(name), _) => one_line(name),
            (None, Some(id)) => format!("conversation {id}"),
            (None, None) => format!("the inbox of {}", gap.account),
        };
        let why = gap.stall.as_ref().map_or_else(String::new, |stall| format!(": {stall}"));
        format!("{name}{why}")
    };
    let some: Vec<String> = gaps.iter().take(NAMED).map(word).collect();
    let more = gaps.len().saturating_sub(some.len());
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let count = counted(gaps.len(), "gap cannot", "gaps cannot");
    (!gaps.is_empty()).then(|| format!("{count} be filled: {}{more}", some.join("; ")))
}

/// Raises an alert for the sinks, once for each window, when no credits are left in it. That passes by itself, so the
/// command is not run for it.
fn used_up(store: &mut Store, config: &Config, now: Ms) -> Result<(), StoreError> {
    let Some(closed) = metrics::closed(&store.queries(), config, now)? else { return Ok(()) };
    let about = format!("{} until {}", closed.window, iso_utc(closed.opens_ms));
    store.add_notice((AlertKind::Budget, None), &closed.words(iso_utc), Some(&about), now)
}

/// Refuses a run that is not the service's while the API wants no request.
pub fn check_hold(store: &Store, config: &Config, now: Ms) -> Result<(), Failure> {
    let held = store.held_until(now).map_err(|error| archive_failure(&config.archive.path, error))?;
    match held {
        None => Ok(()),
        Some(until) => Err(Failure::ApiUnreachable(held_words(until))),
    }
}

/// The same in words.
pub(super) fn held_words(until: Ms) -> String {
    format!("the API asked for a pause until {}", iso_utc(until))
}

fn forget_mended(store: &mut Store, config: &Config, reception: &Reception) -> Result<(), StoreError> {
    for account in reception.answered.iter().filter_map(|index| config.accounts.get(*index)) {
        if store.clear_alert(Some(&account.name), Cause::Account)? {
            tracing::info!(account = account.name, "the account is asked again");
        }
    }
    if !reception.answered.is_empty() {
        store.clear_alert(None, Cause::Key)?;
        if !reception.refused.iter().any(|refused| refused.cause == Cause::Credits) {
            store.clear_alert(None, Cause::Credits)?;
        }
    }
    Ok(())
}

/// Runs the alert command for each of these, one after the other. It gets no secrets: none are in an alert.
pub async fn run_command(command: Vec<String>, env: &Env, news: Vec<Notice>) {
    if command.is_empty() {
        return;
    }
    for notice in news {
        let members =
            [("KIND", notice.kind.as_str()), ("ACCOUNT", &notice.account), ("MESSAGE", &notice.message)];
        // By their names and, for one version, by those that they had when the section was called [attention].
        let of = |prefix| members.map(|(name, value)| (format!("{prefix}_{name}"), value.to_owned()));
        let variables = ["ARCHIVER_ALERT", "ARCHIVER_ATTENTION"].into_iter().flat_map(of).collect();
        let command = UserCommand { command: &command, env, variables, input: None, timeout: LONGEST };
        if let Err(why) = command.run().await {
            tracing::warn!(why, "the alert command failed");
        }
    }
}

/// The alert commands that are running. The service does not wait for them.
#[derive(Debug, Default)]
pub(super) struct AlertCommands(Vec<(JoinHandle<()>, Vec<Notice>)>);

impl AlertCommands {
    /// Starts the command for these.
    pub(super) fn start(&mut self, command: &[String], env: &Env, news: Vec<Notice>) {
        if news.is_empty() {
            return;
        }
        self.0.retain(|(running, _)| !running.is_finished());
        let (command, env, told) = (command.to_vec(), env.clone(), news.clone());
        self.0.push((tokio::spawn(async move { run_command(command, &env, news).await }), told));
    }

    /// Gives the commands a moment to end. What one that does not was run for is news again after the next start.
    pub(super) async fn finish(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let until = Instant::now() + GRACE;
        for (running, news) in std::mem::take(&mut self.0) {
            if tokio::time::timeout_at(until, running).await.is_err() {
                tracing::warn!(
                    "the alert command was cut short by the stop: it will run again after the next start"
                );
                let mut alerts = news.iter().filter_map(|notice| notice.alert.as_ref());
                alerts.try_for_each(|alert| store.mark_undelivered(alert))?;
            }
        }
        Ok(())
    }
}
