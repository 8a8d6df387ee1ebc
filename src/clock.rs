//! Time as an argument: the one place that reads the system's clock, and the trait that lets tests set it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::core::Ms;

/// What time it is, and waiting.
pub trait Clock {
    /// Milliseconds since the Unix epoch, UTC.
    fn now_ms(&self) -> Ms;

    /// Waits. A clock that is not the system's must let its time go on by at least as much, or a caller that
    /// waits for a moment never sees it come.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()>;
}

/// The system's clock and the runtime's timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> Ms {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
        let now = SystemTime::now();
        // A clock set before 1970 is wrong in any case; 0 keeps it from looking like the future.
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ms::try_from(since.as_millis()).unwrap_or(Ms::MAX)
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        tokio::time::sleep(duration)
    }
}

impl<C: Clock> Clock for &C {
    fn now_ms(&self) -> Ms {
        (**self).now_ms()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        (**self).sleep(duration)
    }
}

impl<C: Clock> Clock for Arc<C> {
    fn now_ms(&self) -> Ms {
        (**self).now_ms()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        (**self).sleep(duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_counts_milliseconds_of_this_century() {
        let now = SystemClock.now_ms();
        assert!((1_600_000_000_000..4_102_444_800_000).contains(&now), "{now}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_may_be_shared() {
        let before = tokio::time::Instant::now();
        <Arc<SystemClock> as Clock>::sleep(&Arc::new(SystemClock), Duration::from_secs(3)).await;
        <&SystemClock as Clock>::sleep(&&SystemClock, Duration::from_secs(4)).await;
        assert_eq!(before.elapsed().as_secs(), 7);
    }
}
