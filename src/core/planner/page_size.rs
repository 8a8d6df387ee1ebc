//! How many messages to ask for, so that as few as possible are bought a second time.
//!
//! A credit buys ten results or a fraction thereof, every page after the first shows one message again (see
//! [`crate::core::timeline::apply`]), and what lies below a gap's floor is stored already. So where the number of missing messages
//! is known, one request for just so many is the cheapest; where it is not, an open end is asked for in large pages,
//! because all that comes is new, and a gap with a floor in small ones. `crates/bench/benches/planner.rs` compares the sizes.

use crate::core::budget::RESULTS_PER_CREDIT;
use crate::core::planner::next::HEAD_COUNT;
use crate::core::planner::state::Hints;
use crate::core::timeline::gap::{Gap, LARGEST_ASK, Timeline};

/// A gap that has yielded so many messages is likely to yield some dozens more.
const LONG: u32 = 200;
/// And one that has yielded so many, a whole page.
const VERY_LONG: u32 = 400;

/// How many messages to ask for to fill a gap: a multiple of ten, at most `most` unless fewer are known to get nowhere.
#[must_use]
pub fn ask(timeline: &Timeline, hints: &Hints, gap: &Gap, most: u32) -> u32 {
    let count = match (expected(timeline, hints, gap), gap.older_ms) {
        // What is missing, and what a page shows beside it: the message at the upper border and, where there is a
        // floor, that at the lower one and one below, to see that it was reached.
        (Some(Expected::Exactly(missing)), None) => tens_up(missing.saturating_add(1)),
        (Some(Expected::Exactly(missing)), Some(_)) => tens_up(missing.saturating_add(3)),
        (Some(Expected::AtLeast(missing)), Some(_)) => tens_up(missing.saturating_add(2)),
        // What lies below the floor would be bought again, and how long silence lasted says nothing of how much was
        // said since; how much there was so far does.
        (Some(Expected::About(_)) | None, Some(_)) => match gap.filled {
            0..LONG => HEAD_COUNT,
            LONG..VERY_LONG => HEAD_COUNT.saturating_mul(2),
            VERY_LONG.. => most,
        },
        (Some(Expected::About(_) | Expected::AtLeast(_)) | None, None) => most,
    };
    // Twice what was too little the last time; as much as the budget allows will do as well.
    let doubled = gap.ask_at_least.saturating_sub(RESULTS_PER_CREDIT).saturating_mul(2).min(LARGEST_ASK);
    count.clamp(HEAD_COUNT, most.max(HEAD_COUNT)).max(gap.ask_at_least).max(doubled)
}

/// How many messages a gap is thought to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// So many, if the API has counted well.
    Exactly(u32),
    /// At least so many.
    AtLeast(u32),
    /// Some such number, going by the pace of what is known.
    About(u32),
}

/// How many messages a gap is thought to hold, where anything tells.
#[must_use]
pub fn expected(timeline: &Timeline, hints: &Hints, gap: &Gap) -> Option<Expected> {
    let whole = |n: i64| u32::try_from(n.max(0)).unwrap_or(u32::MAX);
    let Some(newer) = gap.newer_ms else {
        // The count is as old as the last page, and this gap is news.
        let fresh = whole(hints.news_at_least);
        return (fresh > 0 && gap.older_ms.is_some()).then_some(Expected::AtLeast(fresh));
    };
    if let (Some(total), [only]) = (hints.served_total, timeline.gaps.as_slice())
        && only.newer_ms == Some(newer)
        && total > timeline.standing()
    {
        return Some(Expected::Exactly(whole(total.saturating_sub(timeline.standing()))));
    }
    match (gap.older_ms, timeline.newest_ms, timeline.oldest_ms) {
        (Some(older), Some(newest), Some(oldest)) if newest > oldest => {
            let width = newer.saturating_sub(older).max(0);
            let about = timeline.messages.max(0).saturating_mul(width) / newest.saturating_sub(oldest);
            Some(Expected::About(whole(about)))
        }
        _ => None,
    }
}

fn tens_up(messages: u32) -> u32 {
    messages.div_ceil(RESULTS_PER_CREDIT).saturating_mul(RESULTS_PER_CREDIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::cursor::Cursor;

    fn timeline(gaps: Vec<Gap>) -> Timeline {
        let (newest_ms, oldest_ms) = (Some(1_000_000), Some(1));
        Timeline { gaps, newest_ms, oldest_ms, messages: 50, gone: 0, ..Timeline::default() }
    }

    fn gap(newer: Option<i64>, older: Option<i64>) -> Gap {
        let cursor = newer.map(Cursor::made);
        Gap { id: 1, newer_ms: newer, older_ms: older, cursor, ..Gap::default() }
    }

    fn asked(gap: &Gap, hints: Hints) -> u32 {
        ask(&timeline(vec![gap.clone()]), &hints, gap, 50)
    }

    #[test]
    fn a_counted_gap_is_asked_for_as_a_whole_and_no_further() {
        let total = |total| Hints { served_total: Some(total), news_at_least: 0 };
        let open = gap(Some(500), None);
        assert_eq!([59, 60, 73, 500].map(|n| asked(&open, total(n))), [10, 20, 30, 50]);
        // A count below what is stored tells nothing.
        assert_eq!(asked(&open, total(40)), 50);
        assert_eq!([57, 58, 62].map(|n| asked(&gap(Some(900), Some(800)), total(n))), [10, 20, 20]);
    }

    #[test]
    fn new_messages_are_asked_for_in_tens_or_by_the_unread_count() {
        let head = gap(None, Some(1_000_000));
        assert_eq!(asked(&head, Hints::default()), 10);
        let unread = |n| Hints { news_at_least: n, served_total: Some(9_999) };
        assert_eq!([1, 8, 9, 25, 400].map(|n| asked(&head, unread(n))), [10, 10, 20, 30, 50]);
    }

    #[test]
    fn a_gap_with_a_floor_starts_in_tens_and_an_open_one_in_whole_pages() {
        let floor = |filled| Gap { filled, ..gap(Some(900_000), Some(300_000)) };
        assert_eq!([0, 199, 200, 400].map(|n| asked(&floor(n), Hints::default())), [10, 10, 20, 50]);
        assert_eq!(asked(&gap(Some(900_000), None), Hints::default()), 50);
    }

    #[test]
    fn a_count_that_was_too_small_is_doubled() {
        let crowded = Gap { ask_at_least: 60, ..gap(Some(900_000), None) };
        assert_eq!(asked(&crowded, Hints::default()), 100);
    }
}
