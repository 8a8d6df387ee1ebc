//! An archive whose process dies: after so many calls, either just before one takes effect or just after.

use archiver::core::Ms;
use archiver::core::budget::{Purse, Reservation, Spent};
use archiver::core::model::ids::{AccountId, ConversationId, RequestId, RunId};
use archiver::core::planner::plan::{Due, Loaded};
use archiver::core::planner::state::{Inbox, Limits};
use archiver::core::timeline::gap::Timeline;
use archiver::store::{
    Commit, Committed, Configured, Failed, InboxCommit, InboxCommitted, Moment, Outcome, Outstanding, Owners,
    Request, StoreError, Target, Trigger,
};
use archiver::sync::Archive;

pub(crate) struct Crashing<'a, A> {
    inner: &'a mut A,
    /// Half steps left: an even number dies before a call, an odd one after it.
    left: Option<u32>,
    crashed: bool,
}

impl<'a, A: Archive> Crashing<'a, A> {
    pub(crate) fn new(inner: &'a mut A, after: Option<u32>) -> Self {
        Self { inner, left: after, crashed: false }
    }

    pub(crate) fn crashed(&self) -> bool {
        self.crashed
    }

    fn tick(&mut self) -> Result<(), StoreError> {
        match &mut self.left {
            Some(0) => {
                self.crashed = true;
                Err(StoreError::Broken("the process died".into()))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn call<T>(&mut self, work: impl FnOnce(&mut A) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.tick()?;
        let value = work(self.inner)?;
        self.tick()?;
        Ok(value)
    }
}

impl<A: Archive> Archive for Crashing<'_, A> {
    fn configure(&mut self, accounts: &[Configured], now: Ms) -> Result<Vec<AccountId>, StoreError> {
        self.call(|a| a.configure(accounts, now))
    }

    fn targets(&self, accounts: &[AccountId]) -> Result<Vec<Target>, StoreError> {
        self.inner.targets(accounts)
    }

    fn due(
        &self,
        account: (usize, AccountId),
        due: &Due,
        limits: &Limits,
    ) -> Result<(Vec<Target>, Loaded), StoreError> {
        self.inner.due(account, due, limits)
    }

    fn others_are_fine(&self, than: Option<ConversationId>) -> Result<bool, StoreError> {
        self.inner.others_are_fine(than)
    }

    fn missing(&self, accounts: &[AccountId], inboxes: bool) -> Result<Outstanding, StoreError> {
        self.inner.missing(accounts, inboxes)
    }

    fn inboxes(&mut self, accounts: &[Configured], now: Ms) -> Result<Vec<(AccountId, Inbox)>, StoreError> {
        self.call(|a| a.inboxes(accounts, now))
    }

    fn commit_inbox(&mut self, commit: &InboxCommit<'_>) -> Result<InboxCommitted, StoreError> {
        self.call(|a| a.commit_inbox(commit))
    }

    fn begin_run(&mut self, trigger: Trigger, now: Ms) -> Result<RunId, StoreError> {
        self.call(|a| a.begin_run(trigger, now))
    }

    fn finish_run(&mut self, run: RunId, outcome: Outcome, now: Ms) -> Result<(), StoreError> {
        self.call(|a| a.finish_run(run, outcome, now))
    }

    fn reserve(
        &mut self,
        purse: &Purse,
        request: &Request<'_>,
        now: Ms,
    ) -> Result<Option<Reservation>, StoreError> {
        self.call(|a| a.reserve(purse, request, now))
    }

    fn spent(&self, run: RunId, now: Ms) -> Result<Spent, StoreError> {
        self.inner.spent(run, now)
    }

    fn spent_by(&self, account: AccountId, run: RunId, now: Ms) -> Result<Spent, StoreError> {
        self.inner.spent_by(account, run, now)
    }

    fn charge_by_answer(&mut self, run: RunId) -> Result<(), StoreError> {
        self.call(|a| a.charge_by_answer(run))
    }

    fn charge_failures(&mut self, failures: &[RequestId], credits: u32) -> Result<(), StoreError> {
        self.call(|a| a.charge_failures(failures, credits))
    }

    fn note_balance(&mut self, run: RunId, moment: Moment, credits: f64, now: Ms) -> Result<(), StoreError> {
        self.call(|a| a.note_balance(run, moment, credits, now))
    }

    fn head_came_last(&self, account: Option<AccountId>) -> Result<bool, StoreError> {
        self.inner.head_came_last(account)
    }

    fn name_of(&self, conversation: ConversationId) -> Result<Option<String>, StoreError> {
        self.inner.name_of(conversation)
    }

    fn owners(&self, account: AccountId) -> Result<Owners, StoreError> {
        self.inner.owners(account)
    }

    fn commit_page(&mut self, commit: &Commit<'_>) -> Result<Committed, StoreError> {
        self.call(|a| a.commit_page(commit))
    }

    fn commit_failure(&mut self, failed: &Failed<'_>) -> Result<Timeline, StoreError> {
        self.call(|a| a.commit_failure(failed))
    }
}
