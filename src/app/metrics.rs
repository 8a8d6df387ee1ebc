//! Figures for a monitoring system: one set, which `status --json` and the file for Prometheus both show.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::api::FailureKind;
use crate::app::parked::parked;
use crate::config::Config;
use crate::core::Ms;
use crate::core::budget::{Caps, Left, Spent, closes, left};
use crate::core::planner::next;
use crate::store::{ConversationRow, Figures, InboxStatus, Outcome, Queries, RunRow, StoreError};

/// What there is to say at a moment.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// The moment (ms).
    pub now: Ms,
    /// Counts.
    pub figures: Figures,
    /// Since when nothing is missing (ms).
    pub horizon: Option<Ms>,
    /// Credits spent in the last run, today and this month.
    pub spent: Spent,
    /// What is left of the caps; of a run's, as the last run left it.
    pub left: Left,
    /// The last run.
    pub last_run: Option<RunRow>,
    /// The accounts that are parked, by name.
    pub parked: BTreeSet<String>,
    /// Why none can be made at present, where caps are used up.
    pub closed: Option<Closed>,
    /// When the next one begins (ms), where that is known.
    pub next_run: Option<Ms>,
}

/// Caps that leave nothing to any account, and when that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// The window whose cap is used up: `today` or `this month`.
    pub window: &'static str,
    /// When it opens again (ms).
    pub opens_ms: Ms,
    /// The first slot of the schedule from then on (ms).
    pub goes_on_ms: Option<Ms>,
}

impl Closed {
    /// The same in words, with times as the reader wants them.
    #[must_use]
    pub fn words(&self, when: impl Fn(Ms) -> String) -> String {
        let at = when(self.goes_on_ms.unwrap_or(self.opens_ms));
        format!("the credits of {} are used up; syncing resumes at {at}", self.window)
    }
}

/// Whether caps keep the next scheduled run from asking anything.
pub fn closed(queries: &Queries<'_>, config: &Config, now: Ms) -> Result<Option<Closed>, StoreError> {
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
pub fn tell(config: &Config, take: impl FnOnce() -> Result<Metrics, StoreError>) {
    let Some(path) = &config.metrics.textfile else { return };
    let written = take().map_err(|error| error.to_string());
    let written = written.and_then(|s| write(path, &s.text()).map_err(|e| e.to_string()));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), error, "the figures cannot be written");
    }
}

impl Metrics {
    /// What the archive says now.
    pub fn take(queries: &Queries<'_>, config: &Config, now: Ms) -> Result<Self, StoreError> {
        Self::of(queries, config, &queries.conversations()?, &queries.inboxes()?, now)
    }

    /// The same, where the conversations and inboxes are at hand.
    pub fn of(
        queries: &Queries<'_>,
        config: &Config,
        rows: &[ConversationRow],
        inboxes: &[InboxStatus],
        now: Ms,
    ) -> Result<Self, StoreError> {
        let figures = queries.figures()?;
        // What only an export has shown waits until the inbox shows it or somebody configures it.
        let asked = rows.iter().filter(|r| r.synced_ms.is_some() || !r.of_export).map(|r| &r.timeline);
        let horizon = next::horizon(asked.chain(inboxes.iter().map(|i| &i.timeline)));
        let last_run = queries.last_run()?;
        let of_run = last_run.as_ref().map_or(0, |run| u32::try_from(run.credits_spent).unwrap_or(u32::MAX));
        let spent = Spent { run: of_run, ..queries.spent(now)? };
        let caps: Caps = config.budget.caps();
        Ok(Self {
            now,
            horizon: horizon.filter(|_| !figures.blind()),
            parked: parked(&figures.alerts, config)
                .into_iter()
                .filter_map(|index| Some(config.accounts.get(index)?.name.clone()))
                .collect(),
            figures,
            spent,
            left: left(&caps, &spent),
            closed: closed(queries, config, now)?,
            last_run,
            next_run: None,
        })
    }

    /// Runs by outcome, those that never were included.
    #[must_use]
    pub fn runs(&self) -> BTreeMap<String, i64> {
        all_of(&Outcome::ALL.map(Outcome::as_str), &self.figures.runs)
    }

    /// Failed requests by kind, those that never were included.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<String, i64> {
        all_of(&FailureKind::ALL.map(FailureKind::as_str), &self.figures.failures)
    }

    /// How long ago the horizon is, in seconds.
    #[must_use]
    pub fn horizon_age_secs(&self) -> Option<Ms> {
        self.horizon.map(|at| (self.now - at).max(0) / 1_000)
    }

    /// The same as the text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = Exposition::default();
        out.one(
            "archiver_build_info",
            "gauge",
            "The program's version",
            &[(format!("version=\"{}\"", env!("CARGO_PKG_VERSION")), "1".to_owned())],
        );
        out.value(
            "archiver_written_timestamp_seconds",
            "When this file was written",
            Some(seconds(self.now)),
        );
        self.accounts(&mut out);
        self.time(&mut out);
        self.credits(&mut out);
        self.runs_and_failures(&mut out);
        out.0
    }

    fn accounts(&self, out: &mut Exposition) {
        type Pick = fn(&crate::store::AccountFigures) -> i64;
        let each: [(&str, &str, Pick); 5] = [
            ("archiver_messages", "Messages archived", |a| a.messages),
            ("archiver_conversations", "Conversations known", |a| a.conversations),
            ("archiver_conversations_complete", "Conversations in which nothing is missing", |a| a.complete),
            ("archiver_conversations_failing", "Conversations whose last request failed", |a| a.failing),
            ("archiver_gaps", "Stretches in which something may be missing", |a| a.gaps),
        ];
        for (name, help, pick) in each {
            let accounts = self.figures.accounts.iter();
            let values: Vec<_> = accounts
                .map(|a| (format!("account=\"{}\"", escaped(&a.account)), pick(a).to_string()))
                .collect();
            out.one(name, "gauge", help, &values);
        }
        let parked: Vec<_> = self
            .figures
            .accounts
            .iter()
            .map(|a| {
                let parked = u8::from(self.parked.contains(&a.account));
                (format!("account=\"{}\"", escaped(&a.account)), parked.to_string())
            })
            .collect();
        let help = "1 while the account is not asked, for it needs attention";
        out.one("archiver_account_parked", "gauge", help, &parked);
        let count = self.figures.alerts.len().to_string();
        out.value("archiver_attention", "What needs a person: see archiver status", Some(count));
    }

    fn time(&self, out: &mut Exposition) {
        let at = |ms: Option<Ms>| ms.map(seconds);
        out.value("archiver_horizon_timestamp_seconds", "Since when nothing is missing", at(self.horizon));
        out.value(
            "archiver_horizon_age_seconds",
            "How long ago that is, as this file was written",
            self.horizon_age_secs().map(|age| age.to_string()),
        );
        let success = at(self.figures.last_success_ms);
        out.value(
            "archiver_last_success_timestamp_seconds",
            "When a run last ended complete or with its budget spent",
            success,
        );
        out.value("archiver_next_run_timestamp_seconds", "When the service runs next", at(self.next_run));
    }

    fn credits(&self, out: &mut Exposition) {
        let label = |window: &str| format!("window=\"{window}\"");
        let spent = [("run", self.spent.run), ("day", self.spent.day), ("month", self.spent.month)];
        let values: Vec<_> = spent.iter().map(|(w, n)| (label(w), n.to_string())).collect();
        out.one(
            "archiver_credits_spent",
            "gauge",
            "Credits spent in the last run, today, this month",
            &values,
        );
        let left = [("run", self.left.run), ("day", self.left.day), ("month", self.left.month)];
        let or_no_cap = |n: &Option<u32>| n.map_or_else(|| "+Inf".to_owned(), |n| n.to_string());
        let values: Vec<_> = left.iter().map(|(w, n)| (label(w), or_no_cap(n))).collect();
        out.one("archiver_credits_left", "gauge", "Credits left of each cap", &values);
    }

    fn runs_and_failures(&self, out: &mut Exposition) {
        if let Some(run) = &self.last_run {
            let took = run.finished_ms.map(|end| ((end - run.started_ms).max(0) / 1_000).to_string());
            out.value(
                "archiver_last_run_timestamp_seconds",
                "When the last run began",
                Some(seconds(run.started_ms)),
            );
            out.value("archiver_last_run_duration_seconds", "How long it took", took);
            out.value("archiver_last_run_requests", "Requests that it made", Some(run.requests.to_string()));
            out.value(
                "archiver_last_run_new_messages",
                "New messages that it found",
                Some(run.new_messages.to_string()),
            );
            let outcome = |name: &str| i64::from(run.outcome.as_deref() == Some(name)).to_string();
            let values =
                Outcome::ALL.map(Outcome::as_str).map(|name| (format!("outcome=\"{name}\""), outcome(name)));
            out.one("archiver_last_run_outcome", "gauge", "1 for how the last run ended", &values);
        }
        let labelled = |label: &str, counts: BTreeMap<String, i64>| -> Vec<(String, String)> {
            counts.into_iter().map(|(name, n)| (format!("{label}=\"{name}\""), n.to_string())).collect()
        };
        out.one(
            "archiver_runs_total",
            "counter",
            "Runs by how they ended",
            &labelled("outcome", self.runs()),
        );
        out.one(
            "archiver_failures_total",
            "counter",
            "Failed requests by kind",
            &labelled("kind", self.failures()),
        );
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
    fn value(&mut self, name: &str, help: &str, value: Option<String>) {
        // What is not known is not there: a zero would be a lie.
        let values: Vec<_> = value.map(|value| (String::new(), value)).into_iter().collect();
        self.one(name, "gauge", help, &values);
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, values: &[(String, String)]) {
        if values.is_empty() {
            return;
        }
        let mut text = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in values {
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            // Writing to a text cannot fail.
            writeln!(text, "{name}{labels} {value}").unwrap_or_default();
        }
        self.0.push_str(&text);
    }
}

fn seconds(ms: Ms) -> String {
    format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000))
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Replaces the file: whoever reads it sees the old one or the new one. Others may read it.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".archiver-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
