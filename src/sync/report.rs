//! What a run did, as people and scripts read it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::api::{ApiError, ExitClass, FailureKind, Retry};
use crate::core::Ms;
use crate::store::{Cause, Outcome};

/// The report of a run: `sync --once --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// Requests made.
    pub requests: u32,
    /// Messages that were new.
    pub new_messages: u32,
    /// Messages whose text or type had changed.
    pub changed_messages: u32,
    /// Messages that the API no longer returns.
    pub gone_messages: u32,
    /// Credits spent; what was reserved for answers that got lost counts.
    pub credits_spent: u32,
    /// Credits left; null is without limit.
    pub credits_left: CreditsLeft,
    /// Gaps open in the conversations of this run.
    pub gaps_left: usize,
    /// Since when nothing is missing in any of them (ISO 8601 UTC); null: something recent is.
    pub horizon: Option<String>,
    /// Each of them.
    pub conversations: Vec<ConversationReport>,
    /// The inboxes that were read.
    pub inboxes: Vec<InboxReport>,
    /// The vendor's figures for the credits; null where it gives none.
    pub balance: Option<BalanceReport>,
    /// The worst that went wrong: decides the exit code.
    #[serde(skip)]
    pub worst: Option<ExitClass>,
    /// How the API received the requests.
    #[serde(skip)]
    pub reception: Reception,
}

/// How the API received the requests: what it refused, and which accounts it served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reception {
    /// What the API refused to whom.
    pub refused: Vec<Refusal>,
    /// Accounts that it served, by their place in the settings.
    pub answered: BTreeSet<usize>,
    /// Failed requests by kind.
    pub failures: BTreeMap<FailureKind, u32>,
    /// Until when the API wants no request (ms), where that is longer than a run waits.
    pub hold_until_ms: Option<Ms>,
}

impl Reception {
    /// Counts a failed request.
    pub(super) fn count(&mut self, error: &ApiError) {
        *self.failures.entry(error.kind).or_default() += 1;
    }

    /// Notes a failure that is final.
    pub(super) fn failed(&mut self, error: &ApiError, account: Option<usize>) {
        self.refused.extend(Refusal::of(error, account));
    }

    /// Whether the API seems to be down: it was asked, served nothing, and refused nothing either.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.answered.is_empty()
            && !self.failures.is_empty()
            && self.failures.keys().all(|kind| kind.policy().retry != Retry::Never)
    }
}

/// A refusal that only a person can do something about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused.
    pub cause: Cause,
    /// To which account, by its place in the settings; `None` is to all.
    pub account: Option<usize>,
    /// In the API's words.
    pub message: String,
}

impl Refusal {
    /// The refusal in an error, if it is one.
    #[must_use]
    pub fn of(error: &ApiError, account: Option<usize>) -> Option<Self> {
        let cause = error.policy().alert?;
        // The key and the balance belong to all accounts.
        let account = account.filter(|_| cause == Cause::Account);
        Some(Self { cause, account, message: error.message.clone() })
    }
}

/// Credits left in each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CreditsLeft {
    /// Of this run's cap.
    pub run: Option<u32>,
    /// Of today's.
    pub day: Option<u32>,
    /// Of this month's.
    pub month: Option<u32>,
}

/// The balance around a run (credits).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BalanceReport {
    /// Before its first request.
    pub before: f64,
    /// After its last one; null when the run was stopped or the vendor did not say.
    pub after: Option<f64>,
    /// What the vendor took in between.
    pub charged: Option<f64>,
    /// What the ledger says that the run spent.
    pub ledger: u32,
}

/// What a run did to one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConversationReport {
    /// The account's name.
    pub account: String,
    /// The conversation's URN or, as long as that is unknown, what it was asked by.
    pub conversation_id: Option<String>,
    /// What to call it.
    pub name: String,
    /// Messages that were new.
    pub new_messages: u32,
    /// Gaps open.
    pub gaps_left: usize,
    /// Why the request failed, or why reading stopped.
    pub error: Option<String>,
}

/// What a run did to one inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InboxReport {
    /// The account's name.
    pub account: String,
    /// Stretches of it that are still to be walked.
    pub gaps_left: usize,
    /// Why it could not be read, or why reading stopped.
    pub error: Option<String>,
}
