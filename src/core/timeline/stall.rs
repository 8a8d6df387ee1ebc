//! Why a walk stopped although there may be more: the reasons that a stalled gap carries.

/// Why an answer, or its absence, got a gap no further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stall {
    /// Everything on the page lies above what was asked for.
    #[error("the server repeated a page that is already stored")]
    RepeatedPage,
    /// The next cursor is not below the one that was sent.
    #[error("the server's cursor did not go down")]
    CursorNotDown,
    /// There is said to be more, but no cursor leads there.
    #[error("the server says that there is more but gives no cursor")]
    MoreWithoutCursor,
    /// An empty page that is said not to be the last.
    #[error("the server sent an empty page and says that there is more")]
    EmptyButMore,
    /// No messages at all in a conversation that has some.
    #[error("the server says that the conversation is empty, but the archive holds messages of it")]
    EmptyButStored,
    /// What should be the newest page lacks what was newest before.
    #[error("the server's newest page ends before messages that the archive already holds")]
    NewestMissing,
    /// The page begins below the message that it should show again.
    #[error("the server's page begins below the message that it was asked for")]
    BorderMissing,
    /// No message of the page has a usable time, so it has no place.
    #[error("no message on the page has a usable timestamp")]
    NoTimes,
    /// The end was said to come before messages that are known to exist.
    #[error("the server says that the conversation begins after messages that the archive already holds")]
    EndAboveKnown,
    /// The end was said to come before as many messages as the server counts.
    #[error("the server counts more messages than it gave before it ended")]
    EndBeforeCount(i64),
    /// More messages carry one timestamp than may be asked for at once.
    #[error("more messages share one millisecond than can be asked for at once")]
    OneMillisecond,
    /// The answer was no page.
    #[error("{0}")]
    Failed(String),
}
