//! `archive_status`: how complete and fresh the archive is, and what it costs.

use serde_json::Value;

use super::json;
use crate::app::outlook::Outlook;
use crate::core::format::iso_utc;
use crate::core::printable::one_line;
use crate::look::Glance;
use crate::mcp::answers::{AccountItem, FillPrice, ForecastItem, NOTICE, RunItem, StatusAnswer, StatusWords};
use crate::mcp::arguments::{Argument, Arguments, MAX_BYTES};
use crate::mcp::completeness::{self, LookedAt};
use crate::mcp::failure::ToolFailure;
use crate::mcp::fit::{AnswerRoom, cut, word};
use crate::store::{AccountFigures, RunRow};
use crate::view::status::{Facts, Status};

pub(super) const ARGUMENTS: &[Argument] = &[MAX_BYTES];

/// Gaps, accounts and sentences that are listed at most, and the bytes of a sentence.
const GAPS: usize = 20;
/// Of a small answer, one gap for so many bytes.
const BYTES_A_GAP: usize = 4096;
const ACCOUNTS: usize = 20;
const SENTENCES: usize = 20;
const SENTENCE: usize = 400;

pub(super) fn call(look: &Glance<'_>, arguments: &Arguments) -> Result<Value, ToolFailure> {
    let max_bytes = arguments.number("max_bytes");
    let facts = look.overview()?;
    let Facts { metrics, .. } = &*facts;
    let status = Status::of(&facts, &look.shared.config, iso_utc);
    let accounts = &metrics.figures.accounts;
    // What is configured no more and holds nothing is missing all the same, and list_conversations has it.
    let forgotten = &facts.census.forgotten;
    let mut answer = StatusAnswer {
        notice: NOTICE,
        now: iso_utc(look.now),
        messages: status.messages,
        conversations: facts.census.conversations.saturating_add(forgotten.len()),
        conversations_complete: status.complete + forgotten.iter().filter(|row| row.complete).count(),
        credits_spent_today: metrics.spent.day,
        credits_spent_this_month: metrics.spent.month,
        credits_left_today: metrics.left.day,
        credits_left_this_month: metrics.left.month,
        last_run: metrics.last_run.as_ref().map(run),
        last_backup_at: status.last_backup_at.map(|at| iso_utc(at.0)),
        service_running: status.service.is_some(),
        next_run_at: status.service.as_ref().and_then(|service| service.next_slot_at).map(|at| iso_utc(at.0)),
        forecast: forecast(look),
        accounts_total: accounts.len(),
        accounts: Vec::new(),
        attention_total: status.attention.len(),
        completeness: completeness::of(look, &LookedAt::default(), GAPS.min(max_bytes / BYTES_A_GAP))?,
        untrusted: StatusWords::default(),
    };
    let mut room = AnswerRoom::around(&answer, max_bytes);
    let sentences = status.attention.iter().map(|line| cut(&one_line(line), SENTENCE).to_owned());
    answer.untrusted.attention = room.take(sentences, SENTENCES);
    answer.accounts = room.take(accounts.iter().map(|figures| account(figures, &facts)), ACCOUNTS);
    json(&answer)
}

fn run(run: &RunRow) -> RunItem {
    RunItem {
        started_at: iso_utc(run.started_ms),
        finished_at: run.finished_ms.map(iso_utc),
        outcome: run.outcome.as_deref().map(|outcome| word(outcome, 40)),
        new_messages: run.new_messages,
        credits_spent: run.credits_spent,
    }
}

fn account(figures: &AccountFigures, facts: &Facts) -> AccountItem {
    let own = || facts.census.forgotten.iter().filter(|row| row.account == figures.account);
    let count = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
    AccountItem {
        account: word(&figures.account, 80),
        messages: figures.messages,
        conversations: figures.conversations.saturating_add(count(own().count())),
        complete: figures.complete.saturating_add(count(own().filter(|row| row.complete).count())),
        gaps: own().fold(figures.gaps, |gaps, row| gaps.saturating_add(row.gaps)),
        parked: facts.metrics.parked.contains(&figures.account),
    }
}

/// The forecast, unless it cannot be made.
fn forecast(look: &Glance<'_>) -> Option<ForecastItem> {
    let outlook =
        look.outlook().inspect_err(|error| tracing::warn!(%error, "no forecast can be made")).ok()?;
    let Outlook { next_run, to_complete, upkeep, .. } = &*outlook;
    Some(ForecastItem {
        next_run_credits_min: next_run.credits_min,
        next_run_credits_max: next_run.credits_max,
        to_complete: FillPrice {
            credits_min: to_complete.credits_min,
            credits_likely: to_complete.credits_likely,
        },
        runs_likely: to_complete.runs_likely,
        complete_likely_at: to_complete.likely.map(|at| iso_utc(at.0)),
        idle_credits_per_day: upkeep.idle_per_day,
    })
}
