//! What the engine does with an answer: it commits it to the archive, updates the run's state and tells the observer.

use tracing::{debug, warn};

use crate::api::{Answer, Api, ApiError, Stalls};
use crate::clock::Clock;
use crate::core::inbox::InboxPage;
use crate::core::model::ids::ConversationId;
use crate::core::model::page::Page;
use crate::core::planner::state::Subject;
use crate::core::planner::step::{Step, StepKind};
use crate::core::timeline::gap::Asked;
use crate::store::{Commit, Failed, InboxCommit, Settlement};
use crate::sync::Archive;
use crate::sync::engine::Engine;
use crate::sync::request::Got;
use crate::sync::settings::RunError;

impl<R: Archive, A: Api, C: Clock> Engine<'_, R, A, C> {
    pub(super) fn store(
        &mut self,
        step: &Step,
        asked: &Asked,
        got: &Got,
        answer: &Answer<Got>,
    ) -> Result<(), RunError> {
        self.totals.reception.answered.extend(self.run_state.account_index(step.whom));
        match (got, step.whom) {
            (Got::Page(page), Subject::Conversation(id)) => self.store_page(step, id, asked, page, answer)?,
            (Got::Inbox(page), Subject::Inbox(account)) => {
                self.store_inbox(step, account, asked, page, answer)?
            }
            (Got::Page(_), Subject::Inbox(_)) | (Got::Inbox(_), Subject::Conversation(_)) => {}
        }
        self.totals.pages += 1;
        self.totals.failures_in_a_row = 0;
        Ok(())
    }

    fn store_page(
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
        };
        let done = self.archive.commit_page(&commit)?;
        self.totals.new_messages += done.new_messages;
        self.totals.edited += done.edited;
        self.totals.gone += done.gone;
        self.run_state.stored(conversation, &done);
        if asked.cursor.is_none() {
            self.progress.heads_done.insert(Subject::Conversation(done.conversation));
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
            account_id: self.run_state.account_of(step.whom).unwrap_or_default(),
            asked,
            page,
            discover: self.settings.accounts.get(account).filter(|a| a.discover).map(|a| &a.wanted),
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
        self.run_state.listed(account, done);
        Ok(())
    }

    pub(super) fn settle_failure(
        &mut self,
        step: &Step,
        asked: &Asked,
        answer: &Answer<Got>,
        error: &ApiError,
        last: bool,
    ) -> Result<(), RunError> {
        self.totals.reception.count(error);
        // A second reading that fails leaves nothing missing. Otherwise, what a retry cannot mend says something about
        // what was asked for, so its gap carries the reason; so does a server that breaks at it and serves the rest.
        let stalls = last
            && step.kind != StepKind::Recheck
            && match error.policy().stalls {
                Stalls::Always => true,
                Stalls::IfOthersAreServed => {
                    self.totals.pages > 0 || self.run_state.others_were_fine(step.whom)
                }
                Stalls::Never => false,
            };
        self.settle(step, asked, answer, error, stalls)
    }

    /// Settles a request that a stop called off: it cost nothing and says nothing.
    pub(super) fn settle_unsent(
        &mut self,
        step: &Step,
        asked: &Asked,
        answer: &Answer<Got>,
    ) -> Result<(), RunError> {
        match &answer.outcome {
            Ok(_) => Ok(()),
            Err(error) => self.settle(step, asked, answer, error, false),
        }
    }

    fn settle(
        &mut self,
        step: &Step,
        asked: &Asked,
        answer: &Answer<Got>,
        error: &ApiError,
        stalls: bool,
    ) -> Result<(), RunError> {
        let words = error.to_string();
        let timeline = self.archive.commit_failure(&Failed {
            account: self.run_state.account_of(step.whom).unwrap_or_default(),
            conversation: match step.whom {
                Subject::Conversation(id) => Some(id),
                Subject::Inbox(_) => None,
            },
            asked,
            settlement: Settlement::bare(&answer.receipt, answer.http_status, Some(&words)),
            stalls,
            now: self.clock.now_ms(),
        })?;
        self.run_state.set_timeline(step.whom, timeline);
        Ok(())
    }
}
