//! Whether to believe an answer that says it reaches the beginning of a conversation.
//!
//! What contradicts everything else that is known is a fault more often than the truth, and to believe it may cost
//! every message that is still missing. It may be the truth all the same: messages vanish, and a server's count is
//! not documented to the letter. So it is believed when it is said again and again, by requests ever further apart.

use crate::core::model::page::Page;
use crate::core::timeline::apply::{Asked, Gap, Timeline};
use crate::core::timeline::identity::{Change, Known, Reach, reconcile};
use crate::core::timeline::stall::Stall;

/// How often it must be said before a gap is closed for it, which nothing would open again.
const TO_CLOSE_A_GAP: u32 = 4;
/// How often it must be said that a conversation is empty: that is put right when any of its messages comes back.
const TO_EMPTY_A_CONVERSATION: u32 = 2;

/// What speaks against the end that a page claims, unless it was said often enough.
pub(in crate::core) fn doubt(
    timeline: &Timeline,
    asked: &Asked,
    page: &Page,
    known: &Known,
) -> Option<Stall> {
    let emptied = page.messages.is_empty() && asked.gap.newer_ms.is_none() && timeline.standing() > 0;
    let contradicts_itself = emptied && page.total.is_some_and(|total| total > 0);
    let often_enough = if emptied { TO_EMPTY_A_CONVERSATION } else { TO_CLOSE_A_GAP };
    let contradiction = contradiction(timeline, asked, page, known)?;
    let believed = !contradicts_itself && said(&asked.gap, &contradiction) >= often_enough;
    (!believed).then_some(contradiction)
}

fn contradiction(timeline: &Timeline, asked: &Asked, page: &Page, known: &Known) -> Option<Stall> {
    let expected = match asked.gap.newer_ms {
        None => timeline.standing() > 0,
        // Such a page shows at least the border again.
        Some(_) => asked.above_border(),
    };
    let lo = page.span().map(|(lo, _)| lo);
    let above_known = asked.gap.older_ms.is_some_and(|older| lo.is_none_or(|lo| older < lo));
    if page.messages.is_empty() && expected {
        Some(Stall::EmptyButStored)
    } else if above_known && timeline.standing() > 0 {
        Some(Stall::EndAboveKnown)
    } else {
        missing_from_count(timeline, page, known)
    }
}

/// How often the same was said in a row, this time included.
fn said(gap: &Gap, contradiction: &Stall) -> u32 {
    let again = gap.stalled.as_ref().map(Stall::code) == Some(contradiction.code());
    if again { gap.stalls.saturating_add(1) } else { 1 }
}

/// The doubt that the server counts more messages than the archive will hold with this page.
pub(in crate::core) fn missing_from_count(timeline: &Timeline, page: &Page, known: &Known) -> Option<Stall> {
    let total = page.total?;
    let fresh = reconcile(page, known, &Reach::NOWHERE)
        .iter()
        .filter(|c| matches!(c, Change::Insert(_)) || c.returns())
        .count();
    let stored = timeline.standing().saturating_add(i64::try_from(fresh).unwrap_or(i64::MAX));
    (total > stored).then_some(Stall::EndBeforeCount(total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::page::{Below, Cursor};

    fn empty_page(total: Option<i64>) -> Page {
        Page {
            messages: Vec::new(),
            below: Below::End,
            returned: 0,
            conversation_urn: None,
            total,
            unread: None,
            last_seen_ms: None,
            oddities: Vec::new(),
        }
    }

    fn asked(newer_ms: Option<i64>, cursor: Option<i64>) -> Asked {
        let gap = Gap { id: 1, newer_ms, ..Gap::default() };
        Asked { gap, cursor: cursor.map(|c| Cursor(c.to_string())), count: 10, most: u32::MAX, run: 1 }
    }

    /// After how many times the end is believed, if ever.
    fn times(timeline: &Timeline, mut asked: Asked, total: Option<i64>) -> Option<u32> {
        (1..50).find(|_| {
            match doubt(timeline, &asked, &empty_page(total), &Known::default()) {
                None => return true,
                Some(why) => asked.gap = std::mem::take(&mut asked.gap).stalled(&why, 1),
            }
            false
        })
    }

    #[test]
    fn an_end_is_believed_the_sooner_the_less_speaks_against_it_and_the_less_it_can_do() {
        let stored =
            Timeline { messages: 7, newest_ms: Some(900), oldest_ms: Some(500), ..Timeline::default() };
        let nothing = Timeline::default();
        let above = Some(501);
        for (timeline, asked, total, expected) in [
            (&nothing, asked(None, None), None, Some(1)),
            (&nothing, asked(None, None), Some(0), Some(1)),
            (&nothing, asked(None, None), Some(3), Some(4)),
            (&stored, asked(None, None), None, Some(2)),
            (&stored, asked(None, None), Some(7), None),
            (&stored, asked(Some(500), above), None, Some(4)),
            (&stored, asked(Some(500), above), Some(9), Some(4)),
            (&stored, asked(Some(500), Some(500)), None, Some(1)),
            (&stored, asked(Some(500), Some(500)), Some(9), Some(4)),
        ] {
            assert_eq!(times(timeline, asked.clone(), total), expected, "{asked:?} {total:?}");
        }
    }
}
