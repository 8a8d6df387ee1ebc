//! What lies ahead, from the configuration and the archive as they are: nothing is asked, nothing is written.

use serde::Serialize;

use crate::app::wiring;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{AccountConfig, ApiVersion, Config, InboxMode};
use crate::core::Ms;
use crate::core::budget::{self, Caps, Spent, price};
use crate::core::format::iso_utc;
use crate::core::planner::forecast::{Forecast, Range, arrival, forecast};
use crate::core::planner::next::{Next, PlannedStep, Room, State, Step};
use crate::error::Failure;
use crate::store::{Reader, RunStart, StoreError, Trigger};
use crate::sync;
use crate::sync::watch::CREDITS_PER_DAY;

/// Runs of the schedule that are looked ahead over at most.
const MOST_RUNS: usize = 20_000;

/// Days over which the schedule's runs are counted.
const SAMPLE_DAYS: u32 = 28;

/// What lies ahead, as scripts read it. Credits; null where nothing tells.
#[derive(Debug, Serialize)]
pub struct Ahead {
    /// The next run.
    pub next_run: NextRun,
    /// What is missing of each conversation and inbox.
    pub missing: Vec<MissingLine>,
    /// All that follows until nothing is missing.
    pub to_complete: ToComplete,
    /// What it costs to stay complete.
    pub upkeep: Upkeep,
    /// The steps that the next run begins with, as a person reads them.
    #[serde(skip)]
    pub steps: Vec<Step>,
    /// Whether the credits end these steps.
    #[serde(skip)]
    pub end: Next,
    /// What the caps leave for the next run.
    #[serde(skip)]
    pub room: Option<u32>,
}

/// The next run.
#[derive(Debug, Serialize)]
pub struct NextRun {
    /// What it costs at least, as long as the API answers.
    pub credits_min: u32,
    /// What is to be expected.
    pub credits_likely: Option<u32>,
    /// What it never exceeds; null when no cap does.
    pub credits_max: Option<u32>,
    /// The steps that it begins with.
    pub steps: Vec<PlannedStep>,
    /// Whether the credits end before what is known to ask.
    pub more_to_follow: bool,
}

/// What is missing of a conversation.
#[derive(Debug, Serialize)]
pub struct MissingLine {
    /// What to call it.
    pub conversation: String,
    /// Stretches in which something is missing.
    pub gaps: usize,
    /// Messages thought to be missing.
    pub messages_likely: Option<u32>,
    /// Credits until nothing is: at least.
    pub credits_min: u32,
    /// The same, as is to be expected.
    pub credits_likely: Option<u32>,
}

/// All that follows until nothing is missing.
#[derive(Debug, Serialize)]
pub struct ToComplete {
    /// Credits, at least.
    pub credits_min: u32,
    /// Credits, as is to be expected.
    pub credits_likely: Option<u32>,
    /// Runs under the present caps, at least.
    pub runs_min: Option<u32>,
    /// Runs, as is to be expected.
    pub runs_likely: Option<u32>,
    /// When that is on the present schedule, at the earliest (ISO 8601 UTC).
    pub earliest: Option<String>,
    /// When that is to be expected.
    pub likely: Option<String>,
    /// The same two moments for people.
    #[serde(skip)]
    pub moments: (Option<Ms>, Option<Ms>),
}

/// What it costs to stay complete.
#[derive(Debug, Serialize)]
pub struct Upkeep {
    /// Runs a day on the present schedule.
    pub runs_per_day: f64,
    /// Credits of a run that finds nothing new.
    pub idle_run: u32,
    /// Credits a day when nothing happens.
    pub idle_per_day: f64,
    /// Credits a day for second readings of what is complete.
    pub recheck_per_day: f64,
    /// Credits a day for watching the accounts' events.
    pub events_per_day: f64,
}

/// Looks ahead. `budget` in the configuration's caps counts already.
///
/// # Errors
/// When the archive cannot be read, or a target names nothing.
pub fn look(config: &Config, only: &[String]) -> Result<Ahead, Failure> {
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
    let read_inbox = config.sync.inbox != InboxMode::Off && only.is_empty();
    let inboxes =
        if read_inbox { Reader::inboxes(reader.as_ref(), &accounts, now).map_err(failed)? } else { vec![] };
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
        budget::left(&a.caps, &by_account.get(&a.name).copied().unwrap_or_default()).least()
    };
    let room = Room {
        all: budget::left(&caps, &spent).least(),
        accounts: config.accounts.iter().map(own).collect(),
        spare: budget::spare(&caps, &spent),
    };
    let settings = wiring::settings(config, Trigger::Once, only.to_vec());
    let limits = settings.limits(room.all, next_run.number, next_run.head_came_last, now);
    let forecast = forecast(&state, &limits, &room, config.api.version == ApiVersion::V1);
    let upkeep = upkeep(config, &state, now);
    Ok(ahead(config, forecast, upkeep, &caps, &spent, room.all, now))
}

fn ahead(
    config: &Config,
    forecast: Forecast,
    upkeep: Upkeep,
    caps: &Caps,
    spent: &Spent,
    room: Option<u32>,
    now: Ms,
) -> Ahead {
    let when = |credits: Option<u32>| {
        let credits = credits.filter(|credits| *credits > 0)?;
        let runs = config.schedule.slots.after(now).take(MOST_RUNS);
        arrival(credits, upkeep.idle_run, caps, spent, runs)
    };
    let Range { min, likely, max: _ } = forecast.to_complete;
    let (earliest, expected) = (when(Some(min)), when(likely));
    let Range { min: credits_min, likely: credits_likely, max: credits_max } = forecast.next_run;
    Ahead {
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
            .map(|m| MissingLine {
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

/// What staying complete costs: a look at each inbox a run, or at each conversation where no inbox is read.
fn upkeep(config: &Config, state: &State, now: Ms) -> Upkeep {
    let looks = if state.inboxes.is_empty() { state.conversations.len() } else { state.inboxes.len() };
    let idle_run = u32::try_from(looks).unwrap_or(u32::MAX);
    let sample_ms = i64::from(SAMPLE_DAYS) * 86_400_000;
    let end = now.saturating_add(sample_ms);
    let runs = config.schedule.slots.after(now).take_while(|at| *at < end).take(MOST_RUNS);
    let (count, last) = runs.fold((0_u32, now), |(count, _), at| (count.saturating_add(1), at));
    // A schedule with more runs than are looked at is counted over the time that those take.
    let span_ms = if usize::try_from(count).is_ok_and(|n| n == MOST_RUNS) { last - now } else { sample_ms };
    #[expect(clippy::cast_precision_loss, reason = "a number of days for people")]
    let days = span_ms as f64 / 86_400_000.0;
    let runs_per_day = if days > 0.0 { f64::from(count) / days } else { 0.0 };
    let stored = |messages: i64| u32::try_from(messages).unwrap_or(u32::MAX);
    let whole: f64 =
        state.conversations.iter().map(|c| f64::from(price(stored(c.timeline.standing())))).sum();
    let recheck = config.sync.recheck_days;
    let watches = config.events.enabled && config.api.version == ApiVersion::V2;
    let watched = u32::try_from(config.accounts.len()).unwrap_or(u32::MAX);
    Upkeep {
        runs_per_day: rounded(runs_per_day),
        idle_run,
        idle_per_day: rounded(runs_per_day * f64::from(idle_run)),
        events_per_day: if watches { f64::from(CREDITS_PER_DAY) * f64::from(watched) } else { 0.0 },
        recheck_per_day: if recheck == 0 { 0.0 } else { rounded(whole / f64::from(recheck)) },
    }
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
