//! One planned request: reserve its credits, send it, retry where that can help, and settle what became of it.

use std::time::Duration;

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

/// What one attempt came to.
enum Attempt {
    /// An answer, and how many items were asked for.
    Answered(Answer<Got>, u32),
    OutOfBudget,
    Stopped,
}

impl<R: Archive, A: Api, C: Clock> Engine<'_, R, A, C> {
    /// Makes one step, with its retries; `Some` ends the run.
    pub(super) async fn step(&mut self, step: &Step) -> Result<Option<RunEnd>, RunError> {
        let Some(addressee) = self.run_state.addressee(step.whom) else {
            self.progress.failed.insert(step.whom);
            return Ok(None);
        };
        self.clocks.api_ahead_ms = self.api.ahead_ms();
        if let Some(doubt) = self.clocks.doubt(self.clock.now_ms()) {
            self.totals.reception.count(&doubt);
            self.observer.failed(step, &doubt, None);
            return Ok(Some(self.give_up(step, &doubt).unwrap_or(RunEnd::GaveUp)));
        }
        let retries = self.retries(step);
        let mut failure: Option<ApiError> = None;
        for attempt in 0..=retries {
            self.observer.asking(step);
            let asked = self.asked(step, attempt);
            let (answer, count) = match self.attempt(step, &addressee, &asked).await? {
                Attempt::Answered(answer, count) => (answer, count),
                // Others may have credits of their own left: that is the plan's to say.
                Attempt::OutOfBudget => return Ok(failure.and_then(|error| self.give_up(step, &error))),
                Attempt::Stopped => return Ok(Some(RunEnd::Stopped)),
            };
            let answer = match answer.outcome {
                Ok(_) => {
                    let receipt = self.balance.seen(answer.receipt, self.api.tells_price());
                    Answer { receipt, ..answer }
                }
                Err(_) => answer,
            };
            let answer = self.own(&addressee, answer)?;
            let asked = Asked { count, ..asked };
            let error = match &answer.outcome {
                Ok(got) => {
                    self.store(step, &asked, got, &answer).await?;
                    let run = self.limits.run;
                    self.balance.compare(self.archive, self.api, self.stop, run).await?;
                    return Ok(None);
                }
                Err(error) => error.clone(),
            };
            let pause = error.retry_after.filter(|pause| *pause > self.settings.backoff.max);
            let again = error.policy().retry != Retry::Never && attempt < retries && pause.is_none();
            self.settle_failure(step, &asked, &answer, &error, !again && pause.is_none()).await?;
            if let Some(pause) = pause {
                self.observer.failed(step, &error, None);
                return Ok(Some(self.hold(step, &error, pause)));
            }
            if !again {
                self.observer.failed(step, &error, None);
                return Ok(self.give_up(step, &error));
            }
            if self.wait_for_retry(step, &error, attempt).await {
                return Ok(Some(RunEnd::Stopped));
            }
            failure = Some(error);
        }
        Ok(None)
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
            run: self.limits.run,
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
    fn is_probing(&self) -> bool {
        self.settings.probe && self.totals.pages == 0
    }

    /// Reserves the credits and asks once.
    async fn attempt(
        &mut self,
        step: &Step,
        addressee: &Addressee,
        asked: &Asked,
    ) -> Result<Attempt, RunError> {
        // Nothing is set aside for a request that has to wait: a stop meanwhile would leave it unsent and paid for.
        let turn = tokio::select! {
            biased;
            () = self.stop.wait() => return Ok(Attempt::Stopped),
            turn = self.api.turn() => turn,
        };
        let request = self.request(step, addressee, asked);
        let reserved = self.archive.reserve(&self.purse(step.account), &request, self.clock.now_ms())?;
        let Some(reservation) = reserved else { return Ok(Attempt::OutOfBudget) };
        let count = reservation.results();
        self.totals.requests += 1;
        if step.kind == StepKind::Head {
            self.progress.look(step.account, reservation.credits());
        }
        let flight = turn.flight();
        let answer = self.ask(turn, reservation, addressee, asked);
        Ok(match self.stop.unless_abandoned(&flight, answer).await {
            Some(answer) if flight.is_off() => {
                self.settle_unsent(step, asked, &answer).await?;
                Attempt::Stopped
            }
            Some(answer) => Attempt::Answered(answer, count),
            None => Attempt::Stopped,
        })
    }

    /// The request as the ledger books it.
    fn request(&self, step: &Step, addressee: &Addressee, asked: &Asked) -> Request<'static> {
        let head = step.kind == StepKind::Head;
        let (endpoint, conversation, purpose) = match &addressee.conversation {
            None => (self.api.inbox_endpoint(), None, if head { Purpose::Inbox } else { Purpose::Walk }),
            Some((id, _)) => {
                (self.api.endpoint(), Some(*id), if head { Purpose::Head } else { Purpose::Gap })
            }
        };
        let (run, account) = (self.limits.run, addressee.account_id);
        Request { run, account, endpoint, conversation, purpose, wanted: asked.count }
    }

    async fn ask(
        &self,
        turn: Turn,
        reservation: Reservation,
        addressee: &Addressee,
        asked: &Asked,
    ) -> Answer<Got> {
        let account = addressee.account;
        match &addressee.conversation {
            None => {
                let cursor = asked.cursor.as_ref().map(Cursor::text);
                self.api.inbox(turn, reservation, account, cursor).await.map(Got::Inbox)
            }
            Some((_, name)) => {
                let ask = Ask { account, conversation: name.clone(), cursor: asked.cursor.clone() };
                self.api.conversation(turn, reservation, &ask).await.map(Got::Page)
            }
        }
    }

    /// Waits until the request may be made again. `true` when a stop is asked for meanwhile.
    async fn wait_for_retry(&mut self, step: &Step, error: &ApiError, attempt: u32) -> bool {
        let long = error.policy().retry == Retry::AfterLongWait;
        let jitter = (self.settings.jitter)();
        let wait = self.settings.backoff.wait(attempt + 1, long, error.retry_after, jitter);
        self.observer.failed(step, error, Some(wait));
        tokio::select! {
            () = self.clock.sleep(wait) => false,
            () = self.stop.wait() => true,
        }
    }

    /// After the last attempt: what is left alone from here on. `Some` ends the run.
    fn give_up(&mut self, step: &Step, error: &ApiError) -> Option<RunEnd> {
        warn!(target_name = %step.name, %error, "the request failed");
        let (policy, account) = (error.policy(), self.run_state.account_index(step.whom));
        self.run_state.failed(step.whom, error.to_string());
        self.totals.worst = self.totals.worst.max(policy.exit);
        self.progress.failed.insert(step.whom);
        self.totals.reception.failed(error, account);
        match policy.stops {
            Stops::Run if policy.alert == Some(Cause::Credits) => Some(RunEnd::NoCredits),
            Stops::Run => Some(RunEnd::GaveUp),
            Stops::Account => {
                self.progress.stopped.extend(account);
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
