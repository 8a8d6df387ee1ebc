//! The loop of a run: decide, reserve, ask, store, until nothing is left or the budget is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::DateTime;
use tracing::{debug, info, warn};

use super::book::Book;
use super::report::{CreditsLeft, Refused, Report, Trouble};
use super::{Archive, Stop};
use crate::api::{Answer, Api, ApiError, Ask};
use crate::clock::Clock;
use crate::core::Ms;
use crate::core::backoff::Backoff;
use crate::core::budget::{self, Caps, Reservation};
use crate::core::inbox::InboxPage;
use crate::core::page::Page;
use crate::core::plan::{self, Limits, Next, Progress, Step, Whom};
use crate::core::timeline::Asked;
use crate::store::{
    Commit, Committed, Configured, InboxCommit, Outcome, Purpose, Request, Settlement, StoreError, Trigger,
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
    /// Whether the inbox tells what has changed; otherwise each conversation is asked.
    pub inbox: bool,
    /// Accounts that are not asked, by their place in `accounts`.
    pub parked: BTreeSet<usize>,
    /// Whether the API was down when last asked: then one small request shows whether it still is.
    pub probe: bool,
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
    // Single targets are looked at themselves: that costs no more than the inbox would.
    let read_inbox = settings.inbox && settings.only.is_empty();
    let inboxes = if read_inbox { archive.inboxes(&settings.accounts, clock.now_ms())? } else { Vec::new() };
    let head_came_last = archive.head_came_last()?;
    let run = archive.begin_run(settings.trigger, clock.now_ms())?;
    let left = budget::left(&settings.caps, &archive.spent(run, clock.now_ms())?).least();
    observer.begin(targets.len(), left);
    let mut engine = Engine {
        limits: Limits { page_size: settings.page_size, budget: left, run, head_came_last },
        book: Book::new(targets, inboxes),
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
struct Totals {
    requests: u32,
    new_messages: u32,
    edited: u32,
    gone: u32,
    pages: u32,
    failures_in_a_row: u32,
    worst: Option<Trouble>,
    refused: Vec<Refused>,
    answered: BTreeSet<usize>,
    failures: BTreeMap<&'static str, u32>,
}

struct Engine<'a, R, A, C> {
    archive: &'a mut R,
    api: &'a A,
    clock: &'a C,
    settings: &'a Settings,
    stop: &'a Stop,
    observer: &'a mut dyn Observer,
    limits: Limits,
    book: Book,
    progress: Progress,
    totals: Totals,
}

/// What was asked for.
enum Got {
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
            if self.stop.requested() {
                return Ok(End::Stopped);
            }
            let spent = self.archive.spent(self.limits.run, self.clock.now_ms())?;
            let left = budget::left(&self.settings.caps, &spent).least();
            let step = match plan::next(&self.book.state, &self.limits, &self.progress, left) {
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
        // Each attempt may be charged, and what failed the last time may well fail again.
        let troubled = self.book.is_troubled(step.whom);
        let retries = match self.is_probing() {
            true => 0,
            false if troubled => self.settings.retries.min(1),
            false => self.settings.retries,
        };
        for attempt in 0_u32.. {
            self.observer.asking(step);
            let cursor = match step.whom {
                Whom::Conversation(_) => step.gap.cursor_to_send(),
                // An inbox's cursor is opaque.
                Whom::Inbox(_) => step.gap.cursor.clone(),
            };
            // An answer that gets lost counts in full, so that a second attempt is made a small one.
            let count = if attempt == 0 && !self.is_probing() { step.count } else { step.smallest() };
            let asked = Asked { gap: step.gap.clone(), cursor, count, run: self.limits.run };
            let (answer, count) = match self.attempt(step, &asked).await? {
                Attempt::Answered(answer, count) => (answer, count),
                Attempt::OutOfBudget => return Ok(Some(End::OutOfBudget)),
                Attempt::Stopped => return Ok(Some(End::Stopped)),
            };
            let asked = Asked { count, ..asked };
            let error = match &answer.outcome {
                Ok(got) => {
                    self.store(step, &asked, got, &answer)?;
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
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = self.stop.wait() => return Ok(Some(End::Stopped)),
            }
        }
        Ok(None)
    }

    /// Whether nothing has come yet from an API that was down.
    fn is_probing(&self) -> bool {
        self.settings.probe && self.totals.pages == 0
    }

    /// Reserves and asks once.
    async fn attempt(&mut self, step: &Step, asked: &Asked) -> Result<Attempt, RunError> {
        let Some(account) = self.book.account_of(step.whom) else { return Ok(Attempt::OutOfBudget) };
        let (endpoint, conversation, purpose) = match step.whom {
            Whom::Inbox(_) => {
                let purpose = if step.head { Purpose::Inbox } else { Purpose::Walk };
                (self.api.inbox_endpoint(), None, purpose)
            }
            Whom::Conversation(id) => {
                let purpose = if step.head { Purpose::Head } else { Purpose::Gap };
                (self.api.endpoint(), Some(id), purpose)
            }
        };
        let run = self.limits.run;
        let request = Request { run, account, endpoint, conversation, purpose, wanted: asked.count };
        let reserved = self.archive.reserve(&self.settings.caps, &request, self.clock.now_ms())?;
        let Some(reservation) = reserved else { return Ok(Attempt::OutOfBudget) };
        let count = reservation.results();
        self.totals.requests += 1;
        if step.head {
            self.progress.head_credits = self.progress.head_credits.saturating_add(reservation.credits());
        }
        match self.ask(reservation, step.whom, asked).await {
            Some(answer) => Ok(Attempt::Answered(answer, count)),
            None => Ok(Attempt::Stopped),
        }
    }

    /// Asks once. When a stop is asked for meanwhile, the answer gets a moment more to come.
    async fn ask(&self, reservation: Reservation, whom: Whom, asked: &Asked) -> Option<Answer<Got>> {
        let answer = std::pin::pin!(async {
            match whom {
                Whom::Inbox(account) => {
                    let cursor = asked.cursor.as_ref().map(|c| c.0.as_str());
                    self.api.inbox(reservation, account, cursor).await.map(Got::Inbox)
                }
                Whom::Conversation(id) => {
                    let (account, whose) = self.book.whose(id);
                    let ask = Ask { account, whose, cursor: asked.cursor.clone() };
                    self.api.conversation(reservation, &ask).await.map(Got::Page)
                }
            }
        });
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

    fn store(&mut self, step: &Step, asked: &Asked, got: &Got, answer: &Answer<Got>) -> Result<(), RunError> {
        match (got, step.whom) {
            (Got::Page(page), Whom::Conversation(id)) => self.store_page(step, id, asked, page, answer)?,
            (Got::Inbox(page), Whom::Inbox(account)) => {
                self.store_inbox(step, account, asked, page, answer)?
            }
            (Got::Page(_), Whom::Inbox(_)) | (Got::Inbox(_), Whom::Conversation(_)) => {}
        }
        self.totals.pages += 1;
        self.totals.failures_in_a_row = 0;
        self.totals.answered.extend(self.book.account_index(step.whom));
        Ok(())
    }

    fn store_page(
        &mut self,
        step: &Step,
        conversation: i64,
        asked: &Asked,
        page: &Page,
        answer: &Answer<Got>,
    ) -> Result<(), RunError> {
        let commit = Commit {
            conversation,
            asked,
            page,
            receipt: &answer.receipt,
            http_status: answer.http_status,
            now: self.clock.now_ms(),
        };
        let done = self.archive.commit_page(&commit)?;
        self.totals.new_messages += done.new_messages;
        self.totals.edited += done.edited;
        self.totals.gone += done.gone;
        self.book.stored(conversation, &done);
        if asked.cursor.is_none() {
            self.progress.heads_done.insert(Whom::Conversation(done.conversation));
        }
        if let Some(stall) = &done.stall {
            warn!(conversation = %step.name, reason = %stall, "the walk stopped; what it left is recorded as missing");
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

    fn store_inbox(
        &mut self,
        step: &Step,
        account: usize,
        asked: &Asked,
        page: &InboxPage,
        answer: &Answer<Got>,
    ) -> Result<(), RunError> {
        let commit = InboxCommit {
            account,
            account_id: self.book.account_of(step.whom).unwrap_or_default(),
            asked,
            page,
            discover: self.settings.accounts.get(account).is_some_and(|a| a.discover),
            receipt: &answer.receipt,
            http_status: answer.http_status,
            now: self.clock.now_ms(),
        };
        let done = self.archive.commit_inbox(&commit)?;
        if asked.cursor.is_none() {
            self.progress.heads_done.insert(step.whom);
        }
        if let Some(stall) = &done.stall {
            warn!(account = %step.name, reason = %stall, "the walk of the inbox stopped; it is taken up again");
        }
        debug!(
            account = %step.name,
            returned = page.returned,
            news = done.news.len(),
            found = done.found.len(),
            credits = answer.receipt.credits(),
            "read the inbox"
        );
        self.book.listed(account, done);
        Ok(())
    }

    fn settle_failure(
        &mut self,
        step: &Step,
        asked: &Asked,
        answer: &Answer<Got>,
        error: &ApiError,
        last: bool,
    ) -> Result<(), RunError> {
        *self.totals.failures.entry(error.kind()).or_default() += 1;
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
        // What a retry cannot mend says something about what was asked for, so its gap carries the reason; so does a
        // server that breaks at it and serves the rest.
        let stalls = match error {
            ApiError::Refused(_) | ApiError::Malformed(_) => last,
            ApiError::Transient { .. } => {
                last && (self.totals.pages > 0 || self.book.others_were_fine(step.whom))
            }
            ApiError::RateLimited { .. } | ApiError::Key(_) | ApiError::Account(_) | ApiError::Credits(_) => {
                false
            }
        };
        let now = self.clock.now_ms();
        let timeline = match step.whom {
            Whom::Conversation(id) => self.archive.commit_failure(id, asked, &settlement, stalls, now)?,
            Whom::Inbox(_) => {
                let account = self.book.account_of(step.whom).unwrap_or_default();
                self.archive.commit_inbox_failure(account, asked, &settlement, stalls, now)?
            }
        };
        self.book.set_timeline(step.whom, timeline);
        Ok(())
    }

    /// After the last attempt: what is left alone from here on. `Some` ends the run.
    fn give_up(&mut self, step: &Step, error: &ApiError) -> Option<End> {
        warn!(target_name = %step.name, %error, "could not be asked");
        self.book.failed(step.whom, error.to_string());
        self.totals.worst = self.totals.worst.max(Trouble::of(error));
        self.progress.failed.insert(step.whom);
        self.totals.refused.extend(Refused::of(error, self.book.account_index(step.whom)));
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
        let now = self.clock.now_ms();
        self.archive.finish_run(self.limits.run, outcome, now)?;
        let spent = self.archive.spent(self.limits.run, now)?;
        let left = budget::left(&self.settings.caps, &spent);
        for plan in &mut self.book.state.conversations {
            if let Some(name) = self.archive.name_of(plan.id)? {
                plan.name = name;
            }
        }
        let horizon = self.book.horizon(&self.progress);
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
            worst: self.totals.worst,
            refused: self.totals.refused,
            answered: self.totals.answered,
            failures: self.totals.failures,
        })
    }
}

/// A time as scripts read it.
fn iso(ms: Ms) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |t| t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}
