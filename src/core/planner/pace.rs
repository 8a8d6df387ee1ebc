//! How many requests are under way at once: halved when the API cannot keep up, and then one more each minute.

use crate::core::Ms;

const GROWTH_MS: Ms = 60_000;

/// The number that may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    most: u32,
    /// The number after it was last halved, and when that was (ms).
    halved: Option<(u32, Ms)>,
}

impl Pace {
    /// At most so many; 0 counts as 1.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self { most: most.max(1), halved: None }
    }

    /// How many may be under way now.
    #[must_use]
    pub fn limit(&self, now: Ms) -> u32 {
        let Some((number, since)) = self.halved else { return self.most };
        let minutes = now.saturating_sub(since).max(0) / GROWTH_MS;
        number.saturating_add(u32::try_from(minutes).unwrap_or(u32::MAX)).min(self.most)
    }

    /// The API could not keep up with a request that was sent then (ms). Others that were sent before the number was
    /// halved say nothing new.
    pub fn slow_down(&mut self, sent: Ms, now: Ms) {
        if self.halved.is_none_or(|(_, since)| sent >= since) {
            self.halved = Some(((self.limit(now) / 2).max(1), now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Ms = 60_000;

    #[test]
    fn the_number_is_halved_and_grows_by_one_a_minute() {
        let mut pace = Pace::new(16);
        assert_eq!(pace.limit(0), 16);
        pace.slow_down(1_000, 2_000);
        assert_eq!(
            [2_000, 61_999, 62_000, 2_000 + 8 * MINUTE, 90 * MINUTE].map(|at| pace.limit(at)),
            [8, 8, 9, 16, 16]
        );
        pace.slow_down(62_000, 62_001);
        assert_eq!(pace.limit(62_001), 4);
    }

    #[test]
    fn requests_that_were_sent_together_halve_it_once() {
        let mut pace = Pace::new(16);
        for came in 10..26 {
            pace.slow_down(5, came);
        }
        assert_eq!(pace.limit(26), 8);
    }

    proptest! {
        #[test]
        fn it_is_never_zero_and_never_more_than_configured(most in 0..70_u32, events in prop::collection::vec((0..200_000_i64, 0..5_000_i64), 0..50)) {
            let (mut pace, mut now) = (Pace::new(most), 0);
            for (later, ago) in events {
                now += later;
                pace.slow_down(now - ago, now);
                prop_assert!((1..=most.max(1)).contains(&pace.limit(now)));
            }
            prop_assert_eq!(pace.limit(now + 70 * MINUTE), most.max(1));
        }
    }
}
