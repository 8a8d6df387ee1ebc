//! What a run knows of its conversations and inboxes while it goes on.

use std::collections::BTreeMap;

use tracing::warn;

use crate::api::ConversationRef;
use crate::core::Ms;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::planner::next;
use crate::core::planner::state::{Conversation, Inbox, Limits, Progress, State, Subject};
use crate::core::timeline::gap::Timeline;
use crate::store::{Committed, Configured, InboxCommitted, Target};
use crate::sync::report::{ConversationReport, InboxReport};

/// What a run did to one conversation or inbox.
#[derive(Debug, Default)]
struct TargetResult {
    new_messages: u32,
    error: Option<String>,
}

/// How to ask for a conversation: by its id, once that is known.
#[derive(Debug)]
struct Address {
    account_id: AccountId,
    name: ConversationRef,
}

impl Address {
    fn learn_id(&mut self, id: Option<&str>) {
        if let Some(name) = id.and_then(ConversationRef::by_id) {
            self.name = name;
        }
    }
}

/// What a request is sent to, and on whose account.
#[derive(Debug)]
pub(super) struct Addressee {
    /// The account's index in the configuration.
    pub(super) account: usize,
    /// The archive's id of the account.
    pub(super) account_id: AccountId,
    /// The archive's id and the API's name of the conversation; `None` is the account's inbox.
    pub(super) conversation: Option<(ConversationId, ConversationRef)>,
}

/// The state that the plan decides on, and what goes with it.
#[derive(Debug)]
pub(super) struct RunState {
    pub(super) state: State,
    addresses: BTreeMap<ConversationId, Address>,
    account_ids: BTreeMap<usize, AccountId>,
    results: BTreeMap<Subject, TargetResult>,
}

impl RunState {
    pub(super) fn new(targets: Vec<Target>, inboxes: Vec<(AccountId, Inbox)>) -> Self {
        let mut run_state = Self {
            state: State::default(),
            addresses: BTreeMap::new(),
            account_ids: BTreeMap::new(),
            results: BTreeMap::new(),
        };
        for (id, inbox) in inboxes {
            run_state.account_ids.insert(inbox.account, id);
            run_state.state.inboxes.push(inbox);
        }
        for target in targets {
            run_state.add(target);
        }
        run_state
    }

    fn add(&mut self, target: Target) {
        let Target { account_id, conversation_id, profile_url, plan } = target;
        // What an export has shown may be configured and found in the inbox.
        if self.addresses.contains_key(&plan.id) {
            return;
        }
        let by_id = conversation_id.as_deref().and_then(ConversationRef::by_id);
        let name = by_id.or_else(|| profile_url.as_deref().and_then(ConversationRef::by_profile));
        let Some(name) = name else {
            warn!(conversation = %plan.name, "it has neither an id nor a profile to ask by, and is left out");
            return;
        };
        self.account_ids.insert(plan.account, account_id);
        self.addresses.insert(plan.id, Address { account_id, name });
        self.state.conversations.push(plan);
    }

    /// The archive's id of the account.
    pub(super) fn account_of(&self, whom: Subject) -> Option<AccountId> {
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

    /// What a request for this is sent to.
    pub(super) fn addressee(&self, whom: Subject) -> Option<Addressee> {
        let conversation = match whom {
            Subject::Conversation(id) => Some((id, self.addresses.get(&id)?.name.clone())),
            Subject::Inbox(_) => None,
        };
        let (account, account_id) = (self.account_index(whom)?, self.account_of(whom)?);
        Some(Addressee { account, account_id, conversation })
    }

    /// Whether the last request for a conversation failed.
    pub(super) fn is_troubled(&self, whom: Subject) -> bool {
        self.state.conversations.iter().any(|c| Subject::Conversation(c.id) == whom && c.troubled)
    }

    /// Whether the last request for any other conversation succeeded.
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
    pub(super) fn stored(&mut self, asked: ConversationId, done: &Committed) {
        if done.conversation != asked {
            self.become_one(asked, done.conversation);
        }
        let whom = Subject::Conversation(done.conversation);
        self.set_timeline(whom, done.timeline.clone());
        if let Some(address) = self.addresses.get_mut(&done.conversation) {
            address.learn_id(done.conversation_id.as_deref());
        }
        for plan in self.state.conversations.iter_mut().filter(|c| c.id == done.conversation) {
            plan.troubled = done.stall.is_some();
            plan.by_profile &= done.conversation_id.is_none();
            plan.recheck = done.recheck;
        }
        let result = self.results.entry(whom).or_default();
        result.new_messages += done.new_messages;
        result.error = done.stall.as_ref().map(ToString::to_string);
    }

    fn become_one(&mut self, asked: ConversationId, kept: ConversationId) {
        self.results.remove(&Subject::Conversation(asked));
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
        let result = self.results.entry(Subject::Inbox(account)).or_default();
        result.error = done.stall.as_ref().map(ToString::to_string);
        self.set_timeline(Subject::Inbox(account), done.timeline);
        for target in done.found {
            self.add(target);
        }
        for (id, timeline) in done.news {
            self.set_timeline(Subject::Conversation(id), timeline);
        }
        for (id, name) in done.listed {
            if let Some(address) = self.addresses.get_mut(&id) {
                address.learn_id(name.as_deref());
            }
            for plan in self.state.conversations.iter_mut().filter(|c| c.id == id) {
                plan.listed = true;
                plan.by_profile &= name.is_none();
            }
        }
        for plan in self.state.conversations.iter_mut().filter(|c| done.unlisted.contains(&c.id)) {
            plan.listed = false;
        }
    }

    pub(super) fn failed(&mut self, whom: Subject, error: String) {
        self.results.entry(whom).or_default().error = Some(error);
    }

    /// Gaps open, those of inboxes included.
    pub(super) fn gaps(&self) -> usize {
        let inboxes = self.state.inboxes.iter().map(|i| i.timeline.gaps.len());
        self.state.conversations.iter().map(|c| c.timeline.gaps.len()).chain(inboxes).sum()
    }

    /// Since when nothing is missing; `None` where a request failed or was not made for lack of credits or time, so that
    /// something recent may be missing.
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
            let result = self.results.get(&Subject::Conversation(plan.id));
            ConversationReport {
                account: accounts.get(plan.account).map(|a| a.account.clone()).unwrap_or_default(),
                conversation_id: self.addresses.get(&plan.id).and_then(|a| a.name.id()).map(str::to_owned),
                name: plan.name.clone(),
                new_messages: result.map_or(0, |t| t.new_messages),
                gaps_left: plan.timeline.gaps.len(),
                error: result.and_then(|t| t.error.clone()),
            }
        };
        self.state.conversations.iter().map(report).collect()
    }

    pub(super) fn inboxes(&self) -> Vec<InboxReport> {
        let report = |inbox: &Inbox| InboxReport {
            account: inbox.name.clone(),
            gaps_left: inbox.timeline.gaps.len(),
            error: self.results.get(&Subject::Inbox(inbox.account)).and_then(|t| t.error.clone()),
        };
        self.state.inboxes.iter().map(report).collect()
    }
}
