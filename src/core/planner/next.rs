//! What to ask next: the newest missing message first, over all conversations, on a budget that starves nothing.
//!
//! Two kinds of step cost credits: a look at the *head* of a conversation or an inbox, which finds what is new, and a
//! page of a *gap*. Heads come first, least recently asked first, because what they find is newer than any gap; gaps
//! follow by their newer edge. Where the inbox is read, its head stands for those of all conversations that it
//! lists: they are not looked at themselves, and a conversation with news has a gap that reaches up to now. But while
//! gaps wait, heads get at most half of a run's credits, rounded up, and runs of a single credit alternate: otherwise
//! many silent conversations and a small budget would leave the gaps unfilled for ever. The same holds within an account
//! that has a cap of its own. When nothing else is left to ask, complete conversations may be read a second time, for edits and deletions in their older stretches.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::core::Ms;
use crate::core::budget::affordable;
use crate::core::model::ids::{ConversationId, RunId};
use crate::core::planner::in_flight::InFlight;
use crate::core::planner::page_size;
use crate::core::planner::plan::{Due, Load, Plan, is_due};
use crate::core::planner::queue::{Extent, Front, GapClass, GapRank, HeadRank, RecheckRank};
use crate::core::planner::state::{Conversation, Inbox, Limits, Room, Share, Subject};
pub use crate::core::planner::step::{PlannedStep, Step, StepKind};
use crate::core::timeline::gap::{Gap, Timeline};

/// Messages that a look at the head asks for: all that the first credit buys. What is not new re-reads recent
/// messages and so finds edits and deletions for free.
pub const HEAD_COUNT: u32 = 10;

/// Rows that a page of an inbox asks for while it is walked for the first time: the most that whole credits buy under
/// the API's limit of 25.
pub const INBOX_WALK_COUNT: u32 = 20;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This request.
    Ask(Step),
    /// Nothing is left to ask in this run.
    Done,
    /// Something is left to ask, but not for the credits that are left.
    OutOfBudget,
    /// Nothing until a request that is under way has come to something.
    Wait,
    /// Nothing before more of what is stored is known.
    Load(Load),
}

/// What a run would begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// Its steps.
    pub steps: Vec<Step>,
    /// What ends them.
    pub end: Next,
    /// The accounts of these steps, and those that get none only because the credits end: where requests are made side by
    /// side, theirs may come first.
    pub accounts: BTreeSet<usize>,
    /// The conversations that they ask for, as they are now.
    pub conversations: BTreeMap<ConversationId, Conversation>,
}

impl Plan {
    /// Decides on the next request.
    #[must_use]
    pub fn next(&self, room: &Room) -> Next {
        self.choose(room).unwrap_or_else(Next::Load)
    }

    fn choose(&self, room: &Room) -> Result<Next, Load> {
        let (limits, in_flight) = (&self.limits, &self.progress.in_flight);
        let (head, head_too_dear) = self.next_head(limits, room)?;
        let (gap, gap_too_dear) = self.next_gap(room, None, in_flight)?;
        let head = match head {
            Some(head) => {
                let done = (self.progress.head_credits, head.credits_max());
                self.is_heads_turn(&limits.share, done, room, None)?.then_some(head)
            }
            None => None,
        };
        Ok(match head.or(gap) {
            Some(step) => self.ask_or_wait(step, room),
            None if !in_flight.only_rechecks() => Next::Wait,
            None if head_too_dear || gap_too_dear => self.or_wait(Next::OutOfBudget),
            None => match self.next_recheck(room)? {
                Some(step) => self.ask_or_wait(step, room),
                None => self.or_wait(Next::Done),
            },
        })
    }

    /// A request that would be smaller only because of what is set aside for others waits for them: most of that comes
    /// back.
    fn ask_or_wait(&self, step: Step, room: &Room) -> Next {
        let is_cramped = room.of(step.account).is_some_and(|left| left < step.credits_max());
        if is_cramped { self.or_wait(Next::Ask(step)) } else { Next::Ask(step) }
    }

    fn or_wait(&self, next: Next) -> Next {
        if self.progress.in_flight.is_empty() { next } else { Next::Wait }
    }

    /// The head to look at next: an inbox before any conversation, unless that would leave the conversations without a
    /// turn; then all take turns. And whether there is one that no credit is left for.
    fn next_head(&self, limits: &Limits, room: &Room) -> Result<(Option<Step>, bool), Load> {
        let (mut inbox, mut conversation): (Option<&Inbox>, Option<HeadRank>) = (None, None);
        let mut too_dear = false;
        for account in self.open_accounts() {
            if self.gaps_come_first(account, limits, room)? {
                continue;
            }
            let is_paid = room.of(account) != Some(0);
            let own = self.inboxes.get(&account).filter(|i| self.wants_head(i));
            let look = self.next_look(account)?;
            if !is_paid {
                too_dear |= own.is_some() || look.is_some();
                continue;
            }
            let before =
                |other: &Inbox, i: &Inbox| (other.tried_ms, other.account) <= (i.tried_ms, i.account);
            inbox = match (inbox, own) {
                (Some(other), Some(own)) => Some(if before(other, own) { other } else { own }),
                (other, own) => other.or(own),
            };
            conversation = conversation.into_iter().chain(look).min();
        }
        let conversation = conversation.and_then(|rank| self.conversation(rank.conversation));
        let step = match (inbox, conversation) {
            (Some(i), Some(c)) if self.takes_turns(c.account) && c.head_tried_ms < i.tried_ms => {
                Some(head_step(c))
            }
            (Some(i), _) => Some(self.inbox_look(i)),
            (None, Some(c)) => Some(head_step(c)),
            (None, None) => None,
        };
        Ok((step, too_dear))
    }

    /// A look at the newest page of an inbox.
    fn inbox_look(&self, inbox: &Inbox) -> Step {
        let step = inbox_step(inbox, &inbox.timeline.head(0), StepKind::Head);
        // A larger page could leave nothing for the gaps.
        let most = if self.takes_turns(inbox.account) { HEAD_COUNT } else { step.count };
        Step { count: step.count.min(most), ..step }
    }

    /// Whether a run leaves heads that it should have looked at, whatever they cost.
    ///
    /// # Errors
    /// What has to be loaded before that can be told.
    pub fn heads_left(&self) -> Result<bool, Load> {
        let limits = Limits { share: Share::default(), account_shares: Vec::new(), ..self.limits.clone() };
        Ok(self.next_head(&limits, &Room::unlimited())?.0.is_some())
    }

    fn open_accounts(&self) -> impl Iterator<Item = usize> {
        self.queues.keys().copied().filter(|account| !self.progress.stopped.contains(account))
    }

    fn wants_head(&self, inbox: &Inbox) -> bool {
        let (progress, whom) = (&self.progress, Subject::Inbox(inbox.account));
        inbox.timeline.top_gap().is_none()
            && !progress.heads_done.contains(&whom)
            && !progress.failed.contains(&whom)
            && progress.in_flight.allows_inbox(inbox.account, &self.limits)
    }

    /// The conversation of an account whose head comes first: where the inbox is read, once that has been walked to its
    /// end, or could not be in two runs.
    fn next_look(&self, account: usize) -> Result<Option<HeadRank>, Load> {
        let (limits, progress) = (&self.limits, &self.progress);
        let inbox = self.inboxes.get(&account);
        if let Some(inbox) = inbox {
            let whom = Subject::Inbox(account);
            let looked = progress.heads_done.contains(&whom) || self.takes_turns(account);
            // What it has shown stays known while it is read again.
            let walked = (inbox.timeline.beginning_seen || inbox.walked_ms.is_some()) && looked;
            // A single failure is waited out: to look at each conversation instead costs as many credits as there are.
            let hopeless = (progress.failed.contains(&whom) && inbox.troubled)
                || inbox.timeline.gaps.iter().any(|gap| gap.stalls > 1);
            if !walked && !hopeless {
                return Ok(None);
            }
        }
        if !progress.in_flight.has_room(account, limits) {
            return Ok(None);
        }
        let Some(queue) = self.queues.get(&account).map(|queues| &queues.heads) else { return Ok(None) };
        let allowed = |rank: &HeadRank| {
            self.conversation(rank.conversation).is_some_and(|c| progress.in_flight.allows(c, true, limits))
        };
        let first = queue.front(|_| true).find_map(|rank| self.conversation(rank.conversation));
        if first.is_some_and(|first| progress.in_flight.must_drain_for(first)) {
            return Ok(None);
        }
        match queue.first(|_| true, allowed) {
            Front::Entry(rank) => Ok(Some(rank)),
            Front::Nothing => Ok(None),
            Front::Unknown => {
                let (after, inbox) = (place(queue.known), inbox.is_some());
                Err(Load { account, due: Due::Heads { after, inbox } })
            }
        }
    }

    /// Whether inboxes and conversations take turns: where the inboxes could take all that a run has for heads while gaps
    /// wait, or an account has room for one head only.
    fn takes_turns(&self, account: usize) -> bool {
        let heads = |share: &Share| share.budget.map(|budget| u64::from(budget.div_ceil(2)));
        let inboxes = u64::try_from(self.inboxes.len()).unwrap_or(u64::MAX);
        let own = self.limits.account_shares.get(account).and_then(heads);
        heads(&self.limits.share).is_some_and(|heads| heads <= inboxes) || own.is_some_and(|heads| heads <= 1)
    }

    /// Whether an account has a cap of its own that is, for now, for its gaps.
    fn gaps_come_first(&self, account: usize, limits: &Limits, room: &Room) -> Result<bool, Load> {
        let Some(share) = limits.account_shares.get(account).filter(|share| share.budget.is_some()) else {
            return Ok(false);
        };
        let head_credits = self.progress.head_credits_of.get(&account).copied().unwrap_or_default();
        let inbox = self.inboxes.get(&account).filter(|inbox| self.wants_head(inbox));
        let price = inbox.map_or(1, |inbox| self.inbox_look(inbox).credits_max());
        Ok(!self.is_heads_turn(share, (head_credits, price), room, Some(account))?)
    }

    /// Whether heads may still be asked for while gaps wait. A gap that no head may come before, because it needs all that
    /// is left, takes turns with them, run by run. What is under way of a gap's conversation makes no difference. Given are
    /// the credits that heads had so far, and those that one more may cost.
    fn is_heads_turn(
        &self,
        share: &Share,
        (head_credits, price): (u32, u32),
        room: &Room,
        only: Option<usize>,
    ) -> Result<bool, Load> {
        let Some(budget) = share.budget else { return Ok(true) };
        let Some(gap) = self.next_gap(room, only, &InFlight::default())?.0 else { return Ok(true) };
        let left = room.of(gap.account);
        let needs_all = |left: u32| gap.gap.ask_at_least > affordable(left.saturating_sub(price));
        Ok(match budget {
            1 => !share.head_came_last,
            _ if share.head_came_last && left.is_some_and(needs_all) => false,
            budget => head_credits < budget.div_ceil(2),
        })
    }

    /// The gap to ask for next beside what is under way, of all accounts or of one, and whether there is one that costs
    /// more than is left.
    fn next_gap(
        &self,
        room: &Room,
        only: Option<usize>,
        in_flight: &InFlight,
    ) -> Result<(Option<Step>, bool), Load> {
        let mut best: Option<(GapRank, Step)> = None;
        let mut too_dear = false;
        let one = only.filter(|account| !self.progress.stopped.contains(account));
        let all = self.open_accounts().filter(|_| only.is_none());
        for account in one.into_iter().chain(all) {
            let is_affordable =
                |gap: &Gap| room.of(account).is_none_or(|left| affordable(left) >= gap.ask_at_least.max(1));
            for (inbox, gap) in self.inbox_gaps(account, in_flight) {
                let conversation = ConversationId(i64::MIN);
                let newer = Reverse(gap.newer_ms.unwrap_or(Ms::MAX));
                let rank = GapRank {
                    class: GapClass::Open,
                    due_run: RunId::default(),
                    newer,
                    gap: gap.id,
                    conversation,
                };
                if !is_affordable(gap) {
                    too_dear = true;
                } else if best.as_ref().is_none_or(|(first, _)| rank < *first) {
                    best = Some((rank, inbox_step(inbox, gap, StepKind::Gap)));
                }
            }
            let first = self.gap_for(account, in_flight, &|_| true)?;
            too_dear |= first.is_some_and(|(.., gap)| !is_affordable(gap));
            if room.of(account) == Some(0) {
                continue;
            }
            let Some((rank, conversation, gap)) = self.gap_for(account, in_flight, &is_affordable)? else {
                continue;
            };
            if best.as_ref().is_none_or(|(first, _)| rank < *first) {
                best = Some((rank, gap_step(conversation, gap, &self.limits)));
            }
        }
        Ok((best.map(|(_, step)| step), too_dear))
    }

    /// The gaps of an account's inbox that may be asked for.
    fn inbox_gaps(&self, account: usize, in_flight: &InFlight) -> impl Iterator<Item = (&Inbox, &Gap)> {
        let is_open = !self.progress.failed.contains(&Subject::Inbox(account))
            && in_flight.allows_inbox(account, &self.limits);
        let inbox = self.inboxes.get(&account).filter(|_| is_open);
        let gaps =
            inbox.into_iter().flat_map(|inbox| inbox.timeline.gaps.iter().map(move |gap| (inbox, gap)));
        gaps.filter(|(_, gap)| is_due(gap, &self.limits))
    }

    /// The first gap of an account's conversations of this kind.
    fn gap_for(
        &self,
        account: usize,
        in_flight: &InFlight,
        kind: &dyn Fn(&Gap) -> bool,
    ) -> Result<Option<(GapRank, &Conversation, &Gap)>, Load> {
        if !in_flight.has_room(account, &self.limits) {
            return Ok(None);
        }
        let Some(queue) = self.queues.get(&account).map(|queues| &queues.gaps) else { return Ok(None) };
        let gap_of = |rank: &GapRank| {
            let conversation = self.conversation(rank.conversation)?;
            Some((conversation, conversation.timeline.gaps.iter().find(|gap| gap.id == rank.gap)?))
        };
        let allowed = |rank: &GapRank| {
            gap_of(rank).is_some_and(|(conversation, gap)| {
                in_flight.allows(conversation, gap.newer_ms.is_none(), &self.limits)
            })
        };
        let is_kind = |rank: &GapRank| gap_of(rank).is_some_and(|(_, gap)| kind(gap));
        let first = queue.front(is_kind).find_map(gap_of);
        if first.is_some_and(|(first, _)| in_flight.must_drain_for(first)) {
            return Ok(None);
        }
        match queue.first(is_kind, allowed) {
            Front::Entry(rank) => Ok(gap_of(&rank).map(|(conversation, gap)| (rank, conversation, gap))),
            Front::Nothing => Ok(None),
            Front::Unknown => Err(Load { account, due: Due::Gaps(place(queue.known)) }),
        }
    }

    /// An inbox to read again, for what has left it below its first page: the one that was read to its end the longest ago.
    fn next_walk(&self, room: &Room, before: Ms) -> Option<&Inbox> {
        let progress = &self.progress;
        let is_due = |inbox: &&Inbox| {
            let (account, whom) = (inbox.account, Subject::Inbox(inbox.account));
            inbox.timeline.complete()
                && inbox.walked_ms.is_some_and(|walked| walked <= before)
                && room.of(account) != Some(0)
                && !progress.walked_again.contains(&account)
                && !progress.failed.contains(&whom)
                && progress.in_flight.allows_inbox(account, &self.limits)
        };
        let own = self.open_accounts().filter_map(|account| self.inboxes.get(&account));
        own.filter(is_due).min_by_key(|inbox| inbox.walked_ms)
    }

    /// The inbox to read again, or the complete conversation to go on reading again: one that was begun first, then the one
    /// that was read the longest ago.
    fn next_recheck(&self, room: &Room) -> Result<Option<Step>, Load> {
        let (limits, in_flight) = (&self.limits, &self.progress.in_flight);
        let Some(before) = limits.recheck_before_ms.filter(|_| room.spare) else { return Ok(None) };
        if let Some(inbox) = self.next_walk(room, before) {
            return Ok(Some(inbox_step(inbox, &Gap::everything(0), StepKind::Recheck)));
        }
        let mut best: Option<RecheckRank> = None;
        for account in self.open_accounts().filter(|account| room.of(*account) != Some(0)) {
            if !in_flight.has_room(account, limits) {
                continue;
            }
            let Some(queue) = self.queues.get(&account).map(|queues| &queues.rechecks) else { continue };
            let allowed = |rank: &RecheckRank| {
                self.conversation(rank.conversation).is_some_and(|c| in_flight.allows(c, true, limits))
            };
            match queue.first(|_| true, allowed) {
                Front::Entry(rank) => best = best.into_iter().chain([rank]).min(),
                Front::Nothing => {}
                Front::Unknown => return Err(Load { account, due: Due::Rechecks(place(queue.known)) }),
            }
        }
        let conversation = best.and_then(|rank| self.conversation(rank.conversation));
        Ok(conversation.and_then(|conversation| {
            let from = conversation.recheck.at_ms.or(conversation.timeline.newest_ms)?;
            let gap = Gap { newer_ms: Some(from), ..Gap::default() };
            Some(step(conversation, gap, limits.page_size, StepKind::Recheck))
        }))
    }

    /// The steps that a run would begin with, each once, for as long as the credits last: what a page leads to is not
    /// known before it is there. `load` brings what has to be known before the next step.
    ///
    /// # Errors
    /// What `load` fails with.
    pub fn outlook<E>(
        mut self,
        room: &Room,
        mut load: impl FnMut(&mut Self, Load) -> Result<(), E>,
    ) -> Result<Ahead, E> {
        let mut room = room.clone();
        let (mut steps, mut conversations) = (Vec::new(), BTreeMap::new());
        loop {
            let step = match self.next(&room) {
                Next::Ask(step) => step,
                Next::Load(part) => {
                    load(&mut self, part)?;
                    continue;
                }
                end => match self.unserved() {
                    Ok(unserved) => {
                        let of_steps = steps.iter().map(|step: &Step| step.account);
                        let accounts = of_steps.chain(unserved).collect();
                        return Ok(Ahead { steps, end, accounts, conversations });
                    }
                    Err(part) => {
                        load(&mut self, part)?;
                        continue;
                    }
                },
            };
            if let Subject::Conversation(id) = step.whom
                && let Some(conversation) = self.conversation(id)
            {
                conversations.entry(id).or_insert_with(|| conversation.clone());
            }
            let count = room.of(step.account).map_or(step.count, |left| step.count.min(affordable(left)));
            let step = Step { count, ..step };
            room.take(step.account, step.credits_max());
            match (step.kind, step.whom) {
                (StepKind::Head, whom) => {
                    self.look(step.account, step.credits_max());
                    self.head_done(whom);
                }
                (StepKind::Recheck, Subject::Conversation(id)) => self.rechecked(id),
                (StepKind::Recheck, Subject::Inbox(account)) => self.walks_again(account),
                (StepKind::Gap, whom) => {
                    self.head_done(whom);
                    self.forget_gap(whom, step.gap.id);
                }
            }
            steps.push(step);
        }
    }

    /// The accounts that have something left to ask, whatever it costs.
    fn unserved(&self) -> Result<Vec<usize>, Load> {
        let (none, mut accounts) = (InFlight::default(), Vec::new());
        for account in self.open_accounts() {
            let of_inbox = self.inboxes.get(&account).is_some_and(|inbox| self.wants_head(inbox))
                || self.inbox_gaps(account, &none).next().is_some();
            let is_unserved = of_inbox
                || self.gap_for(account, &none, &|_| true)?.is_some()
                || self.next_look(account)?.is_some();
            accounts.extend(is_unserved.then_some(account));
        }
        Ok(accounts)
    }
}

/// The place up to which a queue is known.
fn place<R>(known: Extent<R>) -> Option<R> {
    match known {
        Extent::UpTo(place) => Some(place),
        Extent::Nothing | Extent::All => None,
    }
}

/// The time since when nothing is missing in any conversation, as far as was asked: `None` when something recent is.
/// Without any gap that is the oldest message's.
#[must_use]
pub fn horizon<'a>(timelines: impl Iterator<Item = &'a Timeline>) -> Option<Ms> {
    let mut reach: Option<Ms> = None;
    let mut oldest: Option<Ms> = None;
    for timeline in timelines {
        oldest = [oldest, timeline.oldest_ms].into_iter().flatten().min();
        if let Some(gap) = timeline.gaps.first() {
            reach = Some(reach.unwrap_or(Ms::MIN).max(gap.newer_ms?));
        }
    }
    reach.or(oldest)
}

fn step(of: &Conversation, gap: Gap, count: u32, kind: StepKind) -> Step {
    let (whom, by_profile) = (Subject::Conversation(of.id), of.by_profile);
    Step { whom, account: of.account, name: of.name.clone(), gap, count, kind, by_profile }
}

fn head_step(conversation: &Conversation) -> Step {
    step(conversation, conversation.timeline.head(0), HEAD_COUNT, StepKind::Head)
}

fn inbox_step(inbox: &Inbox, gap: &Gap, kind: StepKind) -> Step {
    let count = if gap.older_ms.is_some() { HEAD_COUNT } else { INBOX_WALK_COUNT };
    let (whom, account) = (Subject::Inbox(inbox.account), inbox.account);
    Step { whom, account, name: inbox.name.clone(), gap: gap.clone(), count, kind, by_profile: false }
}

fn gap_step(conversation: &Conversation, gap: &Gap, limits: &Limits) -> Step {
    // Where the last request failed this one may too: a small one loses less.
    let most = if conversation.troubled { HEAD_COUNT } else { limits.page_size };
    let count = page_size::ask(&conversation.timeline, &conversation.hints, gap, most);
    step(conversation, gap.clone(), count, StepKind::Gap)
}

#[cfg(test)]
#[path = "next_tests.rs"]
mod tests;
