//! What the next run costs, and what is still to be spent until nothing is missing: ranges where that is unknown.

use std::collections::BTreeSet;

use crate::core::Ms;
use crate::core::budget::{Caps, RESULTS_PER_CREDIT, Spent, calendar, left, price};
use crate::core::planner::next::{Ahead, Next};
use crate::core::planner::page_size::{Expected, expected};
use crate::core::planner::plan::{Load, Plan};
use crate::core::planner::state::{Conversation, Hints, Inbox, Limits, Room, State, Subject};
use crate::core::planner::step::{Step, StepKind};
use crate::core::timeline::gap::{Gap, Timeline};

/// Credits from the least to the most; `None` where nothing tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Never less, as long as the API answers.
    pub min: u32,
    /// What is to be expected.
    pub likely: Option<u32>,
    /// Never more.
    pub max: Option<u32>,
}

impl Range {
    const NOTHING: Self = Self { min: 0, likely: Some(0), max: Some(0) };

    fn plus(self, other: Self) -> Self {
        let sum = |a: Option<u32>, b: Option<u32>| a.zip(b).map(|(a, b)| a.saturating_add(b));
        Self {
            min: self.min.saturating_add(other.min),
            likely: sum(self.likely, other.likely),
            max: sum(self.max, other.max),
        }
    }
}

/// What is still missing of a conversation or of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Whose.
    pub whom: Subject,
    /// What to call it.
    pub name: String,
    /// Stretches in which something is missing.
    pub gaps: usize,
    /// Messages (of an inbox: conversations) that are thought to be missing.
    pub messages: Option<u32>,
    /// Credits until nothing is.
    pub credits: Range,
}

/// The next run, and all that follow until nothing is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// What the next run begins with.
    pub steps: Vec<Step>,
    /// Whether these steps end because nothing else is known to ask, or because the credits do.
    pub end: Next,
    /// What the next run costs.
    pub next_run: Range,
    /// What is missing, newest first.
    pub missing: Vec<Missing>,
    /// What that costs altogether.
    pub to_complete: Range,
}

/// What a forecast looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prospect {
    /// The plan of the next run.
    pub plan: Plan,
    /// The conversations with gaps, in the order in which they are shown.
    pub incomplete: Vec<Conversation>,
    /// How many messages a complete conversation has in the mean; `None`: there is none.
    pub typical: Option<u32>,
}

impl Prospect {
    /// From everything that there is.
    #[must_use]
    pub fn of_all(state: &State, limits: &Limits) -> Self {
        let incomplete = state.conversations.iter().filter(|c| !c.timeline.gaps.is_empty());
        let complete = state.conversations.iter().map(|c| &c.timeline).filter(|t| t.complete());
        let (count, messages) = complete.fold((0, 0), |(n, sum), t| (n + 1, sum + t.messages));
        Self {
            plan: Plan::whole(limits, state),
            incomplete: incomplete.cloned().collect(),
            typical: typical_length(count, messages),
        }
    }
}

/// How long a conversation is in the mean, going by so many complete ones.
#[must_use]
pub fn typical_length(complete: i64, messages: i64) -> Option<u32> {
    u32::try_from(messages.checked_div(complete)?).ok()
}

/// Looks ahead. `charges_empty` says whether an answer without results costs a credit for sure, and `load` brings what
/// the plan does not know yet.
///
/// # Errors
/// What `load` fails with.
pub fn forecast<E>(
    prospect: Prospect,
    room: &Room,
    charges_empty: bool,
    load: impl FnMut(&mut Plan, Load) -> Result<(), E>,
) -> Result<Forecast, E> {
    let Prospect { plan, incomplete, typical } = prospect;
    let (inboxes, page_size) = (plan.inboxes().cloned().collect::<Vec<Inbox>>(), plan.limits.page_size);
    let ahead = plan.outlook(room, load)?;
    let mut missing: Vec<Missing> = Vec::new();
    for inbox in inboxes.iter().filter(|i| !i.timeline.gaps.is_empty()) {
        let gaps = inbox.timeline.gaps.len();
        let min = u32::try_from(gaps).unwrap_or(u32::MAX);
        let known = inbox.timeline.gaps.iter().all(|g| g.older_ms.is_some());
        // Below a watermark there is seldom more than a page.
        let credits = Range { min, likely: known.then_some(min), max: None };
        let whom = Subject::Inbox(inbox.account);
        missing.push(Missing { whom, name: inbox.name.clone(), gaps, messages: None, credits });
    }
    missing.extend(incomplete.iter().map(|of| of_conversation(of, typical, page_size)));
    let to_complete = missing.iter().fold(Range::NOTHING, |sum, m| sum.plus(m.credits));
    let next_run = next_run(&ahead, &inboxes, room, charges_empty);
    Ok(Forecast { steps: ahead.steps, end: ahead.end, next_run, missing, to_complete })
}

/// The least that a run costs is one credit for each inbox and conversation that is sure to be asked and to answer
/// with something; the most is what it may spend, because any page may lead to more.
fn next_run(ahead: &Ahead, inboxes: &[Inbox], room: &Room, charges_empty: bool) -> Range {
    let steps = &ahead.steps;
    if steps.is_empty() {
        return Range::NOTHING;
    }
    // What the inbox shows in the same run is not looked at by itself any more.
    let may_be_listed = |s: &Step| {
        let conversation = s.kind == StepKind::Head && matches!(s.whom, Subject::Conversation(_));
        conversation && inboxes.iter().any(|i| i.account == s.account)
    };
    // A second reading waits when the run itself spends what was to spare.
    let may_be_left_out = |s: &Step| s.kind == StepKind::Recheck || may_be_listed(s);
    let certain = |s: &&Step| !may_be_left_out(s) && (charges_empty || answers(ahead, inboxes, s.whom));
    let mut sure: Vec<Subject> = steps.iter().filter(certain).map(|s| s.whom).collect();
    sure.sort_unstable();
    sure.dedup();
    let min = u32::try_from(sure.len()).unwrap_or(u32::MAX);
    let likely = steps.iter().map(|s| likely_cost(ahead, inboxes, s)).sum::<u32>();
    let max = most(room, &ahead.accounts);
    let cap = |n: u32| max.map_or(n, |max| n.min(max));
    Range { min: cap(min), likely: Some(cap(likely).max(cap(min))), max }
}

/// Whether there is something to answer with, as far as is known.
fn answers(ahead: &Ahead, inboxes: &[Inbox], whom: Subject) -> bool {
    match whom {
        Subject::Inbox(account) => {
            inboxes.iter().any(|i| i.account == account && i.timeline.newest_ms.is_some())
        }
        Subject::Conversation(id) => ahead.conversations.get(&id).is_some_and(|c| c.timeline.standing() > 0),
    }
}

/// What these accounts together may spend.
fn most(room: &Room, accounts: &BTreeSet<usize>) -> Option<u32> {
    accounts
        .iter()
        .map(|account| room.of(*account))
        .try_fold(0_u32, |sum, left| Some(sum.saturating_add(left?)))
        .map(|sum| room.all.map_or(sum, |all| sum.min(all)))
}

fn likely_cost(ahead: &Ahead, inboxes: &[Inbox], step: &Step) -> u32 {
    let id = match step.whom {
        Subject::Conversation(id) => id,
        Subject::Inbox(account) if step.kind == StepKind::Recheck => {
            // It is read to its end.
            let shown = inboxes.iter().find(|inbox| inbox.account == account).and_then(|inbox| inbox.shown);
            return price(shown.unwrap_or_default().max(step.count));
        }
        Subject::Inbox(_) => return 1,
    };
    match (step.kind, ahead.conversations.get(&id)) {
        (StepKind::Head, _) | (_, None) => 1,
        (StepKind::Recheck, Some(c)) => {
            let stored = u32::try_from(c.timeline.standing()).unwrap_or(u32::MAX);
            price(step.count.min(stored))
        }
        (StepKind::Gap, Some(c)) => match expected(&c.timeline, &c.hints, &step.gap) {
            Some(Expected::Exactly(n) | Expected::About(n) | Expected::AtLeast(n)) => {
                price(step.count.min(n.saturating_add(1)))
            }
            None if step.gap.older_ms.is_some() => 1,
            None => step.credits_max(),
        },
    }
}

fn of_conversation(conversation: &Conversation, typical: Option<u32>, page_size: u32) -> Missing {
    let timeline = &conversation.timeline;
    let mut credits = Range::NOTHING;
    let mut messages = Some(0_u32);
    for gap in &timeline.gaps {
        let (known, range) = of_gap(timeline, &conversation.hints, gap, typical, page_size);
        messages = messages.zip(known).map(|(sum, n)| sum.saturating_add(n));
        credits = credits.plus(range);
    }
    Missing {
        whom: Subject::Conversation(conversation.id),
        name: conversation.name.clone(),
        gaps: timeline.gaps.len(),
        messages,
        credits,
    }
}

/// How many messages a gap is thought to hold, and what filling it costs. `typical` is how long a conversation is that
/// nothing else is known of.
#[must_use]
pub fn of_gap(
    timeline: &Timeline,
    hints: &Hints,
    gap: &Gap,
    typical: Option<u32>,
    page_size: u32,
) -> (Option<u32>, Range) {
    let stored = u32::try_from(timeline.standing()).unwrap_or(0);
    match expected(timeline, hints, gap) {
        Some(Expected::Exactly(n)) => {
            let cost = cost(n, page_size);
            // Counts of the API may be off by what was deleted since.
            (Some(n), Range { min: 1, likely: Some(cost), max: None })
        }
        Some(Expected::AtLeast(n) | Expected::About(n)) => {
            (Some(n), Range { min: 1, likely: Some(cost(n, page_size)), max: None })
        }
        None if gap.older_ms.is_some() => (Some(1), Range { min: 1, likely: Some(1), max: None }),
        None => {
            let n = typical.map(|typical| typical.saturating_sub(stored).max(RESULTS_PER_CREDIT));
            (n, Range { min: 1, likely: n.map(|n| cost(n, page_size)), max: None })
        }
    }
}

/// Credits for so many missing messages in pages of this size, of which each but the first shows one message again.
fn cost(missing: u32, page_size: u32) -> u32 {
    let fresh = page_size.saturating_sub(1).max(1);
    let whole = missing / fresh;
    let rest = missing % fresh;
    let last = if rest == 0 { 0 } else { price(rest.saturating_add(1)) };
    whole.saturating_mul(price(page_size)).saturating_add(last).max(1)
}

/// Runs and time until so many credits have gone into what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// How many runs that takes.
    pub runs: u32,
    /// When the last of them begins (ms).
    pub at_ms: Ms,
}

/// Walks the schedule's runs under the caps until `credits` have been spent on what is missing. In each run
/// `looking` credits go into looking for news first, but never more than half of what it may spend. `None`: not in
/// these runs.
pub fn arrival(
    credits: u32,
    looking: u32,
    caps: &Caps,
    spent: &Spent,
    runs: impl IntoIterator<Item = Ms>,
) -> Option<Arrival> {
    let mut to_go = credits;
    let mut spent = Spent { run: 0, ..*spent };
    let mut window = None;
    for (made, at_ms) in (1_u32..).zip(runs) {
        let now = calendar::day_and_month(at_ms);
        let (day, month) = *window.get_or_insert(now);
        if day != now.0 {
            spent.day = 0;
        }
        if month != now.1 {
            spent.month = 0;
        }
        window = Some(now);
        let room = left(caps, &spent).least().unwrap_or(u32::MAX);
        let for_gaps = room.saturating_sub(looking.min(room / 2));
        let used = for_gaps.min(to_go);
        to_go -= used;
        let whole = used.saturating_add(looking.min(room / 2));
        spent.day = spent.day.saturating_add(whole);
        spent.month = spent.month.saturating_add(whole);
        if to_go == 0 {
            return Some(Arrival { runs: made, at_ms });
        }
    }
    None
}

#[cfg(test)]
#[path = "forecast_tests.rs"]
mod tests;
