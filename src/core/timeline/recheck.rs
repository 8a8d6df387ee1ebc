//! The second reading of a complete conversation: what a page shows of edits and deletions, without a new gap.

use crate::core::Ms;
use crate::core::model::page::Page;
use crate::core::timeline::apply::{self, Update};
use crate::core::timeline::gap::{Asked, Timeline};
use crate::core::timeline::identity::Known;

/// Applies a page of a second reading. It takes the road of any page, and what it says of messages holds; but what lies
/// below it is stored, so that no gap is left there. Instead, [`Update::RecheckAt`] says where the reading goes on.
#[must_use]
pub fn apply(timeline: &Timeline, asked: &Asked, page: &Page, known: &Known, now: Ms) -> Vec<Update> {
    let scratch = Timeline { gaps: vec![asked.gap.clone()], beginning_seen: false, ..timeline.clone() };
    let mut updates = apply::apply(&scratch, asked, page, known, now);
    let mut gaps = scratch.gaps;
    let mut stalled = false;
    updates.retain_mut(|update| match update {
        Update::Gaps(left) => {
            gaps = std::mem::take(left);
            false
        }
        Update::Beginning { .. } | Update::Counted(_) => false,
        Update::Stalled(_) => {
            stalled = true;
            true
        }
        _ => true,
    });
    let from = asked.gap.newer_ms.unwrap_or(Ms::MAX);
    let below = gaps.last().and_then(|g| g.newer_ms).filter(|_| !stalled);
    // A millisecond that fills a page was read as far as it can be.
    let next = below.map(|at| if at < from { at } else { from.saturating_sub(1) });
    let next = next.filter(|at| timeline.oldest_ms.is_some_and(|oldest| *at >= oldest));
    updates.push(Update::RecheckAt(next));
    updates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::cursor::Cursor;
    use crate::core::model::ids::{MessageId, RunId};
    use crate::core::model::message::{Message, Sender};
    use crate::core::model::page::Below;
    use crate::core::raw::Raw;
    use crate::core::timeline::gap::Gap;
    use crate::core::timeline::identity::{Change, Stored};

    fn message(at_ms: Ms, text: &str) -> Message {
        let urn = Some(format!("u{at_ms}"));
        let (sender, kind, raw) = (Sender::default(), "TEXT".to_owned(), Raw::default());
        Message {
            urn,
            at_ms,
            derived_time: false,
            untrusted_ms: None,
            sender,
            kind,
            text: text.to_owned(),
            raw,
        }
    }

    fn page(messages: Vec<Message>, below: Below) -> Page {
        let returned = u32::try_from(messages.len()).unwrap();
        let (conversation_urn, total, unread, last_seen_ms) = (None, None, None, None);
        Page { messages, below, returned, conversation_urn, total, unread, last_seen_ms, oddities: vec![] }
    }

    fn read(from: Ms, page: &Page) -> Vec<Update> {
        let timeline = Timeline {
            newest_ms: Some(50),
            oldest_ms: Some(10),
            messages: 5,
            beginning_seen: true,
            ..Timeline::default()
        };
        let stored = |at| Stored {
            id: MessageId(at),
            message: message(at, "as it was"),
            gone: false,
            exported: false,
            erased: false,
        };
        let known = Known { near: (1..=5).rev().map(|n| stored(n * 10)).collect(), below: vec![] };
        let gap = Gap { newer_ms: Some(from), ..Gap::default() };
        let asked = Asked { cursor: gap.cursor_to_send(), gap, count: 10, most: u32::MAX, run: RunId(1) };
        apply(&timeline, &asked, page, &known, 99)
    }

    fn next(updates: &[Update]) -> Option<Ms> {
        let next = |update: &Update| if let Update::RecheckAt(next) = update { Some(*next) } else { None };
        updates.iter().find_map(next).unwrap()
    }

    fn touches_gaps(updates: &[Update]) -> bool {
        updates.iter().any(|u| matches!(u, Update::Gaps(_) | Update::Beginning { .. }))
    }

    #[test]
    fn edits_and_deletions_in_old_stretches_are_found_and_no_gap_is_left() {
        let shown = vec![message(50, "as it was"), message(30, "edited")];
        let updates = read(50, &page(shown, Below::More(Cursor::made(30))));
        assert!(updates.contains(&Update::Message(Change::Gone(MessageId(40)))), "{updates:?}");
        let edit =
            |u: &Update| matches!(u, Update::Message(Change::Update { id: MessageId(30), edited: true, .. }));
        assert!(updates.iter().any(edit), "{updates:?}");
        assert_eq!((touches_gaps(&updates), next(&updates)), (false, Some(30)));
    }

    #[test]
    fn a_reading_is_done_at_the_end_and_after_a_page_that_is_not_believed() {
        let rest = vec![message(30, "as it was"), message(20, "as it was"), message(10, "as it was")];
        assert_eq!(next(&read(30, &page(rest, Below::End))), None);
        let updates = read(30, &page(vec![], Below::MoreWithoutCursor));
        assert!(updates.iter().any(|u| matches!(u, Update::Stalled(_))), "{updates:?}");
        assert!(!updates.iter().any(|u| matches!(u, Update::Message(_))), "{updates:?}");
        assert_eq!((touches_gaps(&updates), next(&updates)), (false, None));
    }
}
