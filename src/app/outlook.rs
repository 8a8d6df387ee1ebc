//! The forecast behind `plan` and `sync --dry-run`, from the configuration and the archive alone.

use serde::Serialize;

use crate::app::wiring;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{AccountConfig, ApiVersion, Config, InboxMode};
use crate::core::Ms;
use crate::core::budget::{self, Caps, Spent, price};
use crate::core::format::iso_utc;
use crate::core::planner::forecast::{Forecast, Range, arrival, forecast};
use crate::core::planner::next::{Next, PlannedStep, Step};
use crate::core::planner::state::{Inbox, Room, Share, State};
use crate::error::Failure;
use crate::store::{Reader, RunStart, StoreError, Trigger};
use crate::sync;
use crate::sync::watch::CREDITS_PER_DAY;

/// Scheduled runs that are looked at, at most.
const MOST_RUNS: usize = 20_000;

/// Days over which scheduled runs are counted.
const SAMPLE_DAYS: u32 = 28;

/// The forecast, as `plan --json` prints it; null where something cannot be estimated.
#[derive(Debug, Serialize)]
pub struct Outlook {
    /// The next run.
    pub next_run: NextRun,
    /// What is missing in each conversation and inbox.
    pub missing: Vec<Incomplete>,
    /// What it takes until nothing is missing.
    pub to_complete: ToComplete,
    /// What it costs to stay complete.
    pub upkeep: Upkeep,
    /// The steps that the next run begins with, for people.
    #[serde(skip)]
    pub steps: Vec<Step>,
    /// What ends these steps.
    #[serde(skip)]
    pub end: Next,
    /// What the caps leave for the next run.
    #[serde(skip)]
    pub room: Option<u32>,
}

/// The next run.
#[derive(Debug, Serialize)]
pub struct NextRun {
    /// The least it costs, provided that the API answers.
    pub credits_min: u32,
    /// What it probably costs.
    pub credits_likely: Option<u32>,
    /// What it never exceeds; null without a cap.
    pub credits_max: Option<u32>,
    /// The steps that it begins with.
    pub steps: Vec<PlannedStep>,
    /// Whether the credits run out before all that is known to be missing has been requested.
    pub more_to_follow: bool,
}

/// What is missing in a conversation.
#[derive(Debug, Serialize)]
pub struct Incomplete {
    /// What it is called.
    pub conversation: String,
    /// Its gaps.
    pub gaps: usize,
    /// How many messages are probably missing.
    pub messages_likely: Option<u32>,
    /// Credits to complete it, at least.
    pub credits_min: u32,
    /// Credits to complete it, probably.
    pub credits_likely: Option<u32>,
}

/// What it takes until nothing is missing.
#[derive(Debug, Serialize)]
pub struct ToComplete {
    /// Credits, at least.
    pub credits_min: u32,
    /// Credits, probably.
    pub credits_likely: Option<u32>,
    /// Runs under the current caps, at least.
    pub runs_min: Option<u32>,
    /// Runs, probably.
    pub runs_likely: Option<u32>,
    /// When the archive is complete at the earliest, on the current schedule (ISO 8601 UTC).
    pub earliest: Option<String>,
    /// When it probably is.
    pub likely: Option<String>,
    /// The same two times, for people.
    #[serde(skip)]
    pub moments: (Option<Ms>, Option<Ms>),
}

/// What it costs to stay complete.
#[derive(Debug, Serialize)]
pub struct Upkeep {
    /// Runs per day on the current schedule.
    pub runs_per_day: f64,
    /// Credits for a run that finds nothing new.
    pub idle_run: u32,
    /// Credits per day when nothing is new.
    pub idle_per_day: f64,
    /// Credits per day for rechecking complete conversations.
    pub recheck_per_day: f64,
    /// Credits per day for watching the accounts' events.
    pub events_per_day: f64,
}

/// Forecasts the next run and all that follow it. A `budget` given on the command line is among the configuration's
/// caps already.
///
/// # Errors
/// [`Failure::ArchiveRead`], or [`Failure::Usage`] if one of `only` names no conversation.
pub fn outlook(config: &Config, only: &[String]) -> Result<Outlook, Failure> {
    let path = &config.archive.path;
    let failed = |e: StoreError| wiring::read_failure(path, e);
    let reader = match Reader::open(path) {
        Ok(reader) => Some(reader),
        Err(StoreError::Missing(_)) => None,
        Err(error) => return Err(failed(error)),
    };
    let now: Ms = SystemClock.now_ms();
    let accounts = wiring::accounts(config);
    let targets = Reader::targets(reader.as_ref(), &accounts, now).map_err(failed)?;
    let targets = sync::select(targets, only).map_err(|e| wiring::run_failure(path, e.into()))?;
    let inboxes =
        if only.is_empty() { inboxes(config, reader.as_ref(), now).map_err(failed)? } else { vec![] };
    let state = State { inboxes, conversations: targets.into_iter().map(|t| t.plan).collect() };
    let (spent, next_run, by_account) = match &reader {
        Some(r) => {
            let queries = r.queries();
            let by_account = queries.spent_by_account(now).map_err(failed)?;
            (queries.spent(now).map_err(failed)?, queries.next_run().map_err(failed)?, by_account)
        }
        None => (Spent::default(), RunStart::FIRST, Default::default()),
    };
    let caps = config.budget.caps();
    let own = |a: &AccountConfig| {
        budget::left(&a.caps(), &by_account.get(&a.name).copied().unwrap_or_default()).least()
    };
    let room = Room {
        all: budget::left(&caps, &spent).least(),
        accounts: config.accounts.iter().map(own).collect(),
        spare: budget::spare(&caps, &spent),
    };
    let settings = wiring::settings(config, Trigger::Once, only.to_vec());
    let share = Share { budget: room.all, head_came_last: next_run.head_came_last };
    let last_of = |account: &AccountConfig| next_run.head_came_last_of.get(&account.name) == Some(&true);
    let account_shares = config.accounts.iter().zip(&room.accounts);
    let account_shares =
        account_shares.map(|(account, budget)| Share { budget: *budget, head_came_last: last_of(account) });
    let limits = settings.limits(share, account_shares.collect(), next_run.number, now);
    let forecast = forecast(&state, &limits, &room, config.api.version == ApiVersion::V1);
    let upkeep = upkeep(config, &state, now);
    Ok(assemble(config, forecast, upkeep, &caps, &spent, room.all, now))
}

/// How many of the archive's gaps no run fills: those of conversations that are neither configured nor discovered in an
/// inbox. The others are what a run reports as left.
///
/// # Errors
/// If the archive cannot be read.
pub fn gaps_not_synced(config: &Config, reader: &Reader, now: Ms) -> Result<i64, StoreError> {
    let targets = Reader::targets(Some(reader), &wiring::accounts(config), now)?;
    let inboxes = inboxes(config, Some(reader), now)?;
    let timelines = targets.iter().map(|t| &t.plan.timeline).chain(inboxes.iter().map(|i| &i.timeline));
    // A conversation that no run has seen yet has one gap, which is not stored.
    let synced = timelines.flat_map(|timeline| &timeline.gaps).filter(|gap| gap.id != 0).count();
    Ok(reader.queries().summary()?.gaps.saturating_sub(i64::try_from(synced).unwrap_or(i64::MAX)))
}

/// The inboxes that runs read.
fn inboxes(config: &Config, reader: Option<&Reader>, now: Ms) -> Result<Vec<Inbox>, StoreError> {
    if config.sync.inbox == InboxMode::Off {
        return Ok(Vec::new());
    }
    Reader::inboxes(reader, &wiring::accounts(config), now)
}

fn assemble(
    config: &Config,
    forecast: Forecast,
    upkeep: Upkeep,
    caps: &Caps,
    spent: &Spent,
    room: Option<u32>,
    now: Ms,
) -> Outlook {
    let when = |credits: Option<u32>| {
        let credits = credits.filter(|credits| *credits > 0)?;
        let runs = config.schedule.slots.after(now).take(MOST_RUNS);
        arrival(credits, upkeep.idle_run, caps, spent, runs)
    };
    let Range { min, likely, max: _ } = forecast.to_complete;
    let (earliest, expected) = (when(Some(min)), when(likely));
    let Range { min: credits_min, likely: credits_likely, max: credits_max } = forecast.next_run;
    Outlook {
        next_run: NextRun {
            credits_min,
            credits_likely,
            credits_max,
            steps: forecast.steps.iter().map(PlannedStep::from).collect(),
            more_to_follow: forecast.end == Next::OutOfBudget,
        },
        missing: forecast
            .missing
            .into_iter()
            .map(|m| Incomplete {
                conversation: m.name,
                gaps: m.gaps,
                messages_likely: m.messages,
                credits_min: m.credits.min,
                credits_likely: m.credits.likely,
            })
            .collect(),
        to_complete: ToComplete {
            credits_min: min,
            credits_likely: likely,
            runs_min: earliest.map(|a| a.runs),
            runs_likely: expected.map(|a| a.runs),
            earliest: earliest.map(|a| iso_utc(a.at_ms)),
            likely: expected.map(|a| iso_utc(a.at_ms)),
            moments: (earliest.map(|a| a.at_ms), expected.map(|a| a.at_ms)),
        },
        upkeep,
        steps: forecast.steps,
        end: forecast.end,
        room,
    }
}

/// The cost of staying complete: in each run one look at every inbox, or, where none is read, at every conversation.
fn upkeep(config: &Config, state: &State, now: Ms) -> Upkeep {
    let requests = if state.inboxes.is_empty() { state.conversations.len() } else { state.inboxes.len() };
    let idle_run = u32::try_from(requests).unwrap_or(u32::MAX);
    let sample_ms = i64::from(SAMPLE_DAYS) * 86_400_000;
    let end = now.saturating_add(sample_ms);
    let runs = config.schedule.slots.after(now).take_while(|at| *at < end).take(MOST_RUNS);
    let (count, last) = runs.fold((0_u32, now), |(count, _), at| (count.saturating_add(1), at));
    // If the sample ends early, the runs are counted over the time up to its last one.
    let span_ms = if usize::try_from(count).is_ok_and(|n| n == MOST_RUNS) { last - now } else { sample_ms };
    #[expect(clippy::cast_precision_loss, reason = "an average for people")]
    let days = span_ms as f64 / 86_400_000.0;
    let runs_per_day = if days > 0.0 { f64::from(count) / days } else { 0.0 };
    let stored = |messages: i64| u32::try_from(messages).unwrap_or(u32::MAX);
    let all: f64 = state.conversations.iter().map(|c| f64::from(price(stored(c.timeline.standing())))).sum();
    let recheck = config.sync.recheck_days;
    let watches = config.events.enabled && config.api.version == ApiVersion::V2;
    let watched = u32::try_from(config.accounts.len()).unwrap_or(u32::MAX);
    Upkeep {
        runs_per_day: rounded(runs_per_day),
        idle_run,
        idle_per_day: rounded(runs_per_day * f64::from(idle_run)),
        events_per_day: if watches { f64::from(CREDITS_PER_DAY) * f64::from(watched) } else { 0.0 },
        recheck_per_day: if recheck == 0 { 0.0 } else { rounded(all / f64::from(recheck)) },
    }
}

/// A whole number; below ten with two digits after the point, for schedules of a few runs a month.
fn rounded(number: f64) -> f64 {
    if number >= 10.0 { number.round() } else { (number * 100.0).round() / 100.0 }
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn averages_are_whole_numbers_unless_they_are_small() {
        assert_eq!([8640.02, 48.0, 0.142_857, 0.0].map(rounded), [8640.0, 48.0, 0.14, 0.0]);
    }
}
