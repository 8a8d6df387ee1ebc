//! What is left of a page where everything before a moment was erased.

use std::borrow::Cow;

use crate::core::Ms;
use crate::core::model::message::Message;
use crate::core::model::page::{Below, Page};
use crate::core::model::urn;
use crate::core::timeline::gap::{Gap, Timeline};

/// A page without what was sent before the floor of its conversation. To the timeline, such a conversation begins there:
/// a page that reaches below is its last one, and the server's count of its messages says nothing.
#[must_use]
pub fn cut(page: &Page, floor: Ms) -> Cow<'_, Page> {
    if floor == Ms::MIN {
        return Cow::Borrowed(page);
    }
    let mut page = page.clone();
    page.total = None;
    let before = page.messages.len();
    page.messages.retain(|message| !is_below(message, floor));
    if page.messages.len() < before {
        page.below = Below::End;
    }
    Cow::Owned(page)
}

/// Whether a message was sent before the floor. A server's clock may be wrong for a while, so its id must say so as well.
fn is_below(message: &Message, floor: Ms) -> bool {
    let created = message.urn.as_deref().and_then(urn::created_ms);
    message.at_ms < floor && created.is_none_or(|created| created < floor)
}

/// The gaps that a conversation has from its floor on, and whether its beginning has been seen there. One that reaches
/// across the floor to what was stored below keeps that edge: it is asked for as cautiously as before, because what lies
/// below the floor would be paid for in vain.
#[must_use]
pub fn clip(timeline: &Timeline, floor: Ms) -> (Vec<Gap>, bool) {
    let above = |gap: &&Gap| gap.newer_ms.is_none_or(|newer| newer >= floor);
    let gaps: Vec<Gap> = timeline.gaps.iter().filter(above).cloned().collect();
    let beginning_seen = gaps.iter().all(|gap| gap.older_ms.is_some());
    (gaps, beginning_seen)
}

/// Whether a conversation has a gap that reaches below its floor.
#[must_use]
pub fn is_across(timeline: &Timeline, floor: Ms) -> bool {
    timeline.gaps.iter().any(|gap| reaches_below(gap, floor))
}

/// Whether a gap reaches below the floor.
#[must_use]
pub fn reaches_below(gap: &Gap, floor: Ms) -> bool {
    gap.older_ms.is_none_or(|older| older < floor)
}

/// The same gap as it is once a page has reached the floor: no message that is stored lies below it.
#[must_use]
pub fn at_bottom(gap: &Gap, floor: Ms) -> Gap {
    Gap { older_ms: gap.older_ms.filter(|older| *older >= floor), ..gap.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::message::Sender;
    use crate::core::raw::Raw;

    fn page(times: &[Ms]) -> Page {
        let message = |at_ms: &Ms| Message {
            urn: None,
            at_ms: *at_ms,
            derived_time: false,
            untrusted_ms: None,
            sender: Sender::default(),
            kind: String::new(),
            text: String::new(),
            raw: Raw::default(),
        };
        Page {
            messages: times.iter().map(message).collect(),
            below: Below::MoreWithoutCursor,
            returned: 3,
            conversation_urn: None,
            total: Some(9),
            unread: None,
            last_seen_ms: None,
            oddities: Vec::new(),
        }
    }

    #[test]
    fn a_page_that_reaches_below_the_floor_is_the_last_one() {
        let page = page(&[30, 20, 10]);
        assert_eq!(*cut(&page, Ms::MIN), page);
        let above = cut(&page, 10);
        assert_eq!((above.messages.len(), &above.below, above.total), (3, &Below::MoreWithoutCursor, None));
        let below = cut(&page, 11);
        assert_eq!((below.messages.len(), &below.below), (2, &Below::End));
    }

    #[test]
    fn gaps_end_at_the_floor_and_those_below_it_are_none_any_more() {
        let gap = |newer, older| Gap { newer_ms: newer, older_ms: older, ..Gap::default() };
        let timeline = |gaps: Vec<Gap>| Timeline { gaps, ..Timeline::default() };
        let all = timeline(vec![gap(None, Some(90)), gap(Some(80), Some(30)), gap(Some(20), None)]);
        assert_eq!(clip(&all, 10), (all.gaps.clone(), false));
        assert_eq!(clip(&all, 25), (vec![gap(None, Some(90)), gap(Some(80), Some(30))], true));
        assert_eq!(clip(&all, 40), (vec![gap(None, Some(90)), gap(Some(80), Some(30))], true));
        assert_eq!(clip(&all, 100), (vec![gap(None, Some(90))], true));
        assert_eq!(clip(&timeline(vec![gap(Some(80), None)]), 40), (vec![gap(Some(80), None)], false));
        assert_eq!(
            [30, 31].map(|floor| is_across(&timeline(vec![gap(Some(80), Some(30))]), floor)),
            [false, true]
        );
        assert_eq!(
            [30, 31].map(|floor| at_bottom(&gap(Some(80), Some(30)), floor).older_ms),
            [Some(30), None]
        );
        assert_eq!(clip(&timeline(Vec::new()), 100), (Vec::new(), true));
    }
}
