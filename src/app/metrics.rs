//! Figures for a monitoring system: one set, which `status --json` and the file for Prometheus both show.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chrono::DateTime;

use crate::api::FailureKind;
use crate::app::census::{Census, Listing};
use crate::app::parked::parked;
use crate::app::replace;
use crate::config::Config;
use crate::core::Ms;
use crate::core::budget::{Left, Spent, closes, left};
use crate::core::format::iso_utc;
use crate::store::{AccountFigures, Figures, Outcome, Queries, RunRow, SinkRow, StoreError};

/// By this the file is known as one of its own.
const MARK: &str = "# HELP archiver_";

/// What there is to say at a moment.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) now: Ms,
    pub(crate) figures: Figures,
    /// When the last backup was made (ms).
    pub(crate) last_backup: Option<Ms>,
    /// Since when nothing is missing (ms).
    pub(crate) horizon: Option<Ms>,
    /// Credits spent in the last run, today and this month.
    pub(crate) spent: Spent,
    /// What is left of the caps; of a run's, as the last run left it.
    pub(crate) left: Left,
    pub(crate) last_run: Option<RunRow>,
    /// The accounts that are parked, by name.
    pub(crate) parked: BTreeSet<String>,
    /// The sinks of notifications that are configured.
    pub(crate) sinks: Vec<SinkRow>,
    /// Why none can be made at present, where caps are used up.
    pub(crate) closed: Option<Closed>,
    /// When the next one begins (ms), where that is known.
    pub(crate) next_run: Option<Ms>,
}

/// Caps that leave nothing to any account, and when that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    /// The window whose cap is used up: `today` or `this month`.
    pub(crate) window: &'static str,
    /// When it opens again (ms).
    pub(crate) opens_ms: Ms,
    /// The first slot of the schedule from then on (ms).
    pub(crate) goes_on_ms: Option<Ms>,
}

impl Closed {
    /// The same in words, with times as the reader wants them.
    pub(crate) fn words(&self, when: impl Fn(Ms) -> String) -> String {
        let at = when(self.goes_on_ms.unwrap_or(self.opens_ms));
        format!("the credits of {} are used up; syncing resumes at {at}", self.window)
    }
}

/// Whether caps keep the next scheduled run from asking anything.
pub(crate) fn closed(queries: &Queries<'_>, config: &Config, now: Ms) -> Result<Option<Closed>, StoreError> {
    let spent = queries.spent_by_account(now)?;
    let of = |name: &str| spent.get(name).copied().unwrap_or_default();
    let all = left(&config.budget.caps(), &spent.values().copied().fold(Spent::default(), Spent::plus));
    let accounts: Vec<Left> = config.accounts.iter().map(|a| left(&a.caps(), &of(&a.name))).collect();
    Ok(closes(&all, &accounts, now).map(|(opens_ms, window)| Closed {
        window,
        opens_ms,
        goes_on_ms: config.schedule.slots.next(opens_ms - 1),
    }))
}

/// Writes the file for the monitoring system, where one is configured. That it cannot be written is no failure of
/// anything else.
pub(crate) fn tell(config: &Config, take: impl FnOnce() -> Result<Metrics, StoreError>) {
    let Some(path) = &config.metrics.textfile else { return };
    let written = take().map_err(|error| error.to_string());
    let written = written.and_then(|s| write(path, &s.text()).map_err(|e| e.to_string()));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), error, "the figures cannot be written");
    }
}

impl Metrics {
    /// What the archive says now.
    pub(crate) fn take(
        queries: &Queries<'_>,
        config: &Config,
        closed: Option<Closed>,
        now: Ms,
    ) -> Result<Self, StoreError> {
        let mut figures = queries.figures()?;
        let census = Census::take(config, queries, &queries.inboxes()?, &mut figures, Listing::Nothing)?;
        Self::of(queries, config, (figures, census.horizon, closed), now)
    }

    /// The same, where figures and horizon are at hand.
    pub(crate) fn of(
        queries: &Queries<'_>,
        config: &Config,
        (figures, horizon, closed): (Figures, Option<Ms>, Option<Closed>),
        now: Ms,
    ) -> Result<Self, StoreError> {
        let last_run = queries.last_run()?;
        let of_run = last_run.as_ref().map_or(0, |run| u32::try_from(run.credits_spent).unwrap_or(u32::MAX));
        let spent = Spent { run: of_run, ..queries.spent(now)? };
        let parked = parked(&figures.alerts, config);
        let parked = parked.into_iter().filter_map(|index| Some(config.accounts.get(index)?.name.clone()));
        Ok(Self {
            now,
            horizon: horizon.filter(|_| !figures.blind()),
            parked: parked.collect(),
            figures,
            last_backup: last_backup(&config.archive.path),
            spent,
            left: left(&config.budget.caps(), &spent),
            closed,
            sinks: configured_sinks(queries, config)?,
            last_run,
            next_run: None,
        })
    }

    /// Runs by outcome, those that never were included.
    pub(crate) fn runs(&self) -> BTreeMap<String, i64> {
        all_of(&Outcome::ALL.map(Outcome::as_str), &self.figures.runs)
    }

    /// Failed requests by kind, those that never were included.
    pub(crate) fn failures(&self) -> BTreeMap<String, i64> {
        all_of(&FailureKind::ALL.map(FailureKind::as_str), &self.figures.failures)
    }

    /// How long ago the horizon is, in seconds.
    pub(crate) fn horizon_age_secs(&self) -> Option<Ms> {
        self.horizon.map(|at| (self.now - at).max(0) / 1_000)
    }

    /// The same as the text that Prometheus reads.
    pub(crate) fn text(&self) -> String {
        let mut out = Exposition::default();
        out.labelled("build_info", "The program's version", "version", [(env!("CARGO_PKG_VERSION"), 1)]);
        out.value("written_timestamp_seconds", "When this file was written", Some(seconds(self.now)));
        self.accounts(&mut out);
        self.times(&mut out);
        self.credits(&mut out);
        if let Some(run) = &self.last_run {
            last_run(&mut out, run);
        }
        out.labelled("runs_total", "Runs by how they ended", "outcome", self.runs());
        out.labelled("failures_total", "Failed requests by kind", "kind", self.failures());
        self.sinks(&mut out);
        out.0
    }

    fn accounts(&self, out: &mut Exposition) {
        let mut each = |name, help, pick: &dyn Fn(&AccountFigures) -> i64| {
            let accounts = self.figures.accounts.iter();
            out.labelled(name, help, "account", accounts.map(|a| (a.account.as_str(), pick(a))));
        };
        each("messages", "Messages archived", &|a| a.messages);
        each("conversations", "Conversations known", &|a| a.conversations);
        each("conversations_complete", "Conversations in which nothing is missing", &|a| a.complete);
        each("conversations_failing", "Conversations whose last request failed", &|a| a.failing);
        each("gaps", "Stretches in which something may be missing", &|a| a.gaps);
        let parked = |a: &AccountFigures| i64::from(self.parked.contains(&a.account));
        each("account_parked", "1 while the account is not asked, for it needs attention", &parked);
        out.value("attention", "What needs a person: see archiver status", Some(self.figures.alerts.len()));
    }

    fn sinks(&self, out: &mut Exposition) {
        let mut each = |name, help, pick: &dyn Fn(&SinkRow) -> i64| {
            let sinks = self.sinks.iter();
            out.labelled(name, help, "sink", sinks.map(|sink| (sink.name.as_str(), pick(sink))));
        };
        let failing = |sink: &SinkRow| i64::from(sink.attempts > 0 || sink.ended_ms.is_some());
        each("notify_failing", "1 while the sink does not accept events", &failing);
        each("notify_ended", "1 once the receiver has said that it is gone", &|sink| {
            i64::from(sink.ended_ms.is_some())
        });
        each("notify_waiting", "Events that waited at the last attempt", &|sink| sink.waiting);
        each("notify_delivered_total", "Events that were delivered", &|sink| sink.delivered);
    }

    fn times(&self, out: &mut Exposition) {
        let (horizon, age) = (self.horizon.map(seconds), self.horizon_age_secs());
        out.value("horizon_timestamp_seconds", "Since when nothing is missing", horizon);
        out.value("horizon_age_seconds", "How long ago that is, as this file was written", age);
        let success = self.figures.last_success_ms.map(seconds);
        let help = "When a run last ended complete or with its budget spent";
        out.value("last_success_timestamp_seconds", help, success);
        let backup = self.last_backup.map(seconds);
        out.value("last_backup_timestamp_seconds", "When a backup was last made", backup);
        out.value("next_run_timestamp_seconds", "When the service runs next", self.next_run.map(seconds));
    }

    fn credits(&self, out: &mut Exposition) {
        let (spent, left) = (&self.spent, &self.left);
        let spent = [("run", spent.run), ("day", spent.day), ("month", spent.month)];
        out.labelled("credits_spent", "Credits spent in the last run, today, this month", "window", spent);
        let or_no_cap = |n: Option<u32>| n.map_or_else(|| "+Inf".to_owned(), |n| n.to_string());
        let left = [("run", left.run), ("day", left.day), ("month", left.month)];
        let left = left.map(|(window, n)| (window, or_no_cap(n)));
        out.labelled("credits_left", "Credits left of each cap", "window", left);
    }
}

fn configured_sinks(queries: &Queries<'_>, config: &Config) -> Result<Vec<SinkRow>, StoreError> {
    let mut sinks = queries.sinks()?;
    sinks.retain(|row| config.sinks.iter().any(|sink| sink.name == row.name));
    Ok(sinks)
}

fn last_run(out: &mut Exposition, run: &RunRow) {
    let took = run.finished_ms.map(|end| (end - run.started_ms).max(0) / 1_000);
    out.value("last_run_timestamp_seconds", "When the last run began", Some(seconds(run.started_ms)));
    out.value("last_run_duration_seconds", "How long it took", took);
    out.value("last_run_requests", "Requests that it made", Some(run.requests));
    out.value("last_run_new_messages", "New messages that it found", Some(run.new_messages));
    let outcome = |name: &'static str| (name, u8::from(run.outcome.as_deref() == Some(name)));
    let outcomes = Outcome::ALL.map(Outcome::as_str).map(outcome);
    out.labelled("last_run_outcome", "1 for how the last run ended", "outcome", outcomes);
}

/// What says beside an archive when it was last backed up: a backup only reads the archive itself.
fn backup_note(archive: &Path) -> PathBuf {
    archive.with_added_extension("last-backup")
}

fn last_backup(archive: &Path) -> Option<Ms> {
    let noted = std::fs::read_to_string(backup_note(archive)).ok()?;
    Some(DateTime::parse_from_rfc3339(noted.trim()).ok()?.timestamp_millis())
}

/// Notes beside an archive that it has been backed up. Where that cannot be written, only the metric lacks it.
pub(crate) fn note_backup(archive: &Path, now: Ms) {
    if let Err(error) = replace::beside(archive, &backup_note(archive), &format!("{}\n", iso_utc(now))) {
        tracing::debug!(%error, "cannot note when the backup was made");
    }
}

fn all_of(names: &[&str], counted: &[(String, i64)]) -> BTreeMap<String, i64> {
    let mut all: BTreeMap<String, i64> = names.iter().map(|name| ((*name).to_owned(), 0)).collect();
    all.extend(counted.iter().cloned());
    all
}

/// The format of Prometheus' textfile collector.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    /// What is not known is not there: a zero would be a lie.
    fn value(&mut self, name: &str, help: &str, value: Option<impl Display>) {
        self.all(name, help, value.map(|value| (String::new(), value)));
    }

    fn labelled<L: AsRef<str>, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) {
        let labelled = |(of, value): (L, V)| (format!("{{{label}=\"{}\"}}", escaped(of.as_ref())), value);
        self.all(name, help, values.into_iter().map(labelled));
    }

    fn all<V: Display>(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (String, V)>) {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        let mut head = format!("# HELP archiver_{name} {help}\n# TYPE archiver_{name} {kind}\n");
        for (labels, value) in values {
            // Writing to a text cannot fail.
            writeln!(self.0, "{}archiver_{name}{labels} {value}", std::mem::take(&mut head))
                .unwrap_or_default();
        }
    }
}

fn seconds(ms: Ms) -> String {
    format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000))
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Replaces the file, which others may read.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    if !replace::is_own_or_new(path, MARK)? {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "it holds something else, which is left alone",
        ));
    }
    let file = replace::begin(path)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    replace::finish(file, path, text)
}
