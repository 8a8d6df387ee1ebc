//! The loop of a run: decide, reserve, ask, store, until nothing is left or the budget is.

use chrono::DateTime;
use tracing::{info, warn};

use super::report::{CreditsLeft, Reception, Report, Trouble};
use super::settings::{Observer, RunError, Settings};
use super::{Archive, Stop};
use crate::api::{Answer, Api, ApiError, Ask, Turn};
use crate::clock::Clock;
use crate::core::Ms;
use crate::core::budget::{self, Purse, Reservation};
use crate::core::inbox::InboxPage;
use crate::core::model::cursor::Cursor;
use crate::core::model::page::Page;
use crate::core::planner::next;
use crate::core::planner::next::Next;
use crate::core::planner::state::{Limits, Progress, Room, Subject};
use crate::core::planner::step::{Step, StepKind};
use crate::core::timeline::gap::{Asked, LARGEST_ASK};
use crate::store::{Cause, Outcome, Purpose, Request};
use crate::sync::run_state::Book;
use crate::sync::vendor_balance::Funds;

/// Conversations in a row that may fail, retries and all, before the API itself is taken to be down. What failed in
/// an earlier run is asked last, so that a few bad conversations do not keep the others from being asked.
const FAILURES_IN_A_ROW: u32 = 5;
/// The same when nothing at all has come in this run.
const FAILURES_AT_FIRST: u32 = 3;

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
    let targets = archive.configure(&settings.accounts, clock.now_ms())?;
    let targets = super::select(targets, &settings.only)?;
    // Single targets are looked at themselves: that costs no more than the inbox would.
    let read_inbox = settings.inbox && settings.only.is_empty();
    let inboxes = if read_inbox { archive.inboxes(&settings.accounts, clock.now_ms())? } else { Vec::new() };
    let head_came_last = archive.head_came_last()?;
    let run = archive.begin_run(settings.trigger, clock.now_ms())?;
    let funds = Funds::before(archive, api, clock, settings, stop, run).await?;
    let capped = budget::left(&settings.caps, &archive.spent(run, clock.now_ms())?).least();
    let left = [capped, funds.whole()].into_iter().flatten().min();
    observer.begin(targets.len(), left);
    let mut engine = Engine {
        limits: settings.limits(left, run, head_came_last, clock.now_ms()),
        book: Book::new(targets, inboxes),
        funds,
        archive,
        api,
        clock,
        settings,
        stop,
        observer,
        progress: Progress { stopped: settings.parked.clone(), ..Progress::default() },
        totals: Totals::default(),
    };
    let end = engine.steps().await?;
    if end != End::Stopped {
        engine.funds.after(engine.archive, api, clock, stop, run).await?;
    }
    engine.finish(end)
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
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
    requests: u32,
    pub(super) new_messages: u32,
    pub(super) edited: u32,
    pub(super) gone: u32,
    pub(super) pages: u32,
    pub(super) failures_in_a_row: u32,
    worst: Option<Trouble>,
    pub(super) reception: Reception,
}

pub(super) struct Engine<'a, R, A, C> {
    pub(super) archive: &'a mut R,
    api: &'a A,
    pub(super) clock: &'a C,
    pub(super) settings: &'a Settings,
    stop: &'a Stop,
    pub(super) observer: &'a mut dyn Observer,
    limits: Limits,
    pub(super) book: Book,
    funds: Funds,
    pub(super) progress: Progress,
    pub(super) totals: Totals,
}

/// What was asked for.
pub(super) enum Got {
    Page(Page),
    Inbox(InboxPage),
}

/// What one attempt came to.
enum Attempt {
    Answered(Answer<Got>, u32),
    OutOfBudget,
    Stopped,
}

impl<R: Archive, A: Api, C: Clock> Engine<'_, R, A, C> {
    async fn steps(&mut self) -> Result<End, RunError> {
        loop {
            if self.funds.whole() == Some(0) {
                return Ok(End::NoCredits);
            }
            if self.stop.requested() {
                return Ok(End::Stopped);
            }
            let room = self.room()?;
            let step = match next::next(&self.book.state, &self.limits, &self.progress, &room) {
                Next::Ask(step) => step,
                Next::Done => return Ok(End::Done),
                Next::OutOfBudget => return Ok(End::OutOfBudget),
            };
            if let Some(end) = self.step(&step).await? {
                return Ok(end);
            }
        }
    }

    /// What may be spent now.
    fn room(&self) -> Result<Room, RunError> {
        let now = self.clock.now_ms();
        let spent = self.archive.spent(self.limits.run, now)?;
        let left = budget::left(&self.settings.caps, &spent);
        let mut accounts = Vec::with_capacity(self.settings.account_caps.len());
        for (index, caps) in self.settings.account_caps.iter().enumerate() {
            let spent = match self.book.account_of(Subject::Inbox(index)) {
                Some(id) => self.archive.spent_by(id, self.limits.run, now)?,
                None => budget::Spent::default(),
            };
            accounts.push(budget::left(caps, &spent).least());
        }
        let funds = self.funds.whole().map(|funds| funds.saturating_sub(spent.run));
        Ok(Room {
            all: [left.least(), funds].into_iter().flatten().min(),
            accounts,
            spare: budget::spare(&self.settings.caps, &spent),
        })
    }

    /// What a request of this account is paid from.
    fn purse(&self, account: usize) -> Purse {
        let mut purse = self.settings.purse(account);
        purse.all.run = [purse.all.run, self.funds.whole()].into_iter().flatten().min();
        purse
    }

    /// Makes one step, with its retries; `Some` ends the run.
    async fn step(&mut self, step: &Step) -> Result<Option<End>, RunError> {
        // Each attempt may be charged, and what failed the last time may well fail again.
        let troubled = self.book.is_troubled(step.whom);
        let retries = match self.is_probing() {
            true => 0,
            false if troubled => self.settings.retries.min(1),
            false => self.settings.retries,
        };
        let mut failure: Option<ApiError> = None;
        for attempt in 0_u32.. {
            self.observer.asking(step);
            let cursor = match step.whom {
                Subject::Conversation(_) => step.gap.cursor_to_send(),
                // An inbox's cursor is opaque.
                Subject::Inbox(_) => step.gap.cursor.clone(),
            };
            // An answer that gets lost counts in full, so that a second attempt is made a small one.
            let count = if attempt == 0 && !self.is_probing() { step.count } else { step.smallest() };
            let asked = Asked {
                gap: step.gap.clone(),
                cursor,
                count,
                most: self.most(step.account),
                run: self.limits.run,
            };
            let (answer, count) = match self.attempt(step, &asked).await? {
                Attempt::Answered(answer, count) => (answer, count),
                // Others may have credits of their own left: that is the plan's to say.
                Attempt::OutOfBudget => return Ok(failure.and_then(|error| self.give_up(step, &error))),
                Attempt::Stopped => return Ok(Some(End::Stopped)),
            };
            let answer = Answer { receipt: self.funds.seen(answer.receipt), ..answer };
            let asked = Asked { count, ..asked };
            let error = match &answer.outcome {
                Ok(got) => {
                    self.store(step, &asked, got, &answer)?;
                    let doubt = (self.limits.run, answer.receipt.unused());
                    self.funds.compare(self.archive, self.api, self.clock, self.stop, doubt).await?;
                    return Ok(None);
                }
                Err(error) => error.clone(),
            };
            let again = error.worth_retrying() && attempt < retries;
            self.settle_failure(step, &asked, &answer, &error, !again)?;
            if !again {
                self.observer.failed(step, &error, None);
                return Ok(self.give_up(step, &error));
            }
            let limited = matches!(error, ApiError::RateLimited { .. });
            let jitter = (self.settings.jitter)();
            let wait = self.settings.backoff.wait(attempt + 1, limited, error.retry_after(), jitter);
            self.observer.failed(step, &error, Some(wait));
            failure = Some(error);
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = self.stop.wait() => return Ok(Some(End::Stopped)),
            }
        }
        Ok(None)
    }

    /// How many messages this account may ever ask for at once, however much is left.
    fn most(&self, account: usize) -> u32 {
        let Purse { all, account } = self.settings.purse(account);
        let caps = [all.run, all.day, all.month, account.run, account.day, account.month];
        caps.into_iter()
            .flatten()
            .min()
            .map_or(LARGEST_ASK, |least| budget::affordable(least).min(LARGEST_ASK))
    }

    /// Whether nothing has come yet from an API that was down.
    fn is_probing(&self) -> bool {
        self.settings.probe && self.totals.pages == 0
    }

    /// Reserves and asks once.
    async fn attempt(&mut self, step: &Step, asked: &Asked) -> Result<Attempt, RunError> {
        let Some(account) = self.book.account_of(step.whom) else { return Ok(Attempt::OutOfBudget) };
        let (endpoint, conversation, purpose) = match step.whom {
            Subject::Inbox(_) => {
                let purpose = if step.kind == StepKind::Head { Purpose::Inbox } else { Purpose::Walk };
                (self.api.inbox_endpoint(), None, purpose)
            }
            Subject::Conversation(id) => {
                let purpose = match step.kind {
                    StepKind::Head => Purpose::Head,
                    StepKind::Recheck => Purpose::Recheck,
                    StepKind::Gap => Purpose::Gap,
                };
                (self.api.endpoint(), Some(id), purpose)
            }
        };
        // Nothing is set aside for a request that has to wait: a stop meanwhile would leave it unsent and paid for.
        let turn = tokio::select! {
            biased;
            () = self.stop.wait() => return Ok(Attempt::Stopped),
            turn = self.api.turn() => turn,
        };
        let run = self.limits.run;
        let request = Request { run, account, endpoint, conversation, purpose, wanted: asked.count };
        let reserved = self.archive.reserve(&self.purse(step.account), &request, self.clock.now_ms())?;
        let Some(reservation) = reserved else { return Ok(Attempt::OutOfBudget) };
        let count = reservation.results();
        self.totals.requests += 1;
        if step.kind == StepKind::Head {
            self.progress.head_credits = self.progress.head_credits.saturating_add(reservation.credits());
        }
        match self.ask(turn, reservation, step.whom, asked).await {
            Some(answer) => Ok(Attempt::Answered(answer, count)),
            None => Ok(Attempt::Stopped),
        }
    }

    /// Asks once. When a stop is asked for meanwhile, the answer gets a moment more to come.
    async fn ask(
        &self,
        turn: Turn,
        reservation: Reservation,
        whom: Subject,
        asked: &Asked,
    ) -> Option<Answer<Got>> {
        let answer = async {
            match whom {
                Subject::Inbox(account) => {
                    let cursor = asked.cursor.as_ref().map(Cursor::text);
                    self.api.inbox(turn, reservation, account, cursor).await.map(Got::Inbox)
                }
                Subject::Conversation(id) => {
                    let (account, whose) = self.book.whose(id);
                    let ask = Ask { account, whose, cursor: asked.cursor.clone() };
                    self.api.conversation(turn, reservation, &ask).await.map(Got::Page)
                }
            }
        };
        self.stop.unless_late(self.clock, answer).await
    }

    /// After the last attempt: what is left alone from here on. `Some` ends the run.
    fn give_up(&mut self, step: &Step, error: &ApiError) -> Option<End> {
        warn!(target_name = %step.name, %error, "could not be asked");
        self.book.failed(step.whom, error.to_string());
        self.totals.worst = self.totals.worst.max(Trouble::of(error));
        self.progress.failed.insert(step.whom);
        self.totals.reception.failed(error, self.book.account_index(step.whom));
        match error {
            ApiError::Key(_) => return Some(End::GaveUp),
            ApiError::Credits(_) => return Some(End::NoCredits),
            ApiError::Account(_) => {
                self.progress.stopped.extend(self.book.account_index(step.whom));
            }
            ApiError::Transient { .. } | ApiError::RateLimited { .. } => {
                self.totals.failures_in_a_row += 1;
                let most = match self.totals.pages {
                    0 if self.settings.probe => 1,
                    0 => FAILURES_AT_FIRST,
                    _ => FAILURES_IN_A_ROW,
                };
                if self.totals.failures_in_a_row >= most {
                    return Some(End::GaveUp);
                }
            }
            ApiError::Refused(_) | ApiError::Malformed(_) => {}
        }
        None
    }

    fn finish(mut self, end: End) -> Result<Report, RunError> {
        let now = self.clock.now_ms();
        let spent = self.archive.spent(self.limits.run, now)?;
        let left = budget::left(&self.settings.caps, &spent);
        let end =
            if end == End::OutOfBudget && self.funds.bind(&left, spent.run) { End::NoCredits } else { end };
        let refused = &mut self.totals.reception.refused;
        if end == End::NoCredits && refused.iter().all(|r| r.cause != Cause::Credits) {
            refused.extend(self.funds.refused());
        }
        let outcome = match end {
            End::Stopped => Outcome::Interrupted,
            End::NoCredits => Outcome::NoCredits,
            End::GaveUp | End::Done | End::OutOfBudget if self.totals.worst.is_some() => {
                if self.totals.pages == 0 { Outcome::Failed } else { Outcome::Partial }
            }
            End::OutOfBudget => Outcome::Budget,
            // What is left is stalled: it waits for a later run.
            End::Done if self.book.gaps() > 0 => Outcome::Partial,
            End::Done | End::GaveUp => Outcome::Complete,
        };
        self.archive.finish_run(self.limits.run, outcome, now)?;
        for plan in &mut self.book.state.conversations {
            if let Some(name) = self.archive.name_of(plan.id)? {
                plan.name = name;
            }
        }
        let horizon = self.book.horizon(&self.limits, &self.progress);
        info!(
            outcome = outcome.as_str(),
            requests = self.totals.requests,
            new = self.totals.new_messages,
            credits = spent.run,
            "the run ended"
        );
        Ok(Report {
            outcome: outcome.as_str(),
            requests: self.totals.requests,
            new_messages: self.totals.new_messages,
            changed_messages: self.totals.edited,
            gone_messages: self.totals.gone,
            credits_spent: spent.run,
            credits_left: CreditsLeft { run: left.run, day: left.day, month: left.month },
            gaps_left: self.book.gaps(),
            horizon: horizon.map(iso),
            conversations: self.book.conversations(&self.settings.accounts),
            inboxes: self.book.inboxes(),
            balance: self.funds.report(spent.run),
            worst: self.totals.worst,
            reception: self.totals.reception,
        })
    }
}

/// A time as scripts read it.
fn iso(ms: Ms) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |t| t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}
