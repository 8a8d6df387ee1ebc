//! The status as JSON: what scripts read, documented in docs/json.md.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::app::metrics::Metrics;
use crate::core::format::{iso_date, iso_utc, plural};
use crate::core::model::ids::RunId;
use crate::store::{AccountFigures, Alert, ConversationRow, DayRow, RunRow};

/// The status, as `--json` prints it.
#[derive(Serialize)]
pub(super) struct Status {
    pub(super) archive: String,
    pub(super) messages: i64,
    pub(super) gaps: i64,
    pub(super) gaps_not_synced: i64,
    pub(super) complete: usize,
    pub(super) horizon: Option<String>,
    pub(super) credits: Credits,
    pub(super) last_run: Option<LastRun>,
    pub(super) horizon_age_secs: Option<i64>,
    pub(super) last_success_at: Option<String>,
    pub(super) service: Option<ServiceStatus>,
    pub(super) accounts: Vec<AccountStatus>,
    pub(super) runs: BTreeMap<String, i64>,
    pub(super) failures: BTreeMap<String, i64>,
    pub(super) needs_attention: Vec<AlertJson>,
    pub(super) attention: Vec<String>,
    pub(super) conversations: Vec<ConversationStatus>,
}

impl Status {
    /// The gaps that runs fill, as `gaps_left` of a run's report counts them.
    pub(super) fn gaps_synced(&self) -> i64 {
        self.gaps.saturating_sub(self.gaps_not_synced)
    }

    /// The last run in a sentence.
    pub(super) fn last_run_words(&self, format: fn(&str) -> String) -> Option<String> {
        let run = self.last_run.as_ref()?;
        let outcome = run.outcome.as_deref().unwrap_or("running, or interrupted");
        Some(format!(
            "Last run: {}, {outcome}: {}, {}, {}",
            format(&run.started_at),
            plural(run.requests, "request"),
            plural(run.new_messages, "new message"),
            plural(run.credits_spent, "credit")
        ))
    }
}

/// The service, while it runs.
#[derive(Serialize)]
pub(super) struct ServiceStatus {
    pub(super) pid: i32,
    pub(super) next_slot_at: Option<String>,
}

/// One account.
#[derive(Serialize)]
pub(super) struct AccountStatus {
    pub(super) account: String,
    pub(super) messages: i64,
    pub(super) conversations: i64,
    pub(super) complete: i64,
    pub(super) failing: i64,
    pub(super) gaps: i64,
    pub(super) parked: bool,
}

/// Something that only a person can fix.
#[derive(Serialize)]
pub(super) struct AlertJson {
    pub(super) kind: &'static str,
    pub(super) account: Option<String>,
    pub(super) since: String,
    pub(super) message: String,
}

/// Credits spent, and what the caps leave.
#[derive(Serialize)]
pub(super) struct Credits {
    pub(super) spent_last_run: u32,
    pub(super) spent_today: u32,
    pub(super) spent_this_month: u32,
    pub(super) left_last_run: Option<u32>,
    pub(super) left_today: Option<u32>,
    pub(super) left_this_month: Option<u32>,
    pub(super) days: Vec<Day>,
}

/// Credits of one UTC day.
#[derive(Serialize)]
pub(super) struct Day {
    pub(super) day: String,
    pub(super) credits: i64,
}

/// The last run.
#[derive(Serialize)]
pub(super) struct LastRun {
    pub(super) run_id: RunId,
    pub(super) started_at: String,
    pub(super) finished_at: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) requests: i64,
    pub(super) new_messages: i64,
    pub(super) changed_messages: i64,
    pub(super) credits_spent: i64,
}

/// One conversation.
#[derive(Serialize)]
pub(super) struct ConversationStatus {
    pub(super) account: String,
    pub(super) conversation_id: Option<String>,
    pub(super) profile_url: Option<String>,
    pub(super) name: Option<String>,
    pub(super) messages: i64,
    pub(super) gone: i64,
    pub(super) unread: Option<i64>,
    pub(super) oldest_at: Option<String>,
    pub(super) newest_at: Option<String>,
    pub(super) gaps: usize,
    pub(super) complete: bool,
    pub(super) last_synced_at: Option<String>,
    pub(super) error: Option<String>,
}

pub(super) fn account_status(account: &AccountFigures, metrics: &Metrics) -> AccountStatus {
    AccountStatus {
        account: account.account.clone(),
        messages: account.messages,
        conversations: account.conversations,
        complete: account.complete,
        failing: account.failing,
        gaps: account.gaps,
        parked: metrics.parked.contains(&account.account),
    }
}

pub(super) fn alert(row: &Alert) -> AlertJson {
    AlertJson {
        kind: row.cause.as_str(),
        account: row.account.clone(),
        since: iso_utc(row.since_ms),
        message: row.message.clone(),
    }
}

pub(super) fn day(row: &DayRow) -> Day {
    Day { day: iso_date(row.day_ms), credits: row.credits }
}

pub(super) fn last_run(run: RunRow) -> LastRun {
    LastRun {
        run_id: run.id,
        started_at: iso_utc(run.started_ms),
        finished_at: run.finished_ms.map(iso_utc),
        outcome: run.outcome,
        requests: run.requests,
        new_messages: run.new_messages,
        changed_messages: run.changed_messages,
        credits_spent: run.credits_spent,
    }
}

pub(super) fn conversation(row: &ConversationRow) -> ConversationStatus {
    ConversationStatus {
        account: row.account.clone(),
        conversation_id: row.conversation_id.clone(),
        profile_url: row.profile_url.clone(),
        name: row.name.clone(),
        messages: row.timeline.messages,
        gone: row.timeline.gone,
        unread: row.unread,
        oldest_at: row.timeline.oldest_ms.map(iso_utc),
        newest_at: row.timeline.newest_ms.map(iso_utc),
        gaps: row.timeline.gaps.len(),
        complete: row.timeline.complete(),
        last_synced_at: row.synced_ms.map(iso_utc),
        error: row.last_error.clone(),
    }
}
