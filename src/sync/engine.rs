//! The loop of a run: it makes one planned request after the other until nothing is left or the budget is spent.

use std::collections::{BTreeMap, VecDeque};

use chrono::DateTime;
use futures_util::StreamExt as _;
use tracing::info;

use super::report::{CreditsLeft, Reception, Report};
use super::settings::{Observer, RunError, Settings};
use super::{Archive, Stop};
use crate::api::{Api, ApiError, ExitClass, Turn};
use crate::clock::Clock;
use crate::core::Ms;
use crate::core::budget::{self, Caps, Left, Purse, Spent, price};
use crate::core::model::ids::{ConversationId, RunId};
use crate::core::planner::next::Next;
use crate::core::planner::pace::Pace;
use crate::core::planner::plan::Load;
use crate::core::planner::state::{Inbox, Room, Share, Subject};
use crate::core::planner::step::Step;
use crate::store::{Cause, Outcome, Outstanding};
use crate::sync::belonging::KnownOwners;
use crate::sync::clock_check::OtherClocks;
use crate::sync::request::{Attempt, Flights, Landing};
use crate::sync::run_state::RunState;
use crate::sync::vendor_balance::VendorBalance;

/// Makes one run.
///
/// # Errors
/// When the archive fails, or a target names nothing. What the API does wrong is in the report instead.
pub async fn run<R: Archive, A: Api, C: Clock>(
    archive: &mut R,
    api: &A,
    clock: &C,
    settings: &Settings,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Report, RunError> {
    let accounts = archive.configure(&settings.accounts, clock.now_ms())?;
    let narrowed = match settings.only.as_slice() {
        [] => None,
        words => Some(super::select(archive.targets(&accounts)?, words)?),
    };
    // Single targets are looked at themselves: that costs no more than the inbox would.
    let read_inbox = settings.inbox && settings.only.is_empty();
    let inboxes = if read_inbox { archive.inboxes(&settings.accounts, clock.now_ms())? } else { Vec::new() };
    let inboxes: Vec<Inbox> = inboxes.into_iter().map(|(_, inbox)| inbox).collect();
    let head_came_last = archive.head_came_last(None)?;
    let clocks = OtherClocks { newest_request_ms: archive.newest_request()?, ..OtherClocks::default() };
    let run = archive.begin_run(settings.trigger, clock.now_ms())?;
    let balance = VendorBalance::before(archive, api, clock, settings, stop, run).await?;
    if (OtherClocks { api_ahead_ms: api.ahead_ms(), ..clocks }).must_ask(clock.now_ms()) {
        // Only to hear what time it is.
        tokio::select! { _ = api.balance() => {}, () = stop.wait() => {} }
    }
    let capped = budget::left(&settings.caps, &archive.spent(run, clock.now_ms())?).least();
    let left = [capped, balance.whole()].into_iter().flatten().min();
    observer.begin(left);
    let limits = settings.limits(Share { budget: left, head_came_last }, Vec::new(), run, clock.now_ms());
    let mut run_state = RunState::new(limits, accounts, inboxes);
    settings.parked.iter().for_each(|account| run_state.plan.stop_account(*account));
    if let Some(targets) = narrowed {
        run_state.narrow(targets);
    }
    let mut engine = Engine {
        pace: Pace::new(settings.in_flight),
        flights: Flights::new(),
        landed: VecDeque::new(),
        again: VecDeque::new(),
        failures: BTreeMap::new(),
        under_way: 0,
        run,
        run_state,
        balance,
        clocks,
        archive,
        api,
        clock,
        settings,
        stop,
        observer,
        totals: Totals::default(),
        owners: KnownOwners::new(),
    };
    engine.run_state.plan.limits.account_shares = engine.account_shares()?;
    let end = engine.steps().await?;
    // What is left of it are waits: nothing of them is lost.
    engine.flights.clear();
    engine.run_state.plan.end_all();
    if end != RunEnd::Stopped {
        engine.balance.after(engine.archive, api, clock, stop, run).await?;
    }
    engine.finish(end)
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunEnd {
    Done,
    OutOfBudget,
    /// The vendor's balance is used up.
    NoCredits,
    /// The API refuses everything, or is down.
    GaveUp,
    Stopped,
}

#[derive(Default)]
pub(super) struct Totals {
    pub(super) requests: u32,
    pub(super) new_messages: u32,
    pub(super) edited: u32,
    pub(super) gone: u32,
    pub(super) pages: u32,
    pub(super) failures_in_a_row: u32,
    pub(super) failed_attempts: u32,
    pub(super) worst: Option<ExitClass>,
    pub(super) reception: Reception,
}

pub(super) struct Engine<'a, R, A, C> {
    pub(super) archive: &'a mut R,
    pub(super) api: &'a A,
    pub(super) clock: &'a C,
    pub(super) settings: &'a Settings,
    pub(super) stop: &'a Stop,
    pub(super) observer: &'a mut dyn Observer,
    pub(super) run: RunId,
    pub(super) run_state: RunState,
    pub(super) balance: VendorBalance,
    pub(super) clocks: OtherClocks,
    pub(super) totals: Totals,
    pub(super) owners: KnownOwners,
    pub(super) pace: Pace,
    pub(super) flights: Flights<'a>,
    /// What has come and is not stored yet.
    pub(super) landed: VecDeque<Landing>,
    /// Attempts whose wait is over.
    pub(super) again: VecDeque<Box<Attempt>>,
    /// Why steps that are tried again have failed.
    pub(super) failures: BTreeMap<Subject, ApiError>,
    /// Requests that were sent and have not been answered.
    pub(super) under_way: usize,
}

/// What may be begun now.
enum Ready {
    Step(Box<Step>),
    /// A further attempt of the first that waits for one.
    Again,
    /// The balance is to be looked at: nothing is under way.
    Balance,
    /// Nothing before something has come.
    Wait,
    End(RunEnd),
}

/// What comes first.
enum Event {
    Turn(Turn),
    Landed(Landing),
    Stop,
}

impl<'a, R: Archive, A: Api, C: Clock> Engine<'a, R, A, C> {
    /// What each account with caps of its own might spend in this run.
    fn account_shares(&self) -> Result<Vec<Share>, RunError> {
        let share = |(index, budget): (usize, Option<u32>)| {
            let id = self.run_state.account_id(index).filter(|_| budget.is_some());
            let head_came_last = id.map_or(Ok(false), |id| self.archive.head_came_last(Some(id)))?;
            Ok(Share { budget, head_came_last })
        };
        self.room()?.accounts.into_iter().enumerate().map(share).collect()
    }

    /// Keeps as many requests under way as may be, until nothing is left or something ends the run; then what is under
    /// way is waited for and stored.
    async fn steps(&mut self) -> Result<RunEnd, RunError> {
        let mut end: Option<RunEnd> = None;
        loop {
            end = end.or_else(|| self.has_to_end());
            let ready = match end {
                Some(end) if self.under_way == 0 && self.landed.is_empty() => return Ok(end),
                Some(_) => Ready::Wait,
                None => self.ready()?,
            };
            end = match ready {
                Ready::End(end) => return Ok(end),
                Ready::Balance => {
                    let run = self.run;
                    self.balance.compare(self.archive, self.api, self.stop, run).await?;
                    None
                }
                Ready::Wait => {
                    let landing = self.landing().await;
                    let then = self.land(landing).await?;
                    end.or(then)
                }
                Ready::Step(step) => self.with_turn(Some(*step)).await?,
                Ready::Again => self.with_turn(None).await?,
            };
        }
    }

    fn has_to_end(&self) -> Option<RunEnd> {
        if self.balance.whole() == Some(0) {
            return Some(RunEnd::NoCredits);
        }
        self.stop.requested().then_some(RunEnd::Stopped)
    }

    /// What may be begun beside what is under way.
    fn ready(&mut self) -> Result<Ready, RunError> {
        if self.balance.wants_look() {
            // Only what the answers since the last look have cost is to show in it.
            return Ok(if self.under_way == 0 { Ready::Balance } else { Ready::Wait });
        }
        // Where nothing has come yet and something has failed, one request shows whether anything will.
        let is_careful = self.is_probing() || (self.totals.pages == 0 && self.totals.failed_attempts > 0);
        let most = if is_careful { 1 } else { self.pace.limit(self.clock.now_ms()) };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if self.under_way >= most {
            return Ok(Ready::Wait);
        }
        self.drop_what_is_stopped();
        let room = self.room()?;
        if let Some(attempt) = self.again.front() {
            let is_cramped =
                room.of(attempt.step.account).is_some_and(|left| left < price(attempt.step.smallest()));
            return Ok(if is_cramped && self.under_way > 0 { Ready::Wait } else { Ready::Again });
        }
        if self.run_state.plan.in_flight() >= most {
            return Ok(Ready::Wait);
        }
        loop {
            return Ok(match self.run_state.plan.next(&room) {
                Next::Load(load) => {
                    self.load(load)?;
                    continue;
                }
                Next::Ask(step) => Ready::Step(Box::new(step)),
                Next::Wait => Ready::Wait,
                Next::Done => Ready::End(RunEnd::Done),
                Next::OutOfBudget => Ready::End(RunEnd::OutOfBudget),
            });
        }
    }

    /// Nothing of a stopped account is tried again.
    fn drop_what_is_stopped(&mut self) {
        for _ in 0..self.again.len() {
            let Some(attempt) = self.again.pop_front() else { return };
            let whom = attempt.step.whom;
            if !self.run_state.plan.is_stopped(attempt.step.account) {
                self.again.push_back(attempt);
                continue;
            }
            self.run_state.plan.end(whom);
            if let Some(error) = self.failures.remove(&whom) {
                self.run_state.failed(whom, error.to_string());
            }
        }
    }

    /// Lets the plan know more of what is stored.
    fn load(&mut self, load: Load) -> Result<(), RunError> {
        let Load { account, due } = load;
        let id = self.run_state.account_id(account).unwrap_or_default();
        let (targets, loaded) = self.archive.due((account, id), &due, &self.run_state.plan.limits)?;
        self.run_state.loaded(account, targets, loaded);
        Ok(())
    }

    /// Waits for a turn and begins a step with it, or the next further attempt; unless something comes before: then the
    /// plan may be another one.
    async fn with_turn(&mut self, step: Option<Step>) -> Result<Option<RunEnd>, RunError> {
        let planned = step.as_ref().or_else(|| self.again.front().map(|attempt| &attempt.step));
        let Some(planned) = planned.cloned() else { return Ok(None) };
        if step.is_some()
            && let Some(end) = self.doubts_the_clock(&planned)
        {
            return Ok(Some(end));
        }
        self.observer.asking(&planned);
        let event = tokio::select! {
            biased;
            () = self.stop.wait() => Event::Stop,
            Some(landing) = self.flights.next() => Event::Landed(landing),
            turn = self.api.turn() => Event::Turn(turn),
        };
        match (event, step) {
            (Event::Stop, _) => Ok(Some(RunEnd::Stopped)),
            (Event::Landed(landing), _) => self.land(landing).await,
            (Event::Turn(turn), Some(step)) => self.begin(step, turn),
            (Event::Turn(turn), None) => match self.again.pop_front() {
                Some(attempt) => self.begin_again(attempt, turn),
                None => Ok(None),
            },
        }
    }

    /// Waits until something has come.
    async fn landing(&mut self) -> Landing {
        match self.landed.pop_front() {
            Some(landing) => landing,
            None => match self.flights.next().await {
                Some(landing) => landing,
                // Nothing is under way, so that nothing is waited for.
                None => std::future::pending().await,
            },
        }
    }

    /// What may be spent now.
    fn room(&self) -> Result<Room, RunError> {
        let now = self.clock.now_ms();
        let spent = self.archive.spent(self.run, now)?;
        let left = budget::left(&self.settings.caps, &spent);
        let mut accounts = Vec::with_capacity(self.settings.account_caps.len());
        for (index, caps) in self.settings.account_caps.iter().enumerate() {
            let id = self.run_state.account_id(index).filter(|_| *caps != Caps::default());
            let spent = id.map(|id| self.archive.spent_by(id, self.run, now)).transpose()?;
            accounts.push(budget::left(caps, &spent.unwrap_or_default()).least());
        }
        let balance = self.balance.whole().map(|balance| balance.saturating_sub(spent.run));
        Ok(Room {
            all: [left.least(), balance].into_iter().flatten().min(),
            accounts,
            spare: budget::spare(&self.settings.caps, &spent),
        })
    }

    /// What a request of this account is paid from.
    pub(super) fn purse(&self, account: usize) -> Purse {
        let mut purse = self.settings.purse(account);
        purse.all.run = [purse.all.run, self.balance.whole()].into_iter().flatten().min();
        purse
    }

    /// How the run ended, in the archive's words.
    fn outcome(&self, end: RunEnd, missing: &Outstanding) -> Outcome {
        match end {
            RunEnd::Stopped => Outcome::Interrupted,
            RunEnd::NoCredits => Outcome::NoCredits,
            RunEnd::GaveUp | RunEnd::Done | RunEnd::OutOfBudget if self.totals.worst.is_some() => {
                if self.totals.pages == 0 { Outcome::Failed } else { Outcome::Partial }
            }
            RunEnd::OutOfBudget => Outcome::Budget,
            // What is left is stalled: it waits for a later run. Where a page only lagged behind the inbox, nothing failed.
            RunEnd::Done if missing.gaps > missing.waiting => Outcome::Partial,
            RunEnd::Done | RunEnd::GaveUp => Outcome::Complete,
        }
    }

    fn finish(mut self, end: RunEnd) -> Result<Report, RunError> {
        let now = self.clock.now_ms();
        let spent = self.archive.spent(self.run, now)?;
        let left = budget::left(&self.settings.caps, &spent);
        let balance_ended_it = end == RunEnd::OutOfBudget && self.balance.ended_it(&left, spent.run);
        let end = if balance_ended_it { RunEnd::NoCredits } else { end };
        let refused = &mut self.totals.reception.refused;
        if end == RunEnd::NoCredits && refused.iter().all(|r| r.cause != Cause::Credits) {
            refused.extend(self.balance.refusal());
        }
        let missing = self.missing()?;
        let outcome = self.outcome(end, &missing);
        self.archive.finish_run(self.run, outcome, now)?;
        let known: Vec<ConversationId> = self.run_state.plan.conversations().map(|c| c.id).collect();
        for id in known {
            if let Some(name) = self.archive.name_of(id)? {
                self.run_state.plan.change(id, |conversation| conversation.name = name);
            }
        }
        info!(
            outcome = outcome.as_str(),
            requests = self.totals.requests,
            new = self.totals.new_messages,
            credits = spent.run,
            "the run ended"
        );
        Ok(self.report(outcome, &spent, &left, missing))
    }

    /// What is missing. The horizon is unknown where a request failed or was not made for lack of credits or time, so that
    /// something recent may be missing.
    fn missing(&mut self) -> Result<Outstanding, RunError> {
        let mut missing = match self.run_state.missing() {
            Some(missing) => missing,
            None => {
                let read_inbox = self.settings.inbox && self.settings.only.is_empty();
                self.archive.missing(self.run_state.accounts(), read_inbox)?
            }
        };
        if self.run_state.plan.left_alone() || self.heads_left()? {
            missing.horizon = None;
        }
        Ok(missing)
    }

    fn heads_left(&mut self) -> Result<bool, RunError> {
        loop {
            match self.run_state.plan.heads_left() {
                Ok(left) => return Ok(left),
                Err(load) => self.load(load)?,
            }
        }
    }

    fn report(self, outcome: Outcome, spent: &Spent, left: &Left, missing: Outstanding) -> Report {
        Report {
            outcome,
            requests: self.totals.requests,
            new_messages: self.totals.new_messages,
            changed_messages: self.totals.edited,
            gone_messages: self.totals.gone,
            credits_spent: spent.run,
            credits_left: CreditsLeft { run: left.run, day: left.day, month: left.month },
            gaps_left: missing.gaps,
            horizon: missing.horizon.map(iso),
            conversations: self.run_state.conversations(&self.settings.accounts, missing),
            inboxes: self.run_state.inboxes(),
            balance: self.balance.report(spent.run),
            worst: self.totals.worst,
            reception: self.totals.reception,
        }
    }
}

/// A time as scripts read it.
fn iso(ms: Ms) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |t| t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}
