//! Whether to believe where an answer begins: a page that should show what is known, and does not, may be an old one,
//! or one from further down.
//!
//! To believe it would close the gap above the page over messages that were never seen. Messages vanish, too, so it is
//! believed when the next attempt comes to the same.

use crate::core::Ms;
use crate::core::model::page::Page;
use crate::core::timeline::coverage::shows;
use crate::core::timeline::gap::{Asked, Timeline};
use crate::core::timeline::identity::{Change, Known, Reach, reconcile};
use crate::core::timeline::stall::Stall;

/// So many vanished newest messages are sure to be on the next newest page, should they still be there.
const MISSED_AT_MOST: usize = 10;

/// What speaks against the beginning of a page, unless the last attempt came to nothing as well.
pub(in crate::core) fn doubt(
    timeline: &Timeline,
    asked: &Asked,
    page: &Page,
    known: &Known,
) -> Option<Stall> {
    // Where nothing has a time, nothing can be said to have vanished either.
    if asked.gap.stalls > 0 || page.without_times() {
        return None;
    }
    match asked.gap.newer_ms {
        None => newest_missing(timeline, asked, page, known),
        Some(newer) => border_missing(newer, asked, page, known),
    }
}

/// The doubt that what should be the newest page is an old one: what stood above it, or level with its top, has
/// vanished. Where that is little, and nothing is known to be missing up there, it does no harm to believe it: either it
/// was deleted, or the next look at the head brings it back.
fn newest_missing(timeline: &Timeline, asked: &Asked, page: &Page, known: &Known) -> Option<Stall> {
    let (lo, hi) = page.span()?;
    let vanished = vanished(page, known, lo.max(hi.saturating_sub(1)), Ms::MAX);
    let gaps_above = timeline.gaps.iter().any(|g| g.newer_ms.is_some_and(|newer| newer >= hi));
    let messages_within = asked.gap.older_ms < timeline.newest_ms;
    let risky = messages_within || gaps_above || vanished > MISSED_AT_MOST;
    (vanished > 0 && risky).then_some(Stall::NewestMissing)
}

/// The doubt that the page begins too far down, or is an old one: a cursor just above the border is answered with all
/// of the border's messages again, so a page that lacks one has skipped something, unless it was deleted.
fn border_missing(newer: Ms, asked: &Asked, page: &Page, known: &Known) -> Option<Stall> {
    // The server's own cursor may begin below the border. One that shows it is an inclusive number, and shows all of it.
    if asked.as_given().is_some_and(|sent| sent.number().is_none() || !shows(page, newer)) {
        return None;
    }
    let vanished = vanished(page, known, newer.saturating_sub(1), newer.saturating_add(1));
    (vanished > 0).then_some(Stall::BorderMissing)
}

/// How many stored messages strictly between two positions the page lacks.
fn vanished(page: &Page, known: &Known, above: Ms, below: Ms) -> usize {
    let changes = reconcile(page, known, &Reach { above, below, room_below: 0 });
    changes.iter().filter(|c| matches!(c, Change::Gone(_))).count()
}
