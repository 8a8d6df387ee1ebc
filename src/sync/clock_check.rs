//! Whether the machine's clock may begin a new day of the budget: a machine without a battery starts in the past, and
//! each wrong day has caps of its own.

use crate::api::{ApiError, FailureKind};
use crate::core::Ms;
use crate::core::budget::calendar::day_and_month;
use crate::core::format::iso_utc;

/// No honest clock is off by more.
const FAR_MS: Ms = 10 * 60_000;

/// What is known of the time besides the machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OtherClocks {
    /// How far the API's clock is ahead of ours (ms), once it has told.
    pub(super) api_ahead_ms: Option<Ms>,
    /// When the newest request of the ledger was made before this run (ms).
    pub(super) newest_request_ms: Option<Ms>,
}

impl OtherClocks {
    /// Why nothing is to be spent by this clock. What the API says of the time decides; where it has said nothing, a
    /// clock that stands before the ledger's newest request is wrong.
    pub(super) fn doubt(self, now: Ms) -> Option<ApiError> {
        let ledgers = self.newest_request_ms.filter(|newest| *newest > now);
        let (other, whose) = match (self.api_ahead_ms, ledgers) {
            (Some(ahead), _) => (now.saturating_add(ahead), "the API's clock says"),
            (None, Some(newest)) => (newest, "the ledger's newest request was made at"),
            (None, None) => return None,
        };
        let is_far = (other - now).abs() > FAR_MS && day_and_month(other).0 != day_and_month(now).0;
        is_far.then(|| {
            let (now, other) = (iso_utc(now), iso_utc(other));
            let what = format!(
                "this machine's clock says {now}, but {whose} {other}: nothing is spent until they agree"
            );
            ApiError::new(FailureKind::Transient, what)
        })
    }

    /// Whether the API must be asked what time it is before anything is spent.
    pub(super) fn must_ask(self, now: Ms) -> bool {
        self.api_ahead_ms.is_none() && self.doubt(now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_doubted_by_what_the_api_says_or_else_by_the_ledger() {
        const NOON: Ms = 1_772_452_800_000;
        const DAY: Ms = 86_400_000;
        for (api_ahead_ms, newest, doubted) in [
            (None, None, false),
            (None, Some(-DAY), false),
            (None, Some(DAY), true),
            (None, Some(3_600_000), false),
            (Some(1_000), Some(DAY), false),
            (Some(DAY), Some(-DAY), true),
            (Some(-DAY), None, true),
            (Some(3_600_000), None, false),
            (Some(13 * 3_600_000), None, true),
        ] {
            let newest_request_ms = newest.map(|later: Ms| NOON + later);
            let others = OtherClocks { api_ahead_ms, newest_request_ms };
            assert_eq!(others.doubt(NOON).is_some(), doubted, "{others:?}");
            assert_eq!(others.must_ask(NOON), doubted && api_ahead_ms.is_none());
        }
        // Around midnight a few minutes are another day.
        let others = OtherClocks { api_ahead_ms: Some(5 * 60_000), newest_request_ms: None };
        assert_eq!(others.doubt(NOON + DAY / 2 - 60_000), None);
    }
}
