//! Which places of an export the next sync asks the API for again, to check the export against it.

use crate::core::Ms;
use crate::core::timeline::gap::Gap;
use crate::core::timeline::pairing::NEAR_MS;

/// How many messages of an export one credit looks at again.
pub const CHECKED_AT_ONCE: usize = 8;

/// Which blocks of [`CHECKED_AT_ONCE`] to look at again, so that `wanted` of them lie evenly over all: of conversations
/// with so many messages, each as conversation and block, in order.
#[must_use]
pub fn spots(messages: &[usize], wanted: usize) -> Vec<(usize, usize)> {
    let blocks = |n: &usize| n / (CHECKED_AT_ONCE + 2);
    let total: usize = messages.iter().map(blocks).sum();
    let wanted = wanted.min(total);
    let mut spots = Vec::with_capacity(wanted);
    let (mut conversation, mut before) = (0, 0);
    for number in 0..wanted {
        let place = (number * 2 + 1) * total / (wanted * 2);
        while let Some(here) = messages.get(conversation).map(blocks) {
            if place < before + here {
                spots.push((conversation, place - before));
                break;
            }
            before += here;
            conversation += 1;
        }
    }
    spots
}

/// The gap of one such block of places, newest first: its uppermost message is asked for as well, and the ten that come
/// reach below its lowest. `None` where the block is not [`CHECKED_AT_ONCE`] messages long or all of one moment.
#[must_use]
pub fn check_gap(newest_first: &[Ms], now: Ms) -> Option<Gap> {
    let newer = newest_first.first()?.saturating_add(NEAR_MS);
    let older = *newest_first.get(CHECKED_AT_ONCE.saturating_sub(1))?;
    (newer > older.saturating_add(NEAR_MS)).then(|| Gap {
        newer_ms: Some(newer),
        older_ms: Some(older),
        opened_ms: now,
        ..Gap::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn samples_are_spread_evenly_and_never_more_than_wanted(
            messages in proptest::collection::vec(0_usize..200, 0..20), wanted in 0_usize..60,
        ) {
            let spots = spots(&messages, wanted);
            let all: usize = messages.iter().map(|n| n / (CHECKED_AT_ONCE + 2)).sum();
            prop_assert_eq!(spots.len(), wanted.min(all));
            prop_assert!(spots.windows(2).all(|w| w[0] < w[1]), "{:?}", spots);
            prop_assert!(spots.iter().all(|(c, b)| (b + 1) * (CHECKED_AT_ONCE + 2) <= messages[*c]));
        }
    }
}
