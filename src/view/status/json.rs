//! The status as JSON: what scripts read, documented in docs/json.md.

use std::collections::BTreeMap;

use serde::Serialize;

use super::attention;
use super::{Facts, FormatTime, service};
use crate::config::Config;
use crate::core::Ms;
use crate::core::format::{IsoTime, counted, iso_date, plural};
use crate::core::model::ids::RunId;
use crate::core::printable::one_line;
use crate::store::{AccountFigures, ConversationRow, LeftAlone, RunRow};
use crate::view::erasures::ErasureStatus;
use crate::view::lake::LakeStatus;
use crate::view::sinks::SinkStatus;

#[derive(Serialize)]
pub(crate) struct Status<'a> {
    pub(crate) archive: String,
    pub(crate) messages: i64,
    gaps: i64,
    pub(crate) gaps_not_synced: i64,
    pub(crate) complete: usize,
    pub(crate) horizon: Option<IsoTime>,
    pub(crate) credits: Credits,
    last_run: Option<LastRun<'a>>,
    horizon_age_secs: Option<i64>,
    last_success_at: Option<IsoTime>,
    pub(crate) last_backup_at: Option<IsoTime>,
    pub(crate) service: Option<ServiceStatus>,
    accounts: Vec<AccountStatus<'a>>,
    runs: BTreeMap<String, i64>,
    failures: BTreeMap<String, i64>,
    needs_attention: Vec<AlertStatus<'a>>,
    sinks: &'a [SinkStatus],
    pub(crate) erasures: &'a ErasureStatus,
    pub(crate) lake: Option<&'a LakeStatus>,
    pub(crate) attention: Vec<String>,
    /// Those that are listed.
    pub(crate) conversations: Vec<ConversationStatus<'a>>,
    /// How many there are.
    #[serde(skip)]
    pub(crate) count: usize,
    #[serde(skip)]
    without_gaps: bool,
    #[serde(skip)]
    left_alone: &'a (usize, Vec<LeftAlone>),
}

#[derive(Serialize)]
pub(crate) struct ServiceStatus {
    pub(crate) pid: i32,
    pub(crate) next_slot_at: Option<IsoTime>,
}

#[derive(Serialize)]
struct AccountStatus<'a> {
    #[serde(flatten)]
    figures: &'a AccountFigures,
    parked: bool,
}

#[derive(Serialize)]
struct AlertStatus<'a> {
    kind: &'static str,
    account: Option<&'a str>,
    since: IsoTime,
    message: &'a str,
}

/// Credits spent, and what the caps leave.
#[derive(Serialize)]
pub(crate) struct Credits {
    spent_last_run: u32,
    pub(crate) spent_today: u32,
    pub(crate) spent_this_month: u32,
    left_last_run: Option<u32>,
    pub(crate) left_today: Option<u32>,
    pub(crate) left_this_month: Option<u32>,
    days: Vec<Day>,
}

#[derive(Serialize)]
struct Day {
    day: String,
    credits: i64,
}

#[derive(Serialize)]
struct LastRun<'a> {
    run_id: RunId,
    started_at: IsoTime,
    finished_at: Option<IsoTime>,
    outcome: Option<&'a str>,
    requests: i64,
    new_messages: i64,
    changed_messages: i64,
    credits_spent: i64,
}

#[derive(Serialize)]
pub(crate) struct ConversationStatus<'a> {
    account: &'a str,
    conversation_id: Option<&'a str>,
    profile_url: Option<&'a str>,
    name: Option<&'a str>,
    messages: i64,
    gone: i64,
    unread: Option<i64>,
    oldest_at: Option<IsoTime>,
    newest_at: Option<IsoTime>,
    gaps: usize,
    complete: bool,
    /// Whether runs ask for it.
    asked: bool,
    last_synced_at: Option<IsoTime>,
    error: Option<&'a str>,
}

impl<'a> Status<'a> {
    pub(crate) fn of(facts: &'a Facts, config: &Config, format: FormatTime) -> Self {
        let Facts { metrics, summary, census, .. } = facts;
        let (spent, left) = (&metrics.spent, &metrics.left);
        let parked = |figures: &AccountFigures| metrics.parked.contains(&figures.account);
        Self {
            archive: config.archive.path.display().to_string(),
            messages: summary.messages,
            gaps: summary.gaps,
            gaps_not_synced: census.asked.gaps_elsewhere,
            complete: census.complete,
            horizon: metrics.horizon.map(IsoTime),
            credits: Credits {
                spent_last_run: spent.run,
                spent_today: spent.day,
                spent_this_month: spent.month,
                left_last_run: left.run,
                left_today: left.day,
                left_this_month: left.month,
                days: facts
                    .days
                    .iter()
                    .map(|row| Day { day: iso_date(row.day_ms), credits: row.credits })
                    .collect(),
            },
            last_run: metrics.last_run.as_ref().map(LastRun::of),
            horizon_age_secs: metrics.horizon_age_secs(),
            last_success_at: metrics.figures.last_success_ms.map(IsoTime),
            last_backup_at: metrics.last_backup.map(IsoTime),
            service: service(config, metrics.closed, facts.now),
            accounts: metrics
                .figures
                .accounts
                .iter()
                .map(|figures| AccountStatus { figures, parked: parked(figures) })
                .collect(),
            runs: metrics.runs(),
            failures: metrics.failures(),
            needs_attention: metrics
                .figures
                .alerts
                .iter()
                .map(|row| AlertStatus {
                    kind: row.cause.as_str(),
                    account: row.account.as_deref(),
                    since: IsoTime(row.since_ms),
                    message: &row.message,
                })
                .collect(),
            sinks: &facts.sinks,
            erasures: &facts.erasures,
            lake: facts.lake.as_ref(),
            attention: attention::sentences(facts, format),
            conversations: census.rows.iter().map(|row| ConversationStatus::of(row, facts)).collect(),
            count: census.conversations,
            without_gaps: census.without_gaps,
            left_alone: &census.left_alone,
        }
    }

    /// The gaps that runs fill, as `gaps_left` of a run's report counts them.
    pub(crate) fn gaps_synced(&self) -> i64 {
        self.gaps.saturating_sub(self.gaps_not_synced)
    }

    pub(crate) fn horizon_words(&self, format: FormatTime) -> String {
        match self.horizon.map(|IsoTime(since)| format(since)) {
            Some(since) if self.without_gaps => format!("Nothing is missing, back to {since}."),
            Some(since) => format!("Nothing is missing since {since}."),
            None if self.count == 0 => "Nothing is configured or archived yet.".to_owned(),
            None => "Something recent is missing.".to_owned(),
        }
    }

    pub(crate) fn last_run_words(&self, format: FormatTime) -> Option<String> {
        let run = self.last_run.as_ref()?;
        Some(format!(
            "Last run: {}, {}: {}, {}, {}",
            format(run.started_at.0),
            run.outcome.unwrap_or("running, or interrupted"),
            plural(run.requests, "request"),
            plural(run.new_messages, "new message"),
            plural(run.credits_spent, "credit")
        ))
    }

    /// The gaps that no run fills: in which conversations, and how to have them filled.
    pub(crate) fn not_synced_words(&self) -> Option<String> {
        let (one, many) = ("more gap is in a conversation", "more gaps are in conversations");
        let gaps = Some(self.gaps_not_synced).filter(|n| *n > 0).map(|n| counted(n, one, many))?;
        let named = |row: &LeftAlone| {
            let name = row.name.as_deref().unwrap_or("unnamed");
            Some(format!("{} ({})", one_line(name), row.thread.as_deref()?))
        };
        let (count, rows) = self.left_alone;
        let mut names: Vec<String> = rows.iter().filter_map(named).collect();
        if names.is_empty() {
            return Some(format!(
                "{gaps} that sync does not ask for; add them under [[accounts]] to fill them."
            ));
        }
        names.extend((*count > names.len()).then(|| format!("{} more", count - names.len())));
        let names = names.join(", ");
        Some(format!(
            "{gaps} that sync does not ask for: {names}. Add their ids to conversations under [[accounts]] to fill them."
        ))
    }
}

impl<'a> LastRun<'a> {
    fn of(run: &'a RunRow) -> Self {
        Self {
            run_id: run.id,
            started_at: IsoTime(run.started_ms),
            finished_at: run.finished_ms.map(IsoTime),
            outcome: run.outcome.as_deref(),
            requests: run.requests,
            new_messages: run.new_messages,
            changed_messages: run.changed_messages,
            credits_spent: run.credits_spent,
        }
    }
}

impl<'a> ConversationStatus<'a> {
    pub(crate) fn of(row: &'a ConversationRow, facts: &Facts) -> Self {
        let (timeline, at) = (&row.timeline, |ms: Option<Ms>| ms.map(IsoTime));
        Self {
            account: &row.account,
            conversation_id: row.conversation_id.as_deref(),
            profile_url: row.profile_url.as_deref(),
            name: row.name.as_deref(),
            messages: timeline.messages,
            gone: timeline.gone,
            unread: row.unread,
            oldest_at: at(timeline.oldest_ms),
            newest_at: at(timeline.newest_ms),
            gaps: timeline.gaps.len(),
            complete: timeline.complete(),
            asked: facts.census.asked.asks(row),
            last_synced_at: at(row.synced_ms),
            error: row.last_error.as_deref(),
        }
    }
}
