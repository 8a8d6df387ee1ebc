//! Which times of a list that should be newest first cannot be meant: those that stand out of its order.

use std::cmp::Reverse;

use crate::core::Ms;

/// A time this far (ms) from its neighbours' is not a late delivery.
pub const FAR_MS: Ms = 86_400_000;
/// A time this far (ms) above all others that also lies in the future was never one.
const YEAR_MS: Ms = 366 * 86_400_000;

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
    use proptest::prelude::*;

    fn at(times: &[i64]) -> Vec<Option<Ms>> {
        times.iter().copied().map(Some).collect()
    }

    #[test]
    fn what_is_newest_first_has_no_strays_and_ties_are_none() {
        assert_eq!(strays(&at(&[9, 9, 7, 7, 7, 1])), [false; 6]);
        assert_eq!(strays(&[None, Some(5), None, Some(5)]), [false; 4]);
        assert_eq!(strays(&[]), Vec::<bool>::new());
    }

    #[test]
    fn the_few_that_stand_out_of_the_order_are_strays() {
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
