//! The forecast behind `plan` and `sync --dry-run`, from the configuration and the archive alone.

use std::collections::BTreeMap;
use std::convert::Infallible;

use serde::Serialize;

use crate::app::wiring;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{AccountConfig, ApiVersion, Config, InboxMode};
use crate::core::Ms;
use crate::core::budget::{self, Caps, Spent, price};
use crate::core::format::IsoTime;
use crate::core::model::ids::AccountId;
use crate::core::planner::forecast::{
    Arrival, Forecast, Missing, Prospect, Range, arrival, forecast, typical_length,
};
use crate::core::planner::next::{Next, PlannedStep, Step};
use crate::core::planner::plan::{Load, Plan};
use crate::core::planner::state::{Inbox, Limits, Room, Share, State};
use crate::error::Failure;
use crate::store::{Configured, Reader, RunStart, StoreError, Tally, Trigger};
use crate::sync;
use crate::sync::watch::CREDITS_PER_DAY;

/// Scheduled runs that are looked at, at most.
const MOST_RUNS: usize = 20_000;

/// Days over which scheduled runs are counted.
const SAMPLE_DAYS: u32 = 28;

/// The forecast, as `plan --json` prints it; null where something cannot be estimated.
#[derive(Debug, Serialize)]
pub(crate) struct Outlook {
    pub(crate) next_run: NextRun,
    /// What is missing in each conversation and inbox.
    pub(crate) missing: Vec<Incomplete>,
    pub(crate) to_complete: ToComplete,
    pub(crate) upkeep: Upkeep,
    /// The steps that the next run begins with, for people.
    #[serde(skip)]
    pub(crate) steps: Vec<Step>,
    /// What ends these steps.
    #[serde(skip)]
    pub(crate) end: Next,
    /// What the caps leave for the next run.
    #[serde(skip)]
    pub(crate) room: Option<u32>,
}

#[derive(Debug, Serialize)]
pub(crate) struct NextRun {
    /// The least it costs, provided that the API answers.
    pub(crate) credits_min: u32,
    pub(crate) credits_likely: Option<u32>,
    /// What it never exceeds; null without a cap.
    pub(crate) credits_max: Option<u32>,
    pub(crate) steps: Vec<PlannedStep>,
    /// Whether the credits run out before all that is known to be missing has been requested.
    pub(crate) more_to_follow: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Incomplete {
    pub(crate) conversation: String,
    pub(crate) gaps: usize,
    pub(crate) messages_likely: Option<u32>,
    pub(crate) credits_min: u32,
    pub(crate) credits_likely: Option<u32>,
}

/// What it takes until nothing is missing, on the current schedule and under the current caps.
#[derive(Debug, Serialize)]
pub(crate) struct ToComplete {
    pub(crate) credits_min: u32,
    pub(crate) credits_likely: Option<u32>,
    pub(crate) runs_min: Option<u32>,
    pub(crate) runs_likely: Option<u32>,
    pub(crate) earliest: Option<IsoTime>,
    pub(crate) likely: Option<IsoTime>,
}

/// What it costs to stay complete.
#[derive(Debug, Serialize)]
pub(crate) struct Upkeep {
    pub(crate) runs_per_day: f64,
    /// Credits for a run that finds nothing new.
    pub(crate) idle_run: u32,
    /// Credits per day when nothing is new.
    pub(crate) idle_per_day: f64,
    /// Credits per day for rechecking complete conversations.
    pub(crate) recheck_per_day: f64,
    /// Credits per day for watching the accounts' events.
    pub(crate) events_per_day: f64,
}

/// Forecasts the next run and all that follow it. A `budget` given on the command line is among the configuration's
/// caps already.
pub(crate) fn outlook(config: &Config, only: &[String]) -> Result<Outlook, Failure> {
    let reader = wiring::reader_if_any(&config.archive.path)?;
    outlook_of(config, reader.as_ref(), only, SystemClock.now_ms())
}

/// The same from an archive that is open, if there is one.
pub(crate) fn outlook_of(
    config: &Config,
    reader: Option<&Reader>,
    only: &[String],
    now: Ms,
) -> Result<Outlook, Failure> {
    let path = &config.archive.path;
    let failed = |e: StoreError| wiring::read_failure(path, e);
    if let Some(reader) = reader
        && let Some(warning) = renamed(&reader.queries().accounts_in_use().map_err(failed)?, config)
    {
        tracing::warn!("{warning}");
    }
    let queries = reader.map(Reader::queries);
    let (spent, next_run, by_account) = match &queries {
        Some(q) => (q.spent(now), q.next_run(), q.spent_by_account(now)),
        None => (Ok(Spent::default()), Ok(RunStart::FIRST), Ok(BTreeMap::new())),
    };
    let (spent, next_run) = (spent.map_err(failed)?, next_run.map_err(failed)?);
    let by_account = by_account.map_err(failed)?;
    let caps = config.budget.caps();
    let share = |account: &AccountConfig| {
        let spent = by_account.get(&account.name).copied().unwrap_or_default();
        let head_came_last = next_run.head_came_last_of.get(&account.name) == Some(&true);
        Share { budget: budget::left(&account.caps(), &spent).least(), head_came_last }
    };
    let shares: Vec<Share> = config.accounts.iter().map(share).collect();
    let room = Room {
        all: budget::left(&caps, &spent).least(),
        accounts: shares.iter().map(|share| share.budget).collect(),
        spare: budget::spare(&caps, &spent),
    };
    let all = Share { budget: room.all, head_came_last: next_run.head_came_last };
    let settings = wiring::settings(config, Trigger::Once, only.to_vec());
    let limits = settings.limits(all, shares, next_run.number, now);
    let charges_empty = config.api.version == ApiVersion::V1;
    let (forecast, upkeep) = match by_index(config, reader, only, &limits, now).map_err(failed)? {
        Some(KnownByIndex { reader, ids, prospect, upkeep }) => {
            let load = |plan: &mut Plan, Load { account, due }: Load| {
                let id = ids.get(account).copied().unwrap_or_default();
                let (targets, loaded) = reader.queries().due((account, id), &due, &limits)?;
                plan.loaded(account, targets.into_iter().map(|target| target.plan).collect(), loaded);
                Ok(())
            };
            (forecast(prospect, &room, charges_empty, load).map_err(failed)?, upkeep)
        }
        None => {
            let state = whole(config, reader, only, now)?;
            let nothing_more = |_: &mut Plan, _: Load| Ok::<(), Infallible>(());
            let Ok(forecast) =
                forecast(Prospect::of_all(&state, &limits), &room, charges_empty, nothing_more);
            (forecast, upkeep_of_all(config, &state, now))
        }
    };
    Ok(assemble(config, forecast, upkeep, &caps, &spent, room.all, now))
}

/// That the archive has an account which is not configured, and does not have one which is: renamed, most likely.
pub(crate) fn renamed(known: &[(String, bool)], config: &Config) -> Option<String> {
    let is_configured = |name: &str| config.accounts.iter().any(|a| a.name == name);
    let (gone, _) = known.iter().find(|(name, has_messages)| *has_messages && !is_configured(name))?;
    let new = &config.accounts.iter().find(|a| known.iter().all(|(name, _)| *name != a.name))?.name;
    Some(format!(
        "the archive knows the account {gone:?}, not {new:?}: a run would begin a second mailbox and pay for it again. \
         Call it {gone:?} in the configuration, or set archive.path to another archive"
    ))
}

/// What is due, and counts of the rest.
struct KnownByIndex<'a> {
    reader: &'a Reader,
    /// The accounts of the configuration by the archive's ids.
    ids: Vec<AccountId>,
    prospect: Prospect,
    upkeep: Upkeep,
}

/// What the forecast looks at where the configuration has been applied.
fn by_index<'a>(
    config: &Config,
    reader: Option<&'a Reader>,
    only: &[String],
    limits: &Limits,
    now: Ms,
) -> Result<Option<KnownByIndex<'a>>, StoreError> {
    let accounts = wiring::accounts(config);
    let Some(reader) = reader.filter(|_| only.is_empty()) else { return Ok(None) };
    let queries = reader.queries();
    if !queries.is_applied(&accounts)? {
        return Ok(None);
    }
    let (known, tallies) = (queries.account_ids()?, queries.tallies()?);
    let id =
        |account: &Configured| known.iter().find(|(_, name)| *name == account.account).map(|(id, _)| *id);
    let ids: Vec<AccountId> = accounts.iter().map(|account| id(account).unwrap_or_default()).collect();
    let asked = ids.iter().filter_map(|id| tallies.get(&(*id, true)));
    let asked = asked.copied().fold(Tally::default(), Tally::plus);
    let inboxes = inboxes(config, Some(reader), now)?;
    let requests = if inboxes.is_empty() {
        asked.conversations
    } else {
        i64::try_from(inboxes.len()).unwrap_or(i64::MAX)
    };
    let prospect = Prospect {
        plan: Plan::new(limits.clone(), accounts.len(), inboxes),
        incomplete: queries.incomplete_targets(&accounts)?.into_iter().map(|target| target.plan).collect(),
        typical: typical_length(asked.complete, asked.messages_of_complete),
    };
    let upkeep = upkeep(config, requests, asked.credits, now);
    Ok(Some(KnownByIndex { reader, ids, prospect, upkeep }))
}

/// All that the forecast may look at.
fn whole(config: &Config, reader: Option<&Reader>, only: &[String], now: Ms) -> Result<State, Failure> {
    let path = &config.archive.path;
    let failed = |e: StoreError| wiring::read_failure(path, e);
    let targets = Reader::targets(reader, &wiring::accounts(config), now).map_err(failed)?;
    let targets = sync::select(targets, only).map_err(|e| wiring::run_failure(path, e.into()))?;
    let inboxes = if only.is_empty() { inboxes(config, reader, now).map_err(failed)? } else { vec![] };
    Ok(State { inboxes, conversations: targets.into_iter().map(|t| t.plan).collect() })
}

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
    let at = |arrival: Option<Arrival>| arrival.map(|a| IsoTime(a.at_ms));
    let Range { min: credits_min, likely: credits_likely, max: credits_max } = forecast.next_run;
    let incomplete = |m: Missing| Incomplete {
        conversation: m.name,
        gaps: m.gaps,
        messages_likely: m.messages,
        credits_min: m.credits.min,
        credits_likely: m.credits.likely,
    };
    Outlook {
        next_run: NextRun {
            credits_min,
            credits_likely,
            credits_max,
            steps: forecast.steps.iter().map(PlannedStep::from).collect(),
            more_to_follow: forecast.end == Next::OutOfBudget,
        },
        missing: forecast.missing.into_iter().map(incomplete).collect(),
        to_complete: ToComplete {
            credits_min: min,
            credits_likely: likely,
            runs_min: earliest.map(|a| a.runs),
            runs_likely: expected.map(|a| a.runs),
            earliest: at(earliest),
            likely: at(expected),
        },
        upkeep,
        steps: forecast.steps,
        end: forecast.end,
        room,
    }
}

fn upkeep_of_all(config: &Config, state: &State, now: Ms) -> Upkeep {
    let requests = if state.inboxes.is_empty() { state.conversations.len() } else { state.inboxes.len() };
    let stored = |messages: i64| u32::try_from(messages).unwrap_or(u32::MAX);
    let credits = state.conversations.iter().map(|c| i64::from(price(stored(c.timeline.standing())))).sum();
    upkeep(config, i64::try_from(requests).unwrap_or(i64::MAX), credits, now)
}

/// The cost of staying complete: in each run one look at every inbox, or, where none is read, at every conversation; and
/// what reading everything once more costs.
fn upkeep(config: &Config, requests: i64, credits_of_all: i64, now: Ms) -> Upkeep {
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
    #[expect(clippy::cast_precision_loss, reason = "an average for people")]
    let all = credits_of_all as f64;
    let recheck = config.sync.recheck_days;
    let watched = u32::try_from(config.accounts.len()).unwrap_or(u32::MAX);
    Upkeep {
        runs_per_day: rounded(runs_per_day),
        idle_run,
        idle_per_day: rounded(runs_per_day * f64::from(idle_run)),
        events_per_day: if config.watches() { f64::from(CREDITS_PER_DAY) * f64::from(watched) } else { 0.0 },
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
