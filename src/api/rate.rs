//! How many requests a minute: a sliding window, as arithmetic without a clock, and the turns that it gives. A refusal
//! teaches it a lower limit than the configured one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::flight::Flight;
use crate::clock::Clock;
use crate::core::Ms;

const WINDOW_MS: Ms = 60_000;
/// No API is thought to allow fewer requests a minute: a refusal after fewer is one of the moment, unless another follows.
const FEW: usize = 10;

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

    /// How long the next request has to wait; zero is not at all.
    #[must_use]
    pub fn wait(&self, now_ms: Ms) -> Duration {
        self.window(|window| window.wait(now_ms))
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

    /// The API refused a request that was sent then (ms), because of how many there were, and asks for a pause.
    pub(super) fn refused(&self, sent_ms: Ms, now_ms: Ms, pause: Option<Duration>) {
        self.window(|window| window.refused(sent_ms, now_ms, pause));
    }

    /// Whether one request more would still leave room for another.
    pub(super) fn has_room_for_two(&self, now_ms: Ms) -> bool {
        self.window(|window| window.recent(now_ms).count() + 2 <= window.limit(now_ms))
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
    learned: Option<Learned>,
    /// When it last refused a request that was sent after the refusal before (ms).
    refused_ms: Option<Ms>,
    /// The API wants nothing before (ms).
    held_until_ms: Ms,
}

/// What refusals have shown.
#[derive(Debug, Clone, Copy)]
struct Learned {
    /// How many requests a minute were served.
    most: usize,
    /// When that was last shown (ms).
    since_ms: Ms,
}

impl RateWindow {
    fn new(per_minute: u32) -> Self {
        Self {
            most: most(per_minute),
            sent: VecDeque::new(),
            learned: None,
            refused_ms: None,
            held_until_ms: Ms::MIN,
        }
    }

    /// Those of the last minute. One in the future means that the clock was set back; it counts as sent just now, so that
    /// no wait is longer than the window.
    fn recent(&self, now_ms: Ms) -> impl Iterator<Item = Ms> + Clone {
        self.sent.iter().map(move |t| (*t).min(now_ms)).filter(move |t| now_ms - t < WINDOW_MS)
    }

    /// How many there may be in a minute. What a refusal has taught holds for two minutes; after that one more is tried,
    /// and with each further minute twice as many more.
    fn limit(&self, now_ms: Ms) -> usize {
        let Some(Learned { most, since_ms }) = self.learned else { return self.most };
        let calm = now_ms.saturating_sub(since_ms) / WINDOW_MS;
        let more = u32::try_from(calm - 1).map_or(0, |minutes| (1_usize << minutes.min(20)) - 1);
        most.saturating_add(more).min(self.most)
    }

    fn refused(&mut self, sent_ms: Ms, now_ms: Ms, pause: Option<Duration>) {
        let counted = self.sent.iter().rposition(|t| *t <= sent_ms);
        counted.and_then(|at| self.sent.remove(at));
        let pause = Ms::try_from(pause.unwrap_or_default().as_millis()).unwrap_or(WINDOW_MS).min(WINDOW_MS);
        self.held_until_ms = self.held_until_ms.min(now_ms + WINDOW_MS).max(now_ms + pause);
        match &mut self.learned {
            // It was among those that seemed to be served then.
            Some(learned) if sent_ms < learned.since_ms => {
                learned.most = learned.most.saturating_sub(usize::from(counted.is_some())).max(1);
            }
            _ => {
                let served = self.recent(now_ms).count();
                let before = self.refused_ms.filter(|refused| now_ms - refused < WINDOW_MS);
                if served < FEW && before.is_none_or(|refused| sent_ms < refused) {
                    self.refused_ms = before.or(Some(now_ms));
                    return;
                }
                self.refused_ms = Some(now_ms);
                let most = if served == 0 { self.limit(now_ms) / 2 } else { served };
                self.learned = Some(Learned { most: most.max(1), since_ms: now_ms });
            }
        }
    }

    /// How long to wait before the next request may go out; zero is now.
    fn wait(&self, now_ms: Ms) -> Duration {
        let mut recent = self.recent(now_ms);
        let excess = (recent.clone().count() + 1).saturating_sub(self.limit(now_ms));
        let blocking = excess.checked_sub(1).and_then(|i| recent.nth(i));
        let until = blocking.map_or(now_ms, |blocking| blocking + WINDOW_MS);
        let until = until.max(self.held_until_ms.min(now_ms + WINDOW_MS));
        Duration::from_millis(u64::try_from(until - now_ms).unwrap_or(0))
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
    use crate::core::planner::pace::Pace;
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

    /// A server that serves so many requests a minute: in any 60 seconds, or by the minutes of its clock.
    struct Strict {
        most: usize,
        by_the_clock: bool,
        served: Vec<Ms>,
        refused: usize,
    }

    impl Strict {
        fn serves(&mut self, now: Ms) -> bool {
            let from = if self.by_the_clock { now - now % WINDOW_MS } else { now - WINDOW_MS + 1 };
            let is_served = self.served.iter().filter(|t| **t >= from).count() < self.most;
            if is_served {
                self.served.push(now)
            } else {
                self.refused += 1
            }
            is_served
        }
    }

    /// Ten minutes of a client with four requests under way at first, each of which takes so long.
    fn ten_minutes(mut server: Strict, latency: Ms) -> Strict {
        let (mut window, mut pace, begin) = (RateWindow::new(300), Pace::new(4), 1_700_000_000_000);
        let mut under_way: Vec<(Ms, bool)> = Vec::new();
        let mut now = begin;
        while now < begin + 600_000 {
            let come: Vec<(Ms, bool)> =
                under_way.iter().copied().filter(|(sent, _)| sent + latency <= now).collect();
            under_way.retain(|(sent, _)| sent + latency > now);
            for (sent, _) in come.into_iter().filter(|(_, served)| !served) {
                window.refused(sent, now, None);
                pace.slow_down(sent, now);
            }
            while under_way.len() < pace.limit(now) as usize && window.wait(now).is_zero() {
                window.sent(now);
                under_way.push((now, server.serves(now)));
            }
            now += 10;
        }
        server
    }

    #[test]
    fn a_stricter_server_than_configured_refuses_few_requests_and_is_used_well() {
        for (most, by_the_clock, latency) in
            [(60, false, 30), (60, false, 900), (60, true, 30), (120, false, 200)]
        {
            let server = ten_minutes(Strict { most, by_the_clock, served: vec![], refused: 0 }, latency);
            let (served, refused) = (server.served.len(), server.refused);
            assert!(
                refused * 100 <= (served + refused) * 3,
                "{refused} of {most} a minute were refused, {served} served"
            );
            assert!(served >= most * 9, "{served} were served by {most} a minute");
        }
    }

    #[test]
    fn what_was_learned_is_forgotten_when_nothing_is_refused_any_more() {
        let mut window = RateWindow::new(300);
        (0..61).for_each(|at| window.sent(at));
        window.refused(60, 70, Some(Duration::from_secs(5)));
        assert_eq!((window.limit(70), window.wait(70)), (60, Duration::from_millis(59_930)));
        assert_eq!(
            [1, 2, 3, 4, 5, 12].map(|minutes| window.limit(70 + minutes * WINDOW_MS)),
            [60, 61, 63, 67, 75, 300]
        );
    }

    #[test]
    fn a_refusal_after_few_requests_is_one_of_the_moment_unless_another_follows() {
        let mut window = RateWindow::new(300);
        (0..4).for_each(|at| window.sent(at));
        // Three that were under way together.
        (1..4).for_each(|sent| window.refused(sent, 70, Some(Duration::from_secs(1))));
        assert_eq!((window.limit(70), window.wait(70)), (300, Duration::from_secs(1)));
        window.sent(1_070);
        window.refused(1_070, 1_100, None);
        assert_eq!(window.limit(1_100), 1);
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
