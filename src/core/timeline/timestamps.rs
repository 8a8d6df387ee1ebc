//! Where a served message stands in time, and which served times cannot be meant.

use std::cmp::Reverse;

use crate::core::Ms;
use crate::core::model::message::Message;
use crate::core::model::urn;
use crate::core::raw::{EARLIEST_MS, Served, mark, plausible};

/// A message is created so shortly (ms) before it is sent.
pub(super) const CLOSE_MS: Ms = 60_000;
/// A time this far (ms) from its neighbours' is not a late delivery.
const FAR_MS: Ms = 86_400_000;
/// An answer's clock may be ahead of the one that it is compared with by this much (ms).
const AHEAD_MS: Ms = 60_000;

/// Gives each item its place in time: its own timestamp, else its URN's, else that of its nearest neighbour
/// (the next newer one first). Items are newest first and stay in order. A timestamp that is not trusted, `now` being
/// when the answer came, gives no place; it stays in the item's JSON. The server goes by it all the same, so that an item
/// dated ahead stands among others that were: its URN says when it was made, but not where it stands.
#[must_use]
pub fn place(mut items: Vec<Served>, now: Option<Ms>) -> Vec<Message> {
    let (untrusted, shift) = untrusted(&items, now);
    let mut own: Vec<Option<Ms>> = Vec::with_capacity(items.len());
    let mut not_trusted: Vec<Option<Ms>> = Vec::with_capacity(items.len());
    for (item, untrusted) in items.iter_mut().zip(untrusted) {
        let served = if untrusted { item.time_ms.take() } else { None };
        if let Some(time) = served {
            item.raw.template = item.raw.template.replace(mark::TIME, &time.to_string());
        }
        let is_ahead = |time: Ms| now.is_some_and(|now| ahead(time, now));
        // A URN that says the same as a time that is not trusted is no better. Where the clock was wrong, one that differs
        // from its time by more than the others do is of a message that stands elsewhere.
        let tells = |made: Ms| match (served, shift) {
            (Some(time), Some(shift)) => apart(time.saturating_sub(made), shift) <= CLOSE_MS,
            (Some(time), None) => apart(time, made) > CLOSE_MS && !is_ahead(time),
            (None, _) => true,
        };
        let made = created(item).filter(|made| !is_ahead(*made) && tells(*made));
        // Without a URN, its time is all that it will be found by again.
        let only = served.filter(|time| item.urn.is_none() && is_ahead(*time));
        own.push(item.time_ms.or(only).or(made));
        not_trusted.push(served);
    }
    let mut newer = None;
    let from_above: Vec<Option<Ms>> = own
        .iter()
        .map(|t| {
            newer = t.or(newer);
            newer
        })
        .collect();
    // Where times were served and none is trusted, the messages have at least arrived by now.
    let arrived = now.filter(|_| not_trusted.iter().any(Option::is_some));
    let first_known = own.iter().flatten().next().copied().or(arrived).unwrap_or(EARLIEST_MS);
    items
        .into_iter()
        .zip(from_above.into_iter().zip(not_trusted))
        .map(|(s, (place, untrusted_ms))| Message {
            untrusted_ms,
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

/// Whether a time lies ahead of the moment at which an answer came: no message was sent then.
#[must_use]
pub fn ahead(time: Ms, now: Ms) -> bool {
    time > now.saturating_add(AHEAD_MS)
}

/// Whether a message stands at another time than that of creation which its URN tells: it may have been served while a
/// clock was wrong, or stand at a date that it was given, and so elsewhere by now.
pub(super) fn dated_otherwise(message: &Message) -> bool {
    let made = message.urn.as_deref().and_then(urn::created_ms);
    made.is_some_and(|made| apart(message.at_ms, made) > CLOSE_MS)
}

/// For each item, whether its timestamp is not to be trusted: ahead of the answer that brought it, far from the creation
/// time in its URN, wrong by as much as those of most of its page, or out of the page's order. One such time, taken for
/// real, would make what lies beside it look fetched or deleted. An order that half of a page or more agree in is no
/// exception, but how the server tells the time.
///
/// Also by how much most of the page are wrong, if by the same.
fn untrusted(items: &[Served], now: Option<Ms>) -> (Vec<bool>, Option<Ms>) {
    let (mut untrusted, shift) = against_urns(items);
    for (untrusted, item) in untrusted.iter_mut().zip(items) {
        *untrusted |= item.time_ms.zip(now).is_some_and(|(time, now)| ahead(time, now));
    }
    let trusted = items.iter().zip(&untrusted);
    let left: Vec<Option<Ms>> = trusted.map(|(s, untrusted)| s.time_ms.filter(|_| !untrusted)).collect();
    let stray = strays(&left);
    let in_order: Vec<Option<Ms>> =
        left.iter().zip(&stray).map(|(time, stray)| time.filter(|_| !stray)).collect();
    let strays = stray.iter().filter(|stray| **stray).count();
    if strays * 2 < left.iter().flatten().count() {
        for (at, time) in left.iter().enumerate().filter(|(at, _)| stray.get(*at) == Some(&true)) {
            let above = in_order.iter().take(at).rev().flatten().next();
            let below = in_order.iter().skip(at).flatten().next();
            let lost = time
                .is_some_and(|time| above.into_iter().chain(below).all(|near| apart(time, *near) > FAR_MS));
            untrusted.iter_mut().skip(at).take(1).for_each(|untrusted| *untrusted |= lost);
        }
    }
    (untrusted, shift)
}

/// For each item, whether the creation time in its URN contradicts its timestamp. A single one that does so by more than
/// a late delivery is wrong where the others agree with theirs; if most of a page are wrong by the same, the server's
/// clock was.
fn against_urns(items: &[Served]) -> (Vec<bool>, Option<Ms>) {
    let difference =
        |item: &Served| item.time_ms.zip(created(item)).map(|(time, made)| time.saturating_sub(made));
    let mut differences: Vec<Ms> = items.iter().filter_map(difference).collect();
    differences.sort_unstable();
    let most = differences.len() / 2;
    let agree = differences.iter().filter(|d| d.abs() <= CLOSE_MS).count() > most;
    // So many lie so close together that more than half of them are within this stretch.
    let same =
        differences.iter().zip(differences.iter().skip(most)).any(|(low, high)| high - low <= CLOSE_MS);
    let middle = differences.get(most).copied().unwrap_or_default();
    let shifted = same && middle.abs() > CLOSE_MS;
    let limit = if shifted { CLOSE_MS } else { FAR_MS };
    let wrong = |item: &Served| difference(item).is_some_and(|d| d.abs() > limit);
    let untrusted = items.iter().map(|item| (agree || shifted) && wrong(item)).collect();
    (untrusted, shifted.then_some(middle))
}

/// The creation time in an item's URN.
fn created(item: &Served) -> Option<Ms> {
    item.urn.as_deref().and_then(urn::created_ms).filter(|t| plausible(*t))
}

fn apart(a: Ms, b: Ms) -> Ms {
    a.saturating_sub(b).saturating_abs()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::raw::read;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
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
    fn a_time_ahead_of_the_answer_is_ignored_but_kept_in_the_item() {
        let now = 1_745_270_030_000;
        let hour = 3_600_000;
        let ahead = (now + hour).to_string();
        let page = placed(&[&ahead, "1745270025000", "1745270024000"], Some(now));
        assert_eq!((page[0].at_ms, page[0].derived_time, page[1].derived_time), (now + hour, true, false));
        assert!(page[0].served_json().contains(&ahead));
        // Also where all of a page say so, and a clock that is a little slow is no reason.
        let page = placed(&[&ahead, &ahead], Some(now));
        assert!(page.iter().all(|m| m.derived_time));
        assert!(!placed(&["1745270075000"], Some(now))[0].derived_time);
    }

    #[test]
    fn a_page_whose_times_are_all_wrong_by_the_same_is_placed_by_its_urns() {
        let made = [1_745_270_029_000, 1_745_270_020_000, 1_745_269_000_000];
        let item = |made: Ms, shift: Ms| {
            let key = STANDARD.encode(format!("{made}b00001-100&thread"));
            let json = format!(
                r#"{{"text":"x","timestamp":{},"entity_urn":"urn:li:msg_message:(urn:li:fsd_profile:A,2-{key})"}}"#,
                made + 90 + shift
            );
            read(&serde_json::from_str::<Box<RawValue>>(&json).unwrap()).unwrap()
        };
        for shift in [7_200_000, -7_200_000, 3 * 86_400_000] {
            let page = place(made.iter().map(|at| item(*at, shift)).collect(), None);
            let at: Vec<_> = page.iter().map(|m| (m.at_ms, m.derived_time)).collect();
            assert_eq!(at, made.map(|at| (at, true)), "{shift}");
            // One that is dated ahead besides stands at the top, not where it was made, and shows nothing of what lies there.
            let ahead = std::iter::once(item(made[2] - 1_000_000, shift + 3 * 86_400_000));
            let page = place(ahead.chain(made.iter().map(|at| item(*at, shift))).collect(), None);
            assert_eq!((page[0].at_ms, page[0].stands_at_creation()), (made[0], false), "{shift}");
            assert!(page.iter().skip(1).all(Message::stands_at_creation));
        }
        let page = place(made.iter().map(|at| item(*at, 0)).collect(), None);
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
