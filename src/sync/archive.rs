//! The archive as the engine sees it, so that a simulation can put one in memory in its place.

use crate::core::Ms;
use crate::core::budget::{Purse, Reservation, Spent};
use crate::core::model::ids::{AccountId, ConversationId, RequestId, RunId};
use crate::core::planner::plan::{Due, Loaded};
use crate::core::planner::state::{Inbox, Limits};
use crate::core::timeline::gap::Timeline;
use crate::store::{
    Commit, Committed, Configured, Failed, InboxCommit, InboxCommitted, Moment, Outcome, Outstanding, Owners,
    Request, Store, StoreError, Target, Trigger,
};

/// What the engine needs of an archive. Each call is atomic: after a crash it has happened or it has not.
pub trait Archive {
    /// Makes sure that everything configured has its place; see [`Store::configure`].
    fn configure(&mut self, accounts: &[Configured], now: Ms) -> Result<Vec<AccountId>, StoreError>;

    /// Everything that is asked for; see [`Store::targets`].
    fn targets(&self, accounts: &[AccountId]) -> Result<Vec<Target>, StoreError>;

    /// The next conversations of an account that something is due about; see [`Store::due`].
    fn due(
        &self,
        account: (usize, AccountId),
        due: &Due,
        limits: &Limits,
    ) -> Result<(Vec<Target>, Loaded), StoreError>;

    /// Whether the last request for any other conversation succeeded; see [`Store::others_are_fine`].
    fn others_are_fine(&self, than: Option<ConversationId>) -> Result<bool, StoreError>;

    /// What is missing of all that is asked for; see [`Store::missing`].
    fn missing(&self, accounts: &[AccountId], inboxes: bool) -> Result<Outstanding, StoreError>;

    /// The inboxes of these accounts; see [`Store::inboxes`].
    fn inboxes(&mut self, accounts: &[Configured], now: Ms) -> Result<Vec<(AccountId, Inbox)>, StoreError>;

    /// Stores a page of an inbox; see [`Store::commit_inbox`].
    fn commit_inbox(&mut self, commit: &InboxCommit<'_>) -> Result<InboxCommitted, StoreError>;

    /// Begins a run; see [`Store::begin_run`].
    fn begin_run(&mut self, trigger: Trigger, now: Ms) -> Result<RunId, StoreError>;

    /// Ends a run; see [`Store::finish_run`].
    fn finish_run(&mut self, run: RunId, outcome: Outcome, now: Ms) -> Result<(), StoreError>;

    /// Sets credits aside; see [`Store::reserve`].
    fn reserve(
        &mut self,
        purse: &Purse,
        request: &Request<'_>,
        now: Ms,
    ) -> Result<Option<Reservation>, StoreError>;

    /// Credits spent so far; see [`Store::spent`].
    fn spent(&self, run: RunId, now: Ms) -> Result<Spent, StoreError>;

    /// Credits spent so far by one account; see [`Store::spent_by`].
    fn spent_by(&self, account: AccountId, run: RunId, now: Ms) -> Result<Spent, StoreError>;

    /// When the newest request was made, by the ledger (ms); see [`Store::newest_request`].
    fn newest_request(&self) -> Result<Option<Ms>, StoreError> {
        Ok(None)
    }

    /// Counts a run's answers by what came; see [`Store::charge_by_answer`].
    fn charge_by_answer(&mut self, run: RunId) -> Result<(), StoreError>;

    /// Charges requests that were believed to be free; see [`Store::charge_failures`].
    fn charge_failures(&mut self, failures: &[RequestId], credits: u32) -> Result<(), StoreError>;

    /// Notes the vendor's balance; see [`Store::note_balance`].
    fn note_balance(&mut self, run: RunId, moment: Moment, credits: f64, now: Ms) -> Result<(), StoreError>;

    /// Whether the last request of all was a look at a head; see [`Store::head_came_last`].
    fn head_came_last(&self, account: Option<AccountId>) -> Result<bool, StoreError>;

    /// What a conversation is called by now, if it has a name; see [`Store::name_of`].
    fn name_of(&self, conversation: ConversationId) -> Result<Option<String>, StoreError>;

    /// Whose mailbox an account is; see [`Store::owners`].
    fn owners(&self, account: AccountId) -> Result<Owners, StoreError>;

    /// Stores a page; see [`Store::commit_page`].
    fn commit_page(&mut self, commit: &Commit<'_>) -> Result<Committed, StoreError>;

    /// Settles a request that brought no page; see [`Store::commit_failure`].
    fn commit_failure(&mut self, failed: &Failed<'_>) -> Result<Timeline, StoreError>;
}

impl Archive for Store {
    fn configure(&mut self, accounts: &[Configured], now: Ms) -> Result<Vec<AccountId>, StoreError> {
        Self::configure(self, accounts, now)
    }

    fn targets(&self, accounts: &[AccountId]) -> Result<Vec<Target>, StoreError> {
        Self::targets(self, accounts)
    }

    fn due(
        &self,
        account: (usize, AccountId),
        due: &Due,
        limits: &Limits,
    ) -> Result<(Vec<Target>, Loaded), StoreError> {
        Self::due(self, account, due, limits)
    }

    fn others_are_fine(&self, than: Option<ConversationId>) -> Result<bool, StoreError> {
        Self::others_are_fine(self, than)
    }

    fn missing(&self, accounts: &[AccountId], inboxes: bool) -> Result<Outstanding, StoreError> {
        Self::missing(self, accounts, inboxes)
    }

    fn inboxes(&mut self, accounts: &[Configured], now: Ms) -> Result<Vec<(AccountId, Inbox)>, StoreError> {
        Self::inboxes(self, accounts, now)
    }

    fn commit_inbox(&mut self, commit: &InboxCommit<'_>) -> Result<InboxCommitted, StoreError> {
        Self::commit_inbox(self, commit)
    }

    fn begin_run(&mut self, trigger: Trigger, now: Ms) -> Result<RunId, StoreError> {
        Self::begin_run(self, trigger, now)
    }

    fn finish_run(&mut self, run: RunId, outcome: Outcome, now: Ms) -> Result<(), StoreError> {
        Self::finish_run(self, run, outcome, now)
    }

    fn reserve(
        &mut self,
        purse: &Purse,
        request: &Request<'_>,
        now: Ms,
    ) -> Result<Option<Reservation>, StoreError> {
        Self::reserve(self, purse, request, now)
    }

    fn spent(&self, run: RunId, now: Ms) -> Result<Spent, StoreError> {
        Self::spent(self, run, now)
    }

    fn spent_by(&self, account: AccountId, run: RunId, now: Ms) -> Result<Spent, StoreError> {
        Self::spent_by(self, account, run, now)
    }

    fn newest_request(&self) -> Result<Option<Ms>, StoreError> {
        Self::newest_request(self)
    }

    fn charge_by_answer(&mut self, run: RunId) -> Result<(), StoreError> {
        Self::charge_by_answer(self, run)
    }

    fn charge_failures(&mut self, failures: &[RequestId], credits: u32) -> Result<(), StoreError> {
        Self::charge_failures(self, failures, credits)
    }

    fn note_balance(&mut self, run: RunId, moment: Moment, credits: f64, now: Ms) -> Result<(), StoreError> {
        Self::note_balance(self, run, moment, credits, now)
    }

    fn head_came_last(&self, account: Option<AccountId>) -> Result<bool, StoreError> {
        Self::head_came_last(self, account)
    }

    fn name_of(&self, conversation: ConversationId) -> Result<Option<String>, StoreError> {
        Self::name_of(self, conversation)
    }

    fn owners(&self, account: AccountId) -> Result<Owners, StoreError> {
        Self::owners(self, account)
    }

    fn commit_page(&mut self, commit: &Commit<'_>) -> Result<Committed, StoreError> {
        Self::commit_page(self, commit)
    }

    fn commit_failure(&mut self, failed: &Failed<'_>) -> Result<Timeline, StoreError> {
        Self::commit_failure(self, failed)
    }
}
