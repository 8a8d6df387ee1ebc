//! What to ask next: the newest missing message first, over all conversations, on a budget that starves nothing.
//!
//! Two kinds of step cost credits: a look at the *head* of a conversation or an inbox, which finds what is new, and a
//! page of a *gap*. Heads come first, least recently asked first, because what they find is newer than any gap; gaps
//! follow by their newer edge. Where the inbox is read, its head stands for those of all conversations that it
//! lists: they are not looked at themselves, and a conversation with news has a gap that reaches up to now. But while gaps wait, heads get at most half of a run's credits, rounded up, and runs
//! of a single credit alternate: otherwise many silent conversations and a small budget would leave the
//! gaps unfilled for ever.

use std::collections::BTreeSet;
use std::fmt;

use chrono::DateTime;
use serde::Serialize;

use super::Ms;
use super::backoff::runs_to_skip;
use super::budget::{RESULTS_PER_CREDIT, affordable, price};
use super::timeline::{Gap, LARGEST_ASK, Timeline};

/// Messages that a look at the head asks for: all that the first credit buys. What is not new re-reads recent
/// messages and so finds edits and deletions for free.
pub const HEAD_COUNT: u32 = 10;

/// Rows that a page of an inbox asks for while it is walked for the first time: the most that whole credits buy under
/// the API's limit of 25.
pub const INBOX_WALK_COUNT: u32 = 20;

/// A conversation as the plan sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// The archive's id.
    pub id: i64,
    /// Index of its account in the configuration.
    pub account: usize,
    /// What to call it.
    pub name: String,
    /// What is known of it.
    pub timeline: Timeline,
    /// When its head was last asked for (ms), with or without an answer: the turns go round.
    pub head_tried_ms: Option<Ms>,
    /// In which run.
    pub head_tried_run: i64,
    /// Looks at the head in a row that found nothing new.
    pub silent_looks: u32,
    /// Whether the inbox has ever shown it: then news of it will show there, too.
    pub listed: bool,
    /// Whether the last request for it failed: then its gaps wait until those of the others have been asked for.
    pub troubled: bool,
}

/// An account's inbox as the plan sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// Index of the account in the configuration.
    pub account: usize,
    /// What to call it.
    pub name: String,
    /// What is known of it: see [`crate::core::inbox::apply`].
    pub timeline: Timeline,
    /// When its first page was last asked for (ms), with or without an answer.
    pub tried_ms: Option<Ms>,
}

/// All that the plan decides on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The inboxes that are read: none where the inbox is off.
    pub inboxes: Vec<Inbox>,
    /// The conversations.
    pub conversations: Vec<Conversation>,
}

/// Whose page a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    /// A conversation's, by the archive's id.
    Conversation(i64),
    /// The inbox of an account, by its index in the configuration.
    Inbox(usize),
}

/// What bounds a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages per request while filling history: a multiple of 10.
    pub page_size: u32,
    /// Credits that this run might spend when it began; `None` is without limit.
    pub budget: Option<u32>,
    /// This run's number.
    pub run: i64,
    /// Whether the last step of any run before this one was a look at a head.
    pub head_came_last: bool,
}

/// What a run has done so far, as far as the plan cares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Whose head has been asked for.
    pub heads_done: BTreeSet<Whom>,
    /// Who is left alone for the rest of the run.
    pub failed: BTreeSet<Whom>,
    /// Accounts that are left alone for the rest of the run.
    pub stopped: BTreeSet<usize>,
    /// Credits spent on heads.
    pub head_credits: u32,
}

/// One request to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Whose page.
    pub whom: Whom,
    /// What to call it.
    pub name: String,
    /// The gap to ask for; for a look at the head that of which nothing is known yet (id 0).
    pub gap: Gap,
    /// Messages to ask for: a multiple of 10.
    pub count: u32,
    /// Whether this is a look at the head of what is known already.
    pub head: bool,
}

impl Step {
    /// The fewest messages that this request makes sense with.
    #[must_use]
    pub fn smallest(&self) -> u32 {
        self.count.min(HEAD_COUNT.max(self.gap.ask_at_least))
    }

    /// The most that this request can cost.
    #[must_use]
    pub fn credits_max(&self) -> u32 {
        price(self.count)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |ms: Ms| {
            DateTime::from_timestamp_millis(ms)
                .map_or_else(|| ms.to_string(), |t| t.format("%F %R").to_string())
        };
        let (name, count, credits) = (&self.name, self.count, self.credits_max());
        let credits = if credits == 1 { "1 credit".to_owned() } else { format!("{credits} credits") };
        if let Whom::Inbox(_) = self.whom {
            let what = if self.head { "see what is new" } else { "walk down" };
            return write!(f, "inbox of {name}: {what}, {count} conversations, {credits} at most");
        }
        if self.head {
            return write!(f, "{name}: see what is new, the {count} newest messages, {credits} at most");
        }
        match (self.gap.newer_ms, self.gap.older_ms) {
            (None, None) => write!(f, "{name}: begin, the {count} newest messages, {credits} at most"),
            (None, Some(older)) => write!(
                f,
                "{name}: fill from now down to {}, {count} messages, {credits} at most",
                time(older)
            ),
            (Some(newer), None) => write!(
                f,
                "{name}: fill from {} down to the beginning, {count} messages, {credits} at most",
                time(newer)
            ),
            (Some(newer), Some(older)) => {
                write!(
                    f,
                    "{name}: fill from {} down to {}, {count} messages, {credits} at most",
                    time(newer),
                    time(older)
                )
            }
        }
    }
}

/// A step as scripts see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// What to call the conversation.
    pub conversation: String,
    /// `inbox`, `head` or `gap`.
    pub kind: &'static str,
    /// Upper edge of what is missing (ms), null for now.
    pub newer_ms: Option<Ms>,
    /// Lower edge of what is missing (ms), null for the beginning.
    pub older_ms: Option<Ms>,
    /// Messages asked for.
    pub count: u32,
    /// The most it can cost.
    pub credits_max: u32,
}

impl From<&Step> for PlannedStep {
    fn from(step: &Step) -> Self {
        Self {
            conversation: step.name.clone(),
            kind: match step.whom {
                Whom::Inbox(_) => "inbox",
                Whom::Conversation(_) if step.head => "head",
                Whom::Conversation(_) => "gap",
            },
            newer_ms: step.gap.newer_ms,
            older_ms: step.gap.older_ms,
            count: step.count,
            credits_max: step.credits_max(),
        }
    }
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This request.
    Ask(Step),
    /// Nothing is left to ask in this run.
    Done,
    /// Something is left to ask, but not for the credits that are left.
    OutOfBudget,
}

/// Decides on the next request. `left` is what may still be spent; `None` is without limit.
#[must_use]
pub fn next(state: &State, limits: &Limits, progress: &Progress, left: Option<u32>) -> Next {
    let head = next_head(state, limits, progress);
    let (gap, too_dear) = next_gap(state, limits, progress, left);
    if left == Some(0) {
        return if head.is_some() || too_dear { Next::OutOfBudget } else { Next::Done };
    }
    let head = head.filter(|_| gap.as_ref().is_none_or(|gap| heads_turn(limits, progress, gap, left)));
    match head.or(gap) {
        Some(step) => Next::Ask(step),
        None if too_dear => Next::OutOfBudget,
        None => Next::Done,
    }
}

/// The head to look at next: an inbox before any conversation, unless a run has room for one head only; then all
/// take turns.
fn next_head(state: &State, limits: &Limits, progress: &Progress) -> Option<Step> {
    let open = |whom, account| {
        !progress.heads_done.contains(&whom)
            && !progress.failed.contains(&whom)
            && !progress.stopped.contains(&account)
    };
    let inbox = state
        .inboxes
        .iter()
        .filter(|i| i.timeline.top_gap().is_none() && open(Whom::Inbox(i.account), i.account))
        .min_by_key(|i| (i.tried_ms, i.account));
    let conversation = state
        .conversations
        .iter()
        .filter(|c| c.timeline.top_gap().is_none() && open(Whom::Conversation(c.id), c.account))
        .filter(|c| wants_look(c, state, limits, progress))
        .min_by_key(|c| (c.head_tried_ms, c.id));
    match (inbox, conversation) {
        (Some(i), Some(c)) if few_heads(limits) && c.head_tried_ms < i.tried_ms => Some(head_step(c)),
        (Some(i), _) => Some(inbox_step(i, &Gap::head(i.timeline.newest_ms, 0), true)),
        (None, Some(c)) => Some(head_step(c)),
        (None, None) => None,
    }
}

/// Whether a run has room for one head at most while gaps wait: then inboxes and conversations take turns.
fn few_heads(limits: &Limits) -> bool {
    limits.budget.is_some_and(|budget| budget <= 2)
}

/// Whether a conversation's head has to be looked at by itself: always where the inbox is not read; else only where the
/// inbox has never shown it, once that has been walked to its end, and ever less often while it stays silent.
fn wants_look(conversation: &Conversation, state: &State, limits: &Limits, progress: &Progress) -> bool {
    let Some(inbox) = state.inboxes.iter().find(|i| i.account == conversation.account) else { return true };
    let whom = Whom::Inbox(inbox.account);
    let looked = progress.heads_done.contains(&whom) || few_heads(limits);
    let walked = inbox.timeline.beginning_seen && looked;
    let hopeless = progress.failed.contains(&whom) || inbox.timeline.gaps.iter().any(|g| g.stalls > 0);
    let skip = (1_i64 << conversation.silent_looks.min(6)) - 1;
    let due = limits.run > conversation.head_tried_run.saturating_add(skip);
    !conversation.listed && (walked || hopeless) && due
}

/// The gap to ask for next, and whether there is one that costs more than is left.
fn next_gap(state: &State, limits: &Limits, progress: &Progress, left: Option<u32>) -> (Option<Step>, bool) {
    let mut best: Option<((bool, Ms), Step)> = None;
    let mut too_dear = false;
    let mut consider = |rank: (bool, Ms), gap: &Gap, step: &dyn Fn() -> Step| {
        if left.is_some_and(|left| affordable(left) < gap.ask_at_least.max(1)) {
            too_dear = true;
        } else if best.as_ref().is_none_or(|(most, _)| rank > *most) {
            best = Some((rank, step()));
        }
    };
    let open = |whom, account| !progress.failed.contains(&whom) && !progress.stopped.contains(&account);
    for inbox in state.inboxes.iter().filter(|i| open(Whom::Inbox(i.account), i.account)) {
        for gap in inbox.timeline.gaps.iter().filter(|g| due(g, limits.run)) {
            consider((true, newer(gap)), gap, &|| inbox_step(inbox, gap, false));
        }
    }
    for c in state.conversations.iter().filter(|c| open(Whom::Conversation(c.id), c.account)) {
        for gap in c.timeline.gaps.iter().filter(|g| due(g, limits.run)) {
            consider((!c.troubled, newer(gap)), gap, &|| gap_step(c, gap, limits));
        }
    }
    (best.map(|(_, step)| step), too_dear)
}

/// The steps that a run would begin with, each once, for as long as the credits last: what a page leads to is not
/// known before it is there.
#[must_use]
pub fn outlook(state: &State, limits: &Limits, left: Option<u32>) -> (Vec<Step>, Next) {
    let mut state = state.clone();
    let mut progress = Progress::default();
    let mut left = left;
    let mut steps = Vec::new();
    loop {
        let step = match next(&state, limits, &progress, left) {
            Next::Ask(step) => step,
            end @ (Next::Done | Next::OutOfBudget) => return (steps, end),
        };
        let count = left.map_or(step.count, |left| step.count.min(affordable(left)));
        let step = Step { count, ..step };
        left = left.map(|left| left.saturating_sub(step.credits_max()));
        if step.head {
            progress.head_credits = progress.head_credits.saturating_add(step.credits_max());
        }
        progress.heads_done.insert(step.whom);
        if !step.head {
            let whom = step.whom;
            let inboxes =
                state.inboxes.iter_mut().filter(|i| Whom::Inbox(i.account) == whom).map(|i| &mut i.timeline);
            let own = state.conversations.iter_mut().filter(|c| Whom::Conversation(c.id) == whom);
            for timeline in own.map(|c| &mut c.timeline).chain(inboxes) {
                timeline.gaps.retain(|g| g.id != step.gap.id);
            }
        }
        steps.push(step);
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

fn due(gap: &Gap, run: i64) -> bool {
    gap.stalls == 0 || run > gap.stalled_run.saturating_add(runs_to_skip(gap.stalls))
}

/// Whether heads may still be asked while gaps wait. A gap that no head may come before, because it needs all that is
/// left, takes turns with them, run by run.
fn heads_turn(limits: &Limits, progress: &Progress, gap: &Step, left: Option<u32>) -> bool {
    let needs_all = |left: u32| gap.gap.ask_at_least > affordable(left.saturating_sub(1));
    match limits.budget {
        None => true,
        Some(1) => !limits.head_came_last,
        Some(_) if limits.head_came_last && left.is_some_and(needs_all) => false,
        Some(budget) => progress.head_credits < budget.div_ceil(2),
    }
}

fn head_step(conversation: &Conversation) -> Step {
    Step {
        whom: Whom::Conversation(conversation.id),
        name: conversation.name.clone(),
        gap: Gap::head(conversation.timeline.newest_ms, 0),
        count: HEAD_COUNT,
        head: true,
    }
}

fn inbox_step(inbox: &Inbox, gap: &Gap, head: bool) -> Step {
    let count = if gap.older_ms.is_some() { HEAD_COUNT } else { INBOX_WALK_COUNT };
    Step { whom: Whom::Inbox(inbox.account), name: inbox.name.clone(), gap: gap.clone(), count, head }
}

fn gap_step(conversation: &Conversation, gap: &Gap, limits: &Limits) -> Step {
    // Where the last request failed this one may too: a small one loses less.
    let most = if conversation.troubled { HEAD_COUNT } else { limits.page_size };
    // Twice what was too little the last time; as much as the budget allows will do as well.
    let doubled = gap.ask_at_least.saturating_sub(RESULTS_PER_CREDIT).saturating_mul(2).min(LARGEST_ASK);
    Step {
        whom: Whom::Conversation(conversation.id),
        name: conversation.name.clone(),
        gap: gap.clone(),
        count: page_size(&conversation.timeline, gap, most).max(gap.ask_at_least).max(doubled),
        head: false,
    }
}

/// How many messages to ask for: everything that fits a page where the gap has no floor, and where it has one about
/// as many as the conversation's pace lets expect, so as not to buy again what lies below it.
fn page_size(timeline: &Timeline, gap: &Gap, most: u32) -> u32 {
    let Some(older) = gap.older_ms else { return most };
    let expected = match (gap.newer_ms, timeline.newest_ms, timeline.oldest_ms) {
        (Some(newer), Some(newest), Some(oldest)) if newest > oldest => {
            let width = newer.saturating_sub(older).max(0);
            timeline.messages.max(0).saturating_mul(width) / newest.saturating_sub(oldest)
        }
        _ => 0,
    };
    let tens = u32::try_from(expected).unwrap_or(u32::MAX) / 10 * 10;
    tens.clamp(HEAD_COUNT, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::page::Cursor;

    fn conversation(id: i64, gaps: Vec<Gap>) -> Conversation {
        let timeline = Timeline {
            gaps,
            newest_ms: Some(1_000_000),
            oldest_ms: Some(1),
            messages: 50,
            gone: 0,
            beginning_seen: true,
        };
        Conversation {
            id,
            account: 0,
            name: format!("c{id}"),
            timeline,
            head_tried_ms: Some(id),
            head_tried_run: 0,
            silent_looks: 0,
            listed: false,
            troubled: false,
        }
    }

    fn gap(id: i64, newer: Ms, older: Ms) -> Gap {
        Gap {
            id,
            newer_ms: Some(newer),
            older_ms: Some(older),
            cursor: Some(Cursor(newer.to_string())),
            ..Gap::default()
        }
    }

    fn limits(budget: Option<u32>) -> Limits {
        Limits { page_size: 50, budget, run: 1, head_came_last: false }
    }

    fn state(conversations: &[Conversation]) -> State {
        State { inboxes: vec![], conversations: conversations.to_vec() }
    }

    fn inbox(gaps: Vec<Gap>) -> Inbox {
        let timeline = Timeline {
            beginning_seen: gaps.is_empty(),
            newest_ms: Some(1_000_000),
            gaps,
            ..Timeline::default()
        };
        Inbox { account: 0, name: "me".into(), timeline, tried_ms: Some(0) }
    }

    fn asks_of(state: &State, limits: &Limits) -> Vec<String> {
        let (steps, _) = outlook(state, limits, limits.budget);
        let name = |s: &Step| match s.whom {
            Whom::Inbox(_) if s.head => "i".to_owned(),
            Whom::Inbox(_) => "walk".to_owned(),
            Whom::Conversation(id) if s.head => format!("h{id}"),
            Whom::Conversation(_) => format!("g{}", s.gap.id),
        };
        steps.iter().map(name).collect()
    }

    fn asks(conversations: &[Conversation], limits: &Limits) -> Vec<String> {
        asks_of(&state(conversations), limits)
    }

    #[test]
    fn the_inbox_stands_for_the_heads_of_all_that_it_lists() {
        let listed = |id| Conversation { listed: true, ..conversation(id, vec![]) };
        let mut all = State {
            inboxes: vec![inbox(vec![])],
            conversations: vec![listed(1), listed(2), conversation(3, vec![])],
        };
        assert_eq!(asks_of(&all, &limits(None)), ["i", "h3"]);
        all.conversations[2].silent_looks = 2;
        all.conversations[2].head_tried_run = 1;
        assert_eq!(asks_of(&all, &limits(None)), ["i"]);
        assert_eq!(asks_of(&all, &Limits { run: 5, ..limits(None) }), ["i", "h3"]);
        all.inboxes = vec![inbox(vec![Gap::everything(0)])];
        all.conversations[0].timeline.gaps = vec![Gap { id: 7, ..Gap::head(Some(5), 0) }];
        assert_eq!(asks_of(&all, &limits(None)), ["walk", "g7"]);
    }

    #[test]
    fn with_one_credit_a_run_inbox_and_unlisted_conversations_take_turns() {
        let all = State { inboxes: vec![inbox(vec![])], conversations: vec![conversation(3, vec![])] };
        assert_eq!(asks_of(&all, &limits(Some(1))), ["i"]);
        let mut later = all.clone();
        later.inboxes[0].tried_ms = Some(9);
        assert_eq!(asks_of(&later, &limits(Some(1))), ["h3"]);
    }

    #[test]
    fn the_newest_missing_message_comes_first_over_all_conversations() {
        let all = [
            conversation(1, vec![gap(11, 900, 800), gap(12, 300, 200)]),
            conversation(2, vec![Gap::everything(0), gap(21, 500, 400)]),
        ];
        assert_eq!(asks(&all, &limits(None)), ["h1", "g0", "g11", "g21", "g12"]);
    }

    #[test]
    fn heads_get_half_of_a_run_while_gaps_wait_and_the_rest_when_none_does() {
        let mut all: Vec<_> = (1..=5).map(|id| conversation(id, vec![])).collect();
        assert_eq!(asks(&all, &limits(Some(3))), ["h1", "h2", "h3"]);
        all[4].timeline.gaps = vec![gap(9, 900, 100)];
        assert_eq!(asks(&all, &limits(Some(3))), ["h1", "h2", "g9"]);
    }

    #[test]
    fn runs_of_one_credit_take_turns() {
        let all = [conversation(1, vec![gap(9, 900, 100)])];
        assert_eq!(asks(&all, &limits(Some(1))), ["h1"]);
        assert_eq!(asks(&all, &Limits { head_came_last: true, ..limits(Some(1)) }), ["g9"]);
    }

    #[test]
    fn a_gap_that_needs_the_whole_run_takes_turns_with_the_heads() {
        let all =
            [conversation(1, vec![Gap { ask_at_least: 20, ..gap(9, 900, 100) }]), conversation(2, vec![])];
        assert_eq!(asks(&all, &limits(Some(2))), ["h1", "h2"]);
        assert_eq!(asks(&all, &Limits { head_came_last: true, ..limits(Some(2)) }), ["g9"]);
        assert_eq!(asks(&all, &limits(Some(3))), ["h1", "h2"]);
        assert_eq!(asks(&all, &Limits { head_came_last: true, ..limits(Some(3)) }), ["h1", "g9"]);
    }

    #[test]
    fn a_stalled_gap_waits_its_runs_and_comes_back() {
        let stalled = Gap { stalls: 3, stalled_run: 7, ..gap(9, 900, 100) };
        let due_in: Vec<i64> = (7..=10).filter(|run| due(&stalled, *run)).collect();
        assert_eq!(due_in, [9, 10]);
    }

    #[test]
    fn a_gap_that_needs_more_than_is_left_ends_the_run_as_out_of_budget() {
        let dear = Gap { ask_at_least: 40, ..gap(9, 900, 100) };
        let mut one = conversation(1, vec![dear]);
        one.timeline.newest_ms = Some(900);
        let progress = Progress { heads_done: [Whom::Conversation(1)].into(), ..Progress::default() };
        let one = state(&[one]);
        assert_eq!(next(&one, &limits(Some(3)), &progress, Some(3)), Next::OutOfBudget);
        assert!(matches!(next(&one, &limits(Some(4)), &progress, Some(4)), Next::Ask(_)));
    }

    #[test]
    fn the_horizon_is_where_the_newest_gap_begins() {
        let t = |gaps| Timeline { gaps, oldest_ms: Some(5), ..Timeline::default() };
        let of = |timelines: &[Timeline]| horizon(timelines.iter());
        assert_eq!(
            of(&[t(vec![]), t(vec![gap(1, 900, 800), gap(2, 300, 200)]), t(vec![gap(3, 950, 800)])]),
            Some(950)
        );
        assert_eq!(of(&[t(vec![])]), Some(5));
        assert_eq!(of(&[t(vec![gap(3, 950, 800)]), t(vec![Gap::everything(0)])]), None);
    }
}
