//! Where a served message stands in time, and which served times cannot be meant.

use std::cmp::Reverse;

use crate::core::Ms;
use crate::core::model::message::Message;
use crate::core::model::urn;
use crate::core::raw::{EARLIEST_MS, Served, mark, plausible};

/// A message is created so shortly (ms) before it is sent.
const CLOSE_MS: u64 = 60_000;
/// A time this far (ms) from its neighbours' is not a late delivery.
pub const FAR_MS: Ms = 86_400_000;
/// A time this far (ms) above all others that also lies in the future was never one.
const YEAR_MS: Ms = 366 * 86_400_000;

/// Gives each item its place in time: its own timestamp, else its URN's, else that of its nearest neighbour
/// (the next newer one first). Items are newest first and stay in order. A timestamp that cannot be meant, `now` being
/// when the answer came, is none; it stays in the item's JSON.
#[must_use]
pub fn place(mut items: Vec<Served>, now: Option<Ms>) -> Vec<Message> {
    let absurd = absurd(&items, now);
    let mut own: Vec<Option<Ms>> = Vec::with_capacity(items.len());
    for (item, absurd) in items.iter_mut().zip(absurd) {
        let unmeant = if absurd { item.time_ms.take() } else { None };
        if let Some(time) = unmeant {
            item.raw.template = item.raw.template.replace(mark::TIME, &time.to_string());
        }
        // A URN that says the same as a time that cannot be meant is no better.
        let made = created(item).filter(|made| unmeant.is_none_or(|time| far(time, *made)));
        own.push(item.time_ms.or(made));
    }
    let mut newer = None;
    let from_above: Vec<Option<Ms>> = own
        .iter()
        .map(|t| {
            newer = t.or(newer);
            newer
        })
        .collect();
    let first_known = own.iter().flatten().next().copied().unwrap_or(EARLIEST_MS);
    items
        .into_iter()
        .zip(from_above)
        .map(|(s, place)| Message {
            derived_time: s.time_ms.is_none(),
            at_ms: s.time_ms.or(place).unwrap_or(first_known),
            urn: s.urn,
            sender: s.sender,
            kind: s.kind,
            text: s.text,
            raw: s.raw,
        })
        .collect()
}

/// For each item, whether its timestamp is absurd: far from the creation time in its URN, out of the page's order, or from
/// nowhere. One such time, taken for real, would make what lies beside it look fetched or deleted. What half of a page
/// or more agree in is no exception, but how the server tells the time.
fn absurd(items: &[Served], now: Option<Ms>) -> Vec<bool> {
    let apart = |item: &Served| item.time_ms.zip(created(item)).map(|(time, made)| time.abs_diff(made));
    let comparable = items.iter().filter_map(apart).count();
    // A URN tells the time where most of a page's do, and nearly to the letter.
    let urns_tell =
        items.iter().filter_map(apart).filter(|apart| *apart <= CLOSE_MS).count() * 2 > comparable;
    let apart: Vec<bool> =
        items.iter().map(|item| apart(item).is_some_and(|apart| apart > FAR_MS.unsigned_abs())).collect();
    let mut absurd: Vec<bool> = apart.iter().map(|apart| *apart && urns_tell).collect();

    let times = |absurd: &[bool]| -> Vec<Option<Ms>> {
        items.iter().zip(absurd).map(|(s, absurd)| s.time_ms.filter(|_| !absurd)).collect()
    };
    let top = times(&absurd);
    let from_nowhere = now.map_or(0, |now| from_nowhere(&top, now));
    absurd.iter_mut().zip(&top).take(from_nowhere).for_each(|(absurd, time)| *absurd |= time.is_some());

    let left = times(&absurd);
    let stray = strays(&left);
    let in_order: Vec<Option<Ms>> =
        left.iter().zip(&stray).map(|(time, stray)| time.filter(|_| !stray)).collect();
    let strays = stray.iter().filter(|stray| **stray).count();
    if strays * 2 < left.iter().flatten().count() {
        for (at, time) in left.iter().enumerate().filter(|(at, _)| stray.get(*at) == Some(&true)) {
            let above = in_order.iter().take(at).rev().flatten().next();
            let below = in_order.iter().skip(at).flatten().next();
            let lost = time.is_some_and(|time| above.into_iter().chain(below).all(|near| far(time, *near)));
            absurd.iter_mut().skip(at).take(1).for_each(|absurd| *absurd |= lost);
        }
    }
    absurd
}

/// The creation time in an item's URN.
fn created(item: &Served) -> Option<Ms> {
    item.urn.as_deref().and_then(urn::created_ms).filter(|t| plausible(*t))
}

fn far(a: Ms, b: Ms) -> bool {
    a.abs_diff(b) > FAR_MS.unsigned_abs()
}

/// For each time, whether it stands out of the order, newest first, that the most of them agree in; where several such
/// orders are as long, that of the shortest time.
#[must_use]
pub fn strays(times: &[Option<Ms>]) -> Vec<bool> {
    // For each time the longest run of times that never rise and ends with it: how long, from when, and what comes before.
    let mut runs: Vec<Run> = Vec::with_capacity(times.len());
    for (at, time) in times.iter().enumerate().filter_map(|(at, time)| Some((at, (*time)?))) {
        let before =
            runs.iter().enumerate().filter(|(_, run)| run.time >= time).max_by_key(|(_, run)| run.rank());
        let (length, top) = before.map_or((1, time), |(_, run)| (run.length + 1, run.top));
        runs.push(Run { at, time, length, top, before: before.map(|(index, _)| index) });
    }
    let mut stray: Vec<bool> = times.iter().map(Option::is_some).collect();
    let longest =
        runs.iter().enumerate().max_by_key(|(_, run)| (run.length, run.time.saturating_sub(run.top)));
    let mut next = longest.map(|(index, _)| index);
    while let Some(run) = next.and_then(|index| runs.get(index)) {
        stray.iter_mut().skip(run.at).take(1).for_each(|stray| *stray = false);
        next = run.before;
    }
    stray
}

struct Run {
    at: usize,
    time: Ms,
    length: usize,
    top: Ms,
    before: Option<usize>,
}

impl Run {
    fn rank(&self) -> (usize, Reverse<Ms>) {
        (self.length, Reverse(self.top))
    }
}

/// Of times newest first, how many at the top lie in the future and far above the first that does not lie so far above
/// the rest: no clock is wrong by that much and right for all others.
#[must_use]
pub fn from_nowhere(times: &[Option<Ms>], now: Ms) -> usize {
    let known: Vec<(usize, Ms)> = times.iter().enumerate().filter_map(|(i, t)| Some((i, (*t)?))).collect();
    let jump = known.iter().zip(known.iter().skip(1)).position(|((_, above), (_, below))| {
        *above > now.saturating_add(FAR_MS) && above.saturating_sub(*below) > YEAR_MS
    });
    // What most of a page agrees in is how this server tells the time.
    let most = known.len() / 2;
    jump.filter(|at| *at < most).and_then(|at| known.get(at)).map_or(0, |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::raw::read;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    #[test]
    fn a_message_without_a_time_takes_that_of_its_urn_or_its_neighbour() {
        let urn = "urn:li:msg_message:(urn:li:fsd_profile:ACoAAOWNER,2-MTc0NTI3MDAyNTA5MWIzODI1OS0xMDAmOTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==)";
        let item = |json: String| read(&serde_json::from_str::<Box<RawValue>>(&json).unwrap()).unwrap();
        let placed = place(
            vec![
                item(r#"{"text":"a","timestamp":null}"#.into()),
                item(r#"{"text":"b","timestamp":1745270099000}"#.into()),
                item(r#"{"text":"c","timestamp":0}"#.into()),
                item(format!(r#"{{"text":"d","entity_urn":"{urn}"}}"#)),
            ],
            None,
        );
        let at: Vec<_> = placed.iter().map(|m| (m.at_ms, m.derived_time)).collect();
        assert_eq!(
            at,
            [
                (1_745_270_099_000, true),
                (1_745_270_099_000, false),
                (1_745_270_099_000, true),
                (1_745_270_025_091, true)
            ]
        );
    }

    fn placed(times: &[&str], now: Option<Ms>) -> Vec<Message> {
        let item = |time: &&str| {
            let json = format!(r#"{{"text":"at {time}","timestamp":{time}}}"#);
            read(&serde_json::from_str::<Box<RawValue>>(&json).unwrap()).unwrap()
        };
        place(times.iter().map(item).collect(), now)
    }

    #[test]
    fn a_time_out_of_order_is_ignored_but_kept_in_the_item() {
        for absurd in ["1000000000000", "1120000000000", "4000000000000"] {
            let page = placed(&["1745270025236", absurd, "1745270025000", "1745270024000"], None);
            assert_eq!((page[1].at_ms, page[1].derived_time), (1_745_270_025_236, true), "{absurd}");
            assert_eq!(page[1].served_json(), format!(r#"{{"text":"at {absurd}","timestamp":{absurd}}}"#));
            assert!(page.iter().enumerate().all(|(i, m)| m.derived_time == (i == 1)));
        }
        let top = placed(&["1100000000000", "1745270025000", "1745270024000"], None);
        assert_eq!((top[0].at_ms, top[0].derived_time), (1_745_270_025_000, true));
    }

    #[test]
    fn a_time_in_the_far_future_is_ignored_unless_the_others_agree() {
        let now = Some(1_745_270_030_000);
        let page = placed(&["4000000000000", "1745270025000", "1745270024000"], now);
        assert_eq!((page[0].at_ms, page[0].derived_time), (1_745_270_025_000, true));
        let page = placed(&["4000000000002", "4000000000001", "4000000000000"], now);
        assert!(page.iter().all(|m| !m.derived_time));
    }

    #[test]
    fn a_time_far_from_that_of_its_urn_is_ignored_and_a_late_delivery_is_not() {
        let urn = "urn:li:msg_message:(urn:li:fsd_profile:ACoAAOWNER,2-MTc0NTI3MDAyNTA5MWIzODI1OS0xMDAmOTFjNWU3YWMtN2IwNi00ZWUwLWE1YzYtNTg4OGNkMGU2ZGRhXzAxMw==)";
        let item = |time: i64| {
            let json = format!(r#"{{"text":"x","timestamp":{time},"entity_urn":"{urn}"}}"#);
            read(&serde_json::from_str::<Box<RawValue>>(&json).unwrap()).unwrap()
        };
        let (made, day) = (1_745_270_025_091, 86_400_000);
        let page = place(vec![item(made + 300 * day), item(made + 5_000), item(made)], None);
        let at: Vec<_> = page.iter().map(|m| (m.at_ms, m.derived_time)).collect();
        assert_eq!(at, [(made, true), (made + 5_000, false), (made, false)]);
        // A URN that says the same of all, as of a conversation's beginning, tells no message's time.
        let page = place(vec![item(made + 2 * day), item(made + day / 2), item(made + day / 3)], None);
        assert!(page.iter().all(|m| !m.derived_time));
        // Where URNs and times never agree, the times are what the server goes by.
        let page = place(vec![item(made + 300 * day), item(made + 299 * day)], None);
        assert!(page.iter().all(|m| !m.derived_time));
    }

    #[test]
    fn a_page_in_an_order_of_its_own_keeps_its_times() {
        for order in [
            ["1745270023000", "1745270024000", "1745270025000"],
            ["1745270025000", "1745270025900", "1745270024000"],
        ] {
            assert!(placed(&order, None).iter().all(|m| !m.derived_time));
        }
        let years = placed(&["1245270023000", "1345270024000", "1445270025000", "1545270025000"], None);
        assert!(years.iter().all(|m| !m.derived_time));
    }

    fn at(times: &[i64]) -> Vec<Option<Ms>> {
        times.iter().copied().map(Some).collect()
    }

    #[test]
    fn a_list_in_order_has_no_strays_and_ties_are_in_order() {
        assert_eq!(strays(&at(&[9, 9, 7, 7, 7, 1])), [false; 6]);
        assert_eq!(strays(&[None, Some(5), None, Some(5)]), [false; 4]);
        assert_eq!(strays(&[]), Vec::<bool>::new());
    }

    #[test]
    fn the_minority_out_of_order_are_strays() {
        assert_eq!(strays(&at(&[1, 9, 8, 7])), [true, false, false, false]);
        assert_eq!(strays(&at(&[9, 8, 70, 7, 6])), [false, false, true, false, false]);
        assert_eq!(strays(&[Some(9), None, Some(2), Some(8), Some(7)]), [false, false, true, false, false]);
    }

    #[test]
    fn a_time_from_nowhere_lies_in_the_future_and_far_above_most_others() {
        let (now, year) = (1_700_000_000_000, YEAR_MS);
        assert_eq!(from_nowhere(&at(&[4_000_000_000_000, now, now - 1]), now), 1);
        // Two against one, or a lively conversation of the future: that is how this server tells the time.
        assert_eq!(from_nowhere(&at(&[4_000_000_000_000, 4_000_000_000_000, now]), now), 0);
        assert_eq!(from_nowhere(&at(&[now + 5 * year, now + 5 * year - 1, now + 5 * year - 2]), now), 0);
        // Years of silence are no reason for doubt.
        assert_eq!(from_nowhere(&at(&[now, now - 3 * year, now - 4 * year]), now), 0);
    }

    proptest! {
        #[test]
        fn without_its_strays_a_list_is_in_order_and_no_fewer_would_do(times in prop::collection::vec(0..12_i64, 0..9)) {
            let found = strays(&at(&times));
            let kept: Vec<i64> = times.iter().zip(&found).filter(|(_, stray)| !**stray).map(|(t, _)| *t).collect();
            prop_assert!(kept.is_sorted_by(|a, b| a >= b));
            let longest = (0..1_usize << times.len())
                .map(|set| times.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, t)| *t).collect::<Vec<_>>())
                .filter(|part| part.is_sorted_by(|a, b| a >= b))
                .map(|part| part.len())
                .max()
                .unwrap();
            prop_assert_eq!(kept.len(), longest);
        }
    }
}
