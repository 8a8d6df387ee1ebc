//! One answer to a request for messages: what it holds and what it claims about the rest.

use std::collections::BTreeMap;

use crate::core::Ms;
use crate::core::model::cursor::Cursor;
use crate::core::model::message::Message;
use crate::core::model::urn;

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
    /// Whether it is a message, but of another thread than the one that was asked for.
    pub of_other_thread: bool,
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
    /// Sets aside the messages whose URN names another thread than this conversation's.
    pub fn set_strangers_aside(&mut self, conversation: &str) {
        let own = urn::thread_key(conversation);
        if !own.starts_with("2-") {
            return;
        }
        let thread = |m: &Message| m.urn.as_deref().and_then(urn::thread_of_message);
        let messages = std::mem::take(&mut self.messages);
        let (strangers, messages) =
            messages.into_iter().partition(|m| thread(m).is_some_and(|thread| thread != own));
        self.messages = messages;
        let aside = |m: Message| Oddity {
            json: m.served_json(),
            reason: "a message of another conversation".to_owned(),
            of_other_thread: true,
        };
        self.oddities.extend(Vec::into_iter(strangers).map(aside));
    }

    /// The profile of the mailbox's owner, as the URNs of most of the page's messages name it.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        let mut named: BTreeMap<&str, usize> = BTreeMap::new();
        for owner in self.messages.iter().filter_map(|m| urn::owner(m.urn.as_deref()?)) {
            *named.entry(owner).or_default() += 1;
        }
        named.into_iter().max_by_key(|(_, messages)| *messages).map(|(owner, _)| owner)
    }

    /// The lowest and highest position of the messages whose time was served; where none was, of those whose URN
    /// tells when they were created, so that a server without times can still be walked by its cursors. Where times were
    /// served and none is trusted, those positions say nothing of the server's order.
    #[must_use]
    pub fn span(&self) -> Option<(Ms, Ms)> {
        let served = self.messages.iter().filter(|m| !m.derived_time).map(|m| m.at_ms);
        let created = self.messages.iter().filter(|m| m.stands_at_creation()).map(|m| m.at_ms);
        bounds(served).or_else(|| bounds(created))
    }

    /// Whether times were served of which none is trusted.
    #[must_use]
    pub fn untrusted(&self) -> bool {
        self.without_times() && self.messages.iter().any(|m| m.untrusted_ms.is_some())
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

    /// Whether there are messages, but none whose time is trusted this time: the server's clock may be wrong.
    #[must_use]
    pub fn clock_in_doubt(&self) -> bool {
        !self.messages.is_empty() && self.messages.iter().all(|m| m.derived_time || m.untrusted_ms.is_some())
    }
}

fn bounds(mut times: impl Iterator<Item = Ms>) -> Option<(Ms, Ms)> {
    let first = times.next()?;
    Some(times.fold((first, first), |(lo, hi), t| (lo.min(t), hi.max(t))))
}
