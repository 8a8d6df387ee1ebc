//! What to ask next: the newest missing message first, over all conversations, on a budget that starves nothing.
//!
//! Two kinds of step cost credits: a look at the *head* of a conversation or an inbox, which finds what is new, and a
//! page of a *gap*. Heads come first, least recently asked first, because what they find is newer than any gap; gaps
//! follow by their newer edge. Where the inbox is read, its head stands for those of all conversations that it
//! lists: they are not looked at themselves, and a conversation with news has a gap that reaches up to now. But while
//! gaps wait, heads get at most half of a run's credits, rounded up, and runs of a single credit alternate: otherwise
//! many silent conversations and a small budget would leave the gaps unfilled for ever. The same holds within an account
//! that has a cap of its own. When nothing else is left to ask, complete conversations may be read a second time, for edits and deletions in their older stretches.

use std::collections::BTreeSet;

use crate::core::Ms;
use crate::core::budget::affordable;
use crate::core::model::ids::RunId;
use crate::core::planner::backoff::due_run;
use crate::core::planner::in_flight::InFlight;
use crate::core::planner::page_size;
use crate::core::planner::state::{Conversation, Inbox, Limits, Progress, Room, Share, State, Subject};
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
}

/// Decides on the next request.
#[must_use]
pub fn next(state: &State, limits: &Limits, progress: &Progress, room: &Room) -> Next {
    let (head, head_too_dear) = next_head(state, limits, progress, room);
    let (gap, gap_too_dear) = next_gap(state, limits, progress, room, (None, &progress.in_flight));
    let waiting = waiting_gap(state, limits, progress, room, None);
    let turn = |gap: &Step| heads_turn(&limits.share, progress.head_credits, gap, room);
    let head = head.filter(|_| waiting.as_ref().is_none_or(turn));
    match head.or(gap) {
        Some(step) => ask_or_wait(step, progress, room),
        None if !progress.in_flight.only_rechecks() => Next::Wait,
        None if head_too_dear || gap_too_dear => or_wait(Next::OutOfBudget, progress),
        None => match next_recheck(state, limits, progress, room) {
            Some(step) => ask_or_wait(step, progress, room),
            None => or_wait(Next::Done, progress),
        },
    }
}

/// A request that would be smaller only because of what is set aside for others waits for them: most of that comes back.
fn ask_or_wait(step: Step, progress: &Progress, room: &Room) -> Next {
    let is_cramped = room.of(step.account).is_some_and(|left| left < step.credits_max());
    if is_cramped { or_wait(Next::Ask(step), progress) } else { Next::Ask(step) }
}

fn or_wait(next: Next, progress: &Progress) -> Next {
    if progress.in_flight.is_empty() { next } else { Next::Wait }
}

/// The head to look at next: an inbox before any conversation, unless a run has room for one head only; then all
/// take turns. And whether there is one that no credit is left for.
fn next_head(state: &State, limits: &Limits, progress: &Progress, room: &Room) -> (Option<Step>, bool) {
    let waits = accounts_whose_gaps_come_first(state, limits, progress, room);
    let open = |whom, account| {
        !progress.heads_done.contains(&whom)
            && !progress.failed.contains(&whom)
            && !progress.stopped.contains(&account)
            && !waits.contains(&account)
    };
    let inboxes = || {
        let open = |i: &&Inbox| {
            i.timeline.top_gap().is_none()
                && open(Subject::Inbox(i.account), i.account)
                && progress.in_flight.allows_inbox(i.account, limits)
        };
        state.inboxes.iter().filter(open)
    };
    let conversations = || {
        let open = |c: &&Conversation| {
            c.timeline.top_gap().is_none()
                && open(Subject::Conversation(c.id), c.account)
                && progress.in_flight.allows(c, true, limits)
        };
        state.conversations.iter().filter(open).filter(|c| wants_look(c, state, limits, progress))
    };
    let paid = |account| room.of(account) != Some(0);
    let inbox = inboxes().filter(|i| paid(i.account)).min_by_key(|i| (i.tried_ms, i.account));
    let conversation = conversations().filter(|c| paid(c.account)).min_by_key(|c| (c.head_tried_ms, c.id));
    let step = match (inbox, conversation) {
        (Some(i), Some(c)) if few_heads(limits, c.account) && c.head_tried_ms < i.tried_ms => {
            Some(head_step(c))
        }
        (Some(i), _) => {
            let step = inbox_step(i, &i.timeline.head(0), StepKind::Head);
            // A larger page could leave nothing for the gaps.
            let most = if few_heads(limits, i.account) { HEAD_COUNT } else { step.count };
            Some(Step { count: step.count.min(most), ..step })
        }
        (None, Some(c)) => Some(head_step(c)),
        (None, None) => None,
    };
    let too_dear = inboxes().any(|i| !paid(i.account)) || conversations().any(|c| !paid(c.account));
    (step, too_dear)
}

/// Whether a run leaves heads that it should have looked at, whatever they cost.
#[must_use]
pub fn heads_left(state: &State, limits: &Limits, progress: &Progress) -> bool {
    let limits = Limits { share: Share::default(), account_shares: Vec::new(), ..limits.clone() };
    next_head(state, &limits, progress, &Room::unlimited()).0.is_some()
}

/// Whether an account has room for one head at most while gaps wait: then inboxes and conversations take turns.
fn few_heads(limits: &Limits, account: usize) -> bool {
    limits.budget_of(account).is_some_and(|budget| budget <= 2)
}

/// The accounts with a cap of their own that is, for now, for their gaps.
fn accounts_whose_gaps_come_first(
    state: &State,
    limits: &Limits,
    progress: &Progress,
    room: &Room,
) -> BTreeSet<usize> {
    let gaps_first = |account: usize, share: &Share| {
        let head_credits = progress.head_credits_of.get(&account).copied().unwrap_or_default();
        let gap = waiting_gap(state, limits, progress, room, Some(account));
        gap.is_some_and(|gap| !heads_turn(share, head_credits, &gap, room))
    };
    let capped = limits.account_shares.iter().enumerate().filter(|(_, share)| share.budget.is_some());
    capped.filter(|(account, share)| gaps_first(*account, share)).map(|(account, _)| account).collect()
}

/// Whether a conversation's head has to be looked at by itself: always where the inbox is not read; else only where the
/// inbox has never shown it, once that has been walked to its end, and ever less often while it stays silent.
fn wants_look(conversation: &Conversation, state: &State, limits: &Limits, progress: &Progress) -> bool {
    let Some(inbox) = state.inboxes.iter().find(|i| i.account == conversation.account) else { return true };
    let whom = Subject::Inbox(inbox.account);
    let looked = progress.heads_done.contains(&whom) || few_heads(limits, conversation.account);
    let walked = inbox.timeline.beginning_seen && looked;
    let hopeless = progress.failed.contains(&whom) || inbox.timeline.gaps.iter().any(|g| g.stalls > 0);
    let silent = usize::try_from(conversation.silent_looks).unwrap_or(usize::MAX);
    let runs = limits.unlisted_runs.get(silent).or(limits.unlisted_runs.last()).copied().unwrap_or(1);
    let due = limits.run >= conversation.head_tried_run.plus(i64::from(runs.max(1)));
    !conversation.listed && (walked || hopeless) && due
}

/// The first gap that waits to be filled, whether or not something of its conversation is under way.
fn waiting_gap(
    state: &State,
    limits: &Limits,
    progress: &Progress,
    room: &Room,
    only: Option<usize>,
) -> Option<Step> {
    next_gap(state, limits, progress, room, (only, &InFlight::default())).0
}

/// The gap to ask for next beside what is under way, of all accounts or of one, and whether there is one that costs more than is left.
fn next_gap(
    state: &State,
    limits: &Limits,
    progress: &Progress,
    room: &Room,
    (only, in_flight): (Option<usize>, &InFlight),
) -> (Option<Step>, bool) {
    let mut best: Option<((bool, Ms), Step)> = None;
    let mut too_dear = false;
    let mut consider = |rank: (bool, Ms), account: usize, gap: &Gap, step: &dyn Fn() -> Step| {
        if room.of(account).is_some_and(|left| affordable(left) < gap.ask_at_least.max(1)) {
            too_dear = true;
        } else if best.as_ref().is_none_or(|(most, _)| rank > *most) {
            best = Some((rank, step()));
        }
    };
    let open = |whom, account| {
        only.is_none_or(|only| only == account)
            && !progress.failed.contains(&whom)
            && !progress.stopped.contains(&account)
    };
    let inboxes = state.inboxes.iter().filter(|i| open(Subject::Inbox(i.account), i.account));
    for inbox in inboxes.filter(|i| in_flight.allows_inbox(i.account, limits)) {
        for gap in inbox.timeline.gaps.iter().filter(|g| due(g, limits.run)) {
            consider((true, newer(gap)), inbox.account, gap, &|| inbox_step(inbox, gap, StepKind::Gap));
        }
    }
    for c in state.conversations.iter().filter(|c| open(Subject::Conversation(c.id), c.account)) {
        let allowed = |g: &&Gap| in_flight.allows(c, g.newer_ms.is_none(), limits);
        for gap in c.timeline.gaps.iter().filter(|g| due(g, limits.run)).filter(allowed) {
            consider((!c.troubled, newer(gap)), c.account, gap, &|| gap_step(c, gap, limits));
        }
    }
    (best.map(|(_, step)| step), too_dear)
}

/// The complete conversation to go on reading again: one that was begun first, then the one that was read the longest
/// ago.
fn next_recheck(state: &State, limits: &Limits, progress: &Progress, room: &Room) -> Option<Step> {
    let before = limits.recheck_before_ms.filter(|_| room.spare)?;
    let open = |c: &&Conversation| {
        let whom = Subject::Conversation(c.id);
        let overdue = c.recheck.at_ms.is_some() || c.recheck.done_ms.is_none_or(|done| done <= before);
        let calm = c.timeline.complete() && !c.troubled && overdue;
        let asked = progress.rechecked.contains(&c.id) || progress.failed.contains(&whom);
        let allowed = progress.in_flight.allows(c, true, limits);
        calm && !asked && allowed && !progress.stopped.contains(&c.account) && room.of(c.account) != Some(0)
    };
    let rank = |c: &&Conversation| (c.recheck.at_ms.is_none(), c.recheck.done_ms, c.id);
    let conversation = state.conversations.iter().filter(open).min_by_key(rank)?;
    let from = conversation.recheck.at_ms.or(conversation.timeline.newest_ms)?;
    let gap = Gap { newer_ms: Some(from), ..Gap::default() };
    Some(step(conversation, gap, limits.page_size, StepKind::Recheck))
}

/// The steps that a run would begin with, each once, for as long as the credits last: what a page leads to is not
/// known before it is there.
#[must_use]
pub fn outlook(state: &State, limits: &Limits, room: &Room) -> (Vec<Step>, Next) {
    let mut state = state.clone();
    let mut progress = Progress::default();
    let mut room = room.clone();
    let mut steps = Vec::new();
    loop {
        let step = match next(&state, limits, &progress, &room) {
            Next::Ask(step) => step,
            end @ (Next::Done | Next::OutOfBudget | Next::Wait) => return (steps, end),
        };
        let count = room.of(step.account).map_or(step.count, |left| step.count.min(affordable(left)));
        let step = Step { count, ..step };
        room.take(step.account, step.credits_max());
        match (step.kind, step.whom) {
            (StepKind::Head, whom) => {
                progress.look(step.account, step.credits_max());
                progress.heads_done.insert(whom);
            }
            (StepKind::Recheck, Subject::Conversation(id)) => {
                progress.rechecked.insert(id);
            }
            (StepKind::Gap | StepKind::Recheck, whom) => {
                progress.heads_done.insert(whom);
                forget_gap(&mut state, whom, step.gap.id);
            }
        }
        steps.push(step);
    }
}

fn forget_gap(state: &mut State, whom: Subject, gap: i64) {
    let inboxes =
        state.inboxes.iter_mut().filter(|i| Subject::Inbox(i.account) == whom).map(|i| &mut i.timeline);
    let own = state.conversations.iter_mut().filter(|c| Subject::Conversation(c.id) == whom);
    for timeline in own.map(|c| &mut c.timeline).chain(inboxes) {
        timeline.gaps.retain(|g| g.id != gap);
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

fn newer(gap: &Gap) -> Ms {
    gap.newer_ms.unwrap_or(Ms::MAX)
}

fn due(gap: &Gap, run: RunId) -> bool {
    run >= due_run(gap.stalls, gap.stalled_run)
}

/// Whether heads may still be asked while gaps wait. A gap that no head may come before, because it needs all that is
/// left, takes turns with them, run by run.
fn heads_turn(share: &Share, head_credits: u32, gap: &Step, room: &Room) -> bool {
    let left = room.of(gap.account);
    let needs_all = |left: u32| gap.gap.ask_at_least > affordable(left.saturating_sub(1));
    match share.budget {
        None => true,
        Some(1) => !share.head_came_last,
        Some(_) if share.head_came_last && left.is_some_and(needs_all) => false,
        Some(budget) => head_credits < budget.div_ceil(2),
    }
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
