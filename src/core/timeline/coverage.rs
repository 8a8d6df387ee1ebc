//! What a page covers: where it shows every message, and what is left of the gaps.

use crate::core::Ms;
use crate::core::model::cursor::Cursor;
use crate::core::model::page::{Below, Page};
use crate::core::timeline::gap::{Asked, Gap};
use crate::core::timeline::identity::Stored;
use crate::core::timeline::pairing::NEAR_MS;
use crate::core::timeline::stall::Stall;

/// As if asked for in vain so often at most, what is left of a gap at its border is asked for: nine runs later, and from
/// just above it.
const BORDER_STALLS: u32 = 6;

/// The stretch in which a page shows every message: strictly between the two positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    /// Exclusive lower bound.
    pub(super) above: Ms,
    /// Exclusive upper bound.
    pub(super) below: Ms,
    /// How many more messages the page had room for, when it claims to be the last.
    pub(super) room_below: u32,
    /// Whether what stands at its lower bound is read once more with what lies below, or nothing lies there.
    pub(super) edge_again: bool,
    /// Whether everything at its upper bound is shown as well.
    pub(super) top_whole: bool,
}

impl Reach {
    /// Of a page that proves nothing.
    pub(super) const NOWHERE: Self =
        Self { above: Ms::MAX, below: Ms::MIN, room_below: 0, edge_again: false, top_whole: false };

    /// Of a page that is believed.
    pub(super) fn of(asked: &Asked, page: &Page) -> Self {
        // Creation comes before delivery: such places do not compare to those of messages with times. And a server that
        // orders by something else may show the rest on another page.
        // What could not be read, or is of another thread, may stand where a stored message should.
        if page.without_times() || !page.ordered() || !page.oddities.is_empty() {
            return Self::NOWHERE;
        }
        let (above, below) = page.span().map_or((Ms::MAX, Ms::MIN), |(lo, hi)| {
            // The server's own cursor may begin below what the last page ended with: messages without a time, and
            // those of the border's instant.
            (lo, if asked.as_given().is_some() { hi } else { asked.upper(hi) })
        });
        // A page that had room for more and ends: what is stored just below it is gone as well, but only if it would
        // have fitted, so that the next look at the same page puts right what a false end got wrong.
        let placed = page.span().is_some() || asked.as_given().is_none();
        let ends = page.below == Below::End && placed;
        let room_below = if ends { asked.count.saturating_sub(page.returned) } else { 0 };
        // Only a cursor that is a time can be sent from above the edge.
        let edge_again = !matches!(&page.below, Below::More(cursor) if cursor.number().is_none());
        Self { above, below, room_below, edge_again, top_whole: asked.above_border() }
    }

    /// Whether a stored message's place is inside, wherever exactly it is.
    pub(super) fn holds(&self, stored: &Stored) -> bool {
        let at = stored.message.at_ms;
        let doubt = if stored.exported { NEAR_MS } else { 0 };
        // What is shown down to the beginning has no lower border.
        let doubt_below = if self.room_below > 0 { 0 } else { doubt };
        at.saturating_sub(doubt_below) > self.above && at.saturating_add(doubt) < self.below
    }
}

/// A stretch that a page covers: everything strictly between `lo` and `hi`, and at `lo` perhaps not all.
pub(super) struct Covered<'a> {
    lo: Ms,
    /// Of the gap that the page was asked for. Of other gaps a page of the head covers what it shows.
    own_hi: Ms,
    hi: Ms,
    /// Whether everything at `hi` is covered as well.
    whole_hi: bool,
    own: &'a Gap,
    cursor: Option<Cursor>,
    /// What becomes of a gap whose lower edge the page seems to have passed without proof: where it goes on, the newest
    /// stored position below the page. `None`: the page made contact.
    unproven: Option<Option<Ms>>,
}

impl<'a> Covered<'a> {
    pub(super) fn by(asked: &'a Asked, page: &Page, lo: Ms, hi: Ms, cursor: Option<Cursor>) -> Self {
        let whole_hi = match asked.as_given() {
            None => true,
            Some(sent) => {
                sent.number().is_some() && asked.gap.newer_ms.is_none_or(|newer| shows(page, newer))
            }
        };
        let own_hi = asked.upper(hi);
        let hi = if asked.gap.newer_ms.is_some() { own_hi } else { hi };
        let cursor = cursor.or_else(|| asked.cursor.as_ref().and_then(|sent| in_unit_of(sent, lo)));
        Self { lo, own_hi, hi, whole_hi, own: &asked.gap, cursor, unproven: None }
    }

    /// The same of a page that does not prove that it reached what is stored. `floor` is the newest stored position below
    /// it.
    pub(super) fn without_contact(self, floor: Option<Ms>) -> Self {
        Self { unproven: Some(floor), ..self }
    }
}

/// Takes away from gaps what a page covers: each is closed, shrunk or split there.
pub(super) fn subtract(gaps: &mut Vec<Gap>, covered: &Covered) {
    let mut left = Vec::with_capacity(gaps.len());
    let mut passed = None;
    for gap in std::mem::take(gaps) {
        let top = gap.newer_ms.unwrap_or(Ms::MAX);
        let bottom = gap.older_ms.unwrap_or(Ms::MIN);
        let own = gap.is(covered.own);
        let hi = if own { covered.own_hi } else { covered.hi };
        // A gap that ends at `hi` and begins above it has its own border there, and so has one of that instant alone
        // where the page began within it.
        let borders = bottom == hi && (top > hi || (!covered.whole_hi && !own));
        if top <= covered.lo || bottom > hi || borders {
            left.push(gap);
            continue;
        }
        let above = (top > hi).then(|| Gap { older_ms: Some(hi), ..gap.clone() });
        if bottom > covered.lo && above.is_none() {
            passed = passed.or_else(|| Some(gap.clone()));
        }
        let below = (bottom <= covered.lo).then(|| Gap {
            id: if above.is_some() { 0 } else { gap.id },
            newer_ms: Some(covered.lo),
            cursor: covered.cursor.clone().or_else(|| in_unit_of(gap.cursor.as_ref()?, covered.lo)),
            // A doubt goes on below.
            stalled: gap.stalled.clone().filter(Stall::is_doubt),
            stalls: 0,
            ask_at_least: 0,
            ..gap
        });
        left.extend(above);
        left.extend(below);
    }
    if let Some((floor, gap)) = covered.unproven.zip(passed)
        && !left.iter().any(|g| g.newer_ms == Some(covered.lo))
    {
        let floor =
            left.iter().filter_map(|g| g.newer_ms).filter(|newer| *newer < covered.lo).max().max(floor);
        let (newer_ms, cursor, filled) = (Some(covered.lo), covered.cursor.clone(), gap.filled);
        left.push(Gap {
            id: gap.id,
            opened_ms: gap.opened_ms,
            newer_ms,
            older_ms: floor,
            cursor,
            filled,
            ..Gap::default()
        });
    }
    *gaps = left;
}

/// Adds what stays in doubt at a page's upper border, and puts the gaps in order.
pub(super) fn doubt_border(gaps: &mut Vec<Gap>, before: &[Gap], asked: &Asked, page: &Page, now: Ms) {
    gaps.extend(border_in_doubt(before, asked, page, now));
    sort(gaps);
}

/// A cursor that was sent as the server gave it may have left out what shares its instant (its millisecond, or its
/// second where cursors are seconds), unless the page shows that instant again. From the border down to there then stays
/// a gap. The cursor lies below the border where the page above ended with messages without a time.
fn border_in_doubt(before: &[Gap], asked: &Asked, page: &Page, now: Ms) -> Option<Gap> {
    let (newer, sent) = asked.gap.newer_ms.zip(asked.as_given()?.number())?;
    let (older, shown) = if asked.in_seconds() {
        let second = newer.saturating_sub(newer.rem_euclid(1000));
        (sent.saturating_mul(1000).min(second), shows(page, newer))
    } else {
        (sent, sent > newer || shows(page, sent))
    };
    // Nothing was missing below the gaps that were there, and below the page there is a gap already.
    let touched = before
        .iter()
        .filter(|g| g.newer_ms.is_none_or(|n| n >= older) && g.older_ms.is_none_or(|o| o <= newer));
    let floor = touched.map(|g| g.older_ms.unwrap_or(Ms::MIN)).min().unwrap_or(Ms::MIN);
    let page_ends = page.span().map_or(Ms::MIN, |(lo, _)| lo);
    let older_ms = Some(older.max(floor).max(page_ends).min(newer));
    let stalls = asked.gap.stalls.saturating_add(1);
    (!shown).then(|| Gap {
        newer_ms: Some(newer),
        older_ms,
        cursor: asked.gap.cursor.clone(),
        opened_ms: now,
        // Such a cursor is only sent after others came to nothing, and for this instant that still holds.
        stalled: asked.gap.stalled.clone(),
        stalls: if older_ms == asked.gap.older_ms { stalls } else { stalls.min(BORDER_STALLS) },
        stalled_run: asked.run,
        ..Gap::default()
    })
}

/// Whether a message of this position, as served, is on the page.
pub(super) fn shows(page: &Page, at: Ms) -> bool {
    page.messages.iter().any(|m| m.at_ms == at && !m.derived_time)
}

/// A cursor of our own for a server that counts in seconds; where it counts in milliseconds none is needed.
fn in_unit_of(other: &Cursor, lo: Ms) -> Option<Cursor> {
    other.in_seconds().then(|| Cursor::made(lo.div_euclid(1000)))
}

/// Newest first, and each stretch once.
pub(in crate::core) fn sort(gaps: &mut Vec<Gap>) {
    gaps.sort_by_key(|g| {
        let (newer, older) = (g.newer_ms.unwrap_or(Ms::MAX), g.older_ms.unwrap_or(Ms::MIN));
        (std::cmp::Reverse((newer, older)), g.id == 0, g.id)
    });
    gaps.dedup_by(|later, earlier| {
        let stretch = |g: &Gap| (g.newer_ms, g.older_ms, g.cursor.clone());
        stretch(later) == stretch(earlier)
    });
}
