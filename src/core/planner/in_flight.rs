//! The requests that are under way, and what may be asked for beside them.

use crate::core::planner::state::{Conversation, Limits, Subject};
use crate::core::planner::step::{Step, StepKind};

/// The steps that have begun and not ended, retries and the waits before them included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InFlight {
    steps: Vec<Step>,
}

impl InFlight {
    /// A step begins.
    pub fn begin(&mut self, step: &Step) {
        self.steps.push(step.clone());
    }

    /// It has ended, whatever it came to.
    pub fn end(&mut self, whom: Subject) {
        self.steps.retain(|step| step.whom != whom);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether they are second readings, all of them: what is new is not being asked for.
    pub(super) fn only_rechecks(&self) -> bool {
        self.steps.iter().all(|step| step.kind == StepKind::Recheck)
    }

    /// Whether a page of an account's inbox may be asked for. A page of a conversation that reaches up to now and one of
    /// the inbox show two moments, and nobody knows which is the later one: a message between them would be taken for
    /// seen.
    pub(super) fn allows_inbox(&self, account: usize, limits: &Limits) -> bool {
        let is_in_its_way = |step: &Step| match step.whom {
            Subject::Inbox(_) => true,
            Subject::Conversation(_) => reaches_now(step) || step.kind == StepKind::Recheck,
        };
        self.has_room(account, limits) && !self.of(account).any(is_in_its_way)
    }

    /// Whether a page of a conversation may be asked for: one that reaches up to now, or another one.
    pub(super) fn allows(&self, conversation: &Conversation, up_to_now: bool, limits: &Limits) -> bool {
        let is_in_its_way = |step: &Step| match step.whom {
            Subject::Inbox(_) => up_to_now,
            // Whom a profile leads to is known once it has answered: it may be any conversation of the account.
            Subject::Conversation(id) => id == conversation.id || step.by_profile || conversation.by_profile,
        };
        self.has_room(conversation.account, limits) && !self.of(conversation.account).any(is_in_its_way)
    }

    /// Whether a conversation waits until nothing else of its account is under way. Others then wait for it, or it would
    /// never be its turn.
    pub(super) fn must_drain_for(&self, conversation: &Conversation) -> bool {
        conversation.by_profile && self.of(conversation.account).next().is_some()
    }

    /// Whether one more request of an account may be under way.
    pub(super) fn has_room(&self, account: usize, limits: &Limits) -> bool {
        let most = usize::try_from(limits.in_flight_per_account.max(1)).unwrap_or(usize::MAX);
        self.of(account).count() < most
    }

    fn of(&self, account: usize) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |step| step.account == account)
    }
}

/// Whether a step asks for what is newest.
fn reaches_now(step: &Step) -> bool {
    step.gap.newer_ms.is_none()
}
