//! What the engine does with an answer: it commits it to the archive, updates the run's state and tells the observer.

use std::time::Duration;

use futures_util::StreamExt as _;
use tracing::{debug, warn};

use crate::api::{Answer, Api, ApiError, Stalls};
use crate::clock::Clock;
use crate::core::Ms;
use crate::core::inbox::InboxPage;
use crate::core::model::ids::ConversationId;
use crate::core::model::page::Page;
use crate::core::planner::state::Subject;
use crate::core::planner::step::{Step, StepKind};
use crate::core::timeline::gap::Asked;
use crate::store::{Commit, Failed, InboxCommit, Settlement, StoreError};
use crate::sync::Archive;
use crate::sync::engine::Engine;
use crate::sync::request::Got;
use crate::sync::settings::RunError;

/// Between two attempts to store an answer in an archive that another program has locked.
const BETWEEN_TRIES: Duration = Duration::from_millis(500);
/// How long (ms) that goes on once a stop is asked for: less than the service manager grants.
const GRANTED_MS: Ms = 60_000;

impl<R: Archive, A: Api, C: Clock> Engine<'_, R, A, C> {
    /// Commits what is paid for, however long another program has the archive locked.
    async fn commit<T>(
        &mut self,
        step: &Step,
        commit: impl Fn(&mut R) -> Result<T, StoreError>,
    ) -> Result<T, RunError> {
        let (mut told, mut stopped_ms) = (false, None);
        loop {
            let error = match commit(self.archive) {
                Err(error) if error.is_locked() => error,
                done => return Ok(done?),
            };
            if !told {
                warn!(target_name = %step.name, "another program has locked the archive: the answer waits to be stored");
                told = true;
            }
            let now = self.clock.now_ms();
            if self.stop.requested() && now - *stopped_ms.get_or_insert(now) >= GRANTED_MS {
                return Err(error.into());
            }
            self.observer.asking(step);
            let mut nap = std::pin::pin!(self.clock.sleep(BETWEEN_TRIES));
            // What comes meanwhile is taken in, so that no answer runs out of time for it.
            loop {
                tokio::select! {
                    biased;
                    Some(landing) = self.flights.next() => self.landed.push_back(landing),
                    () = &mut nap => break,
                }
            }
        }
    }

    pub(super) async fn store(
        &mut self,
        step: &Step,
        asked: &Asked,
        got: &Got,
        answer: &Answer<Got>,
    ) -> Result<(), RunError> {
        self.totals.reception.answered.extend(self.run_state.account_index(step.whom));
        match (got, step.whom) {
            (Got::Page(page), Subject::Conversation(id)) => {
                self.store_page(step, id, asked, page, answer).await?
            }
            (Got::Inbox(page), Subject::Inbox(account)) => {
                self.store_inbox(step, account, asked, page, answer).await?
            }
            (Got::Page(_), Subject::Inbox(_)) | (Got::Inbox(_), Subject::Conversation(_)) => {}
        }
        self.totals.pages += 1;
        self.totals.failures_in_a_row = 0;
        Ok(())
    }

    async fn store_page(
        &mut self,
        step: &Step,
        conversation: ConversationId,
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
            recheck: step.kind == StepKind::Recheck,
            longest_silence: self.settings.longest_silence,
        };
        let done = self.commit(step, |archive| archive.commit_page(&commit)).await?;
        self.totals.new_messages += done.new_messages;
        self.totals.edited += done.edited;
        self.totals.gone += done.gone;
        self.run_state.stored(conversation, &done);
        if asked.cursor.is_none() {
            self.run_state.plan.head_done(Subject::Conversation(done.conversation));
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

    async fn store_inbox(
        &mut self,
        step: &Step,
        account: usize,
        asked: &Asked,
        page: &InboxPage,
        answer: &Answer<Got>,
    ) -> Result<(), RunError> {
        let commit = InboxCommit {
            account,
            account_id: self.run_state.account_of(step.whom).unwrap_or_default(),
            asked,
            page,
            discover: self.settings.accounts.get(account).filter(|a| a.discover).map(|a| &a.wanted),
            receipt: &answer.receipt,
            http_status: answer.http_status,
            now: self.clock.now_ms(),
        };
        let done = self.commit(step, |archive| archive.commit_inbox(&commit)).await?;
        if asked.cursor.is_none() {
            self.run_state.plan.head_done(step.whom);
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
        self.run_state.listed(account, done);
        Ok(())
    }

    pub(super) async fn settle_failure(
        &mut self,
        step: &Step,
        asked: &Asked,
        answer: &Answer<Got>,
        error: &ApiError,
        last: bool,
    ) -> Result<(), RunError> {
        self.totals.reception.count(error);
        self.totals.failed_attempts += 1;
        // A second reading that fails leaves nothing missing. Otherwise, what a retry cannot mend says something about
        // what was asked for, so its gap carries the reason; so does a server that breaks at it and serves the rest.
        let stalls = match error.policy().stalls {
            _ if !last || step.kind == StepKind::Recheck => false,
            Stalls::Always => true,
            Stalls::IfOthersAreServed => self.totals.pages > 0 || self.others_are_fine(step)?,
            Stalls::Never => false,
        };
        self.settle(step, asked, answer, error, stalls).await
    }

    /// Settles a request that a stop called off: it cost nothing and says nothing.
    pub(super) async fn settle_unsent(
        &mut self,
        step: &Step,
        asked: &Asked,
        answer: &Answer<Got>,
    ) -> Result<(), RunError> {
        match &answer.outcome {
            Ok(_) => Ok(()),
            Err(error) => self.settle(step, asked, answer, error, false).await,
        }
    }

    async fn settle(
        &mut self,
        step: &Step,
        asked: &Asked,
        answer: &Answer<Got>,
        error: &ApiError,
        stalls: bool,
    ) -> Result<(), RunError> {
        let words = error.to_string();
        let failed = Failed {
            account: self.run_state.account_of(step.whom).unwrap_or_default(),
            conversation: match step.whom {
                Subject::Conversation(id) => Some(id),
                Subject::Inbox(_) => None,
            },
            asked,
            settlement: Settlement::bare(&answer.receipt, answer.http_status, Some(&words)),
            stalls,
            longest_silence: self.settings.longest_silence,
            now: self.clock.now_ms(),
        };
        let timeline = self.commit(step, |archive| archive.commit_failure(&failed)).await?;
        self.run_state.plan.set_timeline(step.whom, timeline);
        Ok(())
    }

    /// Whether the last request for any other conversation succeeded.
    fn others_are_fine(&self, step: &Step) -> Result<bool, RunError> {
        let than = match step.whom {
            Subject::Conversation(id) => Some(id),
            Subject::Inbox(_) => None,
        };
        Ok(self.archive.others_are_fine(than)?)
    }
}
