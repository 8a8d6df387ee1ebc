//! The loop of a run: decide, reserve, ask, store, until nothing is left or the budget is.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::DateTime;
use tracing::{debug, info, warn};

use super::report::{ConversationReport, CreditsLeft, Report, Trouble};
use super::{Archive, Stop};
use crate::api::{Answer, Api, ApiError, Ask, Whose};
use crate::clock::Clock;
use crate::core::Ms;
use crate::core::backoff::Backoff;
use crate::core::budget::{self, Caps, Reservation};
use crate::core::page::Page;
use crate::core::plan::{self, Conversation, Limits, Next, Progress, Step};
use crate::core::timeline::Asked;
use crate::store::{
    Commit, Committed, Configured, Outcome, Purpose, Request, Settlement, StoreError, Target, Trigger,
};

/// How long a request in flight may still take once a run is asked to stop.
const GRACE: Duration = Duration::from_millis(600);

/// Conversations in a row that may fail, retries and all, before the API itself is taken to be down. What failed in
/// an earlier run is asked last, so that a few bad conversations do not keep the others from being asked.
const FAILURES_IN_A_ROW: u32 = 5;
/// The same when nothing at all has come in this run.
const FAILURES_AT_FIRST: u32 = 3;

/// What a run is to do.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What set it off.
    pub trigger: Trigger,
    /// The most it may spend.
    pub caps: Caps,
    /// Messages per request while filling history.
    pub page_size: u32,
    /// Further attempts after a failed request, where they can help.
    pub retries: u32,
    /// Waits between them.
    pub backoff: Backoff,
    /// Spreads the waits: a number from 0 to 1 at each call.
    pub jitter: fn() -> f64,
    /// Accounts and conversations.
    pub accounts: Vec<Configured>,
    /// Narrows the run; empty is everything.
    pub only: Vec<String>,
}

/// Why a run could not be done at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The archive failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A target on the command line names none or several conversations.
    #[error(transparent)]
    Select(#[from] super::SelectError),
}

/// Watches a run.
pub trait Observer {
    /// The conversations of the run are known.
    fn begin(&mut self, conversations: usize, left: Option<u32>);
    /// A request is about to be made.
    fn asking(&mut self, step: &Step);
    /// A page was stored.
    fn stored(&mut self, step: &Step, committed: &Committed, credits: u32);
    /// A request failed; after this long it is made again.
    fn failed(&mut self, step: &Step, error: &ApiError, again_after: Option<Duration>);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Observer for NoProgress {
    fn begin(&mut self, _: usize, _: Option<u32>) {}
    fn asking(&mut self, _: &Step) {}
    fn stored(&mut self, _: &Step, _: &Committed, _: u32) {}
    fn failed(&mut self, _: &Step, _: &ApiError, _: Option<Duration>) {}
}

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
    let head_came_last = archive.head_came_last()?;
    let run = archive.begin_run(settings.trigger, clock.now_ms())?;
    let left = budget::left(&settings.caps, &archive.spent(run, clock.now_ms())?).least();
    observer.begin(targets.len(), left);
    let mut engine = Engine {
        limits: Limits { page_size: settings.page_size, budget: left, run, head_came_last },
        plans: targets.iter().map(|t| t.plan.clone()).collect(),
        tallies: targets.iter().map(|t| (t.plan.id, Tally::default())).collect(),
        targets: targets.into_iter().map(|t| (t.plan.id, t)).collect(),
        archive,
        api,
        clock,
        settings,
        stop,
        observer,
        progress: Progress::default(),
        totals: Totals::default(),
    };
    let end = engine.steps().await?;
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
struct Tally {
    new_messages: u32,
    error: Option<String>,
}

#[derive(Default)]
struct Totals {
    requests: u32,
    new_messages: u32,
    edited: u32,
    gone: u32,
    pages: u32,
    failures_in_a_row: u32,
    worst: Option<Trouble>,
}

struct Engine<'a, R, A, C> {
    archive: &'a mut R,
    api: &'a A,
    clock: &'a C,
    settings: &'a Settings,
    stop: &'a Stop,
    observer: &'a mut dyn Observer,
    limits: Limits,
    plans: Vec<Conversation>,
    targets: BTreeMap<i64, Target>,
    tallies: BTreeMap<i64, Tally>,
    progress: Progress,
    totals: Totals,
}

/// What one attempt came to.
enum Attempt {
    Answered(Answer<Page>, u32),
    OutOfBudget,
    Stopped,
}

impl<R: Archive, A: Api, C: Clock> Engine<'_, R, A, C> {
    async fn steps(&mut self) -> Result<End, RunError> {
        loop {
            if self.stop.requested() {
                return Ok(End::Stopped);
            }
            let spent = self.archive.spent(self.limits.run, self.clock.now_ms())?;
            let left = budget::left(&self.settings.caps, &spent).least();
            let step = match plan::next(&self.plans, &self.limits, &self.progress, left) {
                Next::Ask(step) => step,
                Next::Done => return Ok(End::Done),
                Next::OutOfBudget => return Ok(End::OutOfBudget),
            };
            if let Some(end) = self.step(&step).await? {
                return Ok(end);
            }
        }
    }

    /// Makes one step, with its retries; `Some` ends the run.
    async fn step(&mut self, step: &Step) -> Result<Option<End>, RunError> {
        let retries = self.retries(step.conversation);
        for attempt in 0_u32.. {
            self.observer.asking(step);
            let asked = Asked {
                gap: step.gap.clone(),
                cursor: step.gap.cursor_to_send(),
                // An answer that gets lost counts in full, so that a second attempt is made a small one.
                count: if attempt == 0 { step.count } else { step.smallest() },
                run: self.limits.run,
            };
            let (answer, count) = match self.attempt(step, &asked).await? {
                Attempt::Answered(answer, count) => (answer, count),
                Attempt::OutOfBudget => return Ok(Some(End::OutOfBudget)),
                Attempt::Stopped => return Ok(Some(End::Stopped)),
            };
            let asked = Asked { count, ..asked };
            let error = match &answer.outcome {
                Ok(page) => {
                    self.store(step, &asked, page, &answer)?;
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
            let wait = self.settings.backoff.wait(
                attempt + 1,
                limited,
                error.retry_after(),
                (self.settings.jitter)(),
            );
            self.observer.failed(step, &error, Some(wait));
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = self.stop.wait() => return Ok(Some(End::Stopped)),
            }
        }
        Ok(None)
    }

    /// Reserves and asks once. When a stop is asked for meanwhile, the answer gets a moment more to come.
    async fn attempt(&mut self, step: &Step, asked: &Asked) -> Result<Attempt, RunError> {
        let Some(target) = self.targets.get(&step.conversation) else { return Ok(Attempt::OutOfBudget) };
        let request = Request {
            run: self.limits.run,
            account: target.account_id,
            endpoint: self.api.endpoint(),
            conversation: Some(step.conversation),
            purpose: if step.head { Purpose::Head } else { Purpose::Gap },
            wanted: asked.count,
        };
        let reserved = self.archive.reserve(&self.settings.caps, &request, self.clock.now_ms())?;
        let Some(reservation) = reserved else { return Ok(Attempt::OutOfBudget) };
        let count = reservation.results();
        self.totals.requests += 1;
        if step.head {
            self.progress.head_credits = self.progress.head_credits.saturating_add(reservation.credits());
        }
        let whose = match (&target.conversation_id, &target.profile_url) {
            (Some(id), _) => Whose::Conversation(id.clone()),
            (None, url) => Whose::Profile(url.clone().unwrap_or_default()),
        };
        let ask = Ask { account: target.plan.account, whose, cursor: asked.cursor.clone() };
        match self.ask(reservation, &ask).await {
            Some(answer) => Ok(Attempt::Answered(answer, count)),
            None => Ok(Attempt::Stopped),
        }
    }

    async fn ask(&self, reservation: Reservation, ask: &Ask) -> Option<Answer<Page>> {
        let answer = std::pin::pin!(self.api.conversation(reservation, ask));
        let too_late = async {
            self.stop.wait().await;
            self.clock.sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            answer = answer => Some(answer),
            () = too_late => None,
        }
    }

    fn store(
        &mut self,
        step: &Step,
        asked: &Asked,
        page: &Page,
        answer: &Answer<Page>,
    ) -> Result<(), RunError> {
        let commit = Commit {
            conversation: step.conversation,
            asked,
            page,
            receipt: &answer.receipt,
            http_status: answer.http_status,
            now: self.clock.now_ms(),
        };
        let done = self.archive.commit_page(&commit)?;
        self.totals.pages += 1;
        self.totals.failures_in_a_row = 0;
        self.totals.new_messages += done.new_messages;
        self.totals.edited += done.edited;
        self.totals.gone += done.gone;
        if done.conversation != step.conversation {
            self.become_one(step.conversation, done.conversation);
        }
        let tally = self.tallies.entry(done.conversation).or_default();
        tally.new_messages += done.new_messages;
        tally.error = done.stall.as_ref().map(ToString::to_string);
        if let Some(stall) = &done.stall {
            warn!(conversation = %step.name, reason = %stall, "the walk stopped; what it left is recorded as missing");
        }
        if let Some(plan) = self.plans.iter_mut().find(|c| c.id == done.conversation) {
            plan.timeline = done.timeline.clone();
            plan.troubled = done.stall.is_some();
        }
        if let Some(target) = self.targets.get_mut(&done.conversation) {
            target.conversation_id = done.conversation_id.clone().or(target.conversation_id.take());
        }
        if asked.cursor.is_none() {
            self.progress.heads_done.insert(done.conversation);
        }
        debug!(
            conversation = %step.name,
            returned = page.returned,
            new = done.new_messages,
            credits = answer.receipt.credits(),
            gaps = done.timeline.gaps.len(),
            "stored a page"
        );
        self.observer.stored(step, &done, answer.receipt.credits());
        Ok(())
    }

    /// A profile turned out to lead to a conversation that the archive already has.
    fn become_one(&mut self, asked: i64, kept: i64) {
        self.tallies.remove(&asked);
        if self.targets.contains_key(&kept) {
            self.targets.remove(&asked);
            self.plans.retain(|c| c.id != asked);
            return;
        }
        if let Some(mut target) = self.targets.remove(&asked) {
            target.plan.id = kept;
            self.targets.insert(kept, target);
        }
        for plan in self.plans.iter_mut().filter(|c| c.id == asked) {
            plan.id = kept;
        }
    }

    fn settle_failure(
        &mut self,
        step: &Step,
        asked: &Asked,
        answer: &Answer<Page>,
        error: &ApiError,
        last: bool,
    ) -> Result<(), RunError> {
        let words = error.to_string();
        let settlement = Settlement {
            receipt: &answer.receipt,
            conversation: None,
            returned: None,
            new_messages: 0,
            changed_messages: 0,
            http_status: answer.http_status,
            error: Some(&words),
        };
        // What a retry cannot mend says something about the conversation, so its gap carries the reason; so does a
        // broken server that serves others.
        let stalls = match error {
            ApiError::Refused(_) | ApiError::Malformed(_) => last,
            ApiError::Transient { .. } => last && self.others_are_served(step.conversation),
            ApiError::RateLimited { .. } | ApiError::Key(_) | ApiError::Account(_) | ApiError::Credits(_) => {
                false
            }
        };
        let now = self.clock.now_ms();
        let timeline = self.archive.commit_failure(step.conversation, asked, &settlement, stalls, now)?;
        if let Some(plan) = self.plans.iter_mut().find(|c| c.id == step.conversation) {
            plan.timeline = timeline;
        }
        Ok(())
    }

    /// Further attempts for a conversation: fewer where it failed the last time too, each of them may be charged.
    fn retries(&self, conversation: i64) -> u32 {
        let troubled = self.plans.iter().any(|c| c.id == conversation && c.troubled);
        if troubled { self.settings.retries.min(1) } else { self.settings.retries }
    }

    /// Whether the API works as such: it gave a page in this run, or when others were last asked.
    fn others_are_served(&self, conversation: i64) -> bool {
        let fine = |c: &Conversation| c.id != conversation && !c.troubled && c.head_tried_ms.is_some();
        self.totals.pages > 0 || self.plans.iter().any(fine)
    }

    /// After the last attempt: what is left alone from here on. `Some` ends the run.
    fn give_up(&mut self, step: &Step, error: &ApiError) -> Option<End> {
        warn!(conversation = %step.name, %error, "could not be asked");
        self.tallies.entry(step.conversation).or_default().error = Some(error.to_string());
        self.totals.worst = self.totals.worst.max(Trouble::of(error));
        self.progress.failed.insert(step.conversation);
        match error {
            ApiError::Key(_) => return Some(End::GaveUp),
            ApiError::Credits(_) => return Some(End::NoCredits),
            ApiError::Account(_) => {
                if let Some(plan) = self.plans.iter().find(|c| c.id == step.conversation) {
                    self.progress.stopped.insert(plan.account);
                }
            }
            ApiError::Transient { .. } | ApiError::RateLimited { .. } => {
                self.totals.failures_in_a_row += 1;
                let most = if self.totals.pages == 0 { FAILURES_AT_FIRST } else { FAILURES_IN_A_ROW };
                if self.totals.failures_in_a_row >= most {
                    return Some(End::GaveUp);
                }
            }
            ApiError::Refused(_) | ApiError::Malformed(_) => {}
        }
        None
    }

    fn finish(mut self, end: End) -> Result<Report, RunError> {
        let outcome = match end {
            End::Stopped => Outcome::Interrupted,
            End::NoCredits => Outcome::NoCredits,
            End::GaveUp | End::Done | End::OutOfBudget if self.totals.worst.is_some() => {
                if self.totals.pages == 0 { Outcome::Failed } else { Outcome::Partial }
            }
            End::OutOfBudget => Outcome::Budget,
            // What is left is stalled: it waits for a later run.
            End::Done if self.plans.iter().any(|c| !c.timeline.gaps.is_empty()) => Outcome::Partial,
            End::Done | End::GaveUp => Outcome::Complete,
        };
        let now = self.clock.now_ms();
        self.archive.finish_run(self.limits.run, outcome, now)?;
        let spent = self.archive.spent(self.limits.run, now)?;
        let left = budget::left(&self.settings.caps, &spent);
        for plan in &mut self.plans {
            if let Some(name) = self.archive.name_of(plan.id)? {
                plan.name = name;
            }
        }
        let unseen = self
            .plans
            .iter()
            .any(|c| self.progress.failed.contains(&c.id) || self.progress.stopped.contains(&c.account));
        let horizon = plan::horizon(self.plans.iter().map(|c| &c.timeline)).filter(|_| !unseen);
        let conversations: Vec<ConversationReport> =
            self.plans.iter().map(|c| self.conversation(c)).collect();
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
            gaps_left: conversations.iter().map(|c| c.gaps_left).sum(),
            horizon: horizon.map(iso),
            conversations,
            worst: self.totals.worst,
        })
    }

    fn conversation(&self, plan: &Conversation) -> ConversationReport {
        let target = self.targets.get(&plan.id);
        let tally = self.tallies.get(&plan.id);
        ConversationReport {
            account: self.settings.accounts.get(plan.account).map(|a| a.account.clone()).unwrap_or_default(),
            conversation_id: target.and_then(|t| t.conversation_id.clone()),
            name: plan.name.clone(),
            new_messages: tally.map_or(0, |t| t.new_messages),
            gaps_left: plan.timeline.gaps.len(),
            error: tally.and_then(|t| t.error.clone()),
        }
    }
}

/// A time as scripts read it.
fn iso(ms: Ms) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |t| t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}
