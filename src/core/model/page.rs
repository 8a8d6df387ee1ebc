//! One answer to a request for messages: what it holds and what it claims about the rest.

use crate::core::Ms;
use crate::core::model::cursor::Cursor;
use crate::core::model::message::Message;

/// What an answer claims to lie below its last message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Below {
    /// The documented end: this page reaches down to the beginning of the conversation.
    End,
    /// There is more, and this cursor fetches it.
    More(Cursor),
    /// The server says that there is more but gives no cursor to fetch it with.
    MoreWithoutCursor,
}

/// An item of the answer's message list that is no message at all (not a JSON object).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// The item's JSON text as served.
    pub json: String,
    /// Why it could not be taken for a message.
    pub reason: String,
}

/// One page of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub messages: Vec<Message>,
    /// What the answer says about older messages.
    pub below: Below,
    /// How many items the answer's list held: what the request is charged by.
    pub returned: u32,
    /// The conversation's URN, as the answer names it or as its messages' URNs tell it.
    pub conversation_urn: Option<String>,
    /// Messages in the whole conversation, where the API says so (v2).
    pub total: Option<i64>,
    /// Unread messages, where the API says so.
    pub unread: Option<i64>,
    /// When the other side last saw the conversation (ms), where the API says so.
    pub last_seen_ms: Option<Ms>,
    /// Items that are no messages: kept aside, never dropped.
    pub oddities: Vec<Oddity>,
}

impl Page {
    /// The lowest and highest position of the messages whose time was served; where none was, of those whose URN
    /// tells when they were created, so that a server without times can still be walked by its cursors.
    #[must_use]
    pub fn span(&self) -> Option<(Ms, Ms)> {
        let served = self.messages.iter().filter(|m| !m.derived_time).map(|m| m.at_ms);
        let created = self.messages.iter().filter(|m| m.stands_at_creation()).map(|m| m.at_ms);
        bounds(served).or_else(|| bounds(created))
    }

    /// Whether the times that were served are in order, newest first or oldest first.
    #[must_use]
    pub fn ordered(&self) -> bool {
        let served = || self.messages.iter().filter(|m| !m.derived_time).map(|m| m.at_ms);
        served().is_sorted() || served().is_sorted_by(|a, b| a >= b)
    }

    /// Whether there are messages, but not one with a time that was served.
    #[must_use]
    pub fn without_times(&self) -> bool {
        !self.messages.is_empty() && self.messages.iter().all(|m| m.derived_time)
    }
}

fn bounds(mut times: impl Iterator<Item = Ms>) -> Option<(Ms, Ms)> {
    let first = times.next()?;
    Some(times.fold((first, first), |(lo, hi), t| (lo.min(t), hi.max(t))))
}
