//! The second reading of a complete conversation: what a page shows of edits and deletions, without a new gap.

use crate::core::Ms;
use crate::core::model::page::Page;
use crate::core::timeline::apply;
use crate::core::timeline::apply::Delta;
use crate::core::timeline::gap::{Asked, Timeline};
use crate::core::timeline::identity::Known;

/// Applies a page of a second reading: what it says of messages holds, as of any page, but what lies below it is
/// stored, so that no gap is left there. Returns with it where the reading goes on; `None`: it is done.
#[must_use]
pub fn apply(timeline: &Timeline, asked: &Asked, page: &Page, known: &Known, now: Ms) -> (Delta, Option<Ms>) {
    let scratch = Timeline { gaps: vec![asked.gap.clone()], beginning_seen: false, ..timeline.clone() };
    let delta = apply::apply(&scratch, asked, page, known, now);
    let from = asked.gap.newer_ms.unwrap_or(Ms::MAX);
    let below = delta.gaps.last().and_then(|g| g.newer_ms).filter(|_| delta.stall.is_none());
    // A millisecond that fills a page was read as far as it can be.
    let next = below.map(|at| if at < from { at } else { from.saturating_sub(1) });
    let next = next.filter(|at| timeline.oldest_ms.is_some_and(|oldest| *at >= oldest));
    let kept = Delta { gaps: timeline.gaps.clone(), beginning_seen: timeline.beginning_seen, ..delta };
    (kept, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::cursor::Cursor;
    use crate::core::model::message::{Message, Sender};
    use crate::core::model::page::Below;
    use crate::core::raw::Raw;
    use crate::core::timeline::gap::Gap;
    use crate::core::timeline::identity::{Change, Stored};

    fn message(at_ms: Ms, text: &str) -> Message {
        let urn = Some(format!("u{at_ms}"));
        let (sender, kind, raw) = (Sender::default(), "TEXT".to_owned(), Raw::default());
        Message { urn, at_ms, derived_time: false, sender, kind, text: text.to_owned(), raw }
    }

    fn page(messages: Vec<Message>, below: Below) -> Page {
        let returned = u32::try_from(messages.len()).unwrap();
        let (conversation_urn, total, unread, last_seen_ms) = (None, None, None, None);
        Page { messages, below, returned, conversation_urn, total, unread, last_seen_ms, oddities: vec![] }
    }

    fn read(from: Ms, page: &Page) -> (Delta, Option<Ms>) {
        let timeline = Timeline {
            newest_ms: Some(50),
            oldest_ms: Some(10),
            messages: 5,
            beginning_seen: true,
            ..Timeline::default()
        };
        let stored = |at| Stored { id: at, message: message(at, "as it was"), gone: false, exported: false };
        let known = Known { near: (1..=5).rev().map(|n| stored(n * 10)).collect(), below: vec![] };
        let gap = Gap { newer_ms: Some(from), ..Gap::default() };
        let asked = Asked { cursor: gap.cursor_to_send(), gap, count: 10, most: u32::MAX, run: 1 };
        apply(&timeline, &asked, page, &known, 99)
    }

    #[test]
    fn edits_and_deletions_in_old_stretches_are_found_and_no_gap_is_left() {
        let shown = vec![message(50, "as it was"), message(30, "edited")];
        let (delta, next) = read(50, &page(shown, Below::More(Cursor::made(30))));
        assert!(delta.changes.iter().any(|c| matches!(c, Change::Gone(40))), "{delta:?}");
        assert!(delta.changes.iter().any(|c| matches!(c, Change::Update { id: 30, edited: true, .. })));
        assert_eq!((delta.gaps, delta.beginning_seen, next), (vec![], true, Some(30)));
    }

    #[test]
    fn the_end_or_a_page_that_cannot_be_believed_ends_it() {
        let rest = vec![message(30, "as it was"), message(20, "as it was"), message(10, "as it was")];
        assert_eq!(read(30, &page(rest, Below::End)).1, None);
        let (delta, next) = read(30, &page(vec![], Below::MoreWithoutCursor));
        assert!(delta.stall.is_some() && delta.changes.is_empty());
        assert_eq!((delta.gaps, next), (vec![], None));
    }
}
