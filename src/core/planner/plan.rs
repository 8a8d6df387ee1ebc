//! The plan of a run: what is known of conversations and inboxes, what the run has done, and what waits in which order.
//!
//! [`next`](crate::core::planner::next) takes from the front of its queues. Of the conversations it knows those that
//! something is due about, and of a long queue only the front; it says so when it has to know more.

use std::collections::BTreeMap;

use crate::core::model::ids::ConversationId;
use crate::core::planner::backoff::due_run;
use crate::core::planner::in_flight::InFlight;
use crate::core::planner::queue::{Extent, GapRank, HeadRank, Queue, RecheckRank};
use crate::core::planner::state::{Conversation, Inbox, Limits, Progress, State, Subject};
use crate::core::planner::step::{Step, StepKind};
use crate::core::timeline::gap::{Gap, Timeline};

/// A part of a queue that the plan has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Index of the account in the configuration.
    pub account: usize,
    /// Which queue, and from where on.
    pub due: Due,
}

/// Which of an account's conversations are asked for, in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Those with a gap that is due, after this place.
    Gaps(Option<GapRank>),
    /// Those whose head is looked at by itself, after this place. `listed` ones are left to the inbox where that is read.
    Heads {
        /// The place.
        after: Option<HeadRank>,
        /// Whether the inbox is read.
        inbox: bool,
    },
    /// Those that are read a second time, after this place.
    Rechecks(Option<RecheckRank>),
}

/// What a load has brought, beside conversations: how much of the queue is known now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// Of gaps.
    Gaps(Extent<GapRank>),
    /// Of heads.
    Heads(Extent<HeadRank>),
    /// Of second readings.
    Rechecks(Extent<RecheckRank>),
}

/// The queues of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Queues {
    pub(super) gaps: Queue<GapRank>,
    pub(super) heads: Queue<HeadRank>,
    pub(super) rechecks: Queue<RecheckRank>,
}

/// Where a conversation stands in them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Entries {
    gaps: Vec<GapRank>,
    head: Option<HeadRank>,
    recheck: Option<RecheckRank>,
}

/// The plan of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What bounds it.
    pub limits: Limits,
    pub(super) progress: Progress,
    pub(super) inboxes: BTreeMap<usize, Inbox>,
    conversations: BTreeMap<ConversationId, (Conversation, Entries)>,
    pub(super) queues: BTreeMap<usize, Queues>,
}

impl Plan {
    /// A plan for these accounts, by their index in the configuration, that knows no conversation yet.
    #[must_use]
    pub fn new(limits: Limits, accounts: usize, inboxes: Vec<Inbox>) -> Self {
        Self {
            limits,
            progress: Progress::default(),
            inboxes: inboxes.into_iter().map(|inbox| (inbox.account, inbox)).collect(),
            conversations: BTreeMap::new(),
            queues: (0..accounts).map(|account| (account, Queues::default())).collect(),
        }
    }

    /// A plan that knows everything there is.
    #[must_use]
    pub fn whole(limits: &Limits, state: &State) -> Self {
        let accounts =
            state.conversations.iter().map(|c| c.account).chain(state.inboxes.iter().map(|i| i.account));
        let accounts = accounts.max().map_or(0, |last| last + 1);
        let mut plan = Self::new(limits.clone(), accounts, state.inboxes.clone());
        state.conversations.iter().cloned().for_each(|conversation| plan.put(conversation));
        plan.knows_all();
        plan
    }

    /// Nothing is left to be loaded.
    pub fn knows_all(&mut self) {
        for queues in self.queues.values_mut() {
            (queues.gaps.known, queues.heads.known, queues.rechecks.known) =
                (Extent::All, Extent::All, Extent::All);
        }
    }

    /// Conversations that a load has brought. What the plan knows already is newer.
    pub fn loaded(&mut self, account: usize, conversations: Vec<Conversation>, loaded: Loaded) {
        for conversation in conversations {
            if !self.conversations.contains_key(&conversation.id) {
                self.put(conversation);
            }
        }
        let queues = self.queues.entry(account).or_default();
        match loaded {
            Loaded::Gaps(known) => queues.gaps.known = known,
            Loaded::Heads(known) => queues.heads.known = known,
            Loaded::Rechecks(known) => queues.rechecks.known = known,
        }
    }

    /// More conversations may have to be looked at by themselves than were known.
    pub fn forget_heads(&mut self, account: usize) {
        self.queues.entry(account).or_default().heads.known = Extent::Nothing;
    }

    /// What is known of a conversation.
    #[must_use]
    pub fn conversation(&self, id: ConversationId) -> Option<&Conversation> {
        self.conversations.get(&id).map(|(conversation, _)| conversation)
    }

    /// Those that are known.
    pub fn conversations(&self) -> impl Iterator<Item = &Conversation> {
        self.conversations.values().map(|(conversation, _)| conversation)
    }

    /// The inboxes that are read.
    pub fn inboxes(&self) -> impl Iterator<Item = &Inbox> {
        self.inboxes.values()
    }

    /// Puts a conversation in, or in the place of what was known of it.
    pub fn put(&mut self, conversation: Conversation) {
        self.remove(conversation.id);
        let places = self.places(&conversation);
        let queues = self.queues.entry(conversation.account).or_default();
        places.gaps.iter().for_each(|gap| queues.gaps.insert(*gap));
        places.head.iter().for_each(|head| queues.heads.insert(*head));
        places.recheck.iter().for_each(|recheck| queues.rechecks.insert(*recheck));
        self.conversations.insert(conversation.id, (conversation, places));
    }

    /// Takes a conversation out.
    pub fn remove(&mut self, id: ConversationId) -> Option<Conversation> {
        let (conversation, places) = self.conversations.remove(&id)?;
        let queues = self.queues.entry(conversation.account).or_default();
        places.gaps.iter().for_each(|gap| queues.gaps.remove(gap));
        places.head.iter().for_each(|head| queues.heads.remove(head));
        places.recheck.iter().for_each(|recheck| queues.rechecks.remove(recheck));
        Some(conversation)
    }

    /// Changes what is known of a conversation, if it is known.
    pub fn change(&mut self, id: ConversationId, change: impl FnOnce(&mut Conversation)) {
        if let Some(mut conversation) = self.remove(id) {
            change(&mut conversation);
            self.put(conversation);
        }
    }

    /// What is known of a conversation or an inbox from now on.
    pub fn set_timeline(&mut self, whom: Subject, timeline: Timeline) {
        match whom {
            Subject::Conversation(id) => self.change(id, |conversation| conversation.timeline = timeline),
            Subject::Inbox(account) => {
                if let Some(inbox) = self.inboxes.get_mut(&account) {
                    inbox.timeline = timeline;
                }
            }
        }
    }

    /// A gap is not asked for any more.
    pub(super) fn forget_gap(&mut self, whom: Subject, gap: i64) {
        match whom {
            Subject::Conversation(id) => self.change(id, |c| c.timeline.gaps.retain(|g| g.id != gap)),
            Subject::Inbox(account) => {
                if let Some(inbox) = self.inboxes.get_mut(&account) {
                    inbox.timeline.gaps.retain(|g| g.id != gap);
                }
            }
        }
    }

    /// A step begins.
    pub fn begin(&mut self, step: &Step) {
        if let (StepKind::Recheck, Subject::Inbox(account)) = (step.kind, step.whom) {
            self.walks_again(account);
        }
        self.progress.in_flight.begin(step);
    }

    /// It has ended.
    pub fn end(&mut self, whom: Subject) {
        self.progress.in_flight.end(whom);
    }

    /// The run has ended: what was under way was called off, or nobody waits for it.
    pub fn end_all(&mut self) {
        self.progress.in_flight = InFlight::default();
    }

    /// How many steps are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.progress.in_flight.len()
    }

    /// Books what a look at a head of an account has cost.
    pub fn look(&mut self, account: usize, credits: u32) {
        self.progress.look(account, credits);
    }

    /// The newest page was asked for.
    pub fn head_done(&mut self, whom: Subject) {
        self.progress.heads_done.insert(whom);
        self.place_again(whom);
    }

    /// What has failed is left alone in this run.
    pub fn fail(&mut self, whom: Subject) {
        self.progress.failed.insert(whom);
        self.place_again(whom);
    }

    /// A conversation's second reading is done with in this run.
    pub(super) fn rechecked(&mut self, id: ConversationId) {
        self.progress.rechecked.insert(id);
        self.place_again(Subject::Conversation(id));
    }

    /// An inbox has begun to be read again in this run.
    pub(super) fn walks_again(&mut self, account: usize) {
        self.progress.walked_again.insert(account);
    }

    /// Nothing of an account is asked for in this run any more.
    pub fn stop_account(&mut self, account: usize) {
        self.progress.stopped.insert(account);
    }

    /// Whether an account is not asked for in this run any more.
    #[must_use]
    pub fn is_stopped(&self, account: usize) -> bool {
        self.progress.stopped.contains(&account)
    }

    /// Whether something was left alone in this run, so that something recent may be missing.
    #[must_use]
    pub fn left_alone(&self) -> bool {
        !self.progress.failed.is_empty() || !self.progress.stopped.is_empty()
    }

    fn place_again(&mut self, whom: Subject) {
        if let Subject::Conversation(id) = whom {
            self.change(id, |_| {});
        }
    }

    /// Where a conversation stands, by all that only concerns itself.
    fn places(&self, conversation: &Conversation) -> Entries {
        let (limits, progress) = (&self.limits, &self.progress);
        let whom = Subject::Conversation(conversation.id);
        if progress.failed.contains(&whom) {
            return Entries::default();
        }
        let timeline = &conversation.timeline;
        let due = timeline.gaps.iter().filter(|gap| is_due(gap, limits));
        let wants_look = timeline.top_gap().is_none() && !progress.heads_done.contains(&whom);
        let wants_look = wants_look
            && (!self.inboxes.contains_key(&conversation.account) || looks_alone(conversation, limits));
        let recheck = conversation.recheck;
        let is_overdue = limits.recheck_before_ms.is_some_and(|before| {
            recheck.at_ms.is_some() || recheck.done_ms.is_none_or(|done| done <= before)
        });
        let calm =
            timeline.complete() && !conversation.troubled && !progress.rechecked.contains(&conversation.id);
        Entries {
            gaps: due.map(|gap| GapRank::of(conversation, gap)).collect(),
            head: wants_look
                .then_some(HeadRank { tried_ms: conversation.head_tried_ms, conversation: conversation.id }),
            recheck: (calm && is_overdue).then(|| RecheckRank::of(conversation.id, recheck)),
        }
    }
}

/// Whether a gap may be asked for in this run.
pub(super) fn is_due(gap: &Gap, limits: &Limits) -> bool {
    limits.run >= due_run(gap.stalls, gap.stalled_run)
}

/// Whether a conversation is looked at by itself although the inbox is read: because that has never shown it, and ever
/// less often while it stays silent.
fn looks_alone(conversation: &Conversation, limits: &Limits) -> bool {
    !conversation.listed
        && limits.run >= limits.look_run(conversation.head_tried_run, conversation.silent_looks)
}
