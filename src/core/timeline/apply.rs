//! What is known of a conversation in time, as a list of gaps, and what one page does to it.
//!
//! A conversation reads, newest first: `now … [segment] (gap) [segment] (gap down to the beginning)`. Only gaps
//! are recorded; a segment is what lies between two of them. Everything newer than the newest stored message is
//! the *head*: unknown until asked, and a gap only once there is evidence that something is missing there.
//!
//! The invariants ([`crate::core::timeline::invariants`] checks them):
//!
//! 1. Gaps are disjoint and ordered; only the first may be open at the top, only the last at the bottom.
//! 2. Every message of the server's history that is not stored, and was there when the newest segment was last
//!    asked for, lies within a gap, edges included: messages of the same millisecond as an edge may be missing.
//! 3. A gap that is open at the bottom exists exactly as long as the beginning has not been seen.
//!
//! Paging is by time, so one millisecond at the border of two pages is the only thing that can slip through.
//! Therefore a page is always asked for from one millisecond *above* the border, which both an inclusive and an
//! exclusive server answer with everything at the border again: that costs one re-read message a page and loses
//! no neighbour of the same millisecond, so nothing has to be known about the server. For the same reason
//! reaching a message of the segment below is no proof of contact: only a message strictly below its upper edge is.

use crate::core::Ms;
use crate::core::budget::RESULTS_PER_CREDIT;
use crate::core::model::page::{Below, Cursor, Page};
use crate::core::timeline::coverage::Covered;
use crate::core::timeline::identity::{Change, Known, Reach, reconcile};
use crate::core::timeline::stall::Stall;
use crate::core::timeline::{coverage, doubt, start};

/// The largest number of messages asked for at once to get past a single millisecond that fills whole pages.
pub const LARGEST_ASK: u32 = 1000;

/// A stretch in which something may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gap {
    /// The archive's id of the row; 0 while it is none yet.
    pub id: i64,
    /// Position of the oldest message of the segment above; `None`: the gap reaches up to now.
    pub newer_ms: Option<Ms>,
    /// Position of the newest message of the segment below; `None`: the gap reaches down to the beginning.
    pub older_ms: Option<Ms>,
    /// The cursor that fetches from the newer edge downward, exactly as the server gave it.
    pub cursor: Option<Cursor>,
    /// When the gap was opened (ms).
    pub opened_ms: Ms,
    /// Why the last attempt to fill it came to nothing.
    pub stalled: Option<Stall>,
    /// How many attempts in a row came to nothing.
    pub stalls: u32,
    /// The run that made the last of these attempts.
    pub stalled_run: i64,
    /// Fewer results than this are known not to get any further (a full page of one millisecond).
    pub ask_at_least: u32,
    /// Messages that it has yielded so far: the more, the longer it is likely to go on.
    pub filled: u32,
}

impl Gap {
    /// A gap over everything: a conversation of which nothing is known.
    #[must_use]
    pub fn everything(now: Ms) -> Self {
        Self { opened_ms: now, ..Self::default() }
    }

    /// The gap between now and the newest stored message (or the beginning, when none is stored).
    #[must_use]
    pub fn head(newest_ms: Option<Ms>, now: Ms) -> Self {
        Self { older_ms: newest_ms, opened_ms: now, ..Self::default() }
    }

    /// The cursor to ask this gap's next page with. Usually one millisecond above the border, see the module's
    /// text; the server's own, unchanged, when it is no number, and at every third attempt after a stall, should
    /// the server accept no other.
    #[must_use]
    pub fn cursor_to_send(&self) -> Option<Cursor> {
        let newer = self.newer_ms?;
        let Some(cursor) = &self.cursor else { return Some(Cursor(newer.saturating_add(1).to_string())) };
        match cursor.number() {
            Some(number) if self.stalls % 3 != 2 => {
                // A cursor in seconds is in the server's own unit and stays in it.
                let newer = if cursor.in_seconds() { newer.div_euclid(1000) } else { newer };
                let border = number.max(newer);
                Some(Cursor(border.saturating_add(1).to_string()))
            }
            _ => Some(cursor.clone()),
        }
    }

    /// Whether this is the same gap, whatever has become of it since: by its id, or by its place while it has none.
    pub(in crate::core) fn is(&self, other: &Self) -> bool {
        if self.id != 0 || other.id != 0 {
            return self.id == other.id;
        }
        self.newer_ms == other.newer_ms && self.older_ms == other.older_ms
    }

    /// The same gap after an attempt that came to nothing.
    #[must_use]
    pub fn stalled(mut self, why: &Stall, run: i64) -> Self {
        self.stalled = Some(why.clone());
        self.stalls = self.stalls.saturating_add(1);
        self.stalled_run = run;
        self
    }
}

/// What the archive knows of one conversation's course.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    /// Newest first.
    pub gaps: Vec<Gap>,
    /// Position of the newest stored message.
    pub newest_ms: Option<Ms>,
    /// Position of the oldest stored message.
    pub oldest_ms: Option<Ms>,
    /// Messages stored.
    pub messages: i64,
    /// How many of them the API no longer returns.
    pub gone: i64,
    /// Whether the documented end was seen: the archive reaches down to the beginning.
    pub beginning_seen: bool,
}

impl Timeline {
    /// Of a conversation of which nothing is known.
    #[must_use]
    pub fn unknown(now: Ms) -> Self {
        Self { gaps: vec![Gap::everything(now)], ..Self::default() }
    }

    /// Messages that the API is expected to return.
    #[must_use]
    pub fn standing(&self) -> i64 {
        self.messages.saturating_sub(self.gone)
    }

    /// Whether nothing is missing as far as was asked: no gap, and the documented end was seen.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.gaps.is_empty() && self.beginning_seen
    }

    /// The gap that reaches up to now, if there is evidence for one.
    #[must_use]
    pub fn top_gap(&self) -> Option<&Gap> {
        self.gaps.first().filter(|g| g.newer_ms.is_none())
    }
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The gap it was for, as it was when asked; id 0 for a look at the head.
    pub gap: Gap,
    /// The cursor that was sent.
    pub cursor: Option<Cursor>,
    /// How many messages were asked for.
    pub count: u32,
    /// How many can ever be asked for at once, whatever else is asked: by all caps, and [`LARGEST_ASK`].
    pub most: u32,
    /// The run that asked.
    pub run: i64,
}

impl Asked {
    /// Whether this was for everything below a point above the gap's newer edge, and so for that edge as well.
    #[must_use]
    pub fn above_border(&self) -> bool {
        let sent = self.cursor.as_ref().and_then(Cursor::number);
        self.gap.newer_ms.zip(sent).is_some_and(|(newer, sent)| sent > newer)
    }

    /// The cursor that was sent, if it is the server's own, unchanged.
    pub(in crate::core) fn as_given(&self) -> Option<&Cursor> {
        self.cursor.as_ref().filter(|sent| self.gap.cursor.as_ref() == Some(*sent))
    }

    /// Whether the cursor that was sent counts in seconds.
    pub(in crate::core) fn in_seconds(&self) -> bool {
        self.cursor.as_ref().is_some_and(Cursor::in_seconds)
    }

    /// How far up the answer covers: to now when it was asked for without a cursor, else to the gap's newer edge, or
    /// higher where the server gave more.
    pub(in crate::core) fn upper(&self, hi: Ms) -> Ms {
        self.gap.newer_ms.map_or(Ms::MAX, |newer| newer.max(hi))
    }
}

/// What a page does to the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// What becomes of messages; indices are into the page.
    pub changes: Vec<Change>,
    /// All gaps of the conversation from now on, newest first; those with id 0 are new.
    pub gaps: Vec<Gap>,
    /// Whether the beginning has been seen.
    pub beginning_seen: bool,
    /// Why the walk stops here, if the page gives reason to.
    pub stall: Option<Stall>,
}

/// Which stored messages [`apply`] has to know of: positions from the first to the second bound, both included, and
/// so many next below them.
#[must_use]
pub fn window(asked: &Asked, page: &Page) -> (Ms, Ms, u32) {
    // A page without any place shows nothing from where it was asked for downward.
    let asked_from = asked.gap.newer_ms.unwrap_or(Ms::MAX);
    let (lo, hi) = page.span().unwrap_or((asked_from, asked_from));
    let derived = page.messages.iter().filter(|m| m.derived_time).map(|m| m.at_ms);
    let lo = derived.clone().fold(lo, Ms::min);
    let hi = if asked.gap.newer_ms.is_none() {
        Ms::MAX
    } else {
        derived.fold(hi, Ms::max).max(asked.gap.newer_ms.unwrap_or(hi))
    };
    let below = if page.below == Below::End {
        asked.count.saturating_sub(page.returned).saturating_add(1)
    } else {
        0
    };
    (lo, hi, below)
}

/// Applies a page to a conversation. `known` holds the stored messages that [`window`] names, and those with a URN
/// of the page wherever they stand.
#[must_use]
pub fn apply(timeline: &Timeline, asked: &Asked, page: &Page, known: &Known, now: Ms) -> Delta {
    let verdict = judge(timeline, asked, page, known);
    let reach = reach(asked, page, &verdict);
    let emptied = verdict == Verdict::End && page.messages.is_empty() && asked.gap.newer_ms.is_none();
    let changes = if emptied { vec![Change::AllGone] } else { changes(timeline, page, known, &reach) };
    let mut gaps = with_asked(timeline, asked);
    let mut beginning_seen = timeline.beginning_seen;
    let mut stall = None;
    match verdict {
        Verdict::Stalled(why) => {
            mark(&mut gaps, asked, |g| g.stalled(&why, asked.run));
            guard_strays(&mut gaps, timeline, page, &changes, now);
            stall = Some(why);
        }
        Verdict::Larger(count) => mark(&mut gaps, asked, |g| Gap { ask_at_least: count, ..g }),
        Verdict::Passed(count) => {
            pass_by(&mut gaps, asked, count, now);
            stall = Some(Stall::OneMillisecond);
        }
        Verdict::End => {
            // Of the gaps below, each gets its own answer; the end closes the one that was asked for.
            beginning_seen |= asked.gap.older_ms.is_none();
            gaps.retain(|g| !g.is(&asked.gap));
            if let Some((lo, hi)) = page.span() {
                gaps = coverage::subtract(gaps, &Covered::by(asked, page, lo, hi, None));
            }
            coverage::doubt_border(&mut gaps, &timeline.gaps, asked, page, now);
            if beginning_seen {
                gaps.retain(|g| g.older_ms.is_some());
            }
        }
        Verdict::Progress { lo, flaw } => {
            let (_, hi) = page.span().unwrap_or((lo, lo));
            let cursor = match (&page.below, &flaw) {
                (Below::More(cursor), None) => Some(cursor.clone()),
                _ => None,
            };
            let reopened = reopened(timeline, asked, page, lo, now);
            gaps = coverage::subtract(gaps, &Covered::by(asked, page, lo, hi, cursor.clone()));
            coverage::doubt_border(&mut gaps, &timeline.gaps, asked, page, now);
            if ends_all(timeline, page, known, lo) {
                gaps.retain(|g| g.newer_ms.is_none_or(|newer| newer > lo));
                beginning_seen = true;
            }
            if let Some(mut gap) = reopened {
                gap.cursor = cursor;
                // A message that has changed its time may have left a gap that reaches further down.
                gap.newer_ms =
                    gaps.iter().filter_map(|g| g.older_ms).min().min(gap.newer_ms).or(gap.newer_ms);
                gaps.push(gap);
                beginning_seen = false;
            }
            // Where no gap begins below the page, it does not matter what it claims of the rest.
            let mut open = gaps.iter_mut().find(|g| g.newer_ms == Some(lo));
            if let Some(gap) = &mut open {
                let fresh = changes.iter().filter(|c| matches!(c, Change::Insert(_))).count();
                gap.filled = asked.gap.filled.saturating_add(u32::try_from(fresh).unwrap_or(u32::MAX));
            }
            if let (Some(why), Some(gap)) = (flaw, open) {
                *gap = std::mem::take(gap).stalled(&why, asked.run);
                stall = Some(why);
            }
        }
    }
    if stall.is_none() && gaps.contains(&asked.gap) {
        // Whatever the reason: a request that changed nothing must not be made again at once.
        mark(&mut gaps, asked, |g| g.stalled(&Stall::RepeatedPage, asked.run));
        stall = Some(Stall::RepeatedPage);
    }
    // A conversation that was empty to its beginning has begun anew when it is found to hold more than a page.
    beginning_seen &= gaps.iter().all(|g| g.older_ms.is_some());
    Delta { changes, gaps, beginning_seen, stall }
}

/// What becomes of messages. A conversation that was taken for empty and shows one of its messages again never was:
/// what went with that one comes back too, because the stretch below this page may not be looked at again for long.
fn changes(timeline: &Timeline, page: &Page, known: &Known, reach: &Reach) -> Vec<Change> {
    let changes = reconcile(page, known, reach);
    if timeline.standing() > 0 || !changes.iter().any(Change::returns) {
        return changes;
    }
    let mut standing = known.clone();
    for stored in standing.near.iter_mut().chain(&mut standing.below) {
        stored.gone = false;
    }
    let lacking = reconcile(page, &standing, reach).into_iter().filter(|c| matches!(c, Change::Gone(_)));
    std::iter::once(Change::AllBack).chain(changes).chain(lacking).collect()
}

/// What a page amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// It reaches down to the beginning.
    End,
    /// It covers everything strictly above `lo`, down from where it was asked.
    Progress { lo: Ms, flaw: Option<Stall> },
    /// A full page of one millisecond: ask for at least so many.
    Larger(u32),
    /// The same, but so many can never be asked for: go on below it.
    Passed(u32),
    /// It proves nothing.
    Stalled(Stall),
}

fn judge(timeline: &Timeline, asked: &Asked, page: &Page, known: &Known) -> Verdict {
    let end = page.below == Below::End;
    let Some((lo, hi)) = page.span() else {
        return match (end, page.messages.is_empty()) {
            (true, _) => believe_end(timeline, asked, page, known),
            (false, true) => Verdict::Stalled(Stall::EmptyButMore),
            (false, false) => Verdict::Stalled(Stall::NoTimes),
        };
    };
    // To reach the segment below says more than the end does.
    if end && asked.gap.older_ms.is_none_or(|older| lo >= older) {
        return believe_end(timeline, asked, page, known);
    }
    if let Some(newer) = asked.gap.newer_ms.filter(|newer| lo >= *newer && !end) {
        let one_instant = hi.saturating_sub(newer) <= if asked.in_seconds() { 1000 } else { 1 };
        let full = page.returned >= asked.count;
        return match asked.count.saturating_add(RESULTS_PER_CREDIT) {
            larger if one_instant && full && larger <= asked.most.min(LARGEST_ASK) => Verdict::Larger(larger),
            larger if one_instant && full && asked.cursor.as_ref().is_some_and(|c| c.number().is_some()) => {
                Verdict::Passed(larger)
            }
            _ if one_instant && full => Verdict::Stalled(Stall::OneMillisecond),
            _ => Verdict::Stalled(Stall::RepeatedPage),
        };
    }
    match start::doubt(timeline, asked, page, known) {
        Some(doubt) => Verdict::Stalled(doubt),
        None => Verdict::Progress { lo, flaw: cursor_flaw(asked, page) },
    }
}

fn believe_end(timeline: &Timeline, asked: &Asked, page: &Page, known: &Known) -> Verdict {
    let doubt = doubt::doubt(timeline, asked, page, known);
    let doubt = doubt.or_else(|| start::doubt(timeline, asked, page, known));
    doubt.map_or(Verdict::End, Verdict::Stalled)
}

/// Whether a page that made contact also shows the beginning: it ends, and nothing is known below it.
fn ends_all(timeline: &Timeline, page: &Page, known: &Known, lo: Ms) -> bool {
    page.below == Below::End
        && timeline.oldest_ms.is_none_or(|oldest| lo <= oldest)
        && doubt::missing_from_count(timeline, page, known).is_none()
}

/// Whether the way on from this page is sound.
fn cursor_flaw(asked: &Asked, page: &Page) -> Option<Stall> {
    match (&page.below, &asked.cursor) {
        (Below::MoreWithoutCursor, _) => Some(Stall::MoreWithoutCursor),
        (Below::More(next), Some(sent)) => {
            let down = match (next.number(), sent.number()) {
                (Some(next), Some(sent)) => next < sent,
                _ => next != sent,
            };
            (!down).then_some(Stall::CursorNotDown)
        }
        (Below::More(_) | Below::End, _) => None,
    }
}

/// In which stretch a stored message that the page lacks is known to be gone.
fn reach(asked: &Asked, page: &Page, verdict: &Verdict) -> Reach {
    let bounds = match verdict {
        Verdict::Stalled(_) | Verdict::Larger(_) | Verdict::Passed(_) => None,
        // Creation comes before delivery: such places do not compare to those of messages with times.
        _ if page.without_times() => None,
        // A server that orders by something else may show the rest on another page.
        _ if !page.ordered() => None,
        Verdict::Progress { .. } | Verdict::End => {
            Some(page.span().map_or((Ms::MAX, Ms::MIN), |(lo, hi)| {
                // The server's own cursor may begin below what the last page ended with: messages without a time, and
                // those of the border's instant.
                (lo, if asked.as_given().is_some() { hi } else { asked.upper(hi) })
            }))
        }
    };
    let Some((above, below)) = bounds else { return Reach::NOWHERE };
    // A page that had room for more and ends: what is stored just below it is gone as well, but only if it would
    // have fitted, so that the next look at the same page puts right what a false end got wrong.
    let placed = page.span().is_some() || asked.as_given().is_none();
    let ends = page.below == Below::End && placed;
    let room_below = if ends { asked.count.saturating_sub(page.returned) } else { 0 };
    Reach { above, below, room_below }
}

/// The conversation's gaps with the one that was asked for among them, also when that was a look at the head.
fn with_asked(timeline: &Timeline, asked: &Asked) -> Vec<Gap> {
    let mut gaps = timeline.gaps.clone();
    if asked.gap.id == 0 && !gaps.iter().any(|g| g.is(&asked.gap)) {
        gaps.insert(0, asked.gap.clone());
    }
    gaps
}

fn mark(gaps: &mut [Gap], asked: &Asked, change: impl FnOnce(Gap) -> Gap) {
    if let Some(gap) = gaps.iter_mut().find(|g| g.is(&asked.gap)) {
        *gap = change(std::mem::take(gap));
    }
}

/// Leaves an instant that holds more than can ever be asked for at once as a gap of its own, and goes on below it. How
/// far below is not known of a server that may or may not include its cursor: one step now, another if it takes that.
fn pass_by(gaps: &mut Vec<Gap>, asked: &Asked, ask_at_least: u32, now: Ms) {
    let Some(newer) = asked.gap.newer_ms else { return };
    let next = newer.saturating_sub(if asked.in_seconds() { 1000 } else { 1 });
    let rest = asked.gap.older_ms.is_none_or(|older| older <= next).then(|| Gap {
        newer_ms: Some(next),
        older_ms: asked.gap.older_ms,
        cursor: asked.in_seconds().then(|| Cursor(next.div_euclid(1000).to_string())),
        opened_ms: now,
        filled: asked.gap.filled,
        ..Gap::default()
    });
    let floor = next.saturating_add(1);
    mark(gaps, asked, |gap| {
        let older_ms = Some(gap.older_ms.unwrap_or(floor).max(floor));
        Gap { older_ms, ask_at_least, ..gap }.stalled(&Stall::OneMillisecond, asked.run)
    });
    gaps.extend(rest);
    coverage::sort(gaps);
}

/// A gap below what was taken for the beginning, when a page shows that there is more.
fn reopened(timeline: &Timeline, asked: &Asked, page: &Page, lo: Ms, now: Ms) -> Option<Gap> {
    let older_than_all = timeline.oldest_ms.is_some_and(|oldest| lo < oldest);
    let open = asked.gap.older_ms.is_none() || timeline.gaps.iter().any(|g| g.older_ms.is_none());
    (older_than_all && !open && page.below != Below::End).then(|| Gap {
        newer_ms: Some(lo),
        opened_ms: now,
        ..Gap::default()
    })
}

/// A page that proves nothing may still hold messages newer than all that is stored. They are kept, and what may
/// be missing between them and the rest becomes a gap.
fn guard_strays(gaps: &mut Vec<Gap>, timeline: &Timeline, page: &Page, changes: &[Change], now: Ms) {
    let newest = timeline.newest_ms.unwrap_or(Ms::MIN);
    let above = |index: &usize| page.messages.get(*index).is_some_and(|m| m.at_ms > newest);
    let stray = changes.iter().any(|c| match c {
        Change::Insert(index) => above(index),
        Change::Update { index, .. } => {
            above(index) && page.messages.get(*index).is_some_and(|m| !m.derived_time)
        }
        Change::Back(_) | Change::Gone(_) | Change::AllGone | Change::AllBack => false,
    });
    if stray && gaps.first().is_none_or(|g| g.newer_ms.is_some()) {
        gaps.insert(0, Gap::head(timeline.newest_ms, now));
    }
}
