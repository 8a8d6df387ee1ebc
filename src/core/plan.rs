//! What to ask next: the newest missing message first, over all conversations, on a budget that starves nothing.
//!
//! Two kinds of step cost credits: a look at the *head* of a conversation, which finds what is new, and a page of
//! a *gap*. Heads come first, least recently asked first, because what they find is newer than any gap; gaps
//! follow by their newer edge. But while gaps wait, heads get at most half of a run's credits, rounded up, and runs
//! of a single credit alternate: otherwise many silent conversations and a small budget would leave the
//! gaps unfilled for ever.

use std::collections::BTreeSet;
use std::fmt;

use chrono::DateTime;
use serde::Serialize;

use super::Ms;
use super::backoff::runs_to_skip;
use super::budget::{affordable, price};
use super::timeline::{Gap, Timeline};

/// Messages that a look at the head asks for: all that the first credit buys. What is not new re-reads recent
/// messages and so finds edits and deletions for free.
pub const HEAD_COUNT: u32 = 10;

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
    /// Whether the last request for it failed: then its gaps wait until those of the others have been asked for.
    pub troubled: bool,
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
    /// Conversations whose head has been asked for.
    pub heads_done: BTreeSet<i64>,
    /// Conversations that are left alone for the rest of the run.
    pub failed: BTreeSet<i64>,
    /// Accounts that are left alone for the rest of the run.
    pub stopped: BTreeSet<usize>,
    /// Credits spent on heads.
    pub head_credits: u32,
}

/// One request to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The conversation.
    pub conversation: i64,
    /// What to call it.
    pub name: String,
    /// The gap to ask for; for a look at the head that of which nothing is known yet (id 0).
    pub gap: Gap,
    /// Messages to ask for: a multiple of 10.
    pub count: u32,
    /// Whether this is a look at the head of a conversation that is already archived.
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
    /// `head` or `gap`.
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
            kind: if step.head { "head" } else { "gap" },
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
pub fn next(conversations: &[Conversation], limits: &Limits, progress: &Progress, left: Option<u32>) -> Next {
    let open = || {
        conversations
            .iter()
            .filter(|c| !progress.failed.contains(&c.id) && !progress.stopped.contains(&c.account))
    };
    let head = open()
        .filter(|c| c.timeline.top_gap().is_none() && !progress.heads_done.contains(&c.id))
        .min_by_key(|c| (c.head_tried_ms, c.id));
    let (mut gap, mut too_dear) = (None::<(&Conversation, &Gap)>, false);
    for conversation in open() {
        for candidate in conversation.timeline.gaps.iter().filter(|g| due(g, limits.run)) {
            if left.is_some_and(|left| affordable(left) < candidate.ask_at_least.max(1)) {
                too_dear = true;
            } else if gap.is_none_or(|(c, best)| rank(conversation, candidate) > rank(c, best)) {
                gap = Some((conversation, candidate));
            }
        }
    }
    if left == Some(0) {
        return if head.is_some() || too_dear { Next::OutOfBudget } else { Next::Done };
    }
    let head = head.filter(|_| gap.is_none() || heads_turn(limits, progress));
    match (head, gap) {
        (Some(c), _) => Next::Ask(head_step(c)),
        (None, Some((c, g))) => Next::Ask(gap_step(c, g, limits)),
        (None, None) if too_dear => Next::OutOfBudget,
        (None, None) => Next::Done,
    }
}

/// The steps that a run would begin with, each once, for as long as the credits last: what a page leads to is not
/// known before it is there.
#[must_use]
pub fn outlook(conversations: &[Conversation], limits: &Limits, left: Option<u32>) -> (Vec<Step>, Next) {
    let mut conversations = conversations.to_vec();
    let mut progress = Progress::default();
    let mut left = left;
    let mut steps = Vec::new();
    loop {
        let step = match next(&conversations, limits, &progress, left) {
            Next::Ask(step) => step,
            end @ (Next::Done | Next::OutOfBudget) => return (steps, end),
        };
        let count = left.map_or(step.count, |left| step.count.min(affordable(left)));
        let step = Step { count, ..step };
        left = left.map(|left| left.saturating_sub(step.credits_max()));
        if step.head {
            progress.heads_done.insert(step.conversation);
            progress.head_credits = progress.head_credits.saturating_add(step.credits_max());
        }
        for c in conversations.iter_mut().filter(|c| c.id == step.conversation && !step.head) {
            c.timeline.gaps.retain(|g| g.id != step.gap.id);
            progress.heads_done.insert(c.id);
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

/// The greater, the sooner.
fn rank(conversation: &Conversation, gap: &Gap) -> (bool, Ms) {
    (!conversation.troubled, gap.newer_ms.unwrap_or(Ms::MAX))
}

fn due(gap: &Gap, run: i64) -> bool {
    gap.stalls == 0 || run > gap.stalled_run.saturating_add(runs_to_skip(gap.stalls))
}

/// Whether heads may still be asked while gaps wait.
fn heads_turn(limits: &Limits, progress: &Progress) -> bool {
    match limits.budget {
        None => true,
        Some(1) => !limits.head_came_last,
        Some(budget) => progress.head_credits < budget.div_ceil(2),
    }
}

fn head_step(conversation: &Conversation) -> Step {
    Step {
        conversation: conversation.id,
        name: conversation.name.clone(),
        gap: Gap::head(conversation.timeline.newest_ms, 0),
        count: HEAD_COUNT,
        head: true,
    }
}

fn gap_step(conversation: &Conversation, gap: &Gap, limits: &Limits) -> Step {
    // Where the last request failed this one may too: a small one loses less.
    let most = if conversation.troubled { HEAD_COUNT } else { limits.page_size };
    Step {
        conversation: conversation.id,
        name: conversation.name.clone(),
        gap: gap.clone(),
        count: page_size(&conversation.timeline, gap, most).max(gap.ask_at_least),
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

    fn asks(conversations: &[Conversation], limits: &Limits) -> Vec<String> {
        let (steps, _) = outlook(conversations, limits, limits.budget);
        steps
            .iter()
            .map(|s| if s.head { format!("h{}", s.conversation) } else { format!("g{}", s.gap.id) })
            .collect()
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
        let progress = Progress { heads_done: [1].into(), ..Progress::default() };
        assert_eq!(next(&[one.clone()], &limits(Some(3)), &progress, Some(3)), Next::OutOfBudget);
        assert!(matches!(next(&[one], &limits(Some(4)), &progress, Some(4)), Next::Ask(_)));
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
