//! Whether a message that is new to the archive is news, or history that has only now been fetched.

use crate::core::Ms;

const DAY_MS: Ms = 86_400_000;

/// How new messages came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// By an import.
    Import,
    /// On a page.
    Page {
        /// Whether it was asked for below everything stored, as a first archive does.
        open_below: bool,
        /// When the account was first asked for anything.
        watched_since_ms: Ms,
    },
}

impl Origin {
    /// Whether a message of this time, stored now, is history: it was sent before anybody watched, or long ago. In a
    /// conversation that is fetched for the first time a day is long; where a pause is made up for, a week is.
    #[must_use]
    pub fn is_history(self, sent_at_ms: Ms, now: Ms) -> bool {
        match self {
            Self::Import => true,
            Self::Page { open_below, watched_since_ms } => {
                let long = if open_below { DAY_MS } else { 7 * DAY_MS };
                sent_at_ms < watched_since_ms || now.saturating_sub(sent_at_ms) > long
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Ms = 1_700_000_000_000;

    #[test]
    fn what_was_sent_while_the_account_was_watched_is_news_unless_it_comes_late() {
        let watched_since_ms = NOW - 100 * DAY_MS;
        let (first, later) = (
            Origin::Page { open_below: true, watched_since_ms },
            Origin::Page { open_below: false, watched_since_ms },
        );
        for (ago, is_history_of_first, is_history_later) in [
            (0, false, false),
            (DAY_MS + 1, true, false),
            (8 * DAY_MS, true, true),
            (101 * DAY_MS, true, true),
        ] {
            let at = NOW - ago;
            assert_eq!(
                (first.is_history(at, NOW), later.is_history(at, NOW)),
                (is_history_of_first, is_history_later),
                "{ago}"
            );
            assert!(Origin::Import.is_history(at, NOW));
        }
        let since_now = Origin::Page { open_below: false, watched_since_ms: NOW };
        assert!(since_now.is_history(NOW - 1, NOW) && !since_now.is_history(NOW, NOW));
    }
}
