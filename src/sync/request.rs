//! One planned request: reserve its credits, send it, retry where that can help, and settle what became of it.

use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;

use tracing::warn;

use crate::api::{Answer, Api, ApiError, Ask, Retry, Stops, Turn};
use crate::clock::Clock;
use crate::core::Ms;
use crate::core::budget::{self, Purse, Reservation};
use crate::core::format::iso_utc;
use crate::core::inbox::InboxPage;
use crate::core::model::cursor::Cursor;
use crate::core::model::page::Page;
use crate::core::planner::state::Subject;
use crate::core::planner::step::{Step, StepKind};
use crate::core::timeline::gap::{Asked, LARGEST_ASK};
use crate::store::{Cause, Purpose, Request};
use crate::sync::Archive;
use crate::sync::engine::{Engine, RunEnd};
use crate::sync::run_state::Addressee;
use crate::sync::settings::RunError;

/// Conversations in a row that may fail, retries and all, before the API itself is taken to be down. What failed in
/// an earlier run is asked last, so that a few bad conversations do not keep the others from being asked.
const FAILURES_IN_A_ROW: u32 = 5;
/// The same when nothing at all has come in this run.
const FAILURES_AT_FIRST: u32 = 3;

/// No pause that the API asks for is taken to be longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(7 * 86_400);

/// What came.
pub(super) enum Got {
    Page(Page),
    Inbox(InboxPage),
}

/// One step, from its reservation to the end of its last attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) step: Step,
    addressee: Addressee,
    pub(super) asked: Asked,
    /// How many attempts came before it.
    number: u32,
    /// When it was sent (ms).
    sent_ms: Ms,
}

/// What an attempt comes to.
pub(super) enum Landing {
    /// An answer.
    Answered(Box<Attempt>, Answer<Got>),
    /// A stop called it off in time.
    CalledOff(Box<Attempt>, Answer<Got>),
    /// Nobody waits for its answer any more.
    Abandoned,
    /// Its wait is over: it may be made again.
    Again(Box<Attempt>),
}

/// Attempts that are under way, and waits before further ones.
pub(super) type Flights<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Landing> + 'a>>>;

impl<'a, R: Archive, A: Api, C: Clock> Engine<'a, R, A, C> {
    /// Begins a step with its turn: sets its credits aside and sends it. `Some` ends the run.
    pub(super) fn begin(&mut self, step: Step, turn: Turn) -> Result<Option<RunEnd>, RunError> {
        let Some(addressee) = self.run_state.addressee(step.whom) else {
            self.run_state.plan.fail(step.whom);
            return Ok(None);
        };
        self.run_state.plan.begin(&step);
        let asked = self.asked(&step, 0);
        self.send(Box::new(Attempt { step, addressee, asked, number: 0, sent_ms: 0 }), turn)
    }

    /// Makes an attempt again.
    pub(super) fn begin_again(
        &mut self,
        attempt: Box<Attempt>,
        turn: Turn,
    ) -> Result<Option<RunEnd>, RunError> {
        let number = attempt.number + 1;
        // What else has come meanwhile may have changed what the archive knows of it, but not what is missing here.
        let asked = self.asked(&attempt.step, number);
        self.send(Box::new(Attempt { asked, number, ..*attempt }), turn)
    }

    /// Whether nothing is to be spent by this machine's clock.
    pub(super) fn doubts_the_clock(&mut self, step: &Step) -> Option<RunEnd> {
        self.clocks.api_ahead_ms = self.api.ahead_ms();
        let doubt = self.clocks.doubt(self.clock.now_ms())?;
        self.totals.reception.count(&doubt);
        self.observer.failed(step, &doubt, None);
        Some(self.give_up(step, &doubt).unwrap_or(RunEnd::GaveUp))
    }

    /// Sets the credits aside and sends the request.
    fn send(&mut self, mut attempt: Box<Attempt>, turn: Turn) -> Result<Option<RunEnd>, RunError> {
        let now = self.clock.now_ms();
        let request = self.request(&attempt);
        let reserved = self.archive.reserve(&self.purse(attempt.step.account), &request, now)?;
        let Some(reservation) = reserved else {
            self.run_state.plan.end(attempt.step.whom);
            // Others may have credits of their own left: that is the plan's to say.
            let failure = self.failures.remove(&attempt.step.whom);
            return Ok(failure.and_then(|error| self.give_up(&attempt.step, &error)));
        };
        attempt.asked.count = reservation.results();
        attempt.sent_ms = now;
        self.totals.requests += 1;
        self.under_way += 1;
        if attempt.step.kind == StepKind::Head {
            self.run_state.plan.look(attempt.step.account, reservation.credits());
        }
        let (api, stop, flight) = (self.api, self.stop.clone(), turn.flight());
        self.flights.push(Box::pin(async move {
            let answer = ask(api, turn, reservation, &attempt);
            match stop.unless_abandoned(&flight, answer).await {
                Some(answer) if flight.is_off() => Landing::CalledOff(attempt, answer),
                Some(answer) => Landing::Answered(attempt, answer),
                None => Landing::Abandoned,
            }
        }));
        Ok(None)
    }

    /// What follows from the end of an attempt; `Some` ends the run.
    pub(super) async fn land(&mut self, landing: Landing) -> Result<Option<RunEnd>, RunError> {
        if !matches!(landing, Landing::Again(_)) {
            self.under_way -= 1;
        }
        match landing {
            Landing::Answered(attempt, answer) => self.answered(attempt, answer).await,
            Landing::CalledOff(attempt, answer) => {
                self.settle_unsent(&attempt.step, &attempt.asked, &answer).await?;
                Ok(Some(RunEnd::Stopped))
            }
            Landing::Abandoned => Ok(Some(RunEnd::Stopped)),
            Landing::Again(attempt) => {
                self.again.push_back(attempt);
                Ok(None)
            }
        }
    }

    async fn answered(
        &mut self,
        attempt: Box<Attempt>,
        answer: Answer<Got>,
    ) -> Result<Option<RunEnd>, RunError> {
        let (step, asked) = (&attempt.step, &attempt.asked);
        let answer = match answer.outcome {
            Ok(_) => {
                let receipt = self.balance.seen(answer.receipt, self.api.tells_price());
                Answer { receipt, ..answer }
            }
            Err(_) => answer,
        };
        self.balance.booked(&answer.receipt, answer.outcome.is_err() && !answer.wants_fewer());
        let answer = self.own(&attempt.addressee, answer)?;
        let error = match &answer.outcome {
            Ok(got) => {
                self.store(step, asked, got, &answer).await?;
                self.ended(step);
                return Ok(None);
            }
            Err(error) => error.clone(),
        };
        if answer.wants_fewer() {
            self.pace.slow_down(attempt.sent_ms, self.clock.now_ms());
        }
        let pause = error.retry_after.filter(|pause| *pause > self.settings.backoff.max);
        let may_retry = error.policy().retry != Retry::Never && attempt.number < self.retries(step);
        let again = may_retry && pause.is_none();
        self.settle_failure(step, asked, &answer, &error, !again && pause.is_none()).await?;
        if again {
            self.wait_for_retry(attempt, error);
            return Ok(None);
        }
        self.ended(step);
        self.observer.failed(step, &error, None);
        Ok(match pause {
            Some(pause) => Some(self.hold(step, &error, pause)),
            None => self.give_up(step, &error),
        })
    }

    /// A step is no longer under way.
    fn ended(&mut self, step: &Step) {
        self.run_state.plan.end(step.whom);
        self.failures.remove(&step.whom);
    }

    /// Waits until the request may be made again.
    fn wait_for_retry(&mut self, attempt: Box<Attempt>, error: ApiError) {
        let long = error.policy().retry == Retry::AfterLongWait;
        let jitter = (self.settings.jitter)();
        let wait = self.settings.backoff.wait(attempt.number + 1, long, error.retry_after, jitter);
        self.observer.failed(&attempt.step, &error, Some(wait));
        self.failures.insert(attempt.step.whom, error);
        let (clock, stop) = (self.clock, self.stop.clone());
        self.flights.push(Box::pin(async move {
            tokio::select! {
                () = clock.sleep(wait) => {}
                // What is stopped makes no further attempt.
                () = stop.wait() => {}
            }
            Landing::Again(attempt)
        }));
    }

    /// How often a request is tried again. Each attempt may be charged, and what failed the last time may well fail
    /// again.
    fn retries(&self, step: &Step) -> u32 {
        match self.is_probing() {
            true => 0,
            false if self.run_state.is_troubled(step.whom) => self.settings.retries.min(1),
            false => self.settings.retries,
        }
    }

    fn asked(&self, step: &Step, attempt: u32) -> Asked {
        Asked {
            gap: step.gap.clone(),
            cursor: match step.whom {
                Subject::Conversation(_) => step.gap.cursor_to_send(),
                // An inbox's cursor is opaque.
                Subject::Inbox(_) => step.gap.cursor.clone(),
            },
            // An answer that gets lost counts in full, so that a second attempt is made a small one.
            count: if attempt == 0 && !self.is_probing() { step.count } else { step.smallest() },
            most: self.most(step.account),
            run: self.run,
        }
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
    pub(super) fn is_probing(&self) -> bool {
        self.settings.probe && self.totals.pages == 0
    }

    /// The request as the ledger books it.
    fn request(&self, attempt: &Attempt) -> Request<'static> {
        let Attempt { step, addressee, asked, .. } = attempt;
        let head = step.kind == StepKind::Head;
        let (endpoint, conversation, purpose) = match &addressee.conversation {
            None => (self.api.inbox_endpoint(), None, if head { Purpose::Inbox } else { Purpose::Walk }),
            Some((id, _)) => {
                let purpose = match step.kind {
                    StepKind::Head => Purpose::Head,
                    StepKind::Gap => Purpose::Gap,
                    StepKind::Recheck => Purpose::Recheck,
                };
                (self.api.endpoint(), Some(*id), purpose)
            }
        };
        let (run, account) = (self.run, addressee.account_id);
        Request { run, account, endpoint, conversation, purpose, wanted: asked.count }
    }

    /// After the last attempt: what is left alone from here on. `Some` ends the run.
    fn give_up(&mut self, step: &Step, error: &ApiError) -> Option<RunEnd> {
        warn!(target_name = %step.name, %error, "the request failed");
        let (policy, account) = (error.policy(), self.run_state.account_index(step.whom));
        self.run_state.failed(step.whom, error.to_string());
        self.totals.worst = self.totals.worst.max(policy.exit);
        self.totals.reception.failed(error, account);
        match policy.stops {
            Stops::Run if policy.alert == Some(Cause::Credits) => Some(RunEnd::NoCredits),
            Stops::Run => Some(RunEnd::GaveUp),
            Stops::Account => {
                account.into_iter().for_each(|account| self.run_state.plan.stop_account(account));
                None
            }
            Stops::TargetThenRun => {
                self.totals.failures_in_a_row += 1;
                (self.totals.failures_in_a_row >= self.most_failures()).then_some(RunEnd::GaveUp)
            }
            Stops::Target => None,
        }
    }

    /// The API wants no request for longer than a run is worth: another one goes on after that.
    fn hold(&mut self, step: &Step, error: &ApiError, pause: Duration) -> RunEnd {
        let pause = Ms::try_from(pause.min(LONGEST_PAUSE).as_millis()).unwrap_or_default();
        let until = self.clock.now_ms().saturating_add(pause);
        self.totals.reception.hold_until_ms = Some(until);
        warn!(until = %iso_utc(until), "the API asks for a pause that is longer than a run waits");
        self.give_up(step, error).unwrap_or(RunEnd::GaveUp)
    }

    fn most_failures(&self) -> u32 {
        match self.totals.pages {
            0 if self.settings.probe => 1,
            0 => FAILURES_AT_FIRST,
            _ => FAILURES_IN_A_ROW,
        }
    }
}

async fn ask<A: Api>(api: &A, turn: Turn, reservation: Reservation, attempt: &Attempt) -> Answer<Got> {
    let Attempt { addressee, asked, .. } = attempt;
    let account = addressee.account;
    match &addressee.conversation {
        None => {
            let cursor = asked.cursor.as_ref().map(Cursor::text);
            api.inbox(turn, reservation, account, cursor).await.map(Got::Inbox)
        }
        Some((_, name)) => {
            let ask = Ask { account, conversation: name.clone(), cursor: asked.cursor.clone() };
            api.conversation(turn, reservation, &ask).await.map(Got::Page)
        }
    }
}
