//! When a sink that failed is tried again: soon at first, ever less often for about a day, then every few hours until it
//! works or its owner gives it up.

use crate::core::Ms;

const SECOND: Ms = 1_000;
const MINUTE: Ms = 60 * SECOND;
const HOUR: Ms = 60 * MINUTE;

/// When each further attempt is due, counted from the first failure, as the Standard Webhooks specification suggests.
const OFFSETS: [Ms; 9] =
    [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

/// What lies between two attempts after that.
const THEREAFTER: Ms = 6 * HOUR;

/// No wait is longer, whatever the receiver asks for.
const LONGEST: Ms = 24 * HOUR;

/// By how much a wait may be longer than it should be, by chance: sinks that failed together do not come back together.
const JITTER: f64 = 0.2;

/// When to try again after so many failed attempts in a row. `retry_after_ms` is the least wait that the receiver asked
/// for, `chance` a random number from 0 to 1.
#[must_use]
pub fn next_try(failed: u32, now: Ms, retry_after_ms: Option<Ms>, chance: f64) -> Ms {
    let at = usize::try_from(failed.saturating_sub(1)).unwrap_or(usize::MAX);
    let before = at.checked_sub(1).and_then(|before| OFFSETS.get(before)).copied().unwrap_or(0);
    let wait = OFFSETS.get(at).map_or(THEREAFTER, |offset| offset - before);
    // At most a day and a fifth, far below what a float counts exactly.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a day in ms is exact")]
    let jitter = (wait as f64 * JITTER * chance.clamp(0.0, 1.0)) as Ms;
    let asked = retry_after_ms.unwrap_or(0).clamp(0, LONGEST);
    now.saturating_add((wait + jitter).max(asked))
}

/// Whether a sink may be tried now. A moment further away than any wait is one of a clock that has been set back since.
#[must_use]
pub fn is_due(next_try: Option<Ms>, now: Ms) -> bool {
    next_try.is_none_or(|at| at <= now || at.saturating_sub(now) > 2 * LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Ms = 1_800_000_000_000;

    #[test]
    fn ten_attempts_are_spread_over_a_day_and_then_it_goes_on() {
        let mut now = NOW;
        let times: Vec<Ms> = (1..=12)
            .map(|failed| {
                now = next_try(failed, now, None, 0.0);
                now - NOW
            })
            .collect();
        assert_eq!(times[..9], OFFSETS);
        assert_eq!(times[9..], [30 * HOUR, 36 * HOUR, 42 * HOUR]);
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_asked_for_nor_longer_than_a_day_and_its_jitter(
            failed in 0_u32..40, asked in proptest::option::of(-5..10 * LONGEST), chance in -1.0..2.0_f64
        ) {
            let wait = next_try(failed, NOW, asked, chance) - NOW;
            prop_assert!((5 * SECOND..=LONGEST + LONGEST / 5).contains(&wait));
            prop_assert!(asked.is_none_or(|asked| wait >= asked.min(LONGEST)));
            prop_assert!(!is_due(Some(NOW + wait), NOW) && is_due(Some(NOW + wait), NOW + wait));
        }

        #[test]
        fn a_clock_that_was_set_back_keeps_no_sink_waiting(back in 3 * LONGEST..1_000 * LONGEST) {
            prop_assert!(is_due(Some(NOW), NOW - back));
            prop_assert!(is_due(None, NOW));
        }
    }
}
