//! What a run knows of its conversations and inboxes while it goes on.

use std::collections::BTreeMap;

use crate::api::Whose;
use crate::core::Ms;
use crate::core::planner::next;
use crate::core::planner::state::{Conversation, Inbox, Limits, Progress, State, Subject};
use crate::core::timeline::gap::Timeline;
use crate::store::{Committed, Configured, InboxCommitted, Target};
use crate::sync::report::{ConversationReport, InboxReport};

/// What a run did to one conversation or inbox.
#[derive(Debug, Default)]
struct Tally {
    new_messages: u32,
    error: Option<String>,
}

/// How to ask a conversation.
#[derive(Debug)]
struct Address {
    account_id: i64,
    conversation_id: Option<String>,
    profile_url: Option<String>,
}

/// The state that the plan decides on, and what goes with it.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) state: State,
    addresses: BTreeMap<i64, Address>,
    account_ids: BTreeMap<usize, i64>,
    tallies: BTreeMap<Subject, Tally>,
}

impl Book {
    pub(super) fn new(targets: Vec<Target>, inboxes: Vec<(i64, Inbox)>) -> Self {
        let mut book = Self {
            state: State::default(),
            addresses: BTreeMap::new(),
            account_ids: BTreeMap::new(),
            tallies: BTreeMap::new(),
        };
        for (id, inbox) in inboxes {
            book.account_ids.insert(inbox.account, id);
            book.state.inboxes.push(inbox);
        }
        for target in targets {
            book.add(target);
        }
        book
    }

    fn add(&mut self, target: Target) {
        let Target { account_id, conversation_id, profile_url, plan } = target;
        // What an export has shown may be configured and found in the inbox.
        if self.addresses.contains_key(&plan.id) {
            return;
        }
        self.account_ids.insert(plan.account, account_id);
        self.addresses.insert(plan.id, Address { account_id, conversation_id, profile_url });
        self.state.conversations.push(plan);
    }

    /// The archive's id of the account.
    pub(super) fn account_of(&self, whom: Subject) -> Option<i64> {
        match whom {
            Subject::Conversation(id) => self.addresses.get(&id).map(|a| a.account_id),
            Subject::Inbox(account) => self.account_ids.get(&account).copied(),
        }
    }

    /// The account's index in the configuration.
    pub(super) fn account_index(&self, whom: Subject) -> Option<usize> {
        match whom {
            Subject::Conversation(id) => {
                self.state.conversations.iter().find(|c| c.id == id).map(|c| c.account)
            }
            Subject::Inbox(account) => Some(account),
        }
    }

    /// The account's index and the name to ask a conversation by: its own, once known.
    pub(super) fn whose(&self, id: i64) -> (usize, Whose) {
        let account = self.account_index(Subject::Conversation(id)).unwrap_or_default();
        let address = self.addresses.get(&id);
        let whose = match address.map(|a| (&a.conversation_id, &a.profile_url)) {
            Some((Some(id), _)) => Whose::Conversation(id.clone()),
            Some((None, Some(url))) => Whose::Profile(url.clone()),
            Some((None, None)) | None => Whose::Profile(String::new()),
        };
        (account, whose)
    }

    /// Whether the last request for a conversation failed.
    pub(super) fn is_troubled(&self, whom: Subject) -> bool {
        self.state.conversations.iter().any(|c| Subject::Conversation(c.id) == whom && c.troubled)
    }

    /// Whether any other conversation was served when it was last asked for.
    pub(super) fn others_were_fine(&self, whom: Subject) -> bool {
        let mut others = self.state.conversations.iter().filter(|c| Subject::Conversation(c.id) != whom);
        others.any(|c| !c.troubled && c.head_tried_ms.is_some())
    }

    pub(super) fn set_timeline(&mut self, whom: Subject, timeline: Timeline) {
        let inboxes = self
            .state
            .inboxes
            .iter_mut()
            .filter(|i| Subject::Inbox(i.account) == whom)
            .map(|i| &mut i.timeline);
        let own = self.state.conversations.iter_mut().filter(|c| Subject::Conversation(c.id) == whom);
        if let Some(place) = own.map(|c| &mut c.timeline).chain(inboxes).next() {
            *place = timeline;
        }
    }

    /// A page of a conversation was stored; it may have turned out to be one that was known already.
    pub(super) fn stored(&mut self, asked: i64, done: &Committed) {
        if done.conversation != asked {
            self.become_one(asked, done.conversation);
        }
        let whom = Subject::Conversation(done.conversation);
        self.set_timeline(whom, done.timeline.clone());
        if let Some(address) = self.addresses.get_mut(&done.conversation) {
            address.conversation_id = done.conversation_id.clone().or(address.conversation_id.take());
        }
        for plan in self.state.conversations.iter_mut().filter(|c| c.id == done.conversation) {
            plan.troubled = done.stall.is_some();
            plan.recheck = done.recheck;
        }
        let tally = self.tallies.entry(whom).or_default();
        tally.new_messages += done.new_messages;
        tally.error = done.stall.as_ref().map(ToString::to_string);
    }

    fn become_one(&mut self, asked: i64, kept: i64) {
        self.tallies.remove(&Subject::Conversation(asked));
        let address = self.addresses.remove(&asked);
        if self.addresses.contains_key(&kept) {
            self.state.conversations.retain(|c| c.id != asked);
            return;
        }
        self.addresses.extend(address.map(|a| (kept, a)));
        for plan in self.state.conversations.iter_mut().filter(|c| c.id == asked) {
            plan.id = kept;
        }
    }

    /// A page of an inbox was stored.
    pub(super) fn listed(&mut self, account: usize, done: InboxCommitted) {
        let tally = self.tallies.entry(Subject::Inbox(account)).or_default();
        tally.error = done.stall.as_ref().map(ToString::to_string);
        self.set_timeline(Subject::Inbox(account), done.timeline);
        for target in done.found {
            self.add(target);
        }
        for (id, timeline) in done.news {
            self.set_timeline(Subject::Conversation(id), timeline);
        }
        for (id, name) in done.listed {
            if let Some(address) = self.addresses.get_mut(&id) {
                address.conversation_id = name.or(address.conversation_id.take());
            }
            self.state.conversations.iter_mut().filter(|c| c.id == id).for_each(|plan| plan.listed = true);
        }
        for plan in self.state.conversations.iter_mut().filter(|c| done.unlisted.contains(&c.id)) {
            plan.listed = false;
        }
    }

    pub(super) fn failed(&mut self, whom: Subject, error: String) {
        self.tallies.entry(whom).or_default().error = Some(error);
    }

    /// Gaps open, those of inboxes included.
    pub(super) fn gaps(&self) -> usize {
        let inboxes = self.state.inboxes.iter().map(|i| i.timeline.gaps.len());
        self.state.conversations.iter().map(|c| c.timeline.gaps.len()).chain(inboxes).sum()
    }

    /// Since when nothing is missing; nothing recent is known of what could not be asked, or was not for want of credits
    /// or time.
    pub(super) fn horizon(&self, limits: &Limits, progress: &Progress) -> Option<Ms> {
        let unseen = |whom, account| progress.failed.contains(&whom) || progress.stopped.contains(&account);
        let blind = self.state.conversations.iter().any(|c| unseen(Subject::Conversation(c.id), c.account))
            || self.state.inboxes.iter().any(|i| unseen(Subject::Inbox(i.account), i.account));
        let inboxes = self.state.inboxes.iter().map(|i| &i.timeline);
        let all = self.state.conversations.iter().map(|c| &c.timeline).chain(inboxes);
        next::horizon(all).filter(|_| !blind && !next::heads_left(&self.state, limits, progress))
    }

    pub(super) fn conversations(&self, accounts: &[Configured]) -> Vec<ConversationReport> {
        let report = |plan: &Conversation| {
            let tally = self.tallies.get(&Subject::Conversation(plan.id));
            ConversationReport {
                account: accounts.get(plan.account).map(|a| a.account.clone()).unwrap_or_default(),
                conversation_id: self.addresses.get(&plan.id).and_then(|a| a.conversation_id.clone()),
                name: plan.name.clone(),
                new_messages: tally.map_or(0, |t| t.new_messages),
                gaps_left: plan.timeline.gaps.len(),
                error: tally.and_then(|t| t.error.clone()),
            }
        };
        self.state.conversations.iter().map(report).collect()
    }

    pub(super) fn inboxes(&self) -> Vec<InboxReport> {
        let report = |inbox: &Inbox| InboxReport {
            account: inbox.name.clone(),
            gaps_left: inbox.timeline.gaps.len(),
            error: self.tallies.get(&Subject::Inbox(inbox.account)).and_then(|t| t.error.clone()),
        };
        self.state.inboxes.iter().map(report).collect()
    }
}
