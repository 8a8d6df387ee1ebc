//! Why a request got a gap no further although there may be more: a code that is stored, and its wording.

use crate::core::Ms;
use crate::core::timeline::gap::{Asked, Gap};

/// Why an answer, or its absence, got a gap no further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stall {
    /// Everything on the page is newer than what was requested.
    #[error("the server repeated a page that is already stored")]
    RepeatedPage,
    /// The next cursor is not below the one that was sent.
    #[error("the server's cursor did not go down")]
    CursorNotDown,
    /// The answer says that there is more, but has no cursor to it.
    #[error("the server says that there is more but gives no cursor")]
    MoreWithoutCursor,
    /// An empty page that claims not to be the last.
    #[error("the server sent an empty page and says that there is more")]
    EmptyButMore,
    /// No messages at all in a conversation that has some.
    #[error("the server says that the conversation is empty, but the archive holds messages of it")]
    EmptyButStored,
    /// What should be the newest page lacks what was newest before.
    #[error("the server's newest page ends before messages that the archive already holds")]
    NewestMissing,
    /// The page begins below the message that it should include again.
    #[error("the server's page begins below the message that it was asked for")]
    BorderMissing,
    /// No message on the page has a usable time, so the page has no place.
    #[error("no message on the page has a usable timestamp")]
    NoTimes,
    /// The answer claims to be the end, above messages that are known to exist.
    #[error("the server says that the conversation begins after messages that the archive already holds")]
    EndAboveKnown,
    /// The answer claims to be the end, before as many messages as the server counts.
    #[error("the server counts more messages than it gave before it ended")]
    EndBeforeCount(i64),
    /// All messages seem to be stored, but the server counts so many more: what is missing turned up late, below newer
    /// ones.
    #[error("the server counts more messages than are stored; {0} may be missing")]
    CountDiffers(i64),
    /// Items of other conversations were among those of the page.
    #[error("the server's page holds messages of other conversations")]
    MixedThreads,
    /// More messages have the same timestamp than can be requested at once.
    #[error("more messages share one millisecond than can be asked for at once")]
    OneMillisecond,
    /// The request failed with this error.
    #[error("{0}")]
    RequestFailed(String),
}

impl Stall {
    /// Whether its gap is a doubt: a stretch that seems to be stored, but that the server's count contradicts.
    #[must_use]
    pub fn is_doubt(&self) -> bool {
        matches!(self, Self::CountDiffers(_))
    }

    /// The code that the archive stores. It identifies the reason; the wording may change.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::RepeatedPage => "repeated_page",
            Self::CursorNotDown => "cursor_not_down",
            Self::MoreWithoutCursor => "more_without_cursor",
            Self::EmptyButMore => "empty_but_more",
            Self::EmptyButStored => "empty_but_stored",
            Self::NewestMissing => "newest_missing",
            Self::BorderMissing => "border_missing",
            Self::NoTimes => "no_times",
            Self::EndAboveKnown => "end_above_known",
            Self::EndBeforeCount(_) => "end_before_count",
            Self::CountDiffers(_) => "count_differs",
            Self::MixedThreads => "mixed_threads",
            Self::OneMillisecond => "one_millisecond",
            Self::RequestFailed(_) => "request_failed",
        }
    }

    /// What the archive stores beside the code: the server's count, or the error.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::EndBeforeCount(count) | Self::CountDiffers(count) => Some(count.to_string()),
            Self::RequestFailed(error) => Some(error.clone()),
            _ => None,
        }
    }

    /// The reason with this code and detail; `None` if there is no such code.
    #[must_use]
    pub fn from_code(code: &str, detail: Option<&str>) -> Option<Self> {
        Some(match code {
            "repeated_page" => Self::RepeatedPage,
            "cursor_not_down" => Self::CursorNotDown,
            "more_without_cursor" => Self::MoreWithoutCursor,
            "empty_but_more" => Self::EmptyButMore,
            "empty_but_stored" => Self::EmptyButStored,
            "newest_missing" => Self::NewestMissing,
            "border_missing" => Self::BorderMissing,
            "no_times" => Self::NoTimes,
            "end_above_known" => Self::EndAboveKnown,
            "end_before_count" => {
                Self::EndBeforeCount(detail.and_then(|d| d.parse().ok()).unwrap_or_default())
            }
            "count_differs" => Self::CountDiffers(detail.and_then(|d| d.parse().ok()).unwrap_or_default()),
            "mixed_threads" => Self::MixedThreads,
            "one_millisecond" => Self::OneMillisecond,
            "request_failed" => Self::RequestFailed(detail.unwrap_or_default().to_owned()),
            _ => return None,
        })
    }
}

/// The gaps after a request that brought no page but says something about what was requested: its gap has stalled. A
/// failed request for the newest page leaves a gap up to now.
#[must_use]
pub fn after_failure(gaps: &[Gap], asked: &Asked, error: &str, now: Ms) -> Vec<Gap> {
    let mut after = gaps.to_vec();
    let why = Stall::RequestFailed(error.to_owned());
    if let Some(gap) = after.iter_mut().find(|g| g.id == asked.gap.id && g.id != 0) {
        *gap = gap.clone().stalled(&why, asked.run);
    } else if asked.gap.id == 0 && after.first().is_none_or(|g| g.newer_ms.is_some()) {
        after.insert(0, Gap { opened_ms: now, ..asked.gap.clone() }.stalled(&why, asked.run));
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::ids::RunId;

    #[test]
    fn a_stall_survives_being_stored() {
        for stall in [
            Stall::RepeatedPage,
            Stall::CursorNotDown,
            Stall::MoreWithoutCursor,
            Stall::EmptyButMore,
            Stall::EmptyButStored,
            Stall::NewestMissing,
            Stall::BorderMissing,
            Stall::NoTimes,
            Stall::EndAboveKnown,
            Stall::EndBeforeCount(7),
            Stall::CountDiffers(8),
            Stall::MixedThreads,
            Stall::OneMillisecond,
            Stall::RequestFailed("HTTP 502".to_owned()),
        ] {
            let stored = (stall.code(), stall.detail());
            assert_eq!(Stall::from_code(stored.0, stored.1.as_deref()), Some(stall));
        }
        assert_eq!(Stall::from_code("another", None), None);
    }

    #[test]
    fn a_failed_request_stalls_its_gap_or_opens_one_at_the_head() {
        let gap = Gap { id: 3, newer_ms: Some(9), older_ms: Some(5), ..Gap::default() };
        let asked = |gap: Gap| Asked { gap, cursor: None, count: 10, most: 10, run: RunId(7) };
        let after = after_failure(std::slice::from_ref(&gap), &asked(gap.clone()), "HTTP 502", 99);
        assert_eq!(after, [gap.clone().stalled(&Stall::RequestFailed("HTTP 502".into()), RunId(7))]);
        let after =
            after_failure(std::slice::from_ref(&gap), &asked(Gap::head(Some(20), 50)), "HTTP 502", 99);
        assert_eq!((after.len(), after[0].newer_ms, after[0].opened_ms, after[0].stalls), (2, None, 99, 1));
        let unknown = Gap { id: 4, ..gap.clone() };
        assert_eq!(after_failure(std::slice::from_ref(&gap), &asked(unknown), "HTTP 502", 99), [gap]);
    }
}
