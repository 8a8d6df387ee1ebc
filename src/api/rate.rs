//! How many requests a minute: a sliding window, as arithmetic without a clock, and the turns that it gives.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::flight::Flight;
use crate::clock::Clock;
use crate::core::Ms;

const WINDOW_MS: Ms = 60_000;

/// Leave to send one request now. It is waited for before credits are set aside, so that none are for a request that a
/// stop keeps from being sent.
#[derive(Debug)]
#[must_use = "a turn that sends nothing is lost to the others of its minute"]
pub struct Turn(Flight);

impl Turn {
    /// Of an API without a limit.
    pub fn free() -> Self {
        Self(Flight::default())
    }

    /// The request that it is for.
    #[must_use]
    pub fn flight(&self) -> Flight {
        self.0.clone()
    }
}

/// The rate that all clients with a copy of this keep together.
#[derive(Debug, Clone)]
pub struct Rate(Arc<Mutex<RateWindow>>);

impl Rate {
    /// At most so many requests in any 60 seconds; 0 counts as 1.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        Self(Arc::new(Mutex::new(RateWindow::new(per_minute))))
    }

    /// From now on so many; what was sent in the last minute counts.
    pub fn limit(&self, per_minute: u32) {
        self.window(|window| window.most = most(per_minute));
    }

    /// Waits until one more request may go out, and counts it.
    pub(super) async fn turn<C: Clock>(&self, clock: &C) -> Turn {
        loop {
            let now = clock.now_ms();
            let wait = self.window(|window| {
                let wait = window.wait(now);
                if wait.is_zero() {
                    window.sent(now);
                }
                wait
            });
            if wait.is_zero() {
                return Turn::free();
            }
            clock.sleep(wait).await;
        }
    }

    /// Whether one request more would still leave room for another.
    pub(super) fn has_room_for_two(&self, now_ms: Ms) -> bool {
        self.window(|window| {
            let recent = window.sent.iter().filter(|t| now_ms - (**t).min(now_ms) < WINDOW_MS).count();
            recent + 2 <= window.most
        })
    }

    fn window<T>(&self, with: impl FnOnce(&mut RateWindow) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The requests of the last minute, and how many there may be.
#[derive(Debug)]
struct RateWindow {
    most: usize,
    sent: VecDeque<Ms>,
}

impl RateWindow {
    fn new(per_minute: u32) -> Self {
        Self { most: most(per_minute), sent: VecDeque::new() }
    }

    /// How long to wait before the next request may go out; zero is now.
    fn wait(&self, now_ms: Ms) -> Duration {
        // A request in the future means that the clock was set back; it counts as sent just now, so that the
        // wait is never longer than the window.
        let recent = self.sent.iter().map(|t| (*t).min(now_ms)).filter(|t| now_ms - t < WINDOW_MS);
        let excess = (recent.clone().count() + 1).saturating_sub(self.most);
        let Some(blocking) = excess.checked_sub(1).and_then(|i| recent.clone().nth(i)) else {
            return Duration::ZERO;
        };
        Duration::from_millis(u64::try_from(blocking + WINDOW_MS - now_ms).unwrap_or(0))
    }

    fn sent(&mut self, now_ms: Ms) {
        for sent in &mut self.sent {
            *sent = (*sent).min(now_ms);
        }
        while self.sent.front().is_some_and(|t| now_ms - t >= WINDOW_MS) {
            self.sent.pop_front();
        }
        self.sent.push_back(now_ms);
    }
}

fn most(per_minute: u32) -> usize {
    usize::try_from(per_minute).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::Slept;
    use proptest::prelude::*;

    #[test]
    fn a_full_window_waits_until_its_oldest_request_is_a_minute_old() {
        let mut window = RateWindow::new(3);
        for now in [1_000, 2_000, 3_000] {
            assert_eq!(window.wait(now), Duration::ZERO);
            window.sent(now);
        }
        assert_eq!(window.wait(3_500), Duration::from_millis(57_500));
        assert_eq!(window.wait(60_999), Duration::from_millis(1));
        assert_eq!(window.wait(61_000), Duration::ZERO);
        window.sent(61_000);
        assert_eq!(window.wait(61_000), Duration::from_millis(1_000));
    }

    #[tokio::test]
    async fn clients_that_share_a_rate_keep_it_together() {
        let clock = Slept::default();
        let (one, other) = (Rate::new(3), Rate::new(3));
        let same = one.clone();
        for rate in [&one, &same, &one] {
            drop(rate.turn(&clock).await);
        }
        drop(other.turn(&clock).await);
        assert_eq!(clock.now_ms(), 0);
        drop(same.turn(&clock).await);
        assert_eq!(clock.now_ms(), 60_000);
        one.limit(1);
        drop(same.turn(&clock).await);
        assert_eq!(clock.now_ms(), 120_000);
    }

    #[test]
    fn a_clock_set_back_never_makes_for_more_than_a_minute() {
        let mut window = RateWindow::new(1);
        window.sent(10_000_000_000);
        assert_eq!(window.wait(5_000), Duration::from_secs(60));
        window.sent(5_000);
        assert_eq!(window.wait(65_000), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn no_minute_ever_holds_more_than_allowed(most in 1..6_u32, pauses in prop::collection::vec(0..40_000_i64, 1..60)) {
            let mut window = RateWindow::new(most);
            let (mut now, mut sent) = (1_700_000_000_000_i64, Vec::new());
            for pause in pauses {
                now += pause;
                now += i64::try_from(window.wait(now).as_millis()).unwrap();
                prop_assert_eq!(window.wait(now), Duration::ZERO);
                window.sent(now);
                sent.push(now);
            }
            for from in &sent {
                let within = sent.iter().filter(|t| (*from..from + 60_000).contains(*t)).count();
                prop_assert!(within <= most as usize);
            }
        }
    }
}
