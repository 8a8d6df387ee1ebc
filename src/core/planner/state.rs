//! What the plan decides on: conversations and inboxes, what bounds a run, and what it has done so far.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::Ms;
use crate::core::model::ids::{ConversationId, RunId};
use crate::core::planner::in_flight::InFlight;
use crate::core::timeline::gap::Timeline;

/// A conversation as the plan sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// The archive's id.
    pub id: ConversationId,
    /// Index of its account in the configuration.
    pub account: usize,
    /// Its display name.
    pub name: String,
    /// What is known of it.
    pub timeline: Timeline,
    /// When its head was last asked for (ms), with or without an answer; heads take turns by it.
    pub head_tried_ms: Option<Ms>,
    /// In which run.
    pub head_tried_run: RunId,
    /// Looks at the head in a row that found nothing new.
    pub silent_looks: u32,
    /// Whether the inbox has ever shown it: then news of it will show there, too.
    pub listed: bool,
    /// Whether the last request for it failed: then its gaps wait until those of the others have been asked for.
    pub troubled: bool,
    /// Whether it is asked for by the profile of the other side, because its id is not known yet.
    pub by_profile: bool,
    /// What tells how much of it is missing.
    pub hints: Hints,
    /// How far its second reading has come.
    pub recheck: Recheck,
}

impl Conversation {
    /// One that has not been asked for yet.
    #[must_use]
    pub fn new(id: ConversationId, account: usize, name: String, timeline: Timeline) -> Self {
        Self {
            id,
            account,
            name,
            timeline,
            head_tried_ms: None,
            head_tried_run: RunId::default(),
            silent_looks: 0,
            listed: false,
            troubled: false,
            by_profile: false,
            hints: Hints::default(),
            recheck: Recheck::default(),
        }
    }
}

/// What the API has said of a conversation's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hints {
    /// How many messages it has, as counted with its last page.
    pub served_total: Option<i64>,
    /// How many have come since the last look at its newest page, going by the unread count: at least so many.
    pub news_at_least: i64,
}

/// How far the second reading of a complete conversation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recheck {
    /// Where it goes on (ms), while one is under way.
    pub at_ms: Option<Ms>,
    /// When all of it had last been read (ms).
    pub done_ms: Option<Ms>,
}

/// An account's inbox as the plan sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// Index of the account in the configuration.
    pub account: usize,
    /// Its display name.
    pub name: String,
    /// What is known of it: see [`crate::core::inbox::apply`].
    pub timeline: Timeline,
    /// When its first page was last asked for (ms), with or without an answer.
    pub tried_ms: Option<Ms>,
    /// When it was last read to its end (ms).
    pub walked_ms: Option<Ms>,
    /// How many conversations it has shown, where that was looked up.
    pub shown: Option<u32>,
    /// Whether the last request for it before this run failed.
    pub troubled: bool,
}

impl Inbox {
    /// One that has not been asked for yet.
    #[must_use]
    pub fn new(account: usize, name: String, timeline: Timeline) -> Self {
        Self { account, name, timeline, tried_ms: None, walked_ms: None, shown: None, troubled: false }
    }
}

/// Everything the plan decides on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The inboxes that are read: none where the inbox is off.
    pub inboxes: Vec<Inbox>,
    /// The conversations.
    pub conversations: Vec<Conversation>,
}

/// What a step asks for a page of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A conversation, by the archive's id.
    Conversation(ConversationId),
    /// The inbox of an account, by its index in the configuration.
    Inbox(usize),
}

/// What bounds a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Messages per request while filling history: a multiple of 10.
    pub page_size: u32,
    /// What all accounts together share.
    pub share: Share,
    /// What each account may take of it, by its index in the configuration; one that is not in here has no cap of its
    /// own.
    pub account_shares: Vec<Share>,
    /// This run's number.
    pub run: RunId,
    /// How many runs at most pass between two looks at a conversation that the inbox never shows: 1 after one that found
    /// something new, then twice as many each time.
    pub longest_silence: u32,
    /// Complete conversations, and inboxes, that were last read whole before this moment (ms) are read again; `None`: none
    /// is.
    pub recheck_before_ms: Option<Ms>,
    /// The most requests of one account that may be under way at once.
    pub in_flight_per_account: u32,
}

impl Limits {
    /// The first run in which a conversation that the inbox never shows is looked at again.
    #[must_use]
    pub fn look_run(&self, tried: RunId, silent_looks: u32) -> RunId {
        let runs = 1_u32 << silent_looks.min(31);
        tried.plus(i64::from(runs.min(self.longest_silence).max(1)))
    }
}

/// Credits that heads and gaps share fairly: neither may take them all for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Credits that might be spent when the run began; `None` is without limit.
    pub budget: Option<u32>,
    /// Whether the last step before this run was a look at a head.
    pub head_came_last: bool,
}

/// What may still be spent; `None` is without limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Room {
    /// By all accounts together.
    pub all: Option<u32>,
    /// By each account, by its index in the configuration; one that is not in here has no cap of its own.
    pub accounts: Vec<Option<u32>>,
    /// Whether so much of the day and the month is left that older stretches may be read again.
    pub spare: bool,
}

impl Room {
    /// Without any limit.
    pub(super) fn unlimited() -> Self {
        Self { spare: true, ..Self::default() }
    }

    /// What an account may still spend.
    #[must_use]
    pub fn of(&self, account: usize) -> Option<u32> {
        let own = self.accounts.get(account).copied().flatten();
        [self.all, own].into_iter().flatten().min()
    }

    /// Takes credits that an account spends.
    pub(super) fn take(&mut self, account: usize, credits: u32) {
        let own = self.accounts.get_mut(account).and_then(Option::as_mut);
        for left in self.all.as_mut().into_iter().chain(own) {
            *left = left.saturating_sub(credits);
        }
    }
}

/// What a run has done so far, as far as the plan cares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Whose head has been asked for.
    pub heads_done: BTreeSet<Subject>,
    /// What is not asked for again in this run.
    pub failed: BTreeSet<Subject>,
    /// Accounts that are not asked for again in this run.
    pub stopped: BTreeSet<usize>,
    /// Credits spent on heads, by all accounts together.
    pub head_credits: u32,
    /// The same by each account.
    pub head_credits_of: BTreeMap<usize, u32>,
    /// Conversations whose second reading is done with in this run.
    pub rechecked: BTreeSet<ConversationId>,
    /// Accounts whose inbox has begun to be read again in this run.
    pub walked_again: BTreeSet<usize>,
    /// What is under way.
    pub in_flight: InFlight,
}

impl Progress {
    /// Books what a look at a head of an account has cost.
    pub fn look(&mut self, account: usize, credits: u32) {
        self.head_credits = self.head_credits.saturating_add(credits);
        let own = self.head_credits_of.entry(account).or_default();
        *own = own.saturating_add(credits);
    }
}
