//! Until when a message of which only the place is known was sent at the latest: what is erased by date must not take it
//! for as old as that.

use crate::core::Ms;
use crate::core::timeline::timestamps::ahead;

/// The latest time (ms) at which a message may have been sent: when its id says that it was created, unless that lies
/// ahead of when it was first stored; else by then, and by the time of the next newer message that has one.
#[must_use]
pub fn sent_by(created_ms: Option<Ms>, first_stored_ms: Ms, newer_ms: Option<Ms>) -> Ms {
    let created = created_ms.filter(|created| !ahead(*created, first_stored_ms));
    created.unwrap_or_else(|| newer_ms.map_or(first_stored_ms, |newer| newer.min(first_stored_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_was_sent_when_its_id_says_or_else_before_it_was_stored_and_before_what_is_newer() {
        let hour = 3_600_000;
        assert_eq!(sent_by(Some(hour), 90 * hour, Some(80 * hour)), hour, "its id says so");
        assert_eq!(sent_by(Some(99 * hour), 90 * hour, None), 90 * hour, "its id lies ahead");
        assert_eq!(sent_by(Some(99 * hour), 90 * hour, Some(80 * hour)), 80 * hour);
        assert_eq!(sent_by(None, 90 * hour, Some(95 * hour)), 90 * hour);
    }
}
