//! What a run knows of its conversations and inboxes while it goes on.

use std::collections::BTreeMap;

use tracing::warn;

use crate::api::ConversationRef;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::planner::next;
use crate::core::planner::plan::{Loaded, Plan};
use crate::core::planner::state::{Conversation, Inbox, Limits, Subject};
use crate::store::{Committed, Configured, InboxCommitted, Outstanding, Target};
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

/// The plan, and what goes with it.
#[derive(Debug)]
pub(super) struct RunState {
    pub(super) plan: Plan,
    addresses: BTreeMap<ConversationId, Address>,
    /// The archive's ids of the accounts, by their index in the configuration.
    accounts: Vec<AccountId>,
    results: BTreeMap<Subject, TargetResult>,
    /// Whether only some conversations are asked for: then all of these are known, and others are of no concern.
    narrowed: bool,
}

impl RunState {
    pub(super) fn new(limits: Limits, accounts: Vec<AccountId>, inboxes: Vec<Inbox>) -> Self {
        Self {
            plan: Plan::new(limits, accounts.len(), inboxes),
            addresses: BTreeMap::new(),
            accounts,
            results: BTreeMap::new(),
            narrowed: false,
        }
    }

    /// Only these are asked for.
    pub(super) fn narrow(&mut self, targets: Vec<Target>) {
        targets.into_iter().for_each(|target| self.add(target));
        self.plan.knows_all();
        self.narrowed = true;
    }

    /// Conversations that the plan had to know.
    pub(super) fn loaded(&mut self, account: usize, targets: Vec<Target>, loaded: Loaded) {
        let targets = targets.into_iter().filter_map(|target| self.address(target));
        let conversations: Vec<Conversation> = targets.collect();
        self.plan.loaded(account, conversations, loaded);
    }

    fn add(&mut self, target: Target) {
        // What an export has shown may be configured and found in the inbox.
        if self.addresses.contains_key(&target.plan.id) {
            return;
        }
        if let Some(conversation) = self.address(target) {
            self.plan.put(conversation);
        }
    }

    /// Notes by what name a conversation is asked for.
    fn address(&mut self, target: Target) -> Option<Conversation> {
        let Target { account_id, conversation_id, profile_url, plan } = target;
        let by_id = conversation_id.as_deref().and_then(ConversationRef::by_id);
        let name = by_id.or_else(|| profile_url.as_deref().and_then(ConversationRef::by_profile));
        let Some(name) = name else {
            warn!(conversation = %plan.name, "it has neither an id nor a profile to ask by, and is left out");
            return None;
        };
        self.addresses.entry(plan.id).or_insert(Address { account_id, name });
        Some(plan)
    }

    /// The archive's id of the account.
    pub(super) fn account_of(&self, whom: Subject) -> Option<AccountId> {
        match whom {
            Subject::Conversation(id) => self.addresses.get(&id).map(|a| a.account_id),
            Subject::Inbox(account) => self.account_id(account),
        }
    }

    /// The archive's ids of the accounts, by their index in the configuration.
    pub(super) fn accounts(&self) -> &[AccountId] {
        &self.accounts
    }

    /// The archive's id of an account, by its index in the configuration.
    pub(super) fn account_id(&self, account: usize) -> Option<AccountId> {
        self.accounts.get(account).copied()
    }

    /// The account's index in the configuration.
    pub(super) fn account_index(&self, whom: Subject) -> Option<usize> {
        match whom {
            Subject::Conversation(id) => self.plan.conversation(id).map(|c| c.account),
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
        let Subject::Conversation(id) = whom else { return false };
        self.plan.conversation(id).is_some_and(|c| c.troubled)
    }

    /// A page of a conversation was stored; it may have turned out to be one that was known already.
    pub(super) fn stored(&mut self, asked: ConversationId, done: &Committed) {
        if done.conversation != asked {
            self.become_one(asked, done.conversation);
        }
        if let Some(address) = self.addresses.get_mut(&done.conversation) {
            address.learn_id(done.conversation_id.as_deref());
        }
        self.plan.change(done.conversation, |plan| {
            plan.timeline = done.timeline.clone();
            plan.troubled = done.stall.is_some();
            plan.by_profile &= done.conversation_id.is_none();
            plan.recheck = done.recheck;
        });
        let result = self.results.entry(Subject::Conversation(done.conversation)).or_default();
        result.new_messages += done.new_messages;
        result.error = done.stall.as_ref().map(ToString::to_string);
    }

    fn become_one(&mut self, asked: ConversationId, kept: ConversationId) {
        self.results.remove(&Subject::Conversation(asked));
        let address = self.addresses.remove(&asked);
        let conversation = self.plan.remove(asked);
        if !self.addresses.contains_key(&kept) {
            self.addresses.extend(address.map(|a| (kept, a)));
            if let Some(conversation) = conversation {
                self.plan.put(Conversation { id: kept, ..conversation });
            }
        }
    }

    /// A page of an inbox was stored.
    pub(super) fn listed(&mut self, account: usize, done: InboxCommitted) {
        let result = self.results.entry(Subject::Inbox(account)).or_default();
        result.error = done.stall.as_ref().map(ToString::to_string);
        self.plan.set_timeline(Subject::Inbox(account), done.timeline);
        for target in done.found {
            self.add(target);
        }
        for target in done.news {
            let timeline = target.plan.timeline.clone();
            self.plan.set_timeline(Subject::Conversation(target.plan.id), timeline);
            if !self.narrowed {
                self.add(target);
            }
        }
        for (id, name) in done.listed {
            if let Some(address) = self.addresses.get_mut(&id) {
                address.learn_id(name.as_deref());
            }
            self.plan.change(id, |plan| {
                plan.listed = true;
                plan.by_profile &= name.is_none();
            });
        }
        if !done.unlisted.is_empty() {
            self.plan.forget_heads(account);
        }
        for id in done.unlisted {
            self.plan.change(id, |plan| plan.listed = false);
        }
    }

    /// A request for this failed for good in this run.
    pub(super) fn failed(&mut self, whom: Subject, error: String) {
        self.results.entry(whom).or_default().error = Some(error);
        self.plan.fail(whom);
    }

    /// What is missing of what this run asks for, as far as the archive need not be asked.
    pub(super) fn missing(&self) -> Option<Outstanding> {
        self.narrowed.then(|| {
            let timelines = || self.plan.conversations().map(|c| &c.timeline);
            Outstanding {
                gaps: timelines().map(|timeline| timeline.gaps.len()).sum(),
                waiting: timelines().flat_map(|timeline| &timeline.gaps).filter(|gap| gap.waits()).count(),
                horizon: next::horizon(timelines()),
                conversations: Vec::new(),
            }
        })
    }

    /// What was asked for, has news, gaps or failed.
    pub(super) fn conversations(
        &self,
        accounts: &[Configured],
        missing: Outstanding,
    ) -> Vec<ConversationReport> {
        let name_of = |account: usize| accounts.get(account).map(|a| a.account.clone()).unwrap_or_default();
        let known = self.plan.conversations().filter_map(|plan| {
            let result = self.results.get(&Subject::Conversation(plan.id));
            let gaps_left = plan.timeline.gaps.len();
            let report = || ConversationReport {
                account: name_of(plan.account),
                conversation_id: self.addresses.get(&plan.id).and_then(|a| a.name.id()).map(str::to_owned),
                name: plan.name.clone(),
                new_messages: result.map_or(0, |t| t.new_messages),
                gaps_left,
                error: result.and_then(|t| t.error.clone()),
            };
            (gaps_left > 0 || result.is_some()).then(|| (plan.id, report()))
        });
        let mut all: BTreeMap<ConversationId, ConversationReport> = known.collect();
        for incomplete in missing.conversations {
            let account = self.accounts.iter().position(|id| *id == incomplete.account);
            all.entry(incomplete.id).or_insert_with(|| ConversationReport {
                account: account.map(name_of).unwrap_or_default(),
                conversation_id: incomplete.conversation_id,
                name: incomplete.name,
                new_messages: 0,
                gaps_left: usize::try_from(incomplete.gaps).unwrap_or(usize::MAX),
                error: None,
            });
        }
        all.into_values().collect()
    }

    pub(super) fn inboxes(&self) -> Vec<InboxReport> {
        let report = |inbox: &Inbox| InboxReport {
            account: inbox.name.clone(),
            gaps_left: inbox.timeline.gaps.len(),
            error: self.results.get(&Subject::Inbox(inbox.account)).and_then(|t| t.error.clone()),
        };
        self.plan.inboxes().map(report).collect()
    }
}
